//! Accepting what was said: all of it, or nothing.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use api::{Answer, Problem, RateLimit};
use axum::http::StatusCode;
use domain::{AcceptedEvent, AcceptedEvents, SessionName, TenantId, TenantSettings, UserId};
use guard::drop_record;
use hot::ClaimedKey;
use jiff::Timestamp;
use queue::{MOST_BYTES, Ordered, SPARE_BYTES};
use serde::Serialize;
use serde_json::Value;
use store::{NewEvent, RequestKey};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Parts;
use crate::screen::screen;

/// How long a message of the queue is made, unless one event is longer: short messages let sessions share batches.
const USUAL_MESSAGE_BYTES: usize = 256 * 1024;
/// The longest message: as a dead letter, with its reason, it is taken too.
const MOST_MESSAGE_BYTES: usize = MOST_BYTES - SPARE_BYTES;
/// How long hot state may take over turns that are shown as pending: nobody waits for them longer.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long the queue may take over a request: an invocation has 30 s.
const QUEUE_PATIENCE: Duration = Duration::from_secs(15);

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
    /// What the tenant has set: what is kept out, how long hot state shows what it said, and how much it may say.
    pub(crate) settings: TenantSettings,
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
    /// Checks everything, takes out what the tenant wants kept out, counts the events towards its quota, puts them into the
    /// queue, and shows the messages as pending. Whatever becomes of it, the answer tells what is left of the quota.
    pub(crate) async fn accept(&self, mut saying: Saying) -> Result<Answer<AcceptedAnswer>, Problem> {
        let now = in_microseconds((self.now)());
        let Claimed { fitting, is_new } = match self.claim(&mut saying, now).await {
            Ok(claimed) => claimed,
            // Hot state that does not answer has no more to say.
            Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() => {
                return Err(problem);
            }
            Err(problem) => return Err(problem.with_limits(self.left(&saying, now).await)),
        };
        let limits = if is_new { self.admit(&saying, now).await? } else { self.left(&saying, now).await };
        let Fitting { answer, messages, ordered } = fitting;
        let limits = self.publish(&saying, &ordered, limits, now).await?;
        // After that, so that what was refused is never shown. Where the ingester was faster, hydrate finds them in the log.
        let hot = self.hot.for_tenant(&saying.settings.lifetimes);
        match tokio::time::timeout(PATIENCE, hot.put_pending(&messages, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "accepted turns are not shown as pending"),
            Err(_elapsed) => tracing::warn!("accepted turns may not be shown as pending: hot state is slow"),
        }
        metrics::counter!("AcceptedEvents").increment(answer.accepted.try_into().unwrap_or(u64::MAX));
        Ok(Answer::accepted(answer).with_limits(limits))
    }

    /// Sees to it that everything is right, and takes the request's key, which stays free when something is not. Times are as
    /// exact as the log keeps them.
    async fn claim(&self, saying: &mut Saying, now: Timestamp) -> Result<Claimed, Problem> {
        let payloads = saying.said.iter_mut().map(|said| &mut said.event.payload);
        // What was taken out is for us to write down.
        payloads.filter_map(Value::as_object_mut).for_each(drop_record);
        check(&saying.said, saying.place)?;
        if screen(saying)? {
            // What stands in a place may be longer than what stood there.
            check(&saying.said, saying.place)?;
        }
        let saying = &*saying;
        let Some(request) = &saying.request else {
            return Ok(Claimed { fitting: Fitting::of(saying, (self.new_id)(), now)?, is_new: true });
        };
        let base = name_of(&saying.tenant, &saying.scope, request);
        let fitting = Fitting::of(saying, base, now)?;
        let RequestKey { key, fingerprint } = request;
        let claimed = self.hot.claim_request_key(&saying.tenant, &saying.scope, key, fingerprint, now).await;
        match claimed {
            Ok(ClaimedKey::New) => Ok(Claimed { fitting, is_new: true }),
            Ok(ClaimedKey::Repeated { at, is_named_by_fingerprint }) => {
                metrics::counter!("RepeatedRequests").increment(1);
                let base = if is_named_by_fingerprint {
                    base
                } else {
                    name_by_key(&saying.tenant, &saying.scope, key)
                };
                Ok(Claimed { fitting: Fitting::of(saying, base, at)?, is_new: false })
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

    /// Counts the events of a request that is right in all else towards the tenant's quota. The key of one that is refused is
    /// free again.
    async fn admit(&self, saying: &Saying, now: Timestamp) -> Result<Vec<RateLimit>, Problem> {
        let Saying { tenant, settings, scope, request, .. } = saying;
        let admitted = self.quota.admit(&self.hot, settings, tenant, saying.count(), now).await;
        if admitted.is_err()
            && let Some(RequestKey { key, fingerprint }) = request
            && let Err(error) = self.hot.free_request_key(tenant, scope, key, fingerprint, now).await
        {
            tracing::warn!(%error, "the key of a request that was refused is not free");
        }
        admitted
    }

    /// What is left of the tenant's quota.
    async fn left(&self, saying: &Saying, now: Timestamp) -> Vec<RateLimit> {
        self.quota.left(&self.hot, &saying.settings, &saying.tenant, now).await
    }

    /// Puts messages into the queue. Of a request that has no key and of which nothing got there, the events count no more; one
    /// that has a key is repeated under it, and counts once.
    async fn publish(
        &self,
        saying: &Saying,
        ordered: &[Ordered],
        mut limits: Vec<RateLimit>,
        now: Timestamp,
    ) -> Result<Vec<RateLimit>, Problem> {
        let published = self.publisher.publish_in_order(&self.queue_url, ordered);
        let is_all_missing = match tokio::time::timeout(QUEUE_PATIENCE, published).await {
            Ok(Ok(())) => return Ok(limits),
            Ok(Err(error)) => {
                tracing::error!(%error, "not every event was accepted by the queue");
                error.missing == error.sent
            }
            Err(_elapsed) => {
                tracing::error!(seconds = QUEUE_PATIENCE.as_secs(), "the queue did not answer in time");
                false
            }
        };
        if is_all_missing && saying.request.is_none() {
            let Saying { tenant, settings, .. } = saying;
            self.quota.give_back(&self.hot, settings, tenant, saying.count(), now).await;
            limits = self.left(saying, now).await;
        }
        Err(Problem::unavailable("the queue").with_limits(limits))
    }
}

impl Saying {
    /// How many events it has: at least one.
    fn count(&self) -> NonZeroU32 {
        u32::try_from(self.said.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }
}

/// A request that is right in all that can be looked at without counting it.
struct Claimed {
    fitting: Fitting,
    /// Whether it was not made before.
    is_new: bool,
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

/// A request as a name: the same for the same key and the same content of the same party. A key that is used again when it is
/// known no more stands for what is said then.
fn name_of(tenant: &TenantId, scope: &str, request: &RequestKey) -> Uuid {
    let named = name_by_key(tenant, scope, &request.key);
    Uuid::new_v5(&named, &request.fingerprint)
}

/// A request as a name of its key alone: what is known of requests that an earlier version accepted.
fn name_by_key(tenant: &TenantId, scope: &str, key: &str) -> Uuid {
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
        if let Some(long) = ordered.iter().find(|message| message.body.len() > MOST_MESSAGE_BYTES) {
            let bytes = long.body.len();
            let detail = format!("an event is {bytes} bytes as JSON, expected at most {MOST_MESSAGE_BYTES}");
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
        let settings = TenantSettings::default();
        Saying { tenant, settings, scope: "events".into(), request: None, said, place }
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
    }

    #[test]
    fn a_request_is_named_by_its_party_its_key_and_what_it_says() {
        let name = |scope: &str, key: &str, print: u8| {
            let request = RequestKey { key: key.to_owned(), fingerprint: [print; 32] };
            name_of(&TenantId::new("a").unwrap(), scope, &request)
        };
        assert_eq!(name("b", "c", 1), name("b", "c", 1));
        for other in [name("b", "c", 2), name("b", "d", 1), name("bc", "", 1), name("c", "c", 1)] {
            assert_ne!(name("b", "c", 1), other);
        }
    }

    #[test]
    fn a_message_is_at_most_as_long_as_its_dead_letter_may_be() {
        // One character of the text is six bytes of JSON.
        let of = |characters: usize| {
            let saying = saying(vec![said("ada", "chat", &"\u{1}".repeat(characters), None)]);
            Fitting::of(&saying, BASE, Timestamp::UNIX_EPOCH).map(|fitting| fitting.ordered[0].body.len())
        };
        assert!(of((MOST_MESSAGE_BYTES - 1000) / 6).is_ok());
        let problem = of(MOST_MESSAGE_BYTES / 6 + 1).unwrap_err();
        assert_eq!((problem.status, problem.parameter.as_deref()), (413, Some("body")));
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
