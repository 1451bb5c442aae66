use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use domain::{AcceptedEvent, AcceptedEvents, EventKind, SessionName, TenantId, UserId};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
use uuid::Uuid;

use crate::context::beginning;
use crate::key::Key;
use crate::lifetime::expiry;
use crate::{Error, Hot};

/// How many turns of a session are shown, and how many of one request are kept: as many as a context has.
const MOST_TURNS: usize = 20;
/// How much of a turn's text is kept, in bytes.
const LONGEST_CONTENT_BYTES: usize = 32 * 1024;
/// How many items one request writes: DynamoDB's own bound.
const MOST_WRITES: usize = 25;
/// How often what was left out is written again.
const MOST_ROUNDS: u8 = 5;

/// A message that was accepted and, as far as is known here, is not in the log yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingTurn {
    /// The key under which the log will have it.
    pub idempotency_key: String,
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// Who spoke, where it was said.
    pub speaker: Option<String>,
    /// What was said.
    pub content: String,
    /// Whether `content` is only its beginning.
    pub is_cut: bool,
    /// When it was said.
    pub occurred_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Where it was read.
    #[serde(skip)]
    key: Option<Key>,
}

#[derive(Serialize, Deserialize)]
struct PendingItem {
    expires_at: i64,
    #[serde(flatten)]
    turn: PendingTurn,
}

impl PendingTurn {
    /// Whether an event is shown. What a table of the application's has is in Postgres already.
    fn is_of(event: &AcceptedEvent) -> bool {
        event.kind == EventKind::Message
            && event.written_at.is_none()
            && event.role.is_some()
            && event.content.is_some()
    }

    fn of(event: &AcceptedEvent, accepted_at: Timestamp) -> Option<Self> {
        if !Self::is_of(event) {
            return None;
        }
        let (role, content) = (event.role.clone()?, event.content.as_ref()?);
        let kept = beginning(content, LONGEST_CONTENT_BYTES);
        Some(Self {
            idempotency_key: event.idempotency_key.clone(),
            role,
            speaker: event.speaker.clone(),
            is_cut: kept.len() < content.len(),
            content: kept,
            occurred_at: event.occurred_at,
            accepted_at,
            key: None,
        })
    }
}

impl Hot {
    /// Shows the last messages among these as pending for as long as a session's context lives, and makes their sessions their
    /// users' latest if none was active later. To be called once their queue has them, so that nothing is shown that was refused:
    /// whoever stores them takes them away, and whoever finds one in the log that came later than that, with
    /// [`Hot::forget_pending`].
    pub async fn put_pending(&self, accepted: &[AcceptedEvents], now: Timestamp) -> Result<(), Error> {
        let expires_at = expiry(now, self.lifetimes.session_context);
        let mut writes = HashMap::new();
        for (key, turn) in accepted.iter().flat_map(turns) {
            let mut item: HashMap<String, AttributeValue> = to_item(PendingItem { expires_at, turn })?;
            item.extend(key.clone().attributes());
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|error| Error::Refused(Box::new(error)))?;
            writes.insert(key, WriteRequest::builder().put_request(put).build());
        }
        self.write_all(writes.into_values().collect()).await?;
        try_join_all(sessions_shown(accepted).map(
            |AcceptedEvents { tenant, user, session, accepted_at, .. }| {
                self.put_latest_session(tenant, user, session.as_str(), *accepted_at, now)
            },
        ))
        .await?;
        Ok(())
    }

    /// Shows them as pending no more: they are in the log, or will never be.
    pub async fn delete_pending<'a>(
        &self,
        accepted: impl Iterator<Item = &'a AcceptedEvents>,
    ) -> Result<(), Error> {
        self.delete_keys(accepted.flat_map(turns).map(|(key, _)| key)).await
    }

    /// Shows turns as pending no more that were read here, because the log has them.
    pub async fn forget_pending(&self, turns: &[PendingTurn]) -> Result<(), Error> {
        self.delete_keys(turns.iter().filter_map(|turn| turn.key.clone())).await
    }

    /// The last messages of a session that are pending, in the order in which they were accepted; each once.
    pub async fn pending_turns(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session: &str,
        now: Timestamp,
    ) -> Result<Vec<PendingTurn>, Error> {
        let (partition, beginning) = Key::pending_of(tenant, user, session).parts();
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk and begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(partition))
            .expression_attribute_values(":sk", AttributeValue::S(beginning))
            .consistent_read(true)
            .scan_index_forward(false)
            // A request that was repeated may be there more than once.
            .limit(2 * i32::try_from(MOST_TURNS).unwrap_or(i32::MAX))
            .send()
            .await?;
        let mut turns: Vec<PendingTurn> = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let key = Key::of_item(&item);
            match from_item::<PendingItem>(item) {
                Ok(PendingItem { expires_at, turn }) => {
                    let turn = PendingTurn { key, ..turn };
                    let known = |known: &PendingTurn| known.idempotency_key == turn.idempotency_key;
                    if expires_at > now.as_second() && !turns.iter().any(known) && turns.len() < MOST_TURNS {
                        turns.push(turn);
                    }
                }
                Err(error) => tracing::warn!(%error, "a pending turn cannot be read"),
            }
        }
        turns.reverse();
        Ok(turns)
    }

    async fn delete_keys(&self, keys: impl Iterator<Item = Key>) -> Result<(), Error> {
        let mut writes = Vec::new();
        // DynamoDB refuses a request that names a key twice.
        for key in keys.collect::<BTreeSet<_>>() {
            let delete = DeleteRequest::builder().set_key(Some(key.attributes())).build();
            let delete = delete.map_err(|error| Error::Refused(Box::new(error)))?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        self.write_all(writes).await
    }

    /// One request per 25 writes, and one for each time that DynamoDB leaves some of them out.
    async fn write_all(&self, writes: Vec<WriteRequest>) -> Result<(), Error> {
        for writes in writes.chunks(MOST_WRITES) {
            let mut rest = writes.to_vec();
            let mut rounds = 0;
            while !rest.is_empty() {
                if rounds == MOST_ROUNDS {
                    return Err(Error::Throttled("many writes were left out time and again".into()));
                }
                rounds += 1;
                let answer = self.client.batch_write_item().request_items(&self.table, rest).send().await?;
                rest = answer.unprocessed_items.unwrap_or_default().remove(&self.table).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// The last messages among these, each with the key of its item; other events take none of their places.
fn turns(accepted: &AcceptedEvents) -> Vec<(Key, PendingTurn)> {
    let AcceptedEvents { tenant, user, session, accepted_at, .. } = accepted;
    let mut shown: Vec<(u32, &AcceptedEvent)> =
        (accepted.preceding..).zip(&accepted.events).filter(|(_, event)| PendingTurn::is_of(event)).collect();
    shown
        .split_off(shown.len().saturating_sub(MOST_TURNS))
        .into_iter()
        .filter_map(|(position, event)| {
            let turn = PendingTurn::of(event, *accepted_at)?;
            let key = Key::pending(tenant, user, session, *accepted_at, position, &event.idempotency_key);
            Some((key, turn))
        })
        .collect()
}

/// Of each session of which a turn is shown, one of its parts: those of one session have one time.
fn sessions_shown(accepted: &[AcceptedEvents]) -> impl Iterator<Item = &AcceptedEvents> {
    let mut named = BTreeSet::new();
    accepted
        .iter()
        .filter(|part| part.events.iter().any(PendingTurn::is_of))
        .filter(move |AcceptedEvents { tenant, user, session, .. }| named.insert((tenant, user, session)))
}

impl Key {
    /// What the keys of all pending turns of a session begin with.
    fn pending_of(tenant: &TenantId, user: &UserId, session_name: &str) -> Self {
        Self::of_user(tenant, user, &["pending", session_name, ""])
    }

    /// A pending turn: those of a session are in the order in which they were accepted.
    fn pending(
        tenant: &TenantId,
        user: &UserId,
        session: &SessionName,
        accepted_at: Timestamp,
        position: u32,
        idempotency_key: &str,
    ) -> Self {
        let accepted_at = format!("{:020}", accepted_at.as_microsecond());
        let position = format!("{position:010}");
        // A key of the table is short, and two requests may have been accepted at the same moment.
        let event = Uuid::new_v5(&Uuid::NAMESPACE_OID, idempotency_key.as_bytes()).simple().to_string();
        Self::of_user(tenant, user, &["pending", session.as_str(), &accepted_at, &position, &event])
    }

    /// When a pending turn was accepted; `None` of anything else.
    pub(crate) fn accepted_at(&self) -> Option<Timestamp> {
        let (_, sort) = self.clone().parts();
        let accepted_at = sort.strip_prefix("pending#")?.split('#').nth(1)?;
        Timestamp::from_microsecond(accepted_at.parse().ok()?).ok()
    }

    /// Whether it is a turn that had been accepted by a time.
    pub(crate) fn is_pending_by(&self, by: Timestamp) -> bool {
        self.accepted_at().is_some_and(|accepted_at| accepted_at <= by)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn accepted(session: &str, contents: &[&str]) -> AcceptedEvents {
        let event = |(at, content): (usize, &&str)| AcceptedEvent {
            kind: EventKind::Message,
            role: Some("user".into()),
            speaker: None,
            content: Some((*content).to_owned()),
            payload: json!({}),
            schema_version: 2,
            idempotency_key: format!("k{at}"),
            occurred_at: Timestamp::UNIX_EPOCH,
            written_at: None,
        };
        AcceptedEvents {
            format: AcceptedEvents::FORMAT,
            tenant: TenantId::new("acme").unwrap(),
            user: UserId::new("ada").unwrap(),
            session: SessionName::new(session).unwrap(),
            accepted_at: Timestamp::from_second(1_800_000_000).unwrap(),
            preceding: 0,
            events: contents.iter().enumerate().map(event).collect(),
        }
    }

    #[test]
    fn the_last_messages_are_kept_in_order_and_found_by_their_session() {
        let many: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let accepted = accepted("a#b", &many);
        let turns = turns(&accepted);
        let contents: Vec<&str> = turns.iter().map(|(_, turn)| turn.content.as_str()).collect();
        assert_eq!(contents, many[10..]);
        assert!(turns.is_sorted_by_key(|(key, _)| key.clone()));
        let of = |session| Key::pending_of(&accepted.tenant, &accepted.user, session).parts();
        assert!(turns.iter().all(|(key, _)| {
            let ((pk, sk), (of_pk, of_sk)) = (key.clone().parts(), of("a#b"));
            pk == of_pk && sk.starts_with(&of_sk) && !sk.starts_with(&of("a").1)
        }));
    }

    #[test]
    fn what_is_no_message_takes_no_place_of_one() {
        let many: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut accepted = accepted("chat", &many);
        for event in accepted.events.iter_mut().skip(5) {
            event.kind = EventKind::ToolCall;
        }
        let contents: Vec<String> = turns(&accepted).into_iter().map(|(_, turn)| turn.content).collect();
        assert_eq!(contents, ["0", "1", "2", "3", "4"]);
    }

    #[test]
    fn a_session_is_named_once_wherever_among_its_parts_a_message_is() {
        let called = |session: &str, preceding: u32| {
            let mut part = accepted(session, &["called"]);
            part.events[0].kind = EventKind::ToolCall;
            AcceptedEvents { preceding, ..part }
        };
        let said =
            |session: &str, preceding: u32| AcceptedEvents { preceding, ..accepted(session, &["said"]) };
        let parts =
            [called("chat", 0), said("chat", 1), said("chat", 2), called("other", 0), said("third", 0)];
        let named: Vec<&str> = sessions_shown(&parts).map(|part| part.session.as_str()).collect();
        assert_eq!(named, ["chat", "third"]);
    }

    #[test]
    fn a_turn_is_told_by_when_it_was_accepted() {
        let accepted = accepted("a#b", &["hello"]);
        let (key, _) = turns(&accepted).remove(0);
        let at = accepted.accepted_at;
        let before = at - jiff::SignedDuration::from_micros(1);
        assert!(key.is_pending_by(at) && !key.is_pending_by(before));
        assert!(!Key::context(&accepted.tenant, &accepted.user, "a#b").is_pending_by(at));
        assert!(!Key::latest_session(&accepted.tenant, &accepted.user).is_pending_by(at));
    }

    #[test]
    fn a_long_message_is_kept_from_its_beginning_and_other_events_are_not() {
        let mut accepted = accepted("chat", &[&"ü".repeat(LONGEST_CONTENT_BYTES), "short"]);
        let kept: Vec<_> =
            turns(&accepted).into_iter().map(|(_, turn)| (turn.content.len(), turn.is_cut)).collect();
        assert_eq!(kept, [(LONGEST_CONTENT_BYTES, true), (5, false)]);
        accepted.events[1].kind = EventKind::ToolCall;
        assert_eq!(turns(&accepted).len(), 1);
    }
}
