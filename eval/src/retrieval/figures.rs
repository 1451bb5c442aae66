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
    fn of(answered: &[Answered], wanted: impl Fn(&Question) -> bool) -> Option<Self> {
        let wanted: Vec<&Answered> = answered.iter().filter(|one| wanted(&one.question)).collect();
        let mean = |k| wanted.iter().map(|one| one.recall(k)).sum::<f64>() / number(wanted.len());
        let [at_5, at_10, at_25, at_50] = super::DEPTHS.map(mean);
        (!wanted.is_empty()).then_some(Self { at_5, at_10, at_25, at_50 })
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
        let of_category = |category| Recall::of(&answered, |question| question.category == category);
        let figures = Figures {
            answerable: Recall::of(&answered, Question::is_answerable),
            adversarial: Recall::of(&answered, |question| !question.is_answerable()),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answered(category: u8, ranks: Vec<Option<usize>>) -> Answered {
        let evidence = (0..ranks.len()).map(|turn| format!("D1:{turn}")).collect();
        let question =
            Question { place: "[0].qa[0]".to_owned(), text: "Who?".to_owned(), category, evidence };
        Answered { question, ranks, time: Duration::from_millis(10) }
    }

    #[test]
    fn a_figure_is_the_mean_over_questions_of_the_share_that_was_found() {
        let measured = Measured::of(
            vec![
                answered(1, vec![Some(5), Some(11), None, Some(50)]),
                answered(4, vec![Some(6)]),
                answered(5, vec![None]),
            ],
            Duration::from_secs(1),
        );
        let figures = &measured.figures;
        let are = |recall: Option<Recall>, expected: [f64; 4]| {
            let found = recall.unwrap().all();
            assert!(found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12), "{found:?}");
        };
        are(figures.answerable, [0.125, 0.625, 0.75, 0.875]);
        are(figures.adversarial, [0.0; 4]);
        are(figures.by_category.get(&1).copied(), [0.25, 0.25, 0.5, 0.75]);
        assert_eq!(figures.by_category.keys().collect::<Vec<_>>(), [&1, &4, &5]);
    }

    #[test]
    fn there_are_no_figures_of_no_questions() {
        let figures = Measured::of(vec![answered(2, vec![Some(1)])], Duration::ZERO).figures;
        assert_eq!((figures.adversarial, figures.by_category.len()), (None, 1));
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 95)), (10.0, 19.0));
        assert_eq!((percentile(&[7.0], 95), percentile(&[], 50)), (7.0, 0.0));
    }

    proptest! {
        #[test]
        fn looking_deeper_never_finds_less(ranks in prop::collection::vec(prop::option::of(1_usize..=50), 1..8)) {
            let found = answered(4, ranks.clone());
            let shares = super::super::DEPTHS.map(|k| found.recall(k));
            prop_assert!(shares.is_sorted() && shares[0] >= 0.0 && shares[3] <= 1.0);
            let all = ranks.iter().all(Option::is_some);
            prop_assert_eq!(all, (shares[3] - 1.0).abs() < 1e-12);
        }
    }
}
