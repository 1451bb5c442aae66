use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use local::cache::Cache;
use local::guard::{Lease, Post};
use local::{Environment, emulator, postgres};
use tokio::sync::OnceCell;

/// Long enough for one test binary to follow another, short enough that nothing lingers.
const GRACE: Duration = Duration::from_secs(10);

static POSTGRES: OnceCell<(Option<Lease>, String)> = OnceCell::const_new();
static EMULATOR: OnceCell<(Option<Lease>, String)> = OnceCell::const_new();

/// A folder of its own for every version of the servers' set-up, so that two checkouts never mix them.
fn folder(cache: &Cache) -> Result<PathBuf> {
    let folder = cache.root().join(format!("tests-{}", local::guard::fingerprint()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// The URL of the superuser of the tests' Postgres.
pub(crate) async fn postgres() -> Result<&'static str> {
    let (_, url) = POSTGRES
        .get_or_try_init(async || {
            let environment = Environment::read();
            if let Some(url) = environment.database_url {
                return Ok((None, url));
            }
            let cache = Cache::open(&environment)?;
            let folder = folder(&cache)?;
            let post = Post::new(&folder, "postgres", GRACE)?;
            let (lease, running): (_, postgres::Running) = post
                .join(async || {
                    let programs = postgres::programs(&cache, environment.path.as_deref())?;
                    let data = folder.join("data");
                    if data.exists() {
                        fs::remove_dir_all(&data)?;
                    }
                    let log = folder.join("postgres.log");
                    let durability = postgres::Durability::None;
                    let (_, running) = postgres::start(&post, &programs, &data, &log, durability).await?;
                    Ok(running)
                })
                .await?;
            anyhow::Ok((Some(lease), running.url))
        })
        .await?;
    Ok(url)
}

/// The endpoint of the tests' AWS emulator.
pub(crate) async fn emulator() -> Result<&'static str> {
    let (_, endpoint) = EMULATOR
        .get_or_try_init(async || {
            let environment = Environment::read();
            if let Some(endpoint) = environment.aws_endpoint_url {
                return Ok((None, endpoint));
            }
            let cache = Cache::open(&environment)?;
            let folder = folder(&cache)?;
            let post = Post::new(&folder, "emulator", GRACE)?;
            let (lease, running): (_, emulator::Running) = post
                .join(async || {
                    let log = folder.join("emulator.log");
                    let (_, running) =
                        emulator::start(&post, &cache, &folder, &log, &BTreeMap::new()).await?;
                    Ok(running)
                })
                .await?;
            anyhow::Ok((Some(lease), running.endpoint))
        })
        .await?;
    Ok(endpoint)
}
