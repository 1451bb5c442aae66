//! What an operator asks for, as it is read and before it is checked against each other.

use domain::{SessionName, TenantId, UserId};
use jiff::Timestamp;
use serde::Deserialize;
use store::{ReplayFrom, RunFilter, Target};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::aim::{Aim, aimed};
use super::moment::{Ago, Ahead};
use crate::http::{Problem, Short, Whole};

/// How many runs an answer has when nobody says.
const USUAL_RUNS: u16 = 50;
/// The most events of one answer; each has a line per agent.
const MOST_EVENTS: i64 = 200;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Done,
    Degraded,
    Quarantined,
    Cancelled,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Degraded => "degraded",
            Self::Quarantined => "quarantined",
            Self::Cancelled => "cancelled",
        }
    }
}

aimed! {
    /// Which runs are wanted, newest first.
    #[into_params(parameter_in = Query)]
    IntoParams param RunsAsked {
        /// `done`, `degraded`, `quarantined` or `cancelled`.
        #[param(value_type = Option<String>)]
        outcome: Option<Outcome>,
        /// Ended since: a time, or how long ago.
        #[param(value_type = Option<String>)]
        since: Option<Ago>,
        /// Ended before: a time, or how long ago.
        #[param(value_type = Option<String>)]
        until: Option<Ago>,
        /// The `next` of the page before.
        before: Option<Uuid>,
        /// How many; 50 when not given.
        #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
        limit: Option<Whole<1, 500>>,
    }
}

aimed! {
    /// Which events are meant: `tenant`, `user` and `session` are needed.
    #[into_params(parameter_in = Query)]
    IntoParams param EventsAsked {
        /// The first version; 1 when not given.
        #[param(value_type = Option<i64>, minimum = 1)]
        from: Option<Whole<1, { i64::MAX }>>,
        /// The last version; 200 at once, which it is when not given.
        #[param(value_type = Option<i64>, minimum = 1)]
        to: Option<Whole<1, { i64::MAX }>>,
    }
}

aimed! {
    /// What is not to be thought about for now.
    ToSchema schema PauseOrder {
        /// Until a time to come, or for how long from now; until resumed when not given.
        #[schema(value_type = Option<String>)]
        until: Option<Ahead>,
    }
}

aimed! {
    /// What is to be thought about again.
    ToSchema schema ResumeOrder {}
}

aimed! {
    /// What is not to be thought about at all.
    ToSchema schema CancelOrder {
        /// Only what was accepted before: a time, or how long ago.
        #[schema(value_type = Option<String>)]
        before: Option<Ago>,
        /// Every session of every tenant.
        all: Option<bool>,
    }
}

aimed! {
    /// What is to be thought about once more.
    ToSchema schema ReplayOrder {
        /// From this version on; 1 is the beginning.
        #[schema(value_type = Option<i64>, minimum = 1)]
        version: Option<Whole<1, { i64::MAX }>>,
        /// From the first event accepted since: a time, or how long ago.
        #[schema(value_type = Option<String>)]
        since: Option<Ago>,
        /// Every session of every tenant.
        all: Option<bool>,
    }
}

aimed! {
    /// Which windows that were set aside are to be tried again.
    ToSchema schema RedriveOrder {
        /// Set aside since: a time, or how long ago.
        #[schema(value_type = Option<String>)]
        since: Option<Ago>,
        /// Set aside before: a time, or how long ago.
        #[schema(value_type = Option<String>)]
        until: Option<Ago>,
        /// A part of the error.
        #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
        reason: Option<Short<200>>,
    }
}

impl RunsAsked {
    /// What is meant, how many, and which of those, when the session is known.
    pub(super) fn filter(
        mut self,
        agents: &[&str],
        now: Timestamp,
    ) -> Result<(Aim, u16, impl FnOnce(Target) -> RunFilter + use<>), Problem> {
        let aim = self.named()?.checked(agents)?;
        let since = self.since.map(|since| since.at("since", now)).transpose()?;
        let until = self.until.map(|until| until.at("until", now)).transpose()?;
        let (outcome, before) = (self.outcome.map(|outcome| outcome.as_str().to_owned()), self.before);
        let filter = move |target| RunFilter { target, outcome, since, until, reason: None, before };
        Ok((aim, self.limit.map_or(USUAL_RUNS, Whole::to), filter))
    }
}

/// Events of a session.
#[derive(Debug, PartialEq)]
pub(super) struct EventsOf {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
    pub(super) session: SessionName,
    pub(super) agent: Option<String>,
    pub(super) from: i64,
    pub(super) to: i64,
}

impl EventsAsked {
    /// Which events are meant.
    pub(super) fn checked(mut self, agents: &[&str]) -> Result<EventsOf, Problem> {
        let Aim { tenant, agent, user, session } = self.named()?.checked(agents)?;
        let (Some(tenant), Some(user), Some(session)) = (tenant, user, session) else {
            return Err(Problem::invalid(
                "session",
                "parameter `session` is missing, expected the name of a session, with its `tenant` and `user`"
                    .to_owned(),
            ));
        };
        let from = self.from.map_or(1, Whole::get);
        let last = from.saturating_add(MOST_EVENTS - 1);
        let to = self.to.map_or(last, Whole::get);
        if !(from..=last).contains(&to) {
            return Err(Problem::invalid(
                "to",
                format!("parameter `to` is {to}, expected a whole number from {from} to {last}"),
            ));
        }
        Ok(EventsOf { tenant, user, session, agent, from, to })
    }
}

impl PauseOrder {
    /// What is held, and until when.
    pub(super) fn checked(
        mut self,
        agents: &[&str],
        now: Timestamp,
    ) -> Result<(Aim, Option<Timestamp>), Problem> {
        let aim = self.named()?.checked(agents)?;
        let until = self.until.map(|until| until.at("until", now)).transpose()?;
        if let Some(until) = until.filter(|until| *until <= now) {
            return Err(Problem::invalid(
                "until",
                format!("field `until` is \"{until}\", expected a time to come"),
            ));
        }
        Ok((aim, until))
    }
}

impl ResumeOrder {
    /// What is held no more.
    pub(super) fn checked(mut self, agents: &[&str]) -> Result<Aim, Problem> {
        self.named()?.checked(agents)
    }
}

impl CancelOrder {
    /// What is called off, and what of it.
    pub(super) fn checked(
        mut self,
        agents: &[&str],
        now: Timestamp,
    ) -> Result<(Aim, Option<Timestamp>), Problem> {
        let aim = self.named()?.meant(self.all, agents)?;
        Ok((aim, self.before.map(|before| before.at("before", now)).transpose()?))
    }
}

impl ReplayOrder {
    /// What is thought about again, and from where on.
    pub(super) fn checked(mut self, agents: &[&str], now: Timestamp) -> Result<(Aim, ReplayFrom), Problem> {
        let aim = self.named()?.meant(self.all, agents)?;
        let since = self.since.map(|since| since.at("since", now)).transpose()?;
        let from = match (self.version, since) {
            (Some(version), None) => ReplayFrom::Version(version.get()),
            (None, Some(since)) => ReplayFrom::Since(since),
            (Some(_), Some(_)) => {
                return Err(Problem::invalid(
                    "since",
                    "fields `version` and `since` are both given, expected one of them".to_owned(),
                ));
            }
            (None, None) => {
                return Err(Problem::invalid(
                    "version",
                    "field `version` is missing, expected the first version to think about again (1 for all), or \
                     `since`"
                        .to_owned(),
                ));
            }
        };
        Ok((aim, from))
    }
}

impl RedriveOrder {
    /// What is tried again, and which of it, when the session is known.
    pub(super) fn filter(
        mut self,
        agents: &[&str],
        now: Timestamp,
    ) -> Result<(Aim, impl FnOnce(Target) -> RunFilter + use<>), Problem> {
        let aim = self.named()?.checked(agents)?;
        let since = self.since.map(|since| since.at("since", now)).transpose()?;
        let until = self.until.map(|until| until.at("until", now)).transpose()?;
        let reason = self.reason.map(String::from);
        Ok((aim, move |target| RunFilter { target, outcome: None, since, until, reason, before: None }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::{read_json, read_query};

    const AGENTS: [&str; 2] = ["indexer", "summarizer"];

    fn now() -> Timestamp {
        "2026-03-10T12:00:00Z".parse().unwrap()
    }

    fn nobody() -> Target {
        Target { tenant: None, agent: None, user: None, session: None }
    }

    fn acme() -> Aim {
        Aim { tenant: Some(TenantId::new("acme").unwrap()), ..Aim::default() }
    }

    fn runs(query: &str) -> Result<(Aim, u16, RunFilter), Problem> {
        let (aim, limit, filter) = read_query::<RunsAsked>(query)?.filter(&AGENTS, now())?;
        Ok((aim, limit, filter(nobody())))
    }

    fn events(query: &str) -> Result<EventsOf, Problem> {
        read_query::<EventsAsked>(query)?.checked(&AGENTS)
    }

    fn pause(body: &str) -> Result<(Aim, Option<Timestamp>), Problem> {
        read_json::<PauseOrder>(body.as_bytes())?.checked(&AGENTS, now())
    }

    fn cancel(body: &str) -> Result<(Aim, Option<Timestamp>), Problem> {
        read_json::<CancelOrder>(body.as_bytes())?.checked(&AGENTS, now())
    }

    fn replay(body: &str) -> Result<(Aim, ReplayFrom), Problem> {
        read_json::<ReplayOrder>(body.as_bytes())?.checked(&AGENTS, now())
    }

    fn redrive(body: &str) -> Result<(Aim, RunFilter), Problem> {
        let (aim, filter) = read_json::<RedriveOrder>(body.as_bytes())?.filter(&AGENTS, now())?;
        Ok((aim, filter(nobody())))
    }

    #[test]
    fn a_question_is_read_with_its_parameters() {
        let (aim, limit, filter) =
            runs("tenant=acme&agent=indexer&outcome=quarantined&since=2h&limit=7").unwrap();
        assert_eq!((aim, limit), (Aim { agent: Some("indexer".to_owned()), ..acme() }, 7));
        assert_eq!(filter.outcome.as_deref(), Some("quarantined"));
        assert_eq!((filter.since, filter.until), (Some("2026-03-10T10:00:00Z".parse().unwrap()), None));
        let (aim, limit, _) = runs("").unwrap();
        assert_eq!((aim, limit), (Aim::default(), 50));
        let some = events("tenant=acme&user=ada&session=chat&from=5").unwrap();
        assert_eq!((some.from, some.to), (5, 204));
    }

    #[test]
    fn an_order_is_read_with_its_fields() {
        let tomorrow = "2026-03-11T12:00:00Z".parse().unwrap();
        assert_eq!(pause(r#"{"tenant": "acme", "until": "1d"}"#), Ok((acme(), Some(tomorrow))));
        assert_eq!(pause("{}"), Ok((Aim::default(), None)));
        assert_eq!(pause(r#"{"tenant": null}"#), Ok((Aim::default(), None)));
        assert_eq!(cancel(r#"{"all": true}"#), Ok((Aim::default(), None)));
        assert_eq!(replay(r#"{"tenant": "acme", "version": 3}"#), Ok((acme(), ReplayFrom::Version(3))));
        let (aim, filter) = redrive(r#"{"tenant": "acme", "reason": "panic"}"#).unwrap();
        assert_eq!((aim, filter.reason.as_deref()), (acme(), Some("panic")));
    }

    #[test]
    fn an_error_names_what_is_wrong_and_what_was_expected() {
        let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(201));
        let runs = |query: &str| runs(query).map(drop);
        let events = |query: &str| events(query).map(drop);
        let pause = |body: &str| pause(body).map(drop);
        let cancel = |body: &str| cancel(body).map(drop);
        let replay = |body: &str| replay(body).map(drop);
        let redrive = |body: &str| redrive(body).map(drop);
        for (result, named, expected) in [
            (runs("agent=indxer"), "agent", r#""indxer", expected one of indexer, summarizer"#),
            (
                runs("outcome=lost"),
                "outcome",
                "expected one of `done`, `degraded`, `quarantined`, `cancelled`",
            ),
            (runs("limit=501"), "limit", "from 1 to 500"),
            (runs("before=yesterday"), "before", "parameter `before`"),
            (runs("since=yesterday"), "since", "such as 2h for two hours ago"),
            (runs("user=ada"), "tenant", "the tenant that `user` belongs to"),
            (runs("tenant=acme&session=chat"), "user", "the user that `session` belongs to"),
            (runs("tenant="), "tenant", "1 to 200 bytes"),
            (events("tenant=acme&user=ada"), "session", "is missing"),
            (events("tenant=acme&user=ada&session=c&from=0"), "from", "at least 1"),
            (events("tenant=acme&user=ada&session=c&from=5&to=4"), "to", "from 5 to 204"),
            (pause(""), "body", "is empty"),
            (pause(r#"{"until": "-1h"}"#), "until", "expected a time to come"),
            (pause(r#"{"untill": "1h"}"#), "untill", "is unknown"),
            (pause(r#"{"until": "soon"}"#), "until", "such as 2h for in two hours"),
            (cancel("{}"), "all", "expected `tenant`, `agent`, `user` or `session`, or `all`"),
            (cancel(r#"{"before": "1h"}"#), "all", "nothing says what this acts on"),
            (cancel(r#"{"tenant": "acme", "all": true}"#), "all", "expected no `tenant`"),
            (replay(r#"{"version": 1}"#), "all", "nothing says what this acts on"),
            (replay(r#"{"tenant": "acme"}"#), "version", "is missing"),
            (replay(r#"{"tenant": "acme", "version": 0}"#), "version", "at least 1"),
            (replay(r#"{"tenant": "acme", "version": 1, "since": "1h"}"#), "since", "one of them"),
            (redrive(r#"{"reason": ""}"#), "reason", "1 to 200 bytes"),
            (redrive(&long), "reason", "1 to 200 bytes"),
        ] {
            let problem = result.unwrap_err();
            assert_eq!(
                (problem.status, problem.parameter.as_deref()),
                (400, Some(named)),
                "{}",
                problem.detail
            );
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
    }

    proptest! {
        #[test]
        fn no_request_panics(
            query in "((tenant|agent|user|session|since|from|to|limit)=[a-z0-9%-]{0,8}&){0,4}",
            body in "\\{\"(tenant|until|version|all)\": (\"\\PC{0,9}\"|-?[0-9]{1,22}|true|null)\\}",
        ) {
            let _ = runs(&query);
            let _ = events(&query);
            let _ = pause(&body);
            let _ = cancel(&body);
            let _ = replay(&body);
            let _ = redrive(&body);
        }
    }
}
