use std::time::Duration;

use jiff::Timestamp;

/// A newcomer that is billed by the second does not wait for a reader that has longer than this to live.
const WORTH_WAITING: Duration = Duration::from_secs(90);

const PREFIX: &str = "cdc-reader/";

/// The longest part of an application name that is the instance's own: Postgres keeps 63 bytes of the whole.
const LONGEST_INSTANCE: usize = 40;

/// When a reader will stop by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// At this moment.
    Until(Timestamp),
    /// Not before it is told to, as far as anybody knows.
    Unbounded,
}

impl Lifetime {
    /// What a reader tells the others through its connection: `cdc-reader/<instance>/<unix second it stops, or 0>`.
    pub fn application_name(self, instance: &str) -> String {
        let instance: String = instance
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' })
            .take(LONGEST_INSTANCE)
            .collect();
        let second = match self {
            Self::Until(end) => end.as_second().max(1),
            Self::Unbounded => 0,
        };
        format!("{PREFIX}{instance}/{second}")
    }

    /// Reads it back. Whoever reads the slot without saying so is taken to do it for ever.
    pub fn of(application_name: &str) -> Self {
        let second = application_name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('/'));
        match second.and_then(|(_, second)| second.parse().ok()) {
            Some(0) | None => Self::Unbounded,
            Some(second) => Timestamp::from_second(second).map_or(Self::Unbounded, Self::Until),
        }
    }
}

/// What a reader does when another one holds the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// Stands by for as long as it takes.
    Wait,
    /// Stands by for a reader that is about to stop, and leaves the slot to one that is not.
    LeaveToLongLived,
}

impl WhenBusy {
    /// Whether to stand by for the reader that holds the slot.
    pub fn stands_by(self, holder: Lifetime, now: Timestamp) -> bool {
        match (self, holder) {
            (Self::Wait, _) => true,
            (Self::LeaveToLongLived, Lifetime::Unbounded) => false,
            (Self::LeaveToLongLived, Lifetime::Until(end)) => {
                let left = end.duration_since(now);
                left.is_negative() || left.unsigned_abs() <= WORTH_WAITING
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_newcomer_waits_for_a_reader_that_is_about_to_stop_and_leaves_the_slot_to_one_that_is_not() {
        let now = at(1_000);
        let stands_by = |holder: &str| WhenBusy::LeaveToLongLived.stands_by(Lifetime::of(holder), now);
        assert!(stands_by("cdc-reader/a/1090"));
        assert!(!stands_by("cdc-reader/a/1091"));
        assert!(stands_by("cdc-reader/a/900"));
        assert!(!stands_by("cdc-reader/a/0"));
        assert!(!stands_by("pg_recvlogical"));
        assert!(!stands_by(""));
        assert!(WhenBusy::Wait.stands_by(Lifetime::Unbounded, now));
    }

    proptest! {
        #[test]
        fn a_lifetime_survives_the_application_name(instance in ".{0,80}", second in 1_i64..100_000_000_000) {
            for lifetime in [Lifetime::Unbounded, Lifetime::Until(at(second))] {
                let name = lifetime.application_name(&instance);
                prop_assert!(name.len() <= 63 && name.is_ascii());
                prop_assert_eq!(Lifetime::of(&name), lifetime);
            }
        }

        #[test]
        fn no_application_name_panics(name in ".{0,70}") {
            let _ = Lifetime::of(&name);
        }
    }
}
