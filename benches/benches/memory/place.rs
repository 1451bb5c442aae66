use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use local::cache::Cache;
use local::database::OwnDatabase;
use local::guard::{Lease, Post};
use local::{Environment, postgres};
use store::DatabaseConfig;
use store::migrate::{self, Slot};

/// How long the server outlives the run.
const GRACE: Duration = Duration::from_secs(1);
const PREFIX: &str = "afterthought_bench";

/// Where a run takes place: a Postgres that keeps what it was told (`fsync` on), of this run alone, or the one
/// `DATABASE_URL` names.
pub(crate) struct Place {
    /// How its superuser connects.
    pub(crate) server: String,
    /// What the server has to say, where it is ours.
    pub(crate) log: Option<PathBuf>,
    /// What is fetched for a run and kept for the next.
    pub(crate) cache: PathBuf,
    _lease: Option<Lease>,
}

impl Place {
    /// `shared_buffers`: of its own server, in megabytes.
    pub(crate) async fn start(shared_buffers: u32) -> Result<Self> {
        let environment = Environment::read();
        let cache = Cache::open(&environment)?;
        if let Some(server) = environment.database_url.clone() {
            return Ok(Self { server, log: None, cache: cache.root().to_owned(), _lease: None });
        }
        let folder = cache.root().join("bench");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let post = Post::new(&folder, "postgres", GRACE)?;
        let log = folder.join("postgres.log");
        let (lease, running): (_, postgres::Running) = post
            .join(async || {
                let programs = postgres::programs(&cache, environment.path.as_deref())?;
                let data = folder.join("data");
                if data.exists() {
                    fs::remove_dir_all(&data)?;
                }
                if log.exists() {
                    fs::remove_file(&log)?;
                }
                let tuning = postgres::Tuning { durability: postgres::Durability::Full, shared_buffers };
                let (_, running) = postgres::start(&post, &programs, &data, &log, tuning).await?;
                Ok(running)
            })
            .await?;
        Ok(Self { server: running.url, log: Some(log), cache: cache.root().to_owned(), _lease: Some(lease) })
    }

    /// A database with our schema.
    pub(crate) async fn migrated(&self) -> Result<OwnDatabase> {
        let database = self.empty().await?;
        migrate::run(&DatabaseConfig::parse(database.url())?, Slot::Untouched).await?;
        Ok(database)
    }

    /// A database with nothing in it.
    pub(crate) async fn empty(&self) -> Result<OwnDatabase> {
        OwnDatabase::create(&self.server, PREFIX, None).await
    }
}

/// What the machine had to do in the last 1, 5 and 15 minutes; empty where the system does not say.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
