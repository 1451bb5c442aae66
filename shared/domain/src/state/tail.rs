use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many of the last entries a tail holds at most.
pub const MOST_LAST: usize = 50;
/// How much they weigh together at most, in bytes; the newest is there whatever it weighs.
pub const MOST_TAIL_BYTES: usize = 256 * 1024;

/// The last of many entries, and how many there were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored<T>")]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de> + Weigh"))]
pub struct Tail<T> {
    /// How many there were.
    pub count: i64,
    /// The newest of them, oldest first.
    pub last: VecDeque<T>,
    /// What those weigh.
    #[serde(skip)]
    bytes: usize,
}

/// Something that has a size.
pub trait Weigh {
    /// Its size in bytes, near enough.
    fn weight(&self) -> usize;
}

impl<T> Default for Tail<T> {
    fn default() -> Self {
        Self { count: 0, last: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Weigh> Tail<T> {
    /// Adds an entry, and lets go of the oldest as far as the bounds ask for it.
    pub fn push(&mut self, entry: T) {
        self.count += 1;
        self.bytes += entry.weight();
        self.last.push_back(entry);
        while self.last.len() > 1 && (self.last.len() > MOST_LAST || self.bytes > MOST_TAIL_BYTES) {
            let oldest = self.last.pop_front().map_or(0, |oldest| oldest.weight());
            self.bytes = self.bytes.saturating_sub(oldest);
        }
    }
}

#[derive(Deserialize)]
struct Stored<T> {
    count: i64,
    last: VecDeque<T>,
}

impl<T: Weigh> From<Stored<T>> for Tail<T> {
    fn from(Stored { count, last }: Stored<T>) -> Self {
        let bytes = last.iter().map(Weigh::weight).sum();
        Self { count, last, bytes }
    }
}

/// A decision of the application's agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// The event.
    pub version: i64,
    /// Its text, if it has one.
    pub content: Option<String>,
    /// What was decided, as the application wrote it.
    pub payload: Value,
    /// When.
    pub occurred_at: Timestamp,
}

impl Weigh for Decided {
    fn weight(&self) -> usize {
        self.content.as_ref().map_or(0, String::len) + self.payload.to_string().len()
    }
}
