//! What an application keeps while it works: the working memory of a session and the state of its tools, JSON documents.
//!
//! Each top-level member of a document is a value of its own within the item, so a part is read, and written, without the
//! rest. Members hold JSON text: DynamoDB's own numbers and nesting have narrower limits than JSON.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{TenantId, UserId};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::context::session_activity;
use crate::document::{self, Document, InvalidDocument, MOST_DOCUMENT_BYTES, Part};
use crate::edit::{Edit, InvalidEdit, PathTo, Touched, difference};
use crate::item::{
    Answer, Assignment, Change, Condition, Exchange, Item, Next, Path, Write, attribute, number, read_number,
    unchanged,
};
use crate::key::Key;
use crate::lifetime::expiry;
use crate::tool::MOST_TOOLS;
use crate::{Error, Hot, Lifetimes};

/// The version of the item's shape. An item of another one is [`Kept::Corrupt`] and gets overwritten.
const FORMAT: i64 = 1;
/// Where the item holds the members.
const MEMBERS: &str = "members";
/// A member of every item that no document has: where it is, the members are a map, and what is missing is not there.
const MARK: &str = ".";
/// What is read of every item.
const ABOUT: [&str; 8] = ["pk", "sk", "format", "version", "bytes", "updated_at", "lives_until", "writers"];
/// After how many lost races a change is given up, undone.
const MOST_ROUNDS: u8 = 100;
/// How many changed members one write names; with more, it writes all.
const MOST_NAMED: usize = 50;
/// How many of the last writers an item remembers, so that one that is sent again finds that it was carried out.
const WRITERS: usize = 8;

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentKey<'a> {
    /// Whose session.
    pub tenant: &'a TenantId,
    /// The user.
    pub user: &'a UserId,
    /// The session, which need not exist in the log yet.
    pub session_name: &'a str,
    /// Which of the session's documents.
    pub kind: DocumentKind<'a>,
}

/// Which of a session's documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind<'a> {
    /// The working memory: there is one.
    WorkingMemory,
    /// The state of the tool of this name.
    ToolState(&'a str),
}

impl DocumentKey<'_> {
    pub(crate) fn key(&self) -> Key {
        match self.kind {
            DocumentKind::WorkingMemory => Key::working_memory(self.tenant, self.user, self.session_name),
            DocumentKind::ToolState(name) => Key::tool(self.tenant, self.user, self.session_name, name),
        }
    }
}

/// What is known of a document beside its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// Grows with every change, also over an end and a new beginning: the milliseconds since 1970, or one more than before.
    pub version: i64,
    /// How many bytes it takes as compact JSON.
    pub bytes: usize,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Until when it lives, unless there is activity before.
    pub expires_at: Timestamp,
}

/// A part of a document as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Excerpt {
    /// The document's.
    pub revision: Revision,
    /// What is at the place that was asked for; `None` when nothing is.
    pub part: Option<Part>,
}

/// What was found under a key, and if nothing, why.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept<T> {
    /// A live document.
    Live(T),
    /// None, or one that went more than a day ago.
    None,
    /// One without activity for longer than it lives.
    Expired,
    /// An item that this version cannot read. To be treated as none, and told to an operator.
    Corrupt {
        /// What is wrong with it, without its values.
        reason: String,
    },
}

impl<T> Kept<T> {
    /// The same with another value in it.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Kept<U> {
        match self {
            Self::Live(value) => Kept::Live(with(value)),
            Self::None => Kept::None,
            Self::Expired => Kept::Expired,
            Self::Corrupt { reason } => Kept::Corrupt { reason },
        }
    }
}

/// What a change expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Anything,
    /// No document.
    Nothing,
    /// A document of any version.
    Something,
    /// This version.
    Version(i64),
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Edited {
    /// The document is now so.
    Kept {
        /// As it is now.
        revision: Revision,
        /// Whether it was not so before.
        is_changed: bool,
        /// Whether an item that could not be read gave way to it.
        is_healed: bool,
    },
    /// There is no document.
    Gone,
    /// Nothing was changed: another version is there than was expected, or none.
    Stale,
    /// Nothing was changed: it cannot be.
    Invalid(InvalidEdit),
    /// Nothing was changed: the session has [`MOST_TOOLS`] tools with a state already.
    TooManyTools,
    /// Nothing was changed: others always were first.
    Contended,
}

/// An item as it looks at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Live {
    pub(crate) revision: Revision,
    pub(crate) document: Document,
    lives_until: i64,
    /// The bytes of all members, see [`member_bytes`].
    bytes: i64,
    writers: Vec<String>,
}

/// Reads an item of which at least [`ABOUT`] and the members in `touched` are given. `active_until` is when the session's
/// own activity ends the document's life.
pub(crate) fn look(item: Option<&Item>, touched: &Touched, active_until: i64, now: Timestamp) -> Kept<Live> {
    let Some(item) = item else { return Kept::None };
    match parse(item, touched) {
        Ok(live) if live.lives_until.max(active_until) <= now.as_second() => Kept::Expired,
        Ok(mut live) => {
            if active_until > live.lives_until
                && let Ok(expires_at) = Timestamp::from_second(active_until)
            {
                live.revision.expires_at = expires_at;
            }
            Kept::Live(live)
        }
        Err(reason) => Kept::Corrupt { reason },
    }
}

fn parse(item: &Item, touched: &Touched) -> Result<Live, String> {
    let about = |name: &str| read_number::<i64>(item, name).ok_or_else(|| format!("{name} is not a number"));
    let format = about("format")?;
    if format != FORMAT {
        return Err(format!("format is {format}, expected {FORMAT}"));
    }
    let (version, bytes, lives_until) = (about("version")?, about("bytes")?, about("lives_until")?);
    let moment =
        |name, at: Result<Timestamp, jiff::Error>| at.map_err(|_beyond| format!("{name} is no moment"));
    let updated_at = moment("updated_at", Timestamp::from_millisecond(about("updated_at")?))?;
    let expires_at = moment("lives_until", Timestamp::from_second(lives_until))?;
    let members = item.get(MEMBERS).and_then(|members| members.as_m().ok()).ok_or("members is not a map")?;
    if !members.contains_key(MARK) {
        return Err("members is not whole".to_owned());
    }
    let mut document = Document::default();
    for (name, value) in members {
        let Some(name) = name.strip_prefix('/') else { continue };
        if let Touched::Members(touched) = touched
            && !touched.contains(name)
        {
            continue;
        }
        let text = value.as_s().map_err(|_other| "a member is not a string")?;
        let value = document::read(text).map_err(|_invalid| "a member is not JSON")?;
        document.0.insert(name.to_owned(), value);
    }
    let writers =
        item.get("writers").and_then(|writers| writers.as_l().ok()).ok_or("writers is not a list")?;
    let writers = writers.iter().filter_map(|writer| writer.as_s().ok().cloned()).collect();
    let size = usize::try_from(bytes).map_err(|_negative| "bytes is negative")?;
    let revision = Revision { version, bytes: document_bytes(size), updated_at, expires_at };
    Ok(Live { revision, document, lives_until, bytes, writers })
}

/// What is read of an item for the sake of some of its members.
pub(crate) fn parts<'a>(members: impl IntoIterator<Item = &'a String>) -> Vec<Path> {
    let mark = Path::Member(MEMBERS, MARK.to_owned());
    let members = members.into_iter().map(|name| Path::Member(MEMBERS, format!("/{name}")));
    ABOUT.iter().map(|name| attribute(name)).chain([mark]).chain(members).collect()
}

/// What a member adds to a document, the colon and the comma included.
fn member_bytes(name: &str, value: &Value) -> i64 {
    let name = Value::from(name).to_string();
    i64::try_from(name.len() + document::write(value).len() + 2).unwrap_or(i64::MAX)
}

/// What members of so many bytes take together: one bracket more than they have commas.
fn document_bytes(members: usize) -> usize {
    (members + 1).max(2)
}

/// How long a document lives, and how long its item stays after that to say that it has expired.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) time: Duration,
    pub(crate) kept: Duration,
}

impl Lives {
    pub(crate) fn of(kind: DocumentKind<'_>, lifetimes: &Lifetimes) -> Self {
        match kind {
            // The session's own activity, which its context knows of, may still come to extend it.
            DocumentKind::WorkingMemory => {
                Self { time: lifetimes.working_memory, kept: lifetimes.session_context }
            }
            DocumentKind::ToolState(_) => Self { time: lifetimes.tool_state, kept: Duration::ZERO },
        }
    }

    /// Until when a document lives whose last activity is now, and from when on its item may be deleted.
    fn ends(self, now: Timestamp) -> (i64, i64) {
        let lives_until = expiry(now, self.time);
        (lives_until, lives_until.saturating_add(i64::try_from(self.kept.as_secs()).unwrap_or(i64::MAX)))
    }

    fn assignments(self, now: Timestamp) -> [Assignment; 2] {
        let (lives_until, expires_at) = self.ends(now);
        [
            Assignment::Set(attribute("lives_until"), number(lives_until)),
            Assignment::Set(attribute("expires_at"), number(expires_at)),
        ]
    }

    /// Makes a document live on, when a quarter of its life has passed: activity costs a write now and then, not always.
    pub(crate) fn extended(self, key: &Key, revision: &Revision, now: Timestamp) -> Option<Write> {
        let lives_until = revision.expires_at.as_second();
        let passed = self.ends(now).0.saturating_sub(lives_until);
        let quarter = i64::try_from(self.time.as_secs() / 4).unwrap_or(i64::MAX).max(1);
        (passed >= quarter).then(|| {
            let condition = Condition::All(vec![
                Condition::Equal(attribute("version"), number(revision.version)),
                Condition::AtMost(attribute("lives_until"), number(self.ends(now).0)),
            ]);
            Write::new(key.clone(), condition, Change::Update(self.assignments(now).into()))
        })
    }
}

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
        if !is_expected && !self.edit.is_set() {
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

impl Hot {
    /// A part of a document, or the whole. Reading is activity: it extends the document's life.
    ///
    /// One request, of which only the member that the part lies in comes back; one more when a quarter of the life has
    /// passed, and one when the life of a working memory depends on its session's activity.
    pub async fn read_document(
        &self,
        key: &DocumentKey<'_>,
        path: &PathTo,
        now: Timestamp,
    ) -> Result<Kept<Excerpt>, Error> {
        let touched = path.member().map_or(Touched::Whole, |member| Touched::Members([member].into()));
        let item = self.get_document(key, &touched).await?;
        let active_until = self.active_until(key, item.as_ref(), &touched, now).await?;
        let found = look(item.as_ref(), &touched, active_until, now);
        if let Kept::Live(live) = &found {
            self.extend_document(key, &live.revision, now).await;
        }
        Ok(found.map(|live| Excerpt {
            revision: live.revision,
            part: path.find(&Value::Object(live.document.0)).cloned().map(Part),
        }))
    }

    /// Makes a document that was read live on, when a quarter of its life has passed: one request then, none before. What
    /// goes wrong is only logged, because the next read tries again.
    pub async fn extend_document(&self, key: &DocumentKey<'_>, revision: &Revision, now: Timestamp) {
        let lives = Lives::of(key.kind, &self.lifetimes);
        let Some(write) = lives.extended(&key.key(), revision, now) else { return };
        if let Err(error) = self.write(write).await {
            tracing::warn!(%error, "the life of a document was not extended");
        }
    }

    /// Changes a document as a whole or not at all. A race that is lost to another change is run again on what is there
    /// then, so neither is lost; without an expected version the last one wins where both change the same.
    ///
    /// `writer` is an identifier nobody else uses: a change whose answer is lost is carried out once. A document that
    /// expired or cannot be read counts as none. Two requests, one more for each lost race.
    pub async fn edit_document(
        &self,
        key: &DocumentKey<'_>,
        edit: &Edit,
        expected: Expected,
        writer: Uuid,
        now: Timestamp,
    ) -> Result<Edited, Error> {
        let touched = edit.touched();
        let item = self.get_document(key, &touched).await?;
        let active_until = self.active_until(key, item.as_ref(), &touched, now).await?;
        let is_new = !matches!(look(item.as_ref(), &touched, active_until, now), Kept::Live(_));
        // Whoever expects a document that is not there is told so, however many others there are.
        let makes_one = is_new
            && !matches!(edit, Edit::Remove { .. })
            && matches!(expected, Expected::Anything | Expected::Nothing);
        if makes_one && let DocumentKind::ToolState(_) = key.kind {
            let tools = self.tools(key.tenant, key.user, key.session_name, now).await?;
            if tools.len() >= MOST_TOOLS {
                return Ok(Edited::TooManyTools);
            }
        }
        let lives = Lives::of(key.kind, &self.lifetimes);
        let editing = Editing::new(key.key(), edit, expected, writer, now, lives, active_until, item);
        self.carry_out(editing).await
    }

    async fn get_document(&self, key: &DocumentKey<'_>, touched: &Touched) -> Result<Option<Item>, Error> {
        let Touched::Members(members) = touched else { return self.get(key.key()).await };
        self.get_parts(key.key(), &parts(members)).await
    }

    /// Until when the activity of its session makes a document live that would have expired by itself.
    async fn active_until(
        &self,
        key: &DocumentKey<'_>,
        item: Option<&Item>,
        touched: &Touched,
        now: Timestamp,
    ) -> Result<i64, Error> {
        let is_expired = matches!(look(item, touched, 0, now), Kept::Expired);
        if !is_expired || key.kind != DocumentKind::WorkingMemory {
            return Ok(0);
        }
        let context = Key::context(key.tenant, key.user, key.session_name);
        let context = self.get_parts(context, &[attribute("pk"), attribute("updated_at")]).await?;
        Ok(self.working_memory_until(context.as_ref()))
    }

    /// The same, told from the item of the session's context.
    pub(crate) fn working_memory_until(&self, context: Option<&Item>) -> i64 {
        let active_at = context.and_then(session_activity);
        active_at.map_or(0, |active_at| expiry(active_at, self.lifetimes.working_memory))
    }
}

#[cfg(test)]
mod tests;
