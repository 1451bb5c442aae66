use std::collections::{BTreeMap, BTreeSet};

use domain::{Event, Memory, MemoryType, Scope, SessionId, TenantId, TenantSettings, UserId, Window};
use futures::try_join;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store, row};

/// Current memories that an agent wants to see beside a window.
#[derive(Debug, Clone, Copy)]
pub struct ContextQuery {
    /// Of this type.
    pub kind: MemoryType,
    /// Of the window's session, of the window's user, or of the tenant.
    pub scope: Scope,
    /// At most this many, the newest first.
    pub limit: u16,
}

/// What an agent asks for before it thinks.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The agent.
    pub agent: &'a str,
    /// Whose session.
    pub tenant: &'a TenantId,
    /// The session.
    pub session: SessionId,
    /// At most this many events, and 4 MiB of words and metadata unless a single one has more. A redriven window is read
    /// whole.
    pub limit: u16,
    /// What it wants to see beside them.
    pub context: &'a [ContextQuery],
    /// The agent whose thoughts it wants to have first.
    pub waits_for: Option<&'a str>,
    /// The quarantined run whose window is to be thought about again, instead of what comes after the cursor.
    pub redrives: Option<Uuid>,
    /// Whether to look for text that recall handed out.
    pub recalled: bool,
}

/// A window and what decides whether and how it is thought about, as of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The events after the agent's cursor, which may be none, or exactly the quarantined run's.
    pub window: Window,
    /// The memories asked for.
    pub known: Vec<Memory>,
    /// The cursor of the agent that is waited for, 0 for none yet; `None` when none is waited for.
    pub awaited: Option<i64>,
    /// Whether the agent is not to think about this session now.
    pub held: bool,
    /// What the tenant has of its own; the deployment's for what cannot be read.
    pub settings: TenantSettings,
    /// The sentences of the window's events, by version, that the user's memories said before the event did; empty when
    /// nobody asked.
    pub recalled: BTreeMap<i64, Vec<String>>,
    /// As it was asked for.
    pub redrives: Option<Uuid>,
}

impl Store {
    /// Reads what an agent has not thought about yet, and everything that decides what to do about it, in one round
    /// trip.
    ///
    /// `None` when the tenant has no such session, and when the run to redrive is not an open quarantined one of this
    /// agent and session.
    pub async fn claim(&self, claim: &Claim<'_>) -> Result<Option<Claimed>, Error> {
        let Claim { agent, tenant, session, context, waits_for, redrives, .. } = *claim;
        let transaction = self.transaction(tenant).await?;
        let (read_window, read_context, read_standing) = try_join!(
            transaction.prepare(match redrives {
                None => include_str!("../queries/read_window.sql"),
                Some(_) => include_str!("../queries/read_quarantined_window.sql"),
            }),
            transaction.prepare(include_str!("../queries/read_context.sql")),
            transaction.prepare(include_str!("../queries/read_standing.sql")),
        )?;
        let kinds: Vec<&str> = context.iter().map(|query| query.kind.as_str()).collect();
        let scopes: Vec<&str> = context.iter().map(|query| query.scope.as_str()).collect();
        let limits: Vec<i64> = context.iter().map(|query| i64::from(query.limit)).collect();
        let (limit, kinds, scopes, limits) = (i64::from(claim.limit), &kinds, &scopes, &limits);
        let third: &(dyn ToSql + Sync) = match &redrives {
            None => &limit,
            Some(run) => run,
        };
        let window_values: [&(dyn ToSql + Sync); 4] = [&agent, &session.0, third, &claim.recalled];
        let context_values: [&(dyn ToSql + Sync); 4] = [&session.0, kinds, scopes, limits];
        let standing_values: [&(dyn ToSql + Sync); 3] = [&agent, &session.0, &waits_for];
        let ((), window, standing, known, ()) = try_join!(
            transaction.begin(),
            transaction.query(&read_window, &window_values),
            transaction.query(&read_standing, &standing_values),
            async {
                if context.is_empty() {
                    return Ok(Vec::new());
                }
                transaction.query(&read_context, &context_values).await
            },
            transaction.commit(),
        )?;
        transaction.end();

        let mut words = self.words_of(tenant, session, &window).await?;
        let archived: BTreeSet<i64> = words.versions().collect();
        let (Some(first), Some(standing)) = (window.first(), standing.first()) else { return Ok(None) };
        let mut read = Window {
            tenant: tenant.clone(),
            user: UserId::new(first.try_get::<_, String>("user_id")?).map_err(|error| Error::Stored {
                table: "sessions",
                column: "user_id",
                key: session.to_string(),
                got: error.got,
            })?,
            session,
            session_name: first.try_get("session")?,
            after: first.try_get("through")?,
            generation: first.try_get("generation")?,
            head: first.try_get("head_version")?,
            events: Vec::with_capacity(window.len()),
        };
        let mut recalled = BTreeMap::new();
        for event in &window {
            if event.try_get::<_, Option<i64>>("version")?.is_none() {
                continue;
            }
            let repeated: Option<Vec<String>> = event.try_get("recalled")?;
            let mut event = row::event(event)?;
            words.fill(session, &mut event);
            recalled.extend(repeated.map(|sentences| (event.version, sentences)));
            if event.version != read.through() + 1 {
                return Err(Error::Gap { session, after: read.through(), found: event.version });
            }
            read.events.push(event);
        }
        if claim.recalled {
            let archived: Vec<&Event> =
                read.events.iter().filter(|event| archived.contains(&event.version)).collect();
            recalled.extend(self.recalled_in(tenant, &read.user, &archived).await?);
        }
        let awaited: Option<i64> = standing.try_get("awaited")?;
        Ok(Some(Claimed {
            window: read,
            known: known.iter().map(row::memory).collect::<Result<_, _>>()?,
            awaited: waits_for.map(|_agent| awaited.unwrap_or(0)),
            held: standing.try_get("held")?,
            settings: settings(tenant, standing.try_get("settings")?),
            recalled,
            redrives,
        }))
    }
}

/// Fields of a tenant's settings that are not what they should be count as the deployment's: a slip in one of them is no
/// reason to stop thinking.
pub(crate) fn settings(tenant: &TenantId, stored: serde_json::Value) -> TenantSettings {
    let (settings, wrong) = TenantSettings::read(stored);
    if !wrong.is_empty() {
        let wrong = wrong.join(", ");
        tracing::warn!(%tenant, wrong, "settings of a tenant cannot be read, the deployment's are used for them");
    }
    settings
}
