//! Which candidates answer a question best: pure, from what the search brought.
//!
//! Every measure is brought to 0..1 by its best candidate and added with a fixed round weight. Few ingredients, chosen
//! because they should hold anywhere: rare words count more than common ones (BM25), meaning counts beside words, a turn
//! is understood with the turns around it and by what its session is about, as far as this user's conversations stay with
//! their subject, who is asked about has mostly said it, of themselves, what is asked of a time was mostly said then, and what
//! kind of thing is asked for is told in words of that kind.

mod about;
mod asks;
mod context;
mod events;
mod measures;

use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::events::{around, rank_events};
pub(crate) use self::measures::{Blend, own_parts};
use super::answer::rounded;

/// A candidate in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranked<T> {
    /// The event or memory.
    pub(crate) item: T,
    /// The sum of its parts.
    pub(crate) score: f64,
    /// What it is made of.
    pub(crate) parts: Parts,
}

/// What a score is made of, each part with its weight already in it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
#[schema(as = ScoreParts)]
pub(crate) struct Parts {
    /// The question's words.
    #[serde(serialize_with = "rounded")]
    pub(crate) words: f64,
    /// The embedding.
    #[serde(serialize_with = "rounded")]
    pub(crate) similarity: f64,
    /// Of a memory: said or asked for lately, and often.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) freshness: f64,
    /// Of a memory: how sure it is.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) confidence: f64,
    /// Said by someone the question names.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) speaker: f64,
    /// Said in, or within a week of, a time the question names.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) date: f64,
    /// Names a time, where the question asks for one.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) time: f64,
    /// Tells things of the kind the question asks for: a reason, a number, what went wrong.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) kind: f64,
    /// The turns before and after.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) neighbours: f64,
    /// The best turn of the session.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) session: f64,
    /// Less for a turn that asks, by how much of it does.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) asks: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(part: &f64) -> bool {
    *part == 0.0
}

impl Parts {
    pub(super) fn total(self) -> f64 {
        let Self {
            words,
            similarity,
            freshness,
            confidence,
            speaker,
            date,
            time,
            kind,
            neighbours,
            session,
            asks,
        } = self;
        words
            + similarity
            + freshness
            + confidence
            + speaker
            + date
            + time
            + kind
            + neighbours
            + session
            + asks
    }
}

/// The first `k` by score; equal scores by `tie`, so that the same question always gets the same answer.
pub(super) fn best<T, K: Ord>(mut ranked: Vec<Ranked<T>>, k: usize, tie: impl Fn(&T) -> K) -> Vec<Ranked<T>> {
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| tie(&a.item).cmp(&tie(&b.item))));
    ranked.truncate(k);
    ranked
}
