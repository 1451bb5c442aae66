use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cdc_reader::{FlushPolicy, Lifetime, Queues, Reader, Run, Sink, Source, WhenBusy};
use jiff::Timestamp;
use local::Environment;
use local::cache::Cache;
use local::postgres::Programs;
use queue::{Publisher, Routes};
use store::DatabaseConfig;
use testkit::{TestAws, TestDatabase};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::backlog::{Backlog, drop_slot};
use crate::sinks::{Counting, Null};

/// What agents there are in the wake-up passes.
const AGENTS: [&str; 4] = ["entity-extractor", "action-detector", "summarizer", "indexer"];

/// One way to read the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// `pg_recvlogical` to `/dev/null`, with the options our reader uses.
    Recvlogical,
    /// `pg_recvlogical` as it is without options of the plugin's binary mode.
    RecvlogicalText,
    /// Our reader, decoded and coalesced, to a sink that forgets.
    Reader,
    /// Our reader to the messages of every queue.
    WakeUps,
    /// Our reader to real queues.
    Sqs,
}

impl Pass {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recvlogical => "pg_recvlogical",
            Self::RecvlogicalText => "pg_recvlogical_text",
            Self::Reader => "reader",
            Self::WakeUps => "wake_ups",
            Self::Sqs => "sqs",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Recvlogical => "pg_recvlogical, binary",
            Self::RecvlogicalText => "pg_recvlogical, text",
            Self::Reader => "reader, coalesced",
            Self::WakeUps => "reader, wake-ups for 4 queues",
            Self::Sqs => "reader, wake-ups in 4 SQS queues",
        }
    }
}

/// The median over rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    pub(crate) rows_per_second: f64,
    /// To `pg_recvlogical` with the same options in the same round.
    pub(crate) ratio: Option<f64>,
}

/// Makes the passes over a backlog.
pub(crate) struct Passes<'a> {
    database: &'a TestDatabase,
    recvlogical: PathBuf,
    queues: Option<Queues>,
    rounds: usize,
}

impl<'a> Passes<'a> {
    pub(crate) async fn new(
        database: &'a TestDatabase,
        aws: Option<impl Future<Output = Result<TestAws>>>,
        rounds: usize,
    ) -> Result<Self> {
        let queues = match aws {
            Some(aws) => Some(queues(&aws.await?).await?),
            None => None,
        };
        Ok(Self { database, recvlogical: recvlogical()?, queues, rounds: rounds.max(1) })
    }

    pub(crate) async fn measure(&self, backlog: &Backlog) -> Result<Vec<(Pass, Speed)>> {
        let mut passes = vec![Pass::Recvlogical, Pass::Reader, Pass::WakeUps, Pass::RecvlogicalText];
        passes.extend(self.queues.is_some().then_some(Pass::Sqs));
        let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); passes.len()];
        for round in 0..self.rounds {
            // Every other round goes the other way, so that no pass always comes first.
            let order: Vec<usize> =
                if round % 2 == 0 { (0..passes.len()).collect() } else { (0..passes.len()).rev().collect() };
            for place in order {
                let (Some(pass), Some(times)) = (passes.get(place), seconds.get_mut(place)) else { continue };
                times.push(self.read(*pass, backlog).await?.as_secs_f64());
            }
        }
        let baseline = seconds.first().cloned().unwrap_or_default();
        Ok(passes
            .into_iter()
            .zip(seconds)
            .map(|(pass, times)| {
                let ratios = baseline.iter().zip(&times).map(|(base, time)| base / time).collect();
                let speeds = times.iter().map(|time| f64::from(backlog.rows) / time).collect();
                let ratio = (pass != Pass::Recvlogical).then(|| median(ratios));
                (pass, Speed { rows_per_second: median(speeds), ratio })
            })
            .collect())
    }

    async fn read(&self, pass: Pass, backlog: &Backlog) -> Result<Duration> {
        let slot = backlog.copy_slot(self.database).await?;
        let taken = match pass {
            Pass::Recvlogical => self.recvlogical(&slot, backlog.end, true).await?,
            Pass::RecvlogicalText => self.recvlogical(&slot, backlog.end, false).await?,
            Pass::Reader => self.reader(&slot, backlog.end, Null).await?,
            Pass::WakeUps => self.reader(&slot, backlog.end, Counting { queues: AGENTS.len() }).await?,
            Pass::Sqs => {
                let queues = self.queues.clone().context("queues were asked for")?;
                self.reader(&slot, backlog.end, queues).await?
            }
        };
        drop_slot(self.database, &slot).await?;
        Ok(taken)
    }

    async fn recvlogical(&self, slot: &str, end: u64, binary: bool) -> Result<Duration> {
        let mut command = Command::new(&self.recvlogical);
        command
            .args([
                "--start",
                "--no-loop",
                "--file",
                "/dev/null",
                "--slot",
                slot,
                "--dbname",
                self.database.url(),
            ])
            .args(["--endpos", &format!("{:X}/{:X}", end >> 32, end & 0xffff_ffff)])
            .args(["--option", "proto_version=1", "--option", "publication_names=afterthought"])
            .args([
                "--option",
                "messages=true",
                "--option",
                if binary { "binary=true" } else { "binary=false" },
            ])
            .stdin(Stdio::null());
        let start = Instant::now();
        let output = command.output().await?;
        let taken = start.elapsed();
        if !output.status.success() {
            bail!("pg_recvlogical: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(taken)
    }

    async fn reader(&self, slot: &str, end: u64, sink: impl Sink) -> Result<Duration> {
        let source = Source::new(&DatabaseConfig::parse(self.database.url())?, slot, "afterthought")?;
        let run = endless_run();
        let start = Instant::now();
        let mut reader = Reader::new(source, sink, FlushPolicy::default(), || Timestamp::UNIX_EPOCH);
        let mut confirmed = reader.confirmed();
        let mut reading = pin!(reader.run(&run));
        tokio::select! {
            ended = &mut reading => bail!("the reader ended: {ended:?}"),
            reached = confirmed.wait_for(|confirmed| *confirmed >= end) => { reached?; }
        }
        let taken = start.elapsed();
        run.stop.cancel();
        reading.await?;
        Ok(taken)
    }
}

/// A run that lasts until its `stop` is cancelled.
pub(crate) fn endless_run() -> Run {
    Run {
        instance: "bench".to_owned(),
        lifetime: Lifetime::Unbounded,
        when_busy: WhenBusy::Wait,
        drain: false,
        stop: CancellationToken::new(),
        grace: Duration::from_secs(5),
    }
}

async fn queues(aws: &TestAws) -> Result<Queues> {
    let mut routes = Vec::new();
    for agent in AGENTS {
        routes.push(format!("{agent}={}", aws.create_queue(agent).await?));
    }
    Ok(Queues::new(Publisher::new(aws.sqs()), Routes::parse(&routes.join(","))?, || Timestamp::UNIX_EPOCH))
}

/// The program of the Postgres that is used, or the one on the path.
fn recvlogical() -> Result<PathBuf> {
    let environment = Environment::read();
    let cache = Cache::open(&environment)?;
    let bin = match local::postgres::programs(&cache, environment.path.as_deref())? {
        Programs::System(bin) | Programs::Fetched(bin) => bin,
        Programs::Container => return Ok("pg_recvlogical".into()),
    };
    Ok(bin.join("pg_recvlogical"))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    numbers.get(middle).copied().unwrap_or(f64::NAN)
}
