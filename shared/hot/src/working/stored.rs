//! A document as it is in its item: each top-level member a value of its own, in JSON text.

use jiff::Timestamp;
use serde_json::Value;

use super::{Kept, Revision};
use crate::document::{self, Document};
use crate::edit::Touched;
use crate::item::{Item, Path, attribute, read_number};

/// The version of the item's shape. An item of another one is [`Kept::Corrupt`] and gets overwritten.
pub(super) const FORMAT: i64 = 1;

/// Where the item holds the members.
pub(super) const MEMBERS: &str = "members";

/// A member of every item that no document has: where it is, the members are a map, and what is missing is not there.
pub(super) const MARK: &str = ".";

/// What is read of every item.
const ABOUT: [&str; 8] = ["pk", "sk", "format", "version", "bytes", "updated_at", "lives_until", "writers"];

/// An item as it looks at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Live {
    pub(crate) revision: Revision,
    pub(crate) document: Document,
    lives_until: i64,
    /// The bytes of all members, see [`member_bytes`].
    pub(super) bytes: i64,
    pub(super) writers: Vec<String>,
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
pub(super) fn member_bytes(name: &str, value: &Value) -> i64 {
    let name = Value::from(name).to_string();
    i64::try_from(name.len() + document::write(value).len() + 2).unwrap_or(i64::MAX)
}

/// What members of so many bytes take together: one bracket more than they have commas.
pub(super) fn document_bytes(members: usize) -> usize {
    (members + 1).max(2)
}
