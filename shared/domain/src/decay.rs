//! How a memory fades that nobody asks for and nothing renews.
//!
//! The founding design scores a memory `exp(-0.693 · days / 30) · ln(1 + accesses)` and gives it up below 0.1. That
//! scores a memory nobody has asked for yet 0, on the day it is made. Here it is `ln(2 + accesses)`, so a new memory
//! begins at 0.69, and a grace period stands beside the score.

use jiff::Timestamp;

/// After so many days a memory is worth half.
const HALF_LIFE_DAYS: f64 = 30.0;
/// Below this a memory has faded: 84 days after it was last renewed when nobody has ever asked for it, 139 when it was
/// recalled ten times, 166 when a hundred times.
const FADED_BELOW: f64 = 0.1;
const SECONDS_A_DAY: f64 = 86_400.0;

/// What a memory is worth at a time: `exp(-ln 2 · days / 30) · ln(2 + accesses)`, the days counted from when it was
/// last recalled or last said, whichever is later; never more than on that day.
pub fn worth(renewed: Timestamp, accesses: i64, now: Timestamp) -> f64 {
    let days = now.duration_since(renewed).as_secs_f64().max(0.0) / SECONDS_A_DAY;
    let accesses = f64::from(u32::try_from(accesses.max(0)).unwrap_or(u32::MAX));
    (-std::f64::consts::LN_2 * days / HALF_LIFE_DAYS).exp() * (2.0 + accesses).ln()
}

/// Whether a memory worth so much has faded.
pub fn has_faded(worth: f64) -> bool {
    worth < FADED_BELOW
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn worth_after(days: i64, accesses: i64) -> f64 {
        let renewed = Timestamp::UNIX_EPOCH;
        worth(renewed, accesses, renewed + SignedDuration::from_hours(24 * days))
    }

    #[test]
    fn worth_halves_in_thirty_days_and_grows_with_accesses() {
        assert!((worth_after(0, 0) - std::f64::consts::LN_2).abs() < 1e-12);
        assert!((worth_after(30, 0) * 2.0 - worth_after(0, 0)).abs() < 1e-12);
        assert!(worth_after(30, 1) > worth_after(30, 0));
        assert!(worth_after(-5, 0) <= worth_after(0, 0), "what is said in the future is worth no more");
    }

    #[test]
    fn a_memory_fades_when_the_documentation_says_so() {
        for (accesses, last_day) in [(0, 83), (10, 139), (100, 165)] {
            assert!(!has_faded(worth_after(last_day, accesses)), "{accesses} accesses, day {last_day}");
            assert!(has_faded(worth_after(last_day + 2, accesses)), "{accesses} accesses, day {last_day}");
        }
    }
}
