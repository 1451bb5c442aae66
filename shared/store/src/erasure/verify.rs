use std::collections::HashSet;

use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Counts;
use crate::{Error, Store};

/// What tables have of a user, or of one of their sessions, from before they were erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// When they were erased last; `None` when they never were.
    pub erased_at: Option<Timestamp>,
    /// How many rows of each layer are left: nothing when all is well.
    pub left: Counts,
}

impl Store {
    /// Looks through every table for what is left of a user, or of one of their sessions, from end to end.
    pub async fn verify_erasure(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session: Option<&str>,
    ) -> Result<Verification, Error> {
        let transaction = self.transaction(tenant).await?;
        let verify = transaction.prepare(include_str!("../../queries/verify_erasure.sql")).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &user.as_str(), &session];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&verify, &values), transaction.commit())?;
        transaction.end();
        let mut left = Counts::default();
        let mut erased_at = None;
        for row in &rows {
            erased_at = row.try_get("erased_at")?;
            if let Some(layer) = row.try_get::<_, Option<&str>>("layer")? {
                left.add(layer, row.try_get("remaining")?);
            }
        }
        Ok(Verification { erased_at, left })
    }

    /// Those of these sessions that are not there, or are another tenant's.
    pub async fn missing_sessions(
        &self,
        tenant: &TenantId,
        sessions: &[SessionId],
    ) -> Result<HashSet<SessionId>, Error> {
        let ids: Vec<Uuid> = sessions.iter().map(|session| session.0).collect();
        let transaction = self.transaction(tenant).await?;
        let find = transaction.prepare(include_str!("../../queries/find_missing_sessions.sql")).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&ids];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(|row| Ok(SessionId(row.try_get("session_id")?))).collect()
    }

    /// How many objects the archive has of sessions of the tenant that are not there, among the first so many that there are, and
    /// whether those are all. None where there is no archive.
    pub async fn count_objects_of_missing(
        &self,
        tenant: &TenantId,
        most: usize,
    ) -> Result<(u64, bool), Error> {
        let Some(archive) = &self.archive else { return Ok((0, true)) };
        let listed = archive.list(tenant, None, most).await?;
        let sessions: HashSet<SessionId> = listed.objects.iter().map(|object| object.session).collect();
        let sessions: Vec<SessionId> = sessions.into_iter().collect();
        let missing = self.missing_sessions(tenant, &sessions).await?;
        let count = listed.objects.iter().filter(|object| missing.contains(&object.session)).count();
        Ok((count as u64, listed.through.is_none()))
    }
}
