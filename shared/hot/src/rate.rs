use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, RateLimiter, StateStore};

/// The longest time that a burst can be worth, in nanoseconds: a day.
const MOST_TOLERANCE: u64 = 24 * 60 * 60 * 1_000_000_000;
/// How far two clocks may be apart before one of them is wrong, in nanoseconds: a minute.
pub(crate) const CLOCK_WINDOW: u64 = 60 * 1_000_000_000;

/// How many requests are admitted. No limit is no [`Rate`]: a 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many per minute on average.
    pub per_minute: u32,
    /// So many of them at once, after a pause; no more than a day brings.
    pub burst: u32,
}

impl Rate {
    /// The time that one request is worth, in nanoseconds.
    pub(crate) fn interval(self) -> u64 {
        60_000_000_000_u64.div_ceil(u64::from(self.per_minute.max(1)))
    }

    /// The time that all requests of a burst but the first are worth, in nanoseconds.
    fn tolerance(self) -> u64 {
        self.interval().saturating_mul(u64::from(self.burst.max(1) - 1)).min(MOST_TOLERANCE)
    }

    /// How many requests would be admitted at once with this stored, and after how many nanoseconds it is a whole burst.
    pub(crate) fn left(self, stored: Option<u64>, now: u64) -> (u32, u64) {
        let ahead = stored.unwrap_or(now).saturating_sub(now);
        let room = (self.tolerance() + self.interval()).saturating_sub(ahead);
        (u32::try_from(room / self.interval()).unwrap_or(u32::MAX), ahead)
    }

    fn quota(self) -> Quota {
        let burst = u32::try_from(self.tolerance() / self.interval() + 1).unwrap_or(u32::MAX);
        Quota::with_period(Duration::from_nanos(self.interval()))
            .expect("an interval is longer than nothing")
            .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
    }
}

/// Whether a request may go, and what is then to be stored.
///
/// What is stored is the theoretical arrival time of GCRA, the generic cell rate algorithm: the time at which the next
/// request would come if all came evenly at the rate. In nanoseconds since 1970, so that it means the same to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Yes, once this is stored.
    Admitted { stored: u64 },
    /// Not before `at`. What is stored stays as it is, unless it cannot be right.
    Refused { at: u64, mended: Option<u64> },
}

/// Decides about one request at `now`, both in nanoseconds since 1970.
#[cfg(test)]
pub(crate) fn decide(rate: Rate, stored: Option<u64>, now: u64) -> Verdict {
    decide_many(rate, NonZeroU32::MIN, stored, now)
}

/// Decides about so many requests at `now` together, `stored` and `now` in nanoseconds since 1970. More than a burst are
/// decided about as if they were a burst.
///
/// The arithmetic is governor's. What it does not know of are several clocks. A stored time further ahead than the rate
/// itself can bring about is due to a clock that was wrong, the writer's or this one. Up to a minute of that counts as
/// it stands, which can only refuse more. Beyond it the request is refused and the time moved back to where it can be: no
/// wrong clock blocks for more than a minute and a request's time, and each time it is found out costs at most one burst.
pub(crate) fn decide_many(rate: Rate, count: NonZeroU32, stored: Option<u64>, now: u64) -> Verdict {
    let reach = rate.tolerance() + rate.interval() + CLOCK_WINDOW;
    let furthest = now.saturating_add(reach);
    let believed = stored.map(|stored| stored.min(furthest));
    let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(
        rate.quota(),
        Stored { before: believed, after: Cell::new(None) },
        // A limiter counts from the moment it was made: that was in 1970.
        SinceEpoch(Cell::new(0)),
    );
    limiter.clock().0.set(now);
    let count = count.min(rate.quota().burst_size());
    match limiter.check_n(count).unwrap_or(Ok(())) {
        Ok(()) => Verdict::Admitted { stored: limiter.into_state_store().after.get().unwrap_or(now) },
        Err(refused) => Verdict::Refused {
            at: refused.earliest_possible().as_u64(),
            mended: believed.filter(|believed| stored != Some(*believed)),
        },
    }
}

/// One stored time, as governor reads and writes it.
struct Stored {
    before: Option<u64>,
    after: Cell<Option<u64>>,
}

impl StateStore for Stored {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, after) = decide(self.before.map(Nanos::from))?;
        self.after.set(Some(after.as_u64()));
        Ok(outcome)
    }
}

/// A clock that is set by hand, in nanoseconds since 1970.
struct SinceEpoch(Cell<u64>);

impl Clock for SinceEpoch {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000_000_000;
    const SECOND: u64 = 1_000_000_000;

    impl Rate {
        /// How many come at once at most.
        pub(crate) fn burst(self) -> i64 {
            i64::from(self.quota().burst_size().get())
        }
    }

    fn admitted_at_once(rate: Rate, mut stored: Option<u64>, now: u64) -> u32 {
        for count in 0.. {
            match decide(rate, stored, now) {
                Verdict::Admitted { stored: next } => stored = Some(next),
                Verdict::Refused { .. } => return count,
            }
        }
        unreachable!("every burst ends")
    }

    #[test]
    fn a_burst_is_admitted_at_once_and_then_one_at_a_time() {
        let rate = Rate { per_minute: 60, burst: 3 };
        assert_eq!(admitted_at_once(rate, None, NOW), 3);
        let stored = Some(NOW + 3 * SECOND);
        assert_eq!(decide(rate, stored, NOW), Verdict::Refused { at: NOW + SECOND, mended: None });
        assert_eq!(decide(rate, stored, NOW + SECOND), Verdict::Admitted { stored: NOW + 4 * SECOND });
        assert_eq!(
            admitted_at_once(rate, stored, NOW + 100 * SECOND),
            3,
            "what was not used does not add up"
        );
    }

    #[test]
    fn what_is_left_is_what_would_be_admitted() {
        let rate = Rate { per_minute: 60, burst: 3 };
        for stored in [
            None,
            Some(0),
            Some(NOW + 1),
            Some(NOW + SECOND),
            Some(NOW + 5 * SECOND / 2),
            Some(NOW + 9 * SECOND),
        ] {
            assert_eq!(rate.left(stored, NOW).0, admitted_at_once(rate, stored, NOW), "{stored:?}");
        }
        assert_eq!(rate.left(Some(NOW + 2 * SECOND), NOW), (1, 2 * SECOND));
    }

    #[test]
    fn many_are_admitted_together_or_not_at_all() {
        let rate = Rate { per_minute: 60, burst: 10 };
        let many = |count| NonZeroU32::new(count).unwrap();
        assert_eq!(decide_many(rate, many(7), None, NOW), Verdict::Admitted { stored: NOW + 7 * SECOND });
        let stored = Some(NOW + 7 * SECOND);
        assert_eq!(
            decide_many(rate, many(4), stored, NOW),
            Verdict::Refused { at: NOW + SECOND, mended: None }
        );
        assert_eq!(decide_many(rate, many(3), stored, NOW), Verdict::Admitted { stored: NOW + 10 * SECOND });
        assert_eq!(decide_many(rate, many(99), None, NOW), Verdict::Admitted { stored: NOW + 10 * SECOND });
    }

    #[test]
    fn a_clock_that_is_behind_admits_nothing_more() {
        let rate = Rate { per_minute: 60, burst: 3 };
        let stored = Some(NOW + 3 * SECOND);
        assert_eq!(
            decide(rate, stored, NOW - 30 * SECOND),
            Verdict::Refused { at: NOW + SECOND, mended: None },
            "by less than a minute: what is stored stays"
        );
        let behind = NOW - 600 * SECOND;
        let mended = behind + 63 * SECOND;
        assert_eq!(
            decide(rate, stored, behind),
            Verdict::Refused { at: behind + 61 * SECOND, mended: Some(mended) }
        );
        assert_eq!(admitted_at_once(rate, Some(mended), NOW), 3, "a burst, and no more");
    }

    #[test]
    fn a_clock_that_is_years_ahead_blocks_for_a_minute() {
        let rate = Rate { per_minute: 60, burst: 3 };
        for ahead in [u64::MAX, NOW + 1_000_000_000 * SECOND] {
            let Verdict::Refused { at, mended } = decide(rate, Some(ahead), NOW) else { panic!("refused") };
            assert_eq!(at, NOW + 61 * SECOND);
            assert!(matches!(decide(rate, mended, at), Verdict::Admitted { .. }));
        }
    }

    #[test]
    fn no_rate_and_no_time_is_too_much() {
        for (per_minute, burst) in [(0, 0), (1, 0), (1, u32::MAX), (u32::MAX, u32::MAX), (7, 1)] {
            let rate = Rate { per_minute, burst };
            for stored in [None, Some(0), Some(NOW), Some(u64::MAX)] {
                for now in [0, NOW, u64::MAX / 2] {
                    decide(rate, stored, now);
                }
            }
        }
        let endless = Rate { per_minute: 1, burst: u32::MAX };
        assert_eq!(admitted_at_once(endless, None, NOW), 24 * 60 + 1);
    }
}
