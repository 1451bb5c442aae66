//! What an operator's request asks for: pure.

use domain::{TenantId, UserId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use store::ReplayFrom;
use uuid::Uuid;

use super::fields::Fields;
use super::moment::Towards;
use crate::http::Problem;

/// Where the admin API begins.
const PREFIX: &str = "/v1/admin/";
const ROUTES: &str = "GET /v1/admin/status, /v1/admin/runs and /v1/admin/events, \
                      POST /v1/admin/pause, /resume, /cancel, /replay and /redrive";
const LONGEST_NAME: &str = "1 to 200 bytes without control characters";
const LONGEST_REASON_BYTES: usize = 200;
/// The most runs of one answer.
const MOST_RUNS: i64 = 500;
const USUAL_RUNS: i64 = 50;
/// The most events of one answer; each has a line per agent.
pub(crate) const MOST_EVENTS: i64 = 200;

/// What an operation acts on; all there is where nothing is named. Names are the application's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Aim {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) agent: Option<String>,
    pub(crate) user: Option<UserId>,
    pub(crate) session: Option<String>,
}

impl Aim {
    fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// An operation with its parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    /// How far every agent is, and what is held.
    Status,
    /// The history of runs, newest first.
    Runs {
        aim: Aim,
        outcome: Option<String>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        before: Option<Uuid>,
        limit: u16,
    },
    /// What became of the events of a session.
    Events { tenant: TenantId, user: UserId, session: String, agent: Option<String>, from: i64, to: i64 },
    /// Nothing is thought about, until a moment or until resumed.
    Pause { aim: Aim, until: Option<Timestamp> },
    /// The end of a pause.
    Resume { aim: Aim },
    /// What is waiting is not to be thought about, or only what was accepted before a moment.
    Cancel { aim: Aim, before: Option<Timestamp> },
    /// What was thought about is to be thought about again.
    Replay { aim: Aim, from: ReplayFrom },
    /// What was set aside is to be tried again.
    Redrive { aim: Aim, since: Option<Timestamp>, until: Option<Timestamp>, reason: Option<String> },
}

impl Operation {
    /// Reads a request: its method, path, query string and body. `agents` are those that exist.
    pub(crate) fn read(
        method: &str,
        path: &str,
        query_string: &str,
        body: &[u8],
        agents: &[&str],
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let name = path.strip_prefix(PREFIX).unwrap_or_default();
        let expected = match name {
            "status" | "runs" | "events" => "GET",
            "pause" | "resume" | "cancel" | "replay" | "redrive" => "POST",
            _ => return Err(Problem::not_found(format!("there is no such path; there are {ROUTES}"))),
        };
        if method != expected {
            return Err(Problem::method_not_allowed(
                expected,
                format!("this path only has {expected}; there are {ROUTES}"),
            ));
        }
        if expected == "POST" {
            // What is not read must not look as if it were.
            Fields::of_query(query_string, &[])?;
        }
        let query = |known: &[&str]| Fields::of_query(query_string, known);
        let body = |known: &[&str]| Fields::of_body(body, known);
        match name {
            "status" => query(&[]).map(|_none| Self::Status),
            "runs" => runs(
                query(&[
                    "tenant", "agent", "user", "session", "outcome", "since", "until", "before", "limit",
                ])?,
                agents,
                now,
            ),
            "events" => events(query(&["tenant", "user", "session", "agent", "from", "to"])?, agents),
            "pause" => pause(body(&["tenant", "agent", "user", "session", "until"])?, agents, now),
            "resume" => {
                let mut fields = body(&["tenant", "agent", "user", "session"])?;
                Ok(Self::Resume { aim: aim(&mut fields, agents)? })
            }
            "cancel" => {
                let mut fields = body(&["tenant", "agent", "user", "session", "before", "all"])?;
                let aim = meant(&mut fields, agents)?;
                Ok(Self::Cancel { aim, before: fields.moment("before", Towards::Past, now)? })
            }
            "replay" => {
                replay(body(&["tenant", "agent", "user", "session", "version", "since", "all"])?, agents, now)
            }
            _redrive => redrive(
                body(&["tenant", "agent", "user", "session", "since", "until", "reason"])?,
                agents,
                now,
            ),
        }
    }
}

fn runs(mut fields: Fields, agents: &[&str], now: Timestamp) -> Result<Operation, Problem> {
    const OUTCOMES: [&str; 4] = ["done", "degraded", "quarantined", "cancelled"];
    Ok(Operation::Runs {
        aim: aim(&mut fields, agents)?,
        outcome: fields.text("outcome", &OUTCOMES.join(", "), |text| {
            OUTCOMES.contains(&text).then(|| text.to_owned())
        })?,
        since: fields.moment("since", Towards::Past, now)?,
        until: fields.moment("until", Towards::Past, now)?,
        before: fields.uuid("before")?,
        limit: fields
            .whole("limit", 1..=MOST_RUNS)?
            .unwrap_or(USUAL_RUNS)
            .try_into()
            .expect("the most runs of an answer fit"),
    })
}

fn events(mut fields: Fields, agents: &[&str]) -> Result<Operation, Problem> {
    let Aim { tenant, agent, user, session } = aim(&mut fields, agents)?;
    let (Some(tenant), Some(user), Some(session)) = (tenant, user, session) else {
        return Err(Problem::invalid(
            "session",
            "parameter `session` is missing, expected the name of a session, with its `tenant` and `user`"
                .to_owned(),
        ));
    };
    let from = fields.whole("from", 1..=i64::MAX)?.unwrap_or(1);
    let last = from.saturating_add(MOST_EVENTS - 1);
    let to = fields.whole("to", from..=last)?.unwrap_or(last);
    Ok(Operation::Events { tenant, user, session, agent, from, to })
}

fn pause(mut fields: Fields, agents: &[&str], now: Timestamp) -> Result<Operation, Problem> {
    let aim = aim(&mut fields, agents)?;
    let until = fields.moment("until", Towards::Future, now)?;
    if let Some(until) = until.filter(|until| *until <= now) {
        return Err(fields.wrong("until", &Value::String(until.to_string()), "a time to come"));
    }
    Ok(Operation::Pause { aim, until })
}

fn replay(mut fields: Fields, agents: &[&str], now: Timestamp) -> Result<Operation, Problem> {
    let aim = meant(&mut fields, agents)?;
    let version = fields.whole("version", 1..=i64::MAX)?;
    let since = fields.moment("since", Towards::Past, now)?;
    let from = match (version, since) {
        (Some(version), None) => ReplayFrom::Version(version),
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
                "field `version` is missing, expected the first version to think about again (1 for all), or `since`"
                    .to_owned(),
            ));
        }
    };
    Ok(Operation::Replay { aim, from })
}

fn redrive(mut fields: Fields, agents: &[&str], now: Timestamp) -> Result<Operation, Problem> {
    let expected = format!("a part of the error, 1 to {LONGEST_REASON_BYTES} bytes");
    Ok(Operation::Redrive {
        aim: aim(&mut fields, agents)?,
        since: fields.moment("since", Towards::Past, now)?,
        until: fields.moment("until", Towards::Past, now)?,
        reason: fields.text("reason", &expected, |text| {
            (1..=LONGEST_REASON_BYTES).contains(&text.len()).then(|| text.to_owned())
        })?,
    })
}

/// What an operation acts on. A user is one of a tenant, and a session one of a user.
fn aim(fields: &mut Fields, agents: &[&str]) -> Result<Aim, Problem> {
    let aim = Aim {
        tenant: fields.text("tenant", LONGEST_NAME, |name| TenantId::new(name).ok())?,
        agent: fields.text("agent", &format!("one of {}", agents.join(", ")), |name| {
            agents.contains(&name).then(|| name.to_owned())
        })?,
        user: fields.text("user", LONGEST_NAME, |name| UserId::new(name).ok())?,
        // A session's name is held to the same rule as a user's.
        session: fields.text("session", LONGEST_NAME, |name| UserId::new(name).ok().map(Into::into))?,
    };
    let missing = |name: &str, of: &str| {
        Err(Problem::invalid(
            name,
            format!("`{name}` is missing, expected the {name} that `{of}` belongs to"),
        ))
    };
    if aim.session.is_some() && aim.user.is_none() {
        return missing("user", "session");
    }
    if aim.user.is_some() && aim.tenant.is_none() {
        return missing("tenant", "user");
    }
    Ok(aim)
}

/// What a drastic operation acts on: everything only when that was said.
fn meant(fields: &mut Fields, agents: &[&str]) -> Result<Aim, Problem> {
    let aim = aim(fields, agents)?;
    match (aim.is_everything(), fields.flag("all")?) {
        (true, false) => Err(Problem::invalid(
            "all",
            "nothing says what this acts on, expected `tenant`, `agent`, `user` or `session`, or `all`: true for \
             every session of every tenant"
                .to_owned(),
        )),
        (false, true) => Err(Problem::invalid(
            "all",
            "field `all` is true, expected no `tenant`, `agent`, `user` or `session` beside it".to_owned(),
        )),
        _ => Ok(aim),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use axum::response::IntoResponse;

    use super::*;

    const AGENTS: [&str; 2] = ["indexer", "summarizer"];

    fn now() -> Timestamp {
        "2026-03-10T12:00:00Z".parse().unwrap()
    }

    fn get(name: &str, query_string: &str) -> Result<Operation, Problem> {
        Operation::read("GET", &format!("/v1/admin/{name}"), query_string, b"", &AGENTS, now())
    }

    fn post(name: &str, body: &str) -> Result<Operation, Problem> {
        Operation::read("POST", &format!("/v1/admin/{name}"), "", body.as_bytes(), &AGENTS, now())
    }

    fn acme() -> Aim {
        Aim { tenant: Some(TenantId::new("acme").unwrap()), ..Aim::default() }
    }

    #[test]
    fn a_question_is_read_with_its_parameters() {
        assert_eq!(get("status", ""), Ok(Operation::Status));
        assert_eq!(
            get("runs", "tenant=acme&agent=indexer&outcome=quarantined&since=2h&limit=7"),
            Ok(Operation::Runs {
                aim: Aim { agent: Some("indexer".to_owned()), ..acme() },
                outcome: Some("quarantined".to_owned()),
                since: Some("2026-03-10T10:00:00Z".parse().unwrap()),
                until: None,
                before: None,
                limit: 7,
            })
        );
        let Ok(Operation::Runs { aim, limit: 50, .. }) = get("runs", "") else { panic!("all runs") };
        assert!(aim.is_everything());
        let Ok(Operation::Events { from: 5, to: 204, .. }) =
            get("events", "tenant=acme&user=ada&session=chat&from=5")
        else {
            panic!("200 events");
        };
    }

    #[test]
    fn an_order_is_read_with_its_fields() {
        assert_eq!(
            post("pause", r#"{"tenant": "acme", "until": "1d"}"#),
            Ok(Operation::Pause { aim: acme(), until: Some("2026-03-11T12:00:00Z".parse().unwrap()) })
        );
        assert_eq!(post("pause", "{}"), Ok(Operation::Pause { aim: Aim::default(), until: None }));
        assert_eq!(post("resume", r#"{"tenant": "acme"}"#), Ok(Operation::Resume { aim: acme() }));
        assert_eq!(
            post("cancel", r#"{"all": true}"#),
            Ok(Operation::Cancel { aim: Aim::default(), before: None })
        );
        assert_eq!(
            post("replay", r#"{"tenant": "acme", "version": 3}"#),
            Ok(Operation::Replay { aim: acme(), from: ReplayFrom::Version(3) })
        );
        assert_eq!(
            post("redrive", r#"{"tenant": "acme", "reason": "panic"}"#),
            Ok(Operation::Redrive {
                aim: acme(),
                since: None,
                until: None,
                reason: Some("panic".to_owned())
            })
        );
    }

    #[test]
    fn an_error_names_what_is_wrong_and_what_was_expected() {
        let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(201));
        for (result, named, expected) in [
            (get("status", "tenant=acme"), "tenant", "expected no parameters"),
            (get("runs", "agent=indxer"), "agent", r#""indxer", expected one of indexer, summarizer"#),
            (get("runs", "outcome=lost"), "outcome", "expected done, degraded, quarantined, cancelled"),
            (get("runs", "limit=501"), "limit", "from 1 to 500"),
            (get("runs", "before=yesterday"), "before", "an identifier"),
            (get("runs", "since=yesterday"), "since", "such as 2h for two hours ago"),
            (get("runs", "user=ada"), "tenant", "the tenant that `user` belongs to"),
            (get("runs", "tenant=acme&session=chat"), "user", "the user that `session` belongs to"),
            (get("runs", "tenant="), "tenant", "1 to 200 bytes"),
            (get("events", "tenant=acme&user=ada"), "session", "is missing"),
            (get("events", "tenant=acme&user=ada&session=c&from=0"), "from", "at least 1"),
            (get("events", "tenant=acme&user=ada&session=c&from=5&to=4"), "to", "from 5 to 204"),
            (post("pause", ""), "body", "is empty"),
            (post("pause", r#"{"until": "-1h"}"#), "until", "expected a time to come"),
            (post("pause", r#"{"untill": "1h"}"#), "untill", "is unknown"),
            (post("cancel", "{}"), "all", "expected `tenant`, `agent`, `user` or `session`, or `all`"),
            (post("cancel", r#"{"before": "1h"}"#), "all", "nothing says what this acts on"),
            (post("cancel", r#"{"tenant": "acme", "all": true}"#), "all", "expected no `tenant`"),
            (post("replay", r#"{"version": 1}"#), "all", "nothing says what this acts on"),
            (post("replay", r#"{"tenant": "acme"}"#), "version", "is missing"),
            (post("replay", r#"{"tenant": "acme", "version": 0}"#), "version", "at least 1"),
            (post("replay", r#"{"tenant": "acme", "version": 1, "since": "1h"}"#), "since", "one of them"),
            (post("redrive", r#"{"reason": ""}"#), "reason", "a part of the error"),
            (post("redrive", &long), "reason", "1 to 200 bytes"),
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

    #[test]
    fn a_wrong_path_or_method_is_told_the_right_one() {
        let problem = post("restart", "{}").unwrap_err();
        assert!(problem.status == 404 && problem.detail.contains("/v1/admin/status"), "{}", problem.detail);
        assert_eq!(post("status", "{}").unwrap_err().into_response().headers()["allow"], "GET");
        assert_eq!(get("pause", "").unwrap_err().into_response().headers()["allow"], "POST");
        let ignored =
            Operation::read("POST", "/v1/admin/cancel", "tenant=acme", br#"{"all": true}"#, &AGENTS, now());
        assert_eq!(ignored.unwrap_err().parameter.as_deref(), Some("tenant"));
    }

    proptest! {
        #[test]
        fn no_request_panics(
            name in "(status|runs|events|pause|resume|cancel|replay|redrive)",
            query_string in "((tenant|agent|user|session|since|from|to|limit)=[a-z0-9%-]{0,8}&){0,4}",
            body in "\\{\"(tenant|until|version|all)\": (\"\\PC{0,9}\"|-?[0-9]{1,22}|true|null)\\}",
        ) {
            let _ = get(&name, &query_string);
            let _ = post(&name, &body);
        }
    }
}
