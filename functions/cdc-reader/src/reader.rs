use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use futures::FutureExt;
use jiff::Timestamp;
use pgwire_replication::{Lsn, PgWireError, ReplicationClient, ReplicationEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::error::Verdict;
use crate::pgoutput::Message;
use crate::progress::Progress;
use crate::stand_by::{Lifetime, WhenBusy};
use crate::{Error, Sink, Source, pauses};

/// How often a reader that stands by looks whether the slot is free.
const STAND_BY_INTERVAL: Duration = Duration::from_millis(250);

/// The server sends keep-alives every five seconds; a connection this quiet is dead.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// A drained stream is one that has brought nothing for this long.
const QUIET: Duration = Duration::from_millis(1500);

/// Messages handled before anything else is looked at.
const BURST: usize = 1024;

/// When changes are published.
#[derive(Debug, Clone, Copy)]
pub struct FlushPolicy {
    /// At the latest this long after the first change of a flush, unless the flush before is still on its way.
    pub interval: Duration,
    /// As soon as this many wake-ups wait.
    pub wake_ups: usize,
    /// Nothing more is received while this many wake-ups wait: the bound on memory when SQS is down.
    pub longest_backlog: usize,
}

impl Default for FlushPolicy {
    fn default() -> Self {
        Self { interval: Duration::from_millis(50), wake_ups: 10_000, longest_backlog: 100_000 }
    }
}

/// How long a run lasts and what it does when another reader is there.
#[derive(Debug, Clone)]
pub struct Run {
    /// What tells this reader from others in `pg_stat_activity`.
    pub instance: String,
    /// When it will stop, for others to know; `stop` is what stops it.
    pub lifetime: Lifetime,
    /// What it does when another reader holds the slot.
    pub when_busy: WhenBusy,
    /// Stop once everything that was committed before the run has been accepted and nothing more comes.
    pub drain: bool,
    /// Stops it: what waits is published and confirmed first, within `grace`.
    pub stop: CancellationToken,
    /// The longest that stopping may take.
    pub grace: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// Another reader holds the slot and will go on to.
    LeftToOther,
    /// Everything has been accepted and confirmed.
    Drained,
}

/// Follows one slot and hands wake-ups to a sink.
pub struct Reader<S> {
    source: Source,
    sink: Arc<S>,
    policy: FlushPolicy,
    now: fn() -> Timestamp,
    progress: Progress,
    /// The flush on its way. It outlives a connection.
    flight: Option<Flight>,
    holding: watch::Sender<bool>,
    confirmed: watch::Sender<u64>,
}

struct Flight {
    accepted: JoinHandle<()>,
    started: Instant,
}

impl<S: Sink> Reader<S> {
    /// A reader that has not connected yet.
    pub fn new(source: Source, sink: S, policy: FlushPolicy, now: fn() -> Timestamp) -> Self {
        Self {
            source,
            sink: Arc::new(sink),
            policy,
            now,
            progress: Progress::default(),
            flight: None,
            holding: watch::Sender::new(false),
            confirmed: watch::Sender::new(0),
        }
    }

    /// Tells whether this reader holds the slot.
    pub fn holding(&self) -> watch::Receiver<bool> {
        self.holding.subscribe()
    }

    /// The WAL position up to which everything has been accepted, on the current connection.
    pub fn confirmed(&self) -> watch::Receiver<u64> {
        self.confirmed.subscribe()
    }

    /// Reads until the run ends. A lost connection is made anew with growing pauses, for as long as the run lasts; an
    /// error is one that trying again does not help, and its message says what does.
    pub async fn run(&mut self, run: &Run) -> Result<Ended, Error> {
        let mut pauses = reconnect_pauses();
        let mut target = None;
        loop {
            let ended = self.attempt(run, &mut target).await;
            let held = self.holding.send_replace(false);
            let error = match ended {
                Ok(ended) => return Ok(ended),
                Err(error) => error,
            };
            if held {
                pauses = reconnect_pauses();
            }
            let pause = match error.verdict() {
                Verdict::GiveUp => return Err(error),
                Verdict::StandBy => STAND_BY_INTERVAL,
                Verdict::Retry => {
                    metrics::counter!("Reconnects").increment(1);
                    tracing::warn!(%error, "connecting again");
                    pauses.next().unwrap_or_default()
                }
            };
            tokio::select! {
                () = run.stop.cancelled() => return Ok(Ended::Stopped),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One connection, from looking at the slot to the end of the stream.
    async fn attempt(&mut self, run: &Run, target: &mut Option<u64>) -> Result<Ended, Error> {
        let prepared = tokio::select! {
            () = run.stop.cancelled() => return Ok(Ended::Stopped),
            prepared = self.acquire(run, target) => prepared?,
        };
        let client = match prepared {
            Ok(client) => client,
            Err(ended) => return Ok(ended),
        };
        self.progress.reconnect();
        self.holding.send_replace(true);
        tracing::info!(slot = self.source.slot(), "reading the slot");
        self.follow(client, run, target.filter(|_| run.drain)).await
    }

    /// Connects and waits for the slot; or says how the run ends without it.
    async fn acquire(
        &self,
        run: &Run,
        target: &mut Option<u64>,
    ) -> Result<Result<ReplicationClient, Ended>, Error> {
        let mut session = self.source.connect(&run.lifetime.application_name(&run.instance)).await?;
        let mut said = false;
        loop {
            let found = session.look().await?;
            let target = *target.get_or_insert(found.wal_end);
            let Some(holder) = found.holder else { return Ok(Ok(session.start().await?)) };
            if run.drain && found.confirmed >= target {
                return Ok(Err(Ended::Drained));
            }
            if !run.when_busy.stands_by(holder, (self.now)()) {
                tracing::info!(slot = self.source.slot(), "another reader holds the slot and goes on to");
                return Ok(Err(Ended::LeftToOther));
            }
            if !std::mem::replace(&mut said, true) {
                tracing::info!(slot = self.source.slot(), "another reader holds the slot, standing by");
            }
            tokio::time::sleep(STAND_BY_INTERVAL).await;
        }
    }

    /// Reads one connection's stream. `drain_to` is where a draining run may end.
    async fn follow(
        &mut self,
        mut client: ReplicationClient,
        run: &Run,
        drain_to: Option<u64>,
    ) -> Result<Ended, Error> {
        let mut stream = Stream { catalog: Catalog::default(), last_change: Instant::now() };
        let mut flush_at = None;
        loop {
            let now = Instant::now();
            if self.progress.waiting() > 0 && self.flight.is_none() {
                let due = *flush_at.get_or_insert(now + self.policy.interval);
                if now >= due || self.progress.waiting() >= self.policy.wake_ups {
                    self.start_flush();
                    flush_at = None;
                }
            }
            self.confirm(&client);
            if let Some(target) = drain_to
                && self.is_drained(target)
                && stream.last_change.elapsed() >= QUIET
            {
                self.finish(client, run.grace).await;
                return Ok(Ended::Drained);
            }
            let receiving = self.progress.waiting() < self.policy.longest_backlog;
            tokio::select! {
                biased;
                () = run.stop.cancelled() => {
                    self.finish(client, run.grace).await;
                    return Ok(Ended::Stopped);
                }
                landed = landing(&mut self.flight), if self.flight.is_some() => self.landed(landed, &client)?,
                () = tokio::time::sleep_until(flush_at.unwrap_or(now)), if flush_at.is_some() && self.flight.is_none() => {}
                () = tokio::time::sleep(QUIET / 10), if drain_to.is_some() => {}
                event = tokio::time::timeout(LONGEST_SILENCE, client.recv()), if receiving => {
                    let waiting = self.progress.waiting();
                    let silent = |_elapsed| Error::Silent { seconds: LONGEST_SILENCE.as_secs() };
                    self.receive(&mut stream, event.map_err(silent)?)?;
                    for _ in 1..BURST {
                        let Some(event) = client.recv().now_or_never() else { break };
                        self.receive(&mut stream, event)?;
                        if self.progress.waiting() >= self.policy.longest_backlog {
                            break;
                        }
                    }
                    if self.progress.waiting() > waiting {
                        stream.last_change = Instant::now();
                    }
                }
            }
        }
    }

    fn receive(
        &mut self,
        stream: &mut Stream,
        event: Result<Option<ReplicationEvent>, PgWireError>,
    ) -> Result<(), Error> {
        match event.map_err(|error| self.source.sort(error))?.ok_or(Error::Closed)? {
            ReplicationEvent::XLogData { data, .. } => match Message::decode(&data)? {
                Message::Insert { relation, new } => match stream.catalog.read(relation, new) {
                    Ok(None) => {}
                    Ok(Some(change)) => {
                        if let Err(error) = self.progress.change(change) {
                            skipped(&error);
                        }
                    }
                    Err(error) => skipped(&error),
                },
                Message::Relation(relation) => stream.catalog.describe(&relation)?,
                // The publication sends inserts only; anything else wakes nobody.
                _ => {}
            },
            ReplicationEvent::Begin { commit_time_micros, .. } => {
                stream.catalog.begin(commit_time_micros);
                self.progress.begin();
            }
            ReplicationEvent::Commit { end_lsn, .. } => self.progress.commit(end_lsn.as_u64()),
            ReplicationEvent::KeepAlive { wal_end, .. } => {
                self.progress.keep_alive(wal_end.as_u64());
                report_lag(wal_end, self.progress.confirmable());
            }
            ReplicationEvent::Message { .. } | ReplicationEvent::StoppedAt { .. } => {}
        }
        Ok(())
    }

    fn start_flush(&mut self) {
        let Some(wakes) = self.progress.start_flush() else { return };
        let wake_ups = u64::try_from(wakes.len()).unwrap_or(u64::MAX);
        metrics::counter!("Changes").increment(wakes.changes);
        metrics::counter!("Coalesced").increment(wakes.changes.saturating_sub(wake_ups));
        let sink = Arc::clone(&self.sink);
        let accepted = tokio::spawn(async move { sink.accept(wakes).await });
        self.flight = Some(Flight { accepted, started: Instant::now() });
    }

    /// The flush has been accepted, or its task is gone and with it what it held.
    fn landed(&mut self, landed: Landed, client: &ReplicationClient) -> Result<(), Error> {
        self.flight = None;
        let Landed::Accepted { took } = landed else {
            // What was on its way is unknown, so everything that is not confirmed is read again.
            self.progress = Progress::default();
            return Err(Error::Closed);
        };
        self.progress.accepted();
        metrics::histogram!("FlushTime").record(took.as_secs_f64() * 1000.0);
        report_lag(client.metrics().last_wal_end(), self.progress.confirmable());
        Ok(())
    }

    /// Has the transport report what may be confirmed.
    fn confirm(&self, client: &ReplicationClient) {
        let position = self.progress.confirmable();
        client.update_applied_lsn(Lsn::from_u64(position));
        self.confirmed.send_if_modified(|confirmed| std::mem::replace(confirmed, position) != position);
    }

    fn is_drained(&self, target: u64) -> bool {
        self.flight.is_none() && self.progress.waiting() == 0 && self.progress.confirmable() >= target
    }

    /// Publishes what waits, confirms it and ends the connection, all within `grace`. What does not make it is read
    /// again by the next reader.
    async fn finish(&mut self, mut client: ReplicationClient, grace: Duration) {
        let finished = tokio::time::timeout(grace, async {
            loop {
                if self.flight.is_some() {
                    let landed = landing(&mut self.flight).await;
                    if self.landed(landed, &client).is_err() {
                        return;
                    }
                }
                self.start_flush();
                if self.flight.is_none() {
                    break;
                }
            }
            self.confirm(&client);
            let confirmed = Lsn::from_u64(self.progress.confirmable());
            while client.metrics().last_applied_lsn() < confirmed && client.is_running() {
                tokio::time::sleep(STATUS_POLL).await;
            }
            // The server has been told; a connection that breaks now changes nothing.
            let _ = client.shutdown().await;
        });
        if finished.await.is_err() {
            tracing::warn!("stopped before everything was accepted; the next reader reads it again");
        }
        if let Some(flight) = self.flight.take() {
            flight.accepted.abort();
            self.progress = Progress::default();
        }
    }
}

/// How often a stopping reader looks whether its last position has been reported.
const STATUS_POLL: Duration = Duration::from_millis(10);

/// What belongs to one connection.
struct Stream {
    catalog: Catalog,
    last_change: Instant,
}

#[derive(Clone, Copy)]
enum Landed {
    Accepted { took: Duration },
    Gone,
}

/// Waits for the flush on its way.
async fn landing(flight: &mut Option<Flight>) -> Landed {
    match flight {
        None => std::future::pending().await,
        Some(flight) => match (&mut flight.accepted).await {
            Ok(()) => Landed::Accepted { took: flight.started.elapsed() },
            Err(error) => {
                tracing::error!(%error, "a flush ended without an answer, reading again what it held");
                Landed::Gone
            }
        },
    }
}

/// A row that can wake nobody must not hold up those that can.
fn skipped(error: &impl std::fmt::Display) {
    metrics::counter!("SkippedRows").increment(1);
    tracing::error!(%error, "a row was skipped");
}

fn report_lag(wal_end: Lsn, confirmed: u64) {
    if confirmed > 0 {
        let bytes = u32::try_from(wal_end.as_u64().saturating_sub(confirmed)).unwrap_or(u32::MAX);
        metrics::gauge!("ConfirmedLag").set(f64::from(bytes));
    }
}

fn reconnect_pauses() -> ExponentialBackoff {
    pauses::unending(Duration::from_millis(100), Duration::from_secs(10))
}
