//! The replication reader with a real Postgres and real queues: whatever happens to a reader, every change wakes
//! its agents, and nothing is confirmed before that.

use std::collections::BTreeMap;
use std::time::Duration;

use cdc_reader::{
    Ended, Error, FlushPolicy, Lifetime, Queues, Reader, Run, Sink, Source, Sweep, SweepPolicy, Wakes,
    WhenBusy,
};
use domain::{Envelope, WakeUp};
use jiff::Timestamp;
use local::Environment;
use local::cache::Cache;
use local::guard::Post;
use local::postgres::{self, Durability};
use queue::{Publisher, Routes};
use store::{DatabaseConfig, Role, Store};
use testkit::{TestAws, TestDatabase};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres::types::PgLsn;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_secs(30);

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// A database with a slot.
struct Place {
    database: TestDatabase,
    client: Client,
    slot: String,
}

impl Place {
    async fn create() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let slot = database.create_slot().await.unwrap();
        let client = database.client().await.unwrap();
        // The tests' server commits without waiting for its WAL; what is not flushed is not streamed.
        client.batch_execute("set synchronous_commit = on").await.unwrap();
        Self { database, client, slot }
    }

    fn source(&self) -> Source {
        let config = DatabaseConfig::parse(self.database.url()).unwrap();
        Source::new(&config, &self.slot, "afterthought").unwrap()
    }

    fn reader<S: Sink>(&self, sink: S) -> Reader<S> {
        Reader::new(self.source(), sink, FlushPolicy::default(), now)
    }

    /// One message per name of a session.
    async fn say(&self, sessions: &[&str]) {
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
    async fn remember(&self, session: Option<&str>) {
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

    async fn wal_end(&self) -> u64 {
        let end: PgLsn = self.client.query_one("select pg_current_wal_lsn()", &[]).await.unwrap().get(0);
        end.into()
    }

    /// What the server knows to be confirmed.
    async fn confirmed(&self) -> u64 {
        let query = "select confirmed_flush_lsn from pg_replication_slots where slot_name = $1";
        let confirmed: PgLsn = self.client.query_one(query, &[&self.slot]).await.unwrap().get(0);
        confirmed.into()
    }

    /// Waits until the server has heard from the slot's reader once more.
    async fn hears_from_the_reader(&self) {
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

    /// Session names by id.
    async fn names(&self) -> BTreeMap<String, String> {
        let rows =
            self.client.query("select id::text, session from afterthought.sessions", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "events are stamped by the server's clock")]
fn later_than_every_event() -> Timestamp {
    Timestamp::now() + Duration::from_secs(1)
}

fn run() -> Run {
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
struct Working {
    stop: CancellationToken,
    task: JoinHandle<Result<Ended, Error>>,
    confirmed: watch::Receiver<u64>,
    holding: watch::Receiver<bool>,
}

impl Working {
    fn start<S: Sink>(mut reader: Reader<S>, run: Run) -> Self {
        let (confirmed, holding, stop) = (reader.confirmed(), reader.holding(), run.stop.clone());
        let task = tokio::spawn(async move { reader.run(&run).await });
        Self { stop, task, confirmed, holding }
    }

    async fn holds_the_slot(&mut self) {
        within(self.holding.wait_for(|holding| *holding)).await.unwrap();
    }

    async fn has_confirmed(&mut self, lsn: u64) {
        within(self.confirmed.wait_for(|confirmed| *confirmed >= lsn)).await.unwrap();
    }

    async fn ended(self) -> Result<Ended, Error> {
        within(self.task).await.unwrap()
    }

    async fn stopped(self) {
        self.stop.cancel();
        assert_eq!(self.ended().await.unwrap(), Ended::Stopped);
    }

    /// Ends it as `kill -9` would: nothing is published, confirmed or said any more.
    async fn killed(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

/// Passes on what it is given once it is open.
struct Gate {
    open: watch::Receiver<bool>,
    wakes: UnboundedSender<Wakes>,
}

impl Sink for Gate {
    async fn accept(&self, wakes: Wakes) {
        self.open.clone().wait_for(|open| *open).await.unwrap();
        self.wakes.send(wakes).unwrap();
    }
}

fn gate(open: bool) -> (watch::Sender<bool>, Gate, UnboundedReceiver<Wakes>) {
    let (sender, receiver) = watch::channel(open);
    let (wakes, accepted) = unbounded_channel();
    (sender, Gate { open: receiver, wakes }, accepted)
}

/// The highest version accepted so far, by session name.
async fn accepted(place: &Place, wakes: &mut UnboundedReceiver<Wakes>) -> BTreeMap<String, i64> {
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

fn versions<const N: usize>(expected: [(&str, i64); N]) -> BTreeMap<String, i64> {
    expected.into_iter().map(|(session, version)| (session.to_owned(), version)).collect()
}

#[tokio::test]
async fn every_agent_is_woken_once_per_session_and_the_indexer_for_memories_too() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let summarizer = aws.create_queue("summarizer").await.unwrap();
    let indexer = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("summarizer={summarizer},indexer={indexer}")).unwrap();
    place.say(&["one", "two", "one", "one"]).await;
    place.remember(Some("two")).await;
    place.remember(None).await;
    let end = place.wal_end().await;

    let mut reader = Working::start(place.reader(Queues::new(Publisher::new(aws.sqs()), routes, now)), run());
    reader.has_confirmed(end).await;
    reader.stopped().await;
    assert!(place.confirmed().await >= end);

    let names = place.names().await;
    for (queue, expected) in [
        (summarizer, vec!["default one 3", "default two 1"]),
        (indexer, vec!["default one 3", "default two 1", "default two memories"]),
    ] {
        let mut woken = Vec::new();
        for message in aws.drain(&queue).await.unwrap() {
            let envelope = Envelope::parse(message.body().unwrap()).unwrap();
            assert_eq!((envelope.first_sent_at, envelope.deferrals), (now(), 0));
            let group =
                &message.attributes.unwrap()[&aws_sdk_sqs::types::MessageSystemAttributeName::MessageGroupId];
            woken.push(match envelope.wake_up {
                WakeUp::Session { session, version, .. } => {
                    format!("{group} {} {version}", names[&session.to_string()])
                }
                WakeUp::Memories { session, .. } => {
                    format!("{group} {} memories", names[&session.to_string()])
                }
                WakeUp::Window { .. } | WakeUp::Tick => unreachable!("the reader sends neither"),
            });
        }
        woken.sort();
        assert_eq!(woken, expected, "{queue}");
    }
}

#[tokio::test]
async fn nothing_is_confirmed_before_it_was_accepted_and_the_connection_outlives_the_wait() {
    let place = Place::create().await;
    let (open, sink, mut wakes) = gate(false);
    let mut reader = Working::start(place.reader(sink), run());
    reader.holds_the_slot().await;
    let before = place.confirmed().await;
    place.say(&["one", "one"]).await;
    let end = place.wal_end().await;
    // The server asks a quiet reader for a sign of life; this one answers while it cannot publish.
    place.hears_from_the_reader().await;
    place.hears_from_the_reader().await;
    assert!(*reader.holding.borrow());
    let confirmed = place.confirmed().await;
    assert!(confirmed < end, "{before} {confirmed} {end}");
    assert!(wakes.try_recv().is_err());

    open.send_replace(true);
    reader.has_confirmed(end).await;
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 2)]));
    reader.stopped().await;
    assert!(place.confirmed().await >= end);
}

#[tokio::test]
async fn a_reader_that_is_killed_before_its_wake_ups_were_accepted_is_followed_by_one_that_sends_them() {
    let place = Place::create().await;
    let (_closed, sink, mut lost) = gate(false);
    let mut first = Working::start(place.reader(sink), run());
    first.holds_the_slot().await;
    place.say(&["one", "two", "one"]).await;

    let (_open, sink, mut wakes) = gate(true);
    let mut second = Working::start(place.reader(sink), run());
    first.killed().await;
    second.holds_the_slot().await;
    place.say(&["one"]).await;
    second.has_confirmed(place.wal_end().await).await;
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 3), ("two", 1)]));
    assert!(lost.try_recv().is_err());
    second.stopped().await;
}

#[tokio::test]
async fn what_was_accepted_and_not_reported_is_sent_again_and_nothing_is_missing() {
    let place = Place::create().await;
    let (_open, sink, mut wakes) = gate(true);
    let mut first = Working::start(place.reader(sink), run());
    first.holds_the_slot().await;
    place.say(&["one"]).await;
    // Accepted, but killed before the position could be reported.
    let one = within(wakes.recv()).await.unwrap();
    first.killed().await;

    let (_open, sink, mut wakes) = gate(true);
    let mut second = Working::start(place.reader(sink), run());
    second.has_confirmed(place.wal_end().await).await;
    if let Ok(again) = wakes.try_recv() {
        assert_eq!(again.sessions, one.sessions);
    }
    second.stopped().await;
}

#[tokio::test]
async fn a_second_reader_stands_by_and_takes_over_when_the_first_stops() {
    let place = Place::create().await;
    let (_open, sink, mut wakes) = gate(true);
    let mut first = Working::start(place.reader(sink), run());
    first.holds_the_slot().await;
    let (_open, sink, mut later_wakes) = gate(true);
    let mut second = Working::start(place.reader(sink), run());
    place.say(&["one"]).await;
    first.has_confirmed(place.wal_end().await).await;
    assert!(!*second.holding.borrow());

    let asked = std::time::Instant::now();
    first.stopped().await;
    second.holds_the_slot().await;
    assert!(asked.elapsed() < Duration::from_secs(2), "a planned hand-over took {:?}", asked.elapsed());
    place.say(&["one", "two"]).await;
    second.has_confirmed(place.wal_end().await).await;
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 1)]));
    assert_eq!(accepted(&place, &mut later_wakes).await, versions([("one", 2), ("two", 1)]));
    second.stopped().await;
}

#[tokio::test]
async fn an_invocation_leaves_the_slot_to_a_reader_that_goes_on_and_waits_for_one_that_is_about_to_stop() {
    let place = Place::create().await;
    let lives_until = |seconds| Lifetime::Until(now() + Duration::from_secs(seconds));
    let invocation =
        |seconds| Run { lifetime: lives_until(seconds), when_busy: WhenBusy::LeaveToLongLived, ..run() };
    let (_open, sink, _wakes) = gate(true);
    let mut active = Working::start(place.reader(sink), invocation(800));
    active.holds_the_slot().await;
    let (_open, sink, _more) = gate(true);
    let newcomer = Working::start(place.reader(sink), invocation(840));
    assert_eq!(newcomer.ended().await.unwrap(), Ended::LeftToOther);
    active.stopped().await;

    let (_open, sink, _wakes) = gate(true);
    let mut ending = Working::start(place.reader(sink), invocation(60));
    ending.holds_the_slot().await;
    let (_open, sink, _more) = gate(true);
    let mut newcomer = Working::start(place.reader(sink), invocation(840));
    ending.stopped().await;
    newcomer.holds_the_slot().await;
    newcomer.stopped().await;
}

#[tokio::test]
async fn a_broken_connection_is_made_anew_and_nothing_is_missing() {
    let place = Place::create().await;
    let (_open, sink, mut wakes) = gate(true);
    let mut reader = Working::start(place.reader(sink), run());
    for turn in 0..3 {
        reader.holds_the_slot().await;
        place.say(&["one", "two"]).await;
        let cut = "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1";
        place.client.execute(cut, &[&place.slot]).await.unwrap();
        within(reader.holding.wait_for(|holding| !*holding)).await.unwrap_or_else(|_| panic!("turn {turn}"));
    }
    reader.holds_the_slot().await;
    reader.has_confirmed(place.wal_end().await).await;
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 3), ("two", 3)]));
    reader.stopped().await;
}

#[tokio::test]
async fn wal_that_is_no_concern_of_the_reader_is_confirmed_too() {
    let place = Place::create().await;
    let (_open, sink, mut wakes) = gate(true);
    let mut reader = Working::start(place.reader(sink), run());
    reader.holds_the_slot().await;
    place.client.batch_execute("create table noise as select generate_series(1, 100000) n").await.unwrap();
    reader.has_confirmed(place.wal_end().await).await;
    assert!(wakes.try_recv().is_err());
    reader.stopped().await;
}

#[tokio::test]
async fn a_draining_reader_ends_when_everything_was_accepted() {
    let place = Place::create().await;
    place.say(&["one", "one", "two"]).await;
    let end = place.wal_end().await;
    let (_open, sink, mut wakes) = gate(true);
    let reader = Working::start(place.reader(sink), Run { drain: true, ..run() });
    assert_eq!(reader.ended().await.unwrap(), Ended::Drained);
    assert!(place.confirmed().await >= end);
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 2), ("two", 1)]));
}

#[tokio::test]
async fn memory_is_bounded_while_nothing_is_accepted() {
    let place = Place::create().await;
    let (open, sink, mut wakes) = gate(false);
    let policy = FlushPolicy { wake_ups: 10, longest_backlog: 50, ..FlushPolicy::default() };
    let mut reader = Working::start(Reader::new(place.source(), sink, policy, now), run());
    reader.holds_the_slot().await;
    place
        .client
        .batch_execute(
            "insert into afterthought.messages (user_id, session, role, content) \
             select 'ada', 'session ' || n, 'user', 'hello' from generate_series(1, 1000) n",
        )
        .await
        .unwrap();
    let end = place.wal_end().await;
    open.send_replace(true);
    reader.has_confirmed(end).await;
    reader.stopped().await;
    let mut sessions = 0;
    while let Ok(wakes) = wakes.try_recv() {
        assert!(wakes.len() <= 50, "{} wake-ups at once", wakes.len());
        sessions += wakes.len();
    }
    assert_eq!(sessions, 1000);
}

#[tokio::test]
async fn what_has_to_be_put_right_first_is_an_error_with_the_way_out() {
    let place = Place::create().await;
    let told = async |url: &str, slot: &str, publication: &str| {
        let source = Source::new(&DatabaseConfig::parse(url).unwrap(), slot, publication).unwrap();
        let (_open, sink, _wakes) = gate(true);
        let reader = Reader::new(source, sink, FlushPolicy::default(), now);
        Working::start(reader, run()).ended().await.unwrap_err().to_string()
    };
    let url = place.database.url();
    let error = told(url, "no_such_slot", "afterthought").await;
    assert!(
        error.starts_with("the replication slot no_such_slot does not exist: run the migrations"),
        "{error}"
    );
    let error = told(url, &place.slot, "no_such_publication").await;
    assert!(error.starts_with("the publication no_such_publication does not exist"), "{error}");

    let role = place.slot.replace("afterthought_test", "reader");
    place.client.batch_execute(&format!("create role {role} login password 'x'")).await.unwrap();
    let mut other = place.database.url().to_owned();
    let rest = other.split_off(other.rfind('@').unwrap());
    let error = told(&format!("postgres://{role}:x{rest}"), &place.slot, "afterthought").await;
    assert!(error.contains(&format!("alter role \"{role}\" replication")), "{error}");
    place.client.batch_execute(&format!("drop role {role}")).await.unwrap();

    let physical = format!("{}_p", place.slot);
    place.client.execute("select pg_create_physical_replication_slot($1)", &[&physical]).await.unwrap();
    let error = told(url, &physical, "afterthought").await;
    place.client.execute("select pg_drop_replication_slot($1)", &[&physical]).await.unwrap();
    assert!(error.contains("is a physical one"), "{error}");

    let elsewhere = TestDatabase::create().await.unwrap();
    let error = told(elsewhere.url(), &place.slot, "afterthought").await;
    assert!(error.contains("belongs to another database"), "{error}");
}

#[tokio::test]
async fn a_slot_the_server_has_given_up_is_an_error_with_the_way_out() {
    // A server of its own: what loses one slot would lose everybody's.
    let environment = Environment::read();
    let cache = Cache::open(&environment).unwrap();
    let folder = tempfile::tempdir_in(cache.root()).unwrap();
    let post = Post::new(folder.path(), "postgres", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let programs = postgres::programs(&cache, environment.path.as_deref()).unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let (_guarded, server) = postgres::start(&post, &programs, &data, &log, Durability::None).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("create publication afterthought").await.unwrap();
    client
        .batch_execute("select pg_create_logical_replication_slot('afterthought', 'pgoutput')")
        .await
        .unwrap();
    client.batch_execute("alter system set max_slot_wal_keep_size = '1MB'").await.unwrap();
    client.batch_execute("select pg_reload_conf()").await.unwrap();
    for _ in 0..4 {
        client.batch_execute("create table noise (); drop table noise").await.unwrap();
        client.batch_execute("select pg_switch_wal()").await.unwrap();
        client.batch_execute("checkpoint").await.unwrap();
    }
    let source =
        Source::new(&DatabaseConfig::parse(&server.url).unwrap(), "afterthought", "afterthought").unwrap();
    let (_open, sink, _wakes) = gate(true);
    let error = Working::start(Reader::new(source, sink, FlushPolicy::default(), now), run())
        .ended()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::LostSlot { .. }), "{error}");
    assert!(
        error.to_string().contains("select pg_drop_replication_slot('afterthought') and run the migrations")
    );
}

#[tokio::test]
async fn the_sweep_wakes_an_agent_that_stayed_behind_and_no_other() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let summarizer = aws.create_queue("summarizer").await.unwrap();
    let indexer = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("summarizer={summarizer},indexer={indexer}")).unwrap();
    place.say(&["one", "one", "two"]).await;
    place
        .client
        .batch_execute(
            "insert into afterthought.agent_cursors (session_id, agent, tenant, through) \
             select id, 'summarizer', tenant, head_version from afterthought.sessions",
        )
        .await
        .unwrap();
    let config = DatabaseConfig::parse(place.database.url()).unwrap();
    let store = Store::new(&config, Role::Reader, 1).unwrap();
    let policy = SweepPolicy { grace: Duration::ZERO, ..SweepPolicy::default() };
    let mut sweep = Sweep::new(store, Publisher::new(aws.sqs()), routes, policy, later_than_every_event);
    assert_eq!(sweep.sweep(false).await.unwrap(), 2);
    // They are on their way now; a session that stays behind is woken again later.
    assert_eq!(sweep.sweep(true).await.unwrap(), 0);
    assert_eq!(aws.drain(&summarizer).await.unwrap().len(), 0);
    let names = place.names().await;
    let mut woken: Vec<_> = aws
        .drain(&indexer)
        .await
        .unwrap()
        .iter()
        .map(|message| match Envelope::parse(message.body().unwrap()).unwrap().wake_up {
            WakeUp::Session { session, version, .. } => format!("{} {version}", names[&session.to_string()]),
            other => panic!("{other:?}"),
        })
        .collect();
    woken.sort();
    assert_eq!(woken, ["one 2", "two 1"]);
}
