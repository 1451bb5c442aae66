//! The program of a function, behind a runtime API that is Lambda's as far as a function sees of it.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc};

const EXTENSION: &str = "5a3bfd3d-2a8f-4a0c-9d5e-000000000001";

/// One instance's Lambda, which invokes the function once.
#[derive(Clone)]
pub struct Lambda {
    has_extensions: bool,
    asked: Arc<Mutex<Vec<&'static str>>>,
    invocation: Arc<Mutex<Option<String>>>,
    answers: mpsc::Sender<Value>,
    extension_waits: Arc<Notify>,
}

impl Lambda {
    /// Serves `event` at the address it answers; answers of the function come out of the receiver.
    pub async fn serve(
        event: String,
        has_extensions: bool,
    ) -> anyhow::Result<(Self, String, mpsc::Receiver<Value>)> {
        let (answers, answered) = mpsc::channel(8);
        let lambda = Self {
            has_extensions,
            asked: Arc::default(),
            invocation: Arc::new(Mutex::new(Some(event))),
            answers,
            extension_waits: Arc::default(),
        };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_invocation))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(take_answer))
            .route("/2020-01-01/extension/register", post(register))
            .route("/2020-01-01/extension/event/next", get(next_event))
            .with_state(lambda.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((lambda, address, answered))
    }

    /// Starts a program as the function `name` of this Lambda, at the address that it was answered, with these variables and
    /// no others.
    pub fn start(
        program: &str,
        name: &str,
        runtime_api: &str,
        variables: HashMap<String, String>,
    ) -> anyhow::Result<Child> {
        let mut command = Command::new(program);
        command.env_clear().envs(variables).kill_on_drop(true).stdin(Stdio::null());
        command.envs([
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("RUST_LOG", "warn"),
        ]);
        command.spawn().with_context(|| format!("starting {program}"))
    }

    /// Asks a program to end, as Lambda asks one with an extension.
    pub fn terminate(process: &Child) -> anyhow::Result<()> {
        let pid = process.id().context("the process has ended")?.to_string();
        let status = std::process::Command::new("kill").args(["-TERM", &pid]).status()?;
        anyhow::ensure!(status.success(), "kill: {status}");
        Ok(())
    }

    /// What the function has asked for so far, in order: `register`, `event` and `invocation`.
    pub fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the extension has asked for its next event.
    pub async fn extension_waits(&self) {
        self.extension_waits.notified().await;
    }

    fn note(&self, asked: &'static str) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    }
}

async fn next_invocation(State(lambda): State<Lambda>) -> Response {
    lambda.note("invocation");
    let invocation = lambda.invocation.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(event) = invocation else { return std::future::pending().await };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:one"),
    ];
    (headers, event).into_response()
}

async fn take_answer(State(lambda): State<Lambda>, body: String) -> StatusCode {
    let Ok(answer) = serde_json::from_str(&body) else { return StatusCode::BAD_REQUEST };
    match lambda.answers.send(answer).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_nobody_waits) => StatusCode::GONE,
    }
}

async fn register(State(lambda): State<Lambda>, headers: HeaderMap, body: String) -> Response {
    lambda.note("register");
    if !lambda.has_extensions {
        return StatusCode::NOT_FOUND.into_response();
    }
    // Lambda lets an extension within the runtime's process ask for no `SHUTDOWN` event.
    let asks_for_nothing = serde_json::from_str::<Value>(&body)
        .is_ok_and(|asked| asked.get("events") == Some(&serde_json::json!([])));
    if !asks_for_nothing || !headers.contains_key("lambda-extension-name") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    [("lambda-extension-identifier", EXTENSION)].into_response()
}

async fn next_event(State(lambda): State<Lambda>, headers: HeaderMap) -> Response {
    if headers.get("lambda-extension-identifier").is_none_or(|identifier| identifier != EXTENSION) {
        return StatusCode::FORBIDDEN.into_response();
    }
    lambda.note("event");
    lambda.extension_waits.notify_one();
    std::future::pending().await
}
