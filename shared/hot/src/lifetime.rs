use std::time::Duration;

use jiff::Timestamp;

/// How long each kind of item lives, from the last activity it knows of.
///
/// A lease is not listed: whoever takes one says for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Recent messages, active entities and pending actions of a session, and the pointer to a user's latest session.
    pub session_context: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { session_context: Duration::from_hours(24) }
    }
}

/// The second at which something that lives this long since `activity` is gone, in seconds since 1970: the value of
/// the attribute `expires_at`.
pub(crate) fn expiry(activity: Timestamp, lifetime: Duration) -> i64 {
    activity.as_second().saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
}
