use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

/// Times of one kind of call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1000.0);
    }

    pub(crate) fn add_milliseconds(&mut self, milliseconds: f64) {
        self.0.push(milliseconds);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that so many hundredths of the calls do not exceed, in milliseconds.
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) * hundredths / 100).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn p50(&self) -> f64 {
        self.percentile(50)
    }

    pub(crate) fn p95(&self) -> f64 {
        self.percentile(95)
    }
}

/// Median and 95th percentile of a kind of call, medians over the rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) calls: usize,
}

impl Latency {
    pub(crate) fn of_rounds(rounds: &[Times]) -> Self {
        Self {
            p50: median(rounds.iter().map(Times::p50).collect()),
            p95: median(rounds.iter().map(Times::p95).collect()),
            calls: rounds.iter().map(Times::count).sum(),
        }
    }

    pub(crate) fn json(self) -> Value {
        json!({"p50_ms": rounded(self.p50), "p95_ms": rounded(self.p95), "calls": self.calls})
    }
}

impl std::fmt::Display for Latency {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "p50 {:>8.2} ms  p95 {:>8.2} ms  ({} calls)", self.p50, self.p95, self.calls)
    }
}

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    numbers.get(middle).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "at most some millions")]
pub(crate) fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// Three decimals.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The processor time this process has used so far, in milliseconds; none where the system does not say. Linux counts it in
/// hundredths of a second (`proc(5)`, fields `utime` and `stime` of `stat`).
pub(crate) fn processor_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may contain anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<f64>().ok()?, fields.next()?.parse::<f64>().ok()?);
    Some((user + system) * 10.0)
}
