//! What the loop every agent shares costs: wake-ups per second through one warm function instance with an agent that
//! thinks nothing, next to the bare calls such a wake-up cannot do without, in the same run; and how many calls each
//! makes: `cargo bench -p benches --bench runtime -- --json`.
//!
//! Both sides work on the same sessions and events, each with its own cursors. The passes of a round follow each other
//! directly, taking turns in going first, and what is reported are medians over rounds and the median of the rounds'
//! ratios.

mod bare;
mod counting;
mod instance;
mod sessions;

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use serde_json::{Map, Value, json};
use testkit::{TestAws, TestDatabase};

use bare::Bare;
use counting::Calls;
use instance::Instance;
use sessions::Sessions;

/// Hands wake-ups to the runtime and does the same without it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Sessions that have something new in each pass.
    #[arg(long, default_value_t = 200)]
    sessions: usize,
    /// How often every session is woken for nothing in each pass.
    #[arg(long, default_value_t = 10)]
    repeats: usize,
    /// How often every pass is made.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Sessions of a batch that are thought about at once, and connections to Postgres.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// Threads of the instance.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Leaves the counts out.
    #[arg(long)]
    no_counts: bool,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a wake-up finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The cursor is there already.
    NoOp,
    /// A window of so many events.
    Window(usize),
}

impl Kind {
    /// What is timed.
    const TIMED: [Self; 3] = [Self::NoOp, Self::Window(1), Self::Window(20)];
    /// What is counted: also more than one window holds, so that one wake-up thinks about two.
    const COUNTED: [Self; 4] = [Self::NoOp, Self::Window(1), Self::Window(20), Self::Window(150)];

    fn name(self) -> &'static str {
        match self {
            Self::NoOp => "no_op",
            Self::Window(1) => "window_of_1",
            Self::Window(20) => "window_of_20",
            Self::Window(_) => "two_windows",
        }
    }

    fn title(self) -> String {
        match self {
            Self::NoOp => "nothing new".to_owned(),
            Self::Window(1) => "window of 1 event".to_owned(),
            Self::Window(20) => "window of 20 events".to_owned(),
            Self::Window(events) => format!("{events} in two windows"),
        }
    }
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
    let (database, aws) = (TestDatabase::create().await?, TestAws::create().await?);
    let mut report = Map::new();
    let stage =
        Stage { hot_table: aws.create_hot_table().await?, queue_url: aws.create_queue("bench").await? };

    if !arguments.no_counts {
        for (kind, calls) in counting::count(&database, &aws, &stage).await? {
            say(&format!("{:<20} {calls}", kind.title()));
            for (what, count) in calls.entries() {
                report.insert(format!("{what}_per_{}", kind.name()), json!(count));
            }
        }
    }

    let sessions = Sessions::create(&database, "speed", arguments.sessions).await?;
    let instance = Instance::start(database.url(), &aws, &stage, arguments.concurrency).await?;
    let bare = Bare::connect(&database, &aws, &stage, arguments.concurrency).await?;
    let heads = sessions.heads().await?;
    instance.pass(&heads, 1).await?;
    bare.pass(Kind::Window(1), &heads, 1).await?;
    for kind in Kind::TIMED {
        let mut measured = Measured::default();
        // The first round warms connections, statements and caches.
        for round in 0..=arguments.rounds {
            let repeats = if kind == Kind::NoOp { arguments.repeats } else { 1 };
            if let Kind::Window(events) = kind {
                sessions.say_more(events).await?;
            }
            let heads = sessions.heads().await?;
            let (ours, limit) = if round % 2 == 0 {
                let ours = instance.pass(&heads, repeats).await?;
                (ours, bare.pass(kind, &heads, repeats).await?)
            } else {
                let limit = bare.pass(kind, &heads, repeats).await?;
                (instance.pass(&heads, repeats).await?, limit)
            };
            sessions.check_cursors(&[instance::AGENT, bare::AGENT]).await?;
            if round > 0 {
                measured.add(heads.len() * repeats, ours, limit);
            }
        }
        let (ours, limit, ratio) = measured.medians();
        say(&format!(
            "{:<20} {ours:>8.0} wake-ups/s, the bare calls {limit:>8.0}/s: {ratio:.2} of them",
            kind.title()
        ));
        report.insert(format!("{}_wake_ups_per_second", kind.name()), json!(ours.round()));
        report.insert(format!("{}_bare_per_second", kind.name()), json!(limit.round()));
        report.insert(format!("{}_ratio", kind.name()), json!((ratio * 1000.0).round() / 1000.0));
    }
    if arguments.json {
        say(&Value::Object(report).to_string());
    }
    Ok(())
}

/// Where the hot state is, and the agent's queue.
pub(crate) struct Stage {
    pub(crate) hot_table: String,
    pub(crate) queue_url: String,
}

/// Speeds of the rounds.
#[derive(Default)]
struct Measured {
    ours: Vec<f64>,
    limits: Vec<f64>,
    ratios: Vec<f64>,
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn add(&mut self, wake_ups: usize, ours: Duration, limit: Duration) {
        self.ours.push(wake_ups as f64 / ours.as_secs_f64());
        self.limits.push(wake_ups as f64 / limit.as_secs_f64());
        self.ratios.push(limit.as_secs_f64() / ours.as_secs_f64());
    }

    fn medians(self) -> (f64, f64, f64) {
        (median(self.ours), median(self.limits), median(self.ratios))
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    numbers.get(middle).copied().unwrap_or(f64::NAN)
}

impl std::fmt::Display for Calls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self
            .entries()
            .into_iter()
            .map(|(what, count)| format!("{count} {}", what.replace('_', " ")))
            .collect();
        formatter.write_str(&parts.join(", "))
    }
}

#[expect(clippy::print_stdout, reason = "the report of a benchmark")]
fn say(line: &str) {
    println!("{line}");
}
