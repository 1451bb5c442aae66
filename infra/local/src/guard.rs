//! Servers that live exactly as long as somebody uses them, however the user ends.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{cache, postgres};

const GUARD: &str = include_str!("guard.py");

/// Changes whenever the guard, a package or a setting does: servers of two versions must not share a post.
pub fn fingerprint() -> String {
    let packages = [cache::MINISTACK, cache::POSTGRES].map(|package| package.requirements);
    cache::fingerprint(&[&[GUARD, packages[0], packages[1]], &postgres::SETTINGS[..]].concat())
}

/// An account that a server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

/// How to stop a server.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StopSignal {
    /// `SIGINT`; for Postgres a fast shutdown.
    Int,
    /// `SIGTERM`.
    Term,
}

/// A server to run.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables set beside those of this process.
    pub environment: BTreeMap<String, String>,
    /// Its working directory.
    pub directory: PathBuf,
    /// The file its output is appended to.
    pub log: PathBuf,
    /// The account to run as, when it is not ours.
    pub user: Option<Account>,
    /// How to ask it to stop; it is killed when it has not stopped after ten seconds.
    pub stop_signal: StopSignal,
    /// Whether to start it again, with back-off, when it ends by itself. When one that is not to be started again
    /// ends, its guard ends everything it runs.
    pub restart: bool,
    /// Whether to start it again when its program was built anew.
    pub reload: bool,
    /// A loopback port that has to answer before it is started.
    pub needs_port: Option<u16>,
}

/// The right to use a server. The server ends when the last lease is gone, however its holder ended.
#[derive(Debug)]
pub struct Lease {
    _lock: File,
}

/// The place in the file system where the users and the guard of one server meet.
#[derive(Debug, Clone)]
pub struct Post {
    folder: PathBuf,
    name: String,
    grace: Duration,
}

/// A guard that was just started.
#[derive(Debug)]
pub struct Guarded {
    process: Child,
    log: PathBuf,
}

impl Post {
    /// A post in `folder` for the server called `name`; the server outlives its last user by `grace`.
    pub fn new(folder: &Path, name: &str, grace: Duration) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), name: name.to_owned(), grace })
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}.{suffix}", self.name))
    }

    /// Where users find out how to reach the server.
    fn address_file(&self) -> PathBuf {
        self.file("json")
    }

    /// Takes a lease. Waits while a guard that found nobody left is still ending its server.
    pub fn lease(&self) -> Result<Lease> {
        let lock = File::create(self.file("lock"))?;
        lock.lock_shared()?;
        Ok(Lease { _lock: lock })
    }

    /// Whether a guard runs here.
    pub fn is_running(&self) -> Result<bool> {
        let alive = File::create(self.file("alive"))?;
        Ok(alive.try_lock().is_err())
    }

    /// Starts a guard with its servers; what the guard itself has to say goes to `log`. The caller holds a lease, or
    /// the servers end after the grace period.
    pub fn run(&self, servers: &[Server], log: &Path) -> Result<Guarded> {
        #[derive(Serialize)]
        struct Specification<'a> {
            servers: &'a [Server],
            lock: PathBuf,
            alive: PathBuf,
            forget: Vec<PathBuf>,
            grace: f64,
        }
        let script = self.file("guard.py");
        fs::write(&script, GUARD)?;
        let output = File::options().create(true).append(true).open(log)?;
        let mut process = Command::new("python3")
            .arg("-I")
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("python3 cannot be run")?;
        let specification = Specification {
            servers,
            lock: self.file("lock"),
            alive: self.file("alive"),
            forget: vec![self.address_file()],
            grace: self.grace.as_secs_f64(),
        };
        let mut input = process.stdin.take().context("the guard has no standard input")?;
        input.write_all(&serde_json::to_vec(&specification)?)?;
        Ok(Guarded { process, log: log.to_owned() })
    }

    /// Joins whoever uses the server already, or starts it: `start` runs it with [`Post::run`], waits until it
    /// answers and says how to reach it. One process starts, the others wait for it and get the same address.
    pub async fn join<A: Serialize + DeserializeOwned>(
        &self,
        start: impl AsyncFnOnce() -> Result<A>,
    ) -> Result<(Lease, A)> {
        let turn = File::create(self.file("turn"))?;
        let turn = tokio::task::spawn_blocking(move || turn.lock().map(|()| turn)).await??;
        let post = self.clone();
        let lease = tokio::task::spawn_blocking(move || post.lease()).await??;
        if self.is_running()?
            && let Ok(address) = fs::read(self.address_file())
        {
            return Ok((lease, serde_json::from_slice(&address)?));
        }
        if self.is_running()? {
            // Whoever started it died before saying where it is. Nobody else is coming: let it end.
            drop(lease);
            self.ended().await?;
            let post = self.clone();
            let lease = tokio::task::spawn_blocking(move || post.lease()).await??;
            return self.start_here(lease, start, turn).await;
        }
        self.start_here(lease, start, turn).await
    }

    async fn start_here<A: Serialize>(
        &self,
        lease: Lease,
        start: impl AsyncFnOnce() -> Result<A>,
        _turn: File,
    ) -> Result<(Lease, A)> {
        let address = start().await?;
        let written = tempfile::NamedTempFile::new_in(&self.folder)?;
        fs::write(written.path(), serde_json::to_vec(&address)?)?;
        written.persist(self.address_file())?;
        Ok((lease, address))
    }

    /// Waits until no guard runs here.
    pub async fn ended(&self) -> Result<()> {
        let alive = File::create(self.file("alive"))?;
        Ok(tokio::task::spawn_blocking(move || alive.lock()).await??)
    }
}

impl Guarded {
    /// Waits until `ready` answers true, asking it every 20 ms; an error with the end of the log when the server
    /// ends first or `limit` passes.
    pub async fn ready(&mut self, limit: Duration, mut ready: impl AsyncFnMut() -> bool) -> Result<()> {
        let wait = async {
            while !ready().await {
                if self.process.try_wait()?.is_some() {
                    bail!("it ended");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        let result = tokio::time::timeout(limit, wait).await;
        let why = match result {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it did not answer within {} s", limit.as_secs()),
        };
        bail!("{why}; the end of {}:\n{}", self.log.display(), last_lines(&self.log, 20))
    }

    /// Whether the guard, and with it the server, has ended.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.process.try_wait()?.is_some())
    }

    /// Its process id: its servers are its children.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The file that says why it ended.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Ends the server at once, whoever uses it.
    pub async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.process.id())?;
        // A guard that has ended by itself is what was asked for.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        tokio::task::spawn_blocking(move || self.process.wait()).await??;
        Ok(())
    }
}

/// The last lines of a file, empty when it cannot be read.
pub(crate) fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
