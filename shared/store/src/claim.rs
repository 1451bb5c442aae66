use domain::{Memory, MemoryType, Scope, SessionId, TenantId, UserId, Window};
use futures::try_join;

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

/// A window and what the agent wants to see beside it, as of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The events after the agent's cursor; may be empty.
    pub window: Window,
    /// The memories asked for.
    pub known: Vec<Memory>,
}

impl Store {
    /// Reads what `agent` has not thought about yet in one round trip, at most `limit` events.
    ///
    /// `None` when the tenant has no such session.
    pub async fn claim(
        &self,
        agent: &str,
        tenant: &TenantId,
        session: SessionId,
        limit: u16,
        context: &[ContextQuery],
    ) -> Result<Option<Claimed>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (read_window, read_context) = try_join!(
            transaction.prepare(include_str!("../queries/read_window.sql")),
            transaction.prepare(include_str!("../queries/read_context.sql")),
        )?;
        let kinds: Vec<&str> = context.iter().map(|query| query.kind.as_str()).collect();
        let scopes: Vec<&str> = context.iter().map(|query| query.scope.as_str()).collect();
        let limits: Vec<i64> = context.iter().map(|query| i64::from(query.limit)).collect();
        let (limit, kinds, scopes, limits) = (i64::from(limit), &kinds, &scopes, &limits);
        let window_values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&agent, &session.0, &limit];
        let context_values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&session.0, kinds, scopes, limits];
        let ((), window, known, ()) = try_join!(
            transaction.begin(),
            transaction.query(&read_window, &window_values),
            async {
                if context.is_empty() {
                    return Ok(Vec::new());
                }
                transaction.query(&read_context, &context_values).await
            },
            transaction.commit(),
        )?;
        transaction.end();

        let Some(first) = window.first() else { return Ok(None) };
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
            generation: 0,
            head: first.try_get("head_version")?,
            events: Vec::with_capacity(window.len()),
        };
        for event in &window {
            if event.try_get::<_, Option<i64>>("version")?.is_none() {
                continue;
            }
            let event = row::event(event)?;
            if event.version != read.through() + 1 {
                return Err(Error::Gap { session, after: read.through(), found: event.version });
            }
            read.events.push(event);
        }
        let known = known.iter().map(row::memory).collect::<Result<_, _>>()?;
        Ok(Some(Claimed { window: read, known }))
    }
}
