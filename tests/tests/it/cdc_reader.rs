//! The replication reader with a real Postgres and real queues: whatever happens to a reader, every change wakes
//! its agents, and nothing is confirmed before that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cdc_reader::{
    BulkLane, Ended, Error, FlushPolicy, Keeper, LanePolicy, Lifetime, Queues, Reader, Run, Sink, Source,
    Sweep, SweepPolicy, Wakes, WhenBusy,
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
use uuid::Uuid;

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

    /// An endpoint of the tenant that is told of everything.
    async fn endpoint(&self) -> Uuid {
        let insert = "insert into afterthought.webhook_endpoints (id, tenant, url, secret) \
                      values (gen_random_uuid(), 'default', 'https://example.com', '') returning id";
        self.client.query_one(insert, &[]).await.unwrap().get(0)
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

    /// A store with the rights of the reader.
    fn store(&self) -> Store {
        let config = DatabaseConfig::parse(self.database.url()).unwrap();
        Store::new(&config, Role::Reader, 2).unwrap()
    }

    /// One message in each of so many sessions of one tenant, in one transaction.
    async fn import(&self, tenant: &str, sessions: i32) {
        let insert = "insert into afterthought.messages (tenant, user_id, session, role, content) \
                      select $1, 'ada', 'imported ' || n, 'user', 'hello' from generate_series(1, $2::int) n";
        let known = "insert into afterthought.tenants (tenant) values ($1) on conflict do nothing";
        self.client.execute(known, &[&tenant]).await.unwrap();
        self.client.execute(insert, &[&tenant, &sessions]).await.unwrap();
    }

    /// An agent has thought about everything in these sessions.
    async fn think(&self, agent: &str, sessions: &[Uuid]) {
        let think = "insert into afterthought.agent_cursors (session_id, agent, tenant, through) \
                     select id, $1, tenant, head_version from afterthought.sessions where id = any($2)";
        self.client.execute(think, &[&agent, &sessions]).await.unwrap();
    }

    /// Session names by id.
    async fn names(&self) -> BTreeMap<String, String> {
        let rows =
            self.client.query("select id::text, session from afterthought.sessions", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "events are stamped by the server's clock")]
fn at_the_servers_time() -> Timestamp {
    Timestamp::now()
}

fn later_than_every_event() -> Timestamp {
    at_the_servers_time() + Duration::from_secs(1)
}

fn three_minutes_later() -> Timestamp {
    at_the_servers_time() + Duration::from_mins(3)
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
    let notifier = aws.create_queue("notifier").await.unwrap();
    let routes = Routes::parse(&format!("summarizer={summarizer},indexer={indexer}")).unwrap();
    let endpoint = place.endpoint().await;
    place.say(&["one", "two", "one", "one"]).await;
    place.remember(Some("two")).await;
    place.remember(None).await;
    let end = place.wal_end().await;

    let queues = Queues::new(Publisher::new(aws.sqs()), routes, now).with_notifier(Some(notifier.clone()));
    let mut reader = Working::start(place.reader(queues), run());
    reader.has_confirmed(end).await;
    reader.stopped().await;
    // The server hears of it after the reader has said so.
    within(async {
        while place.confirmed().await < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    let names = place.names().await;
    for (queue, expected) in [
        (summarizer, vec!["default one 3", "default two 1"]),
        (indexer, vec!["default one 3", "default two 1", "default two memories"]),
        (notifier, vec!["default endpoint"]),
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
                WakeUp::Endpoint { endpoint: woken, .. } => {
                    assert_eq!(woken, endpoint);
                    format!("{group} endpoint")
                }
                other => unreachable!("the reader never sends {other:?}"),
            });
        }
        woken.sort();
        assert_eq!(woken, expected, "{queue}");
    }
}

#[tokio::test]
async fn a_queue_that_is_gone_holds_nobody_elses_wake_ups() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let summarizer = aws.create_queue("summarizer").await.unwrap();
    let indexer = aws.create_queue("indexer").await.unwrap();
    aws.sqs().delete_queue().queue_url(&summarizer).send().await.unwrap();
    let routes = Routes::parse(&format!("summarizer={summarizer},indexer={indexer}")).unwrap();
    let queues = Queues::new(Publisher::new(aws.sqs()), routes.clone(), now);
    let mut reader = Working::start(place.reader(queues), run());
    for versions in 1..=3 {
        place.say(&["one"]).await;
        reader.has_confirmed(place.wal_end().await).await;
        let woken = aws.drain(&indexer).await.unwrap();
        assert_eq!(woken.len(), 1, "{versions}");
    }
    reader.stopped().await;
    // What could not be sent is behind its head.
    let policy = SweepPolicy { grace: Duration::ZERO, ..SweepPolicy::default() };
    let lane = BulkLane::new(routes.clone(), &LanePolicy::default());
    let sweep = Sweep::new(place.store(), lane, routes, policy, later_than_every_event);
    assert_eq!(sweep.sweep(false).await.unwrap(), 2, "of both agents: nobody has thought yet");
}

#[tokio::test]
async fn the_sweep_wakes_the_indexer_for_memories_it_was_not_told_of() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let indexer = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("indexer={indexer}")).unwrap();
    place.say(&["one", "two"]).await;
    for session in ["one", "two", "two"] {
        place.remember(Some(session)).await;
    }
    place.remember(None).await;
    let sweep = |grace, now| {
        let policy = SweepPolicy { grace, ..SweepPolicy::default() };
        let lane = BulkLane::new(routes.clone(), &LanePolicy::default());
        Sweep::new(place.store(), lane, routes.clone(), policy, now).with_memories(Publisher::new(aws.sqs()))
    };
    let memories = async || {
        let woken = aws.drain(&indexer).await.unwrap();
        let is_memories = |message: &aws_sdk_sqs::types::Message| {
            let wake_up = Envelope::parse(message.body().unwrap()).unwrap().wake_up;
            matches!(wake_up, WakeUp::Memories { .. })
        };
        woken.iter().filter(|message| is_memories(message)).count()
    };
    sweep(Duration::from_mins(2), at_the_servers_time).sweep(true).await.unwrap();
    assert_eq!(memories().await, 0, "they are on their ordinary way");
    sweep(Duration::ZERO, later_than_every_event).sweep(false).await.unwrap();
    assert_eq!(memories().await, 0, "only a sweep of all looks at them");
    sweep(Duration::ZERO, later_than_every_event).sweep(true).await.unwrap();
    assert_eq!(memories().await, 1, "a user is woken for once");
    let embed = "update afterthought.memories set embedding = '[1]', embedding_model = 'test'";
    place.client.batch_execute(embed).await.unwrap();
    sweep(Duration::ZERO, later_than_every_event).sweep(true).await.unwrap();
    assert_eq!(memories().await, 0);
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
    let policy = SweepPolicy { grace: Duration::ZERO, ..SweepPolicy::default() };
    let lane = BulkLane::new(routes.clone(), &LanePolicy::default());
    let keeper = Keeper::new(place.store(), &Publisher::new(aws.sqs()), lane.clone(), later_than_every_event);
    let sweep = Sweep::new(place.store(), lane, routes, policy, later_than_every_event);
    assert_eq!(sweep.sweep(false).await.unwrap(), 2);
    assert!(keeper.look().await);
    // They are on their way now; a session that stays behind is woken again later.
    assert_eq!(sweep.sweep(true).await.unwrap(), 0);
    assert!(keeper.look().await);
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

/// Places of the lane in these tests.
const PLACES: usize = 4;

/// A reader with a lane, and the lane's keeper.
struct WithLane {
    reader: Working,
    keeper: JoinHandle<()>,
    lane: BulkLane,
}

impl WithLane {
    fn start(place: &Place, aws: &TestAws, routes: &Routes) -> Self {
        let lane = BulkLane::new(routes.clone(), &LanePolicy { sessions: PLACES, ..LanePolicy::default() });
        let queues = Queues::new(Publisher::new(aws.sqs()), routes.clone(), at_the_servers_time);
        // An import is one flush, however slow the machine.
        let policy = FlushPolicy { interval: Duration::from_secs(1), ..FlushPolicy::default() };
        let reader = Reader::new(place.source(), queues.with_lane(lane.clone()), policy, at_the_servers_time);
        let publisher = Publisher::new(aws.sqs());
        let keeper = Keeper::new(place.store(), &publisher, lane.clone(), at_the_servers_time);
        let holding = reader.holding();
        let keeper = tokio::spawn(async move { keeper.run(holding).await });
        Self { reader: Working::start(reader, run()), keeper, lane }
    }

    async fn killed(self) {
        self.keeper.abort();
        assert!(self.keeper.await.unwrap_err().is_cancelled());
        self.reader.killed().await;
    }
}

/// The tenants and sessions that a queue's messages are about, all of them received and deleted.
async fn woken(aws: &TestAws, queue: &str) -> Vec<(String, Uuid)> {
    let messages = aws.drain(queue).await.unwrap();
    let read = messages.iter().map(|message| Envelope::parse(message.body().unwrap()).unwrap().wake_up);
    read.map(|wake_up| match wake_up {
        WakeUp::Session { tenant, session, version: 1 } => (tenant.as_str().to_owned(), session.0),
        other => panic!("{other:?}"),
    })
    .collect()
}

/// Thinks about whatever the queue holds, again and again, until so many sessions were woken; answers which. There are
/// never more than `at_once` in the queue.
async fn think_about(
    place: &Place,
    aws: &TestAws,
    queue: &str,
    sessions: usize,
    at_once: usize,
) -> BTreeSet<Uuid> {
    let mut all = BTreeSet::new();
    within(async {
        while all.len() < sessions {
            let batch: Vec<Uuid> = woken(aws, queue).await.into_iter().map(|(_, session)| session).collect();
            assert!(batch.len() <= at_once, "{} at once", batch.len());
            place.think("indexer", &batch).await;
            all.extend(batch);
        }
    })
    .await;
    all
}

#[tokio::test]
async fn somebody_who_talks_does_not_wait_for_another_tenants_import() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("indexer={queue}")).unwrap();
    place.import("importer", 150).await;
    let mut reader = WithLane::start(&place, &aws, &routes);
    reader.reader.has_confirmed(place.wal_end().await).await;
    place.say(&["monday"]).await;
    reader.reader.has_confirmed(place.wal_end().await).await;

    let first = woken(&aws, &queue).await;
    assert!(first.len() <= PLACES + 1, "{first:?}");
    assert_eq!(first.iter().filter(|(tenant, _)| tenant == "default").count(), 1, "{first:?}");
    let first: Vec<Uuid> = first.into_iter().map(|(_, session)| session).collect();
    place.think("indexer", &first).await;
    // The import comes in its turn, all of it, and nobody twice.
    let rest = think_about(&place, &aws, &queue, 151 - first.len(), PLACES).await;
    assert!(first.iter().all(|session| !rest.contains(session)));
    assert_eq!(rest.len() + first.len(), 151);
    reader.reader.stopped().await;
}

#[tokio::test]
async fn what_a_dead_reader_had_still_to_wake_is_found_by_the_sweeps_of_the_next() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("indexer={queue}")).unwrap();
    place.import("importer", 150).await;
    let mut first = WithLane::start(&place, &aws, &routes);
    let end = place.wal_end().await;
    first.reader.has_confirmed(end).await;
    let before = think_about(&place, &aws, &queue, 10, PLACES).await;
    // What it confirmed is not read again by anybody.
    within(async {
        while place.confirmed().await < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    first.killed().await;
    woken(&aws, &queue).await;

    let mut second = WithLane::start(&place, &aws, &routes);
    second.reader.holds_the_slot().await;
    let sweep =
        |now| Sweep::new(place.store(), second.lane.clone(), routes.clone(), SweepPolicy::default(), now);
    // The first sweep looks at all sessions and leaves out those that are younger than its grace; the next one finds
    // them.
    assert_eq!(sweep(at_the_servers_time).sweep(true).await.unwrap(), 0);
    assert_eq!(sweep(three_minutes_later).sweep(false).await.unwrap(), 150 - before.len());
    let after = think_about(&place, &aws, &queue, 150 - before.len(), PLACES).await;
    assert!(before.is_disjoint(&after));
    second.reader.stopped().await;
}

#[tokio::test]
async fn a_session_that_is_held_gives_up_its_place_and_is_woken_when_its_hold_ends() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("indexer={queue}")).unwrap();
    let lane = BulkLane::new(routes.clone(), &LanePolicy { sessions: 1, ..LanePolicy::default() });
    let publisher = Publisher::new(aws.sqs());
    let keeper = Keeper::new(place.store(), &publisher, lane.clone(), later_than_every_event);
    let sweep = |grace| {
        let policy = SweepPolicy { grace, ..SweepPolicy::default() };
        Sweep::new(place.store(), lane.clone(), routes.clone(), policy, later_than_every_event)
    };
    place.say(&["one", "two"]).await;
    assert_eq!(sweep(Duration::ZERO).sweep(true).await.unwrap(), 2);
    keeper.look().await;
    let (_, held) = woken(&aws, &queue).await[0];
    let hold = "insert into afterthought.holds (session_id, agent, reason, until) \
                values ($1, 'indexer', 'sleep', now() + interval '1 hour')";
    place.client.execute(hold, &[&held]).await.unwrap();
    keeper.look().await;
    let (_, other) = woken(&aws, &queue).await[0];
    assert_ne!(held, other);
    place.think("indexer", &[other]).await;
    keeper.look().await;
    assert_eq!(sweep(Duration::ZERO).sweep(true).await.unwrap(), 0);

    // Its last event is too young for this sweep, so nothing but the end of the hold has it woken.
    let hour = Duration::from_hours(1);
    assert_eq!(sweep(hour).sweep(true).await.unwrap(), 0);
    place.client.batch_execute("update afterthought.holds set until = now()").await.unwrap();
    assert_eq!(sweep(hour).sweep(true).await.unwrap(), 1);
    keeper.look().await;
    assert_eq!(woken(&aws, &queue).await, [("default".to_owned(), held)]);
    let holds = place.client.query_one("select count(*) from afterthought.holds", &[]).await.unwrap();
    assert_eq!(holds.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_lane_that_keeps_the_quiet_period_itself_does_not_have_its_queue_keep_it_again() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("summarizer").await.unwrap();
    let delay = aws.sqs().set_queue_attributes().queue_url(&queue);
    delay.attributes(aws_sdk_sqs::types::QueueAttributeName::DelaySeconds, "900").send().await.unwrap();
    let routes = Routes::parse(&format!("summarizer={queue}")).unwrap();
    let quiet = [("summarizer".to_owned(), Duration::from_secs(30))].into();
    let lane = BulkLane::new(routes.clone(), &LanePolicy { quiet, ..LanePolicy::default() });
    let publisher = Publisher::new(aws.sqs());
    let keeper = Keeper::new(place.store(), &publisher, lane.clone(), later_than_every_event);
    let policy = SweepPolicy { grace: Duration::ZERO, ..SweepPolicy::default() };
    let sweep = Sweep::new(place.store(), lane, routes, policy, later_than_every_event);
    place.say(&["one"]).await;
    assert_eq!(sweep.sweep(true).await.unwrap(), 1);
    keeper.look().await;
    assert_eq!(woken(&aws, &queue).await.len(), 1);
}
