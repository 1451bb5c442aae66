//! What became of what a user said: how far each agent is, and what it has kept.

mod answer;

use std::str::FromStr;

use axum::extract::State;
use domain::{SessionId, SessionName, TenantId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::ProgressOf;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) use self::answer::StatusAnswer;
use crate::Parts;
use crate::http::{Answer, Caller, Moment, OfUser, PathOf, Problem, Query, Shared, Whole, postgres_is_down};

/// How many sessions an answer has when nobody says.
const USUAL_SESSIONS: u16 = 20;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Which sessions, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// The session; all of the user's, the one with the latest event first, when not given.
    #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub(crate) session: Option<SessionName>,
    /// How many sessions; 20 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    pub(crate) limit: Option<Whole<1, 100>>,
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    pub(crate) after: Option<Place>,
}

/// Where a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Place {
    at: Timestamp,
    session: SessionId,
}

impl TryFrom<String> for Place {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let read = || {
            let (at, session) = text.split_once('.')?;
            let at = Timestamp::from_microsecond(i64::from_str(at).ok()?).ok()?;
            let at = Moment::try_from(at).ok()?.0;
            Some(Self { at, session: SessionId(Uuid::try_parse(session).ok()?) })
        };
        read().ok_or("is no place in the list, expected the `next` of an answer")
    }
}

impl From<Place> for String {
    fn from(Place { at, session }: Place) -> Self {
        format!("{}.{}", at.as_microsecond(), session.0.simple())
    }
}

/// How far every agent is with a user's sessions, and what it made of them.
///
/// What is said is not remembered at once: this tells when it has been.
#[utoipa::path(
    get, path = "/v1/users/{user}/status", operation_id = "status", tag = "memories", params(OfUser, Asked),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = StatusAnswer), (status = 400, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn status(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    Query(asked): Query<Asked>,
) -> Result<Answer<StatusAnswer>, Problem> {
    parts.status(&caller.tenant, &user, asked).await.map(Answer::ok)
}

impl Parts {
    /// How far every agent is with a user's sessions.
    pub(crate) async fn status(
        &self,
        tenant: &TenantId,
        user: &UserId,
        Asked { session, limit, after }: Asked,
    ) -> Result<StatusAnswer, Problem> {
        let limit: u16 = limit.map_or(USUAL_SESSIONS, Whole::to);
        let agents: Vec<&str> = self.agents.iter().map(String::as_str).collect();
        let of = ProgressOf {
            session: session.as_ref(),
            agents: &agents,
            after: after.map(|place| (place.at, place.session)),
            // One more than wanted tells whether there is a next page.
            limit: limit + 1,
        };
        let read = self.store.user_progress(tenant, user, of).await;
        let mut sessions = read.map_err(|error| postgres_is_down(&error))?;
        let has_next = sessions.len() > usize::from(limit);
        sessions.truncate(usize::from(limit));
        let last = sessions.last().filter(|_| has_next);
        let next = last.map(|last| Place { at: last.last_event_at, session: last.id });
        Ok(StatusAnswer::of(sessions, next, (self.now)()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_place_is_refused() {
        let before_all = "-377705023201000000.00000000000000000000000000000001";
        for text in
            ["", ".", "1", "x.00000000000000000000000000000001", "1.2", "99999999999999999999.0", before_all]
        {
            assert!(Place::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_place_is_read_as_it_was_written(micros in 0_i64..4_000_000_000_000_000, id in any::<u128>()) {
            let at = Timestamp::from_microsecond(micros).unwrap();
            let place = Place { at, session: SessionId(Uuid::from_u128(id)) };
            prop_assert_eq!(Place::try_from(String::from(place)), Ok(place));
        }
    }
}
