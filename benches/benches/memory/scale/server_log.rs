use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::load::Loader;
use crate::place::Place;

/// How long the server may take to write what it has done.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the server says its statements took. Nothing, when the server is not ours to read the log of.
pub(super) struct ServerLog {
    path: Option<PathBuf>,
    /// How far it was read.
    at: u64,
    /// What was read and belongs to no finished transaction yet.
    rest: String,
}

impl ServerLog {
    /// Has the server write down the duration of every statement of connections opened from now on.
    pub(super) async fn of(place: &Place, loader: &Loader, database: &str) -> Result<Self> {
        let path = place.log.clone();
        if path.is_some() {
            loader
                .client
                .batch_execute(&format!("alter database {database} set log_min_duration_statement = 0"))
                .await?;
        }
        let at = path.as_ref().and_then(|path| path.metadata().ok()).map_or(0, |file| file.len());
        Ok(Self { path, at, rest: String::new() })
    }

    /// The milliseconds of all statements up to the next commit, planning included.
    pub(super) fn next_transaction(&mut self) -> Result<Option<f64>> {
        let Some(path) = &self.path else { return Ok(None) };
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(milliseconds) = take_transaction(&mut self.rest) {
                return Ok(Some(milliseconds));
            }
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(self.at))?;
            let mut more = Vec::new();
            file.read_to_end(&mut more)?;
            self.at += more.len() as u64;
            self.rest.push_str(&String::from_utf8_lossy(&more));
            if more.is_empty() {
                (Instant::now() < until).then_some(()).context("the server's log does not show a commit")?;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Takes the statements up to a commit out of the log, once the commit is there, and adds their durations up.
fn take_transaction(log: &mut String) -> Option<f64> {
    let mut milliseconds = 0.0;
    let mut at = 0;
    for line in log.split_inclusive('\n') {
        at += line.len();
        let Some((_, duration)) = line.split_once("LOG:  duration: ") else { continue };
        let Some((number, what)) = duration.split_once(" ms") else { continue };
        milliseconds += number.parse().unwrap_or(0.0);
        if what.contains("statement: commit") && line.ends_with('\n') {
            log.drain(..at);
            return Some(milliseconds);
        }
    }
    None
}
