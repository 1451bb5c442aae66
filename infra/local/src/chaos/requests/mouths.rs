//! Every way in, and the sources that sign.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::{Message, Mouth};
use crate::chaos::signing;

/// How long a client waits for an answer, as Slack does: whoever hosts the functions never answers for one that was killed.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long making a source may take: the first request finds a function that has just been started.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);
const SLACK_SECRET: &str = "the-signing-secret-of-these-requests";

/// Every way in.
pub struct Mouths {
    client: Client,
    events: String,
    standard: String,
    signer: Webhook,
    slack: String,
}

impl Mouths {
    /// Makes a source of each kind at `recall`; what is said goes to `webhook`.
    pub async fn open(recall_url: &str, webhook_url: &str) -> Result<Self> {
        let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        let standard =
            make_source(&client, recall_url, &json!({"name": "standard", "kind": "standard"})).await?;
        let slack = json!({"name": "slack", "kind": "slack", "secret": SLACK_SECRET});
        let slack = make_source(&client, recall_url, &slack).await?;
        let secret = text(&standard, "secret")?;
        Ok(Self {
            client,
            events: format!("{webhook_url}/v1/events"),
            standard: format!("{webhook_url}{}", text(&standard, "path")?),
            signer: Webhook::new(secret).context("the source's secret cannot be used")?,
            slack: format!("{webhook_url}{}", text(&slack, "path")?),
        })
    }

    /// Makes one request; for a number of attempts other than 0 it is the repeat of one that was not answered well. The inner
    /// error is that of an answer that did not come.
    pub async fn ask(
        &self,
        message: Message,
        by_another_name: bool,
        attempt: u32,
    ) -> Result<Result<(StatusCode, Bytes), reqwest::Error>> {
        let request = match message.mouth() {
            Mouth::Events => {
                let body = json!({"events": [message.event()]});
                self.client.post(&self.events).header("idempotency-key", message.key()).json(&body)
            }
            Mouth::Standard => {
                let body = json!({"type": "message.created", "data": message.event()}).to_string();
                let headers = signing::standard(&self.signer, &message.key(), now(), body.as_bytes())?;
                self.signed(&self.standard, headers, body)
            }
            Mouth::Slack => {
                let body = message.slack_event(by_another_name).to_string();
                let headers = signing::slack(SLACK_SECRET, now(), body.as_bytes());
                let request = self.signed(&self.slack, headers, body);
                if attempt == 0 {
                    request
                } else {
                    request
                        .header("x-slack-retry-num", attempt)
                        .header("x-slack-retry-reason", "http_timeout")
                }
            }
        };
        Ok(answered(request).await)
    }

    fn signed<const N: usize>(
        &self,
        url: &str,
        headers: [(&str, String); N],
        body: String,
    ) -> RequestBuilder {
        let request = self.client.post(url).header("content-type", "application/json").body(body);
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}

async fn answered(request: RequestBuilder) -> Result<(StatusCode, Bytes), reqwest::Error> {
    let answer = request.send().await?;
    Ok((answer.status(), answer.bytes().await?))
}

async fn make_source(client: &Client, recall_url: &str, asked: &Value) -> Result<Value> {
    let url = format!("{recall_url}/v1/webhook-sources");
    let answer = client.post(url).timeout(FIRST_PATIENCE).json(asked).send().await?;
    let status = answer.status();
    ensure!(status.is_success(), "a source was not made: {status}, {}", answer.text().await?);
    Ok(answer.json().await?)
}

fn text<'a>(source: &'a Value, field: &str) -> Result<&'a str> {
    source.get(field).and_then(Value::as_str).with_context(|| format!("the source has no {field}"))
}

#[expect(clippy::disallowed_methods, reason = "webhooks are signed for the time at which they are sent")]
fn now() -> i64 {
    Timestamp::now().as_second()
}
