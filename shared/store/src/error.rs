use std::path::PathBuf;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection string.
    #[error(transparent)]
    Url(#[from] crate::InvalidDatabaseUrl),
    /// The file of trusted authorities.
    #[error("sslrootcert {}: {source}", path.display())]
    RootCertificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// No authority is trusted, so no server could be.
    #[error("no trusted certificate authority found: give sslrootcert=<PEM file> in DATABASE_URL")]
    NoRootCertificates,
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(#[source] rustls::Error),
    /// Postgres answered with an error, or the connection broke.
    #[error("Postgres: {}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// Postgres did not answer in time. Whether what was asked for has been done, or will be, is unknown.
    #[error("Postgres did not answer within {} s", .0.as_secs_f32())]
    TimedOut(std::time::Duration),
    /// No connection could be had.
    #[error("no connection to Postgres: {0}")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Stored data that this code cannot have written.
    #[error("{table}.{column} of {key} holds {got:?}, which is not known to this version")]
    Stored {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        key: String,
        /// What it holds.
        got: String,
    },
    /// What was said is in the archive, which did not hand it out.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// What was said is in the archive, and nobody said where that is.
    #[error("events of session {session} are in the archive, and ARCHIVE_URL is not set")]
    NoArchive {
        /// The session.
        session: domain::SessionId,
    },
    /// A version is missing from a session's log, which the schema rules out. Nothing is thought about past it.
    #[error("session {session} holds version {found} right after {after}")]
    Gap {
        /// The session.
        session: domain::SessionId,
        /// The last version before the gap.
        after: i64,
        /// The first one behind it.
        found: i64,
    },
    /// A migration could not be applied.
    #[error("migration: {0}")]
    Migration(#[source] Box<refinery::Error>),
    /// The server cannot run the schema.
    #[error("{0}")]
    Server(String),
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Postgres(error),
            other => Self::Connection(Box::new(other)),
        }
    }
}

/// The server's message without its detail, which may quote a row.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}

impl Error {
    /// Whether the archive was at fault: it did not answer, has lost what it should have, or is not there.
    pub const fn is_of_archive(&self) -> bool {
        matches!(self, Self::Archive(_) | Self::NoArchive { .. })
    }

    /// Whether what was to be stored names a tenant or a session that does not exist.
    pub fn names_unknown(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION))
    }

    /// Whether an agent's cursor or run belongs to a session that is not there any more: it was erased meanwhile.
    pub(crate) fn names_gone_session(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        let constraint = error.as_db_error().and_then(|db| db.constraint());
        error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION)
            && matches!(constraint, Some("agent_cursors_session_id_fkey" | "agent_runs_session_id_fkey"))
    }

    /// Whether Postgres read what was to be stored and will not have it, so that the same will be refused again: a value it
    /// cannot hold, a constraint, a limit. For what [`Store::commit`](crate::Store::commit) answers, which has tried again
    /// when transactions met.
    pub fn is_refusal(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.code().is_some_and(|code| {
            // Classes: data exception, integrity constraint violation, program limit exceeded.
            ["22", "23", "54"].iter().any(|class| code.code().starts_with(class))
                || *code == SqlState::IN_FAILED_SQL_TRANSACTION
        })
    }

    /// What the server says of a statement that cannot be run as things are: a table or column that is not there, a right that
    /// is missing. `None` for any other error, which may pass.
    pub fn wrong_statement(&self) -> Option<String> {
        let Self::Postgres(error) = self else { return None };
        let code = error.code()?.code();
        // Classes: data exception, syntax error or access rule violation, feature not supported, no data, raised exception.
        let is_wrong = ["22", "42", "0A", "P0"].iter().any(|class| code.starts_with(class));
        is_wrong.then(|| describe(error))
    }

    /// Whether what was asked for is locked by somebody, and was not waited for any longer.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// Whether a statement was ended because it took too long.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(&SqlState::QUERY_CANCELED))
    }

    /// Whether an event was refused because its session knows its idempotency key for other content.
    pub fn is_other_under_key(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.as_db_error().is_some_and(|db| {
            *db.code() == SqlState::UNIQUE_VIOLATION && db.column() == Some("idempotency_key")
        })
    }

    /// Whether two transactions met and this one should be run again from its start. Statements share round trips, so
    /// what is seen of a conflict may be a later statement that found the transaction already failed.
    pub(crate) fn is_conflict(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        matches!(
            error.code(),
            Some(
                &SqlState::UNIQUE_VIOLATION
                    | &SqlState::T_R_SERIALIZATION_FAILURE
                    | &SqlState::T_R_DEADLOCK_DETECTED
                    | &SqlState::IN_FAILED_SQL_TRANSACTION
            )
        )
    }
}
