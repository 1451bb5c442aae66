//! What was accepted and could not be stored: shown without what it says, and sent to be stored again.

use domain::{SessionName, TenantId, UserId};
use jiff::Timestamp;
use queue::{Addressed, DeadLetter};
use runtime::Config;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Admin;
use super::aim::Aim;
use super::answer::MOST_LISTED;
use crate::http::{Problem, Short};

/// The most dead letters that one order looks at: with the slowest of them it is answered in time.
const MOST_LETTERS: usize = 1_000;

const NOT_SENT: &str = "SQS did not take or delete every letter; those that are left are sent by repeating this request, and what \
                        was sent already is stored once";

/// The queue of accepted events, and that of those that could not be stored.
pub(super) struct IngestQueues {
    accepted: String,
    pub(super) dead_letters: String,
}

impl IngestQueues {
    /// The queues of a deployment that has them.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let url = |variable: &str| config.variables.get(variable).filter(|url| !url.is_empty()).cloned();
        Some(Self { accepted: url("INGEST_QUEUE")?, dead_letters: url("INGEST_DEAD_LETTERS")? })
    }
}

/// Which dead letters of accepted events are to be sent again; all of them where nothing is named.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LettersOrder {
    /// Only this tenant's.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    tenant: Option<TenantId>,
    /// Only of this user of the tenant.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    user: Option<UserId>,
    /// Only of this session of the user.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    session: Option<SessionName>,
    /// A part of the reason.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    reason: Option<Short<200>>,
    /// Whether only to show which they are.
    #[serde(default)]
    dry_run: bool,
}

/// Dead letters of accepted events.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct RedrivenLetters {
    /// How many were found that are meant.
    letters: usize,
    /// How many of them are in the queue again.
    redriven: usize,
    /// Whether there may be more than were looked at.
    more: bool,
    /// The first of them.
    affected: Vec<LetterAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// A dead letter, without what it says. Of one that cannot be read nobody knows whose it is.
#[derive(Debug, Serialize, ToSchema)]
struct LetterAnswer {
    message_id: String,
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantId>,
    #[schema(value_type = Option<String>)]
    user: Option<UserId>,
    session: Option<String>,
    /// How many events are in it.
    events: usize,
    accepted_at: Option<Timestamp>,
    /// Since when it is a dead letter.
    since: Option<Timestamp>,
    /// Why.
    reason: Option<String>,
}

impl LetterAnswer {
    fn of(letter: &DeadLetter, whose: Option<Addressed>) -> Self {
        let events = whose.as_ref().map_or(0, Addressed::events);
        let accepted_at = whose.as_ref().and_then(|whose| whose.accepted_at);
        let (tenant, user, session) = match whose {
            Some(Addressed { tenant, user, session, .. }) => (Some(tenant), Some(user), Some(session)),
            None => (None, None, None),
        };
        Self {
            message_id: letter.message_id.clone(),
            tenant,
            user,
            session,
            events,
            accepted_at,
            since: letter.sent_at,
            reason: letter.reason.clone(),
        }
    }
}

/// Which letters are meant.
struct Meant {
    aim: Aim,
    reason: Option<String>,
    /// Only those that had been there before: one that came since was sent again and refused again.
    before: Timestamp,
}

impl Meant {
    fn is(&self, letter: &DeadLetter, whose: Option<&Addressed>) -> bool {
        let Self { aim: Aim { tenant, user, session, .. }, reason, before } = self;
        let is = |wanted: Option<&str>, got: Option<&str>| wanted.is_none_or(|wanted| got == Some(wanted));
        letter.sent_at.is_none_or(|sent_at| sent_at < *before)
            && reason.as_ref().is_none_or(|part| letter.reason.as_ref().is_some_and(|why| why.contains(part)))
            && is(tenant.as_ref().map(TenantId::as_str), whose.map(|whose| whose.tenant.as_str()))
            && is(user.as_ref().map(UserId::as_str), whose.map(|whose| whose.user.as_str()))
            && is(session.as_ref().map(SessionName::as_str), whose.map(|whose| whose.session.as_str()))
    }
}

impl LettersOrder {
    fn meant(self, before: Timestamp) -> Result<Meant, Problem> {
        let Self { tenant, user, session, reason, dry_run: _ } = self;
        let aim = Aim { tenant, agent: None, user, session }.checked(&[])?;
        Ok(Meant { aim, reason: reason.map(String::from), before })
    }
}

impl Admin {
    /// Sends dead letters of accepted events to be stored again, in the order of each session; or only shows which those are.
    pub(super) async fn redrive_letters(
        &self,
        order: LettersOrder,
        now: Timestamp,
    ) -> Result<RedrivenLetters, Problem> {
        let is_dry = order.dry_run;
        let meant = order.meant(now)?;
        let queues = self.ingest.as_ref().ok_or_else(|| {
            Problem::not_found("this deployment has no queue of accepted events".to_owned())
        })?;
        let mut answer = RedrivenLetters::default();
        let mut pick = |letter: &DeadLetter| {
            let whose = Addressed::read(&letter.body);
            let is_meant = meant.is(letter, whose.as_ref());
            if is_meant {
                answer.letters += 1;
                if answer.affected.len() < MOST_LISTED {
                    answer.affected.push(LetterAnswer::of(letter, whose));
                }
            }
            is_meant
        };
        let IngestQueues { accepted, dead_letters } = queues;
        let looked = if is_dry {
            let look = |letter: &DeadLetter| {
                pick(letter);
            };
            self.publisher.look_at_letters(dead_letters, MOST_LETTERS, look).await
        } else {
            self.publisher.redrive_letters(dead_letters, accepted, MOST_LETTERS, pick).await
        };
        match looked {
            Ok(looked) => Ok(RedrivenLetters { redriven: looked.done, more: looked.is_cut, ..answer }),
            Err(error) => {
                tracing::error!(%error, "dead letters of accepted events were not all sent again");
                if answer.letters == 0 {
                    return Err(Problem::unavailable("the queue"));
                }
                Ok(RedrivenLetters { redriven: error.done, more: true, note: Some(NOT_SENT), ..answer })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::read_json;

    fn meant(body: &str) -> Result<Meant, Problem> {
        read_json::<LettersOrder>(body.as_bytes())?.meant(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn an_order_names_what_it_is_about() {
        let aim = meant(r#"{"tenant": "acme", "user": "ada", "session": "chat"}"#).unwrap().aim;
        assert_eq!(aim.session.unwrap().as_str(), "chat");
        assert_eq!(meant("{}").unwrap().aim, Aim::default());
        for (body, named, expected) in [
            (r#"{"user": "ada"}"#, "tenant", "the tenant that `user` belongs to"),
            (r#"{"tenant": "acme", "session": "chat"}"#, "user", "the user that `session` belongs to"),
            (r#"{"tenant": ""}"#, "tenant", "1 to 200 bytes"),
            (r#"{"reason": ""}"#, "reason", "1 to 200 bytes"),
            (r#"{"agent": "indexer"}"#, "agent", "is unknown"),
        ] {
            let problem = meant(body).map(|meant| meant.aim).unwrap_err();
            assert_eq!(
                (problem.status, problem.parameter.as_deref()),
                (400, Some(named)),
                "{}",
                problem.detail
            );
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
    }
}
