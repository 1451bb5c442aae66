use domain::{MemoryId, TenantId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store};

/// How often a memory was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The memory.
    pub memory: MemoryId,
    /// How often, since it was counted last.
    pub count: u32,
    /// When it was handed out last.
    pub last_at: Timestamp,
}

impl Store {
    /// Adds to the counts of memories of `tenant`, each named once, in one round trip; answers how many there are. One
    /// that is gone, or another tenant's, is left out. The memories themselves, and their versions, stay as they are.
    ///
    /// Not idempotent: repeated after an answer was lost, it counts twice.
    pub async fn count_accesses(&self, tenant: &TenantId, accesses: &[Access]) -> Result<u64, Error> {
        let transaction = self.transaction(tenant).await?;
        let count = transaction.prepare(include_str!("../queries/count_accesses.sql")).await?;
        let ids: Vec<Uuid> = accesses.iter().map(|access| access.memory.0).collect();
        let counts: Vec<i64> = accesses.iter().map(|access| i64::from(access.count)).collect();
        let times: Vec<Timestamp> = accesses.iter().map(|access| access.last_at).collect();
        let values: [&(dyn ToSql + Sync); 4] = [&tenant.as_str(), &ids, &counts, &times];
        let ((), counted, ()) =
            try_join!(transaction.begin(), transaction.execute(&count, &values), transaction.commit())?;
        transaction.end();
        Ok(counted)
    }
}
