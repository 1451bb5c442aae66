use domain::Retention;
use jiff::Timestamp;
use store::{Old, Tidying, UntidyTenant, refused_before};

use crate::{Error, Janitor, Worked};

/// So many rows are cleared away at a time.
const ROWS_AT_ONCE: u32 = 1_000;

impl Janitor {
    /// Clears away what is old of a tenant.
    pub(crate) async fn tidy(&self, tenant: &UntidyTenant, until: Timestamp) -> Result<Worked, Error> {
        let now = (self.now)();
        let periods = tenant.settings.retention.over(self.settings.retention);
        let all = Old::by(periods, self.keeper.request_key(), now, ROWS_AT_ONCE);
        for old in all.filter(|old| old.what != Tidying::Sessions) {
            loop {
                if self.is_over(until) {
                    return Ok(Worked::OutOfTime);
                }
                let rows = self.keeper.tidy(&tenant.tenant, old).await?;
                metrics::counter!("Tidied", "What" => old.what.as_str()).increment(rows);
                if rows < u64::from(ROWS_AT_ONCE) {
                    break;
                }
            }
        }
        if self.keeper.has_archive() {
            let tended = match self.tend_archive(&tenant.tenant, periods, until).await {
                Ok(Worked::Done) => self.sweep_orphans(&tenant.tenant, periods, until).await,
                other => other,
            };
            match tended {
                Ok(Worked::OutOfTime) => return Ok(Worked::OutOfTime),
                Ok(_) => {}
                // Nothing else waits for it: what is left is found again tomorrow.
                Err(Error::Store(error)) if error.is_of_archive() => {
                    metrics::counter!("ArchiveFailures").increment(1);
                    tracing::error!(tenant = %tenant.tenant, %error, "the archive could not be tended");
                }
                Err(error) => return Err(error),
            }
        }
        self.keeper.mark_tidied(&tenant.tenant, now).await?;
        Ok(Worked::Done)
    }

    /// Clears away what was noted long ago of rows of adopted tables that became no event. Tables are the deployment's, and so is
    /// the period.
    pub(crate) async fn tidy_refusals(&self, until: Timestamp) -> Result<Worked, Error> {
        let periods = Retention::default().over(self.settings.retention);
        let Some(before) = refused_before(periods, (self.now)()) else { return Ok(Worked::Done) };
        loop {
            if self.is_over(until) {
                return Ok(Worked::OutOfTime);
            }
            let rows = self.keeper.tidy_refusals(before, ROWS_AT_ONCE, false).await?;
            metrics::counter!("Tidied", "What" => "refused_rows").increment(rows);
            if rows < u64::from(ROWS_AT_ONCE) {
                return Ok(Worked::Done);
            }
        }
    }
}
