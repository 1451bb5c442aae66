//! Requests to the webhook, and what the log has of them.
//!
//! Every session is spoken in by one client, which says the next thing when it has been told that the one before it is
//! accepted, and says it again under the same key until it is. So what a session has to hold in the end is known: every
//! number from 0 on, each once, in order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use reqwest::{Client, StatusCode};
use serde_json::json;

use crate::database::connect;

/// How long a client waits for an answer: whoever hosts the functions never answers for one that was killed.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it waits before it asks again.
const PAUSE: Duration = Duration::from_millis(100);
/// How often one request is made at most.
const MOST_TRIES: u32 = 2_000;

/// What is to be said.
#[derive(Debug, Clone, Copy)]
pub struct Speech {
    /// So many sessions.
    pub sessions: usize,
    /// So many requests in each, of one event.
    pub requests: usize,
    /// So many clients, each with its share of the sessions.
    pub clients: usize,
}

/// What has become of it so far.
#[derive(Debug, Default)]
pub struct Told {
    /// Requests that were told to be accepted.
    pub accepted: AtomicU64,
    /// Requests that were made again because nobody answered, or not well.
    pub repeated: AtomicU64,
}

impl Speech {
    /// How many requests that are.
    pub const fn total(&self) -> usize {
        self.sessions * self.requests
    }

    fn user(session: usize) -> String {
        format!("user-{}", session % 10)
    }

    fn session(session: usize) -> String {
        format!("session-{session}")
    }
}

/// Says everything, however long it takes.
pub async fn say(webhook_url: &str, speech: &Speech, told: &Told) -> Result<()> {
    let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let url = format!("{webhook_url}/v1/events");
    let clients = (0..speech.clients).map(|number| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            for request in 0..speech.requests {
                for session in (number..speech.sessions).step_by(speech.clients) {
                    accepted(&client, &url, session, request, told).await?;
                }
            }
            anyhow::Ok(())
        }
    });
    try_join_all(clients).await?;
    Ok(())
}

/// Makes one request until it is accepted.
async fn accepted(client: &Client, url: &str, session: usize, request: usize, told: &Told) -> Result<()> {
    let body = json!({"events": [{
        "user": Speech::user(session), "session": Speech::session(session), "role": "user", "content": request.to_string(),
    }]});
    let key = format!("{session}-{request}");
    let mut last = String::new();
    for _ in 0..MOST_TRIES {
        match client.post(url).header("idempotency-key", &key).json(&body).send().await {
            Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                told.accepted.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Ok(answer) if answer.status().is_client_error() => {
                anyhow::bail!("a good request was refused: {}", answer.text().await.unwrap_or_default());
            }
            Ok(answer) => last = answer.status().to_string(),
            Err(error) => last = error.to_string(),
        }
        told.repeated.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("a request was never accepted: {last}")
}

/// How many events the log has.
pub async fn stored(database_url: &str) -> Result<u64> {
    let client = connect(database_url).await?;
    let row = client.query_one("select count(*) from afterthought.session_events", &[]).await?;
    Ok(u64::try_from(row.try_get::<_, i64>(0)?)?)
}

/// What is not as it was said, one line for each session; nothing when all is well.
pub async fn findings(database_url: &str, speech: &Speech) -> Result<Vec<String>> {
    let client = connect(database_url).await?;
    let rows = client.query(include_str!("../../queries/chaos/read_said.sql"), &[]).await?;
    let mut known = std::collections::HashMap::new();
    for row in rows {
        let (user, session): (String, String) = (row.try_get("user_id")?, row.try_get("session")?);
        let contents: Vec<String> = row.try_get("contents")?;
        known.insert((user, session), contents);
    }
    let expected: Vec<String> = (0..speech.requests).map(|request| request.to_string()).collect();
    let mut findings = Vec::new();
    for session in 0..speech.sessions {
        let name = Speech::session(session);
        let contents = known.remove(&(Speech::user(session), name.clone())).unwrap_or_default();
        findings.extend(difference(&name, &contents, &expected));
    }
    findings.extend(known.into_keys().map(|(_, session)| format!("{session}: nobody spoke there")));
    Ok(findings)
}

fn difference(session: &str, contents: &[String], expected: &[String]) -> Option<String> {
    if contents == expected {
        return None;
    }
    let mut sorted = contents.to_vec();
    sorted.sort_by_key(|content| content.parse::<usize>().unwrap_or(usize::MAX));
    let in_order = sorted == contents;
    sorted.dedup();
    let (twice, missing) =
        (contents.len() - sorted.len(), expected.iter().filter(|one| !sorted.contains(one)).count());
    Some(format!("{session}: {missing} missing, {twice} more than once, in order: {in_order}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_doubled_or_out_of_order_is_found() {
        let texts = |numbers: &[usize]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = texts(&[0, 1, 2, 3]);
        let find = |numbers: &[usize]| difference("s", &texts(numbers), &expected);
        assert_eq!(find(&[0, 1, 2, 3]), None);
        assert_eq!(find(&[0, 1, 3]).unwrap(), "s: 1 missing, 0 more than once, in order: true");
        assert_eq!(find(&[0, 1, 1, 2, 3]).unwrap(), "s: 0 missing, 1 more than once, in order: true");
        assert_eq!(find(&[0, 2, 1, 3]).unwrap(), "s: 0 missing, 0 more than once, in order: false");
    }
}
