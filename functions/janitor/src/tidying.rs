use jiff::Timestamp;
use store::{Old, Tidying, UntidyTenant};

use crate::{Error, Janitor, Worked};

/// So many rows are cleared away at a time.
const ROWS_AT_ONCE: u32 = 1_000;

impl Janitor {
    /// Clears away what is old of a tenant.
    pub(crate) async fn tidy(&self, tenant: &UntidyTenant, until: Timestamp) -> Result<Worked, Error> {
        let now = (self.now)();
        let periods = tenant.settings.retention.over(self.settings.retention);
        for old in Old::by(periods, now, ROWS_AT_ONCE).filter(|old| old.what != Tidying::Sessions) {
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
}
