use std::collections::HashSet;

use domain::{Event, Memory, Scope, SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::recall::{MOST_EVIDENCE, recalled_memory, search_events, search_memories};
use crate::{Error, Filter, Found, RecalledEvent, RecalledMemory, Search, Store, row};

/// What is asked for when an application wants to go on with a conversation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hydrate<'a> {
    /// The session.
    pub session: Continued<'a>,
    /// Only events after this version of the named or known session are wanted: those before are known.
    pub after: i64,
    /// How many events are wanted, the newest.
    pub events: u16,
    /// How many of the session's last events make an entity active.
    pub active_events: u16,
    /// How many active entities, and how many open actions, are wanted.
    pub active: u16,
    /// How many other memories of the session are wanted.
    pub kept: u16,
    /// How many memories of the user are wanted.
    pub memories: u16,
    /// How many memories of the whole tenant are wanted.
    pub knowledge: u16,
    /// How many facts and preferences of the user are wanted for a profile, the newest.
    pub told: u16,
    /// What memories are searched for; without it, the surest and freshest are wanted.
    pub search: Option<Search<'a>>,
    /// What events of the user, in whichever session, are searched for; without it, none are wanted.
    pub related: Option<Search<'a>>,
    /// The agent that keeps the hot state.
    pub hot_agent: &'static str,
    /// Idempotency keys of events that the named session may have in the log by now.
    pub pending_keys: &'a [String],
}

/// Which session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continued<'a> {
    /// This one.
    Named(&'a str),
    /// The one active last.
    Latest,
    /// This one, where somebody spoke at this time, unless somebody has spoken in another one since.
    Known {
        /// Its name.
        name: &'a str,
        /// When, in whole milliseconds.
        active_at: Timestamp,
    },
}

/// What Postgres knows of a user and a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Hydration {
    /// The session, when there is one.
    pub session: Option<RecentSession>,
    /// What is kept of the user as a whole.
    pub profile: Option<Profile>,
    /// The session's current summary.
    pub summary: Option<Memory>,
    /// Current entities of the session's last events and its open actions, the most recent first.
    pub active: Vec<Memory>,
    /// What else is known of the session, the surest and freshest first.
    pub kept: Vec<Memory>,
    /// What is known of the user.
    pub memories: ScopeMemories,
    /// What is known of the whole tenant.
    pub knowledge: ScopeMemories,
    /// Current facts and preferences of the user, the newest first.
    pub told: Vec<Memory>,
    /// What was said, unranked; empty when nothing was searched for.
    pub related: Found<RecalledEvent>,
    /// Those of the pending keys whose events are in the log.
    pub logged_keys: HashSet<String>,
}

/// The memories of a scope, by the way they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum ScopeMemories {
    /// The surest and freshest, in order.
    Standing(Vec<RecalledMemory>),
    /// What may answer a search, unranked.
    Searched(Found<RecalledMemory>),
}

/// A session and its last events.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentSession {
    /// The session.
    pub id: SessionId,
    /// Its name.
    pub name: String,
    /// Its last version.
    pub head: i64,
    /// When the database accepted its last event.
    pub last_event_at: Timestamp,
    /// The last version that went into the hot state, 0 for none.
    pub hot_through: i64,
    /// The events asked for, oldest first.
    pub events: Vec<Event>,
}

/// What is kept of a user as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// An object.
    pub preferences: Value,
    /// An array.
    pub learned_facts: Value,
    /// How often the user has interacted.
    pub interaction_count: i64,
    /// When the user was last active.
    pub last_active_at: Timestamp,
}

impl Store {
    /// Everything an application needs to go on with a conversation, as of one moment, in one round trip.
    pub async fn hydrate(
        &self,
        tenant: &TenantId,
        user: &UserId,
        hydrate: &Hydrate<'_>,
    ) -> Result<Hydration, Error> {
        let transaction = self.transaction(tenant).await?;
        let (read_session, read_profile, list_session_memories, list_standing, list_told) = try_join!(
            transaction.prepare(include_str!("../queries/read_recent_session.sql")),
            transaction.prepare(include_str!("../queries/read_profile.sql")),
            transaction.prepare(include_str!("../queries/list_session_memories.sql")),
            transaction.prepare(include_str!("../queries/list_standing_memories.sql")),
            transaction.prepare(include_str!("../queries/list_told.sql")),
        )?;
        let (memories_statement, events_statement, find_logged) = try_join!(
            transaction.prepare(include_str!("../queries/search_memories.sql")),
            transaction.prepare(include_str!("../queries/search_events.sql")),
            transaction.prepare(include_str!("../queries/find_logged_keys.sql")),
        )?;
        let [events, active_events, active, kept, told] =
            [hydrate.events, hydrate.active_events, hydrate.active, hydrate.kept, hydrate.told]
                .map(i64::from);
        let (named, known, active_at) = match hydrate.session {
            Continued::Named(name) => (Some(name), None, None),
            Continued::Latest => (None, None, None),
            Continued::Known { name, active_at } => (None, Some(name), Some(active_at)),
        };
        let names: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &user.as_str()];
        let [tenant_value, user_value] = names;
        let session_values: [&(dyn ToSql + Sync); 8] = [
            tenant_value, user_value, &named, &known, &active_at, &hydrate.after, &events, &hydrate.hot_agent,
        ];
        let session_memories_values: [&(dyn ToSql + Sync); 8] =
            [tenant_value, user_value, &named, &known, &active_at, &active_events, &active, &kept];
        let evidence = i32::from(MOST_EVIDENCE);
        let told_values: [&(dyn ToSql + Sync); 3] = [tenant_value, user_value, &told];
        let logged_values: [&(dyn ToSql + Sync); 4] =
            [tenant_value, user_value, &named, &hydrate.pending_keys];
        let of_scope = async |scope: Scope, most: u16| {
            if let Some(search) = &hydrate.search {
                let scopes = [scope];
                let filter = Filter { scopes: &scopes, ..search.filter };
                let search = Search { filter, memory_candidates: most, ..*search };
                let found = search_memories(&transaction, &memories_statement, tenant, user, &search).await?;
                return Ok::<_, Error>(ScopeMemories::Searched(found));
            }
            let of = if scope == Scope::User { user.as_str() } else { "" };
            let (scope, most) = (scope.as_str(), i64::from(most));
            let values: [&(dyn ToSql + Sync); 6] = [tenant_value, user_value, &scope, &of, &most, &evidence];
            let rows = transaction.query(&list_standing, &values).await?;
            rows.iter().map(recalled_memory).collect::<Result<_, _>>().map(ScopeMemories::Standing)
        };
        let ((), session, profile, session_memories, told, memories, knowledge, related, logged, ()) = try_join!(
            transaction.begin(),
            transaction.query(&read_session, &session_values),
            transaction.query(&read_profile, &names),
            transaction.query(&list_session_memories, &session_memories_values),
            transaction.query(&list_told, &told_values),
            of_scope(Scope::User, hydrate.memories),
            of_scope(Scope::Global, hydrate.knowledge),
            async {
                match &hydrate.related {
                    Some(search) => {
                        search_events(&transaction, &events_statement, tenant, user, search).await
                    }
                    None => Ok(Found::default()),
                }
            },
            async {
                if hydrate.pending_keys.is_empty() {
                    return Ok(Vec::new());
                }
                transaction.query(&find_logged, &logged_values).await
            },
            transaction.commit(),
        )?;
        transaction.end();

        let mut summary = None;
        let (mut active_memories, mut kept) = (Vec::new(), Vec::new());
        for row in &session_memories {
            match row.try_get("part")? {
                "summary" => summary = Some(row::memory(row)?),
                "active" => active_memories.push(row::memory(row)?),
                _ => kept.push(row::memory(row)?),
            }
        }
        Ok(Hydration {
            session: self.recent_session(tenant, &session).await?,
            profile: profile.first().map(read_profile_row).transpose()?,
            summary,
            active: active_memories,
            kept,
            memories,
            knowledge,
            told: told.iter().map(row::memory).collect::<Result<_, _>>()?,
            related,
            logged_keys: keys_of(&logged)?,
        })
    }

    /// Those of these idempotency keys under which a session has an event in the log.
    pub async fn logged_keys(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: &str,
        keys: &[String],
    ) -> Result<HashSet<String>, Error> {
        let transaction = self.transaction(tenant).await?;
        let find = transaction.prepare(include_str!("../queries/find_logged_keys.sql")).await?;
        let values: [&(dyn ToSql + Sync); 4] = [&tenant.as_str(), &user.as_str(), &session_name, &keys];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit())?;
        transaction.end();
        keys_of(&rows)
    }

    /// What was said by or to a user that a search may be about, in whichever session, unranked: one round trip.
    pub async fn related_events(
        &self,
        tenant: &TenantId,
        user: &UserId,
        search: &Search<'_>,
    ) -> Result<Found<RecalledEvent>, Error> {
        let transaction = self.transaction(tenant).await?;
        let statement = transaction.prepare(include_str!("../queries/search_events.sql")).await?;
        let ((), found, ()) = try_join!(
            transaction.begin_planned(),
            search_events(&transaction, &statement, tenant, user, search),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(found)
    }

    async fn recent_session(&self, tenant: &TenantId, rows: &[Row]) -> Result<Option<RecentSession>, Error> {
        let Some(first) = rows.first() else { return Ok(None) };
        let mut session = RecentSession {
            id: SessionId(first.try_get("id")?),
            name: first.try_get("session")?,
            head: first.try_get("head_version")?,
            last_event_at: first.try_get("last_event_at")?,
            hot_through: first.try_get("through")?,
            events: Vec::with_capacity(rows.len()),
        };
        let mut words = self.words_of(tenant, session.id, rows).await?;
        for row in rows.iter().rev() {
            if row.try_get::<_, Option<i64>>("version")?.is_some() {
                let mut event = row::event(row)?;
                words.fill(session.id, &mut event);
                session.events.push(event);
            }
        }
        Ok(Some(session))
    }
}

fn keys_of(rows: &[Row]) -> Result<HashSet<String>, Error> {
    rows.iter().map(|row| Ok(row.try_get("idempotency_key")?)).collect()
}

fn read_profile_row(row: &Row) -> Result<Profile, Error> {
    Ok(Profile {
        preferences: row.try_get("preferences")?,
        learned_facts: row.try_get("learned_facts")?,
        interaction_count: row.try_get("interaction_count")?,
        last_active_at: row.try_get("last_active_at")?,
    })
}
