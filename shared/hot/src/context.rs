use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Event, EventKind, MemoryId, TenantId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_attribute_value, to_item};
use tokio::try_join;

use crate::error::unless_outdated;
use crate::item::Item;
use crate::key::Key;
use crate::lifetime::expiry;
use crate::{Error, Hot, Put, Read};

/// The version of the item's shape. An item of another one is [`Read::Corrupt`] and gets overwritten.
const FORMAT: u32 = 1;
/// How many bytes its messages take together. An item of DynamoDB holds 400 KB and is paid for by the KB.
const MOST_MESSAGE_BYTES: usize = 128 * 1024;
/// What a message takes beside its text.
const BYTES_BESIDE_TEXT: usize = 128;
/// How many active entities, and how many pending actions, a context holds.
const MOST_ACTIVE: usize = 20;
/// How much of an active entity's or a pending action's text is kept, in bytes.
const LONGEST_ACTIVE_BYTES: usize = 500;

/// What is going on in a session: what an application would otherwise keep in its own process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionContext {
    /// Whose session.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The session's name, as the application knows it.
    pub session_name: String,
    /// The last version of the session that went into it.
    pub version: i64,
    /// The newest messages, oldest first: at most 20, and fewer when they are long.
    pub recent_messages: Vec<RecentMessage>,
    /// Entities named lately, the most recent first.
    pub active_entities: Vec<ActiveMemory>,
    /// Commitments, to-dos and questions that are still open, the most recent first.
    pub pending_actions: Vec<ActiveMemory>,
    /// When the session was last active: when the database accepted its last event.
    pub updated_at: Timestamp,
}

/// A message of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecentMessage {
    /// Its position within the session.
    pub version: i64,
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// Who spoke, where the application said so.
    pub speaker: Option<String>,
    /// What was said.
    pub content: String,
    /// Whether `content` is only its beginning, because the whole does not fit.
    pub is_cut: bool,
    /// When it was said, by the application's account.
    pub occurred_at: Timestamp,
}

/// A memory that matters to a session now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveMemory {
    /// The memory.
    pub id: MemoryId,
    /// It in words, cut after 500 bytes.
    pub content: String,
}

#[derive(Serialize, Deserialize)]
struct ContextItem {
    format: u32,
    expires_at: i64,
    #[serde(flatten)]
    context: SessionContext,
}

#[derive(Serialize, Deserialize)]
struct LatestSessionItem {
    session_name: String,
    active_at_milliseconds: i64,
    expires_at: i64,
}

impl RecentMessage {
    /// The event as a message, when it is one.
    pub fn of_event(event: &Event) -> Option<Self> {
        (event.kind == EventKind::Message).then(|| Self {
            version: event.version,
            role: event.role.clone(),
            speaker: event.speaker.clone(),
            content: event.content.clone(),
            is_cut: false,
            occurred_at: event.occurred_at,
        })
    }

    fn bytes(&self) -> usize {
        BYTES_BESIDE_TEXT + self.content.len() + self.speaker.as_ref().map_or(0, String::len)
    }
}

impl ActiveMemory {
    /// A memory, its text cut to what a context keeps.
    pub fn new(id: MemoryId, content: &str) -> Self {
        Self { id, content: beginning(content, LONGEST_ACTIVE_BYTES) }
    }
}

impl SessionContext {
    /// How many messages a context holds.
    pub const MOST_MESSAGES: u16 = 20;

    /// A session nothing is known of yet.
    pub fn new(tenant: TenantId, user: UserId, session_name: String) -> Self {
        Self {
            tenant,
            user,
            session_name,
            version: 0,
            recent_messages: Vec::new(),
            active_entities: Vec::new(),
            pending_actions: Vec::new(),
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Takes in the events after the context's version, which come oldest first; the oldest messages go when there are
    /// too many or too long ones. Events it has seen already change nothing.
    pub fn advance(&mut self, events: &[Event]) {
        for event in events {
            if event.version <= self.version {
                continue;
            }
            self.version = event.version;
            self.updated_at = self.updated_at.max(event.created_at);
            self.recent_messages.extend(RecentMessage::of_event(event));
        }
        self.trim();
    }

    /// Drops what does not fit, the oldest first. The newest message stays, if only its beginning.
    fn trim(&mut self) {
        let mut room = MOST_MESSAGE_BYTES;
        let fitting = self
            .recent_messages
            .iter()
            .rev()
            .take(usize::from(Self::MOST_MESSAGES))
            .take_while(|message| match room.checked_sub(message.bytes()) {
                Some(rest) => {
                    room = rest;
                    true
                }
                None => false,
            })
            .count();
        if fitting == 0
            && let Some(newest) = self.recent_messages.last_mut()
        {
            let room = MOST_MESSAGE_BYTES.saturating_sub(newest.bytes() - newest.content.len());
            newest.content = beginning(&newest.content, room);
            newest.is_cut = true;
        }
        let surplus = self.recent_messages.len().saturating_sub(fitting.max(1));
        self.recent_messages.drain(..surplus);
        self.active_entities.truncate(MOST_ACTIVE);
        self.pending_actions.truncate(MOST_ACTIVE);
    }
}

/// A session, and when it was active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestSession {
    /// Its name.
    pub session_name: String,
    /// When, in whole milliseconds.
    pub active_at: Timestamp,
}

impl Hot {
    /// Puts a session's context forward, and makes the session its user's latest if somebody spoke in it and none was
    /// active later.
    ///
    /// Monotone: a context of a lower version never replaces a live one of a higher, so runs may repeat and overtake
    /// each other. It lives from the session's last activity, whenever it is written.
    pub async fn put_context(&self, context: &SessionContext, now: Timestamp) -> Result<Put, Error> {
        if context.recent_messages.is_empty() {
            // Nobody has said anything there, so nobody goes on with it unasked.
            return self.put_context_item(context, now).await;
        }
        let SessionContext { tenant, user, session_name, updated_at, .. } = context;
        let (put, _) = try_join!(
            self.put_context_item(context, now),
            self.put_latest_session(tenant, user, session_name, *updated_at, now)
        )?;
        Ok(put)
    }

    async fn put_context_item(&self, context: &SessionContext, now: Timestamp) -> Result<Put, Error> {
        let mut context = context.clone();
        context.trim();
        let key = Key::context(&context.tenant, &context.user, &context.session_name);
        let version = AttributeValue::N(context.version.to_string());
        let mut item: HashMap<String, AttributeValue> = to_item(ContextItem {
            format: FORMAT,
            expires_at: expiry(context.updated_at, self.lifetimes.session_context),
            context,
        })?;
        item.extend(key.attributes());
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            // The same version again heals an item that went bad.
            .condition_expression(
                "not attribute_type(#version, :number) or not attribute_type(#expires, :number) \
                 or #version <= :version or #expires <= :now",
            )
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":number", AttributeValue::S("N".to_owned()))
            .expression_attribute_values(":version", version)
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()))
            .send()
            .await;
        unless_outdated(answer)
    }

    /// Makes a session its user's latest, if none was active later.
    pub(crate) async fn put_latest_session(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: &str,
        active_at: Timestamp,
        now: Timestamp,
    ) -> Result<Put, Error> {
        let active_at_milliseconds = active_at.as_millisecond();
        let mut item: HashMap<String, AttributeValue> = to_item(LatestSessionItem {
            session_name: session_name.to_owned(),
            active_at_milliseconds,
            expires_at: expiry(active_at, self.lifetimes.session_context),
        })?;
        item.extend(Key::latest_session(tenant, user).attributes());
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(
                "not attribute_type(active_at_milliseconds, :number) or active_at_milliseconds <= :active_at \
                 or expires_at <= :now",
            )
            .expression_attribute_values(":number", AttributeValue::S("N".to_owned()))
            .expression_attribute_values(":active_at", AttributeValue::N(active_at_milliseconds.to_string()))
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()))
            .send()
            .await;
        unless_outdated(answer)
    }

    /// Replaces what is active in a session whose context is live; whatever its version. Nothing happens without one:
    /// the next window brings it.
    pub async fn put_active(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: &str,
        entities: &[ActiveMemory],
        actions: &[ActiveMemory],
        now: Timestamp,
    ) -> Result<Put, Error> {
        let first = |memories: &[ActiveMemory]| {
            to_attribute_value(memories.iter().take(MOST_ACTIVE).collect::<Vec<_>>())
        };
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::context(tenant, user, session_name).attributes()))
            .update_expression("set active_entities = :entities, pending_actions = :actions")
            .condition_expression("expires_at > :now")
            .expression_attribute_values(":entities", first(entities)?)
            .expression_attribute_values(":actions", first(actions)?)
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()))
            .send()
            .await;
        unless_outdated(answer)
    }

    /// The context of a session.
    pub async fn get_context(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: &str,
        now: Timestamp,
    ) -> Result<Read<SessionContext>, Error> {
        let item = self.get(Key::context(tenant, user, session_name)).await?;
        Ok(read_context(item, now))
    }

    /// The session of a user in which somebody spoke last, as far as hot state has been told.
    pub async fn latest_session(
        &self,
        tenant: &TenantId,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Read<LatestSession>, Error> {
        let item = self.get(Key::latest_session(tenant, user)).await?;
        Ok(match item.map(from_item::<LatestSessionItem>) {
            None => Read::Absent,
            Some(Ok(item)) if item.expires_at <= now.as_second() => Read::Absent,
            Some(Ok(item)) => match Timestamp::from_millisecond(item.active_at_milliseconds) {
                Ok(active_at) => Read::Present(LatestSession { session_name: item.session_name, active_at }),
                Err(error) => Read::Corrupt { reason: error.to_string() },
            },
            Some(Err(error)) => Read::Corrupt { reason: error.to_string() },
        })
    }
}

/// The context that an item holds, at this moment.
pub(crate) fn read_context(item: Option<Item>, now: Timestamp) -> Read<SessionContext> {
    match item.map(from_item::<ContextItem>) {
        None => Read::Absent,
        Some(Ok(item)) if item.expires_at <= now.as_second() => Read::Absent,
        Some(Ok(item)) if item.format != FORMAT => {
            Read::Corrupt { reason: format!("format is {}, expected {FORMAT}", item.format) }
        }
        Some(Ok(item)) => Read::Present(item.context),
        Some(Err(error)) => Read::Corrupt { reason: error.to_string() },
    }
}

/// When a session was last active, told from the item of its context, expired or not.
pub(crate) fn session_activity(item: &Item) -> Option<Timestamp> {
    item.get("updated_at")?.as_s().ok()?.parse().ok()
}

/// At most the first `bytes` of a text, cut between characters.
pub(crate) fn beginning(text: &str, bytes: usize) -> String {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(version: i64, content: &str) -> Event {
        Event {
            version,
            kind: EventKind::Message,
            role: "user".into(),
            speaker: None,
            content: content.into(),
            payload: serde_json::json!({}),
            occurred_at: Timestamp::from_second(version).unwrap(),
            created_at: Timestamp::from_second(1000 + version).unwrap(),
        }
    }

    fn context() -> SessionContext {
        SessionContext::new(TenantId::new("acme").unwrap(), UserId::new("ada").unwrap(), "chat".into())
    }

    fn versions(context: &SessionContext) -> Vec<i64> {
        context.recent_messages.iter().map(|message| message.version).collect()
    }

    #[test]
    fn the_newest_twenty_messages_stay_in_order() {
        let mut context = context();
        context.advance(&(1..=15).map(|version| event(version, "hi")).collect::<Vec<_>>());
        context.advance(&(10..=25).map(|version| event(version, "hi")).collect::<Vec<_>>());
        assert_eq!(versions(&context), (6..=25).collect::<Vec<_>>());
        assert_eq!(context.version, 25);
        assert_eq!(context.updated_at.as_second(), 1025);
    }

    #[test]
    fn an_event_that_is_no_message_moves_the_version_only() {
        let mut context = context();
        context.advance(&[event(1, "hi"), Event { kind: EventKind::ToolCall, ..event(2, "") }]);
        assert_eq!((context.version, versions(&context)), (2, vec![1]));
    }

    #[test]
    fn a_message_too_long_for_the_item_is_kept_from_its_beginning() {
        let mut context = context();
        context.advance(&[event(1, "before"), event(2, &"ü".repeat(MOST_MESSAGE_BYTES))]);
        assert_eq!(versions(&context), [2]);
        assert!(context.recent_messages[0].is_cut);
        assert!(context.recent_messages[0].content.len() > MOST_MESSAGE_BYTES - 1024);
        context.advance(&[event(3, "after")]);
        assert_eq!(versions(&context), [3]);
    }

    proptest! {
        #[test]
        fn a_context_always_fits_and_ends_with_the_newest(lengths in prop::collection::vec(0_usize..200_000, 1..30)) {
            let mut context = context();
            let events: Vec<Event> = (1..).zip(&lengths).map(|(version, length)| event(version, &"x".repeat(*length))).collect();
            context.advance(&events);
            let bytes: usize = context.recent_messages.iter().map(RecentMessage::bytes).sum();
            prop_assert!(bytes <= MOST_MESSAGE_BYTES);
            prop_assert_eq!(versions(&context).last().copied(), i64::try_from(lengths.len()).ok());
            prop_assert!(context.recent_messages.len() <= usize::from(SessionContext::MOST_MESSAGES));
        }
    }
}
