//! What the janitor would clear away.

use std::collections::BTreeMap;

use domain::{Retention, TenantId};
use futures::TryStreamExt;
use futures::stream::FuturesOrdered;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Old, Store, orphaned_before, refused_before};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use crate::http::{Problem, postgres_is_down};

/// So much of a kind is counted at most.
const MOST_COUNTED: u32 = 1_000_000;

/// So many keys of the archive are looked at.
const MOST_KEYS: usize = 10_000;

/// Of which tenant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TidyAsked {
    /// The tenant.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    pub(super) tenant: TenantId,
}

/// What is old of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Untidy {
    #[schema(value_type = String)]
    tenant: TenantId,
    /// How many rows of each kind would be cleared away; a million stands for that many or more. `archive_orphans` are those of the
    /// first 10,000 objects of the archive that no row names, `refused_rows` are of the adopted tables of all tenants,
    /// `erased_rows` what open erasures have left; their dead letters are not counted.
    counts: BTreeMap<String, u64>,
    /// The periods that hold for the tenant, in days; 0 is for ever.
    #[schema(value_type = Object)]
    periods: Retention,
}

impl Admin {
    /// What the janitor would clear away of a tenant now.
    pub(super) async fn untidy(
        &self,
        keeper: Option<&Store>,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Untidy, Problem> {
        let keeper = keeper.ok_or_else(|| Problem::unavailable("the database"))?;
        let settings = keeper.tenant_settings_of(&tenant).await.map_err(|error| postgres_is_down(&error))?;
        let settings = settings.ok_or_else(|| Problem::not_found("there is no such tenant".to_owned()))?;
        let periods = settings.retention.over(self.retention);
        let tenant_name = &tenant;
        let mut counts: BTreeMap<String, u64> = Old::by(periods, keeper.request_key(), now, MOST_COUNTED)
            .map(|old| async move {
                Ok::<_, store::Error>((
                    old.what.as_str().to_owned(),
                    keeper.count_old(tenant_name, old).await?,
                ))
            })
            .collect::<FuturesOrdered<_>>()
            .try_collect()
            .await
            .map_err(|error| postgres_is_down(&error))?;
        let to_clear = keeper.count_to_clear(&tenant, periods, now, MOST_COUNTED).await;
        counts.extend(to_clear.map_err(|error| postgres_is_down(&error))?);
        if let Some(before) = orphaned_before(periods, now).filter(|_| keeper.has_archive()) {
            let orphans = keeper.count_orphans(&tenant, before, MOST_KEYS).await;
            counts.insert("archive_orphans".to_owned(), orphans.map_err(|error| postgres_is_down(&error))?);
        }
        if let Some(before) = refused_before(periods, now) {
            let refused = keeper.tidy_refusals(before, MOST_COUNTED, true).await;
            counts.insert("refused_rows".to_owned(), refused.map_err(|error| postgres_is_down(&error))?);
        }
        Ok(Untidy { tenant, counts, periods })
    }
}
