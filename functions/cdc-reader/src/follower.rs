use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use domain::{RowMapping, TenantId};
use jiff::Timestamp;
use queue::{NotAllAccepted, Publisher};
use serde_json::Value;
use store::{AdoptedTable, Backfill, Store};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Arrivals, pauses};

mod event;
mod read;

use read::Read;

/// How many rows are read at once.
const ROWS: u16 = 500;
/// Calls to SQS at once. They are its own, so that wake-ups never wait for them.
const CALLS: usize = 8;
/// A backfill waits while the queue has more messages than these, so that nobody waits behind it.
const MOST_QUEUED: u64 = 500;
/// How soon it looks again.
const QUEUE_INTERVAL: Duration = Duration::from_millis(500);
/// How soon a table is looked at again that could not be read, and all tables when nothing was heard of them.
const LOOK_INTERVAL: Duration = Duration::from_mins(1);
/// How soon a table is tried again that was locked.
const LOCKED_INTERVAL: Duration = Duration::from_secs(5);
/// How much is kept of why a table cannot be read, in characters.
const LONGEST_REASON: usize = 240;

/// Reads the rows of adopted tables and puts what they say into the queue of accepted events: of each table first the rows
/// that had been there, in their order, then those that the stream has brought, in the order of commits.
///
/// What has been read is noted in Postgres only when SQS has accepted it, so a follower that dies leaves repeats and no gaps;
/// every event has a key made of its table's name and its own key, and is stored once. Two at a time do no harm.
pub struct TableFollower {
    positions: Store,
    rows: Store,
    publisher: Publisher,
    queue_url: String,
    news: Arc<Notify>,
    now: fn() -> Timestamp,
    /// The backfill that is open: one at a time.
    open: Option<Open>,
    /// Tables that could not be read, until when they are left alone.
    resting: HashMap<Uuid, (i64, Instant)>,
    /// Tables that are in the publication again, with the entry of it, and who was writing to them then and still is.
    put_back: HashMap<(Uuid, u32), HashSet<String>>,
    /// Tenants that are there. They stay.
    tenants: HashSet<TenantId>,
}

/// A backfill on its way.
struct Open {
    adoption: Uuid,
    version: i64,
    backfill: Backfill,
}

/// When there is something to do again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// When something is heard, or after a while.
    Idle,
    /// When the queue is shorter.
    Soon,
    /// Now.
    AtOnce,
}

/// Why reading a table stopped.
#[derive(Debug)]
enum Stopped {
    /// The table cannot be read, and others can: why.
    Unreadable(String),
    /// Somebody has locked the table, and others can be read.
    Locked,
    /// Postgres, or the network.
    Store(store::Error),
    /// SQS.
    Queue(NotAllAccepted),
}

impl From<store::Error> for Stopped {
    fn from(error: store::Error) -> Self {
        match error.wrong_statement() {
            _ if error.is_locked() => Self::Locked,
            Some(reason) => Self::Unreadable(reason),
            None => Self::Store(error),
        }
    }
}

impl TableFollower {
    /// `positions` acts as the reader's role and `rows` as the adopter's, with two connections; `queue_url` is the queue of
    /// accepted events.
    pub fn new(
        positions: Store,
        rows: Store,
        publisher: &Publisher,
        queue_url: String,
        arrivals: &Arrivals,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            positions,
            rows,
            publisher: publisher.clone().with_concurrency(CALLS),
            queue_url,
            news: arrivals.news(),
            now,
            open: None,
            resting: HashMap::new(),
            put_back: HashMap::new(),
            tenants: HashSet::new(),
        }
    }

    /// Follows whenever the slot is held. Ends when whoever holds the slot is gone.
    pub async fn run(&mut self, mut holding: watch::Receiver<bool>) {
        let mut pauses = reading_pauses();
        loop {
            if !*holding.borrow() {
                // Somebody else may follow meanwhile, and the next slot may be another one.
                self.open = None;
            }
            if holding.wait_for(|holding| *holding).await.is_err() {
                return;
            }
            let next = match self.round().await {
                Ok(next) => {
                    pauses = reading_pauses();
                    next
                }
                Err(stopped) => {
                    stopped.log();
                    tokio::time::sleep(pauses.next().unwrap_or(LOOK_INTERVAL)).await;
                    continue;
                }
            };
            let pause = match next {
                Next::AtOnce => continue,
                Next::Soon => QUEUE_INTERVAL,
                Next::Idle => LOOK_INTERVAL,
            };
            let again = self.resting.values().map(|(_, until)| *until).min();
            let again =
                again.map_or(pause, |again| pause.min(again.saturating_duration_since(Instant::now())));
            tokio::select! {
                () = tokio::time::sleep(again) => {}
                () = self.news.notified() => {}
                changed = holding.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.open = None;
                }
            }
        }
    }

    /// Reads until nothing is left that can be read, something outside fails, or `stop` says so; what is left then waits for
    /// whoever follows next.
    pub async fn finish(&mut self, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => tracing::info!("rows of adopted tables are left for the next run"),
            () = self.read_all() => {}
        }
    }

    async fn read_all(&mut self) {
        loop {
            match self.round().await {
                Ok(Next::Idle) => return,
                Ok(Next::AtOnce) => {}
                Ok(Next::Soon) => tokio::time::sleep(QUEUE_INTERVAL).await,
                Err(stopped) => return stopped.log(),
            }
        }
    }

    /// Some rows of every table that has any.
    async fn round(&mut self) -> Result<Next, Stopped> {
        let tables = self.positions.adopted_tables().await.map_err(Stopped::Store)?;
        let broken = tables.iter().filter(|table| table.broken.is_some()).count();
        metrics::gauge!("BrokenAdoptions").set(u32::try_from(broken).unwrap_or(u32::MAX));
        self.resting.retain(|id, (version, until)| {
            *until > Instant::now() && tables.iter().any(|table| (table.id, table.version) == (*id, *version))
        });
        self.put_back.retain(|(id, entry), _| {
            tables.iter().any(|table| (table.id, table.published_anew) == (*id, Some(*entry)))
        });
        // One that has been begun goes first: its keys have been sorted.
        let mut unread: Vec<Uuid> = tables
            .iter()
            .filter(|table| !table.is_backfilled && table.published_anew.is_none())
            .filter(|table| !self.resting.contains_key(&table.id))
            .map(|table| table.id)
            .collect();
        unread.sort_by_key(|id| !self.is_open(*id));
        let backfilling = unread.first().copied();
        let mut next = Next::Idle;
        for table in &tables {
            if let Some(entry) = table.published_anew {
                next = next.max(self.begin_anew(table, entry).await.map_err(Stopped::Store)?);
                continue;
            }
            let has_work = if table.is_backfilled {
                table.has_arrivals || (!table.is_published && table.broken.is_none())
            } else {
                backfilling == Some(table.id)
            };
            if !has_work || self.resting.contains_key(&table.id) {
                continue;
            }
            match self.step(table).await {
                Ok(done) => next = next.max(done),
                Err(Stopped::Locked) => {
                    tracing::warn!(relation = table.relation, "an adopted table is locked and is read later");
                    self.resting.insert(table.id, (table.version, Instant::now() + LOCKED_INTERVAL));
                    next = next.max(Next::AtOnce);
                }
                Err(Stopped::Unreadable(reason)) => {
                    if self.is_open(table.id) {
                        self.open = None;
                    }
                    self.broke(table, &reason).await.map_err(Stopped::Store)?;
                    next = next.max(Next::AtOnce);
                }
                Err(outside) => {
                    self.open = None;
                    return Err(outside);
                }
            }
        }
        Ok(next)
    }

    /// Some rows of one table.
    async fn step(&mut self, table: &AdoptedTable) -> Result<Next, Stopped> {
        if !table.is_published {
            // It says itself that it is gone, if it is.
            self.rows.read_adopted(table, &Value::Array(Vec::new()), 0, 0).await?;
            let reason = "the table is not in the publication afterthought any more, with its key alone: adopt it again";
            return Err(Stopped::Unreadable(reason.to_owned()));
        }
        let mapping = RowMapping::read(table.mapping.clone()).map_err(Stopped::Unreadable)?;
        if table.is_backfilled {
            self.follow(table, &mapping).await
        } else {
            self.backfill(table, &mapping).await
        }
    }

    /// Has a table read from its beginning that was taken out of the publication and put back. Whoever was writing to it when
    /// it was seen to be there again ends first: what they wrote before is in no stream, and nobody sees it until then.
    async fn begin_anew(&mut self, table: &AdoptedTable, entry: u32) -> Result<Next, store::Error> {
        let writing = self.positions.table_writers(table.id).await?;
        let unfinished = self.put_back.entry((table.id, entry)).or_insert_with(|| writing.clone());
        unfinished.retain(|writer| writing.contains(writer));
        if !unfinished.is_empty() {
            return Ok(Next::Soon);
        }
        tracing::warn!(
            relation = table.relation,
            "an adopted table was not in the publication for a while and is read from its beginning"
        );
        self.positions.restart_backfill(table, entry).await?;
        Ok(Next::AtOnce)
    }

    /// The next rows that had been there.
    async fn backfill(&mut self, table: &AdoptedTable, mapping: &RowMapping) -> Result<Next, Stopped> {
        let depth = self.publisher.depth(&self.queue_url).await;
        let depth = depth.map_err(|error| {
            Stopped::Unreadable(format!("the length of the queue of accepted events is not known: {error}"))
        })?;
        if depth > MOST_QUEUED {
            return Ok(Next::Soon);
        }
        let mut open = match self.open.take() {
            Some(open) if (open.adoption, open.version) == (table.id, table.version) => open,
            _ => {
                let backfill = self.rows.open_backfill(table.id).await?;
                Open { adoption: table.id, version: table.version, backfill }
            }
        };
        let rows = open.backfill.next().await?;
        if rows.is_empty() {
            tracing::info!(relation = table.relation, "an adopted table has been read, and is followed");
            self.positions.advance_backfill(table, None, 0, &[]).await?;
            return Ok(Next::AtOnce);
        }
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let keys: Vec<(&Value, Option<Timestamp>)> = rest.iter().map(|(_, key)| (key, None)).collect();
            let Read { events, refused, keys: read } = self.read(table, mapping, &keys).await?;
            self.publish(table, &events).await?;
            let (done, later) = rest.split_at(read);
            let through = done.last().map(|(place, _)| place);
            if !self.positions.advance_backfill(table, through, events.len(), &refused).await? {
                return Ok(Next::AtOnce);
            }
            rest = later;
        }
        self.open = Some(open);
        Ok(Next::AtOnce)
    }

    /// The next rows that the stream has brought.
    async fn follow(&mut self, table: &AdoptedTable, mapping: &RowMapping) -> Result<Next, Stopped> {
        let arrivals = self.positions.arrivals(table.id, ROWS).await?;
        let keys: Vec<(&Value, Option<Timestamp>)> =
            arrivals.iter().map(|row| (&row.key, Some(row.written_at))).collect();
        let Read { events, refused, keys: read } = self.read(table, mapping, &keys).await?;
        self.publish(table, &events).await?;
        let positions: Vec<i64> = arrivals.iter().take(read).map(|row| row.position).collect();
        // When the adoption has changed meanwhile, they are read again by what it is now.
        self.positions.settle_arrivals(table, &positions, events.len(), &refused).await?;
        Ok(Next::AtOnce)
    }

    fn is_open(&self, adoption: Uuid) -> bool {
        self.open.as_ref().is_some_and(|open| open.adoption == adoption)
    }

    /// Notes that a table cannot be read, and leaves it alone for a while.
    async fn broke(&mut self, table: &AdoptedTable, reason: &str) -> Result<(), store::Error> {
        let reason: String = reason.chars().take(LONGEST_REASON).collect();
        if table.broken.as_deref() != Some(&reason) {
            tracing::error!(relation = table.relation, reason, "an adopted table cannot be read");
        }
        self.resting.insert(table.id, (table.version, Instant::now() + LOOK_INTERVAL));
        self.positions.mark_broken(table, &reason).await
    }
}

impl Stopped {
    fn log(&self) {
        match self {
            Self::Unreadable(reason) => tracing::warn!(reason, "adopted tables wait"),
            Self::Locked => tracing::warn!("adopted tables wait for a lock"),
            Self::Store(error) => tracing::warn!(%error, "adopted tables wait for Postgres"),
            Self::Queue(error) => {
                metrics::counter!("PublishFailures").increment(1);
                tracing::warn!(%error, "adopted tables wait for the queue of accepted events");
            }
        }
    }
}

fn reading_pauses() -> ExponentialBackoff {
    pauses::unending(Duration::from_millis(500), Duration::from_secs(30))
}
