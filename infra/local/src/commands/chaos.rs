use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use local::Environment;
use local::cache::Cache;
use local::chaos::compare::{Difference, Snapshot, differences};
use local::chaos::converge::{Remaining, converge};
use local::chaos::conversations::{Plan, conversations, plan};
use local::chaos::importer::{Pace, import};
use local::chaos::injector::{Injector, Lines, Tally};
use local::chaos::proxy::{Broken, Proxy};
use local::chaos::schedule::schedule;
use local::database::connect;
use local::import::{self, Format, Owner};
use local::postgres::Durability;
use local::running::{self, Detour, Options, Running};
use local::state::StateFolder;
use serde_json::{Value, json};
use tokio::net::lookup_host;
use tokio::time::Instant;
use url::Url;

use super::progress::dead_letters;
use super::requests::Campaign as Requests;
use super::terminal::{note, say, step};
use super::{interrupted, workspace};

const SESSIONS_PER_MINUTE: usize = 40;
const SUMMARY_QUIET_SECONDS: u16 = 2;
/// The sweep is what mends the loss of a queue; nobody wants to wait for the usual two minutes after every loss.
const SWEEP_SECONDS: u16 = 5;
const SWEEP_GRACE_SECONDS: u16 = 10;
/// So many differences are printed; the file has all of them.
const LISTED: usize = 50;
/// A folder with this file in it is kept.
const FINDINGS: &str = "differences.txt";

/// `cargo local chaos`
#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// For how long to import and disturb.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    minutes: u16,
    /// What conversations and faults are drawn from; another one each time when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Conversations to import instead of made-up ones. Formats as for `import`.
    #[arg(long)]
    file: Option<PathBuf>,
    /// The file's format, when it is not told right by its beginning.
    #[arg(long)]
    format: Option<Format>,
    /// So many processes of each agent.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    concurrency: u16,
    /// Instead, make so many requests to every mouth of the webhook while Postgres is stopped twice and functions are killed,
    /// and look for what is missing, doubled or out of order in the log. The agents do not run.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["minutes", "file", "format"])]
    requests: Option<u32>,
    /// The folder of the functions' programs, built before; they are built now, if not given.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// Keep logs and databases in this folder. Otherwise they are kept only when something differs.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// What a campaign came to.
struct Outcome {
    tally: Tally,
    aws: Broken,
    database: Broken,
    connections_lost: u64,
    converged: Duration,
    dead_letters: u64,
    disturbed: Snapshot,
    undisturbed: Snapshot,
}

impl Chaos {
    pub(crate) async fn run(self, environment: &Environment) -> Result<()> {
        let seed = self.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
        if let Some(requests) = self.requests {
            return self.ask(requests, seed, environment).await;
        }
        let length = Duration::from_secs(60 * u64::from(self.minutes));
        let plan = self.plan(seed, length).await?;
        let folder = Folder::open(self.state.as_deref(), environment)?;
        note(&format!(
            "A campaign of {} min with seed {seed}: {} messages of {} sessions; faults are logged in {}.",
            self.minutes,
            plan.turns,
            plan.sessions,
            folder.root().join("faults.log").display()
        ));
        // Everything that is used here is thrown away, so it is never what somebody else uses.
        let environment = Environment { database_url: None, aws_endpoint_url: None, ..environment.clone() };
        let outcome = tokio::select! {
            outcome = Box::pin(self.campaign(&folder, &environment, seed, length, &plan)) => outcome?,
            asked = interrupted() => { asked?; bail!("interrupted") }
        };
        let found = outcome.findings();
        for finding in found.iter().take(LISTED) {
            note(finding);
        }
        let kept = folder.close(&found)?;
        if self.json {
            say(&outcome.json(seed, self.minutes, &plan, found.len()).to_string());
        } else {
            outcome.print(found.len());
        }
        if !found.is_empty() {
            let place = kept.map(|kept| format!("; {} has everything", kept.display())).unwrap_or_default();
            bail!("{} differences from an undisturbed run{place}", found.len());
        }
        Ok(())
    }

    /// The campaign of requests.
    async fn ask(self, requests: u32, seed: u64, environment: &Environment) -> Result<()> {
        let folder = Folder::open(self.state.as_deref(), environment)?;
        let environment = Environment { database_url: None, aws_endpoint_url: None, ..environment.clone() };
        let requests = usize::try_from(requests)?;
        let campaign = Requests {
            requests,
            seed,
            instances: self.concurrency,
            programs: self.programs,
            json: self.json,
        };
        let found = tokio::select! {
            found = Box::pin(campaign.run(&folder.disturbed, &environment)) => found?,
            asked = interrupted() => { asked?; bail!("interrupted") }
        };
        for finding in found.iter().take(LISTED) {
            note(finding);
        }
        folder.close(&found)?;
        if !found.is_empty() {
            bail!("{} sessions differ from what was said", found.len());
        }
        Ok(())
    }

    async fn plan(&self, seed: u64, length: Duration) -> Result<Plan> {
        let sessions = match &self.file {
            None => conversations(seed, SESSIONS_PER_MINUTE * usize::from(self.minutes)),
            Some(file) => {
                let format = self.format.map_or_else(|| import::detect(file), Ok)?;
                import::sessions(file, format, &Owner::default()).await?
            }
        };
        Ok(plan(seed, sessions, length))
    }

    async fn campaign(
        &self,
        folder: &Folder,
        environment: &Environment,
        seed: u64,
        length: Duration,
        plan: &Plan,
    ) -> Result<Outcome> {
        let lines = Lines { aws: Proxy::listen().await?, database: Proxy::listen().await? };
        let sweep = [("CDC_SWEEP_SECONDS", SWEEP_SECONDS), ("CDC_SWEEP_GRACE_SECONDS", SWEEP_GRACE_SECONDS)];
        let detour = Detour {
            database: lines.database.address(),
            aws: lines.aws.address(),
            variables: sweep.map(|(name, seconds)| (name.to_owned(), seconds.to_string())).into(),
        };
        let options = self.options(Some(detour));
        let mut running = Box::pin(running::start(&folder.disturbed, environment, &options, step)).await?;
        lines.database.lead_to(address(&running.endpoints.database_url).await?);
        lines.aws.lead_to(address(&running.endpoints.aws_endpoint).await?);

        step("importing and disturbing");
        let faults = schedule(seed, length);
        let injector = Injector::new(&running, &lines, &folder.root().join("faults.log"))?;
        let (connections_lost, tally) = tokio::try_join!(
            import(&running.endpoints.database_url, plan, Pace::AsPlanned),
            injector.inject(&faults, length),
        )?;
        step(&format!(
            "{} faults, {} processes killed; waiting for what is left",
            tally.faults(),
            tally.kills
        ));
        let (converged, remaining) = settle(&mut running, plan).await?;
        step(&format!("{} after {:.1} s", in_words(&remaining), converged.as_secs_f64()));
        let disturbed = read(&running, plan).await?;
        let sqs = aws_sdk_sqs::Client::new(&running.aws);
        let dead_letters = dead_letters(&sqs, &running.endpoints.queues).await?.values().sum();
        running.stop().await?;

        step("the same again, undisturbed");
        let options = self.options(None);
        let mut running = Box::pin(running::start(&folder.undisturbed, environment, &options, step)).await?;
        import(&running.endpoints.database_url, plan, Pace::AtOnce).await?;
        let (took, remaining) = settle(&mut running, plan).await?;
        step(&format!("{} after {:.1} s", in_words(&remaining), took.as_secs_f64()));
        let undisturbed = read(&running, plan).await?;
        running.stop().await?;
        Ok(Outcome {
            tally,
            aws: lines.aws.broken(),
            database: lines.database.broken(),
            connections_lost,
            converged,
            dead_letters,
            disturbed,
            undisturbed,
        })
    }

    fn options(&self, detour: Option<Detour>) -> Options {
        Options {
            workspace: workspace(),
            instances: self.concurrency,
            summary_quiet_seconds: Some(SUMMARY_QUIET_SECONDS),
            reload: false,
            throw_away: true,
            durability: Durability::None,
            programs: self.programs.clone(),
            detour,
            only: None,
        }
    }
}

async fn settle(running: &mut Running, plan: &Plan) -> Result<(Duration, Remaining)> {
    const EVERY: Duration = Duration::from_secs(20);
    let mut said = Instant::now();
    converge(running, plan.turns, |remaining| {
        if said.elapsed() >= EVERY {
            said = Instant::now();
            step(&in_words(remaining));
        }
    })
    .await
}

fn in_words(remaining: &Remaining) -> String {
    let Remaining { not_inserted, behind, not_embedded, holds } = remaining;
    if remaining.is_nothing() {
        return "everything is done".to_owned();
    }
    format!(
        "left: {not_inserted} messages to insert, {behind} events to think about, {not_embedded} memories to embed, {holds} holds"
    )
}

async fn read(running: &Running, plan: &Plan) -> Result<Snapshot> {
    let client = connect(&running.endpoints.database_url).await?;
    Snapshot::read(&client, &running.agents, &plan.chunked).await
}

/// Where a URL's server listens.
async fn address(url: &str) -> Result<std::net::SocketAddr> {
    let url = Url::parse(url)?;
    let (host, port) =
        (url.host_str().context("the URL names no host")?, url.port().context("the URL names no port")?);
    lookup_host((host, port)).await?.next().context("the host has no address")
}

/// The folder of a campaign: the states of both stacks and the log of the faults.
struct Folder {
    disturbed: StateFolder,
    undisturbed: StateFolder,
    temporary: Option<tempfile::TempDir>,
    root: PathBuf,
}

impl Folder {
    /// The folder given, emptied, or one of its own. What killed campaigns left behind is cleared away; one that found
    /// differences is not.
    fn open(given: Option<&Path>, environment: &Environment) -> Result<Self> {
        let (root, temporary) = if let Some(root) = given {
            fs::create_dir_all(root)?;
            clear(root);
            (root.to_owned(), None)
        } else {
            let campaigns = Cache::open(environment)?.root().join("campaigns");
            fs::create_dir_all(&campaigns)?;
            for entry in fs::read_dir(&campaigns)? {
                let left = entry?.path();
                if !left.join(FINDINGS).exists() && clear(&left) {
                    // Not empty while a campaign that runs now has just begun.
                    let _ = fs::remove_dir(&left);
                }
            }
            let temporary = tempfile::Builder::new().prefix("campaign-").tempdir_in(&campaigns)?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755))?;
            }
            (temporary.path().to_owned(), Some(temporary))
        };
        let (disturbed, undisturbed) =
            (StateFolder::open(&root.join("disturbed"))?, StateFolder::open(&root.join("undisturbed"))?);
        Ok(Self { disturbed, undisturbed, temporary, root: root.canonicalize()? })
    }

    fn root(&self) -> &Path {
        &self.root
    }

    /// Lists the findings in a file and keeps the folder, or removes it when there are none and nobody asked for it.
    fn close(mut self, found: &[String]) -> Result<Option<PathBuf>> {
        if !found.is_empty() {
            fs::write(self.root.join(FINDINGS), found.join("\n") + "\n")?;
            return Ok(Some(self.temporary.take().map_or(self.root, tempfile::TempDir::keep)));
        }
        if self.temporary.is_none() {
            return Ok(Some(self.root));
        }
        self.disturbed.reset()?;
        self.undisturbed.reset()?;
        Ok(None)
    }
}

/// Removes what a campaign left in a folder; false when one runs on it now.
fn clear(root: &Path) -> bool {
    let stacks = ["disturbed", "undisturbed"].map(|name| root.join(name));
    let cleared = stacks
        .iter()
        .filter(|stack| stack.exists())
        .all(|stack| StateFolder::open(stack).and_then(StateFolder::reset).is_ok());
    if cleared {
        for file in ["faults.log", FINDINGS] {
            // Absent when the campaign had not come that far.
            let _ = fs::remove_file(root.join(file));
        }
    }
    cleared
}

impl Outcome {
    /// Everything that must not be, one line each. An irregularity of the undisturbed run makes the comparison worthless,
    /// so it counts too.
    fn findings(&self) -> Vec<String> {
        let of = |which: &str, snapshot: &Snapshot| -> Vec<String> {
            snapshot.irregularities.iter().map(|what| format!("{which}: {what}")).collect()
        };
        let differences: Vec<Difference> = differences(&self.disturbed, &self.undisturbed);
        let mut found = of("disturbed", &self.disturbed);
        found.extend(of("undisturbed", &self.undisturbed));
        found.extend(differences.iter().map(ToString::to_string));
        found
    }

    fn json(&self, seed: u64, minutes: u16, plan: &Plan, found: usize) -> Value {
        json!({
            "seed": seed,
            "minutes": minutes,
            "kills": self.tally.kills,
            "faults": self.tally.faults(),
            "faults_by_kind": self.tally.kinds,
            "purges": self.tally.losses,
            "connections_cut": { "aws": self.aws, "postgres": self.database, "import": self.connections_lost },
            "events": plan.turns,
            "sessions": plan.sessions,
            "windows": self.disturbed.windows,
            "degraded": self.disturbed.degraded,
            "quarantined": self.disturbed.quarantined,
            "dead_letters": self.dead_letters,
            "converge_seconds": (self.converged.as_secs_f64() * 10.0).round() / 10.0,
            "compared": self.undisturbed.counts(),
            "differences": found,
        })
    }

    fn print(&self, found: usize) {
        let kinds: &BTreeMap<&str, u64> = &self.tally.kinds;
        say("");
        say(&format!("{:>6}  faults, of them", self.tally.faults()));
        for (kind, count) in kinds {
            say(&format!("{count:>6}    {kind}"));
        }
        say(&format!("{:>6}  connections cut", self.aws.cut() + self.database.cut()));
        say(&format!("{:>6}  answers lost", self.aws.lost_answers + self.database.lost_answers));
        say(&format!("{:>6}  windows thought about", self.disturbed.windows));
        say(&format!("{:>6}  wake-ups died", self.dead_letters));
        say(&format!("{:>6.1}  seconds until everything was done", self.converged.as_secs_f64()));
        for (table, count) in self.undisturbed.counts() {
            say(&format!("{count:>6}  {table} rows compared"));
        }
        say(&format!("{found:>6}  differences"));
    }
}
