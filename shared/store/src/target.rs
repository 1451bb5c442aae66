use domain::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Behind, Error};

/// What somebody who runs the deployment acts on: whatever matches all of the fields that are given, everything when
/// none is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// One tenant's sessions.
    pub tenant: Option<TenantId>,
    /// One agent.
    pub agent: Option<String>,
    /// One user's sessions.
    pub user: Option<UserId>,
    /// One session.
    pub session: Option<SessionId>,
}

impl Target {
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_ref().map(TenantId::as_str)
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_ref().map(UserId::as_str)
    }

    pub(crate) fn session(&self) -> Option<Uuid> {
        self.session.map(|session| session.0)
    }

    /// Those of `agents` that are meant.
    pub(crate) fn agents<'a>(&self, agents: &[&'a str]) -> Vec<&'a str> {
        let meant = |agent: &&str| self.agent.as_deref().is_none_or(|only| only == *agent);
        agents.iter().copied().filter(meant).collect()
    }
}

/// A moment that Postgres can hold: what lies before its first, in 4713 BC, is that.
pub(crate) fn stored_moment(moment: Timestamp) -> Timestamp {
    const FIRST: Timestamp = Timestamp::constant(-210_000_000_000, 0);
    moment.max(FIRST)
}

/// Reads a session that an agent is to be woken for from the columns `agent`, `tenant`, `session_id` and `version`.
pub(crate) fn behind(row: &Row) -> Result<Behind, Error> {
    let session: Uuid = row.try_get("session_id")?;
    Ok(Behind {
        agent: row.try_get("agent")?,
        tenant: tenant(row, "sessions", &session)?,
        session: SessionId(session),
        version: row.try_get("version")?,
    })
}

/// Reads the column `tenant` of a row that `key` names.
pub(crate) fn tenant(row: &Row, table: &'static str, key: &Uuid) -> Result<TenantId, Error> {
    checked_tenant(row.try_get("tenant")?, table, key)
}

pub(crate) fn checked_tenant(name: String, table: &'static str, key: &Uuid) -> Result<TenantId, Error> {
    TenantId::new(name).map_err(|error| Error::Stored {
        table,
        column: "tenant",
        key: key.to_string(),
        got: error.got,
    })
}

pub(crate) fn checked_user(name: String, table: &'static str, key: &Uuid) -> Result<UserId, Error> {
    UserId::new(name).map_err(|error| Error::Stored {
        table,
        column: "user_id",
        key: key.to_string(),
        got: error.got,
    })
}
