//! Clearing away what has become old, a bounded step at a time. For [`crate::Role::Keeper`].

use std::time::Duration;

use domain::{Retention, TenantId, TenantSettings};
use futures::try_join;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::claim::settings;
use crate::conflict::until_alone;
use crate::erasure::Deletes;
use crate::{Error, Store, target};

/// Longer than a function runs.
const LONGEST_WRITER: SignedDuration = SignedDuration::from_mins(20);

/// What can be cleared away when it is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tidying {
    /// Keys of requests, with the answers kept under them.
    Requests,
    /// What memories said before they were changed.
    Versions,
    /// Runs, with their ledger.
    Runs,
    /// States that applications saved, but for the last ones of each session.
    Checkpoints,
    /// Memories whose deletion can no longer be taken back.
    Deleted,
    /// Memories that were to be kept until a time that is over.
    Expired,
    /// Memories that the memory-curator let fade.
    Faded,
    /// What has waited too long for an endpoint: it is given up, and is a dead letter then.
    Overdue,
    /// What endpoints were told, and what was given up.
    Deliveries,
    /// Sessions in which nothing has happened for long: they go to the archive, event by event ([`Store::archive_next`]).
    Sessions,
}

impl Tidying {
    /// Everything, in the order in which it is cleared away.
    pub const ALL: [Self; 10] = [
        Self::Requests,
        Self::Checkpoints,
        Self::Deleted,
        Self::Expired,
        Self::Faded,
        Self::Versions,
        Self::Runs,
        Self::Overdue,
        Self::Deliveries,
        Self::Sessions,
    ];

    /// The name in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Versions => "memory_versions",
            Self::Runs => "runs",
            Self::Checkpoints => "checkpoints",
            Self::Deleted => "deleted_memories",
            Self::Expired => "expired_memories",
            Self::Faded => "faded_memories",
            Self::Overdue => "overdue_deliveries",
            Self::Deliveries => "deliveries",
            Self::Sessions => "archived_sessions",
        }
    }
}

/// How much of one kind is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old {
    /// Of what kind.
    pub what: Tidying,
    /// Whatever was touched last before then.
    pub before: Timestamp,
    /// Of each session so many stay, whatever their age, where that matters.
    pub kept: u32,
    /// At most so many.
    pub most: u32,
}

impl Old {
    /// What is old by these periods, each kind with a bound; kinds that are kept for ever are left out. Keys of requests are by
    /// `request_key`.
    pub fn by(
        periods: Retention,
        request_key: Duration,
        now: Timestamp,
        most: u32,
    ) -> impl Iterator<Item = Self> {
        Tidying::ALL.into_iter().filter_map(move |what| {
            let days = match what {
                Tidying::Requests => {
                    let before = now.saturating_sub(request_key).unwrap_or(Timestamp::MIN);
                    return Some(Self { what, before, kept: 0, most });
                }
                Tidying::Versions => periods.versions_days,
                Tidying::Runs => periods.runs_days,
                Tidying::Checkpoints => periods.checkpoints_days,
                Tidying::Deleted => periods.deleted_days,
                Tidying::Expired => periods.expired_days,
                Tidying::Faded => periods.faded_days,
                Tidying::Overdue => periods.waiting_days,
                Tidying::Deliveries => periods.deliveries_days,
                Tidying::Sessions => periods.archive_days,
            };
            let kept = periods.checkpoints_kept.unwrap_or(1).max(1);
            Some(Self { what, before: days_before(days, now)?, kept, most })
        })
    }
}

/// When an object of the archive that no row names must have been written to be deleted; `None` when none ever is.
pub fn orphaned_before(periods: Retention, now: Timestamp) -> Option<Timestamp> {
    days_before(periods.orphans_days, now)
}

/// Since when nothing must have happened in a session for what was said there to go to the archive; `None` when none ever does.
pub fn idle_before(periods: Retention, now: Timestamp) -> Option<Timestamp> {
    days_before(periods.archive_days, now)
}

/// A writer of an object of the archive that began before then has ended: longer than a function runs.
pub fn writers_ended_before(now: Timestamp) -> Timestamp {
    now.saturating_sub(LONGEST_WRITER).unwrap_or(Timestamp::MIN)
}

/// When a row of an adopted table must have been refused for its key to be cleared away; `None` when none ever is.
pub fn refused_before(periods: Retention, now: Timestamp) -> Option<Timestamp> {
    days_before(periods.refusals_days, now)
}

fn days_before(days: Option<u32>, now: Timestamp) -> Option<Timestamp> {
    let days = days.filter(|days| *days > 0)?;
    let before = now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days)));
    Some(before.unwrap_or(Timestamp::MIN))
}

/// A tenant in which there is something to do.
#[derive(Debug, Clone, PartialEq)]
pub struct UntidyTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Whether nothing was cleared away for long enough.
    pub is_due: bool,
    /// Whether an erasure is not complete.
    pub has_erasures: bool,
    /// What the tenant has of its own.
    pub settings: TenantSettings,
}

impl Store {
    /// The tenants in which there is something to do, those first that have waited longest: nothing was cleared away since a
    /// time, or an erasure is not complete.
    pub async fn tenants_to_tidy(&self, tidied_before: Timestamp) -> Result<Vec<UntidyTenant>, Error> {
        let connection = self.connection().await?;
        let list = connection.prepare(include_str!("../queries/list_tenants_to_tidy.sql")).await?;
        let rows = connection.query(&list, &[&tidied_before]).await?;
        rows.iter()
            .map(|row| {
                let tenant = target::tenant(row, "tenants", &Uuid::nil())?;
                Ok(UntidyTenant {
                    is_due: row.try_get("is_due")?,
                    has_erasures: row.try_get("has_erasures")?,
                    settings: settings(&tenant, row.try_get("settings")?),
                    tenant,
                })
            })
            .collect()
    }

    /// Notes that everything old of a tenant was cleared away.
    pub async fn mark_tidied(&self, tenant: &TenantId, at: Timestamp) -> Result<(), Error> {
        let transaction = self.transaction(tenant).await?;
        let mark = transaction.prepare(include_str!("../queries/mark_tidied.sql")).await?;
        let values: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &at];
        try_join!(transaction.begin(), transaction.execute(&mark, &values), transaction.commit())?;
        transaction.end();
        Ok(())
    }

    /// Clears away what is old of one kind, and answers how many rows that were: as many as asked for when there are more.
    pub async fn tidy(&self, tenant: &TenantId, old: Old) -> Result<u64, Error> {
        until_alone(|| self.tidy_once(tenant, old, false)).await
    }

    /// How many rows [`Store::tidy`] would clear away. Nothing is changed.
    pub async fn count_old(&self, tenant: &TenantId, old: Old) -> Result<u64, Error> {
        self.tidy_once(tenant, old, true).await
    }

    /// What is to be cleared away of a tenant that no period is about, by the names it is counted under, at most so much of each:
    /// what open erasures have left, objects of the archive that nothing stands for, and what comes back from there. Nothing is
    /// changed.
    pub async fn count_to_clear(
        &self,
        tenant: &TenantId,
        periods: Retention,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<(String, u64)>, Error> {
        let count = include_str!("../queries/count_to_clear.sql");
        let since = idle_before(periods, now).unwrap_or(Timestamp::UNIX_EPOCH);
        let values: [&(dyn ToSql + Sync); 4] =
            [&tenant.as_str(), &writers_ended_before(now), &since, &i64::from(most)];
        let rows = self.at_once(tenant, count, &values).await?;
        rows.iter()
            .map(|row| {
                let rows: i64 = row.try_get("rows")?;
                Ok((row.try_get("what")?, u64::try_from(rows).unwrap_or(0)))
            })
            .collect()
    }

    /// Clears away keys of rows of adopted tables that became no event, at most so many, or only counts them; of all tenants, for
    /// tables are the deployment's. Answers how many those were.
    pub async fn tidy_refusals(&self, before: Timestamp, most: u32, is_dry: bool) -> Result<u64, Error> {
        let connection = self.connection().await?;
        let tidy = connection.prepare("select afterthought.tidy_refusals($1, $2, $3) as rows").await?;
        let rows = connection.query(&tidy, &[&before, &i64::from(most), &is_dry]).await?;
        let rows: i64 = rows.first().map_or(Ok(0), |row| row.try_get("rows"))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    async fn tidy_once(&self, tenant: &TenantId, old: Old, is_dry: bool) -> Result<u64, Error> {
        let sql = match old.what {
            Tidying::Requests => include_str!("../queries/tidy_requests.sql"),
            Tidying::Versions => include_str!("../queries/tidy_versions.sql"),
            Tidying::Runs => include_str!("../queries/tidy_runs.sql"),
            Tidying::Checkpoints => include_str!("../queries/tidy_checkpoints.sql"),
            Tidying::Overdue => include_str!("../queries/give_up_deliveries.sql"),
            Tidying::Deliveries => include_str!("../queries/tidy_deliveries.sql"),
            // They are not rows that go; without an archive they stay.
            Tidying::Sessions if is_dry && self.has_archive() => return self.count_idle(tenant, old).await,
            Tidying::Sessions => return Ok(0),
            Tidying::Deleted => {
                return self
                    .tidy_memories(tenant, old, is_dry, include_str!("../queries/list_deleted_memories.sql"))
                    .await;
            }
            Tidying::Expired => {
                return self
                    .tidy_memories(tenant, old, is_dry, include_str!("../queries/list_expired_memories.sql"))
                    .await;
            }
            Tidying::Faded => {
                return self
                    .tidy_memories(tenant, old, is_dry, include_str!("../queries/list_faded_memories.sql"))
                    .await;
            }
        };
        let transaction = self.transaction(tenant).await?;
        let tidy = transaction.prepare(sql).await?;
        let (tenant, most, kept) = (tenant.as_str(), i64::from(old.most), i64::from(old.kept));
        let values: [&(dyn ToSql + Sync); 5] = [&tenant, &old.before, &most, &is_dry, &kept];
        let keeps_some = old.what == Tidying::Checkpoints;
        let ((), rows, ()) = try_join!(
            transaction.begin(),
            async {
                if keeps_some {
                    return transaction.query(&tidy, &values).await;
                }
                let [tenant, before, most, is_dry, _] = values;
                transaction.query(&tidy, &[tenant, before, most, is_dry]).await
            },
            transaction.commit(),
        )?;
        transaction.end();
        let rows: i64 = rows.first().map_or(Ok(0), |row| row.try_get("rows"))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    async fn count_idle(&self, tenant: &TenantId, old: Old) -> Result<u64, Error> {
        let transaction = self.transaction(tenant).await?;
        let count = transaction.prepare(include_str!("../queries/count_sessions_to_archive.sql")).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &old.before, &i64::from(old.most)];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&count, &values), transaction.commit())?;
        transaction.end();
        let rows: i64 = rows.first().map_or(Ok(0), |row| row.try_get("rows"))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    async fn tidy_memories(
        &self,
        tenant: &TenantId,
        old: Old,
        is_dry: bool,
        list: &str,
    ) -> Result<u64, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(list).await?;
        let deletes = Deletes::prepare(&transaction).await?;
        let most = i64::from(old.most);
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &old.before, &most];
        let ((), rows) = try_join!(transaction.begin(), transaction.query(&list, &values))?;
        let count = rows.len() as u64;
        if is_dry || rows.is_empty() {
            return transaction.leave(count).await;
        }
        let memories: Vec<Uuid> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
        try_join!(deletes.delete_memories(&transaction, &memories), transaction.commit())?;
        transaction.end();
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_of_zero_keeps_for_ever_and_requests_are_never_kept() {
        let never = Retention {
            versions_days: Some(0),
            runs_days: Some(0),
            checkpoints_days: Some(0),
            deleted_days: Some(0),
            expired_days: Some(0),
            faded_days: Some(0),
            waiting_days: Some(0),
            deliveries_days: Some(0),
            archive_days: Some(0),
            orphans_days: Some(0),
            erasure_days: Some(0),
            refusals_days: Some(0),
            checkpoints_kept: None,
        };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let day = Duration::from_hours(24);
        let old: Vec<Tidying> = Old::by(never, day, now, 1).map(|old| old.what).collect();
        assert_eq!(old, [Tidying::Requests]);
        let usual = Retention::default().over(Retention::default());
        assert_eq!(refused_before(never, now), None);
        assert_eq!(Old::by(usual, day, now, 1).count(), Tidying::ALL.len());
        let requests = Old::by(usual, day / 2, now, 1).find(|old| old.what == Tidying::Requests).unwrap();
        assert_eq!(now.duration_since(requests.before).as_hours(), 12);
        let checkpoints = Old::by(usual, day, now, 1).find(|old| old.what == Tidying::Checkpoints).unwrap();
        assert_eq!((checkpoints.kept, now.duration_since(checkpoints.before).as_hours()), (5, 30 * 24));
    }
}
