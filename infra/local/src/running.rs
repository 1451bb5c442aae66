//! The whole local stack: Postgres, the emulator, the deployed template, the functions.

mod outage;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_config::SdkConfig;
use store::DatabaseConfig;
use store::migrate::{self, Slot};
use url::Url;

use crate::cache::Cache;
use crate::chaos::processes::{self, Process};
use crate::database::{OwnDatabase, connect};
use crate::functions::{self, Hosting};
use crate::guard::{Guarded, Lease, Post};
use crate::postgres::{Durability, free_port};
use crate::state::{Claim, Endpoints, StateFolder};
use crate::template::Template;
use crate::{Environment, emulator, postgres, stack};

use outage::Cluster;
pub use outage::Ending;

/// The account a stack of ours lives in: the one plain AWS tools use when their access key is no account number.
pub const ACCOUNT: &str = "000000000000";
const DEFAULT_SLOT: &str = "afterthought";
const FUNCTIONS: &str = "the functions' host";
const POSTGRES: &str = "Postgres";
/// The directory of a local embedder.
pub const EMBEDDER: &str = "EMBEDDER";
/// Model settings that are passed on to the functions, as template parameters.
const PASSED_ON: [(&str, &str); 18] = [
    ("MODEL_URL", "ModelUrl"),
    ("MODEL_NAME", "ModelName"),
    ("MODEL_API_KEY", "ModelApiKey"),
    ("MODEL_TIMEOUT_SECONDS", "ModelTimeoutSeconds"),
    ("MODEL_INPUT_PRICE", "ModelInputPrice"),
    ("MODEL_OUTPUT_PRICE", "ModelOutputPrice"),
    ("MODEL_CHOICES", "ModelChoices"),
    ("EMBEDDER_URL", "EmbedderUrl"),
    ("EMBEDDER_MODEL", "EmbedderModel"),
    ("EMBEDDER_API_KEY", "EmbedderApiKey"),
    (EMBEDDER, "EmbedderDirectory"),
    ("API_KEYS", "ApiKeys"),
    ("OPERATOR_KEY", "OperatorKey"),
    ("RECALL_REQUESTS_PER_MINUTE", "RecallRequestsPerMinute"),
    ("INGEST_EVENTS_PER_MINUTE", "IngestEventsPerMinute"),
    ("INGEST_EVENTS_PER_DAY", "IngestEventsPerDay"),
    ("RETENTION", "Retention"),
    ("RUST_LOG", "LogLevel"),
];

/// How to run a stack.
#[derive(Debug, Clone)]
pub struct Options {
    /// The workspace whose functions and template are run.
    pub workspace: PathBuf,
    /// So many processes of each agent and of `recall`.
    pub instances: u16,
    /// How long a session has to be quiet before it is summarised; the template's default when absent.
    pub summary_quiet_seconds: Option<u16>,
    /// Whether a function's processes are replaced when it is built anew. Whatever one is thinking about is then lost
    /// until its wake-up is delivered again.
    pub reload: bool,
    /// Whether everything the stack keeps is meant to go with it.
    pub throw_away: bool,
    /// What a Postgres of ours survives.
    pub durability: Durability,
    /// The folder of the functions' programs, built before; they are built now, if not given.
    pub programs: Option<PathBuf>,
    /// What the functions are told of their surroundings instead of the truth.
    pub detour: Option<Detour>,
    /// The only functions that run; all of them, if not given.
    pub only: Option<&'static [&'static str]>,
}

/// Where the functions find Postgres and AWS instead of where they are, so that something can stand in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detour {
    /// In place of the address in `DATABASE_URL`.
    pub database: SocketAddr,
    /// In place of the address in `AWS_ENDPOINT_URL`.
    pub aws: SocketAddr,
    /// Set beside what the deployed stack sets.
    pub variables: BTreeMap<String, String>,
}

/// A stack that runs, for as long as this value or its process lives.
#[derive(Debug)]
pub struct Running {
    /// How to reach it.
    pub endpoints: Endpoints,
    /// The names of the agents that events wake.
    pub agents: Vec<String>,
    /// The names of the agents that a schedule wakes.
    pub scheduled: Vec<String>,
    /// Its AWS configuration.
    pub aws: SdkConfig,
    parts: Vec<(&'static str, Guarded, Post)>,
    leases: Vec<Lease>,
    /// What Postgres is started from, when it is ours.
    cluster: Option<Cluster>,
    own_database: Option<OwnDatabase>,
    shares_emulator: bool,
    // Given back last, when nothing runs any more.
    claim: Claim,
}

/// Starts a stack on a state folder. `say` hears of every step.
pub async fn start(
    state: &StateFolder,
    environment: &Environment,
    options: &Options,
    say: impl Fn(&str),
) -> Result<Running> {
    let claim = state.claim()?;
    clear_logs(&state.logs())?;
    let cache = Cache::open(environment)?;
    let template = Template::read(&options.workspace)?;
    let (mut names, agents, scheduled) = (template.functions(), template.agents(), template.scheduled());
    names.retain(|name| options.only.is_none_or(|only| only.contains(&name.as_str())));
    let programs = if let Some(built) = &options.programs {
        built.clone()
    } else {
        say("building the functions");
        functions::build(&options.workspace, &names)?
    };
    let (mut parts, mut leases) = (Vec::new(), Vec::new());

    let (mut own_database, mut cluster) = (None, None);
    let (server_url, slot) = match &environment.database_url {
        Some(url) if options.throw_away => {
            say("using the Postgres that DATABASE_URL names, in a database of its own");
            let database = OwnDatabase::create(url, "afterthought_demo", None).await?;
            let found = (database.url().to_owned(), database.name().to_owned());
            own_database = Some(database);
            found
        }
        Some(url) => {
            say("using the Postgres that DATABASE_URL names");
            (url.clone(), DEFAULT_SLOT.to_owned())
        }
        None => {
            let programs = postgres::programs(&cache, environment.path.as_deref())?;
            say("starting Postgres");
            let post = Post::new(&state.root().join("run"), "postgres", Duration::ZERO)?;
            leases.push(lease(&post).await?);
            let (data, log) = (state.postgres_data(), state.log("postgres"));
            let durability = options.durability;
            let (guarded, running) = postgres::start(&post, &programs, &data, &log, durability).await?;
            parts.push((POSTGRES, guarded, post));
            cluster = Some(Cluster { programs, data, log, durability });
            (running.url, DEFAULT_SLOT.to_owned())
        }
    };
    postgres::check(&connect(&server_url).await?).await?;
    say("migrating the database");
    migrate::run(&DatabaseConfig::parse(&server_url)?, Slot::Ensure(&slot)).await?;

    let port = lambda_port(options)?;
    let addresses: BTreeMap<String, String> =
        names.iter().map(|name| (name.clone(), functions::invocation_url(port, name))).collect();
    let aws_endpoint = if let Some(endpoint) = &environment.aws_endpoint_url {
        say("using the AWS endpoint that AWS_ENDPOINT_URL names");
        endpoint.clone()
    } else {
        say("starting the AWS emulator");
        let post = Post::new(&state.root().join("run"), "emulator", Duration::ZERO)?;
        leases.push(lease(&post).await?);
        let log = state.log("emulator");
        let (guarded, running) = emulator::start(&post, &cache, state.root(), &log, &addresses).await?;
        parts.push(("the AWS emulator", guarded, post));
        running.endpoint
    };
    let shares_emulator = environment.aws_endpoint_url.is_some();
    let account = if shares_emulator && options.throw_away { random_account() } else { ACCOUNT.to_owned() };
    let aws = emulator::sdk_config(&aws_endpoint, &account);
    say("deploying infra/template.yaml");
    let mut parameters = parameters(environment, options, &server_url, &slot, state.sealing_key()?);
    parameters.insert("ArchiveDirectory".to_owned(), state.archive_url()?);
    let deployed = stack::deploy(&aws, &account, &template, &parameters).await?;
    if shares_emulator {
        stack::forward_invocations(&aws, &account, &deployed.environment, &addresses).await?;
    }

    say("starting the functions");
    let post = Post::new(&state.root().join("run"), "functions", Duration::ZERO)?;
    leases.push(lease(&post).await?);
    let hosting = Hosting {
        workspace: &options.workspace,
        programs: &programs,
        functions: &names,
        instances: options.instances,
        reload: options.reload,
        port,
    };
    let mut function_environment = deployed.environment.clone();
    function_environment.extend(emulator::credentials(&aws_endpoint, &account));
    if let Some(detour) = &options.detour {
        lead_around(&mut function_environment, detour)?;
    }
    let guarded = functions::start(&post, &cache, state, &hosting, &function_environment).await?;
    parts.push((FUNCTIONS, guarded, post));

    let endpoints = Endpoints {
        database_url: server_url,
        slot,
        aws_endpoint,
        account,
        functions_url: format!("http://127.0.0.1:{port}/2015-03-31/functions"),
        recall_url: functions::http_url(port, "recall"),
        webhook_url: functions::http_url(port, "webhook"),
        hot_table: deployed.hot_table()?.to_owned(),
        queues: deployed.queues,
    };
    claim.publish(&endpoints)?;
    Ok(Running {
        endpoints,
        agents,
        scheduled,
        aws,
        parts,
        leases,
        cluster,
        own_database,
        shares_emulator,
        claim,
    })
}

fn lead_around(environment: &mut BTreeMap<String, String>, detour: &Detour) -> Result<()> {
    for (variable, address) in [("DATABASE_URL", detour.database), ("AWS_ENDPOINT_URL", detour.aws)] {
        let url = environment
            .get_mut(variable)
            .with_context(|| format!("the functions are not told {variable}"))?;
        *url = at_address(url, address).with_context(|| format!("{variable} cannot be led elsewhere"))?;
    }
    environment.extend(detour.variables.clone());
    Ok(())
}

/// The same URL at another address.
fn at_address(url: &str, address: SocketAddr) -> Result<String> {
    let mut url = Url::parse(url)?;
    url.set_host(Some(&address.ip().to_string()))?;
    url.set_port(Some(address.port())).ok().context("the URL takes no port")?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[expect(clippy::disallowed_methods, reason = "an account nobody else has")]
fn random_account() -> String {
    format!("{:012}", uuid::Uuid::new_v4().as_u128() % 1_000_000_000_000)
}

/// The port `cargo lambda invoke` looks at, where it is to be had: a stack that is used for long is invoked by hand.
fn lambda_port(options: &Options) -> Result<u16> {
    const USUAL: u16 = 9000;
    let usual_is_free = || std::net::TcpListener::bind(("127.0.0.1", USUAL)).is_ok();
    if !options.throw_away && usual_is_free() { Ok(USUAL) } else { free_port() }
}

/// Waits off the runtime: a stack that was killed may still be ending.
async fn lease(post: &Post) -> Result<Lease> {
    let post = post.clone();
    tokio::task::spawn_blocking(move || post.lease()).await?
}

fn clear_logs(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        std::fs::remove_file(entry?.path())?;
    }
    Ok(())
}

fn parameters(
    environment: &Environment,
    options: &Options,
    database_url: &str,
    slot: &str,
    sealing_key: String,
) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = [
        ("DatabaseUrl", database_url.to_owned()),
        ("CdcSlot", slot.to_owned()),
        ("SealingKey", sealing_key),
        // Whoever tries webhooks here has them posted to this machine.
        ("NotifierReach", "anywhere".to_owned()),
        // Done above: on AWS a function does it, and here no function runs before the stack is deployed.
        ("RunMigrations", "false".to_owned()),
        // Who runs the stack may operate it: `cargo local status`, `pause` and the others ask this API.
        ("AdminApi", "true".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    // `cargo lambda watch` never answers for a process that was killed: its wake-ups come again when the emulator has
    // given up on them. The built-in model thinks in milliseconds, so that may be soon.
    if !environment.passed_on.contains_key("MODEL_URL") {
        parameters.insert("AgentTimeoutSeconds".to_owned(), "30".to_owned());
        parameters.insert("WakeUpVisibilitySeconds".to_owned(), "35".to_owned());
    }
    // The same for the ingester, which takes milliseconds unless Postgres is down.
    parameters.insert("IngestVisibilitySeconds".to_owned(), "30".to_owned());
    if let Some(seconds) = options.summary_quiet_seconds {
        parameters.insert("SummaryQuietSeconds".to_owned(), seconds.to_string());
    }
    for (variable, parameter) in PASSED_ON {
        if let Some(value) = environment.passed_on.get(variable) {
            parameters.insert(parameter.to_owned(), value.clone());
        }
    }
    parameters
}

/// The variables that [`Environment`] keeps for the functions.
pub(crate) fn passed_on() -> impl Iterator<Item = &'static str> {
    PASSED_ON.into_iter().map(|(variable, _)| variable)
}

impl Running {
    /// An error that names the part that has ended by itself, when one has.
    pub fn check(&mut self) -> Result<()> {
        for (name, guarded, _) in &mut self.parts {
            if guarded.has_ended()? {
                bail!("{name} has ended; see {}", guarded.log().display());
            }
        }
        Ok(())
    }

    /// The processes of the functions and of their host, each of which is started again when it dies.
    pub fn processes(&self) -> Result<Vec<Process>> {
        let host = self.parts.iter().find(|(name, ..)| *name == FUNCTIONS);
        host.map_or_else(|| Ok(Vec::new()), |(_, guarded, _)| processes::children(guarded.pid()))
    }

    /// Stops everything and waits until it has ended.
    pub async fn stop(self) -> Result<()> {
        let Self { aws, parts, leases, own_database, shares_emulator, claim, .. } = self;
        if shares_emulator {
            // An emulator of ours forgets everything when it ends; this one would go on delivering to nobody.
            stack::remove(&aws).await?;
        }
        drop(leases);
        for (name, guarded, post) in parts.into_iter().rev() {
            guarded.stop().await.with_context(|| format!("{name} could not be stopped"))?;
            post.ended().await?;
        }
        tokio::task::spawn_blocking(move || drop(own_database)).await?;
        drop(claim);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_are_led_elsewhere_with_the_same_user_and_database() {
        let mut environment: BTreeMap<String, String> = [
            ("DATABASE_URL", "postgres://me:secret@127.0.0.1:5432/memories?sslmode=disable"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("CDC_SLOT", "slot"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let detour = Detour {
            database: ([127, 0, 0, 1], 1).into(),
            aws: ([127, 0, 0, 1], 2).into(),
            variables: BTreeMap::from([("CDC_SWEEP_SECONDS".to_owned(), "5".to_owned())]),
        };
        lead_around(&mut environment, &detour).unwrap();
        assert_eq!(environment["DATABASE_URL"], "postgres://me:secret@127.0.0.1:1/memories?sslmode=disable");
        assert_eq!(environment["AWS_ENDPOINT_URL"], "http://127.0.0.1:2");
        assert_eq!((&*environment["CDC_SLOT"], &*environment["CDC_SWEEP_SECONDS"]), ("slot", "5"));
        assert!(lead_around(&mut BTreeMap::new(), &detour).is_err());
    }
}
