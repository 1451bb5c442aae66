//! What the rules make of a user's memories: labelled pairs, and what must hold of any set of them.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Instant;

use domain::{ClosedBecause, Evidence, Memory, MemoryId, MemoryType, OnConflict, Scope, SessionId, Thought};
use jiff::{SignedDuration, Timestamp};
use memory_curator::{Curation, Verdict, Verdicts, curate};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use store::UserMemory;
use uuid::Uuid;

const SESSION: SessionId = SessionId(Uuid::from_u128(1));

fn now() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

fn days_ago(days: i64) -> Timestamp {
    now() - SignedDuration::from_hours(24 * days)
}

fn event(number: i64) -> Evidence {
    Evidence { session: SessionId(Uuid::from_u128(2)), version: number }
}

/// A memory that was said once, so many days ago.
fn memory(id: u128, kind: MemoryType, content: &str, data: Value, days: i64) -> UserMemory {
    UserMemory {
        memory: Memory {
            id: MemoryId(Uuid::from_u128(id)),
            kind,
            scope: Scope::User,
            key: format!("k{id}"),
            content: content.into(),
            data,
            confidence: 0.8,
            valid_from: days_ago(days),
        },
        version: 1,
        agent: "agent".into(),
        session: Some(SESSION),
        pinned: false,
        access_count: 0,
        last_accessed_at: None,
        created_at: days_ago(days),
        updated_at: days_ago(days),
        evidence: vec![(event(i64::try_from(id).unwrap()), days_ago(days))],
    }
}

fn by_rules(memories: &[UserMemory]) -> Curation {
    curate(memories, SESSION, now(), &Verdicts::new())
}

fn closed(curation: &Curation) -> Vec<(u128, ClosedBecause, Option<u128>)> {
    let id = |memory: MemoryId| memory.0.as_u128();
    curation.closings.iter().map(|closing| (id(closing.memory), closing.reason, closing.by.map(id))).collect()
}

/// The user's memories once a curation has been carried out, as the store would.
fn carried_out(memories: &[UserMemory], curation: &Curation) -> Vec<UserMemory> {
    let mut left: Vec<UserMemory> = memories.to_vec();
    for thought in &curation.thoughts {
        let is_meant = |memory: &&mut UserMemory| {
            let Memory { kind, scope, key, .. } = &memory.memory;
            (*kind, *scope, key) == (thought.kind, thought.scope, &thought.key)
        };
        let stays = left.iter_mut().find(is_meant).unwrap();
        assert_eq!(thought.on_conflict, OnConflict::Merge);
        assert_eq!((&thought.content, thought.confidence), (&stays.memory.content, stays.memory.confidence));
        assert!(!thought.elsewhere.is_empty() && thought.evidence.is_empty());
        stays.memory.data = thought.data.clone();
        stays.memory.valid_from = stays.memory.valid_from.min(thought.since.unwrap());
        let times: BTreeMap<Evidence, Timestamp> =
            memories.iter().flat_map(|memory| memory.evidence.clone()).collect();
        let new = thought.elsewhere.iter().map(|event| (*event, times[event]));
        let all: BTreeSet<_> =
            stays.evidence.iter().copied().chain(new).map(|(event, at)| (at, event)).collect();
        stays.evidence = all.into_iter().map(|(at, event)| (event, at)).collect();
    }
    left.retain(|memory| curation.closings.iter().all(|closing| closing.memory != memory.memory.id));
    left
}

#[derive(Debug, serde::Deserialize)]
struct Pair {
    label: String,
    r#type: MemoryType,
    older: Said,
    newer: Said,
}

#[derive(Debug, serde::Deserialize)]
struct Said {
    content: String,
    #[serde(default)]
    data: Value,
}

#[test]
fn labelled_pairs_are_told_apart() {
    let mut of_label: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for line in include_str!("pairs.jsonl").lines() {
        let pair: Pair = serde_json::from_str(line).unwrap();
        let of = |said: &Said, id, days| {
            let data = if said.data.is_null() { json!({}) } else { said.data.clone() };
            memory(id, pair.r#type, &said.content, data, days)
        };
        let memories = [of(&pair.older, 10, 9), of(&pair.newer, 11, 2)];
        let curation = by_rules(&memories);
        let decided = match closed(&curation)[..] {
            [(_, ClosedBecause::Duplicate, _)] => "duplicate",
            [(10, ClosedBecause::Contradicted, Some(11))] => "contradiction",
            [] => "different",
            ref other => panic!("{pair:?}: {other:?}"),
        };
        *left.entry(pair.label.clone()).or_default() += curation.undecided.len();
        let both = format!("{} / {}", pair.older.content, pair.newer.content);
        of_label.entry((pair.label, decided)).or_default().push(both);
    }
    let count = |label: &str, decided: &str| -> usize {
        let of = of_label.iter().filter(|((is, says), _)| {
            (label.is_empty() || is == label) && (decided.is_empty() || *says == decided)
        });
        of.map(|(_, pairs)| pairs.len()).sum()
    };
    let mut report = String::new();
    for label in ["duplicate", "contradiction"] {
        let (right, decided, all) = (count(label, label), count("", label), count(label, ""));
        let left = left[label];
        writeln!(
            report,
            "{label}: {right} of {decided} right, {right} of {all} found, {left} left to a model"
        )
        .unwrap();
    }
    writeln!(
        report,
        "different: {} of {} kept apart, {} left to a model",
        count("different", "different"),
        count("different", ""),
        left["different"]
    )
    .unwrap();
    for ((label, decided), pairs) in of_label.iter().filter(|((label, decided), _)| label != decided) {
        writeln!(report, "\n{label}, decided {decided}:\n  {}", pairs.join("\n  ")).unwrap();
    }
    insta::assert_snapshot!(report);
}

fn fact(id: u128, attribute: &str, value: &str, polarity: &str, days: i64) -> UserMemory {
    let data = json!({"speaker": "Ada", "attribute": attribute, "value": value, "polarity": polarity});
    memory(id, MemoryType::Fact, &format!("Ada {attribute} {value} {polarity}"), data, days)
}

fn entity(id: u128, kind: &str, name: &str, aliases: &[&str], days: i64) -> UserMemory {
    let data = json!({"kind": kind, "name": name, "aliases": aliases});
    memory(id, MemoryType::Entity, &format!("{name} ({kind})."), data, days)
}

#[test]
fn of_repeats_the_one_with_more_evidence_takes_over_the_rest() {
    let mut strong = entity(1, "person", "Mel", &["Mel"], 9);
    strong.evidence.push((event(70), days_ago(3)));
    let weak = entity(2, "person", "Melanie", &["Mel"], 30);
    let curation = by_rules(&[strong.clone(), weak]);
    assert_eq!(closed(&curation), [(2, ClosedBecause::Duplicate, Some(1))]);
    assert_eq!((curation.closings[0].version, curation.closings[0].at), (1, now()));
    let [evidence, names]: [Thought; 2] = curation.thoughts.try_into().unwrap();
    assert_eq!((evidence.elsewhere.as_slice(), &evidence.data), (&[event(2)][..], &strong.memory.data));
    assert_eq!(evidence.since, Some(days_ago(30)));
    assert_eq!(names.data, json!({"kind": "person", "name": "Mel", "aliases": ["Mel", "Melanie"]}));
}

#[test]
fn pinned_memories_stay_whatever_is_said_against_them() {
    let (mut old, new) = (fact(1, "home", "Lisbon", "positive", 30), fact(2, "home", "Porto", "positive", 3));
    old.pinned = true;
    assert_eq!(by_rules(&[old, new.clone()]).closings, []);
    let mut repeated = fact(3, "home", "porto", "positive", 40);
    repeated.pinned = true;
    let mut other = fact(4, "home", "Porto", "positive", 50);
    other.pinned = true;
    assert_eq!(closed(&by_rules(&[new, repeated, other])), [(2, ClosedBecause::Duplicate, Some(4))]);
}

#[test]
fn what_was_said_last_holds_since_it_was_said() {
    let mut likes = fact(1, "likes", "jazz", "positive", 60);
    let denies = fact(2, "likes", "jazz", "negative", 30);
    let curation = by_rules(&[likes.clone(), denies.clone()]);
    assert_eq!(closed(&curation), [(1, ClosedBecause::Contradicted, Some(2))]);
    assert_eq!(curation.closings[0].at, days_ago(30));
    likes.evidence.push((event(90), days_ago(5)));
    let curation = by_rules(&[likes, denies]);
    assert_eq!(closed(&curation), [(2, ClosedBecause::Contradicted, Some(1))]);
    assert_eq!(curation.closings[0].at, days_ago(5), "since it was said again");
}

#[test]
fn said_at_the_same_time_neither_takes_back_the_other() {
    let both = [fact(1, "home", "Lisbon", "positive", 30), fact(2, "home", "Porto", "positive", 30)];
    assert_eq!(by_rules(&both), Curation::default());
}

#[test]
fn a_repeat_of_what_was_taken_back_is_taken_back_too() {
    let memories = [
        fact(1, "likes", "jazz", "positive", 60),
        fact(2, "likes", "the jazz", "positive", 50),
        fact(3, "likes", "jazz", "negative", 30),
        fact(4, "likes", "a jazz", "negative", 20),
    ];
    let curation = by_rules(&memories);
    let because = ClosedBecause::Contradicted;
    assert_eq!(
        closed(&curation),
        [(1, because, Some(3)), (2, because, Some(3)), (4, ClosedBecause::Duplicate, Some(3))]
    );
}

#[test]
fn a_name_that_fits_two_belongs_to_neither() {
    let bare = entity(1, "person", "Caroline", &["Caroline"], 9);
    let smith = entity(2, "person", "Caroline Smith", &["Caroline Smith"], 8);
    let jones = entity(3, "person", "Caroline Jones", &["Caroline Jones"], 7);
    assert_eq!(closed(&by_rules(&[bare.clone(), smith.clone()])), [(2, ClosedBecause::Duplicate, Some(1))]);
    assert_eq!(by_rules(&[bare, smith, jones]), Curation::default());
}

#[test]
fn an_account_that_fits_two_belongs_to_neither() {
    let of = |id, content| memory(id, MemoryType::Fact, content, json!({}), 5);
    let plain = of(1, "Ada paints watercolour landscapes beside quiet rivers alone");
    let early = of(2, "Ada paints watercolour landscapes beside quiet rivers alone happily");
    let late = of(3, "Ada paints watercolour landscapes beside quiet rivers alone sadly");
    assert_eq!(by_rules(&[plain.clone(), early.clone()]).closings.len(), 1);
    assert_eq!(by_rules(&[plain, early, late]).closings, []);
}

#[test]
fn what_belongs_to_a_session_is_joined_within_it_alone() {
    let action = |id, session| {
        let mut action =
            memory(id, MemoryType::Action, "Ada will call", json!({"what": "call", "status": "open"}), 5);
        (action.memory.scope, action.session) = (Scope::Session, Some(session));
        action
    };
    let elsewhere = SessionId(Uuid::from_u128(3));
    assert_eq!(by_rules(&[action(1, SESSION), action(2, SESSION)]).closings.len(), 1);
    assert_eq!(by_rules(&[action(1, SESSION), action(2, elsewhere)]).closings, []);
    assert_eq!(by_rules(&[action(1, elsewhere), action(2, elsewhere)]).closings, []);
}

#[test]
fn what_nobody_says_or_asks_for_fades() {
    let of = |kind, data| memory(1, kind, "Ada", data, 100);
    let action = |kind, status| of(MemoryType::Action, json!({"kind": kind, "status": status}));
    let name = of(MemoryType::Entity, json!({"kind": "person", "name": "Tim", "aliases": []}));
    let dated = |end| of(MemoryType::Entity, json!({"kind": "date", "name": end, "start": end, "end": end}));
    for fades in [
        name.clone(),
        dated("2026-08-01"),
        action("commitment", "done"),
        action("question", "open"),
        of(MemoryType::Pattern, json!({})),
    ] {
        let curation = by_rules(std::slice::from_ref(&fades));
        assert_eq!(closed(&curation), [(1, ClosedBecause::Faded, None)], "{fades:?}");
        assert_eq!((curation.thoughts, curation.closings[0].at), (vec![], now()));
    }
    let mut recalled = name.clone();
    (recalled.last_accessed_at, recalled.access_count) = (Some(days_ago(20)), 1);
    let mut said_again = name.clone();
    said_again.evidence.push((event(70), days_ago(20)));
    let mut often = name.clone();
    often.evidence.extend([(event(71), days_ago(150)), (event(72), days_ago(160))]);
    let mut pinned = name.clone();
    pinned.pinned = true;
    let mut imported = name;
    imported.created_at = days_ago(10);
    for stays in [
        recalled,
        said_again,
        often,
        pinned,
        imported,
        dated("2026-12-24"),
        dated("2026-07-01"),
        action("commitment", "open"),
        of(MemoryType::Fact, json!({})),
        of(MemoryType::Preference, json!({})),
        of(MemoryType::Summary, json!({})),
        of(MemoryType::Sentiment, json!({})),
    ] {
        assert_eq!(by_rules(std::slice::from_ref(&stays)), Curation::default(), "{stays:?}");
    }
}

#[test]
fn no_run_closes_more_than_two_hundred() {
    let memories: Vec<UserMemory> =
        (1..500).map(|id| entity(id, "person", &format!("Tim {id}"), &[], 100)).collect();
    let first = by_rules(&memories);
    assert_eq!(first.closings.len(), 200);
    let second = by_rules(&carried_out(&memories, &first));
    assert_eq!(second.closings.len(), 200);
}

#[test]
fn what_words_suggest_is_left_undecided_while_it_is_new() {
    let of = |id, content, days| memory(id, MemoryType::Fact, content, json!({}), days);
    let pair = [of(1, "The choir meets at 3 on Fridays", 40), of(2, "The choir meets at 4 on Fridays", 2)];
    let curation = by_rules(&pair);
    let [undecided] = curation.undecided[..] else { panic!("{curation:?}") };
    assert_eq!((undecided.older, undecided.newer), (pair[0].memory.id, pair[1].memory.id));
    assert!(undecided.may_contradict && !undecided.may_repeat, "3 is not 4");
    let old = [of(1, "The choir meets at 3 on Fridays", 40), of(2, "The choir meets at 4 on Fridays", 20)];
    assert_eq!(by_rules(&old), Curation::default());

    let verdict = |verdict| {
        let verdicts = [((undecided.older, undecided.newer), verdict)].into();
        curate(&pair, SESSION, now(), &verdicts)
    };
    assert_eq!(closed(&verdict(Verdict::Contradiction)), [(1, ClosedBecause::Contradicted, Some(2))]);
    assert_eq!(verdict(Verdict::Duplicate), Curation::default(), "a verdict that is not open for the pair");
    assert_eq!(verdict(Verdict::Different), Curation::default());
}

/// When a memory was made, the events it came from, how often it was recalled, whether it is pinned.
type History = (i64, Vec<i64>, i64, bool);

fn drawn(id: u128, shape: (MemoryType, String, Value), history: History, of_session: bool) -> UserMemory {
    let ((kind, content, data), (days, evidence, accesses, pinned)) = (shape, history);
    let mut memory = memory(id, kind, &content, data, days);
    let events: BTreeMap<Evidence, Timestamp> =
        evidence.into_iter().map(|version| (event(version), days_ago(version * 15))).collect();
    memory.evidence.extend(events);
    memory.evidence.sort_by_key(|(event, at)| (*at, *event));
    (memory.access_count, memory.pinned) = (accesses, pinned);
    if of_session {
        memory.memory.scope = Scope::Session;
    }
    memory
}

/// Memories that have much to do with each other.
fn memories() -> impl Strategy<Value = Vec<UserMemory>> {
    let texts = select(vec![
        "Ada likes tea",
        "ada really likes tea!",
        "Ada does not like tea",
        "Ada likes tea and cake",
        "Ada likes cake and tea",
        "Ada paints watercolour landscapes beside quiet rivers alone",
        "Ada paints watercolour landscapes beside quiet rivers alone happily",
        "Ada paints watercolour landscapes beside quiet rivers alone sadly",
        "The choir meets at 3",
        "The choir meets at 4",
        "of it",
    ]);
    let names =
        select(vec!["Caroline", "Caroline Smith", "Caroline Jones", "Carol", "Porto", "Porto Alegre"]);
    let said = (
        select(vec!["Ada", "Bob"]),
        select(vec!["likes", "home", "pet", "prefers"]),
        names.clone(),
        names.clone(),
    );
    let polarity = select(vec!["positive", "negative", "ended"]);
    let kind = select(MemoryType::ALL.to_vec());
    let shape = prop_oneof![
        (kind, texts.clone()).prop_map(|(kind, text)| (kind, text.to_owned(), json!({"status": "done"}))),
        (said, polarity).prop_map(|((speaker, attribute, value, detail), polarity)| {
            let data = json!({"speaker": speaker, "attribute": attribute, "value": value, "detail": detail, "polarity": polarity});
            (MemoryType::Fact, format!("{speaker} {attribute} {value}"), data)
        }),
        (names.clone(), prop::collection::vec(names, 0..3), select(vec!["person", "place"])).prop_map(
            |(name, aliases, kind)| {
                let data = json!({"kind": kind, "name": name, "aliases": aliases});
                (MemoryType::Entity, name.to_owned(), data)
            }
        ),
    ];
    let history = (0_i64..200, prop::collection::vec(0_i64..12, 0..4), 0_i64..3, prop::bool::weighted(0.1));
    let session = prop::bool::weighted(0.2);
    prop::collection::vec((shape, history, session), 0..24).prop_map(|all| {
        all.into_iter()
            .zip(100..)
            .map(|((shape, history, of_session), id)| drawn(id, shape, history, of_session))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_known_is_kept_in_order(
        memories in memories(),
        rotate in any::<Index>(),
        said in prop::collection::vec((any::<Index>(), select(vec![Verdict::Duplicate, Verdict::Contradiction, Verdict::Different])), 0..6),
    ) {
        let undecided = by_rules(&memories).undecided;
        let verdicts: Verdicts = said
            .iter()
            .filter(|_| !undecided.is_empty())
            .map(|(at, verdict)| (at.get(&undecided), verdict))
            .map(|(pair, verdict)| ((pair.older, pair.newer), *verdict))
            .collect();
        for verdicts in [Verdicts::new(), verdicts] {
            let curation = curate(&memories, SESSION, now(), &verdicts);

            let mut other = memories.clone();
            other.rotate_left(rotate.index(memories.len().max(1)));
            other.reverse();
            prop_assert_eq!(&curate(&other, SESSION, now(), &verdicts), &curation, "in any order the same");

            let left = carried_out(&memories, &curation);
            if verdicts.is_empty() {
                let again = by_rules(&left);
                prop_assert_eq!(&again.closings, &[], "once carried out there is nothing left to do");
                prop_assert_eq!(&again.thoughts, &[]);
            }

            let held: BTreeMap<MemoryId, &UserMemory> =
                left.iter().map(|memory| (memory.memory.id, memory)).collect();
            for closing in &curation.closings {
                let memory = memories.iter().find(|memory| memory.memory.id == closing.memory).unwrap();
                prop_assert!(!memory.pinned && closing.at >= memory.memory.valid_from);
                prop_assert_eq!(closing.by.is_none(), closing.reason == ClosedBecause::Faded);
                let Some(by) = closing.by else { continue };
                let by = held.get(&by).expect("what takes the place of a memory holds");
                prop_assert_eq!(by.memory.kind, memory.memory.kind);
                if closing.reason == ClosedBecause::Duplicate {
                    let all: BTreeSet<Evidence> = by.evidence.iter().map(|(event, _)| *event).collect();
                    prop_assert!(memory.evidence.iter().all(|(event, _)| all.contains(event)));
                }
            }
        }
    }
}

/// Five thousand memories of a talkative user, many alike: how long the rules take. Run it with `--release --ignored
/// --nocapture`.
#[test]
#[ignore = "a measurement"]
fn five_thousand_memories() {
    let subjects = ["Ada", "Bob", "Caroline", "Dan", "Eve"];
    let verbs = ["likes", "paints", "visited", "bought", "wants", "lost", "found", "cooks"];
    let things = [
        "tea", "a dog", "the river", "old books", "Lisbon", "red shoes", "a bicycle", "bread", "jazz", "maps",
    ];
    let memories: Vec<UserMemory> = (0..5000_u128)
        .map(|id| {
            let pick =
                |from: &[&str], by: u128| from[usize::try_from(id / by).unwrap() % from.len()].to_owned();
            let content = format!(
                "{} {} {} near {} with {} on day {}",
                pick(&subjects, 1),
                pick(&verbs, 5),
                pick(&things, 40),
                pick(&things, 7),
                pick(&things, 13),
                id % 900
            );
            match id % 3 {
                0 => memory(id, MemoryType::Preference, &content, json!({}), 10),
                1 => memory(id, MemoryType::Fact, &content, json!({}), 10),
                _ => entity(id, "person", &format!("{} {}", pick(&subjects, 3), id % 700), &[], 10),
            }
        })
        .collect();
    let started = Instant::now();
    let curation = by_rules(&memories);
    println!(
        "{} memories: {} closings, {} undecided, {:?}",
        memories.len(),
        curation.closings.len(),
        curation.undecided.len(),
        started.elapsed()
    );
}
