//! A deployment migrates the database and CloudFormation hears of it, whatever happens.

#![cfg(test)]

use migrate::{Target, handle};
use serde_json::{Value, json};
use store::DatabaseConfig;
use testkit::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Receives one request, answers it with `status`, and gives its body back.
async fn receive(listener: &TcpListener, status: &str) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    let (head, body) = loop {
        stream.read_buf(&mut received).await.unwrap();
        let text = String::from_utf8(received.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            break (head.to_owned(), serde_json::from_str(body).unwrap());
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    (head, body)
}

fn event(request_type: &str, listener: &TcpListener) -> Value {
    json!({
        "RequestType": request_type,
        "ResponseURL": format!("http://{}/answer?signature=abc", listener.local_addr().unwrap()),
        "StackId": "stack", "RequestId": "request", "LogicalResourceId": "Migration",
        "ResourceType": "Custom::Migration", "ResourceProperties": {}
    })
}

fn target(database: &TestDatabase) -> Target {
    Target { database: DatabaseConfig::parse(database.url()).unwrap(), slot: database.name().to_owned() }
}

#[tokio::test]
async fn creating_and_updating_the_stack_migrates_the_database() {
    let database = TestDatabase::create_empty().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for request_type in ["Create", "Update"] {
        let handled = handle(async || Ok(target(&database)), event(request_type, &listener));
        let (done, (head, answer)) = tokio::join!(handled, receive(&listener, "200 OK"));
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        assert_eq!(answer["Data"]["SchemaVersion"], store::migrate::newest().unwrap().to_string());
        assert!(head.starts_with("PUT /answer?signature=abc"));
        assert!(head.contains("content-type: \r\n"), "{head}");
        assert_eq!(done.unwrap()["slot_created"], json!(request_type == "Create"));
    }
    let client = database.client().await.unwrap();
    let slots =
        client.query("select from pg_replication_slots where slot_name = $1", &[&database.name()]).await;
    assert_eq!(slots.unwrap().len(), 1);
}

#[tokio::test]
async fn a_failure_is_answered_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = DatabaseConfig::parse("postgres://nobody@127.0.0.1:1/none").unwrap();
    let target = async || Ok(Target { database: nowhere.clone(), slot: "none".to_owned() });
    let handled = handle(target, event("Create", &listener));
    let (done, (_, answer)) = tokio::join!(handled, receive(&listener, "200 OK"));
    assert_eq!(answer["Status"], "FAILED");
    assert!(!answer["Reason"].as_str().unwrap().is_empty());
    assert!(done.unwrap()["failed"].is_string());

    let no_target = async || Err(anyhow::anyhow!("DATABASE_URL is not set"));
    let handled = handle(no_target, event("Update", &listener));
    let (_, (_, answer)) = tokio::join!(handled, receive(&listener, "200 OK"));
    assert_eq!(answer["Reason"], "DATABASE_URL is not set");
}

#[tokio::test]
async fn deleting_the_stack_leaves_the_data_alone() {
    let database = TestDatabase::create().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unasked = async || -> anyhow::Result<Target> { panic!("a deletion needs no database") };
    let handled = handle(unasked, event("Delete", &listener));
    let (_, (_, answer)) = tokio::join!(handled, receive(&listener, "200 OK"));
    assert_eq!(answer["Status"], "SUCCESS");
    let client = database.client().await.unwrap();
    client.batch_execute("select from afterthought.session_events").await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_lost_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let handled = handle(async || Err(anyhow::anyhow!("no")), event("Create", &listener));
    let received = async {
        receive(&listener, "503 Slow Down").await;
        receive(&listener, "200 OK").await
    };
    let (done, (_, answer)) = tokio::join!(handled, received);
    assert_eq!(answer["Status"], "FAILED");
    done.unwrap();
}

#[tokio::test]
async fn a_plain_invocation_replaces_the_slot_when_asked() {
    let database = TestDatabase::create().await.unwrap();
    let invoke = async |payload: Value| handle(async || Ok(target(&database)), payload).await;
    assert_eq!(invoke(Value::Null).await.unwrap()["slot_created"], true);
    assert_eq!(invoke(json!({})).await.unwrap()["slot_created"], false);
    assert_eq!(invoke(json!({"recreate_slot": true})).await.unwrap()["slot_created"], true);
    let error = format!("{:#}", invoke(json!({"recreate": true})).await.unwrap_err());
    assert!(error.contains("recreate"), "{error}");
}
