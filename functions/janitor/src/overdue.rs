//! Erasures that stay open: how many there are, how old the oldest is, and what those wait for that take too long.

use domain::TenantId;
use jiff::{SignedDuration, Timestamp};
use store::{OpenErasures, UntidyTenant};

use crate::{Error, Janitor};

/// From so much of its period on, an erasure is told of. The alarm of the template is at the same.
const TOLD_FROM_PERCENT: f64 = 50.0;
/// So many of a tenant are told of, the oldest.
const MOST_TOLD: u16 = 10;

/// How the open erasures stand.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Standing {
    open: i64,
    /// How long ago the oldest was asked for.
    oldest_hours: f64,
    /// How far the one is into its tenant's period that is furthest.
    percent: f64,
}

impl Standing {
    /// These of one tenant, of which each may take so many days; 0 for any time.
    fn of(open: &OpenErasures, days: u32, now: Timestamp) -> Self {
        let oldest_hours = now.duration_since(open.oldest).as_secs_f64().max(0.0) / 3600.0;
        let percent = if days == 0 { 0.0 } else { oldest_hours / (24.0 * f64::from(days)) * 100.0 };
        Self { open: open.count, oldest_hours, percent }
    }

    fn and(self, other: Self) -> Self {
        Self {
            open: self.open + other.open,
            oldest_hours: self.oldest_hours.max(other.oldest_hours),
            percent: self.percent.max(other.percent),
        }
    }
}

impl Janitor {
    /// Measures the erasures that are open. Those that are late are told of in the log when `is_told`, with what each waits for.
    pub(crate) async fn watch_erasures(&self, tenants: &[UntidyTenant], is_told: bool) -> Result<(), Error> {
        let now = (self.now)();
        let mut all = Standing::default();
        for open in self.keeper.count_open_erasures().await? {
            let standing = Standing::of(&open, self.erasure_days(tenants, &open.tenant), now);
            if is_told && standing.percent > TOLD_FROM_PERCENT {
                self.tell_late(&open.tenant, now).await?;
            }
            all = all.and(standing);
        }
        metrics::gauge!("OpenErasures").set(f64::from(i32::try_from(all.open).unwrap_or(i32::MAX)));
        metrics::gauge!("OldestErasureHours").set(all.oldest_hours);
        metrics::gauge!("OldestErasurePercent").set(all.percent);
        Ok(())
    }

    /// In how many days an erasure of a tenant is to be complete; 0 for any time.
    fn erasure_days(&self, tenants: &[UntidyTenant], tenant: &TenantId) -> u32 {
        let own = tenants.iter().find(|known| known.tenant == *tenant).map(|known| known.settings.retention);
        own.unwrap_or_default().over(self.settings.retention).erasure_days.unwrap_or(0)
    }

    async fn tell_late(&self, tenant: &TenantId, now: Timestamp) -> Result<(), Error> {
        for erasure in self.keeper.open_erasures(tenant, None, MOST_TOLD).await? {
            let waits_for = self.keeper.erasure_waits_for(tenant, erasure.id).await?;
            let waits_for: Vec<String> = waits_for.iter().map(ToString::to_string).collect();
            let age: SignedDuration = now.duration_since(erasure.asked_at);
            tracing::error!(
                erasure = %erasure.id, %tenant, hours = age.as_hours(), waits_for = waits_for.join(", "),
                "an erasure is late"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_and_the_one_furthest_into_its_period_are_measured() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let open = |count, hours| OpenErasures {
            tenant: TenantId::new("acme").unwrap(),
            count,
            oldest: now - SignedDuration::from_hours(hours),
        };
        let patient = Standing::of(&open(2, 72), 30, now);
        assert_eq!(patient, Standing { open: 2, oldest_hours: 72.0, percent: 10.0 });
        let strict = Standing::of(&open(1, 18), 1, now);
        assert_eq!(strict, Standing { open: 1, oldest_hours: 18.0, percent: 75.0 });
        assert_eq!(patient.and(strict), Standing { open: 3, oldest_hours: 72.0, percent: 75.0 });
        assert!(Standing::of(&open(1, 1_000), 0, now).percent.abs() < 1e-9, "any time is never late");
        assert!(Standing::of(&open(1, -1), 1, now).percent.abs() < 1e-9, "by another clock it is to come");
    }
}
