//! The recall function behind a socket, and who asks it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lambda_http::RequestExt;
use recall::Recall;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use super::DEEPEST;
use super::conversations::{Conversation, Question};
use super::figures::Answered;

/// The longest body of a request; questions have none.
const LONGEST_BODY: usize = 1024 * 1024;

/// The recall function at an address of its own, until it is dropped.
pub(crate) struct Served {
    address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
    client: reqwest::Client,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Hands a request on as the function URL would.
async fn hand_on(State(recall): State<Arc<Recall>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = parts.uri.path().to_owned();
    let body =
        if body.is_empty() { lambda_http::Body::Empty } else { lambda_http::Body::Binary(body.to_vec()) };
    let request = lambda_http::Request::from_parts(parts, body).with_raw_http_path(path);
    let response = recall.handle(request).await;
    response.map(|body| Body::from(body.to_vec()))
}

#[derive(Debug, Deserialize)]
struct Answer {
    degraded: bool,
    events: Vec<Found>,
}

#[derive(Debug, Deserialize)]
struct Found {
    session: String,
    version: i64,
}

impl Served {
    /// Serves the function on a free loopback port.
    pub(crate) async fn start(recall: Recall) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no loopback port is to be had")?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(hand_on).with_state(Arc::new(recall));
        let task = tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { address, task, client: reqwest::Client::new() })
    }

    /// Asks one question of a conversation and looks where its evidence came. `by_words`: no embedder is expected to help.
    pub(crate) async fn ask(
        &self,
        conversation: &Conversation,
        question: &Question,
        by_words: bool,
    ) -> Result<Answered> {
        let url = self.url(&conversation.user, &question.text)?;
        let asked_at = Instant::now();
        let response = self.client.get(url).send().await?;
        let (status, body) = (response.status(), response.bytes().await?);
        let time = asked_at.elapsed();
        if !status.is_success() {
            bail!("{}: recall answered {status}: {}", question.place, String::from_utf8_lossy(&body));
        }
        let answer: Answer = serde_json::from_slice(&body).context("recall's answer cannot be read")?;
        if answer.degraded != by_words {
            bail!("{}: recall answered without the embedder it has, or with one it has not", question.place);
        }
        let found: Vec<Option<&str>> = answer
            .events
            .into_iter()
            .take(DEEPEST)
            .map(|event| conversation.turns.get(&(event.session, event.version)).map(String::as_str))
            .collect();
        let rank = |id: &String| Some(found.iter().position(|found| *found == Some(id.as_str()))? + 1);
        Ok(Answered { question: question.clone(), ranks: question.evidence.iter().map(rank).collect(), time })
    }

    fn url(&self, user: &str, query: &str) -> Result<Url> {
        let mut url = Url::parse(&format!("http://{}", self.address))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(["v1", "users", user, "recall"]);
        }
        url.query_pairs_mut().append_pair("query", query).append_pair("k", &DEEPEST.to_string());
        Ok(url)
    }
}
