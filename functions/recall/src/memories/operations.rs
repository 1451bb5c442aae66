//! What the handlers and the tools do to memories.

use domain::{Correction, Dropped, Envelope, MemoryId, NewMemory, SessionName, TenantId, UserId, WakeUp};
use serde::de::DeserializeOwned;
use store::{
    Changed, CorrectionOf, MemoryChange, MemoryPatch, Once, Promoted, Remembered, Remembering, RequestKey,
};

use super::answer::{MemoryDetails, MemoryPage, MemoryWritten, Promotion};
use super::request::{CorrectionAsked, ListAsked, NewMemoryAsked, PatchAsked};
use crate::Parts;
use crate::http::{Problem, TENANT_HEADER, once, postgres_is_down};

/// The most events shown of what a memory came from.
const MOST_EVENTS: u16 = 100;

impl Parts {
    /// A page of a user's memories.
    pub(crate) async fn list_memories(
        &self,
        tenant: &TenantId,
        user: &UserId,
        asked: ListAsked,
    ) -> Result<MemoryPage, Problem> {
        let (limit, after) = (asked.limit(), asked.after.map(|cursor| cursor.0));
        let filter = asked.filter()?;
        let now = (self.now)();
        // One more than wanted tells whether there is a next page.
        let listed =
            self.store.list_memories(tenant, user, &filter, after, limit.saturating_add(1), now).await;
        Ok(MemoryPage::of(listed.map_err(|error| postgres_is_down(&error))?, limit))
    }

    /// One memory and its version.
    pub(crate) async fn show_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        id: MemoryId,
    ) -> Result<(MemoryDetails, i64), Problem> {
        let found = self.store.find_memory(tenant, user, id, MOST_EVENTS, (self.now)()).await;
        let case = found.map_err(|error| postgres_is_down(&error))?.ok_or_else(unknown)?;
        let version = case.memory.version;
        Ok((case.into(), version))
    }

    /// Remembers something, once per request key.
    pub(crate) async fn remember(
        &self,
        tenant: &TenantId,
        user: &UserId,
        asked: NewMemoryAsked,
        request: Option<&RequestKey>,
    ) -> Result<MemoryWritten, Problem> {
        asked.check()?;
        let evidence = asked.evidence.into_iter();
        let what = Remembering {
            memory: NewMemory {
                kind: asked.r#type,
                scope: asked.scope,
                key: asked.key,
                content: asked.content,
                data: asked.data,
                confidence: asked.confidence,
                evidence: Vec::new(),
            },
            session: asked.session.as_ref().map(SessionName::as_str).map(str::to_owned),
            evidence: evidence.map(|event| (event.session.as_str().to_owned(), event.version)).collect(),
        };
        let remembered = self.store.remember(tenant, user, &what, request).await;
        let change = match once(remembered.map_err(|error| failed(&error))?, Remembered::Done)? {
            Remembered::Done(change) => change,
            Remembered::Dropped(reason) => return Err(dropped(reason)),
            Remembered::UnknownSession => {
                return Err(Problem::unprocessable(
                    "session",
                    "field `session` names no session of this user".to_owned(),
                ));
            }
            Remembered::UnknownEvidence(position) => {
                let field = format!("evidence[{position}]");
                let detail = format!("field `{field}` names no event of this user");
                return Err(Problem::unprocessable(&field, detail));
            }
        };
        Ok(self.told(tenant, change).await)
    }

    /// Corrects a memory, once per request key.
    pub(crate) async fn correct_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        id: MemoryId,
        asked: CorrectionAsked,
        request: Option<&RequestKey>,
    ) -> Result<MemoryWritten, Problem> {
        asked.check()?;
        let correction = CorrectionOf {
            memory: id,
            version: asked.version,
            correction: Correction { content: asked.content, data: asked.data },
            valid_from: asked.valid_from.map(|moment| moment.0),
            merge: asked.merge,
        };
        let corrected = self.store.correct_memory(tenant, user, &correction, request).await;
        let change = self.changed(tenant, user, "valid_from", corrected).await?;
        Ok(self.told(tenant, change).await)
    }

    /// Changes what may change of a memory beside what it says, once per request key.
    pub(crate) async fn patch_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        id: MemoryId,
        asked: &PatchAsked,
        request: Option<&RequestKey>,
    ) -> Result<MemoryWritten, Problem> {
        asked.check()?;
        let patch = MemoryPatch {
            version: asked.version,
            pinned: asked.pinned,
            expires_at: asked.expires_at.map(|until| until.0.map(|moment| moment.0)),
            restore: asked.status.is_some(),
        };
        let changed = self.store.change_memory(tenant, user, id, &patch, request).await;
        let change = self.changed(tenant, user, "expires_at", changed).await?;
        Ok(self.told(tenant, change).await)
    }

    /// Deletes a memory; of one that is deleted the answer is the same.
    pub(crate) async fn forget(
        &self,
        tenant: &TenantId,
        user: &UserId,
        id: MemoryId,
        version: Option<i64>,
        request: Option<&RequestKey>,
    ) -> Result<MemoryWritten, Problem> {
        let deleted = self.store.delete_memory(tenant, user, id, version, request).await;
        let change = self.changed(tenant, user, "id", deleted).await?;
        Ok(self.told(tenant, change).await)
    }

    /// Asks the memory-curator for a memory of user scope, once per request key. It is woken at once; should that be lost,
    /// its schedule finds the event, because its cursor is behind it.
    pub(crate) async fn promote_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        id: MemoryId,
        request: Option<&RequestKey>,
    ) -> Result<Promotion, Problem> {
        let promoted = self.store.promote_memory(tenant, user, id, request).await;
        let promoted: Promoted = self.changed(tenant, user, "id", promoted).await?;
        if let Some(curator) = &self.curator {
            let wake_up = WakeUp::User { tenant: tenant.clone(), user: user.clone() };
            let wake_ups = [Envelope::first(wake_up, (self.now)())];
            if let Err(error) = curator.publisher.publish(&curator.queue_url, &wake_ups).await {
                tracing::warn!(%error, "the memory-curator was not told of a promotion");
            }
        }
        Ok(promoted.into())
    }

    /// Tells the indexer of a change, again when the request was made before: the first telling may have been lost.
    async fn told(&self, tenant: &TenantId, change: MemoryChange) -> MemoryWritten {
        self.wake_indexer(tenant, &change.sessions).await;
        change.into()
    }

    /// What a change came to, or the problem it is. `field` is the one that may not make sense for the memory.
    async fn changed<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        user: &UserId,
        field: &str,
        changed: Result<Once<Changed<T>>, store::Error>,
    ) -> Result<T, Problem> {
        Err(match once(changed.map_err(|error| failed(&error))?, Changed::Done)? {
            Changed::Done(change) => return Ok(change),
            Changed::Unknown => unknown(),
            Changed::Stale(Some(holds)) => {
                let detail = format!("the memory is not as it was; {holds} holds now, see `current`");
                let problem = Problem::conflict("version", detail);
                match self.show_memory(tenant, user, holds).await {
                    Ok((current, _)) => {
                        problem.with_current(serde_json::to_value(current).unwrap_or_default())
                    }
                    // It was erased a moment ago.
                    Err(_) => problem,
                }
            }
            Changed::Stale(None) => Problem::conflict(
                "id",
                "the memory does not hold any more, and nothing holds in its place; PATCH with `status` active has one \
                 that faded hold again"
                    .to_owned(),
            ),
            Changed::Deleted => Problem::conflict(
                "id",
                "the memory is deleted, and nothing holds in its place; PATCH with `status` active takes that back"
                    .to_owned(),
            ),
            Changed::Waits => Problem::conflict(
                "id",
                "the memory waits for a person, who decides about it; see GET /v1/reviews".to_owned(),
            ),
            Changed::Everybodys => Problem::unprocessable(
                "id",
                "the memory is of global scope: what every user sees is no user's to change".to_owned(),
            ),
            Changed::Refused(why) => Problem::unprocessable(field, why.to_owned()),
        })
    }
}

fn unknown() -> Problem {
    Problem::not_found("the user has no such memory".to_owned())
}

fn failed(error: &store::Error) -> Problem {
    if error.names_unknown() {
        return Problem::unprocessable(TENANT_HEADER, format!("header `{TENANT_HEADER}` names no tenant"));
    }
    postgres_is_down(error)
}

/// Why something is not remembered.
fn dropped(reason: Dropped) -> Problem {
    let (field, why) = match reason {
        Dropped::RejectedBefore => ("content", "a person has refused to have this remembered"),
        Dropped::LowConfidence => ("confidence", "it is less sure than the tenant wants memories to be"),
        Dropped::NoRoom => ("scope", "the user has as many memories as the tenant allows"),
        Dropped::EmptyContent | Dropped::ContentTooLong => ("content", "no memory says this"),
        Dropped::InvalidKey => ("key", "no memory has such a key"),
        Dropped::InvalidConfidence => ("confidence", "no memory is as sure as this"),
        Dropped::InvalidData => ("data", "no memory has such data"),
        Dropped::NoEvidence | Dropped::EvidenceOutsideWindow | Dropped::Recalled => {
            ("evidence", "nothing it is said to come from is evidence")
        }
    };
    Problem::unprocessable(field, format!("it is not remembered, {}: {why}", reason.as_str()))
}
