//! What was found, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::figures::{Answered, Figures, Measured, Recall};

/// One run over one file.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The figures of the best embedder that was asked for.
    #[serde(flatten)]
    pub best: Figures,
    /// Which one that is.
    pub embedder: String,
    /// The figures of every configuration.
    pub by_embedder: BTreeMap<String, Measured>,
    /// How many questions there were.
    pub questions: Counts,
    /// The file's name.
    pub source: String,
    #[serde(skip)]
    order: Vec<String>,
}

/// How many questions there were.
#[derive(Debug, Serialize)]
pub struct Counts {
    /// Of categories 1 to 4.
    pub answerable: usize,
    /// Of category 5.
    pub adversarial: usize,
    /// Of each category.
    pub by_category: BTreeMap<u8, usize>,
    /// Left out, because their evidence names no turn.
    pub left_out: usize,
}

impl Report {
    /// The report on configurations in the order of their names; the last is the best. None when there are none.
    pub fn new(source: String, left_out: usize, measured: Vec<(String, Measured)>) -> Option<Self> {
        let (embedder, last) = measured.last()?;
        let of = |wanted: &dyn Fn(u8) -> bool| {
            last.answered.iter().filter(|one| wanted(one.question.category)).count()
        };
        let questions = Counts {
            answerable: of(&|category| category <= 4),
            adversarial: of(&|category| category == 5),
            by_category: last
                .figures
                .by_category
                .keys()
                .map(|of_all| (*of_all, of(&|one| one == *of_all)))
                .collect(),
            left_out,
        };
        Some(Self {
            best: last.figures.clone(),
            embedder: embedder.clone(),
            questions,
            source,
            order: measured.iter().map(|(name, _)| name.clone()).collect(),
            by_embedder: measured.into_iter().collect(),
        })
    }

    /// A table, a block for each configuration.
    pub fn table(&self) -> String {
        let Counts { answerable, adversarial, by_category, left_out } = &self.questions;
        let mut table = format!(
            "retrieval: {answerable} answerable and {adversarial} adversarial questions of {}",
            self.source
        );
        if *left_out > 0 {
            // Writing to a string cannot fail.
            let _ = write!(table, "; {left_out} left out, their evidence names no turn");
        }
        table.push('\n');
        for name in &self.order {
            let Some(Measured { figures, answer_milliseconds: times, seconds, .. }) =
                self.by_embedder.get(name)
            else {
                continue;
            };
            let _ = writeln!(
                table,
                "\n{name}: answers in {:.0} ms (p50), {:.0} ms (p95); {seconds:.1} s in all",
                times.p50, times.p95
            );
            let _ = write!(table, "  {:<24}{:>9}", "", "questions");
            for k in super::DEPTHS {
                let _ = write!(table, "{:>8}", format!("R@{k}"));
            }
            table.push('\n');
            row(&mut table, "answerable", *answerable, figures.answerable);
            for (category, recall) in &figures.by_category {
                let count = by_category.get(category).copied().unwrap_or_default();
                if *category <= 4 {
                    row(&mut table, &format!("  {category} {}", kind(*category)), count, Some(*recall));
                }
            }
            row(&mut table, "adversarial", *adversarial, figures.adversarial);
        }
        table.trim_end().to_owned()
    }
}

const fn kind(category: u8) -> &'static str {
    match category {
        1 => "multi-hop",
        2 => "temporal",
        3 => "open domain",
        4 => "single hop",
        _ => "adversarial",
    }
}

fn row(table: &mut String, name: &str, questions: usize, recall: Option<Recall>) {
    let _ = write!(table, "  {name:<24}{questions:>9}");
    for k in 0..super::DEPTHS.len() {
        match recall.and_then(|recall| recall.all().get(k).copied()) {
            Some(share) => {
                let _ = write!(table, "{:>8.1}", share * 100.0);
            }
            None => table.push_str("       –"),
        }
    }
    table.push('\n');
}

/// The questions of which the least was found, one line each: where they are in the file, and at which rank each turn of
/// their evidence came.
pub fn worst(answered: &[Answered], count: usize) -> Vec<String> {
    let shares = |one: &Answered| super::DEPTHS.map(|k| one.recall(k));
    let mut worst: Vec<&Answered> = answered.iter().filter(|one| one.question.is_answerable()).collect();
    worst.sort_by(|one, other| {
        let (one, other) = (shares(one), shares(other));
        one.iter().sum::<f64>().total_cmp(&other.iter().sum::<f64>())
    });
    worst
        .into_iter()
        .take(count)
        .map(|one| {
            let evidence = one.question.evidence.iter().zip(&one.ranks);
            let evidence: Vec<String> = evidence
                .map(|(turn, rank)| match rank {
                    Some(rank) => format!("{turn} at {rank}"),
                    None => format!("{turn} not among {}", super::DEEPEST),
                })
                .collect();
            format!(
                "{} (category {}): {:?}: {}",
                one.question.place,
                one.question.category,
                one.question.text,
                evidence.join(", ")
            )
        })
        .collect()
}
