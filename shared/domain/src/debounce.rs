use std::time::Duration;

use jiff::Timestamp;

/// When a debounced agent thinks: after the session has been quiet, or at the latest after `max_wait`.
///
/// The queue's own delivery delay is the quiet period; this type decides what a wake-up that arrives after it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    /// How long the oldest event may wait before the window is thought about although the session is still busy.
    pub max_wait: Duration,
}

/// What to do with a wake-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The cursor has passed the wake-up, or nothing is left: acknowledge it.
    NothingNew,
    /// A newer event exists, and its own wake-up is on the way: acknowledge this one.
    StillBusy,
    /// Think about the whole window.
    Think,
}

impl Debounce {
    /// Decides for a wake-up at `version` of a session whose cursor is `cursor` and whose last version is `head`.
    ///
    /// `oldest` is when the database accepted the oldest event after the cursor. A wake-up is only dropped as
    /// [`Verdict::StillBusy`] when a newer event exists, and every event has a wake-up of its own or a later one, so
    /// the last event of a burst is always thought about.
    pub fn decide(self, version: i64, cursor: i64, head: i64, oldest: Timestamp, now: Timestamp) -> Verdict {
        if cursor >= version || cursor >= head {
            return Verdict::NothingNew;
        }
        let waited = now.duration_since(oldest);
        let at_limit = waited.is_negative() || waited.unsigned_abs() >= self.max_wait;
        if version < head && !at_limit { Verdict::StillBusy } else { Verdict::Think }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIVE_MINUTES: Debounce = Debounce { max_wait: Duration::from_mins(5) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_wake_up_behind_the_head_is_dropped_while_the_session_is_busy() {
        assert_eq!(FIVE_MINUTES.decide(3, 0, 5, at(0), at(40)), Verdict::StillBusy);
        assert_eq!(FIVE_MINUTES.decide(5, 0, 5, at(0), at(40)), Verdict::Think);
    }

    #[test]
    fn a_session_that_never_falls_quiet_is_thought_about_after_the_longest_wait() {
        assert_eq!(FIVE_MINUTES.decide(3, 0, 5, at(0), at(300)), Verdict::Think);
    }

    #[test]
    fn a_duplicate_or_late_wake_up_is_nothing_new() {
        assert_eq!(FIVE_MINUTES.decide(5, 5, 9, at(0), at(1)), Verdict::NothingNew);
        assert_eq!(FIVE_MINUTES.decide(4, 5, 9, at(0), at(900)), Verdict::NothingNew);
    }

    proptest! {
        /// Whatever the order and the delays, delivering the wake-up of every version ends with the cursor at the head.
        #[test]
        fn every_order_of_wake_ups_reaches_the_head(
            order in Just((1_i64..=20).collect::<Vec<_>>()).prop_shuffle(),
            step_seconds in 0_i64..60,
        ) {
            let mut cursor = 0;
            for (turn, version) in order.iter().enumerate() {
                let now = at(step_seconds * i64::try_from(turn).unwrap());
                if FIVE_MINUTES.decide(*version, cursor, 20, at(0), now) == Verdict::Think {
                    cursor = 20;
                }
            }
            prop_assert_eq!(cursor, 20);
        }
    }
}
