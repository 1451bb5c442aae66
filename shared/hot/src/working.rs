//! What an application keeps while it works: the working memory of a session and the state of its tools, JSON documents.
//!
//! Each top-level member of a document is a value of its own within the item, so a part is read, and written, without the
//! rest. Members hold JSON text: DynamoDB's own numbers and nesting have narrower limits than JSON.

mod editing;
mod life;
mod stored;

use domain::{TenantId, UserId};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::context::session_activity;
use crate::document::Part;
use crate::edit::{Edit, InvalidEdit, PathTo, Touched};
use crate::item::{Item, attribute};
use crate::key::Key;
use crate::lifetime::expiry;
use crate::tool::MOST_TOOLS;
use crate::{Error, Hot};

use self::editing::Editing;
use self::life::Lives;
pub(crate) use self::stored::{look, parts};

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
