//! The program itself, behind a runtime API that is Lambda's as far as a function sees of it.
#![cfg(test)]

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use testkit::{TestAws, TestDatabase};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc};
use tokio_postgres::Client;

/// Longer than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_mins(1);
const EXTENSION: &str = "5a3bfd3d-2a8f-4a0c-9d5e-000000000001";

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

/// One instance's Lambda, which invokes the function once.
#[derive(Clone)]
struct Lambda {
    has_extensions: bool,
    /// What the function asked for, in order.
    asked: Arc<Mutex<Vec<&'static str>>>,
    invocation: Arc<Mutex<Option<&'static str>>>,
    answers: mpsc::Sender<Value>,
    extension_waits: Arc<Notify>,
}

impl Lambda {
    /// Serves at the address it answers; answers of the function come out of the receiver.
    async fn serve(has_extensions: bool) -> (Self, String, mpsc::Receiver<Value>) {
        let (answers, answered) = mpsc::channel(8);
        let lambda = Self {
            has_extensions,
            asked: Arc::default(),
            invocation: Arc::new(Mutex::new(Some(include_str!("../../../tests/events/recall.json")))),
            answers,
            extension_waits: Arc::default(),
        };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_invocation))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(take_answer))
            .route("/2020-01-01/extension/register", post(register))
            .route("/2020-01-01/extension/event/next", get(next_event))
            .with_state(lambda.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (lambda, address, answered)
    }

    fn note(&self, asked: &'static str) {
        self.asked.lock().unwrap().push(asked);
    }
}

async fn next_invocation(State(lambda): State<Lambda>) -> Response {
    lambda.note("invocation");
    let invocation = lambda.invocation.lock().unwrap().take();
    let Some(event) = invocation else { return std::future::pending().await };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:recall"),
    ];
    (headers, event).into_response()
}

async fn take_answer(State(lambda): State<Lambda>, body: String) -> StatusCode {
    lambda.answers.send(serde_json::from_str(&body).unwrap()).await.unwrap();
    StatusCode::ACCEPTED
}

async fn register(State(lambda): State<Lambda>, headers: HeaderMap, body: String) -> Response {
    lambda.note("register");
    if !lambda.has_extensions {
        return StatusCode::NOT_FOUND.into_response();
    }
    assert!(headers.contains_key("lambda-extension-name"));
    // Lambda lets an extension within the runtime's process ask for no `SHUTDOWN` event.
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["events"], serde_json::json!([]));
    [("lambda-extension-identifier", EXTENSION)].into_response()
}

async fn next_event(State(lambda): State<Lambda>, headers: HeaderMap) -> Response {
    assert_eq!(headers["lambda-extension-identifier"], EXTENSION);
    lambda.note("event");
    lambda.extension_waits.notify_one();
    std::future::pending().await
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
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("AWS_LAMBDA_FUNCTION_NAME", "recall"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("RUST_LOG", "warn"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_recall")));
        command.env_clear().envs(variables).kill_on_drop(true).stdin(Stdio::null());
        command.spawn().unwrap()
    }

    async fn accesses(&self) -> i64 {
        let sum = "select coalesce(sum(count), 0)::bigint from afterthought.memory_access";
        self.owner.query_one(sum, &[]).await.unwrap().get(0)
    }
}

fn terminate(process: &Child) {
    let pid = process.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

fn memories(answer: &Value) -> usize {
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    body["memories"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_was_handed_out_is_counted_before_lambda_ends_the_process() {
    let place = Place::create().await;
    let (lambda, address, mut answered) = Lambda::serve(true).await;
    let mut process = place.start(&address).await;
    let answer = within(answered.recv()).await.unwrap();
    assert_eq!(memories(&answer), 1);
    assert_eq!(place.accesses().await, 0, "no answer waits for it");
    within(lambda.extension_waits.notified()).await;
    let asked = lambda.asked.lock().unwrap().clone();
    assert_eq!(
        asked[0], "register",
        "the first invocation asked for ends the time for registering: {asked:?}"
    );

    terminate(&process);
    assert!(within(process.wait()).await.unwrap().success());
    assert_eq!(place.accesses().await, 1);
}

#[tokio::test]
async fn where_there_are_no_extensions_the_function_answers_and_counts_all_the_same() {
    let place = Place::create().await;
    let (_lambda, address, mut answered) = Lambda::serve(false).await;
    // As `cargo local` has it: with the protocol and a path.
    let mut process = place.start(&format!("http://{address}")).await;
    assert_eq!(memories(&within(answered.recv()).await.unwrap()), 1);
    terminate(&process);
    assert!(within(process.wait()).await.unwrap().success());
    assert_eq!(place.accesses().await, 1);
}
