use domain::TenantId;
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store};

/// How many endpoints a tenant has at most.
const MOST_ENDPOINTS: i64 = 50;

/// An address that is to be told of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewEndpoint<'a> {
    /// What names it.
    pub id: Uuid,
    /// Where messages are posted to; 1 to 2,000 bytes.
    pub url: &'a str,
    /// What it is for, at most 2,000 bytes.
    pub description: Option<&'a str>,
    /// The events it is told of, 1 to 32; `None` for all.
    pub event_types: Option<&'a [&'a str]>,
    /// The types of memories it is told of, 1 to 32; `None` for all.
    pub memory_types: Option<&'a [&'a str]>,
    /// What signs its messages, sealed.
    pub secret: &'a [u8],
}

/// What is to be different about an endpoint. What is `None` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndpointPatch<'a> {
    /// Where messages are posted to.
    pub url: Option<&'a str>,
    /// What it is for; `Some(None)` takes it away.
    pub description: Option<Option<&'a str>>,
    /// The events it is told of; `Some(None)` for all.
    pub event_types: Option<Option<&'a [&'a str]>>,
    /// The types of memories it is told of; `Some(None)` for all.
    pub memory_types: Option<Option<&'a [&'a str]>>,
    /// Whether anything is sent. What happens meanwhile waits, for as long as the tenant's `waiting_days` say.
    pub is_enabled: Option<bool>,
}

/// An endpoint as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What names it.
    pub id: Uuid,
    /// Where messages are posted to.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// The events it is told of; `None` for all.
    pub event_types: Option<Vec<String>>,
    /// The types of memories it is told of; `None` for all.
    pub memory_types: Option<Vec<String>>,
    /// Why nothing is sent, when nothing is: `asked`, `gone` (it answered 410) or `failing`.
    pub disabled_because: Option<String>,
    /// Since when nothing has come through.
    pub failing_since: Option<Timestamp>,
    /// Nothing is sent before this.
    pub next_attempt_at: Option<Timestamp>,
    /// How many messages wait; 10,000 stands for that many or more.
    pub pending: i64,
    /// Since when the one does that has waited longest.
    pub pending_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Where an endpoint's secret is stored: what it is sealed for.
pub fn secret_place(endpoint: Uuid) -> String {
    format!("webhook_endpoints.secret {endpoint}")
}

impl Store {
    /// Makes an endpoint, in one round trip. `None` when the tenant has fifty already.
    pub async fn create_endpoint(
        &self,
        tenant: &TenantId,
        new: &NewEndpoint<'_>,
    ) -> Result<Option<Endpoint>, Error> {
        let values: [&(dyn ToSql + Sync); 8] = [
            &new.id,
            &tenant.as_str(),
            &new.url,
            &new.description,
            &new.event_types,
            &new.memory_types,
            &new.secret,
            &MOST_ENDPOINTS,
        ];
        let rows = self.at_once(tenant, include_str!("../../queries/insert_endpoint.sql"), &values).await?;
        rows.first().map(endpoint).transpose()
    }

    /// A tenant's endpoints, the oldest first, in one round trip; of one alone when it is named.
    pub async fn endpoints(&self, tenant: &TenantId, one: Option<Uuid>) -> Result<Vec<Endpoint>, Error> {
        let values: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &one];
        let rows = self.at_once(tenant, include_str!("../../queries/list_endpoints.sql"), &values).await?;
        rows.iter().map(endpoint).collect()
    }

    /// Changes an endpoint, in one round trip. `None` when the tenant has no such endpoint.
    pub async fn change_endpoint(
        &self,
        tenant: &TenantId,
        id: Uuid,
        patch: &EndpointPatch<'_>,
    ) -> Result<Option<Endpoint>, Error> {
        let status = patch.is_enabled.map(|enabled| if enabled { "enabled" } else { "disabled" });
        let values: [&(dyn ToSql + Sync); 9] = [
            &id,
            &patch.url,
            &patch.description.is_some(),
            &patch.description.flatten(),
            &patch.event_types.is_some(),
            &patch.event_types.flatten(),
            &patch.memory_types.is_some(),
            &patch.memory_types.flatten(),
            &status,
        ];
        let rows = self.at_once(tenant, include_str!("../../queries/update_endpoint.sql"), &values).await?;
        rows.first().map(endpoint).transpose()
    }

    /// Deletes an endpoint and whatever waits for it, in one round trip. False when the tenant has no such endpoint.
    pub async fn delete_endpoint(&self, tenant: &TenantId, id: Uuid) -> Result<bool, Error> {
        let delete = "delete from afterthought.webhook_endpoints where id = $1 returning id";
        Ok(!self.at_once(tenant, delete, &[&id]).await?.is_empty())
    }

    /// Gives an endpoint a new secret, sealed, in one round trip; the one before signs beside it until `old_until`. False
    /// when the tenant has no such endpoint.
    pub async fn rotate_endpoint_secret(
        &self,
        tenant: &TenantId,
        id: Uuid,
        secret: &[u8],
        old_until: Timestamp,
    ) -> Result<bool, Error> {
        let transaction = self.transaction(tenant).await?;
        let rotate = transaction.prepare(include_str!("../../queries/rotate_endpoint_secret.sql")).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&id, &secret, &old_until];
        let ((), changed, ()) =
            try_join!(transaction.begin(), transaction.execute(&rotate, &values), transaction.commit())?;
        transaction.end();
        Ok(changed > 0)
    }

    /// One statement as a tenant, in one round trip.
    pub(crate) async fn at_once(
        &self,
        tenant: &TenantId,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let transaction = self.transaction(tenant).await?;
        let statement = transaction.prepare(sql).await?;
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&statement, values), transaction.commit())?;
        transaction.end();
        Ok(rows)
    }
}

fn endpoint(row: &Row) -> Result<Endpoint, Error> {
    Ok(Endpoint {
        id: row.try_get("id")?,
        url: row.try_get("url")?,
        description: row.try_get("description")?,
        event_types: row.try_get("event_types")?,
        memory_types: row.try_get("memory_types")?,
        disabled_because: row.try_get("disabled_because")?,
        failing_since: row.try_get("failing_since")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
        pending: row.try_get("pending")?,
        pending_since: row.try_get("pending_since")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
