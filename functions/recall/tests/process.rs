//! The program itself, behind a runtime API that is Lambda's as far as a function sees of it.
#![cfg(test)]

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use testkit::{Lambda, TestAws, TestDatabase};
use tokio::process::Child;
use tokio_postgres::Client;

/// Longer than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_mins(1);
const EVENT: &str = include_str!("../../../tests/events/recall.json");

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

/// A database in which Ada has a memory, and what a function finds in its environment.
struct Place {
    database: TestDatabase,
    owner: Client,
    aws: TestAws,
}

impl Place {
    async fn create() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let owner = database.client().await.unwrap();
        owner
            .batch_execute(
                "insert into afterthought.messages (user_id, session, role, content)
                 values ('ada', 'chat', 'user', 'I live in Lisbon.');
                 insert into afterthought.memories
                     (id, tenant, user_id, scope, type, key, content, confidence, agent, model, valid_from)
                 values (gen_random_uuid(), 'default', 'ada', 'user', 'fact', 'home', 'Ada lives in Lisbon.', 1, 'a', 'm', now())",
            )
            .await
            .unwrap();
        Self { database, owner, aws: TestAws::create().await.unwrap() }
    }

    async fn start(&self, runtime_api: &str) -> Child {
        let mut variables: HashMap<String, String> = self.aws.environment();
        for (name, value) in [
            ("DATABASE_URL", self.database.url()),
            ("HOT_TABLE", &self.aws.create_hot_table().await.unwrap()),
            ("WAKE_UP_QUEUES", &format!("indexer={}", self.aws.create_queue("indexer").await.unwrap())),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        Lambda::start(env!("CARGO_BIN_EXE_recall"), "recall", runtime_api, variables).unwrap()
    }

    async fn accesses(&self) -> i64 {
        let sum = "select coalesce(sum(count), 0)::bigint from afterthought.memory_access";
        self.owner.query_one(sum, &[]).await.unwrap().get(0)
    }
}

fn memories(answer: &Value) -> usize {
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    body["memories"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_was_handed_out_is_counted_before_lambda_ends_the_process() {
    let place = Place::create().await;
    let (lambda, address, mut answered) = Lambda::serve(EVENT.to_owned(), true).await.unwrap();
    let mut process = place.start(&address).await;
    let answer = within(answered.recv()).await.unwrap();
    assert_eq!(memories(&answer), 1);
    assert_eq!(place.accesses().await, 0, "no answer waits for it");
    within(lambda.extension_waits()).await;
    let asked = lambda.asked();
    assert_eq!(
        asked[0], "register",
        "the first invocation asked for ends the time for registering: {asked:?}"
    );

    Lambda::terminate(&process).unwrap();
    assert!(within(process.wait()).await.unwrap().success());
    assert_eq!(place.accesses().await, 1);
}

#[tokio::test]
async fn where_there_are_no_extensions_the_function_answers_and_counts_all_the_same() {
    let place = Place::create().await;
    let (lambda, address, mut answered) = Lambda::serve(EVENT.to_owned(), false).await.unwrap();
    let mut process = place.start(&address).await;
    assert_eq!(memories(&within(answered.recv()).await.unwrap()), 1);
    assert_eq!(lambda.asked()[0], "register");
    Lambda::terminate(&process).unwrap();
    assert!(within(process.wait()).await.unwrap().success());
    assert_eq!(place.accesses().await, 1);
}

#[tokio::test]
async fn whoever_is_not_lambda_is_asked_for_no_extension() {
    let place = Place::create().await;
    let (lambda, address, mut answered) = Lambda::serve(EVENT.to_owned(), true).await.unwrap();
    // As `cargo local` has it: with the protocol and a path.
    let mut process = place.start(&format!("http://{address}")).await;
    assert_eq!(memories(&within(answered.recv()).await.unwrap()), 1);
    assert!(lambda.asked().iter().all(|asked| *asked == "invocation"), "{:?}", lambda.asked());
    Lambda::terminate(&process).unwrap();
    assert!(within(process.wait()).await.unwrap().success());
    assert_eq!(place.accesses().await, 1);
}
