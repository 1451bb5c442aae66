use domain::{SessionId, TenantId};
use futures::{StreamExt as _, TryStreamExt as _, stream, try_join};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Object;
use crate::{Error, Store};

/// So many sessions are listed at once.
const SESSIONS_AT_ONCE: usize = 8;

impl Store {
    /// Deletes at most so many objects that nothing stands for: those that were given up, and those of writers that began before a
    /// time and have ended. Answers how many that were.
    pub async fn clear_archive(
        &self,
        tenant: &TenantId,
        begun_before: Timestamp,
        most: u32,
    ) -> Result<u64, Error> {
        let list = include_str!("../../queries/drop_archive_objects.sql");
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &begun_before, &i64::from(most)];
        self.clear(tenant, list, &values).await
    }

    /// Deletes at most so many objects of the sessions of an erasure. Answers how many that were.
    pub async fn clear_erased_archive(
        &self,
        tenant: &TenantId,
        erasure: Uuid,
        most: u32,
    ) -> Result<u64, Error> {
        let list = include_str!("../../queries/list_erased_archive_objects.sql");
        self.clear(tenant, list, &[&erasure, &i64::from(most)]).await
    }

    async fn clear(
        &self,
        tenant: &TenantId,
        list: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(list).await?;
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, values), transaction.commit())?;
        transaction.end();
        for row in &rows {
            self.delete_object(tenant, &Object::read(row)?).await?;
        }
        Ok(rows.len() as u64)
    }

    /// Deletes whatever the archive has of sessions that are gone, also what no row names: who was killed while they wrote may
    /// have been overtaken by the erasure. Answers how many objects that were; nothing is looked at where there is no archive.
    pub async fn sweep_erased_archive(
        &self,
        tenant: &TenantId,
        sessions: &[SessionId],
    ) -> Result<u64, Error> {
        let Some(archive) = &self.archive else { return Ok(0) };
        let deleted: Vec<u64> = stream::iter(sessions)
            .map(|session| archive.delete_session(tenant, *session))
            .buffer_unordered(SESSIONS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(deleted.iter().sum())
    }
}
