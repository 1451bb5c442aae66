//! The campaign of requests: `cargo local chaos --requests`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use local::Environment;
use local::chaos::processes::Process;
use local::chaos::proxy::{Proxy, Weather};
use local::chaos::requests::{Speech, Told, findings, say as speak, stored};
use local::running::{self, Detour, Options, Running};
use local::state::StateFolder;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::chaos::address;
use super::terminal::{note, say, step};
use super::workspace;

/// The functions that take part.
const FUNCTIONS: [&str; 2] = ["webhook", "ingester"];
const SESSIONS: usize = 200;
const CLIENTS: usize = 16;
/// How long Postgres is away, each time.
const OUTAGE: Duration = Duration::from_secs(20);
/// A process is killed every so many seconds, on average: more often, and nearly all time goes into starting them again.
const PAUSE_SECONDS: f64 = 8.0;
/// How long nothing may be stored before what is missing is missing.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is asked for.
pub(super) struct Campaign {
    pub(super) requests: usize,
    pub(super) seed: u64,
    pub(super) instances: u16,
    pub(super) json: bool,
}

/// What went wrong on purpose.
#[derive(Debug, Default)]
struct Faults {
    kills: u64,
    outages: u64,
}

impl Campaign {
    /// Says so many things to the webhook while Postgres goes away twice and functions are killed, and looks for what is
    /// missing, doubled or out of order.
    pub(super) async fn run(self, state: &StateFolder, environment: &Environment) -> Result<Vec<String>> {
        let speech =
            Speech { sessions: SESSIONS, requests: self.requests.div_ceil(SESSIONS), clients: CLIENTS };
        note(&format!("{} requests in {SESSIONS} sessions, with seed {}.", speech.total(), self.seed));
        let (line, aws) = (Proxy::listen().await?, Proxy::listen().await?);
        let options = Options {
            workspace: workspace(),
            instances: self.instances,
            summary_quiet_seconds: None,
            reload: false,
            throw_away: true,
            detour: Some(Detour { database: line.address(), aws: aws.address(), variables: [].into() }),
            only: Some(&FUNCTIONS),
        };
        let mut running = Box::pin(running::start(state, environment, &options, step)).await?;
        line.lead_to(address(&running.endpoints.database_url).await?);
        aws.lead_to(address(&running.endpoints.aws_endpoint).await?);

        step("asking and disturbing");
        let (began, told) = (Instant::now(), Told::default());
        // Disturbed until everything is said; by then both outages have been.
        let ((), faults) = tokio::try_join!(
            speak(&running.endpoints.webhook_url, &speech, &told),
            disturb(&running, &line, &speech, &told, self.seed),
        )?;
        line.clear();
        let accepted = told.accepted.load(Ordering::Relaxed);
        let (asked, repeated) = (began.elapsed(), told.repeated.load(Ordering::Relaxed));
        step(&format!(
            "{accepted} accepted after {:.0} s, {} processes killed",
            asked.as_secs_f64(),
            faults.kills
        ));
        let drained = drain(&mut running, accepted).await?;
        let found = findings(&running.endpoints.database_url, &speech).await?;
        let in_log = stored(&running.endpoints.database_url).await?;
        running.stop().await?;
        let (asked_seconds, drained_seconds) = (asked.as_secs(), drained.as_secs());
        if self.json {
            let line = json!({
                "seed": self.seed, "requests": accepted, "sessions": SESSIONS, "repeated": repeated, "kills": faults.kills,
                "outages": faults.outages, "outage_seconds": OUTAGE.as_secs(), "asked_seconds": asked_seconds,
                "drained_seconds": drained_seconds, "stored": in_log, "findings": found.len(),
            });
            say(&line.to_string());
        } else {
            say("");
            for (count, what) in [
                (accepted, "requests accepted"),
                (repeated, "asked again because nobody answered, or not well"),
                (faults.kills, "processes killed"),
                (faults.outages, "times Postgres was away"),
                (asked_seconds, "seconds of asking"),
                (drained_seconds, "seconds until everything was stored"),
                (in_log, "events stored"),
                (u64::try_from(found.len())?, "sessions that differ from what was said"),
            ] {
                say(&format!("{count:>7}  {what}"));
            }
        }
        Ok(found)
    }
}

/// Kills processes until everything is said, and takes Postgres away when a third and when two thirds of it are.
async fn disturb(running: &Running, line: &Proxy, speech: &Speech, told: &Told, seed: u64) -> Result<Faults> {
    let (mut rng, mut faults) = (fastrand::Rng::with_seed(seed), Faults::default());
    let total = u64::try_from(speech.total())?;
    loop {
        let accepted = told.accepted.load(Ordering::Relaxed);
        if accepted >= total && faults.outages == 2 {
            return Ok(faults);
        }
        if faults.outages < 2 && accepted * 3 >= total * (faults.outages + 1) {
            step(&format!("Postgres goes away after {accepted} requests"));
            line.change(Weather::Refuse, OUTAGE);
            line.reset();
            faults.outages += 1;
        }
        let processes = running.processes()?;
        let victims: Vec<&Process> =
            processes.iter().filter(|process| FUNCTIONS.contains(&process.program.as_str())).collect();
        if let Some(victim) = rng.choice(&victims)
            && accepted < total
            && victim.kill()
        {
            faults.kills += 1;
        }
        sleep(Duration::from_secs_f64(2.0 * PAUSE_SECONDS * rng.f64())).await;
    }
}

/// Waits until the log has so many events, or has got none for a while.
async fn drain(running: &mut Running, accepted: u64) -> Result<Duration> {
    let began = Instant::now();
    let (mut most, mut since) = (0, Instant::now());
    loop {
        running.check()?;
        let so_far = stored(&running.endpoints.database_url).await.context("the log cannot be read")?;
        if so_far > most {
            (most, since) = (so_far, Instant::now());
        }
        if so_far >= accepted {
            return Ok(began.elapsed());
        }
        if since.elapsed() > PATIENCE {
            bail!("{so_far} of {accepted} events are stored, and no more came for {} s", PATIENCE.as_secs());
        }
        sleep(Duration::from_secs(1)).await;
    }
}
