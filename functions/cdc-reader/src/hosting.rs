use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use runtime::{Config, Services, Telemetry, init_telemetry};
use serde_json::{Value, json};
use store::Role;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    Arrivals, BulkLane, Ended, Error, Keeper, Lifetime, Queues, Reader, ReaderConfig, Run, Source, Sweep,
    TableFollower, WhenBusy,
};

/// An invocation ends this long before its deadline: time to publish and confirm what is left.
const MARGIN: Duration = Duration::from_secs(10);

/// How long stopping may take; well within [`MARGIN`].
const GRACE: Duration = Duration::from_secs(5);

/// The variable with the address of the queue of accepted events.
const INGEST_QUEUE: &str = "INGEST_QUEUE";

/// How often metrics are written; CloudWatch's own resolution.
const METRICS_INTERVAL: Duration = Duration::from_mins(1);

/// Runs the reader where it finds itself: under Lambda until shortly before each invocation's deadline, elsewhere
/// until it is told to stop, and with `--drain` or `CDC_MODE=drain` until nothing is left to read.
pub async fn run() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let telemetry = init_telemetry(&config)?;
    let services = Services::connect(&config).await?;
    let mut reader = ReaderConfig::from_map(&config.variables, std::process::id())?;
    reader.drain |= std::env::args().any(|argument| argument == "--drain");
    let host = Host { services, reader, telemetry };
    if config.in_lambda { host.as_lambda().await } else { host.as_process().await }
}

struct Host {
    services: Services,
    reader: ReaderConfig,
    telemetry: Telemetry,
}

impl Host {
    /// One run per invocation; a reader that has more than a moment to live is left alone.
    async fn as_lambda(&self) -> anyhow::Result<()> {
        let handle = async |event: LambdaEvent<Value>| {
            let now = (self.services.now)();
            let ends_at = end_of_invocation(event.context.deadline, now, self.reader.run);
            let run = Run {
                instance: self.reader.instance.clone(),
                lifetime: Lifetime::Until(ends_at),
                when_busy: WhenBusy::LeaveToLongLived,
                drain: self.reader.drain,
                stop: CancellationToken::new(),
                grace: GRACE,
            };
            let _stop = run.stop.clone().drop_guard();
            tokio::spawn(stop_after(ends_at.duration_since(now).unsigned_abs(), run.stop.clone()));
            let ended = self.read(&run).await;
            self.telemetry.flush();
            Ok::<_, lambda_runtime::Error>(json!({ "ended": ended?.as_str() }))
        };
        lambda_runtime::run(service_fn(handle)).await.map_err(|error| anyhow::anyhow!(error))
    }

    /// One run until the process is told to stop.
    async fn as_process(&self) -> anyhow::Result<()> {
        let run = Run {
            instance: self.reader.instance.clone(),
            lifetime: Lifetime::Unbounded,
            when_busy: WhenBusy::Wait,
            drain: self.reader.drain,
            stop: CancellationToken::new(),
            grace: GRACE,
        };
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = run.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.cancel();
        });
        let ended = self.read(&run).await?;
        tracing::info!(ended = ended.as_str(), "the reader has ended");
        self.telemetry.flush();
        Ok(())
    }

    /// Reads, sweeps and keeps the lane moving until the run ends.
    async fn read(&self, run: &Run) -> Result<Ended, Error> {
        let (services, settings) = (&self.services, &self.reader);
        let now = services.now;
        let (publisher, routes) = (&services.publisher, &services.config.routes);
        let notifier = &services.config.notifier_queue;
        let source = Source::new(&services.database, &settings.slot, &settings.publication)?;
        let lane = BulkLane::new(routes.clone(), &settings.lane);
        let queues = Queues::new(publisher.clone(), routes.clone(), now)
            .with_lane(lane.clone())
            .with_notifier(notifier.clone());
        // Connections of their own, so that neither waits for a sweep.
        let positions = services.positions.acting_as(Role::Reader, 2)?;
        let arrivals = Arrivals::new(positions.clone());
        let queues = queues.with_arrivals(arrivals.clone());
        let ingest_queue = services.config.variables.get(INGEST_QUEUE).filter(|url| !url.is_empty());
        let rows = positions.acting_as(Role::Adopter, 2)?;
        let mut follower = ingest_queue.map(|queue_url| {
            TableFollower::new(positions, rows, publisher, queue_url.clone(), &arrivals, now)
        });
        let mut reader = Reader::new(source, queues, settings.flush, now);
        let keeper = Keeper::new(services.positions.clone(), publisher, lane.clone(), now);
        let sweep = Sweep::new(services.positions.clone(), lane, routes.clone(), settings.sweep, now)
            .with_notifier(publisher.clone(), notifier.clone())
            .with_memories(publisher.clone());
        let (sweeps, keeps) = (Box::pin(sweep.run(reader.holding())), Box::pin(keeper.run(reader.holding())));
        let holding = reader.holding();
        let follows = Box::pin(async {
            match &mut follower {
                Some(follower) => follower.run(holding).await,
                None => {
                    tracing::warn!("{INGEST_QUEUE} is not set: rows of adopted tables are noted and wait");
                }
            }
        });
        let ended = tokio::select! {
            ended = reader.run(run) => ended,
            _ = async { tokio::join!(sweeps, keeps, follows, self.write_metrics()) } => Ok(Ended::Stopped),
        };
        // Whoever reads next may come much later, so nobody is left waiting for a turn.
        if matches!(ended, Ok(Ended::Drained)) {
            keeper.wake_all().await;
            if let Some(follower) = &mut follower {
                follower.finish(&run.stop).await;
            }
        }
        ended
    }

    async fn write_metrics(&self) {
        loop {
            tokio::time::sleep(METRICS_INTERVAL).await;
            self.telemetry.flush();
        }
    }
}

impl Ended {
    /// What is logged and answered.
    fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::LeftToOther => "left to another reader",
            Self::Drained => "drained",
        }
    }
}

/// When an invocation ends: before its deadline, or after `run` when the deadline lies in the past, as it does under
/// `cargo lambda watch`.
fn end_of_invocation(deadline_milliseconds: u64, now: Timestamp, run: Duration) -> Timestamp {
    let deadline =
        i64::try_from(deadline_milliseconds).ok().and_then(|end| Timestamp::from_millisecond(end).ok());
    match deadline.and_then(|deadline| deadline.checked_sub(MARGIN).ok()) {
        Some(end) if end > now => end,
        _ => now.saturating_add(run).unwrap_or(Timestamp::MAX),
    }
}

async fn stop_after(time: Duration, stop: CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => stop.cancel(),
        () = stop.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_ends_before_its_deadline_or_after_the_configured_time_when_that_is_past() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let run = Duration::from_mins(14);
        assert_eq!(end_of_invocation(1_800_000_900_000, now, run).as_second(), 1_800_000_890);
        for long_gone in [0, 900_000, u64::MAX] {
            assert_eq!(end_of_invocation(long_gone, now, run).as_second(), 1_800_000_840);
        }
    }
}
