//! How far behind the log is.

use std::time::Duration;

use jiff::Timestamp;

use crate::batch::{Batch, Delivered};

/// The oldest turn that the log does not have, in percent of the time for which it is shown as pending, and what there is.
pub(crate) fn received(batch: &Batch, shown_for: Duration, now: Timestamp) {
    let oldest = batch.accepted().map(|accepted| accepted.accepted_at).min();
    if let Some(oldest) = oldest {
        metrics::histogram!("OldestUnflushedPercent").record(percent(oldest, shown_for, now));
    }
}

/// How long a turn that is in the log now took to get there, in milliseconds.
pub(crate) fn stored(delivered: &Delivered, now: Timestamp) {
    if let Some(accepted) = &delivered.accepted {
        let lag = now.duration_since(accepted.accepted_at).as_secs_f64().max(0.0) * 1000.0;
        metrics::histogram!("FlushLag").record(lag);
        metrics::counter!("IngestedEvents").increment(accepted.events.len().try_into().unwrap_or(u64::MAX));
    }
}

fn percent(accepted_at: Timestamp, shown_for: Duration, now: Timestamp) -> f64 {
    100.0 * now.duration_since(accepted_at).as_secs_f64().max(0.0) / shown_for.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_waited_half_its_time_is_at_fifty_percent() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let of = |now| percent(at(1000), Duration::from_secs(200), at(now));
        assert!((of(1100) - 50.0).abs() < 1e-9);
        assert!(of(900).abs() < 1e-9, "a clock that is behind");
    }
}
