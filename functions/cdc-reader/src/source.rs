use std::sync::Arc;
use std::time::Duration;

use pgwire_replication::{Lsn, PgWireError, QueryRow, ReplicationClient, ReplicationConfig};
use rustls::ClientConfig;
use store::DatabaseConfig;
use tokio_postgres::config::Host;

use crate::stand_by::Lifetime;
use crate::{Error, tls_tunnel};

/// How long connecting and looking around may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How soon a position that may be confirmed is reported, and so how soon a successor can start.
const STATUS_INTERVAL: Duration = Duration::from_millis(200);

/// Events the transport holds before it stops reading from the server.
const TRANSPORT_BUFFER: usize = 8192;

/// Where to read from: a database, a slot and a publication.
#[derive(Clone)]
pub struct Source {
    host: Host,
    port: u16,
    user: String,
    password: String,
    database: String,
    tls: Option<Arc<ClientConfig>>,
    slot: String,
    publication: String,
}

impl Source {
    /// Prepares to read; nothing is connected yet.
    pub fn new(database: &DatabaseConfig, slot: &str, publication: &str) -> Result<Self, Error> {
        let tls = store::client_config(database.ssl_mode())?.map(Arc::new);
        let driver = database.driver().map_err(store::Error::from)?;
        let host = driver.get_hosts().first().cloned().ok_or(Error::Url { part: "host" })?;
        let user = driver.get_user().ok_or(Error::Url { part: "user" })?;
        let password = str::from_utf8(driver.get_password().unwrap_or_default());
        Ok(Self {
            host,
            port: driver.get_ports().first().copied().unwrap_or(5432),
            user: user.to_owned(),
            password: password.map_err(|_not_shown| Error::Url { part: "password" })?.to_owned(),
            database: driver.get_dbname().unwrap_or(user).to_owned(),
            tls,
            slot: slot.to_owned(),
            publication: publication.to_owned(),
        })
    }

    /// Opens a replication session that has not started to stream.
    pub(crate) async fn connect(&self, application_name: &str) -> Result<Session, Error> {
        let (host, port) = match (&self.host, &self.tls) {
            (Host::Unix(directory), _) => (directory.to_string_lossy().into_owned(), self.port),
            (Host::Tcp(host), None) => (host.clone(), self.port),
            (Host::Tcp(host), Some(tls)) => {
                let tunnel = in_time(tls_tunnel::open(host, self.port, Arc::clone(tls))).await?;
                let directory = tunnel.map_err(|source| Error::Tls { host: host.clone(), source })?;
                (directory.to_string_lossy().into_owned(), tls_tunnel::PORT)
            }
        };
        let (user, password, database) = (self.user.as_str(), self.password.as_str(), self.database.as_str());
        let (slot, publication) = (self.slot.as_str(), self.publication.as_str());
        let config = ReplicationConfig::new(host, user, password, database, slot, publication)
            .with_port(port)
            .with_application_name(application_name)
            // Keep-alives every five seconds; the server notices within ten that a reader is gone.
            .with_options("-c wal_sender_timeout=10s")
            .with_binary(true)
            .with_buffer_size(TRANSPORT_BUFFER)
            .with_status_interval(STATUS_INTERVAL);
        let client = ReplicationClient::connect_gated(config).await.map_err(|error| self.sort(error))?;
        Ok(Session { client, source: self.clone() })
    }

    /// The slot's name.
    pub(crate) fn slot(&self) -> &str {
        &self.slot
    }

    /// Sorts an error of the transport.
    pub(crate) fn sort(&self, error: PgWireError) -> Error {
        Error::from_transport(error, &self.user, &self.slot)
    }
}

async fn in_time<F: Future>(future: F) -> Result<F::Output, Error> {
    let silent = |_elapsed| Error::Silent { seconds: PATIENCE.as_secs() };
    tokio::time::timeout(PATIENCE, future).await.map_err(silent)
}

/// A session that can still be asked, before it streams.
pub(crate) struct Session {
    client: ReplicationClient,
    source: Source,
}

/// What a reader finds before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where the server's WAL ends.
    pub(crate) wal_end: u64,
    /// What has been confirmed by whoever read the slot before.
    pub(crate) confirmed: u64,
    /// Who reads the slot now.
    pub(crate) holder: Option<Lifetime>,
}

impl Session {
    /// Looks at the server, the publication and the slot. An error says what has to be put right.
    pub(crate) async fn look(&mut self) -> Result<Found, Error> {
        in_time(async {
            let server = self.query(include_str!("../queries/inspect_server.sql")).await?;
            let server = server.first().map(Vec::as_slice).unwrap_or_default();
            let wal_level = text(server, 0).unwrap_or_default();
            if wal_level != "logical" {
                return Err(Error::WalLevel { got: wal_level.to_owned() });
            }
            let publications = self.query(include_str!("../queries/list_publications.sql")).await?;
            if !publications.iter().any(|row| text(row, 0) == Some(&self.source.publication)) {
                return Err(Error::NoPublication { publication: self.source.publication.clone() });
            }
            let slots = self.query(include_str!("../queries/list_slots.sql")).await?;
            let (confirmed, holder) = judge(&self.source.slot, &slots)?;
            Ok(Found { wal_end: lsn(server, 1), confirmed, holder })
        })
        .await?
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<QueryRow>, Error> {
        self.client.simple_query(sql).await.map_err(|error| self.source.sort(error))
    }

    /// Starts to stream from what was confirmed last. From here on the slot is this session's.
    pub(crate) async fn start(mut self) -> Result<ReplicationClient, Error> {
        let source = self.source.clone();
        let started = in_time(async {
            self.client.start().await?;
            self.client.wait_started().await
        });
        started.await?.map_err(|error| source.sort(error))?;
        Ok(self.client)
    }
}

/// The state of a slot among all slots: what was confirmed, and who reads it.
fn judge(slot: &str, slots: &[QueryRow]) -> Result<(u64, Option<Lifetime>), Error> {
    let row = slots
        .iter()
        .find(|row| text(row, 0) == Some(slot))
        .ok_or_else(|| Error::NoSlot { slot: slot.to_owned() })?;
    let wrong = |problem| Err(Error::WrongSlot { slot: slot.to_owned(), problem });
    match text(row, 1) {
        None => return wrong("is a physical one"),
        Some("pgoutput") => {}
        Some(_) => return wrong("does not use the plugin pgoutput"),
    }
    if text(row, 2) != Some("t") {
        return wrong("belongs to another database");
    }
    if text(row, 3) == Some("t") || text(row, 4).is_some_and(|reason| !reason.is_empty()) {
        let reason = text(row, 4).unwrap_or("the WAL it needs is gone").to_owned();
        return Err(Error::LostSlot { slot: slot.to_owned(), reason });
    }
    let holder = text(row, 5).map(|_pid| Lifetime::of(text(row, 6).unwrap_or_default()));
    Ok((lsn(row, 7), holder))
}

fn text(row: &[Option<bytes::Bytes>], column: usize) -> Option<&str> {
    str::from_utf8(row.get(column)?.as_ref()?).ok()
}

fn lsn(row: &[Option<bytes::Bytes>], column: usize) -> u64 {
    text(row, column).and_then(|text| Lsn::parse(text).ok()).map_or(0, Lsn::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// name, plugin, in this database, lost, reason, pid, application name, confirmed
    fn row(columns: [Option<&str>; 8]) -> QueryRow {
        columns.into_iter().map(|column| column.map(|text| text.to_owned().into())).collect()
    }

    fn healthy() -> [Option<&'static str>; 8] {
        [Some("s"), Some("pgoutput"), Some("t"), Some("f"), None, None, None, Some("1/2A")]
    }

    #[test]
    fn a_free_slot_says_what_was_confirmed() {
        let other = row([Some("t"), None, None, None, None, None, None, None]);
        assert_eq!(judge("s", &[other, row(healthy())]).unwrap(), ((1 << 32) + 0x2a, None));
    }

    #[test]
    fn a_busy_slot_says_how_long_its_reader_lives() {
        let mut busy = healthy();
        busy[5] = Some("77");
        assert_eq!(judge("s", &[row(busy)]).unwrap().1, Some(Lifetime::Unbounded));
        busy[6] = Some("cdc-reader/a/1000");
        let until = Lifetime::Until(jiff::Timestamp::from_second(1000).unwrap());
        assert_eq!(judge("s", &[row(busy)]).unwrap().1, Some(until));
    }

    #[test]
    fn a_slot_that_cannot_be_read_is_an_error_with_the_way_out() {
        let told = |change: &dyn Fn(&mut [Option<&'static str>; 8])| {
            let mut columns = healthy();
            change(&mut columns);
            judge("s", &[row(columns)]).unwrap_err().to_string()
        };
        assert!(told(&|slot| slot[0] = Some("other")).contains("does not exist: run the migrations"));
        assert!(told(&|slot| slot[1] = None).contains("is a physical one"));
        assert!(told(&|slot| slot[1] = Some("wal2json")).contains("does not use the plugin pgoutput"));
        assert!(told(&|slot| slot[2] = Some("f")).contains("belongs to another database"));
        let lost = told(&|slot| slot[3] = Some("t"));
        assert!(lost.contains("the WAL it needs is gone") && lost.contains("pg_drop_replication_slot('s')"));
        assert!(told(&|slot| slot[4] = Some("idle_timeout")).contains("lost (idle_timeout)"));
    }
}
