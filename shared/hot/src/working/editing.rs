//! Changing a document: what was read is written under the condition that it is still there, again and again.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::life::Lives;
use super::stored::{FORMAT, Live, MARK, MEMBERS, document_bytes, look, member_bytes};
use super::{Edited, Expected, Kept, Revision};
use crate::document::{self, Document, InvalidDocument, MOST_DOCUMENT_BYTES};
use crate::edit::{Edit, Touched, difference};
use crate::item::{
    Answer, Assignment, Change, Condition, Exchange, Item, Next, Path, Write, attribute, number, read_number,
    unchanged,
};
use crate::key::Key;

/// After how many lost races a change is given up, undone.
const MOST_ROUNDS: u8 = 100;

/// How many changed members one write names; with more, it writes all.
const MOST_NAMED: usize = 50;

/// How many of the last writers an item remembers, so that one that is sent again finds that it was carried out.
const WRITERS: usize = 8;

/// Making a change: what was read is written under the condition that it is still there, again and again.
#[derive(Debug)]
pub(crate) struct Editing<'a> {
    key: Key,
    edit: &'a Edit,
    touched: Touched,
    expected: Expected,
    writer: String,
    now: Timestamp,
    lives: Lives,
    active_until: i64,
    seen: Option<Item>,
    /// What is the answer once the write is through.
    meant: Edited,
    rounds: u8,
}

impl<'a> Editing<'a> {
    /// A change of what was `seen` under the key, by a writer that nobody else is.
    #[expect(clippy::too_many_arguments, reason = "each is a value of its own, and there is one caller")]
    pub(crate) fn new(
        key: Key,
        edit: &'a Edit,
        expected: Expected,
        writer: Uuid,
        now: Timestamp,
        lives: Lives,
        active_until: i64,
        seen: Option<Item>,
    ) -> Self {
        let (touched, writer) = (edit.touched(), writer.simple().to_string());
        let meant = Edited::Contended;
        Self { key, edit, touched, expected, writer, now, lives, active_until, seen, meant, rounds: 0 }
    }

    fn decide(&mut self) -> Next<Edited> {
        let found = look(self.seen.as_ref(), &self.touched, self.active_until, self.now);
        let is_corrupt = matches!(found, Kept::Corrupt { .. });
        let live = match found {
            Kept::Live(live) => Some(live),
            Kept::None | Kept::Expired | Kept::Corrupt { .. } => None,
        };
        if live.is_none() && matches!(self.edit, Edit::Remove { .. }) {
            return self.remove_remains();
        }
        let is_expected = match (self.expected, &live) {
            (Expected::Anything, _) | (Expected::Nothing, None) | (Expected::Something, Some(_)) => true,
            (Expected::Version(version), Some(live)) => live.revision.version == version,
            _ => false,
        };
        if !is_expected && (!self.edit.says_outcome() || self.edit.removes_all()) {
            return Next::Done(Edited::Stale);
        }
        if live.is_some() && self.edit.removes_all() {
            self.meant = Edited::Gone;
            return Next::Write(Write::new(self.key.clone(), self.is_as_seen(), Change::Delete));
        }
        let none = Document::default();
        let before = live.as_ref().map_or(&none, |live| &live.document);
        let after = match self.edit.apply(before) {
            Ok(after) => after,
            Err(_) if !is_expected => return Next::Done(Edited::Stale),
            Err(invalid) => return Next::Done(Edited::Invalid(invalid)),
        };
        let changes = difference(before, &after);
        match live {
            Some(live) if changes.is_empty() => self.keep(&live),
            // What is there already may be the same change, carried out before (RFC 9110, 13.1.1); this is another.
            _ if !is_expected => Next::Done(Edited::Stale),
            live => self.write(live.as_ref(), &after, &changes, is_corrupt),
        }
    }

    /// Nothing is different, but there was activity.
    fn keep(&mut self, live: &Live) -> Next<Edited> {
        let unchanged = |revision| Edited::Kept { revision, is_changed: false, is_healed: false };
        let Some(write) = self.lives.extended(&self.key, &live.revision, self.now) else {
            return Next::Done(unchanged(live.revision));
        };
        let expires_at = Timestamp::from_second(self.lives.ends(self.now).0).unwrap_or(Timestamp::MAX);
        self.meant = unchanged(Revision { expires_at, ..live.revision });
        Next::Write(write)
    }

    fn remove_remains(&mut self) -> Next<Edited> {
        match &self.seen {
            Some(item) if self.edit.removes_all() => {
                self.meant = Edited::Gone;
                let condition = unchanged(item, &["version", "writers", "lives_until"]);
                Next::Write(Write::new(self.key.clone(), condition, Change::Delete))
            }
            _ => Next::Done(Edited::Gone),
        }
    }

    fn write(
        &mut self,
        live: Option<&Live>,
        after: &Document,
        changes: &[(String, Option<Value>)],
        is_healed: bool,
    ) -> Next<Edited> {
        // More members than an update can name were touched only where the whole was read.
        let is_whole = live.is_none() || changes.len() > MOST_NAMED;
        let before = live.map_or(0, |live| live.bytes);
        let of = |document: &Document, name: &str| {
            document.0.get(name).map_or(0, |value| member_bytes(name, value))
        };
        let none = Document::default();
        let known = live.map_or(&none, |live| &live.document);
        let bytes = changes.iter().fold(before, |bytes, (name, _)| {
            bytes.saturating_sub(of(known, name)).saturating_add(of(after, name))
        });
        let size = document_bytes(usize::try_from(bytes).unwrap_or(0));
        if size > MOST_DOCUMENT_BYTES {
            return Next::Done(Edited::Invalid(InvalidDocument::TooLarge { bytes: size }.into()));
        }
        let last = self.seen.as_ref().and_then(|item| read_number::<i64>(item, "version")).unwrap_or(0);
        // Told from the time, so that no version comes back with a document that begins anew.
        let version = self.now.as_millisecond().max(last.saturating_add(1));
        let writers = live.iter().flat_map(|live| live.writers.iter().take(WRITERS - 1));
        let writers =
            [&self.writer].into_iter().chain(writers).map(|writer| AttributeValue::S(writer.clone()));
        let mut assignments = vec![
            Assignment::Set(attribute("format"), number(FORMAT)),
            Assignment::Set(attribute("version"), number(version)),
            Assignment::Set(attribute("bytes"), number(bytes)),
            Assignment::Set(attribute("updated_at"), number(self.now.as_millisecond())),
            Assignment::Set(attribute("writers"), AttributeValue::L(writers.collect())),
        ];
        assignments.extend(self.lives.assignments(self.now));
        let text = |value: &Value| AttributeValue::S(document::write(value));
        if is_whole {
            let members = after.0.iter().map(|(name, value)| (format!("/{name}"), text(value)));
            let mark = [(MARK.to_owned(), number(FORMAT))];
            let members: HashMap<String, AttributeValue> = members.chain(mark).collect();
            assignments.push(Assignment::Set(attribute(MEMBERS), AttributeValue::M(members)));
        } else {
            assignments.extend(changes.iter().map(|(name, value)| {
                let member = Path::Member(MEMBERS, format!("/{name}"));
                match value {
                    Some(value) => Assignment::Set(member, text(value)),
                    None => Assignment::Remove(member),
                }
            }));
        }
        let condition = match (live, &self.seen) {
            (Some(_), _) => Condition::All(vec![
                self.is_as_seen(),
                // Otherwise the members are no map, and DynamoDB would not understand what is to be written there.
                Condition::Exists(Path::Member(MEMBERS, MARK.to_owned())),
            ]),
            (None, Some(item)) => unchanged(item, &["version", "writers", "lives_until"]),
            (None, None) => Condition::NoItem,
        };
        let expires_at = Timestamp::from_second(self.lives.ends(self.now).0).unwrap_or(Timestamp::MAX);
        let revision = Revision { version, bytes: size, updated_at: self.now, expires_at };
        self.meant = Edited::Kept { revision, is_changed: true, is_healed };
        Next::Write(Write::new(self.key.clone(), condition, Change::Update(assignments)))
    }

    /// That the live document which was seen is there unchanged. Its writers tell it from one that began anew within the
    /// same millisecond.
    fn is_as_seen(&self) -> Condition {
        self.seen.as_ref().map_or(Condition::NoItem, |item| unchanged(item, &["version", "writers"]))
    }

    /// Whether a write of this very change is in the item: its answer was lost and it was sent again.
    fn is_carried_out(&self, item: &Item) -> bool {
        let writers = item.get("writers").and_then(|writers| writers.as_l().ok());
        writers.is_some_and(|writers| writers.iter().any(|writer| writer.as_s() == Ok(&self.writer)))
    }
}

impl Exchange for Editing<'_> {
    type Outcome = Edited;

    fn next(&mut self, answer: Option<Answer>) -> Next<Edited> {
        match answer {
            None => {}
            Some(Answer::Applied(_)) => return Next::Done(self.meant.clone()),
            Some(Answer::Refused(Some(item))) if self.is_carried_out(&item) => {
                return Next::Done(self.meant.clone());
            }
            Some(Answer::Refused(item)) => {
                self.seen = item;
                self.rounds += 1;
                if self.rounds >= MOST_ROUNDS {
                    return Next::Done(Edited::Contended);
                }
            }
        }
        self.decide()
    }
}
