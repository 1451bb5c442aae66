use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::commit::stored_error;
use crate::target::{self, checked_user, stored_moment};
use crate::{Error, Store, Target};

/// Which runs are listed: those that match all that is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunFilter {
    /// Of whom, by which agent.
    pub target: Target,
    /// How they ended: `done`, `degraded`, `quarantined` or `cancelled`. Not looked at where only one kind is listed.
    pub outcome: Option<String>,
    /// Ended then or later.
    pub since: Option<Timestamp>,
    /// Ended before.
    pub until: Option<Timestamp>,
    /// What the error, or why it is degraded, contains, in upper or lower case.
    pub reason: Option<String>,
    /// The last run of the page before.
    pub before: Option<Uuid>,
}

/// A window that was set aside and has not been thought about again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The run that set it aside.
    pub run: Uuid,
    /// The agent.
    pub agent: String,
    /// Whose session.
    pub tenant: TenantId,
    /// The session.
    pub session: SessionId,
    /// The version before its first.
    pub after: i64,
    /// Its last version.
    pub through: i64,
    /// Why.
    pub error: String,
    /// When, or when it failed again last.
    pub at: Timestamp,
}

/// A run as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRecord {
    /// Its identifier.
    pub run: Uuid,
    /// The agent.
    pub agent: String,
    /// Whose session.
    pub tenant: TenantId,
    /// The session's user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The session's name, as the application knows it.
    pub session_name: String,
    /// The version before the first it was about.
    pub after: i64,
    /// The last version it was about.
    pub through: i64,
    /// `done`, `degraded`, `quarantined` or `cancelled`.
    pub outcome: String,
    /// What went wrong, or why it is degraded.
    pub reason: Option<String>,
    /// The model that thought, empty when none did.
    pub model: String,
    /// Tokens read by the model.
    pub input_tokens: i64,
    /// Tokens written by it.
    pub output_tokens: i64,
    /// How often its wake-up had been put off.
    pub deferrals: i32,
    /// The quarantined run whose window it thought about again.
    pub redrives: Option<Uuid>,
    /// Of a quarantined one: the run that thought about its window again; its own id when a replay did.
    pub redriven_by: Option<Uuid>,
    /// When its wake-up was first sent.
    pub first_sent_at: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

impl Store {
    /// Quarantined runs that nothing has closed, the latest first, at most `limit`. For [`crate::Role::Operator`].
    pub async fn quarantined(&self, filter: &RunFilter, limit: u16) -> Result<Vec<Quarantined>, Error> {
        let connection = self.connection().await?;
        let list = connection.prepare(include_str!("../queries/list_quarantined.sql")).await?;
        let RunFilter { target, before, .. } = filter;
        let (since, until) = (filter.since.map(stored_moment), filter.until.map(stored_moment));
        let reason = filter.reason.as_deref().map(stored_error);
        let values: [&(dyn ToSql + Sync); 9] = [
            &target.tenant(),
            &target.agent,
            &target.user(),
            &target.session(),
            &since,
            &until,
            &reason,
            before,
            &i64::from(limit),
        ];
        let rows = connection.query(&list, &values).await?;
        rows.iter()
            .map(|row| {
                let run: Uuid = row.try_get("id")?;
                Ok(Quarantined {
                    run,
                    agent: row.try_get("agent")?,
                    tenant: target::tenant(row, "agent_runs", &run)?,
                    session: SessionId(row.try_get("session_id")?),
                    after: row.try_get("after_version")?,
                    through: row.try_get("through_version")?,
                    error: row.try_get::<_, Option<String>>("error")?.unwrap_or_default(),
                    at: row.try_get("finished_at")?,
                })
            })
            .collect()
    }

    /// The history of runs, the latest first, at most `limit`; the next page is the one before the last of these. For
    /// [`crate::Role::Operator`].
    pub async fn runs(&self, filter: &RunFilter, limit: u16) -> Result<Vec<RunRecord>, Error> {
        let connection = self.connection().await?;
        let list = connection.prepare(include_str!("../queries/list_runs.sql")).await?;
        let RunFilter { target, outcome, before, .. } = filter;
        let (since, until) = (filter.since.map(stored_moment), filter.until.map(stored_moment));
        let reason = filter.reason.as_deref().map(stored_error);
        let values: [&(dyn ToSql + Sync); 10] = [
            &target.tenant(),
            &target.agent,
            &target.user(),
            &target.session(),
            &since,
            &until,
            &reason,
            before,
            &i64::from(limit),
            outcome,
        ];
        let rows = connection.query(&list, &values).await?;
        rows.iter()
            .map(|row| {
                let run: Uuid = row.try_get("id")?;
                Ok(RunRecord {
                    run,
                    agent: row.try_get("agent")?,
                    tenant: target::tenant(row, "agent_runs", &run)?,
                    user: checked_user(row.try_get("user_id")?, "sessions", &run)?,
                    session: SessionId(row.try_get("session_id")?),
                    session_name: row.try_get("session")?,
                    after: row.try_get("after_version")?,
                    through: row.try_get("through_version")?,
                    outcome: row.try_get("outcome")?,
                    reason: row.try_get("error")?,
                    model: row.try_get("model")?,
                    input_tokens: row.try_get("input_tokens")?,
                    output_tokens: row.try_get("output_tokens")?,
                    deferrals: row.try_get("deferrals")?,
                    redrives: row.try_get("redrives")?,
                    redriven_by: row.try_get("redriven_by")?,
                    first_sent_at: row.try_get("first_sent_at")?,
                    started_at: row.try_get("started_at")?,
                    finished_at: row.try_get("finished_at")?,
                })
            })
            .collect()
    }

    /// Tokens that a tenant's runs of a day (UTC) have read and written, as far as they have ended: what a lost count of
    /// the day begins with again.
    pub async fn tokens_of_day(&self, tenant: &TenantId, day: Date) -> Result<u64, Error> {
        let start = |day: Date| day.to_zoned(TimeZone::UTC).map(|day| stored_moment(day.timestamp()));
        let Ok(from) = start(day) else { return Ok(0) };
        let until = day.tomorrow().and_then(start).unwrap_or(Timestamp::MAX);
        let transaction = self.transaction(tenant).await?;
        let sum = transaction.prepare(include_str!("../queries/sum_tokens.sql")).await?;
        let tenant = tenant.as_str();
        let values: [&(dyn ToSql + Sync); 3] = [&tenant, &from, &until];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&sum, &values), transaction.commit())?;
        transaction.end();
        let tokens: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok(u64::try_from(tokens).unwrap_or(0))
    }
}
