//! Whether a session is continued from hot state, and if not, why: pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use store::RecentSession;
use utoipa::ToSchema;

/// What hot state knew of a session.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It has the session.
    Warm,
    /// Nothing of the session has ever been there: it does not exist, or its first events are on their way.
    #[default]
    New,
    /// The session has been quiet for longer than hot state keeps it; everything is in the log.
    Expired,
    /// The log says it should be there, or cannot be asked. Nothing of the session is lost, but something of hot state may be.
    Lost,
}

impl State {
    /// What it means that hot state has, or has not, the context of `session`, where the log knows one.
    pub(crate) fn of(
        is_live: bool,
        session: Option<&RecentSession>,
        lifetime: Duration,
        now: Timestamp,
    ) -> Self {
        match session {
            _ if is_live => Self::Warm,
            None => Self::New,
            Some(session) if session.hot_through == 0 => Self::New,
            Some(session) => {
                let quiet = now.duration_since(session.last_event_at);
                if !quiet.is_negative() && quiet.unsigned_abs() >= lifetime {
                    Self::Expired
                } else {
                    Self::Lost
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::SessionId;
    use uuid::Uuid;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn session(hot_through: i64) -> RecentSession {
        RecentSession {
            id: SessionId(Uuid::nil()),
            name: "chat".into(),
            head: 3,
            last_event_at: Timestamp::from_second(1_000_000).unwrap(),
            hot_through,
            events: vec![],
        }
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn the_log_tells_why_hot_state_has_nothing() {
        let of =
            |session: Option<RecentSession>, seconds| State::of(false, session.as_ref(), DAY, after(seconds));
        assert_eq!(of(None, 0), State::New);
        assert_eq!(of(Some(session(0)), 90_000), State::New);
        assert_eq!(of(Some(session(3)), 86_399), State::Lost);
        assert_eq!(of(Some(session(3)), 86_400), State::Expired);
        assert_eq!(of(Some(session(3)), -5), State::Lost);
        assert_eq!(State::of(true, Some(&session(3)), DAY, after(90_000)), State::Warm);
    }
}
