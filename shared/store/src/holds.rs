use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Store};

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
    /// Which user's sessions.
    pub user: Option<UserId>,
    /// Which session.
    pub session: Option<SessionId>,
    /// When it ends by itself; `None` for when it is resumed.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: HoldReason,
}

impl Store {
    /// Holds, from the moment this returns: a run that has begun still commits, and the next claim says `held`.
    ///
    /// Repeating it changes nothing but `until`: there is one hold of each kind and the last `until` counts. The
    /// agents' role may hold what belongs to one tenant only.
    pub async fn hold(&self, hold: &Hold) -> Result<(), Error> {
        let insert = include_str!("../queries/insert_hold.sql");
        let tenant = hold.tenant.as_ref().map(TenantId::as_str);
        let user = hold.user.as_ref().map(UserId::as_str);
        let session = hold.session.map(|session| session.0);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&tenant, &hold.agent, &user, &session, &hold.reason.as_str(), &hold.until];
        if let Some(tenant) = &hold.tenant {
            let transaction = self.transaction(tenant).await?;
            let insert = transaction.prepare(insert).await?;
            try_join!(transaction.begin(), transaction.execute(&insert, &values), transaction.commit())?;
            transaction.end();
        } else {
            let connection = self.connection().await?;
            let insert = connection.prepare_cached(insert).await?;
            connection.execute(&insert, &values).await?;
        }
        Ok(())
    }
}
