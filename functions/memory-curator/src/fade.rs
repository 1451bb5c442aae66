//! Which memories fade at all, and when.
//!
//! | type | fades | why |
//! |---|---|---|
//! | fact, preference | never | They hold until somebody says otherwise, whether anybody asks or not: who eats no meat does not start to because nobody mentioned it. A newer account closes them. |
//! | summary, sentiment | never | They are the record of a session. There is one of each per session, and the row of them is what the tone over time is read from. |
//! | action, commitment or to-do, open | never | What was promised and not done is not over because nobody talks of it. |
//! | action, question, open | yes | A question nobody answered or repeated in a quarter of a year was of the moment. |
//! | action, closed | yes | Done, cancelled, answered: only of use while somebody may ask for it. |
//! | entity, date | a plan, once it is past | What was to come when it was said and has not been spoken of since is over. What had happened when it was said stays true: it is the record of the user's life. |
//! | entity, name | unless said [`ENOUGH_EVIDENCE`] times | What comes up again and again belongs to the user's life. |
//! | pattern | yes | A theme that recurs is found again; one that is not has ended. |
//!
//! Fading is reversible: the interval is closed, nothing is deleted, and what is said again is a memory again.

use domain::{Memory, MemoryType, has_faded, worth};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use store::UserMemory;

/// A memory is kept so many days whatever it is worth, counted from when it was stored: what is imported from long ago
/// is not stale on arrival.
const GRACE_DAYS: i64 = 90;
/// A name with so many pieces of evidence does not fade.
const ENOUGH_EVIDENCE: usize = 3;

/// What a memory that has faded is worth, in millionths; none when it has not.
pub(crate) fn faded(memory: &UserMemory, now: Timestamp) -> Option<u32> {
    let grace = SignedDuration::from_hours(24 * GRACE_DAYS);
    if memory.pinned || !may_fade(memory, now) || now.duration_since(memory.created_at) <= grace {
        return None;
    }
    let said = memory.evidence.iter().map(|(_, at)| *at).max();
    let renewed = said.into_iter().chain(memory.last_accessed_at).max().unwrap_or(memory.created_at);
    let worth = worth(renewed, memory.access_count, now);
    has_faded(worth).then(|| millionths(worth))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a worth below 0.1 is at most 100,000"
)]
fn millionths(worth: f64) -> u32 {
    (worth * 1e6).clamp(0.0, 1e6) as u32
}

fn may_fade(memory: &UserMemory, now: Timestamp) -> bool {
    match memory.memory.kind {
        MemoryType::Fact | MemoryType::Preference | MemoryType::Summary | MemoryType::Sentiment => false,
        MemoryType::Pattern => true,
        MemoryType::Action => {
            let field = |name: &str| memory.memory.data.get(name).and_then(Value::as_str);
            match (field("kind"), field("status")) {
                (Some("question"), Some(_)) => true,
                (_, Some(status)) => status != "open",
                (_, None) => false,
            }
        }
        MemoryType::Entity => match days(&memory.memory) {
            Some((first, last)) => {
                let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
                let said = memory.evidence.iter().map(|(_, at)| day(*at)).max();
                last < day(now) && said.is_some_and(|said| said < first)
            }
            None => memory.evidence.len() < ENOUGH_EVIDENCE,
        },
    }
}

/// The first and the last day of a dated fact.
fn days(memory: &Memory) -> Option<(Date, Date)> {
    let day = |field: &str| memory.data.get(field).and_then(Value::as_str)?.parse().ok();
    Some((day("start")?, day("end")?))
}
