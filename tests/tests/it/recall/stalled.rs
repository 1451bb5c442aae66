//! Servers that take requests and do not answer any more: nobody waits for them longer than was said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::{ApiKey, KeyGrant, KeyScopes, TenantId, UserId};
use hot::Hot;
use jiff::SignedDuration;
use model::Embedder;
use recall::Recall;
use serde_json::json;
use store::{DatabaseConfig, Role, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use uuid::Uuid;

use super::stage::{HOT_TABLE, Stage, get, texts};
use crate::asking::ask;

/// Far longer than anything here waits for.
const FOR_EVER: Duration = Duration::from_secs(100);

/// A way to a server on which, from some moment on, nothing arrives any more, though it stays open.
#[derive(Clone)]
struct Line {
    address: String,
    is_stalled: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl Line {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let line = Self { address, is_stalled: Arc::default(), connections: Arc::default() };
        let (accepting, server) = (line.clone(), server.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(&server).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(carry(from_client, to_server, Arc::clone(&accepting.is_stalled)));
                tokio::spawn(carry(from_server, to_client, Arc::clone(&accepting.is_stalled)));
            }
        });
        line
    }

    fn stall(&self) {
        self.is_stalled.store(true, Ordering::SeqCst);
    }

    fn recover(&self) {
        self.is_stalled.store(false, Ordering::SeqCst);
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    is_stalled: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if is_stalled.load(Ordering::SeqCst) {
            // What was lost on the way does not come later: this connection is dead.
            return std::future::pending().await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// A line to the Postgres of a test, and its URL.
async fn to_postgres(stage: &Stage) -> (Line, String) {
    let (before, rest) = stage.database.url().split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let line = Line::to(server).await;
    let url = format!("{before}@{}/{database}", line.address);
    (line, url)
}

fn store(url: &str, connections: usize) -> Store {
    let config = DatabaseConfig::parse(url).unwrap().with_timeout(Duration::from_secs(4));
    Store::new(&config, Role::Agent, connections).unwrap()
}

#[tokio::test]
async fn a_transaction_without_an_answer_is_given_up_and_the_next_has_another_connection() {
    let stage = Stage::set().await;
    let (line, url) = to_postgres(&stage).await;
    let (store, tenant) = (store(&url, 1), TenantId::new("default").unwrap());
    store.tenant_settings(&tenant).await.unwrap();
    line.stall();
    let given_up = timeout(FOR_EVER, store.tenant_settings(&tenant)).await.expect("it does not wait");
    assert!(matches!(given_up, Err(store::Error::TimedOut(_))), "{given_up:?}");
    // Nor for a connection, which gets as far as to be accepted.
    let given_up = timeout(FOR_EVER, store.tenant_settings(&tenant)).await.expect("it does not wait");
    assert!(matches!(given_up, Err(store::Error::TimedOut(_))), "{given_up:?}");
    line.recover();
    store.tenant_settings(&tenant).await.unwrap();
    assert_eq!(line.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_warm_session_is_hydrated_while_postgres_hangs() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    let (line, url) = to_postgres(&stage).await;
    let recall =
        Recall::new(store(&url, 2), stage.services.hot.clone(), Embedder::BuiltIn, stage.services.now)
            .with_limit(100);
    line.stall();
    let asked = async |session: &str| {
        let path = "/v1/users/ada/hydrate";
        let query = format!("session={session}");
        timeout(FOR_EVER, get(&recall, "default", path, &query)).await.expect("it does not wait")
    };
    for connections in [2, 3] {
        let (status, answer) = asked("chat").await;
        assert_eq!((status, &answer["state"], &answer["degraded"]), (200, &json!("warm"), &json!(true)));
        assert_eq!(texts(&answer, "recent_messages"), ["hello"]);
        assert_eq!(
            line.connections.load(Ordering::SeqCst),
            connections,
            "the limit asks once in a while for the settings of a tenant, hydrate each time for the rest"
        );
    }
    assert_eq!(asked("another").await.0, 503, "what only the log has cannot be answered");
}

#[tokio::test]
async fn a_key_of_which_there_is_an_old_copy_is_believed_while_postgres_hangs() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    let (line, url) = to_postgres(&stage).await;
    let patient = Store::new(&DatabaseConfig::parse(&url).unwrap(), Role::Agent, 2).unwrap();
    let recall = Recall::new(patient, stage.services.hot.clone(), Embedder::BuiltIn, stage.services.now)
        .with_guard(|guard| guard.with_keys_required(true));
    let (key, tenant) = (ApiKey::from_random([7; 32]), TenantId::new("default").unwrap());
    let grant = KeyGrant { id: Uuid::nil(), tenant, scopes: KeyScopes::all(), valid_until: None };
    let a_day_ago = (stage.services.now)() - SignedDuration::from_hours(30);
    stage.services.hot.put_key(&key.hash(), &grant, a_day_ago).await.unwrap();
    line.stall();
    let bearer = format!("Bearer {}", key.expose());
    let headers = [("authorization", bearer.as_str())];
    let began = Instant::now();
    let asked = ask(&recall, "GET", "/v1/users/ada/hydrate?session=chat", &headers, None).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "key, settings and session are waited for a second each"
    );
}

#[tokio::test]
async fn hot_state_that_does_not_answer_is_done_without() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    let emulator = stage.aws.environment()["AWS_ENDPOINT_URL"].clone();
    let line = Line::to(emulator.strip_prefix("http://").unwrap()).await;
    line.stall();
    let config = aws_sdk_dynamodb::config::Builder::from(stage.aws.config())
        .endpoint_url(format!("http://{}", line.address))
        .build();
    let hot = Hot::new(aws_sdk_dynamodb::Client::from_conf(config), HOT_TABLE.to_owned())
        .with_timeout(Duration::from_secs(2));
    let (tenant, user) = (TenantId::new("default").unwrap(), UserId::new("ada").unwrap());
    let latest = timeout(FOR_EVER, hot.latest_session(&tenant, &user, (stage.services.now)()));
    let latest = latest.await.expect("it does not wait");
    assert!(matches!(latest, Err(hot::Error::Unavailable(_))), "{latest:?}");
    let recall = Recall::new(stage.services.store.clone(), hot, Embedder::BuiltIn, stage.services.now);
    let asked = get(&recall, "default", "/v1/users/ada/hydrate", "session=chat");
    let (status, answer) = timeout(FOR_EVER, asked).await.expect("it does not wait");
    assert_eq!((status, &answer["state"], &answer["degraded"]), (200, &json!("lost"), &json!(true)));
    assert_eq!(texts(&answer, "recent_messages"), ["hello"]);
}
