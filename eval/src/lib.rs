//! Measures, baselines and readers of labelled files, for finding out how well the agents think and how much recall
//! finds.
//!
//! Nothing here is part of what is deployed. `docs/EVALUATION.md` has the files' formats and what is printed.

pub mod actions;
pub mod agents;
pub mod conll;
pub mod entities;
pub mod facts;
mod malformed;
pub mod ratings;
pub mod report;
pub mod retrieval;
pub mod rouge;
pub mod sentiment;
pub mod spans;
pub mod summaries;
mod words;

pub use malformed::{Malformed, json_lines};

/// A count as a number to calculate with.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The share of a part in a whole, from 0 to 1; 0 of nothing.
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}
