//! The campaign of requests: `cargo local chaos --requests`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use local::Environment;
use local::chaos::processes::Process;
use local::chaos::requests::{Mouth, Mouths, Speech, Told, findings, say as speak, stored, stored_by_mouth};
use local::postgres::Durability;
use local::queues::depth;
use local::running::{self, Ending, Options, Running};
use local::state::StateFolder;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::terminal::{note, say, step};
use super::workspace;

/// The functions that run: `recall` makes the sources.
const FUNCTIONS: [&str; 3] = ["webhook", "ingester", "recall"];
/// Those whose processes are killed.
const VICTIMS: [&str; 2] = ["webhook", "ingester"];
const QUEUE: &str = "ingest.fifo";
const DEAD_LETTERS: &str = "ingest-dlq.fifo";
const SESSIONS: usize = 200;
const CLIENTS: usize = 16;
/// How Postgres ends, each time.
const ENDINGS: [Ending; 2] = [Ending::Shutdown, Ending::Kill];
/// How long it is away, each time, before it is started again.
const OUTAGE: Duration = Duration::from_secs(20);
/// A process is killed every so many seconds, on average: more often, and nearly all time goes into starting them again.
const PAUSE_SECONDS: f64 = 8.0;
const POLL: Duration = Duration::from_millis(100);
/// How long nothing may be stored before what is missing is missing.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is asked for.
pub(super) struct Campaign {
    pub(super) requests: usize,
    pub(super) seed: u64,
    pub(super) instances: u16,
    pub(super) programs: Option<PathBuf>,
    pub(super) json: bool,
}

/// What went wrong on purpose.
#[derive(Debug, Default)]
struct Faults {
    kills: u64,
    /// Of each time that Postgres was away, how many events were accepted meanwhile.
    outages: Vec<u64>,
}

/// What a campaign came to.
struct Outcome {
    told: Told,
    faults: Faults,
    asked: Duration,
    drained: Duration,
    stored: BTreeMap<String, u64>,
    found: Vec<String>,
}

impl Campaign {
    /// Says so many things to every mouth of the webhook while Postgres is stopped twice and functions are killed, and looks
    /// for what is missing, doubled or out of order.
    pub(super) async fn run(self, state: &StateFolder, environment: &Environment) -> Result<Vec<String>> {
        let speech =
            Speech { sessions: SESSIONS, requests: self.requests.div_ceil(SESSIONS), clients: CLIENTS };
        note(&format!("{} requests in {SESSIONS} sessions, with seed {}.", speech.total(), self.seed));
        let options = Options {
            workspace: workspace(),
            instances: self.instances,
            summary_quiet_seconds: None,
            reload: false,
            throw_away: true,
            // What Postgres has said to be stored has to be there after a kill.
            durability: Durability::Full,
            programs: self.programs.clone(),
            detour: None,
            only: Some(&FUNCTIONS),
        };
        let mut running = Box::pin(running::start(state, environment, &options, step)).await?;
        let mouths = Mouths::open(&running.endpoints.recall_url, &running.endpoints.webhook_url).await?;

        step("asking and disturbing");
        let (began, told) = (Instant::now(), Told::default());
        // Disturbed until everything is said; by then both outages have been.
        let ((), faults) = tokio::try_join!(
            Box::pin(speak(&mouths, &speech, &told)),
            disturb(&mut running, &speech, &told, self.seed),
        )?;
        let (accepted, asked) = (told.accepted(), began.elapsed());
        step(&format!("{accepted} accepted, {} processes killed", faults.kills));
        let (drained, waiting) = drain(&mut running, accepted).await?;
        let (mut found, stored) = differences(&running, &speech, &told).await?;
        if waiting > 0 {
            found.push(format!("{waiting} messages of the queue were never taken"));
        }
        running.stop().await?;
        let outcome = Outcome { told, faults, asked, drained, stored, found };
        if self.json {
            say(&outcome.json(self.seed).to_string());
        } else {
            outcome.print();
        }
        Ok(outcome.found)
    }
}

/// Kills processes until everything is said, and takes Postgres away when a third and when two thirds of it are.
async fn disturb(running: &mut Running, speech: &Speech, told: &Told, seed: u64) -> Result<Faults> {
    let (mut rng, mut faults) = (fastrand::Rng::with_seed(seed), Faults::default());
    let (total, began) = (u64::try_from(speech.total())?, Instant::now());
    let (mut tenths, mut next_kill) = (1, began);
    // Since how many events Postgres is away, and until when.
    let mut away: Option<(u64, Instant)> = None;
    loop {
        let accepted = told.accepted();
        if accepted * 10 >= total * tenths {
            step(&format!("{accepted} accepted after {:.0} s", began.elapsed().as_secs_f64()));
            tenths = accepted * 10 / total + 1;
        }
        let outages = faults.outages.len();
        match (away, ENDINGS.get(outages)) {
            (Some((since, until)), _) if Instant::now() >= until => {
                faults.outages.push(accepted - since);
                running.start_postgres().await?;
                away = None;
                step(&format!("Postgres is back; {} were accepted without it", accepted - since));
            }
            (None, Some(ending)) if accepted * 3 >= total * (u64::try_from(outages)? + 1) => {
                step(&format!("Postgres goes away after {accepted} events: {ending:?}"));
                running.stop_postgres(*ending).await?;
                away = Some((told.accepted(), Instant::now() + OUTAGE));
            }
            (None, None) if accepted >= total => return Ok(faults),
            _ => {}
        }
        if accepted < total && Instant::now() >= next_kill {
            faults.kills += u64::from(kill_one(running, &mut rng)?);
            next_kill = Instant::now() + Duration::from_secs_f64(2.0 * PAUSE_SECONDS * rng.f64());
        }
        sleep(POLL).await;
    }
}

/// Kills one of the functions' processes; false when there was none.
fn kill_one(running: &Running, rng: &mut fastrand::Rng) -> Result<bool> {
    let processes = running.processes()?;
    let victims: Vec<&Process> =
        processes.iter().filter(|process| VICTIMS.contains(&process.program.as_str())).collect();
    Ok(rng.choice(&victims).is_some_and(|victim| victim.kill()))
}

/// Waits until the log has so many events and the queue is empty, for what is in it then are repeats, which must come to nothing;
/// or until nothing has happened for a while. Answers how long it took and how many messages are left.
async fn drain(running: &mut Running, accepted: u64) -> Result<(Duration, u64)> {
    let sqs = aws_sdk_sqs::Client::new(&running.aws);
    let queue = queue_url(&sqs, QUEUE).await?;
    let began = Instant::now();
    let (mut last, mut since) = ((0, 0), Instant::now());
    loop {
        running.check()?;
        let so_far = stored(&running.endpoints.database_url).await.context("the log cannot be read")?;
        let waiting = depth(&sqs, &queue).await?;
        if (so_far, waiting) != last {
            (last, since) = ((so_far, waiting), Instant::now());
        }
        if (so_far >= accepted && waiting == 0) || since.elapsed() > PATIENCE {
            return Ok((began.elapsed(), waiting));
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Everything that must not be, and what was stored of each mouth.
async fn differences(
    running: &Running,
    speech: &Speech,
    told: &Told,
) -> Result<(Vec<String>, BTreeMap<String, u64>)> {
    let database = &running.endpoints.database_url;
    let mut found = findings(database, speech).await?;
    let stored = stored_by_mouth(database).await?;
    for mouth in Mouth::ALL {
        let accepted = told.of(mouth).accepted.load(Ordering::Relaxed);
        let in_log = stored.get(mouth.as_str()).copied().unwrap_or_default();
        if accepted != in_log {
            found.push(format!("{}: {accepted} accepted, {in_log} stored", mouth.as_str()));
        }
    }
    found.extend(told.other_answers());
    let sqs = aws_sdk_sqs::Client::new(&running.aws);
    let dead = depth(&sqs, &queue_url(&sqs, DEAD_LETTERS).await?).await?;
    if dead > 0 {
        found.push(format!("{dead} messages are dead letters"));
    }
    Ok((found, stored))
}

async fn queue_url(sqs: &aws_sdk_sqs::Client, name: &str) -> Result<String> {
    let found = sqs.get_queue_url().queue_name(name).send().await;
    found.with_context(|| format!("{name} cannot be found"))?.queue_url.context("the queue has no URL")
}

impl Outcome {
    fn stored(&self, mouth: Mouth) -> u64 {
        self.stored.get(mouth.as_str()).copied().unwrap_or_default()
    }

    fn json(&self, seed: u64) -> serde_json::Value {
        let mouths: BTreeMap<&str, serde_json::Value> = Mouth::ALL
            .into_iter()
            .map(|mouth| {
                let counts = self.told.of(mouth);
                let counted = json!({
                    "accepted": counts.accepted.load(Ordering::Relaxed), "stored": self.stored(mouth),
                    "repeated": counts.repeated.load(Ordering::Relaxed),
                    "duplicates": counts.duplicates.load(Ordering::Relaxed),
                });
                (mouth.as_str(), counted)
            })
            .collect();
        json!({
            "seed": seed, "requests": self.told.accepted(), "sessions": SESSIONS, "mouths": mouths, "kills": self.faults.kills,
            "outages": self.faults.outages.len(), "outage_seconds": OUTAGE.as_secs(),
            "accepted_without_postgres": self.faults.outages, "asked_seconds": self.asked.as_secs(),
            "drained_seconds": self.drained.as_secs(), "stored": self.stored.values().sum::<u64>(),
            "findings": self.found.len(),
        })
    }

    fn print(&self) {
        say("");
        for mouth in Mouth::ALL {
            let counts = self.told.of(mouth);
            say(&format!(
                "{:>9}  {:>7} accepted, {:>7} stored; {} asked again because nobody answered, or not well, {} although accepted",
                mouth.as_str(),
                counts.accepted.load(Ordering::Relaxed),
                self.stored(mouth),
                counts.repeated.load(Ordering::Relaxed),
                counts.duplicates.load(Ordering::Relaxed),
            ));
        }
        for (count, what) in [
            (self.told.accepted(), "requests accepted"),
            (self.stored.values().sum(), "events stored"),
            (self.faults.kills, "processes killed"),
            (self.faults.outages.len() as u64, "times Postgres was stopped"),
            (self.faults.outages.iter().sum(), "requests accepted while it was away"),
            (self.asked.as_secs(), "seconds of asking"),
            (self.drained.as_secs(), "seconds until everything was stored"),
            (self.found.len() as u64, "differences from what was said"),
        ] {
            say(&format!("{count:>7}  {what}"));
        }
    }
}
