use std::time::Duration;

use domain::HotLifetimes;
use jiff::Timestamp;

/// How long a lease or a slot can be taken for, in milliseconds: 15 minutes, the longest that a function runs. One that
/// ends later was written by a wrong clock.
pub(crate) const LONGEST_TERM_MILLISECONDS: i64 = 15 * 60 * 1000;

/// How long each kind of item lives, from the last activity it knows of.
///
/// A lease or a slot is not listed: whoever takes one says for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Recent messages, active entities and pending actions of a session, and the pointer to a user's latest session.
    pub session_context: Duration,
    /// The working memory of a session, from its last read, write or message.
    pub working_memory: Duration,
    /// The state of a tool, from its last read or write.
    pub tool_state: Duration,
    /// The memoised result of a step: longer than a crashed run's wake-up takes to come back.
    pub step: Duration,
    /// The key of a request, by which a repeat is known.
    pub request_key: Duration,
    /// A copy of what Postgres has of API keys, settings and webhook sources, since it was made last: longer than Postgres is ever away.
    pub copy: Duration,
}

impl Lifetimes {
    /// These lives, but for those that a tenant has of its own. One out of its bounds counts as the nearest that is not.
    #[must_use]
    pub fn of_tenant(self, own: &HotLifetimes) -> Self {
        let life = |own: Option<u32>, usual: Duration| {
            let (shortest, longest) = HotLifetimes::SECONDS.into_inner();
            own.map_or(usual, |seconds| Duration::from_secs(seconds.clamp(shortest, longest).into()))
        };
        Self {
            session_context: life(own.session_context_seconds, self.session_context),
            working_memory: life(own.working_memory_seconds, self.working_memory),
            tool_state: life(own.tool_state_seconds, self.tool_state),
            step: life(own.step_result_seconds, self.step),
            // What repeats are known by, and copies, are no tenant's words.
            ..self
        }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            session_context: Duration::from_hours(24),
            working_memory: Duration::from_hours(2),
            tool_state: Duration::from_mins(30),
            step: Duration::from_hours(1),
            request_key: Duration::from_hours(24),
            copy: Duration::from_hours(7 * 24),
        }
    }
}

/// The second at which something that lives this long since `activity` is gone, in seconds since 1970: the value of
/// the attribute `expires_at`.
pub(crate) fn expiry(activity: Timestamp, lifetime: Duration) -> i64 {
    activity.as_second().saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
}

/// When a term of this length that begins now ends, in milliseconds since 1970.
pub(crate) fn ends(now: Timestamp, time: Duration) -> i64 {
    let term = i64::try_from(time.as_millis()).unwrap_or(i64::MAX).min(LONGEST_TERM_MILLISECONDS);
    now.as_millisecond().saturating_add(term)
}

/// The first whole second after a millisecond.
pub(crate) const fn second_after(millisecond: i64) -> i64 {
    millisecond / 1000 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_the_deployments_lives_but_for_its_own() {
        let usual = Lifetimes::default();
        assert_eq!(usual.of_tenant(&HotLifetimes::default()), usual);
        let own = HotLifetimes { tool_state_seconds: Some(90), ..HotLifetimes::default() };
        assert_eq!(usual.of_tenant(&own), Lifetimes { tool_state: Duration::from_secs(90), ..usual });
        let wild =
            HotLifetimes { working_memory_seconds: Some(0), step_result_seconds: Some(u32::MAX), ..own };
        let lives = usual.of_tenant(&wild);
        assert_eq!((lives.working_memory, lives.step), (Duration::from_mins(1), Duration::from_hours(720)));
    }
}
