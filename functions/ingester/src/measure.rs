//! How far behind the log is.

use std::time::Duration;

use domain::TenantId;
use jiff::Timestamp;

use crate::batch::{Batch, Delivered};

/// The turn that the log does not have and that is nearest to its end, in percent of the time for which it is shown as
/// pending; that time is the tenant's.
pub(crate) fn received(batch: &Batch, shown_for: impl Fn(&TenantId) -> Duration, now: Timestamp) {
    let nearest = batch
        .accepted()
        .map(|accepted| percent(accepted.accepted_at, shown_for(&accepted.tenant), now))
        .max_by(f64::total_cmp);
    if let Some(nearest) = nearest {
        metrics::histogram!("OldestUnflushedPercent").record(nearest);
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
