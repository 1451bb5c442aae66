use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::target::{behind, checked_tenant, checked_user, stored_moment};
use crate::{Behind, Error, Store, Target};

/// The most ended holds that one sweep sees to.
const MOST_ENDED: i64 = 1_000;

/// Why agents are not to think about something for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// Somebody who runs the deployment said so.
    Pause,
    /// The tenant's tokens of the day are used up.
    Budget,
    /// The agent wants to go on later.
    Sleep,
}

impl HoldReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Pause, Self::Budget, Self::Sleep];

    /// The name stored in `holds.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Budget => "budget",
            Self::Sleep => "sleep",
        }
    }

    /// The reason stored under this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// What agents are not to think about for now: whatever matches all of the fields that are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose sessions; every tenant's when not given.
    pub tenant: Option<TenantId>,
    /// Which agent; every agent when not given.
    pub agent: Option<String>,
    /// Which user's sessions. Not looked at when a session is given, which has its own.
    pub user: Option<UserId>,
    /// Which session.
    pub session: Option<SessionId>,
    /// When it ends by itself; `None` for when it is resumed.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: HoldReason,
}

/// A hold as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldRecord {
    /// Its identifier, another one each time it is renewed.
    pub id: Uuid,
    /// Whose sessions.
    pub tenant: Option<TenantId>,
    /// Which agent.
    pub agent: Option<String>,
    /// Which user's sessions.
    pub user: Option<UserId>,
    /// Which session.
    pub session: Option<SessionId>,
    /// Why.
    pub reason: HoldReason,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Since when.
    pub created_at: Timestamp,
}

/// What agents are behind on, in a part of a target's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BehindPage {
    /// Sessions and agents, in their order.
    pub behind: Vec<Behind>,
    /// The last session that was looked at, when there may be more after it.
    pub next: Option<SessionId>,
}

impl Store {
    /// Holds, from the moment this returns: a run that has begun still commits, and the next claim says `held`.
    ///
    /// Repeating it changes nothing but `until`: there is one hold of each kind and the last `until` counts. The
    /// agents' role may hold what belongs to one tenant only.
    pub async fn hold(&self, hold: &Hold) -> Result<(), Error> {
        let insert = include_str!("../queries/insert_hold.sql");
        let tenant = hold.tenant.as_ref().map(TenantId::as_str);
        let session = hold.session.map(|session| session.0);
        let user = hold.user.as_ref().filter(|_user| session.is_none()).map(UserId::as_str);
        let until = hold.until.map(stored_moment);
        let values: [&(dyn ToSql + Sync); 6] =
            [&tenant, &hold.agent, &user, &session, &hold.reason.as_str(), &until];
        if let Some(tenant) = &hold.tenant {
            let transaction = self.transaction(tenant).await?;
            let insert = transaction.prepare(insert).await?;
            try_join!(transaction.begin(), transaction.execute(&insert, &values), transaction.commit())?;
            transaction.end();
        } else {
            let connection = self.connection().await?;
            let insert = connection.prepare(insert).await?;
            connection.execute(&insert, &values).await?;
        }
        Ok(())
    }

    /// Holds a target until a moment, or until it is resumed; see [`Store::hold`]. For [`crate::Role::Operator`].
    pub async fn pause(&self, target: &Target, until: Option<Timestamp>) -> Result<(), Error> {
        let Target { tenant, agent, user, session } = target.clone();
        self.hold(&Hold { tenant, agent, user, session, until, reason: HoldReason::Pause }).await
    }

    /// Ends the holds on exactly this target, whatever their reason. What its agents are to be woken for then,
    /// [`Store::target_behind`] says. For [`crate::Role::Operator`].
    pub async fn resume(&self, target: &Target) -> Result<(), Error> {
        let connection = self.connection().await?;
        let delete = connection.prepare(include_str!("../queries/delete_holds_on.sql")).await?;
        let (tenant, session) = (target.tenant(), target.session());
        let user = target.user().filter(|_user| session.is_none());
        connection.execute(&delete, &[&tenant, &target.agent, &user, &session]).await?;
        Ok(())
    }

    /// What those of `agents` that a target means are to be woken for: of the next `limit` of its sessions, those behind
    /// their head that nothing holds. For [`crate::Role::Operator`].
    pub async fn target_behind(
        &self,
        target: &Target,
        agents: &[&str],
        after: Option<SessionId>,
        limit: u16,
    ) -> Result<BehindPage, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../queries/find_target_behind.sql")).await?;
        let agents = target.agents(agents);
        let after = after.map(|session| session.0);
        let values: [&(dyn ToSql + Sync); 6] =
            [&target.tenant(), &target.user(), &target.session(), &agents, &after, &i64::from(limit)];
        let rows = connection.query(&find, &values).await?;
        let mut page = BehindPage { behind: Vec::with_capacity(rows.len()), next: None };
        let (mut last, mut sessions) = (None, 0);
        for row in &rows {
            let session: Uuid = row.try_get("session_id")?;
            sessions += u16::from(last.replace(session) != Some(session));
            if row.try_get::<_, Option<&str>>("agent")?.is_some() {
                page.behind.push(behind(row)?);
            }
        }
        page.next = last.filter(|_| sessions >= limit).map(SessionId);
        Ok(page)
    }

    /// The holds there are, pauses before all others and the latest first, at most `limit`; those that have ended are listed until the sweep has
    /// seen to them. For [`crate::Role::Operator`].
    pub async fn holds(&self, limit: u16) -> Result<Vec<HoldRecord>, Error> {
        let connection = self.connection().await?;
        let list = connection
            .prepare(
                "select id, tenant, agent, user_id, session_id, reason, until, created_at
                 from afterthought.holds order by reason <> 'pause', created_at desc, id limit $1",
            )
            .await?;
        let rows = connection.query(&list, &[&i64::from(limit)]).await?;
        rows.iter()
            .map(|row| {
                let id: Uuid = row.try_get("id")?;
                let reason: &str = row.try_get("reason")?;
                let tenant: Option<String> = row.try_get("tenant")?;
                let user: Option<String> = row.try_get("user_id")?;
                Ok(HoldRecord {
                    id,
                    tenant: tenant.map(|name| checked_tenant(name, "holds", &id)).transpose()?,
                    agent: row.try_get("agent")?,
                    user: user.map(|name| checked_user(name, "holds", &id)).transpose()?,
                    session: row.try_get::<_, Option<Uuid>>("session_id")?.map(SessionId),
                    reason: HoldReason::from_name(reason).ok_or_else(|| Error::Stored {
                        table: "holds",
                        column: "reason",
                        key: id.to_string(),
                        got: reason.to_owned(),
                    })?,
                    until: row.try_get("until")?,
                    created_at: row.try_get("created_at")?,
                })
            })
            .collect()
    }

    /// Up to a thousand holds whose time is over by the server's clock, and what `agents` are to be woken for because
    /// of it: what nothing else holds. Once that was published, [`Store::delete_holds`]; not deleted, they come again.
    /// For [`crate::Role::Reader`].
    pub async fn ended_holds(&self, agents: &[&str]) -> Result<(Vec<Uuid>, Vec<Behind>), Error> {
        let connection = self.connection().await?;
        let list = connection
            .prepare("select id from afterthought.holds where until <= now() order by until limit $1")
            .await?;
        let rows = connection.query(&list, &[&MOST_ENDED]).await?;
        let ended: Vec<Uuid> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
        if ended.is_empty() {
            return Ok((ended, Vec::new()));
        }
        let find = connection.prepare(include_str!("../queries/find_ended_behind.sql")).await?;
        let rows = connection.query(&find, &[&ended, &agents]).await?;
        let behind = rows.iter().map(behind).collect::<Result<_, _>>()?;
        Ok((ended, behind))
    }

    /// Deletes ended holds, and answers how many there were. One that was renewed meanwhile has another id and stays.
    /// For [`crate::Role::Reader`].
    pub async fn delete_holds(&self, ended: &[Uuid]) -> Result<u64, Error> {
        let connection = self.connection().await?;
        let delete = connection
            .prepare("delete from afterthought.holds where id = any($1) and until <= now()")
            .await?;
        connection.execute(&delete, &[&ended]).await
    }
}
