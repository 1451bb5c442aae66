//! What a hot read is made of. The emulator is a program in Python and no DynamoDB, so its share says nothing about AWS:
//! the same reads are made against a responder that answers at once with the same bytes, once through our function and
//! once as a bare `GetItem` of the SDK.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::{Client, Config};
use axum::Router;
use axum::extract::State;
use bytes::Bytes;
use domain::UserId;
use hot::{Hot, Read};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

use super::Variant;
use super::hybrid::Hybrid;
use crate::figures::{Times, rounded};
use crate::product::TENANT;
use crate::say;
use crate::world::World;

/// Reads of each kind, one after the other.
const READS: usize = 400;

pub(super) async fn measure(hybrid: &Hybrid, world: &World) -> Result<Value> {
    let keys = hybrid.context_keys().await?;
    let key = keys.first().context("a context is hot")?;
    let emulator = hybrid.product.aws.dynamodb();
    let item = emulator
        .get_item()
        .table_name(&hybrid.product.hot_table)
        .set_key(Some(key.clone()))
        .send()
        .await?
        .item
        .context("the context is there")?;
    let responder = responder(&item).await?;
    let hot = Hot::new(responder.clone(), hybrid.product.hot_table.clone());
    let user = UserId::new(world.agents.first().context("there are agents")?.user.clone())?;
    let (tenant, now) = (&hybrid.product.tenant, hybrid.product.now());

    let mut times: [Times; 4] = Default::default();
    let [through_emulator, bare_emulator, through_responder, bare_responder] = &mut times;
    // The first tenth warms up.
    for number in 0..READS + READS / 10 {
        let is_warm = number >= READS / 10;
        let add = |times: &mut Times, started: Instant| {
            if is_warm {
                times.add(started.elapsed());
            }
        };
        let started = Instant::now();
        hybrid.hot_read(0).await?;
        add(through_emulator, started);
        let started = Instant::now();
        bare(&emulator, &hybrid.product.hot_table, key).await?;
        add(bare_emulator, started);
        let started = Instant::now();
        let read = hot.get_context(tenant, &user, "talk-0", now).await?;
        anyhow::ensure!(matches!(read, Read::Present(_)), "the responder's context cannot be read");
        add(through_responder, started);
        let started = Instant::now();
        bare(&responder, &hybrid.product.hot_table, key).await?;
        add(bare_responder, started);
    }
    let names = [
        ("ours_on_the_emulator", "our read, emulator"),
        ("get_item_on_the_emulator", "bare GetItem, emulator"),
        ("ours_on_a_responder", "our read, responder"),
        ("get_item_on_a_responder", "bare GetItem, responder"),
    ];
    let mut report = Map::new();
    for ((key, title), times) in names.into_iter().zip(&times) {
        say(&format!("  {title:<24} p50 {:.3} ms  p95 {:.3} ms, one at a time", times.p50(), times.p95()));
        report
            .insert(key.to_owned(), json!({"p50_ms": rounded(times.p50()), "p95_ms": rounded(times.p95())}));
    }
    let [_, _, ours, bare] = &times;
    let code = ours.p50() - bare.p50();
    say(&format!("  our code adds {:.0} µs to a GetItem", code * 1000.0));
    report.insert("our_code_ms".to_owned(), json!(rounded(code)));
    Ok(Value::Object(report))
}

async fn bare(client: &Client, table: &str, key: &HashMap<String, AttributeValue>) -> Result<()> {
    let answer =
        client.get_item().table_name(table).set_key(Some(key.clone())).consistent_read(true).send().await?;
    anyhow::ensure!(answer.item.is_some(), "the item is gone");
    Ok(())
}

/// A client of something on loopback that answers every request with this item.
async fn responder(item: &HashMap<String, AttributeValue>) -> Result<Client> {
    let attributes: Map<String, Value> =
        item.iter().map(|(name, value)| (name.clone(), on_the_wire(value))).collect();
    let body = Bytes::from(serde_json::to_vec(&json!({ "Item": attributes }))?);
    let router = Router::new().fallback(answer).with_state(Arc::new(body));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(TENANT, "secret", None, None, "bench"))
        .build();
    Ok(Client::from_conf(config))
}

async fn answer(State(body): State<Arc<Bytes>>) -> ([(&'static str, &'static str); 1], Bytes) {
    ([("content-type", "application/x-amz-json-1.0")], Bytes::clone(&body))
}

/// A value as DynamoDB's JSON has it; contexts hold nothing but texts, numbers, flags, lists and maps.
fn on_the_wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(digits) => json!({ "N": digits }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(on_the_wire).collect::<Vec<_>>() }),
        AttributeValue::M(map) => {
            let map: Map<String, Value> =
                map.iter().map(|(name, value)| (name.clone(), on_the_wire(value))).collect();
            json!({ "M": map })
        }
        _ => json!({ "NULL": true }),
    }
}
