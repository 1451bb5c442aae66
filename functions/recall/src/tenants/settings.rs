//! What is done to settings, and how they are shown.

use domain::{TenantId, TenantSettings};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{SettingsChanged, Tenant};
use utoipa::{IntoParams, ToSchema};

use super::SettingsAsked;
use crate::Parts;
use crate::http::{Problem, Whole, postgres_is_down};

/// Which version is changed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionAsked {
    /// The version of the settings that is changed; whichever there is when not given.
    #[param(value_type = Option<i64>, minimum = 1)]
    pub(crate) version: Option<Whole<1, { i64::MAX }>>,
}

/// A tenant, and what it has of its own.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantShown {
    #[schema(value_type = String)]
    tenant: TenantId,
    /// Goes up by one with every change of the settings.
    pub(crate) version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the settings changed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// What the tenant has of its own, every field; null is the deployment's.
    #[schema(value_type = SettingsAsked)]
    settings: TenantSettings,
    /// The models that the deployment offers beside its own: what `model` may be, or `built-in`.
    models: Vec<String>,
}

/// Who changes settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangedBy {
    /// The tenant, which does not set its own limits.
    Tenant,
    /// An operator.
    Operator,
}

fn no_such_tenant() -> Problem {
    Problem::not_found("there is no such tenant".to_owned())
}

impl Parts {
    /// How a tenant is shown.
    pub(crate) fn tenant_shown(&self, tenant: Tenant) -> TenantShown {
        let Tenant { name, settings, version, created_at, updated_at } = tenant;
        TenantShown { tenant: name, version, created_at, updated_at, settings, models: self.models.clone() }
    }

    /// A tenant with its settings.
    pub(crate) async fn show_tenant(&self, tenant: &TenantId) -> Result<TenantShown, Problem> {
        let found = self.store.tenant(tenant).await.map_err(|error| postgres_is_down(&error))?;
        found.map(|tenant| self.tenant_shown(tenant)).ok_or_else(no_such_tenant)
    }

    /// Changes a tenant's settings, those of this version if one is given.
    pub(crate) async fn change_settings(
        &self,
        tenant: &TenantId,
        asked: &SettingsAsked,
        version: Option<i64>,
        by: ChangedBy,
    ) -> Result<TenantShown, Problem> {
        let fields = asked.fields(by == ChangedBy::Operator, &self.models)?;
        let changed = self.store.change_settings(tenant, &fields, version).await;
        match changed.map_err(|error| postgres_is_down(&error))? {
            SettingsChanged::Done(changed) => {
                // A repeat comes to the same, so whoever is told of an error may make one.
                self.guard.keyring().publish_settings(&changed, (self.now)()).await?;
                Ok(self.tenant_shown(changed))
            }
            SettingsChanged::Stale(there) => {
                let detail = format!("the settings are of version {}, expected the one given", there.version);
                let current = serde_json::to_value(self.tenant_shown(there)).unwrap_or(Value::Null);
                Err(Problem::conflict("version", detail).with_current(current))
            }
            SettingsChanged::Unknown => Err(no_such_tenant()),
        }
    }
}
