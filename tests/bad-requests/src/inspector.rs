//! Stands before a function and looks at every request's effect: one that is refused has none, and none fails.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts as Head;
use axum::http::{HeaderMap, HeaderName, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::effects::Effects;

/// Longer bodies are not passed on by whoever hosts functions.
const MOST_BYTES: usize = 16 << 20;
/// So much of a path is told.
const TOLD_BYTES: usize = 120;

/// What requests have come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many were answered with each status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// What must not be, one line each.
    pub(crate) findings: Vec<String>,
}

impl Tally {
    /// How many requests were told what is wrong with them.
    pub(crate) fn refused(&self) -> u64 {
        self.statuses.range(400..500).map(|(_, count)| count).sum()
    }

    /// How many requests were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }
}

/// A proxy on a loopback port before one function. It passes requests on one at a time, as a function's URL does: as an
/// invocation with the event of an HTTP request, its body in base64.
#[derive(Debug)]
pub(crate) struct Inspector {
    address: SocketAddr,
    parts: Arc<Parts>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Parts {
    invocations: String,
    client: Client,
    behind: Behind,
    tally: std::sync::Mutex<Tally>,
}

/// What is behind all functions, of which only one request at a time is passed on: what changes meanwhile was changed by that
/// request.
pub(crate) type Behind = Arc<Mutex<Effects>>;

impl Inspector {
    /// Listens before the function that is invoked at `invocations`.
    pub(crate) async fn listen(invocations: String, behind: Behind) -> Result<Self> {
        let client = Client::builder().no_proxy().build()?;
        let parts = Arc::new(Parts { invocations, client, behind, tally: std::sync::Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let served = axum::serve(listener, Router::new().fallback(inspect).with_state(Arc::clone(&parts)));
        let task = tokio::spawn(async move {
            if let Err(error) = served.into_future().await {
                tracing::warn!(%error, "the inspector has ended");
            }
        });
        Ok(Self { address, parts, task })
    }

    /// Where it is asked in place of the function.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What requests have come to so far.
    pub(crate) fn tally(&self) -> Tally {
        self.parts.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn inspect(State(parts): State<Arc<Parts>>, request: Request) -> Response<Body> {
    let named = format!("{} {}", request.method(), shortened(&request.uri().to_string()));
    match parts.pass(&named, request).await {
        Ok(response) => response,
        Err(error) => {
            parts.tally(StatusCode::BAD_GATEWAY, Some(format!("{named}: no answer: {error:#}")));
            let mut response = Response::new(Body::from("no answer"));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

impl Parts {
    async fn pass(&self, named: &str, request: Request) -> Result<Response<Body>> {
        let mut behind = self.behind.lock().await;
        let (head, body) = request.into_parts();
        let sent = to_bytes(body, MOST_BYTES).await?;
        let answer = self.client.post(&self.invocations).body(event(&head, &sent).to_string()).send().await?;
        let answer: Value = answer.json().await.context("the function gave no answer")?;
        let (status, headers, body) = answered(&answer)?;
        let changes = behind.look().await?;
        let finding = if status.is_server_error() {
            Some(format!("{named}: {status}, {}, asked with {}", shown(&body), shown(&sent)))
        } else if status.is_client_error() && !changes.is_empty() {
            let changes = shortened(&changes.join("; "));
            Some(format!("{named}: {status}, and it changed {changes}, asked with {}", shown(&sent)))
        } else {
            None
        };
        self.tally(status, finding);
        let mut response = Response::new(Body::from(body));
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }

    fn tally(&self, status: StatusCode, finding: Option<String>) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        *tally.statuses.entry(status.as_u16()).or_default() += 1;
        tally.findings.extend(finding);
    }
}

/// The event of a request (payload format 2.0): a header that is given more than once is one, with commas.
fn event(head: &Head, body: &[u8]) -> Value {
    let path = head.uri.path();
    let mut headers = serde_json::Map::new();
    for name in head.headers.keys() {
        let values: Vec<_> = head
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        headers.insert(name.to_string(), json!(values.join(",")));
    }
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": head.uri.query().unwrap_or_default(),
        "headers": headers, "body": STANDARD.encode(body), "isBase64Encoded": true,
        "requestContext": {
            "accountId": "anonymous", "apiId": "local", "domainName": "localhost", "domainPrefix": "local",
            "requestId": "local", "routeKey": "$default", "stage": "$default",
            "time": "15/Jan/2027:08:00:00 +0000", "timeEpoch": 1_800_000_000_000_i64,
            "http": {"method": head.method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                     "userAgent": "bad-requests"},
        },
    })
}

/// The response that a function's answer says.
fn answered(answer: &Value) -> Result<(StatusCode, HeaderMap, Vec<u8>)> {
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status =
        status.with_context(|| format!("the function failed: {}", shown(answer.to_string().as_bytes())))?;
    let mut headers = HeaderMap::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, value.as_str().unwrap_or_default().parse()?);
    }
    headers.remove(header::CONTENT_LENGTH);
    let body = answer["body"].as_str().unwrap_or_default();
    let body =
        if answer["isBase64Encoded"] == true { STANDARD.decode(body)? } else { body.as_bytes().to_vec() };
    Ok((StatusCode::from_u16(status)?, headers, body))
}

/// The beginning of a body as text on one line.
fn shown(body: &[u8]) -> String {
    shortened(&body.get(..TOLD_BYTES * 4).unwrap_or(body).escape_ascii().to_string())
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TOLD_BYTES) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_becomes_the_event_of_a_functions_url() {
        let request =
            Request::builder().method("POST").uri("/v1/%FF?a=1&a=2").header("x", "1").header("x", "2");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let event = event(&head, b"\xff");
        assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/v1/%FF"), &json!("a=1&a=2")));
        assert_eq!((&event["headers"]["x"], &event["body"]), (&json!("1,2"), &json!("/w==")));
    }

    #[test]
    fn an_answer_without_a_status_is_a_failure() {
        let answer =
            json!({"statusCode": 201, "headers": {"a": "b"}, "body": "eA==", "isBase64Encoded": true});
        let (status, headers, body) = answered(&answer).unwrap();
        assert_eq!(
            (status.as_u16(), headers["a"].to_str().unwrap(), body.as_slice()),
            (201, "b", b"x".as_slice())
        );
        let error = answered(&json!({"errorType": "Timeout"})).unwrap_err().to_string();
        assert!(error.starts_with("the function failed: "), "{error}");
    }

    #[test]
    fn what_is_refused_is_counted_apart_from_what_failed() {
        let tally = Tally { statuses: [(200, 3), (400, 2), (422, 1), (503, 4)].into(), findings: Vec::new() };
        assert_eq!((tally.refused(), tally.answered()), (3, 10));
    }

    #[test]
    fn a_long_path_is_told_in_part() {
        assert_eq!(shortened("/v1"), "/v1");
        let told = shortened(&"ä".repeat(500));
        assert_eq!(told, format!("{}… (1000 bytes)", "ä".repeat(TOLD_BYTES)));
    }
}
