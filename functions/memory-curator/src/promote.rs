//! Memories of one session that an application wants every session of the user to have.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    CARRIED, Closing, EventKind, Evidence, MemoryId, MemoryType, OWN_PAYLOAD, OnConflict, Scope, Thought,
    Window,
};
use serde_json::Value;
use store::{Promotable, UserMemory};

/// Which memories the events of a window ask for, and which events do.
pub(crate) fn asked(window: &Window) -> BTreeMap<MemoryId, BTreeSet<i64>> {
    let mut asked: BTreeMap<MemoryId, BTreeSet<i64>> = BTreeMap::new();
    for event in window.events.iter().filter(|event| event.kind == EventKind::Observation) {
        let field = |name: &str| event.payload.get(OWN_PAYLOAD)?.get(name)?.as_str();
        if let (Some("promote"), Some(Ok(memory))) = (field("operation"), field("memory").map(str::parse)) {
            asked.entry(MemoryId(memory)).or_default().insert(event.version);
        }
    }
    asked
}

/// The thoughts that promote these memories: what they say, in the user's scope, with the evidence they have and the event
/// that asked for it, which is said now. The user's scope takes each in as it takes in anything else.
pub(crate) fn promoted(
    window: &Window,
    asked: &BTreeMap<MemoryId, BTreeSet<i64>>,
    memories: Vec<Promotable>,
) -> Vec<Thought> {
    let is_within =
        |event: &Evidence| event.session == window.session && window.event(event.version).is_some();
    let thought = |Promotable { asked: id, memory, evidence, .. }: Promotable| {
        let (within, elsewhere): (Vec<Evidence>, Vec<Evidence>) = evidence.into_iter().partition(is_within);
        let mut versions = asked.get(&id).cloned().unwrap_or_default();
        versions.extend(within.into_iter().map(|event| event.version));
        let mut data = memory.data;
        if let Value::Object(fields) = &mut data {
            fields.remove(CARRIED);
        }
        Thought {
            kind: memory.kind,
            scope: Scope::User,
            key: memory.key,
            content: memory.content,
            data,
            confidence: memory.confidence,
            evidence: versions.into_iter().collect(),
            elsewhere,
            since: Some(memory.valid_from),
            on_conflict: match memory.kind {
                MemoryType::Fact | MemoryType::Preference => OnConflict::Latest,
                _ => OnConflict::Merge,
            },
            review: false,
        }
    };
    memories.into_iter().map(thought).collect()
}

/// The closings without those of memories that a promotion adds to in the same run.
pub(crate) fn apart(closings: Vec<Closing>, memories: &[UserMemory], promoted: &[Thought]) -> Vec<Closing> {
    let is_added_to = |closing: &Closing| {
        let closed = memories.iter().map(|known| &known.memory).find(|known| known.id == closing.memory);
        closed.is_some_and(|closed| {
            promoted.iter().any(|thought| {
                (thought.scope, thought.kind, &thought.key) == (closed.scope, closed.kind, &closed.key)
            })
        })
    };
    closings.into_iter().filter(|closing| !is_added_to(closing)).collect()
}

#[cfg(test)]
mod tests {
    use domain::{Event, Memory, SessionId, TenantId, UserId};
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn window(payloads: &[Value]) -> Window {
        let event = |(version, payload): (i64, &Value)| Event {
            version,
            kind: EventKind::Observation,
            role: String::new(),
            speaker: None,
            content: String::new(),
            payload: payload.clone(),
            occurred_at: Timestamp::UNIX_EPOCH,
            created_at: Timestamp::UNIX_EPOCH,
        };
        Window {
            tenant: TenantId::new("acme").unwrap(),
            user: UserId::new("ada").unwrap(),
            session: SessionId(Uuid::nil()),
            session_name: "chat".into(),
            after: 4,
            generation: 0,
            head: 4 + i64::try_from(payloads.len()).unwrap(),
            events: (5..).zip(payloads).map(event).collect(),
        }
    }

    fn id() -> MemoryId {
        MemoryId(Uuid::from_u128(7))
    }

    #[test]
    fn only_an_observation_that_names_a_memory_asks_for_it() {
        let ask = json!({OWN_PAYLOAD: {"operation": "promote", "memory": id()}});
        let mut window = window(&[
            ask.clone(),
            json!({OWN_PAYLOAD: {"operation": "delete", "memory": id()}}),
            json!({OWN_PAYLOAD: {"operation": "promote", "memory": "seven"}}),
            json!({OWN_PAYLOAD: {"operation": "promote"}}),
            ask.clone(),
            ask,
        ]);
        window.events[5].kind = EventKind::Decision;
        assert_eq!(asked(&window), BTreeMap::from([(id(), BTreeSet::from([5, 9]))]));
    }

    #[test]
    fn a_promoted_memory_says_the_same_to_every_session() {
        let window = window(&[json!({}), json!({OWN_PAYLOAD: {"operation": "promote", "memory": id()}})]);
        let memory = Memory {
            id: id(),
            kind: MemoryType::Fact,
            scope: Scope::Session,
            key: "k".into(),
            content: "Ada likes tea".into(),
            data: json!({"value": "tea", "carried": [1]}),
            confidence: 0.7,
            valid_from: Timestamp::from_second(9).unwrap(),
        };
        let here = |version| Evidence { session: window.session, version };
        let there = Evidence { session: SessionId(Uuid::from_u128(2)), version: 5 };
        let evidence = vec![here(2), here(5), there];
        let thoughts = promoted(
            &window,
            &asked(&window),
            vec![Promotable { asked: id(), memory, version: 1, evidence }],
        );
        let thought = &thoughts[0];
        assert_eq!((thought.scope, &thought.data), (Scope::User, &json!({"value": "tea"})));
        assert_eq!((&thought.evidence[..], &thought.elsewhere[..]), (&[5, 6][..], &[here(2), there][..]));
        assert_eq!(thought.since, Timestamp::from_second(9).ok());
    }
}
