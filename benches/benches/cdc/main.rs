//! How fast the replication reader is, next to `pg_recvlogical` on the same backlog, publication and options, in the
//! same run: `cargo bench -p benches --bench cdc -- --json`.
//!
//! A backlog is read again and again, each time through a copy of one slot. The passes of a round follow each other
//! directly, and what is reported are medians over rounds and the median of the rounds' ratios, because the speed of a
//! machine moves more between rounds than the programs differ.

mod backlog;
mod latency;
mod passes;
mod sinks;

use std::fmt::Write as _;

use anyhow::Result;
use clap::Parser;
use serde_json::{Map, Value, json};
use testkit::{TestAws, TestDatabase};

use backlog::{Backlog, Shape};
use passes::{Pass, Passes};

/// Reads a backlog with our reader and with `pg_recvlogical`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rows of each backlog.
    #[arg(long, default_value_t = 300_000)]
    rows: u32,
    /// How often every pass is made.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Sessions the rows belong to.
    #[arg(long, default_value_t = 2000)]
    sessions: u32,
    /// Inserts per second while the latency is measured.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Seconds the latency is measured for; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    latency_seconds: u32,
    /// Also publish to real queues of the AWS emulator.
    #[arg(long)]
    sqs: bool,
    /// Threads of the reader's runtime; 1 as in the program itself.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut runtime = match arguments.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<()> {
    let database = TestDatabase::create().await?;
    let passes = Passes::new(&database, arguments.sqs.then_some(TestAws::create()), arguments.rounds).await?;
    let mut report = Map::new();
    for shape in [Shape::Single, Shape::Batched] {
        let backlog = Backlog::create(&database, shape, arguments.rows, arguments.sessions).await?;
        let measured = passes.measure(&backlog).await?;
        say(&describe(shape, &measured));
        let name = shape.name();
        for (pass, speed) in &measured {
            report.insert(
                format!("rows_per_second_{name}_{}", pass.name()),
                json!(speed.rows_per_second.round()),
            );
            if let (Pass::Reader | Pass::WakeUps, Some(ratio)) = (pass, speed.ratio) {
                let key = if *pass == Pass::Reader {
                    format!("ratio_{name}")
                } else {
                    format!("ratio_{name}_wake_ups")
                };
                report.insert(key, json!(round(ratio)));
            }
        }
        backlog.drop(&database).await?;
    }
    if arguments.latency_seconds > 0 {
        let received = latency::measure(&database, arguments.rate, arguments.latency_seconds).await?;
        say(&format!(
            "commit to received at {} inserts/s: p50 {:.2} ms, p99 {:.2} ms ({} inserts)",
            arguments.rate, received.p50, received.p99, received.count
        ));
        report.insert("commit_to_received_p50_milliseconds".to_owned(), json!(round(received.p50)));
        report.insert("commit_to_received_p99_milliseconds".to_owned(), json!(round(received.p99)));
    }
    if arguments.json {
        say(&Value::Object(report).to_string());
    }
    Ok(())
}

fn describe(shape: Shape, measured: &[(Pass, passes::Speed)]) -> String {
    let mut text = format!("{}:", shape.title());
    for (pass, speed) in measured {
        let ratio = speed.ratio.map(|ratio| format!(" ({ratio:.2} of pg_recvlogical)")).unwrap_or_default();
        let _ = write!(text, "\n  {:<34}{:>10.0} rows/s{ratio}", pass.title(), speed.rows_per_second);
    }
    text
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[expect(clippy::print_stdout, reason = "the report of a benchmark")]
fn say(line: &str) {
    println!("{line}");
}
