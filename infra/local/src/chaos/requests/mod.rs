//! Requests to every mouth of the webhook, and what the log has of them.
//!
//! Every session is spoken in by one client, through all mouths in turn. It says the next thing when it has been told that the one
//! before it is accepted, and says it again under the same key until it is. Of every thirty or so, some are made again although they
//! were accepted: at the same time, or later. So what a session has to hold in the end is known: every number from 0 on,
//! each once, in order.

mod message;
mod mouths;
mod said;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::try_join_all;
use reqwest::StatusCode;
use serde_json::Value;

pub use message::{Message, Mouth, Repetition};
pub use mouths::Mouths;
pub use said::{findings, stored, stored_by_mouth};

/// How long it is until a client asks again.
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
    events: Counts,
    standard: Counts,
    slack: Counts,
    answers: Mutex<Vec<String>>,
}

/// What has become of what one mouth was told.
#[derive(Debug, Default)]
pub struct Counts {
    /// Events that were told to be accepted.
    pub accepted: AtomicU64,
    /// Requests that were made again because nobody answered, or not well.
    pub repeated: AtomicU64,
    /// Requests that were made again although they were accepted.
    pub duplicates: AtomicU64,
}

impl Speech {
    /// How many requests that are.
    pub const fn total(&self) -> usize {
        self.sessions * self.requests
    }
}

impl Told {
    /// What has become of what one mouth was told.
    pub const fn of(&self, mouth: Mouth) -> &Counts {
        match mouth {
            Mouth::Events => &self.events,
            Mouth::Standard => &self.standard,
            Mouth::Slack => &self.slack,
        }
    }

    /// How many events were told to be accepted.
    pub fn accepted(&self) -> u64 {
        Mouth::ALL.into_iter().map(|mouth| self.of(mouth).accepted.load(Ordering::Relaxed)).sum()
    }

    /// Repeats that were answered otherwise than the first time, one line each.
    pub fn other_answers(&self) -> Vec<String> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn compare(&self, message: Message, first: &Value, again: &Value) {
        if first != again {
            let answered = format!(
                "{}: a repeat of {} was answered otherwise",
                message.session_name(),
                message.content()
            );
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answered);
        }
    }
}

/// Says everything, however long it takes.
pub async fn say(mouths: &Mouths, speech: &Speech, told: &Told) -> Result<()> {
    try_join_all((0..speech.clients).map(|client| say_share(mouths, speech, told, client))).await?;
    Ok(())
}

/// Says what is to be said in the sessions of one client.
async fn say_share(mouths: &Mouths, speech: &Speech, told: &Told, client: usize) -> Result<()> {
    // What is repeated when its session has said the next thing.
    let mut late: HashMap<usize, (Message, Value)> = HashMap::new();
    for number in 0..speech.requests {
        for session in (client..speech.sessions).step_by(speech.clients) {
            let message = Message { session, number };
            let answer = match message.repetition() {
                Some(Repetition::AtOnce) => {
                    let (one, other) = tokio::try_join!(
                        accepted(mouths, message, false, told),
                        accepted(mouths, message, false, told)
                    )?;
                    told.of(message.mouth()).duplicates.fetch_add(1, Ordering::Relaxed);
                    told.compare(message, &one, &other);
                    one
                }
                Some(Repetition::Later | Repetition::LaterByAnotherName) | None => {
                    accepted(mouths, message, false, told).await?
                }
            };
            told.of(message.mouth()).accepted.fetch_add(1, Ordering::Relaxed);
            if let Some((earlier, answer)) = late.remove(&session) {
                repeat(mouths, earlier, &answer, told).await?;
            }
            if matches!(message.repetition(), Some(Repetition::Later | Repetition::LaterByAnotherName)) {
                late.insert(session, (message, answer));
            }
        }
    }
    for (earlier, answer) in late.into_values() {
        repeat(mouths, earlier, &answer, told).await?;
    }
    Ok(())
}

/// Says what was accepted once more.
async fn repeat(mouths: &Mouths, message: Message, first: &Value, told: &Told) -> Result<()> {
    let by_another_name = message.repetition() == Some(Repetition::LaterByAnotherName);
    let again = accepted(mouths, message, by_another_name, told).await?;
    told.of(message.mouth()).duplicates.fetch_add(1, Ordering::Relaxed);
    told.compare(message, first, &again);
    Ok(())
}

/// Makes one request until it is accepted; the answer's body.
async fn accepted(mouths: &Mouths, message: Message, by_another_name: bool, told: &Told) -> Result<Value> {
    let mut last = String::new();
    for attempt in 0..MOST_TRIES {
        match mouths.ask(message, by_another_name, attempt).await? {
            Ok((StatusCode::ACCEPTED, body)) => match serde_json::from_slice(&body) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error.to_string(),
            },
            Ok((status, body)) if status.is_client_error() => {
                bail!("a good request was refused: {status}, {}", String::from_utf8_lossy(&body));
            }
            Ok((status, _)) => last = status.to_string(),
            Err(error) => last = error.to_string(),
        }
        told.of(message.mouth()).repeated.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    bail!("a request was never accepted: {last}")
}
