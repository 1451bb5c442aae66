//! A database with a slot, readers at work on it, and a gate that accepts what they send when it is told to.

use std::collections::BTreeMap;
use std::time::Duration;

use cdc_reader::{Ended, Error, FlushPolicy, Lifetime, Reader, Run, Sink, Source, Wakes, WhenBusy};
use jiff::Timestamp;
use store::{DatabaseConfig, Role, Store};
use testkit::TestDatabase;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres::types::PgLsn;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes; a test that waits this long has failed.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// A database with a slot.
pub(super) struct Place {
    pub(super) database: TestDatabase,
    pub(super) client: Client,
    pub(super) slot: String,
}

impl Place {
    pub(super) async fn create() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let slot = database.create_slot().await.unwrap();
        let client = database.client().await.unwrap();
        // The tests' server commits without waiting for its WAL; what is not flushed is not streamed.
        client.batch_execute("set synchronous_commit = on").await.unwrap();
        Self { database, client, slot }
    }

    pub(super) fn source(&self) -> Source {
        let config = DatabaseConfig::parse(self.database.url()).unwrap();
        Source::new(&config, &self.slot, "afterthought").unwrap()
    }

    pub(super) fn reader<S: Sink>(&self, sink: S) -> Reader<S> {
        Reader::new(self.source(), sink, FlushPolicy::default(), now)
    }

    /// One message per name of a session.
    pub(super) async fn say(&self, sessions: &[&str]) {
        for session in sessions {
            self.client
                .execute(
                    "insert into afterthought.messages (user_id, session, role, content) \
                     values ('ada', $1, 'user', 'hello')",
                    &[session],
                )
                .await
                .unwrap();
        }
    }

    /// A memory of a session, or of the user when there is none.
    pub(super) async fn remember(&self, session: Option<&str>) {
        self.client
            .execute(
                "insert into afterthought.memories (id, tenant, user_id, session_id, scope, type, key, content, \
                 confidence, agent, model, valid_from) \
                 select gen_random_uuid(), 'default', 'ada', (select id from afterthought.sessions where session = $1), \
                 'user', 'fact', gen_random_uuid()::text, 'likes tea', 1, 'test', 'test', now()",
                &[&session],
            )
            .await
            .unwrap();
    }

    /// An endpoint of the tenant that is told of everything.
    pub(super) async fn endpoint(&self) -> Uuid {
        let insert = "insert into afterthought.webhook_endpoints (id, tenant, url, secret) \
                      values (gen_random_uuid(), 'default', 'https://example.com', '') returning id";
        self.client.query_one(insert, &[]).await.unwrap().get(0)
    }

    pub(super) async fn wal_end(&self) -> u64 {
        let end: PgLsn = self.client.query_one("select pg_current_wal_lsn()", &[]).await.unwrap().get(0);
        end.into()
    }

    /// What the server knows to be confirmed.
    pub(super) async fn confirmed(&self) -> u64 {
        let query = "select confirmed_flush_lsn from pg_replication_slots where slot_name = $1";
        let confirmed: PgLsn = self.client.query_one(query, &[&self.slot]).await.unwrap().get(0);
        confirmed.into()
    }

    /// Waits until the server has heard from the slot's reader once more.
    pub(super) async fn hears_from_the_reader(&self) {
        let query = "select r.reply_time from pg_stat_replication r \
                     join pg_replication_slots s on s.active_pid = r.pid where s.slot_name = $1";
        let heard = async || {
            let row = self.client.query_one(query, &[&self.slot]).await.unwrap();
            row.get::<_, Option<Timestamp>>(0)
        };
        let before = heard().await;
        within(async {
            while heard().await <= before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// A store with the rights of the reader.
    pub(super) fn store(&self) -> Store {
        let config = DatabaseConfig::parse(self.database.url()).unwrap();
        Store::new(&config, Role::Reader, 2).unwrap()
    }

    /// One message in each of so many sessions of one tenant, in one transaction.
    pub(super) async fn import(&self, tenant: &str, sessions: i32) {
        let insert = "insert into afterthought.messages (tenant, user_id, session, role, content) \
                      select $1, 'ada', 'imported ' || n, 'user', 'hello' from generate_series(1, $2::int) n";
        let known = "insert into afterthought.tenants (tenant) values ($1) on conflict do nothing";
        self.client.execute(known, &[&tenant]).await.unwrap();
        self.client.execute(insert, &[&tenant, &sessions]).await.unwrap();
    }

    /// An agent has thought about everything in these sessions.
    pub(super) async fn think(&self, agent: &str, sessions: &[Uuid]) {
        let think = "insert into afterthought.agent_cursors (session_id, agent, tenant, through) \
                     select id, $1, tenant, head_version from afterthought.sessions where id = any($2)";
        self.client.execute(think, &[&agent, &sessions]).await.unwrap();
    }

    /// Session names by id.
    pub(super) async fn names(&self) -> BTreeMap<String, String> {
        let rows =
            self.client.query("select id::text, session from afterthought.sessions", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "events are stamped by the server's clock")]
pub(super) fn at_the_servers_time() -> Timestamp {
    Timestamp::now()
}

pub(super) fn later_than_every_event() -> Timestamp {
    at_the_servers_time() + Duration::from_secs(1)
}

pub(super) fn three_minutes_later() -> Timestamp {
    at_the_servers_time() + Duration::from_mins(3)
}

pub(super) fn run() -> Run {
    Run {
        instance: "test".into(),
        lifetime: Lifetime::Unbounded,
        when_busy: WhenBusy::Wait,
        drain: false,
        stop: CancellationToken::new(),
        grace: Duration::from_secs(5),
    }
}

/// A reader at work.
pub(super) struct Working {
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<Result<Ended, Error>>,
    pub(super) confirmed: watch::Receiver<u64>,
    pub(super) holding: watch::Receiver<bool>,
}

impl Working {
    pub(super) fn start<S: Sink>(mut reader: Reader<S>, run: Run) -> Self {
        let (confirmed, holding, stop) = (reader.confirmed(), reader.holding(), run.stop.clone());
        let task = tokio::spawn(async move { reader.run(&run).await });
        Self { stop, task, confirmed, holding }
    }

    pub(super) async fn holds_the_slot(&mut self) {
        within(self.holding.wait_for(|holding| *holding)).await.unwrap();
    }

    pub(super) async fn has_confirmed(&mut self, lsn: u64) {
        within(self.confirmed.wait_for(|confirmed| *confirmed >= lsn)).await.unwrap();
    }

    pub(super) async fn ended(self) -> Result<Ended, Error> {
        within(self.task).await.unwrap()
    }

    pub(super) async fn stopped(self) {
        self.stop.cancel();
        assert_eq!(self.ended().await.unwrap(), Ended::Stopped);
    }

    /// Ends it as `kill -9` would: nothing is published, confirmed or said any more.
    pub(super) async fn killed(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

pub(super) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

/// Passes on what it is given once it is open.
pub(super) struct Gate {
    pub(super) open: watch::Receiver<bool>,
    pub(super) wakes: UnboundedSender<Wakes>,
}

impl Sink for Gate {
    async fn accept(&self, wakes: Wakes) {
        self.open.clone().wait_for(|open| *open).await.unwrap();
        self.wakes.send(wakes).unwrap();
    }
}

pub(super) fn gate(open: bool) -> (watch::Sender<bool>, Gate, UnboundedReceiver<Wakes>) {
    let (sender, receiver) = watch::channel(open);
    let (wakes, accepted) = unbounded_channel();
    (sender, Gate { open: receiver, wakes }, accepted)
}

/// The highest version accepted so far, by session name.
pub(super) async fn accepted(place: &Place, wakes: &mut UnboundedReceiver<Wakes>) -> BTreeMap<String, i64> {
    let names = place.names().await;
    let mut highest = BTreeMap::new();
    while let Ok(wakes) = wakes.try_recv() {
        for (_, session, version) in wakes.sessions {
            let known = highest.entry(names[&session.to_string()].clone()).or_insert(0);
            *known = version.max(*known);
        }
    }
    highest
}

pub(super) fn versions<const N: usize>(expected: [(&str, i64); N]) -> BTreeMap<String, i64> {
    expected.into_iter().map(|(session, version)| (session.to_owned(), version)).collect()
}
