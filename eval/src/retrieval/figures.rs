//! LoCoMo's retrieval metric: the mean share of a question's evidence turns that are among the first `k`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::conversations::Question;
use crate::{number, share};

/// A question and where its evidence came.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The question.
    pub question: Question,
    /// The rank of each turn of its evidence, counted from 1; none where it was not among the first 50.
    pub ranks: Vec<Option<usize>>,
    /// How long the answer took.
    pub time: Duration,
}

impl Answered {
    /// The share of the evidence among the first `k`.
    pub fn recall(&self, k: usize) -> f64 {
        let found = self.ranks.iter().flatten().filter(|rank| **rank <= k).count();
        share(found, self.ranks.len())
    }
}

/// Means over questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recall {
    /// Among the first 5.
    #[serde(rename = "recall@5")]
    pub at_5: f64,
    /// Among the first 10.
    #[serde(rename = "recall@10")]
    pub at_10: f64,
    /// Among the first 25.
    #[serde(rename = "recall@25")]
    pub at_25: f64,
    /// Among the first 50.
    #[serde(rename = "recall@50")]
    pub at_50: f64,
}

impl Recall {
    /// The means over some questions; none over none.
    fn of<'a>(answered: impl Iterator<Item = &'a Answered> + Clone) -> Option<Self> {
        let count = answered.clone().count();
        let mean = |k| answered.clone().map(|one| one.recall(k)).sum::<f64>() / number(count);
        let [at_5, at_10, at_25, at_50] = super::DEPTHS.map(mean);
        (count > 0).then_some(Self { at_5, at_10, at_25, at_50 })
    }

    /// The four figures in order.
    pub(crate) const fn all(self) -> [f64; 4] {
        [self.at_5, self.at_10, self.at_25, self.at_50]
    }
}

/// The figures of one configuration.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Over categories 1 to 4.
    pub answerable: Option<Recall>,
    /// Over category 5.
    pub adversarial: Option<Recall>,
    /// Over each category there is.
    pub by_category: BTreeMap<u8, Recall>,
}

/// A configuration's figures and how long its answers took.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// Of the times that whoever asked waited for an answer.
    pub answer_milliseconds: Percentiles,
    /// How long importing, indexing and asking took.
    pub seconds: f64,
    /// Every question.
    #[serde(skip)]
    pub answered: Vec<Answered>,
}

/// Two percentiles.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
}

impl Measured {
    /// The figures of what was answered.
    pub(crate) fn of(answered: Vec<Answered>, time: Duration) -> Self {
        let of_category =
            |category| Recall::of(answered.iter().filter(move |one| one.question.category == category));
        let figures = Figures {
            answerable: Recall::of(answered.iter().filter(|one| one.question.is_answerable())),
            adversarial: Recall::of(answered.iter().filter(|one| !one.question.is_answerable())),
            by_category: (1..=5).filter_map(|category| Some((category, of_category(category)?))).collect(),
        };
        let mut times: Vec<f64> = answered.iter().map(|one| one.time.as_secs_f64() * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        let answer_milliseconds = Percentiles { p50: percentile(&times, 50), p95: percentile(&times, 95) };
        Self { figures, answer_milliseconds, seconds: time.as_secs_f64(), answered }
    }
}

/// The smallest of the sorted values that so many in a hundred do not exceed; 0 of none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}
