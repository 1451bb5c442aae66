//! Accepting what was said: all of it, or nothing.

use std::collections::HashMap;
use std::time::Duration;

use api::Problem;
use domain::{AcceptedEvent, AcceptedEvents, GuardPolicy, HotLifetimes, SessionName, TenantId, UserId};
use hot::ClaimedKey;
use jiff::Timestamp;
use queue::{MOST_BYTES, Ordered};
use serde::Serialize;
use store::{NewEvent, RequestKey};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Parts;
use crate::screen::screen;

/// How long a message of the queue is made, unless one event is longer: short messages let sessions share batches.
const USUAL_MESSAGE_BYTES: usize = 256 * 1024;
/// How long hot state may take over turns that are shown as pending: nobody waits for them longer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// An event as it was said, not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) user: UserId,
    pub(crate) session: SessionName,
    pub(crate) event: NewEvent,
}

/// What a field of the event at a position is called.
pub(crate) type FieldName = fn(usize, &str) -> String;

/// What one request says.
#[derive(Debug)]
pub(crate) struct Saying {
    pub(crate) tenant: TenantId,
    /// What the tenant wants kept out.
    pub(crate) guard: GuardPolicy,
    /// How long hot state shows what it said.
    pub(crate) lifetimes: HotLifetimes,
    /// Who gave the request its key: keys of different scopes are different keys.
    pub(crate) scope: String,
    /// The request's key, when it has one, and what stands under it.
    pub(crate) request: Option<RequestKey>,
    pub(crate) said: Vec<Said>,
    /// What a field of the event at a position is called.
    pub(crate) place: FieldName,
}

/// What was accepted.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct AcceptedAnswer {
    /// How many events are in the queue: all of them.
    pub(crate) accepted: usize,
    /// The events, in the order they were given.
    pub(crate) events: Vec<AcceptedAs>,
}

/// Under which name an event is stored.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct AcceptedAs {
    #[schema(value_type = String)]
    user: UserId,
    #[schema(value_type = String)]
    session: SessionName,
    /// Names the event within its session: the key that was given, or one that was made for it. The repeat of a request
    /// under one key is answered with the same.
    idempotency_key: String,
}

impl Parts {
    /// Checks everything, takes out what the tenant wants kept out, puts the events into the queue, and shows the messages as
    /// pending.
    pub(crate) async fn accept(&self, mut saying: Saying) -> Result<AcceptedAnswer, Problem> {
        check(&saying.said, saying.place)?;
        let now = (self.now)();
        if screen(&mut saying)? {
            // What stands in a place may be longer than what stood there.
            check(&saying.said, saying.place)?;
        }
        let base = match &saying.request {
            None => (self.new_id)(),
            Some(request) => name_of(&saying.tenant, &saying.scope, &request.key),
        };
        let arrived_at = in_microseconds(now);
        let mut fitting = Fitting::of(&saying, base, arrived_at)?;
        // The key of a request that is refused stays free.
        let accepted_at = self.first_accepted_at(&saying, now).await?;
        if accepted_at != arrived_at {
            fitting = Fitting::of(&saying, base, accepted_at)?;
        }
        let Fitting { answer, messages, ordered } = fitting;
        if let Err(error) = self.publisher.publish_in_order(&self.queue_url, &ordered).await {
            tracing::error!(%error, "not every event was accepted by the queue");
            return Err(Problem::unavailable("the queue"));
        }
        // After that, so that what was refused is never shown. Where the ingester was faster, hydrate finds them in the log.
        let hot = self.hot.for_tenant(&saying.lifetimes);
        match tokio::time::timeout(PATIENCE, hot.put_pending(&messages, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "accepted turns are not shown as pending"),
            Err(_elapsed) => tracing::warn!("accepted turns may not be shown as pending: hot state is slow"),
        }
        metrics::counter!("AcceptedEvents").increment(answer.accepted.try_into().unwrap_or(u64::MAX));
        Ok(answer)
    }

    /// When the request was accepted first: now, unless it is a repeat. Times are as exact as the log keeps them.
    async fn first_accepted_at(&self, saying: &Saying, now: Timestamp) -> Result<Timestamp, Problem> {
        let now = in_microseconds(now);
        let Some(RequestKey { key, fingerprint }) = &saying.request else { return Ok(now) };
        let claimed = self.hot.claim_request_key(&saying.tenant, &saying.scope, key, fingerprint, now).await;
        match claimed {
            Ok(ClaimedKey::New) => Ok(now),
            Ok(ClaimedKey::Repeated { at }) => {
                metrics::counter!("RepeatedRequests").increment(1);
                Ok(at)
            }
            Ok(ClaimedKey::Otherwise) => {
                let detail = "this key was used for another request";
                Err(Problem::unprocessable(key_name(&saying.scope), detail.to_owned()))
            }
            Err(error) => {
                tracing::error!(%error, "the key of a request could not be looked up");
                Err(Problem::unavailable("hot state"))
            }
        }
    }
}

/// The header or field that a scope's keys come in.
fn key_name(scope: &str) -> &'static str {
    match scope.split_once(' ') {
        Some(("standard", _)) => "webhook-id",
        Some(("slack", _)) => "event_id",
        _ => "idempotency-key",
    }
}

fn in_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// Whether the log takes each of them, and all of them together.
fn check(said: &[Said], place: FieldName) -> Result<(), Problem> {
    let mut known: HashMap<(&UserId, &SessionName, &str), &NewEvent> = HashMap::new();
    for (position, Said { user, session, event }) in said.iter().enumerate() {
        event.check().map_err(|wrong| {
            let parameter = place(position, wrong.field);
            Problem::invalid(&parameter, format!("field `{parameter}` {}", wrong.expected))
        })?;
        let Some(key) = &event.idempotency_key else { continue };
        let first = *known.entry((user, session, key)).or_insert(event);
        if !first.is_same(event) {
            let parameter = place(position, "idempotency_key");
            let detail = format!("field `{parameter}` is given to another event of the session before");
            return Err(Problem::unprocessable(&parameter, detail));
        }
    }
    Ok(())
}

/// A request as a name: the same for the same key of the same party.
fn name_of(tenant: &TenantId, scope: &str, key: &str) -> Uuid {
    // Neither a tenant nor a scope holds a control character.
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{tenant}\u{1f}{scope}\u{1f}{key}").as_bytes())
}

/// What a request comes to, when no message is longer than the queue takes.
struct Fitting {
    answer: AcceptedAnswer,
    messages: Vec<AcceptedEvents>,
    ordered: Vec<Ordered>,
}

impl Fitting {
    fn of(saying: &Saying, base: Uuid, accepted_at: Timestamp) -> Result<Self, Problem> {
        let (answer, messages) = messages(saying, base, accepted_at);
        let ordered: Vec<Ordered> = messages.iter().map(|message| Ordered::of(message, base)).collect();
        if let Some(long) = ordered.iter().find(|message| message.body.len() > MOST_BYTES) {
            let detail =
                format!("an event is {} bytes as JSON, expected at most {MOST_BYTES}", long.body.len());
            return Err(Problem::too_large(detail));
        }
        Ok(Self { answer, messages, ordered })
    }
}

/// The events as messages of the queue, those of each session in order, and what is answered.
fn messages(saying: &Saying, base: Uuid, accepted_at: Timestamp) -> (AcceptedAnswer, Vec<AcceptedEvents>) {
    let mut answer = AcceptedAnswer { accepted: saying.said.len(), events: Vec::new() };
    let mut events = Vec::with_capacity(saying.said.len());
    for (position, Said { user, session, event }) in saying.said.iter().enumerate() {
        let idempotency_key = match &event.idempotency_key {
            Some(key) => key.clone(),
            None => Uuid::new_v5(&base, position.to_string().as_bytes()).to_string(),
        };
        answer.events.push(AcceptedAs {
            user: user.clone(),
            session: session.clone(),
            idempotency_key: idempotency_key.clone(),
        });
        let accepted = AcceptedEvent {
            kind: event.kind,
            role: event.role.clone(),
            speaker: event.speaker.clone(),
            content: event.content.clone(),
            payload: event.payload.clone(),
            schema_version: event.schema_version,
            idempotency_key,
            occurred_at: event.occurred_at.map_or(accepted_at, in_microseconds),
            written_at: None,
        };
        events.push((saying.tenant.clone(), user.clone(), session.clone(), accepted));
    }
    (answer, AcceptedEvents::by_session(events, accepted_at, USUAL_MESSAGE_BYTES))
}

#[cfg(test)]
mod tests {
    use domain::EventKind;

    use super::*;

    fn said(user: &str, session: &str, content: &str, key: Option<&str>) -> Said {
        let event = NewEvent {
            role: Some("user".into()),
            content: Some(content.into()),
            idempotency_key: key.map(str::to_owned),
            ..NewEvent::new(EventKind::Message)
        };
        Said { user: UserId::new(user).unwrap(), session: SessionName::new(session).unwrap(), event }
    }

    fn saying(said: Vec<Said>) -> Saying {
        let tenant = TenantId::new("acme").unwrap();
        let place = |position: usize, field: &str| format!("events[{position}].{field}");
        let (guard, lifetimes) = (GuardPolicy::default(), HotLifetimes::default());
        Saying { tenant, guard, lifetimes, scope: "events".into(), request: None, said, place }
    }

    const BASE: Uuid = Uuid::nil();

    #[test]
    fn every_session_has_its_events_in_order_and_every_event_a_key() {
        let saying = saying(vec![
            said("ada", "chat", "1", None),
            said("bob", "chat", "2", Some("own")),
            said("ada", "chat", "3", None),
        ]);
        let (answer, messages) = messages(&saying, BASE, Timestamp::UNIX_EPOCH);
        let contents: Vec<Vec<&str>> = messages
            .iter()
            .map(|message| message.events.iter().map(|event| event.content.as_deref().unwrap()).collect())
            .collect();
        assert_eq!(contents, [vec!["1", "3"], vec!["2"]]);
        assert_eq!(answer.events[1].idempotency_key, "own");
        assert_ne!(answer.events[0].idempotency_key, answer.events[2].idempotency_key);
        assert_eq!(answer.events[2].idempotency_key, messages[0].events[1].idempotency_key);
    }

    #[test]
    fn a_repeat_is_the_same_to_sqs_and_anything_else_is_not() {
        let of = |content: &str, base| {
            let (_, messages) =
                messages(&saying(vec![said("ada", "chat", content, None)]), base, Timestamp::UNIX_EPOCH);
            Ordered::of(&messages[0], base)
        };
        assert_eq!(of("yes", BASE), of("yes", BASE));
        assert_ne!(of("yes", BASE).deduplication, of("no", BASE).deduplication);
        assert_ne!(of("yes", BASE).deduplication, of("yes", Uuid::max()).deduplication);
        assert_ne!(
            name_of(&TenantId::new("a").unwrap(), "b", "c"),
            name_of(&TenantId::new("a").unwrap(), "bc", "")
        );
    }

    #[test]
    fn one_key_stands_for_one_event_of_a_session() {
        let place = |position: usize, field: &str| format!("{position}.{field}");
        let key = Some("k");
        assert!(check(&[said("ada", "a", "yes", key), said("ada", "b", "no", key)], place).is_ok());
        assert!(check(&[said("ada", "a", "yes", key), said("ada", "a", "yes", key)], place).is_ok());
        let problem = check(&[said("ada", "a", "yes", key), said("ada", "a", "no", key)], place).unwrap_err();
        assert_eq!((problem.status, problem.parameter.as_deref()), (422, Some("1.idempotency_key")));
        let problem = check(&[said("ada", "a", "a\0b", None)], place).unwrap_err();
        assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some("0.content")));
    }

    #[test]
    fn a_problem_names_what_the_key_came_in() {
        let names = ["events", "standard src_1", "slack src_1"].map(key_name);
        assert_eq!(names, ["idempotency-key", "webhook-id", "event_id"]);
    }
}
