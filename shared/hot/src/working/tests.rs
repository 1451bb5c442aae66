use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::stored::{Live, MEMBERS};
use super::*;
use crate::document::{InvalidDocument, MOST_DOCUMENT_BYTES};
use crate::edit::Operations;
use crate::item::{Answer, number};
use crate::model::{Call, Dice, Table, Turn, interleavings};

const BEGAN: i64 = 1_800_000_000;
const HOUR: i64 = 3600;
const LIVES: Lives = Lives { time: Duration::from_hours(2), kept: Duration::from_hours(24) };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key() -> Key {
    Key::working_memory(&TenantId::new("acme").unwrap(), &UserId::new("ada").unwrap(), "chat")
}

fn set(path: &str, value: &str) -> Edit {
    Edit::Set { path: PathTo::read(path).unwrap(), value: Part::read(value).unwrap() }
}

fn merge(patch: &str) -> Edit {
    Edit::Merge { path: PathTo::default(), patch: Part::read(patch).unwrap() }
}

fn patch(operations: &str) -> Edit {
    Edit::Patch(Operations::read(operations).unwrap())
}

fn remove(path: &str) -> Edit {
    Edit::Remove { path: PathTo::read(path).unwrap() }
}

fn editing<'a>(
    table: &Table,
    edit: &'a Edit,
    expected: Expected,
    writer: u128,
    now: i64,
) -> Call<Editing<'a>> {
    let seen = table.get(&key()).cloned();
    Call::new(Editing::new(key(), edit, expected, Uuid::from_u128(writer), at(now), LIVES, 0, seen))
}

fn edited(table: &mut Table, edit: &Edit, expected: Expected, now: i64) -> Edited {
    editing(table, edit, expected, 1, now).finish(table)
}

fn found(table: &Table, now: i64) -> Kept<Live> {
    look(table.get(&key()), &Touched::Whole, 0, at(now))
}

fn live(table: &Table, now: i64) -> Option<Live> {
    match found(table, now) {
        Kept::Live(live) => Some(live),
        _ => None,
    }
}

fn text(table: &Table, now: i64) -> String {
    live(table, now).map(|live| live.document.to_string()).unwrap_or_default()
}

fn version(table: &Table, now: i64) -> i64 {
    live(table, now).unwrap().revision.version
}

#[test]
fn a_document_is_put_read_patched_and_taken_away() {
    let mut table = Table::default();
    assert_eq!(found(&table, BEGAN), Kept::None);
    let put = edited(&mut table, &set("", r#"{"a":{"b":1},"c":[1]}"#), Expected::Anything, BEGAN);
    let Edited::Kept { revision, is_changed: true, is_healed: false } = put else { panic!("{put:?}") };
    assert_eq!((revision.version, revision.bytes), (BEGAN * 1000, 21));
    assert_eq!(revision.expires_at, at(BEGAN + 2 * HOUR));
    edited(&mut table, &merge(r#"{"a":{"b":null,"d":2}}"#), Expected::Anything, BEGAN);
    edited(&mut table, &patch(r#"[{"op":"add","path":"/c/-","value":2}]"#), Expected::Anything, BEGAN);
    assert_eq!(text(&table, BEGAN), r#"{"a":{"d":2},"c":[1,2]}"#);
    assert_eq!(live(&table, BEGAN).unwrap().revision.bytes, 23);
    assert_eq!(version(&table, BEGAN), BEGAN * 1000 + 2);
    edited(&mut table, &remove("/a"), Expected::Anything, BEGAN + 1);
    assert_eq!(text(&table, BEGAN), r#"{"c":[1,2]}"#);
    assert_eq!(version(&table, BEGAN), BEGAN * 1000 + 1000);
    for _ in 0..2 {
        assert_eq!(
            edited(&mut table, &remove(""), Expected::Version(BEGAN * 1000 + 1000), BEGAN),
            Edited::Gone
        );
    }
    assert_eq!(found(&table, BEGAN), Kept::None);
}

#[test]
fn a_stale_version_changes_nothing_unless_it_is_so_already() {
    let mut table = Table::default();
    let put = set("", r#"{"a":1}"#);
    edited(&mut table, &put, Expected::Nothing, BEGAN);
    let first = Expected::Version(version(&table, BEGAN));
    edited(&mut table, &set("/a", "2"), first, BEGAN);
    for stale in [set("/a", "3"), merge(r#"{"a":3}"#), patch("[]"), remove("/a"), remove("")] {
        assert_eq!(edited(&mut table, &stale, first, BEGAN), Edited::Stale, "{stale:?}");
        assert_eq!(edited(&mut table, &stale, Expected::Nothing, BEGAN), Edited::Stale, "{stale:?}");
    }
    assert_eq!(edited(&mut table, &set("/x/y", "3"), first, BEGAN), Edited::Stale, "before it is invalid");
    let again = edited(&mut table, &set("/a", "2"), first, BEGAN);
    assert!(matches!(again, Edited::Kept { is_changed: false, .. }), "{again:?}");
    let gone = edited(&mut table, &remove("/b"), first, BEGAN);
    assert!(matches!(gone, Edited::Kept { is_changed: false, .. }), "it is gone already: {gone:?}");
    assert_eq!(text(&table, BEGAN), r#"{"a":2}"#);
    let other = edited(&mut Table::default(), &merge("{}"), first, BEGAN);
    assert_eq!(other, Edited::Stale, "a version of nothing");
}

#[test]
fn what_lives_is_extended_when_a_quarter_of_its_life_has_passed() {
    let mut table = Table::default();
    let put = set("", "{}");
    edited(&mut table, &put, Expected::Anything, BEGAN);
    let revision = live(&table, BEGAN).unwrap().revision;
    assert_eq!(LIVES.extended(&key(), &revision, at(BEGAN + HOUR / 2 - 1)), None);
    let write = LIVES.extended(&key(), &revision, at(BEGAN + HOUR / 2)).unwrap();
    table.apply(&write);
    let extended = live(&table, BEGAN).unwrap().revision;
    assert_eq!(extended, Revision { expires_at: at(BEGAN + 2 * HOUR + HOUR / 2), ..revision });
    edited(&mut table, &put, Expected::Anything, BEGAN + HOUR);
    assert_eq!(
        live(&table, BEGAN).unwrap().revision,
        Revision { expires_at: at(BEGAN + 3 * HOUR), ..revision },
        "the same again is activity and no change"
    );
    let late = LIVES.extended(&key(), &revision, at(BEGAN + HOUR / 2)).unwrap();
    assert!(matches!(table.apply(&late), Answer::Refused(_)), "a life is never cut short");
}

#[test]
fn an_end_is_an_end_although_the_item_is_still_there() {
    let mut table = Table::default();
    edited(&mut table, &set("", r#"{"a":1}"#), Expected::Anything, BEGAN);
    let before = version(&table, BEGAN);
    let late = BEGAN + 2 * HOUR;
    assert!(live(&table, late - 1).is_some());
    assert_eq!(found(&table, late), Kept::Expired);
    let item = table.get(&key()).cloned();
    assert!(
        matches!(look(item.as_ref(), &Touched::Whole, late + 1, at(late)), Kept::Live(_)),
        "the session was active"
    );
    assert_eq!(edited(&mut table, &merge(r#"{"b":2}"#), Expected::Version(before), late), Edited::Stale);
    edited(&mut table, &merge(r#"{"b":2}"#), Expected::Nothing, late);
    assert_eq!(text(&table, late), r#"{"b":2}"#);
    assert!(version(&table, late) > before);
}

#[test]
fn an_item_gone_bad_gives_way_to_the_next_write() {
    for how in 0..TAMPERINGS {
        let mut table = Table::default();
        edited(&mut table, &set("", r#"{"a":1,"b":2}"#), Expected::Anything, BEGAN);
        table.tamper(&key(), |item| tamper(item, how));
        assert!(matches!(found(&table, BEGAN), Kept::Corrupt { .. }), "{how}");
        let healed = edited(&mut table, &merge(r#"{"a":3}"#), Expected::Anything, BEGAN + 1);
        assert!(matches!(healed, Edited::Kept { is_healed: true, is_changed: true, .. }), "{healed:?}");
        assert_eq!(text(&table, BEGAN + 1), r#"{"a":3}"#);
        table.tamper(&key(), |item| tamper(item, how));
        assert_eq!(edited(&mut table, &remove(""), Expected::Anything, BEGAN), Edited::Gone);
        assert_eq!(found(&table, BEGAN), Kept::None);
    }
}

#[test]
fn a_document_that_grows_over_the_limit_by_parts_stays_as_it_is() {
    let mut table = Table::default();
    let half = format!("\"{}\"", "x".repeat(MOST_DOCUMENT_BYTES / 2));
    edited(&mut table, &set("", &format!(r#"{{"a":{half}}}"#)), Expected::Anything, BEGAN);
    let over = edited(&mut table, &merge(&format!(r#"{{"b":{half}}}"#)), Expected::Anything, BEGAN);
    let Edited::Invalid(problem) = over else { panic!("{over:?}") };
    let exact = 2 * (MOST_DOCUMENT_BYTES / 2 + 2 + 4) + 2 + 1;
    assert_eq!(problem, InvalidDocument::TooLarge { bytes: exact }.into());
    edited(&mut table, &merge(&format!(r#"{{"a":null,"b":{half}}}"#)), Expected::Anything, BEGAN);
    assert_eq!(live(&table, BEGAN).unwrap().document.0.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn more_members_than_a_write_can_name_are_written_as_a_whole() {
    let mut table = Table::default();
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|at| format!(r#""m{at}":{at}"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    edited(&mut table, &merge(r#"{"x":1}"#), Expected::Anything, BEGAN);
    edited(&mut table, &merge(&many(200)), Expected::Anything, BEGAN);
    assert_eq!(live(&table, BEGAN).unwrap().document.0.len(), 201);
    edited(&mut table, &set("", "{}"), Expected::Anything, BEGAN);
    assert_eq!((text(&table, BEGAN), live(&table, BEGAN).unwrap().revision.bytes), ("{}".to_owned(), 2));
}

const TAMPERINGS: u32 = 6;

fn tamper(item: &mut Item, how: u32) {
    let (name, value) = match how {
        0 => ("version", AttributeValue::S("one".into())),
        1 => ("format", number(99)),
        2 => (MEMBERS, AttributeValue::S("{".into())),
        3 => (MEMBERS, AttributeValue::M([("/a".to_owned(), AttributeValue::S("{".into()))].into())),
        4 => ("lives_until", AttributeValue::Bool(true)),
        _ => ("writers", AttributeValue::Null(true)),
    };
    item.insert(name.to_owned(), value);
}

/// Its clock when it asked, what it wants, and whether that took effect.
struct Worker<'a> {
    skew: i64,
    call: Option<Running<'a>>,
}

struct Running<'a> {
    call: Call<Editing<'a>>,
    edit: &'a Edit,
    expected: Expected,
    now: i64,
    effects: u32,
    /// Whether an item went bad while it was at work: what it read is then not what it writes to.
    is_disturbed: bool,
}

/// Every change takes effect at one moment, on what is there then, once when it is acknowledged and never when it is
/// refused, whoever else writes, dies or is told of an error in between.
fn one_interleaving(edits: &[Edit], script: &mut dyn Iterator<Item = Dice>) -> TestCaseResult {
    let mut table = Table::default();
    let mut now = BEGAN;
    let mut workers: Vec<Worker<'_>> = (0..3).map(|_| Worker { skew: 0, call: None }).collect();
    for (writer, mut dice) in script.enumerate() {
        now += dice.one_of([0, 0, 1, 60]);
        match dice.roll(24) {
            0 => now += HOUR,
            1 => now += 3 * HOUR,
            2 => table.delete_expired(now),
            3 => table.lose_everything(),
            4 => {
                let how = dice.roll(TAMPERINGS);
                table.tamper(&key(), |item| tamper(item, how));
                workers
                    .iter_mut()
                    .filter_map(|worker| worker.call.as_mut())
                    .for_each(|call| call.is_disturbed = true);
            }
            5 => workers[dice.roll(3) as usize].skew = dice.one_of([0, 60, -60, 3 * HOUR]),
            _ => {}
        }
        let worker = &mut workers[dice.roll(3) as usize];
        let Some(running) = &mut worker.call else {
            let edit = &edits[dice.roll(60) as usize];
            let its_now = now + worker.skew;
            let expected = match (dice.roll(3), live(&table, its_now)) {
                (0, Some(live)) => Expected::Version(live.revision.version),
                (0, None) => Expected::Nothing,
                _ => Expected::Anything,
            };
            let call = editing(&table, edit, expected, writer as u128, its_now);
            worker.call =
                Some(Running { call, edit, expected, now: its_now, effects: 0, is_disturbed: false });
            continue;
        };
        let before = table.get(&key()).cloned();
        let was = live(&table, running.now);
        let turn = running.call.turn(&mut table, dice.fate());
        let is = live(&table, running.now);
        let content = |live: &Option<Live>| live.as_ref().map(|live| live.document.clone());
        if table.get(&key()) != before.as_ref() && content(&was) != content(&is) {
            running.effects += 1;
            if !running.is_disturbed {
                let from = content(&was).unwrap_or_default();
                let expected = (!running.edit.removes_all()).then(|| running.edit.apply(&from).unwrap());
                prop_assert_eq!(content(&is), expected, "{:?} of {:?}", running.edit, was);
            }
            match (running.expected, &was) {
                (Expected::Version(version), Some(was)) => prop_assert_eq!(was.revision.version, version),
                (Expected::Version(_), None) | (Expected::Nothing, Some(_)) if !running.is_disturbed => {
                    prop_assert!(false, "{:?} of {:?}", running.expected, was);
                }
                _ => {}
            }
            if let (Some(was), Some(is)) = (&was, &is) {
                prop_assert!(is.revision.version > was.revision.version);
            }
            if let Some(is) = &is {
                prop_assert_eq!(is.revision.bytes, is.document.bytes());
            }
        }
        prop_assert!(running.effects <= 1, "{:?} took effect twice", running.edit);
        match turn {
            Turn::GoesOn => continue,
            Turn::Done(Edited::Kept { is_changed: true, is_healed, .. }) => {
                // What heals an item may leave what counted as nothing before.
                prop_assert!(
                    running.effects == 1 || is_healed || running.is_disturbed || content(&was).is_none(),
                    "{:?}",
                    running.edit
                );
            }
            Turn::Done(Edited::Kept { is_changed: false, .. }) => prop_assert_eq!(running.effects, 0),
            // What is gone may have been gone when it was read, and begun anew since.
            Turn::Done(Edited::Gone) | Turn::Failed | Turn::Died => {}
            Turn::Done(_) => prop_assert_eq!(running.effects, 0, "refused and yet done: {:?}", running.edit),
        }
        worker.call = None;
    }
    let later = now + 100 * HOUR;
    let last = set("", r#"{"last":true}"#);
    let edited = edited(&mut table, &last, Expected::Anything, later);
    prop_assert!(matches!(edited, Edited::Kept { is_changed: true, .. }), "{:?}", edited);
    prop_assert_eq!(text(&table, later), r#"{"last":true}"#);
    Ok(())
}

#[test]
fn every_change_takes_effect_once_on_what_is_there_or_not_at_all_whatever_happens() {
    let edits: Vec<Edit> = (0..60)
        .map(|at| match at % 6 {
            0 => set("", &format!(r#"{{"log":[{at}],"n":1e400}}"#)),
            1 => merge(&format!(r#"{{"m{at}":{at},"gone":null}}"#)),
            2 | 3 => patch(&format!(r#"[{{"op":"add","path":"/log/-","value":{at}}}]"#)),
            4 => set("/log", &format!("[{at}]")),
            _ => remove(if at % 4 == 1 { "" } else { "/log" }),
        })
        .collect();
    interleavings(|script| one_interleaving(&edits, script));
}
