use domain::{SessionId, TenantId};
use futures::try_join;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::OpenErasure;
use crate::{Error, Store};

impl Store {
    /// Sessions of an erasure of which what is outside of Postgres was not looked for since the erasure settled, in their order, from
    /// after one on.
    pub async fn sessions_to_sweep(
        &self,
        erasure: &OpenErasure,
        after: Option<SessionId>,
        most: u16,
    ) -> Result<Vec<SessionId>, Error> {
        let list = include_str!("../../queries/list_sessions_to_sweep.sql");
        let after = after.map(|session| session.0);
        let values: [&(dyn ToSql + Sync); 4] = [&erasure.id, &erasure.erased_at, &after, &i64::from(most)];
        let rows = self.at_once(&erasure.tenant, list, &values).await?;
        rows.iter().map(|row| Ok(SessionId(row.try_get("session_id")?))).collect()
    }

    /// Notes that nothing of these sessions is left outside of Postgres. An erasure that is made once more has them looked at again.
    pub async fn mark_sessions_swept(
        &self,
        erasure: &OpenErasure,
        sessions: &[SessionId],
    ) -> Result<(), Error> {
        let mark = include_str!("../../queries/mark_sessions_swept.sql");
        let sessions: Vec<Uuid> = sessions.iter().map(|session| session.0).collect();
        let transaction = self.transaction(&erasure.tenant).await?;
        let mark = transaction.prepare(mark).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&erasure.id, &erasure.erased_at, &sessions];
        try_join!(transaction.begin(), transaction.execute(&mark, &values), transaction.commit())?;
        transaction.end();
        Ok(())
    }

    /// The layers in which erasures of a tenant have found something.
    pub async fn erased_layers(&self, tenant: &TenantId, erasures: &[Uuid]) -> Result<Vec<String>, Error> {
        let list = include_str!("../../queries/list_erased_layers.sql");
        let rows = self.at_once(tenant, list, &[&erasures]).await?;
        rows.iter().map(|row| Ok(row.try_get("layer")?)).collect()
    }
}
