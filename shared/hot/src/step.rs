use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::SessionId;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::item::{
    Answer, Assignment, Change, Condition, Exchange, Item, Next, Write, attribute, number, read_number,
    unchanged,
};
use crate::key::Key;
use crate::lifetime::expiry;
use crate::{Error, Hot, Put, Read};

/// The longest result that is kept, in bytes. An item holds 400 KB, its key and the other attributes included.
const MOST_RESULT_BYTES: usize = 350 * 1000;

/// Which question was asked, by whom and about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepKey<'a> {
    /// The agent that asks.
    pub agent: &'a str,
    /// The session it thinks about.
    pub session: SessionId,
    /// Where the window begins: its first event is the one after this version.
    pub after: i64,
    /// The last version of the window.
    pub through: i64,
    /// Which of the agent's steps.
    pub name: &'a str,
    /// The SHA-256 of the question in full: whatever the answer depends on.
    pub question: [u8; 32],
}

/// Keeping a result.
#[derive(Debug)]
struct Keep<'a> {
    key: Key,
    question: [u8; 32],
    result: &'a [u8],
    now: i64,
    expires_at: i64,
}

impl<'a> Keep<'a> {
    fn new(step: &StepKey<'_>, result: &'a [u8], now: Timestamp, expires_at: i64) -> Self {
        Self { key: Key::step(step), question: step.question, result, now: now.as_second(), expires_at }
    }

    fn write(&self, condition: Condition) -> Write {
        let change = Change::Update(vec![
            Assignment::Set(attribute("result"), blob(self.result)),
            Assignment::Set(attribute("digest"), blob(&digest(&self.question, self.result))),
            Assignment::Set(attribute("expires_at"), number(self.expires_at)),
        ]);
        Write::new(self.key.clone(), condition, change)
    }
}

impl Exchange for Keep<'_> {
    type Outcome = Put;

    fn next(&mut self, answer: Option<Answer>) -> Next<Put> {
        let seen = match answer {
            Some(Answer::Applied(_)) => return Next::Done(Put::Stored),
            Some(Answer::Refused(Some(seen))) => seen,
            None | Some(Answer::Refused(None)) => return Next::Write(self.write(Condition::NoItem)),
        };
        match read(&self.question, Some(&seen), self.now) {
            Read::Present(_) => Next::Done(Put::Outdated),
            // Still there past its time, or gone bad: of several that put theirs in its place, one succeeds.
            Read::Absent | Read::Corrupt { .. } => {
                Next::Write(self.write(unchanged(&seen, &["result", "digest", "expires_at"])))
            }
        }
    }
}

/// The result that an item holds, at this second.
fn read(question: &[u8; 32], item: Option<&Item>, now: i64) -> Read<Vec<u8>> {
    let Some(item) = item else { return Read::Absent };
    let corrupt = |reason: &str| Read::Corrupt { reason: reason.to_owned() };
    let Some(expires_at) = read_number::<i64>(item, "expires_at") else {
        return corrupt("expires_at is not a number");
    };
    if expires_at <= now {
        return Read::Absent;
    }
    let binary = |name: &str| item.get(name).and_then(|value| value.as_b().ok());
    match (binary("result"), binary("digest")) {
        (Some(result), Some(kept)) if kept.as_ref() == digest(question, result.as_ref()) => {
            Read::Present(result.as_ref().to_vec())
        }
        (Some(_), Some(_)) => corrupt("the digest is not that of the question and the result"),
        _ => corrupt("result or digest is missing or not binary"),
    }
}

/// What ties a result to its question: the SHA-256 of the question's digest, which is 32 bytes, and the result.
fn digest(question: &[u8; 32], result: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(question).chain_update(result).finalize().into()
}

fn blob(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

impl Hot {
    /// The result of a step that an earlier try kept. One request.
    pub async fn get_step(&self, step: &StepKey<'_>, now: Timestamp) -> Result<Read<Vec<u8>>, Error> {
        let item = self.get(Key::step(step)).await?;
        Ok(read(&step.question, item.as_ref(), now.as_second()))
    }

    /// Keeps the result of a step for as long as such results live. The first one stays: another is [`Put::Outdated`], and one of 350 KB or
    /// more [`Put::TooLarge`]. A kept result that went bad is replaced. One request, or two when there is one already
    /// that has expired or gone bad; none for one that is too large.
    pub async fn put_step(&self, step: &StepKey<'_>, result: &[u8], now: Timestamp) -> Result<Put, Error> {
        if result.len() >= MOST_RESULT_BYTES {
            return Ok(Put::TooLarge);
        }
        self.carry_out(Keep::new(step, result, now, expiry(now, self.lifetimes.step))).await
    }
}

#[cfg(test)]
mod tests;
