use domain::{TenantId, TenantSettings};
use futures::try_join;

use crate::claim::settings;
use crate::{Error, Store};

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
        let transaction = self.transaction(tenant).await?;
        let read = transaction.prepare("select settings from afterthought.tenants").await?;
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&read, &[]), transaction.commit())?;
        transaction.end();
        match rows.first() {
            Some(row) => Ok(settings(tenant, row.try_get("settings")?)),
            None => Ok(TenantSettings::default()),
        }
    }
}
