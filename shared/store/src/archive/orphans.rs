use std::collections::BTreeMap;

use archive::Found;
use domain::TenantId;
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Object;
use crate::{Error, Store};

/// What a look for objects that no row names came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// So many of them were deleted.
    pub deleted: u64,
    /// Whether none is left to look at: the next look begins anew.
    pub is_done: bool,
}

impl Store {
    /// Looks at the next objects of a tenant, at most so many, from where the last look ended, and deletes those that were written
    /// before a time and that no row names.
    ///
    /// Only an object is deleted of which every event is whole or in another object, which is read to make sure; and only of sessions
    /// that are there: whatever else there is under the key of the tenant may be somebody else's, or the last copy. Nothing is looked
    /// at where there is no archive.
    pub async fn sweep_orphans(
        &self,
        tenant: &TenantId,
        written_before: Timestamp,
        most: usize,
    ) -> Result<Swept, Error> {
        let Some(archive) = &self.archive else { return Ok(Swept { deleted: 0, is_done: true }) };
        let after = self.swept_through(tenant).await?;
        let listed = archive.list(tenant, after.as_deref(), most).await?;
        let orphans = self.orphans_of(tenant, written_before, &listed.objects).await?;
        for orphan in &orphans {
            archive.delete(&orphan.place(tenant)).await?;
        }
        // Those that were deleted are not looked at again when this is not noted.
        let transaction = self.transaction(tenant).await?;
        let mark = transaction.prepare(include_str!("../../queries/mark_swept.sql")).await?;
        let values: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &listed.through];
        try_join!(transaction.begin(), transaction.execute(&mark, &values), transaction.commit())?;
        transaction.end();
        Ok(Swept { deleted: orphans.len() as u64, is_done: listed.through.is_none() })
    }

    /// How many objects of a tenant were written before a time and are named by no row, among the first so many that there are.
    pub async fn count_orphans(
        &self,
        tenant: &TenantId,
        written_before: Timestamp,
        most: usize,
    ) -> Result<u64, Error> {
        let Some(archive) = &self.archive else { return Ok(0) };
        let listed = archive.list(tenant, None, most).await?;
        Ok(self.orphans_of(tenant, written_before, &listed.objects).await?.len() as u64)
    }

    async fn swept_through(&self, tenant: &TenantId) -> Result<Option<String>, Error> {
        let transaction = self.transaction(tenant).await?;
        let read = transaction.prepare(include_str!("../../queries/read_swept.sql")).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&tenant.as_str()];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&read, &values), transaction.commit())?;
        transaction.end();
        Ok(rows.first().map(|row| row.try_get("archive_swept_through")).transpose()?.flatten())
    }

    /// Those of these objects that are old enough and that nothing stands for.
    async fn orphans_of<'a>(
        &self,
        tenant: &TenantId,
        written_before: Timestamp,
        found: &'a [Found],
    ) -> Result<Vec<&'a Found>, Error> {
        let old: Vec<&Found> = found.iter().filter(|object| object.written_at < written_before).collect();
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = old.iter().map(|object| object.id).collect();
        let sessions: Vec<Uuid> = old.iter().map(|object| object.session.0).collect();
        let first: Vec<i64> = old.iter().map(|object| object.first).collect();
        let last: Vec<i64> = old.iter().map(|object| object.last).collect();
        let transaction = self.transaction(tenant).await?;
        let find = transaction.prepare(include_str!("../../queries/find_orphans.sql")).await?;
        let values: [&(dyn ToSql + Sync); 4] = [&ids, &sessions, &first, &last];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit())?;
        transaction.end();
        let mut orphans: BTreeMap<(Uuid, Uuid), Vec<Object>> = BTreeMap::new();
        for row in &rows {
            let orphan = (row.try_get("of_session")?, row.try_get("orphan")?);
            let others = orphans.entry(orphan).or_default();
            if row.try_get::<_, Option<Uuid>>("id")?.is_some() {
                others.push(Object::read(row)?);
            }
        }
        let mut needless = Vec::new();
        for object in old {
            let Some(others) = orphans.remove(&(object.session.0, object.id)) else { continue };
            if self.are_whole(tenant, &others).await? {
                needless.push(object);
            }
        }
        Ok(needless)
    }

    /// Whether objects are what was written.
    async fn are_whole(&self, tenant: &TenantId, objects: &[Object]) -> Result<bool, Error> {
        for object in objects {
            let archive = self.archive_of(object.session)?;
            match archive.read(&object.place(tenant), &object.checksum).await {
                Ok(_lines) => {}
                Err(error) if error.is_loss() => {
                    tracing::error!(session = %object.session, %error, "an object that no row names may be the last copy, and stays");
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}
