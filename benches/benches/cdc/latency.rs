use std::collections::HashMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cdc_reader::{FlushPolicy, Reader, Sink, Source, Wakes};
use jiff::Timestamp;
use store::DatabaseConfig;
use testkit::TestDatabase;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::backlog::drop_slot;
use crate::passes::endless_run;

/// From the moment an application's commit returned until the reader had the change, in milliseconds.
pub(crate) struct Received {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) count: usize,
}

/// Notes when which version arrived.
struct Watching {
    arrived: UnboundedSender<(Uuid, i64, Instant)>,
}

impl Sink for Watching {
    async fn accept(&self, wakes: Wakes) {
        let now = Instant::now();
        for (_, session, version) in wakes.sessions {
            // Nobody listens any more once the run is over.
            let _ = self.arrived.send((session.0, version, now));
        }
    }
}

/// Inserts at a steady rate, each row committed on its own, and waits for every row to arrive.
pub(crate) async fn measure(database: &TestDatabase, rate: u32, seconds: u32) -> Result<Received> {
    let slot = database.create_slot().await?;
    let source = Source::new(&DatabaseConfig::parse(database.url())?, &slot, "afterthought")?;
    let (arrived, arrivals) = unbounded_channel();
    // Every change is handed on as soon as it is there.
    let policy = FlushPolicy { interval: Duration::ZERO, wake_ups: 1, ..FlushPolicy::default() };
    let mut reader = Reader::new(source, Watching { arrived }, policy, || Timestamp::UNIX_EPOCH);
    let mut holding = reader.holding();
    let run = endless_run();
    let mut reading = pin!(reader.run(&run));
    let received = tokio::select! {
        ended = &mut reading => bail!("the reader ended: {ended:?}"),
        received = async {
            holding.wait_for(|holding| *holding).await?;
            // The application has a thread of its own, so that it neither waits for the reader nor holds it up.
            let url = database.url().to_owned();
            let application = tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(insert(&url, rate, rate * seconds))
            });
            collect(application.await??, arrivals).await
        } => received?,
    };
    run.stop.cancel();
    reading.await?;
    drop_slot(database, &slot).await?;
    Ok(received)
}

/// When each version's commit returned.
async fn insert(url: &str, rate: u32, count: u32) -> Result<HashMap<(Uuid, i64), Instant>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    // A commit that is not flushed is not sent to anybody before the WAL writer comes by.
    client.batch_execute("set synchronous_commit = on").await?;
    let insert = client
        .prepare(
            "insert into afterthought.messages (user_id, session, role, content) \
             values ('latency', $1, 'user', 'hello') returning session_id, version",
        )
        .await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut committed = HashMap::new();
    for number in 0..count {
        ticks.tick().await;
        let session = format!("latency-{}", number % 100);
        let row = client.query_one(&insert, &[&session]).await?;
        committed.insert((row.get(0), row.get(1)), Instant::now());
    }
    Ok(committed)
}

async fn collect(
    mut committed: HashMap<(Uuid, i64), Instant>,
    mut arrivals: UnboundedReceiver<(Uuid, i64, Instant)>,
) -> Result<Received> {
    let mut milliseconds = Vec::with_capacity(committed.len());
    while !committed.is_empty() {
        let arrival = tokio::time::timeout(Duration::from_secs(10), arrivals.recv()).await;
        let (session, version, at) =
            arrival.context("a row has not arrived for ten seconds")?.context("the reader ended")?;
        // A change that overtook the answer to its commit took no time. One that was coalesced into a later one is
        // not missing: the later version stands for it.
        committed.retain(|(other, until), returned| {
            let is_here = *other == session && *until <= version;
            if is_here {
                milliseconds.push(at.saturating_duration_since(*returned).as_secs_f64() * 1000.0);
            }
            !is_here
        });
    }
    milliseconds.sort_by(f64::total_cmp);
    let count = milliseconds.len();
    let percentile =
        |hundredths: usize| milliseconds.get(count.saturating_sub(1) * hundredths / 100).copied();
    Ok(Received { p50: percentile(50).unwrap_or(f64::NAN), p99: percentile(99).unwrap_or(f64::NAN), count })
}
