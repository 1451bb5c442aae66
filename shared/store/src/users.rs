use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::target::{checked_tenant, checked_user};
use crate::{Error, Store};

impl Store {
    /// The next `limit` users who have something that `agent` has not thought about and that is not held, in the order of
    /// tenants and users: those behind `last`, or the first. For a store that acts as the reader.
    pub async fn users_behind(
        &self,
        agent: &str,
        last: Option<(&TenantId, &UserId)>,
        limit: u16,
    ) -> Result<Vec<(TenantId, UserId)>, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../queries/find_users_behind.sql")).await?;
        let (tenant, user) = last.map_or(("", ""), |(tenant, user)| (tenant.as_str(), user.as_str()));
        let rows = connection.query(&find, &[&agent, &tenant, &user, &i64::from(limit)]).await?;
        rows.iter()
            .map(|row| {
                let tenant = checked_tenant(row.try_get("tenant")?, "sessions", &Uuid::nil())?;
                let user = checked_user(row.try_get("user_id")?, "sessions", &Uuid::nil())?;
                Ok((tenant, user))
            })
            .collect()
    }

    /// At most `limit` sessions of a user that `agent` is behind on and that are not held, with their last versions, the
    /// one that has waited longest first.
    pub async fn user_sessions_behind(
        &self,
        agent: &str,
        tenant: &TenantId,
        user: &UserId,
        limit: u16,
    ) -> Result<Vec<(SessionId, i64)>, Error> {
        let transaction = self.transaction(tenant).await?;
        let find = transaction.prepare(include_str!("../queries/find_user_sessions_behind.sql")).await?;
        let (tenant, user, limit) = (tenant.as_str(), user.as_str(), i64::from(limit));
        let values: [&(dyn ToSql + Sync); 4] = [&tenant, &user, &agent, &limit];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit(),)?;
        transaction.end();
        rows.iter().map(|row| Ok((SessionId(row.try_get("session_id")?), row.try_get("version")?))).collect()
    }
}
