use std::io::ErrorKind;

use pgwire_replication::PgWireError;

use crate::catalog::MissingColumn;
use crate::pgoutput::DecodeError;

/// Why the reader cannot go on. [`Error::verdict`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server does not write what logical replication needs.
    #[error(
        "wal_level is {got}, expected logical: set wal_level = logical (on RDS rds.logical_replication = 1) and restart Postgres"
    )]
    WalLevel {
        /// Its setting.
        got: String,
    },
    /// The role may not replicate.
    #[error(
        "{user} may not replicate: alter role \"{user}\" replication (on RDS: grant rds_replication to \"{user}\"); Postgres said: {message}"
    )]
    Privilege {
        /// The role of the database URL.
        user: String,
        /// The server's message.
        message: String,
    },
    /// There is no such publication.
    #[error(
        "the publication {publication} does not exist in this database: run the migrations, which create it, \
         and make the slot anew when it is older than the publication"
    )]
    NoPublication {
        /// Its name.
        publication: String,
    },
    /// There is no such slot.
    #[error(
        "the replication slot {slot} does not exist: run the migrations, which create it. \
         Nothing is missed: the sweep wakes every session that is behind"
    )]
    NoSlot {
        /// Its name.
        slot: String,
    },
    /// The server has given the slot up; it can never be read again.
    #[error(
        "the replication slot {slot} is lost ({reason}): select pg_drop_replication_slot('{slot}') and run the \
         migrations, which create it again. Nothing is missed: the sweep wakes every session that is behind. \
         A larger max_slot_wal_keep_size lets a slot outlive a longer pause of its reader"
    )]
    LostSlot {
        /// Its name.
        slot: String,
        /// Why, when the server says.
        reason: String,
    },
    /// The slot is somebody else's.
    #[error("the replication slot {slot} {problem}: name another one in CDC_SLOT")]
    WrongSlot {
        /// Its name.
        slot: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another reader took the slot first.
    #[error("the replication slot is being read: {message}")]
    Busy {
        /// The server's message.
        message: String,
    },
    /// The publication leaves out what wake-ups are made of.
    #[error(transparent)]
    Column(#[from] MissingColumn),
    /// A message that is none.
    #[error("the server sent what pgoutput does not: {0}")]
    Decode(#[from] DecodeError),
    /// Where Postgres is cannot be understood.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The database URL names no host or no user, or one the transport cannot use.
    #[error("DATABASE_URL has no usable {part}")]
    Url {
        /// What is missing.
        part: &'static str,
    },
    /// The server's certificate, or a server that speaks no TLS.
    #[error("no encrypted connection to {host}: {source}")]
    Tls {
        /// The server.
        host: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The server said nothing for longer than its keep-alives allow, or did not answer in time.
    #[error("Postgres has said nothing for {seconds} seconds")]
    Silent {
        /// How long.
        seconds: u64,
    },
    /// The connection ended.
    #[error("the replication connection ended: {0}")]
    Connection(#[source] PgWireError),
    /// The connection ended without a word.
    #[error("the replication connection was closed")]
    Closed,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Connect again after a pause.
    Retry,
    /// Wait until the slot is free.
    StandBy,
    /// Somebody has to change something first.
    GiveUp,
}

impl Error {
    /// Sorts an answer of the transport by its SQLSTATE.
    pub(crate) fn from_transport(error: PgWireError, user: &str, slot: &str) -> Self {
        let PgWireError::Server(message) = &error else { return Self::Connection(error) };
        let message = message.clone();
        match sqlstate(&message) {
            Some("55006") => Self::Busy { message },
            Some("42501") => Self::Privilege { user: user.to_owned(), message },
            // `undefined_object` of START_REPLICATION; the publication was looked at before.
            Some("42704") if message.contains(slot) => Self::NoSlot { slot: slot.to_owned() },
            Some("55000") if message.contains(slot) => {
                Self::LostSlot { slot: slot.to_owned(), reason: message }
            }
            _ => Self::Connection(error),
        }
    }

    /// Whether trying again can help.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Busy { .. } => Verdict::StandBy,
            // A wrong password or login, or a database that does not exist: waiting changes nothing.
            Self::Connection(PgWireError::Server(message))
                if matches!(sqlstate(message), Some("28000" | "28P01" | "3D000")) =>
            {
                Verdict::GiveUp
            }
            // A certificate that is not trusted, or a server that speaks no TLS.
            Self::Tls { source, .. }
                if matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::Other) =>
            {
                Verdict::GiveUp
            }
            Self::Connection(PgWireError::Auth(_))
            | Self::WalLevel { .. }
            | Self::Privilege { .. }
            | Self::NoPublication { .. }
            | Self::NoSlot { .. }
            | Self::LostSlot { .. }
            | Self::WrongSlot { .. }
            | Self::Column(_)
            | Self::Store(_)
            | Self::Url { .. } => Verdict::GiveUp,
            Self::Decode(_) | Self::Tls { .. } | Self::Silent { .. } | Self::Connection(_) | Self::Closed => {
                Verdict::Retry
            }
        }
    }
}

/// The SQLSTATE of a server's error as the transport writes it: `message (SQLSTATE 55006)`.
fn sqlstate(message: &str) -> Option<&str> {
    message.strip_suffix(')')?.rsplit_once("(SQLSTATE ").map(|(_, state)| state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(message: &str) -> Error {
        Error::from_transport(PgWireError::Server(message.to_owned()), "reader", "afterthought")
    }

    #[test]
    fn every_state_of_the_server_has_its_error_and_its_way_out() {
        let busy = sorted("replication slot \"afterthought\" is active for PID 7 (SQLSTATE 55006)");
        assert_eq!(busy.verdict(), Verdict::StandBy);
        for (message, way_out) in [
            ("permission denied to start WAL sender (SQLSTATE 42501)", "alter role \"reader\" replication"),
            ("replication slot \"afterthought\" does not exist (SQLSTATE 42704)", "run the migrations"),
            (
                "can no longer access replication slot \"afterthought\" (SQLSTATE 55000)",
                "pg_drop_replication_slot('afterthought')",
            ),
        ] {
            let error = sorted(message);
            assert_eq!(error.verdict(), Verdict::GiveUp);
            assert!(error.to_string().contains(way_out), "{error}");
        }
    }

    #[test]
    fn a_server_that_restarts_is_tried_again_and_a_wrong_password_is_not() {
        assert_eq!(sorted("the database system is starting up (SQLSTATE 57P03)").verdict(), Verdict::Retry);
        assert_eq!(sorted("too many connections (SQLSTATE 53300)").verdict(), Verdict::Retry);
        assert_eq!(sorted("no code").verdict(), Verdict::Retry);
        assert_eq!(sorted("password authentication failed (SQLSTATE 28P01)").verdict(), Verdict::GiveUp);
        let io = Error::from_transport(std::io::Error::other("reset").into(), "reader", "afterthought");
        assert_eq!(io.verdict(), Verdict::Retry);
    }
}
