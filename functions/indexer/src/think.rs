use domain::{Event, EventKind, HotLifetimes, Memory, MemoryType, SessionId, TenantId, Window};
use hot::{ActiveMemory, Put, Read, SessionContext};
use jiff::Timestamp;
use model::Embedder;
use runtime::ThinkError;
use store::{IndexedEvent, IndexedMemory, IndexedPassage, UnindexedMemory};

use crate::Indexer;

/// How many memories are embedded and written at once.
const MEMORIES_AT_ONCE: u16 = 128;
/// How many of a session's last events make an entity active.
const ACTIVE_EVENTS: u16 = 40;
/// How many entities, and how many open actions, are looked at.
const MOST_ACTIVE: u16 = 20;

/// What recall finds the messages among `events` by: what was said. Who said it is a column of its own, because the name
/// of a speaker among the words finds those who are talked about.
pub(crate) async fn index_events(
    embedder: &Embedder,
    events: &[Event],
) -> Result<Vec<IndexedEvent>, model::Error> {
    let messages: Vec<&Event> = events.iter().filter(|event| event.kind == EventKind::Message).collect();
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let texts: Vec<&str> = messages.iter().map(|event| event.content.as_str()).collect();
    let embedded = embedder.embed_passages(&texts).await?;
    Ok(messages
        .into_iter()
        .zip(embedded)
        .map(|(event, embedded)| IndexedEvent {
            version: event.version,
            embedding: embedded.vector,
            embedding_model: embedder.name().to_owned(),
            terms: event.content.clone(),
            passages: embedded
                .passages
                .into_iter()
                .map(|passage| IndexedPassage { bytes: passage.bytes, embedding: passage.vector })
                .collect(),
        })
        .collect())
}

/// What a context becomes with a window: `before` when it reaches up to the window, else one made of `earlier` events.
pub(crate) fn advanced(window: &Window, before: Option<SessionContext>, earlier: &[Event]) -> SessionContext {
    let mut context = before.filter(|context| context.version >= window.after).unwrap_or_else(|| {
        let mut made =
            SessionContext::new(window.tenant.clone(), window.user.clone(), window.session_name.clone());
        made.advance(earlier);
        made
    });
    context.advance(&window.events);
    context
}

/// Whether the embedder will not have a text, however often it is asked.
const fn is_about_the_text(error: &model::Error) -> bool {
    matches!(error, model::Error::Invalid(_) | model::Error::Refused | model::Error::TooLong)
}

/// The active entities and actions among memories, in their order.
pub(crate) fn active(memories: &[Memory]) -> (Vec<ActiveMemory>, Vec<ActiveMemory>) {
    let of = |kind: MemoryType| {
        memories
            .iter()
            .filter(|memory| memory.kind == kind)
            .map(|memory| ActiveMemory::new(memory.id, &memory.content))
            .collect()
    };
    (of(MemoryType::Entity), of(MemoryType::Action))
}

impl Indexer {
    /// Embeds the memories that wait for it: new and changed ones of a session's user, and what another embedder has
    /// embedded of the session. Two runs at once do some work twice and keep it once.
    pub(crate) async fn index_memories(
        &self,
        tenant: &TenantId,
        session: SessionId,
    ) -> Result<(), ThinkError> {
        loop {
            let waiting =
                self.store.memories_to_index(tenant, session, self.embedder.name(), MEMORIES_AT_ONCE).await?;
            if waiting.is_empty() {
                return Ok(());
            }
            let indexed = self.embed_memories(&waiting).await?;
            let kept = self.store.index_memories(tenant, &indexed, self.embedder.name()).await?;
            tracing::debug!(%session, memories.waiting = waiting.len(), memories.kept = kept, "memories indexed");
            if kept == 0 || waiting.len() < usize::from(MEMORIES_AT_ONCE) {
                return Ok(());
            }
        }
    }

    /// Embeds memories: together, or, when one of them will not do, each alone and without those that will not. Such a
    /// memory is found by its words; it is no reason to fail a window it has nothing to do with.
    async fn embed_memories(&self, waiting: &[UnindexedMemory]) -> Result<Vec<IndexedMemory>, ThinkError> {
        let indexed = |memory: &UnindexedMemory, embedding| IndexedMemory {
            id: memory.id,
            version: memory.version,
            embedding,
        };
        let texts: Vec<&str> = waiting.iter().map(|memory| memory.content.as_str()).collect();
        match self.embedder.embed(&texts).await {
            Ok(embeddings) => {
                return Ok(waiting
                    .iter()
                    .zip(embeddings)
                    .map(|(one, vector)| indexed(one, vector))
                    .collect());
            }
            Err(error) if is_about_the_text(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let mut found = Vec::new();
        for memory in waiting {
            match self.embedder.embed(&[memory.content.as_str()]).await {
                Ok(embeddings) => found.extend(embeddings.into_iter().map(|vector| indexed(memory, vector))),
                Err(error) if is_about_the_text(&error) => {
                    tracing::warn!(memory = %memory.id, %error, "a memory cannot be embedded");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    /// Puts the session's hot context forward to the end of the window; it lives as long as the tenant wants.
    pub(crate) async fn put_context_forward(
        &self,
        window: &Window,
        lifetimes: &HotLifetimes,
        now: Timestamp,
    ) -> Result<(), ThinkError> {
        let before = if window.after == 0 { None } else { self.context_before(window, now).await? };
        let reaches_window = before.as_ref().is_some_and(|context| context.version >= window.after);
        let earlier = if window.after == 0 || reaches_window {
            Vec::new()
        } else {
            self.store
                .messages_up_to(&window.tenant, window.session, window.after, SessionContext::MOST_MESSAGES)
                .await?
        };
        let mut context = advanced(window, before, &earlier);
        if let Some(session) =
            self.store.active_memories(&window.tenant, window.session, ACTIVE_EVENTS, MOST_ACTIVE).await?
        {
            (context.active_entities, context.pending_actions) = active(&session.memories);
        }
        let put = self.hot.for_tenant(lifetimes).put_context(&context, now).await?;
        tracing::debug!(context.version, stored = put == Put::Stored, "hot context put forward");
        Ok(())
    }

    async fn context_before(
        &self,
        window: &Window,
        now: Timestamp,
    ) -> Result<Option<SessionContext>, ThinkError> {
        Ok(match self.hot.get_context(&window.tenant, &window.user, &window.session_name, now).await? {
            Read::Present(context) => Some(context),
            Read::Absent => None,
            Read::Corrupt { reason } => {
                metrics::counter!("CorruptHotItems", "Kind" => "session_context").increment(1);
                tracing::warn!(reason, "the hot context cannot be read and is rebuilt");
                None
            }
        })
    }

    /// Brings what is active in a session's hot context up to date.
    pub(crate) async fn refresh_active(
        &self,
        tenant: &TenantId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), ThinkError> {
        let Some(found) = self.store.active_memories(tenant, session, ACTIVE_EVENTS, MOST_ACTIVE).await?
        else {
            return Ok(());
        };
        let (entities, actions) = active(&found.memories);
        self.hot.put_active(tenant, &found.user, &found.session_name, &entities, &actions, now).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::{MemoryId, Scope, UserId};
    use serde_json::json;

    use super::*;

    fn event(version: i64, kind: EventKind) -> Event {
        Event {
            version,
            kind,
            role: "user".into(),
            speaker: Some("Ada".into()),
            content: if kind == EventKind::Message { format!("message {version}") } else { String::new() },
            payload: json!({}),
            occurred_at: Timestamp::from_second(version).unwrap(),
            created_at: Timestamp::from_second(version).unwrap(),
        }
    }

    fn messages(versions: std::ops::RangeInclusive<i64>) -> Vec<Event> {
        versions.map(|version| event(version, EventKind::Message)).collect()
    }

    fn window(after: i64, through: i64) -> Window {
        Window {
            tenant: TenantId::new("acme").unwrap(),
            user: UserId::new("ada").unwrap(),
            session: SessionId(uuid::Uuid::nil()),
            session_name: "chat".into(),
            after,
            generation: 0,
            head: through,
            events: messages(after + 1..=through),
        }
    }

    fn versions(context: &SessionContext) -> Vec<i64> {
        context.recent_messages.iter().map(|message| message.version).collect()
    }

    #[tokio::test]
    async fn only_messages_are_indexed_by_what_was_said() {
        let events =
            [event(1, EventKind::Message), event(2, EventKind::ToolCall), event(3, EventKind::Message)];
        let indexed = index_events(&Embedder::BuiltIn, &events).await.unwrap();
        assert_eq!(indexed.iter().map(|event| event.version).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(indexed[0].terms, "message 1");
        assert_eq!(indexed[0].embedding_model, Embedder::BuiltIn.name());
        assert_eq!(index_events(&Embedder::BuiltIn, &events[1..2]).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_long_message_is_indexed_by_its_passages_too() {
        let mut events = messages(1..=2);
        events[1].content = "This was said, and then something else. ".repeat(50);
        let indexed = index_events(&Embedder::BuiltIn, &events).await.unwrap();
        assert!(indexed[0].passages.is_empty());
        let said = events[1].content.get(indexed[1].passages[1].bytes.clone()).unwrap();
        assert!(said.starts_with("This was said"), "{said}");
    }

    #[test]
    fn a_context_that_reaches_the_window_is_continued() {
        let first = advanced(&window(0, 3), None, &[]);
        let second = advanced(&window(3, 5), Some(first.clone()), &[]);
        assert_eq!((second.version, versions(&second)), (5, vec![1, 2, 3, 4, 5]));
        let again = advanced(&window(3, 5), Some(second.clone()), &[]);
        assert_eq!(again, second);
    }

    #[test]
    fn a_context_with_a_gap_is_rebuilt_from_the_log() {
        let stale = advanced(&window(0, 2), None, &[]);
        let rebuilt = advanced(&window(6, 7), Some(stale), &messages(1..=6));
        assert_eq!(versions(&rebuilt), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn entities_and_actions_are_told_apart_and_nothing_else_is_active() {
        let memory = |number: u128, kind: MemoryType| Memory {
            id: MemoryId(uuid::Uuid::from_u128(number)),
            kind,
            scope: Scope::User,
            key: "k".into(),
            content: format!("{number}"),
            data: json!({}),
            confidence: 1.0,
            valid_from: Timestamp::UNIX_EPOCH,
        };
        let kinds = [MemoryType::Action, MemoryType::Entity, MemoryType::Fact, MemoryType::Entity];
        let (entities, actions) =
            active(&(1..).zip(kinds).map(|(number, kind)| memory(number, kind)).collect::<Vec<_>>());
        assert_eq!(entities.iter().map(|memory| memory.content.as_str()).collect::<Vec<_>>(), ["2", "4"]);
        assert_eq!(actions.iter().map(|memory| memory.content.as_str()).collect::<Vec<_>>(), ["1"]);
    }
}
