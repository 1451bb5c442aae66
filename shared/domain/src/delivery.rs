use std::time::Duration;

/// The waits between attempts at a webhook: ten attempts within some 75 hours, the example schedule of Standard Webhooks
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, "Deliverability and
/// reliability").
const WAITS: [Duration; (Delivery::MOST_ATTEMPTS - 1) as usize] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// The longest wait an endpoint may ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// The most that chance adds to a wait, as a share of it: whoever failed together does not come back together.
const SPREAD: f64 = 0.1;

/// How an attempt to deliver a webhook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// The endpoint answered.
    Answered {
        /// The status of its answer.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// There was no answer, or the address may not be asked.
    Unanswered,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The endpoint has it.
    Done,
    /// It is tried again after this time, and nothing else is sent to the endpoint before.
    Again(Duration),
    /// It was tried often enough: it is set aside, and the next one is sent.
    Dead,
    /// The endpoint is gone for good (410): it is not asked again before somebody enables it.
    Gone,
}

impl Delivery {
    /// The attempts after which a delivery is set aside.
    pub const MOST_ATTEMPTS: u32 = 10;

    /// What becomes of a delivery after its `attempt`-th attempt, counted from 1.
    ///
    /// Any status from 200 to 299 is a success; redirects are failures, because a signature is for one address. `chance`
    /// is from 0 to 1 and spreads the waits.
    pub fn after(attempt: u32, attempted: Attempted, chance: f64) -> Self {
        let asked = match attempted {
            Attempted::Answered { status: 200..=299, .. } => return Self::Done,
            Attempted::Answered { status: 410, .. } => return Self::Gone,
            Attempted::Answered { retry_after, .. } => retry_after.unwrap_or_default(),
            Attempted::Unanswered => Duration::ZERO,
        };
        let place = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX);
        match WAITS.get(place) {
            Some(wait) => {
                let wait = wait.mul_f64(1.0 + SPREAD * chance.clamp(0.0, 1.0));
                Self::Again(wait.max(asked.min(LONGEST_WAIT)))
            }
            None => Self::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn answered(status: u16) -> Attempted {
        Attempted::Answered { status, retry_after: None }
    }

    #[test]
    fn a_failing_endpoint_is_asked_ten_times_within_three_days() {
        let mut waited = Duration::ZERO;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Delivery::after(attempts, answered(503), 0.0) {
                Delivery::Again(wait) => waited += wait,
                ended => {
                    assert_eq!(ended, Delivery::Dead);
                    break;
                }
            }
        }
        assert_eq!(attempts, Delivery::MOST_ATTEMPTS);
        assert_eq!(waited.as_secs(), 5 + 5 * 60 + 30 * 60 + (2 + 5 + 10 + 14 + 20 + 24) * 3600);
    }

    #[test]
    fn only_a_success_is_one_and_only_410_is_final() {
        for status in [200, 201, 204, 299] {
            assert_eq!(Delivery::after(1, answered(status), 0.5), Delivery::Done);
        }
        for status in [100, 301, 302, 307, 400, 401, 404, 409, 429, 500, 599] {
            assert!(matches!(Delivery::after(1, answered(status), 0.5), Delivery::Again(_)), "{status}");
        }
        assert_eq!(Delivery::after(1, answered(410), 0.5), Delivery::Gone);
        assert_eq!(Delivery::after(10, answered(410), 0.5), Delivery::Gone);
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_wait_and_not_for_a_shorter_one() {
        let busy =
            |seconds| Attempted::Answered { status: 429, retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(Delivery::after(1, busy(90), 0.0), Delivery::Again(Duration::from_secs(90)));
        assert_eq!(Delivery::after(2, busy(1), 0.0), Delivery::Again(Duration::from_mins(5)));
        assert_eq!(Delivery::after(1, busy(u64::MAX), 0.0), Delivery::Again(LONGEST_WAIT));
    }

    proptest! {
        #[test]
        fn waits_grow_and_end(attempt in 0_u32..40, chance in -1.0..2.0_f64) {
            match Delivery::after(attempt, Attempted::Unanswered, chance) {
                Delivery::Again(wait) => {
                    prop_assert!(attempt < Delivery::MOST_ATTEMPTS);
                    if let Delivery::Again(next) = Delivery::after(attempt.max(1) + 1, Attempted::Unanswered, chance) {
                        prop_assert!(next > wait);
                    }
                }
                ended => {
                    prop_assert_eq!(ended, Delivery::Dead);
                    prop_assert!(attempt >= Delivery::MOST_ATTEMPTS);
                }
            }
        }
    }
}
