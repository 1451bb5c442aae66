use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Pauses between attempts that have no end: from `shortest` on, each about twice the one before it, at most `longest`.
pub(crate) fn unending(shortest: Duration, longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(shortest)
        .with_max_delay(longest)
        .without_max_times()
        .build()
}
