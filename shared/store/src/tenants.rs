use domain::{TenantId, TenantSettings};
use futures::try_join;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::claim::settings;
use crate::{Error, Store};

/// A tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// Its name.
    pub name: TenantId,
    /// What it has of its own.
    pub settings: TenantSettings,
    /// Goes up by one with every change of its settings.
    pub version: i64,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// When its settings changed last.
    pub updated_at: Timestamp,
}

/// How a change of settings ended.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingsChanged {
    /// They are changed.
    Done(Tenant),
    /// They are of another version than the one that was to be changed; so they are.
    Stale(Tenant),
    /// There is no such tenant.
    Unknown,
}

impl Store {
    /// What a tenant has of its own; `None` when there is no such tenant. For [`crate::Role::Keeper`], which sees all.
    pub async fn tenant_settings_of(&self, tenant: &TenantId) -> Result<Option<TenantSettings>, Error> {
        let connection = self.connection().await?;
        let read = connection.prepare("select settings from afterthought.tenants where tenant = $1").await?;
        let row = connection.query_opt(&read, &[&tenant.as_str()]).await?;
        row.map(|row| Ok(settings(tenant, row.try_get("settings")?))).transpose()
    }

    /// What a tenant has of its own, in one round trip; nothing when there is no such tenant.
    pub async fn tenant_settings(&self, tenant: &TenantId) -> Result<TenantSettings, Error> {
        Ok(self.tenant(tenant).await?.map(|tenant| tenant.settings).unwrap_or_default())
    }

    /// A tenant, in one round trip.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>, Error> {
        let transaction = self.transaction(tenant).await?;
        let read = transaction.prepare(include_str!("../queries/read_tenant.sql")).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&tenant.as_str()];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&read, &values), transaction.commit())?;
        transaction.end();
        rows.first().map(|row| record(tenant, row)).transpose()
    }

    /// Makes a tenant, for an operator or the login, and answers whether it was not there before.
    pub async fn create_tenant(&self, tenant: &TenantId) -> Result<bool, Error> {
        let transaction = self.transaction(tenant).await?;
        let insert = transaction.prepare(include_str!("../queries/insert_tenant.sql")).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&tenant.as_str()];
        let ((), made, ()) =
            try_join!(transaction.begin(), transaction.execute(&insert, &values), transaction.commit())?;
        transaction.end();
        Ok(made > 0)
    }

    /// Tenants by name, for an operator: at most `limit` of those after `after`, in one round trip.
    pub async fn list_tenants(&self, after: Option<&TenantId>, limit: u16) -> Result<Vec<Tenant>, Error> {
        let connection = self.connection().await?;
        let list = connection.prepare(include_str!("../queries/list_tenants.sql")).await?;
        let after = after.map_or("", TenantId::as_str);
        let rows = connection.query(&list, &[&after, &i64::from(limit)]).await?;
        let read = |row: &Row| {
            let name: String = row.try_get("tenant")?;
            let name = TenantId::new(name).map_err(|error| Error::Stored {
                table: "tenants",
                column: "tenant",
                key: error.got.clone(),
                got: error.got,
            })?;
            record(&name, row)
        };
        rows.iter().map(read).collect()
    }

    /// Changes a tenant's settings, in one round trip: `fields` is an object whose members take the place of those there,
    /// null removes one. With `version`, only while they are of that version.
    pub async fn change_settings(
        &self,
        tenant: &TenantId,
        fields: &Value,
        version: Option<i64>,
    ) -> Result<SettingsChanged, Error> {
        let transaction = self.transaction(tenant).await?;
        let (update, read) = try_join!(
            transaction.prepare(include_str!("../queries/update_settings.sql")),
            transaction.prepare(include_str!("../queries/read_tenant.sql")),
        )?;
        let name = tenant.as_str();
        let update_values: [&(dyn ToSql + Sync); 3] = [&name, fields, &version];
        let read_values: [&(dyn ToSql + Sync); 1] = [&name];
        let ((), changed, there, ()) = try_join!(
            transaction.begin(),
            transaction.query(&update, &update_values),
            transaction.query(&read, &read_values),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(match (changed.first(), there.first()) {
            (Some(row), _) => SettingsChanged::Done(record(tenant, row)?),
            (None, Some(row)) => SettingsChanged::Stale(record(tenant, row)?),
            (None, None) => SettingsChanged::Unknown,
        })
    }
}

fn record(tenant: &TenantId, row: &Row) -> Result<Tenant, Error> {
    Ok(Tenant {
        name: tenant.clone(),
        settings: settings(tenant, row.try_get("settings")?),
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
