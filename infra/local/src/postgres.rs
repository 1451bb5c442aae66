//! A Postgres with pgvector: found on this machine, else fetched, else in a container.

mod programs;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::account;
use crate::cache::{self, announce};
use crate::guard::{Account, Guarded, Post, Server, StopSignal};

use programs::{IMAGE, OLDEST_POSTGRES};
pub use programs::{OLDEST_PGVECTOR, Programs, Version, programs};

/// How every server is set up.
pub(crate) const SETTINGS: [&str; 6] = [
    "wal_level=logical",
    "max_connections=300",
    "max_wal_senders=60",
    "max_replication_slots=120",
    "max_prepared_transactions=10",
    "timezone=UTC",
];
const START_LIMIT: Duration = Duration::from_mins(1);
const START_PAUSE: Duration = Duration::from_millis(500);
const IMAGE_START_LIMIT: Duration = Duration::from_mins(10);

/// How a server of ours is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives `kill -9` of anything and a power cut.
    Full,
    /// For tests: as fast as it gets, gone with its folder.
    None,
}

/// What a server is started with.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// What survives when the machine dies.
    pub durability: Durability,
    /// Memory for pages, in megabytes.
    pub shared_buffers: u32,
}

impl From<Durability> for Tuning {
    fn from(durability: Durability) -> Self {
        Self { durability, shared_buffers: 128 }
    }
}

/// A server of ours that runs.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Running {
    /// How its superuser connects; add a database name to taste.
    pub url: String,
    /// The folder of its Unix socket, where it has one.
    pub socket: Option<PathBuf>,
}

/// Starts a server over `data`, made first when it is empty, and waits until it answers. It listens on 127.0.0.1,
/// on a free port, and on a Unix socket.
pub async fn start(
    post: &Post,
    programs: &Programs,
    data: &Path,
    log: &Path,
    tuning: impl Into<Tuning>,
) -> Result<(Guarded, Running)> {
    let tuning = tuning.into();
    let account = account_for(programs)?;
    let data = &reachable(data, account)?;
    let mut last = None;
    // The port is free when it is chosen; another process may take it before the server does.
    for _ in 0..3 {
        match start_once(post, programs, data, log, tuning, account, free_port()?).await {
            Ok(started) => return Ok(started),
            Err(error) => last = Some(error),
        }
        post.ended().await?;
    }
    Err(last.context("no attempt was made")?.context("Postgres did not start"))
}

/// Starts a server that has ended again, over the data and on the port it had, and waits until it answers.
pub async fn start_again(
    post: &Post,
    programs: &Programs,
    data: &Path,
    log: &Path,
    tuning: impl Into<Tuning>,
    port: u16,
) -> Result<Guarded> {
    let (tuning, account) = (tuning.into(), account_for(programs)?);
    let data = &reachable(data, account)?;
    let began = Instant::now();
    loop {
        match start_once(post, programs, data, log, tuning, account, port).await {
            Ok((guarded, _)) => return Ok(guarded),
            Err(error) if began.elapsed() > START_LIMIT => {
                return Err(error.context("Postgres did not start again"));
            }
            // A connection that somebody makes to somewhere else may have the port for a moment.
            Err(_) => {}
        }
        post.ended().await?;
        tokio::time::sleep(START_PAUSE).await;
    }
}

/// The account a server runs as, when it is not ours.
fn account_for(programs: &Programs) -> Result<Option<Account>> {
    let account = account::unprivileged()?;
    if let (Some(account), Programs::System(bin) | Programs::Fetched(bin)) = (account, programs)
        && !account::reaches(account, bin)
    {
        bail!(
            "{} is closed to the account Postgres runs as; set AFTERTHOUGHT_CACHE to a folder that others may enter",
            bin.display()
        );
    }
    Ok(account)
}

/// The folder itself, or its stand-in when the account cannot reach it.
fn reachable(data: &Path, account: Option<Account>) -> Result<PathBuf> {
    let parent = data.parent().context("the data folder has no parent")?;
    fs::create_dir_all(parent)?;
    let parent = parent.canonicalize()?;
    let data = parent.join(data.file_name().context("the data folder has no name")?);
    match account {
        Some(account) if !account::reaches(account, &parent) => {
            let stand_in = stand_in(&data);
            announce(&format!(
                "{} is closed to the account Postgres runs as; its data is in {}",
                parent.display(),
                stand_in.display()
            ));
            fs::create_dir_all(&stand_in)?;
            if !account::is_ours(&stand_in)? {
                bail!("{} belongs to somebody else", stand_in.display());
            }
            Ok(stand_in.join("data"))
        }
        _ => Ok(data),
    }
}

/// Where the data goes that belongs at `data` but cannot be reached there.
fn stand_in(data: &Path) -> PathBuf {
    Path::new("/var/tmp").join(format!("afterthought-{}", cache::fingerprint(&[&data.to_string_lossy()])))
}

/// Removes the stand-in of a data folder, where there is one.
pub(crate) fn remove_stand_in(data: &Path) -> Result<()> {
    let stand_in = stand_in(data);
    if stand_in.is_dir() && account::is_ours(&stand_in)? {
        fs::remove_dir_all(&stand_in).with_context(|| format!("cannot remove {}", stand_in.display()))?;
    }
    Ok(())
}

async fn start_once(
    post: &Post,
    programs: &Programs,
    data: &Path,
    log: &Path,
    tuning: Tuning,
    account: Option<Account>,
    port: u16,
) -> Result<(Guarded, Running)> {
    let password = password(data)?;
    let (server, socket) = match programs {
        Programs::System(bin) | Programs::Fetched(bin) => {
            if !data.join("PG_VERSION").is_file() {
                initialise(bin, data, &password, tuning.durability, account)?;
            }
            let socket = socket_folder(data, account)?;
            (native(bin, data, &socket, log, port, tuning, account), Some(socket))
        }
        Programs::Container => (container(data, log, port, &password, tuning), None),
    };
    let limit = if *programs == Programs::Container { IMAGE_START_LIMIT } else { START_LIMIT };
    let running =
        Running { url: format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"), socket };
    let mut guarded = post.run(&[server], log)?;
    let url = running.url.clone();
    if let Err(error) = guarded.ready(limit, || answers(&url)).await {
        guarded.stop().await?;
        return Err(error);
    }
    Ok((guarded, running))
}

async fn answers(url: &str) -> bool {
    let Ok((client, connection)) = tokio_postgres::connect(url, tokio_postgres::NoTls).await else {
        return false;
    };
    let connection = tokio::spawn(connection);
    let answer = client.simple_query("select 1").await.is_ok();
    connection.abort();
    answer
}

/// A port of the loopback interface that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The superuser's password: made once per data folder, kept beside it, readable by its owner alone.
fn password(data: &Path) -> Result<String> {
    let file = data.with_extension("password");
    if let Ok(password) = fs::read_to_string(&file) {
        return Ok(password);
    }
    let password = random_password();
    let written = tempfile::NamedTempFile::new_in(data.parent().context("the data folder has no parent")?)?;
    fs::write(written.path(), &password)?;
    written.persist(&file)?;
    Ok(password)
}

#[expect(clippy::disallowed_methods, reason = "a password has to be random")]
fn random_password() -> String {
    Uuid::new_v4().simple().to_string()
}

fn initialise(
    bin: &Path,
    data: &Path,
    password: &str,
    durability: Durability,
    account: Option<Account>,
) -> Result<()> {
    // An initdb that was cut off leaves a folder without PG_VERSION or half a cluster: it is made aside and renamed.
    let parent = data.parent().context("the data folder has no parent")?;
    if data.exists() {
        fs::remove_dir_all(data)?;
    }
    let aside = tempfile::Builder::new().prefix("initdb-").tempdir_in(parent)?;
    let made = aside.path().join("data");
    let password_file = aside.path().join("password");
    fs::write(&password_file, password)?;
    if let Some(account) = account {
        account::give(aside.path(), account)?;
    }
    let mut initdb = Command::new(bin.join("initdb"));
    initdb
        .args(["--no-locale", "--encoding=UTF8", "--username=postgres", "--auth=scram-sha-256"])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg("--pgdata")
        .arg(&made)
        .current_dir(aside.path());
    if durability == Durability::None {
        initdb.arg("--no-sync");
    }
    if let Some(account) = account {
        use std::os::unix::process::CommandExt;
        initdb.uid(account.uid).gid(account.gid);
    }
    let output = initdb.output().context("initdb cannot be run")?;
    if !output.status.success() {
        bail!("initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    fs::rename(&made, data)?;
    Ok(())
}

/// Beside the data where that path is short enough for a socket, else in the folder for temporary files.
fn socket_folder(data: &Path, account: Option<Account>) -> Result<PathBuf> {
    // struct sockaddr_un holds 104 bytes on the strictest platform; `/.s.PGSQL.65535.lock` takes 20.
    let beside = data.with_extension("socket");
    let folder = if beside.as_os_str().len() <= 80 {
        beside
    } else {
        std::env::temp_dir().join(format!("afterthought-{}", cache::fingerprint(&[&data.to_string_lossy()])))
    };
    fs::create_dir_all(&folder)?;
    if let Some(account) = account {
        account::give(&folder, account)?;
    }
    Ok(folder)
}

fn native(
    bin: &Path,
    data: &Path,
    socket: &Path,
    log: &Path,
    port: u16,
    tuning: Tuning,
    account: Option<Account>,
) -> Server {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", socket.display()),
    ];
    settings.extend(common_settings(tuning));
    if tuning.durability == Durability::None {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    let mut argv =
        vec![bin.join("postgres").display().to_string(), "-D".to_owned(), data.display().to_string()];
    argv.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    Server {
        argv,
        environment: BTreeMap::new(),
        directory: data.to_owned(),
        log: log.to_owned(),
        user: account,
        stop_signal: StopSignal::Int,
        restart: false,
        reload: false,
        needs_port: None,
    }
}

fn common_settings(tuning: Tuning) -> impl Iterator<Item = String> {
    let shared_buffers = format!("shared_buffers={}MB", tuning.shared_buffers);
    SETTINGS.map(str::to_owned).into_iter().chain([shared_buffers])
}

fn container(data: &Path, log: &Path, port: u16, password: &str, tuning: Tuning) -> Server {
    let mut argv: Vec<String> = [
        "docker",
        "run",
        "--rm",
        "--init",
        "-p",
        &format!("127.0.0.1:{port}:5432"),
        "-v",
        &format!("{}:/data", data.display()),
        "-e",
        "PGDATA=/data/cluster",
        "-e",
        "POSTGRES_PASSWORD",
        IMAGE,
        "postgres",
    ]
    .map(str::to_owned)
    .into();
    argv.extend(common_settings(tuning).flat_map(|setting| ["-c".to_owned(), setting]));
    Server {
        argv,
        environment: BTreeMap::from([("POSTGRES_PASSWORD".to_owned(), password.to_owned())]),
        directory: data.parent().unwrap_or(data).to_owned(),
        log: log.to_owned(),
        user: None,
        stop_signal: StopSignal::Int,
        restart: false,
        reload: false,
        needs_port: None,
    }
}

/// Refuses a server that cannot carry Afterthought, and says why.
pub async fn check(client: &tokio_postgres::Client) -> Result<()> {
    let row = client
        .query_one(
            "select current_setting('server_version_num')::int / 10000, current_setting('wal_level'), \
             (select default_version from pg_available_extensions where name = 'vector')",
            &[],
        )
        .await?;
    let (major, wal_level, pgvector): (i32, String, Option<String>) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if u32::try_from(major)? < OLDEST_POSTGRES {
        bail!("this Postgres is version {major}; version {OLDEST_POSTGRES} or newer is needed");
    }
    if wal_level != "logical" {
        bail!("this Postgres has wal_level = {wal_level}; set it to `logical` and restart the server");
    }
    match pgvector.as_deref().map(|text| (text, Version::parse(text))) {
        Some((_, Some(version))) if version >= OLDEST_PGVECTOR => Ok(()),
        Some((text, _)) => bail!(
            "this Postgres offers pgvector {text}; {OLDEST_PGVECTOR} or newer is needed, older ones have bugs in \
             their HNSW index"
        ),
        None => bail!("this Postgres has no pgvector; install {OLDEST_PGVECTOR} or newer"),
    }
}

#[cfg(test)]
mod tests;
