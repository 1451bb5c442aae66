use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::draft::identity;
use super::*;
use crate::{Dropped, Event, EventKind, MemoryType, Scope, SessionId, TenantId, UserId};

fn window(after: i64, through: i64) -> Window {
    let events = (after + 1..=through)
        .map(|version| Event {
            version,
            kind: EventKind::Message,
            role: "user".into(),
            speaker: None,
            content: format!("message {version}"),
            payload: json!({}),
            occurred_at: Timestamp::from_second(version).unwrap(),
            created_at: Timestamp::UNIX_EPOCH,
        })
        .collect();
    Window {
        tenant: TenantId::new("acme").unwrap(),
        user: UserId::new("ada").unwrap(),
        session: SessionId(Uuid::nil()),
        session_name: "chat".into(),
        after,
        generation: 0,
        head: through,
        events,
    }
}

fn thought(key: &str, content: &str, evidence: &[i64], on_conflict: OnConflict) -> Thought {
    Thought {
        kind: MemoryType::Entity,
        scope: Scope::User,
        key: key.into(),
        content: content.into(),
        data: json!({"aliases": [content]}),
        confidence: 0.5,
        evidence: evidence.to_vec(),
        on_conflict,
        review: false,
        elsewhere: Vec::new(),
        since: None,
    }
}

fn settled(window: &Window, known: &[Memory], thoughts: Vec<Thought>) -> Reconciled {
    reconcile("test", window, &known.into(), &ReviewPolicy::default(), thoughts)
}

#[test]
fn a_thought_without_evidence_in_the_window_is_dropped_with_its_reason() {
    let thoughts = vec![
        thought("a", "A", &[], OnConflict::Merge),
        thought("b", "B", &[99], OnConflict::Merge),
        thought("c", "C", &[99, 2, 2], OnConflict::Merge),
        thought("d", " ", &[1], OnConflict::Merge),
        Thought { confidence: f32::NAN, ..thought("e", "E", &[1], OnConflict::Merge) },
    ];
    let reconciled = settled(&window(0, 3), &[], thoughts);
    let reasons: Vec<_> = reconciled.ledger.iter().map(|entry| entry.reason).collect();
    assert_eq!(
        reasons,
        [
            Some(Dropped::NoEvidence),
            Some(Dropped::EvidenceOutsideWindow),
            None,
            Some(Dropped::EmptyContent),
            Some(Dropped::InvalidConfidence)
        ]
    );
    assert_eq!(reconciled.changes.len(), 1);
    assert_eq!(reconciled.changes[0].evidence, [2]);
}

#[test]
fn a_continued_memory_closes_the_old_one_and_inherits_its_evidence() {
    let first = settled(&window(0, 3), &[], vec![thought("s", "one", &[3], OnConflict::Continue)]);
    let old = first.changes[0].memory.clone();
    let second = settled(
        &window(3, 5),
        std::slice::from_ref(&old),
        vec![thought("s", "two", &[5], OnConflict::Continue)],
    );
    let change = &second.changes[0];
    assert_eq!(change.supersedes, Some(old.id));
    assert!(change.inherits_evidence && !change.updates && change.memory.id != old.id);
    assert_eq!(second.ledger[0].outcome, Outcome::Superseded);
}

#[test]
fn saying_the_same_again_adds_evidence_and_no_row() {
    let first = settled(&window(0, 3), &[], vec![thought("s", "one", &[3], OnConflict::Supersede)]);
    let old = first.changes[0].memory.clone();
    let again = settled(
        &window(3, 5),
        std::slice::from_ref(&old),
        vec![thought("s", "one", &[5], OnConflict::Supersede)],
    );
    assert!(again.changes[0].updates);
    assert_eq!(again.changes[0].memory.id, old.id);
    assert_eq!(again.ledger[0].outcome, Outcome::Merged);
}

fn place(version: i64, city: &str) -> Thought {
    Thought {
        kind: MemoryType::Fact,
        data: json!({"value": city}),
        ..thought("fact:ada:home", &format!("Ada lives in {city}."), &[version], OnConflict::Latest)
    }
}

/// A window of one event of session `number`, said at second `at`.
fn said_once(number: u128, version: i64, at: i64) -> Window {
    let mut window = window(version - 1, version);
    window.session = SessionId(Uuid::from_u128(number));
    window.events[0].occurred_at = Timestamp::from_second(at).unwrap();
    window
}

/// Memories as the database keeps them, with the newest event of each.
#[derive(Default, Clone)]
struct Table {
    rows: Vec<(Memory, Option<(Timestamp, MemoryId)>)>,
    said: BTreeMap<MemoryId, Said>,
}

impl Table {
    fn current(&self) -> Vec<Memory> {
        self.rows.iter().filter(|(_, past)| past.is_none()).map(|(memory, _)| memory.clone()).collect()
    }

    fn take(&mut self, window: &Window, thoughts: Vec<Thought>) -> Reconciled {
        let known = Known { said: self.said.clone(), ..Known::from(&self.current()[..]) };
        let reconciled = reconcile("test", window, &known, &ReviewPolicy::default(), thoughts);
        for change in &reconciled.changes {
            if let Some(closed) = change.supersedes {
                let row = self.rows.iter_mut().find(|(memory, _)| memory.id == closed).unwrap();
                row.1 = Some((change.memory.valid_from, change.memory.id));
            }
        }
        for change in &reconciled.changes {
            let id = change.memory.id;
            if let Some(row) = self.rows.iter_mut().find(|(memory, _)| memory.id == id) {
                assert!(change.updates, "a new row has a new identifier");
                row.0 = change.memory.clone();
            } else {
                assert!(!change.updates, "an updated row exists");
                self.rows.push((change.memory.clone(), change.past));
            }
            for version in &change.evidence {
                let event = Evidence { session: window.session, version: *version };
                let at = window.event(*version).unwrap().occurred_at;
                let said = self.said.entry(id).or_insert(Said { at, event });
                if (at, event) > (said.at, said.event) {
                    *said = Said { at, event };
                }
            }
        }
        let open = self.current();
        let keys: std::collections::BTreeSet<_> = open.iter().map(identity).collect();
        assert_eq!(keys.len(), open.len(), "at most one current memory under a key");
        for (memory, past) in &self.rows {
            if let Some((until, by)) = past {
                assert!(until >= &memory.valid_from && by != &memory.id);
                assert!(self.rows.iter().any(|(other, _)| other.id == *by), "what replaced it exists");
            }
        }
        reconciled
    }
}

#[test]
fn the_value_said_last_holds_and_the_one_before_is_history() {
    let mut table = Table::default();
    table.take(&said_once(1, 1, 10), vec![place(1, "Berlin")]);
    let moved = table.take(&said_once(1, 2, 20), vec![place(2, "Lisbon")]);
    assert_eq!(moved.ledger[0].outcome, Outcome::Superseded);
    assert_eq!(table.current()[0].content, "Ada lives in Lisbon.");
    assert_eq!(table.rows.len(), 2);
    assert_eq!(table.rows[0].1, Some((Timestamp::from_second(20).unwrap(), table.rows[1].0.id)));
}

#[test]
fn a_value_that_comes_late_is_history_from_the_start() {
    let mut table = Table::default();
    table.take(&said_once(1, 1, 20), vec![place(1, "Lisbon")]);
    let late = table.take(&said_once(2, 1, 10), vec![place(1, "Berlin")]);
    assert_eq!(late.ledger[0].outcome, Outcome::Stored);
    assert_eq!(table.current()[0].content, "Ada lives in Lisbon.");
    let (berlin, past) = &table.rows[1];
    assert_eq!(berlin.content, "Ada lives in Berlin.");
    assert_eq!(*past, Some((Timestamp::from_second(20).unwrap(), table.rows[0].0.id)));
}

#[test]
fn the_same_value_again_is_evidence_and_later_than_what_came_in_between() {
    let mut table = Table::default();
    table.take(&said_once(1, 1, 10), vec![place(1, "Lisbon")]);
    let again = table.take(&said_once(2, 1, 30), vec![place(1, "Lisbon")]);
    assert_eq!(again.ledger[0].outcome, Outcome::Merged);
    table.take(&said_once(3, 1, 20), vec![place(1, "Berlin")]);
    assert_eq!(table.current()[0].content, "Ada lives in Lisbon.");
}

#[test]
fn values_that_change_within_a_window_all_stay() {
    let mut table = Table::default();
    table.take(&said_once(1, 1, 1), vec![place(1, "Berlin")]);
    let mut all = window(1, 4);
    all.session = SessionId(Uuid::from_u128(1));
    table.take(&all, vec![place(2, "Berlin"), place(3, "Porto"), place(4, "Lisbon")]);
    let held: Vec<_> =
        table.rows.iter().map(|(memory, past)| (memory.content.as_str(), past.is_none())).collect();
    assert_eq!(
        held,
        [("Ada lives in Berlin.", false), ("Ada lives in Porto.", false), ("Ada lives in Lisbon.", true)]
    );
}

#[test]
fn the_same_words_under_another_key_are_evidence_for_what_is_there() {
    let known = settled(&window(0, 1), &[], vec![thought("name:a", "Ada (person)", &[1], OnConflict::Merge)]);
    let twin = known.changes[0].memory.clone();
    let known = Known { twins: vec![twin.clone()], ..Known::default() };
    let again = thought("name:b", "ada  (Person)", &[2], OnConflict::Merge);
    let reconciled = reconcile("test", &window(1, 2), &known, &ReviewPolicy::default(), vec![again]);
    assert_eq!(reconciled.changes.len(), 1);
    let change = &reconciled.changes[0];
    assert!(change.updates && change.memory == twin && change.evidence == [2]);
    assert_eq!(reconciled.ledger[0].outcome, Outcome::Merged);

    let within = vec![
        thought("name:a", "Ada (person)", &[1], OnConflict::Merge),
        thought("name:b", "Ada (person)", &[2], OnConflict::Merge),
    ];
    let reconciled = settled(&window(0, 2), &[], within);
    assert_eq!(reconciled.changes.len(), 1);
    assert_eq!(reconciled.changes[0].evidence, [1, 2]);
}

#[test]
fn the_gate_says_why_it_lets_nothing_through() {
    let gate = Gate { floor: 0.5, room: Some(1), recalled: [2].into() };
    let known = Known { gate, ..Known::default() };
    let unsure = Thought { confidence: 0.49, ..thought("a", "A", &[1], OnConflict::Merge) };
    let thoughts = vec![
        unsure,
        thought("b", "B", &[2], OnConflict::Merge),
        thought("c", "C", &[2, 3], OnConflict::Merge),
        thought("c", "C again", &[3], OnConflict::Merge),
        thought("d", "D", &[3], OnConflict::Merge),
        Thought { scope: Scope::Session, ..thought("e", "E", &[3], OnConflict::Merge) },
    ];
    let reconciled = reconcile("test", &window(0, 3), &known, &ReviewPolicy::default(), thoughts);
    let reasons: Vec<_> = reconciled.ledger.iter().map(|entry| entry.reason).collect();
    assert_eq!(
        reasons,
        [Some(Dropped::LowConfidence), Some(Dropped::Recalled), None, None, Some(Dropped::NoRoom), None]
    );
    assert_eq!(
        reconciled.changes.iter().map(|change| change.memory.key.as_str()).collect::<Vec<_>>(),
        ["e", "c"]
    );
    assert_eq!(reconciled.changes[1].evidence, [3]);
}

#[test]
fn evidence_elsewhere_is_enough() {
    let event = Evidence { session: SessionId(Uuid::from_u128(7)), version: 3 };
    let since = Timestamp::from_second(1).unwrap();
    let pattern = Thought {
        elsewhere: vec![event, event],
        since: Some(since),
        ..thought("theme:boats", "Ada often talks about boats", &[], OnConflict::Supersede)
    };
    let reconciled = settled(&window(0, 2), &[], vec![pattern]);
    assert_eq!(reconciled.changes[0].elsewhere, [event]);
    assert_eq!(reconciled.changes[0].memory.valid_from, since);
}

proptest! {
    /// Whatever order the sessions of a user are thought about in, the value that was said last is the one that holds.
    #[test]
    fn the_value_said_last_holds_in_every_order(
        values in prop::collection::vec((0_usize..3, 1_i64..6), 1..7),
        order in Just(()).prop_perturb(|(), mut random| (0..7).map(|_| random.random::<u32>()).collect::<Vec<_>>()),
    ) {
        const CITIES: [&str; 3] = ["Berlin", "Lisbon", "Porto"];
        let said: Vec<(Window, Thought)> = values
            .iter()
            .enumerate()
            .map(|(number, (city, at))| {
                (said_once(number as u128 + 1, 1, *at), place(1, CITIES[*city]))
            })
            .collect();
        let mut shuffled: Vec<usize> = (0..said.len()).collect();
        shuffled.sort_by_key(|at| order[*at]);
        let hold = |order: &[usize]| {
            let mut table = Table::default();
            for at in order {
                let (window, thought) = &said[*at];
                table.take(window, vec![thought.clone()]);
            }
            let current = table.current();
            prop_assert_eq!(current.len(), 1);
            Ok(current[0].content.clone())
        };
        let straight: Vec<usize> = (0..said.len()).collect();
        let last = values.iter().enumerate().map(|(number, (city, at))| (*at, number, *city)).max().unwrap().2;
        let last = format!("Ada lives in {}.", CITIES[last]);
        prop_assert_eq!(hold(&straight)?, last.clone());
        prop_assert_eq!(hold(&shuffled)?, last);
    }
}
