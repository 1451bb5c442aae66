//! The program itself, behind a runtime API that is Lambda's as far as a function sees of it.
#![cfg(test)]

use std::collections::HashMap;
use std::time::Duration;

use domain::ApiKey;
use serde_json::{Value, json};
use testkit::{Lambda, TestAws, TestDatabase};

/// Longer than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_mins(1);

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

#[tokio::test]
async fn when_a_key_was_used_is_noted_before_lambda_ends_the_process() {
    let (database, aws) = (TestDatabase::create().await.unwrap(), TestAws::create().await.unwrap());
    let owner = database.client().await.unwrap();
    let key = ApiKey::from_random([7; 32]);
    let insert = format!(
        "insert into afterthought.api_keys (tenant, name, hash, hint, scopes)
         values ('default', 'app', decode('{}', 'hex'), '{}', '{{ingest}}')",
        key.hash(),
        key.hint()
    );
    owner.batch_execute(&insert).await.unwrap();
    let mut variables: HashMap<String, String> = aws.environment();
    for (name, value) in [
        ("DATABASE_URL", database.url()),
        ("HOT_TABLE", &aws.create_hot_table().await.unwrap()),
        ("WAKE_UP_QUEUES", &format!("indexer={}", aws.create_queue("indexer").await.unwrap())),
        ("INGEST_QUEUE", &aws.create_fifo_queue("ingest").await.unwrap()),
        ("API_KEYS", "required"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    let mut event: Value = serde_json::from_str(include_str!("../../../tests/events/webhook.json")).unwrap();
    event["headers"]["authorization"] = json!(format!("Bearer {}", key.expose()));
    let (lambda, address, mut answered) = Lambda::serve(event.to_string(), true).await.unwrap();
    let mut process = Lambda::start(env!("CARGO_BIN_EXE_webhook"), "webhook", &address, variables).unwrap();
    let answer = within(answered.recv()).await.unwrap();
    assert_eq!(answer["statusCode"], 202, "{answer}");
    let used = "select count(*) from afterthought.api_keys where last_used_at is not null";
    let noted = async || owner.query_one(used, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(noted().await, 0, "no answer waits for it");
    within(lambda.extension_waits()).await;
    Lambda::terminate(&process).unwrap();
    assert!(within(process.wait()).await.unwrap().success());
    assert_eq!(noted().await, 1);
}
