use std::collections::BTreeSet;

use domain::{
    APPLICATION, Dropped, Evidence, NewMemory, Outcome, Scope, SessionId, TenantId, UserId, reconcile,
};
use futures::try_join;
use serde_json::json;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::MemoryChange;
use super::record::{append, observation, session_or_own};
use crate::append::Appends;
use crate::commit::{Writes, write_memories, write_run};
use crate::conflict::until_alone;
use crate::known::{Reads, Subjects};
use crate::once::Requests;
use crate::{Effects, Error, Once, RequestKey, Store};

/// What an application wants remembered, and where it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembering {
    /// What. Its evidence is given by `evidence`.
    pub memory: NewMemory,
    /// The session it belongs to, which exists; one of its own for what belongs to none.
    pub session: Option<String>,
    /// Events of the user's it comes from, as names of sessions and versions; none when the application itself says so.
    pub evidence: Vec<(String, i64)>,
}

/// How an attempt to remember ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Remembered {
    /// It was kept.
    Done(MemoryChange),
    /// It was not, and nothing was written.
    Dropped(Dropped),
    /// The user has no such session.
    UnknownSession,
    /// The user has no such event: the position in the evidence given.
    UnknownEvidence(usize),
}

impl Store {
    /// Remembers what an application says, by the rules that hold for what agents think ([`domain::reconcile`]), in one
    /// transaction. The event that records it is its evidence unless it has some of its own.
    pub async fn remember(
        &self,
        tenant: &TenantId,
        user: &UserId,
        what: &Remembering,
        request: Option<&RequestKey>,
    ) -> Result<Once<Remembered>, Error> {
        until_alone(|| Box::pin(self.remember_once(tenant, user, what, request))).await
    }

    async fn remember_once(
        &self,
        tenant: &TenantId,
        user: &UserId,
        what: &Remembering,
        request: Option<&RequestKey>,
    ) -> Result<Once<Remembered>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (requests, appends, reads, writes) = try_join!(
            Requests::prepare(&transaction),
            Appends::prepare(&transaction),
            Reads::prepare(&transaction),
            Writes::prepare(&transaction),
        )?;
        let (now, find_session, find_evidence, find_version) = try_join!(
            transaction.prepare("select now() as at"),
            transaction.prepare(
                "select from afterthought.sessions where tenant = $1 and user_id = $2 and session = $3"
            ),
            transaction.prepare(include_str!("../../queries/find_evidence.sql")),
            transaction.prepare("select version from afterthought.memories where id = $1"),
        )?;
        let names: Vec<&str> = what.evidence.iter().map(|(session, _)| session.as_str()).collect();
        let versions: Vec<i64> = what.evidence.iter().map(|(_, version)| *version).collect();
        let (tenant_name, user_name) = (tenant.as_str(), user.as_str());
        let own: [&(dyn ToSql + Sync); 3] = [&tenant_name, &user_name, &what.session];
        let events: [&(dyn ToSql + Sync); 4] = [&tenant_name, &user_name, &names, &versions];
        let ((), claimed, at, session, found) = try_join!(
            transaction.begin(),
            requests.claim(&transaction, tenant, user, request),
            transaction.query(&now, &[]),
            transaction.query(&find_session, &own),
            transaction.query(&find_evidence, &events),
        )?;
        if let Some(answer) = claimed.made_before() {
            return transaction.leave(answer).await;
        }
        if what.session.is_some() && session.is_empty() {
            return transaction.leave(Once::Done(Remembered::UnknownSession)).await;
        }
        let mut evidence = Vec::with_capacity(found.len());
        let mut positions = BTreeSet::new();
        for row in &found {
            positions.insert(row.try_get::<_, i64>("position")?);
            evidence.push(Evidence {
                session: SessionId(row.try_get::<_, Uuid>("session_id")?),
                version: row.try_get("version")?,
            });
        }
        if let Some((unknown, _)) = (0..what.evidence.len()).zip(1..).find(|(_, at)| !positions.contains(at))
        {
            return transaction.leave(Once::Done(Remembered::UnknownEvidence(unknown))).await;
        }
        let memory = NewMemory { evidence, ..what.memory.clone() };
        let at = at.first().expect("now is a row").try_get("at")?;
        let session = session_or_own(what.session.as_deref());
        // The words stand in the event where it is their evidence, and is found by that when they are to go; nowhere else.
        let record = if memory.evidence.is_empty() {
            json!({
                "type": memory.kind, "scope": memory.scope, "key": memory.key(),
                "content": memory.content, "data": memory.data,
            })
        } else {
            json!({ "type": memory.kind, "scope": memory.scope })
        };
        let record = observation("remember", record);
        let (window, run) = append(&transaction, &appends, (tenant, user, session), record, at).await?;
        let thoughts = [memory.thought(window.through(), None)];
        let subjects = Subjects::of(&window, &thoughts);
        let (known, policy) = subjects.read_known(&transaction, &reads, &BTreeSet::new()).await?;
        let under_key = known.current.iter().find(|current| current.key == memory.key());
        let thoughts = vec![memory.thought(window.through(), under_key)];
        let reconciled = reconcile(APPLICATION, &window, &known, &policy, thoughts.clone());
        let entry = reconciled.ledger.first().expect("a thought has a line in the ledger");
        let Some(id) = entry.memory else {
            let reason = entry.reason.unwrap_or(Dropped::EmptyContent);
            return transaction.leave(Once::Done(Remembered::Dropped(reason))).await;
        };
        let effects = Effects { thoughts, ..Effects::default() };
        let ((), (), (), version) = try_join!(
            write_memories(&transaction, &writes, &window, &run, &reconciled.changes),
            async {
                if reconciled.changes.iter().all(|change| change.updates) {
                    return Ok(());
                }
                subjects.check_refusals(&transaction, &writes.check, known.refusals.len()).await
            },
            write_run(&transaction, &writes, &window, &run, &effects, &reconciled),
            async { transaction.query(&find_version, &[&id.0]).await },
        )?;
        let change = MemoryChange {
            outcome: entry.outcome.as_str().to_owned(),
            memory: id,
            version: version.first().map_or(Ok(0), |row| row.try_get("version"))?,
            supersedes: reconciled.changes.iter().find_map(|change| change.supersedes),
            event: Some((session.to_owned(), window.through())),
            sessions: if entry.outcome == Outcome::Pending { Vec::new() } else { vec![window.session] },
        };
        try_join!(requests.answer(&transaction, tenant, user, request, &change), transaction.commit())?;
        transaction.end();
        Ok(Once::Done(Remembered::Done(change)))
    }
}

impl Remembering {
    /// Whether it belongs to a session and names none.
    pub fn lacks_session(&self) -> bool {
        self.memory.scope == Scope::Session && self.session.is_none()
    }
}
