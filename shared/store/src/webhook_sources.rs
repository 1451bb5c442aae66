//! Who sends signed requests for a tenant.

use domain::{SealedSecret, SourceMapping, TenantId, WebhookSource};
use futures::try_join;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store};

/// How a change of a source ended. Unless it is [`SourceChange::Changed`], nothing was changed.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is answered once and kept nowhere")]
pub enum SourceChange {
    /// It is this now.
    Changed(WebhookSource),
    /// It is not there, or has been changed since.
    Stale,
    /// The tenant has another of that name.
    NameTaken,
}

impl Store {
    /// Makes a source in one round trip; `None` when the tenant has one of that name.
    pub async fn insert_webhook_source(
        &self,
        tenant: &TenantId,
        name: &str,
        mapping: &SourceMapping,
        secrets: &[SealedSecret],
    ) -> Result<Option<WebhookSource>, Error> {
        let (mapping, secrets) = (json(mapping), json(secrets));
        let values: [&(dyn ToSql + Sync); 4] = [&tenant.as_str(), &name, &mapping, &secrets];
        let rows =
            self.as_tenant(tenant, include_str!("../queries/insert_webhook_source.sql"), &values).await?;
        rows.first().map(source).transpose()
    }

    /// A tenant's sources by name, in one round trip; only this one, when it is given.
    pub async fn webhook_sources(
        &self,
        tenant: &TenantId,
        only: Option<Uuid>,
    ) -> Result<Vec<WebhookSource>, Error> {
        let values: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &only];
        let rows =
            self.as_tenant(tenant, include_str!("../queries/list_webhook_sources.sql"), &values).await?;
        rows.iter().map(source).collect()
    }

    /// Makes a source what is given, in one round trip, if it still has the version that is given.
    pub async fn change_webhook_source(&self, changed: &WebhookSource) -> Result<SourceChange, Error> {
        let WebhookSource { id, tenant, name, mapping, secrets, version, .. } = changed;
        let (mapping, secrets) = (json(mapping), json(secrets));
        let values: [&(dyn ToSql + Sync); 6] = [&tenant.as_str(), id, version, name, &mapping, &secrets];
        let query = include_str!("../queries/change_webhook_source.sql");
        match self.as_tenant(tenant, query, &values).await {
            Ok(rows) => {
                rows.first().map_or(Ok(SourceChange::Stale), |row| source(row).map(SourceChange::Changed))
            }
            Err(Error::Postgres(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Ok(SourceChange::NameTaken)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends a source in one round trip; answers its last version, or `None` when it was not there.
    pub async fn delete_webhook_source(&self, tenant: &TenantId, id: Uuid) -> Result<Option<i64>, Error> {
        let values: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &id];
        let rows =
            self.as_tenant(tenant, include_str!("../queries/delete_webhook_source.sql"), &values).await?;
        Ok(rows.first().map(|row| row.try_get("version")).transpose()?)
    }

    /// A source whosever it is.
    pub async fn find_webhook_source(&self, id: Uuid) -> Result<Option<WebhookSource>, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../queries/find_webhook_source.sql")).await?;
        connection.query_opt(&find, &[&id]).await?.as_ref().map(source).transpose()
    }

    /// One statement of a tenant in a transaction of its own.
    async fn as_tenant(
        &self,
        tenant: &TenantId,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let transaction = self.transaction(tenant).await?;
        let statement = transaction.prepare(query).await?;
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&statement, values), transaction.commit())?;
        transaction.end();
        Ok(rows)
    }
}

fn json(value: &(impl serde::Serialize + ?Sized)) -> Value {
    serde_json::to_value(value).expect("names, texts and times are JSON")
}

fn source(row: &Row) -> Result<WebhookSource, Error> {
    let id: Uuid = row.try_get("id")?;
    let stored = |column: &'static str| Error::Stored {
        table: "webhook_sources",
        column,
        key: id.to_string(),
        got: "what this version does not know".to_owned(),
    };
    Ok(WebhookSource {
        id,
        tenant: TenantId::new(row.try_get::<_, String>("tenant")?).map_err(|_| stored("tenant"))?,
        name: row.try_get("name")?,
        mapping: serde_json::from_value(row.try_get("mapping")?).map_err(|_| stored("mapping"))?,
        secrets: serde_json::from_value(row.try_get("secrets")?).map_err(|_| stored("secrets"))?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
