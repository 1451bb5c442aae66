use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const SCRIPT: &str = include_str!("../../../peers/peers.py");
const REQUIREMENTS: &str = include_str!("../../../peers/requirements.txt");

/// A Python with the libraries compared, which makes their calls.
pub(super) struct Python {
    _process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Python {
    /// Starts it, in an environment of its own in `cache`, made when there is none for these requirements.
    pub(super) async fn start(cache: &Path) -> Result<Self> {
        let folder = cache.join(format!("peers-{}", local::cache::fingerprint(&[REQUIREMENTS])));
        if !folder.is_dir() {
            install(&folder).await?;
        }
        let log = folder.join("peers.log");
        let mut process = Command::new(folder.join("bin/python"))
            .args(["-I", "-c", SCRIPT])
            .env("MEM0_TELEMETRY", "False")
            .env("MEM0_DIR", folder.join("mem0"))
            .env("LANGSMITH_TRACING", "false")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .context("the environment's python cannot be run")?;
        let orders = process.stdin.take().context("it has a standard input")?;
        let answers = BufReader::new(process.stdout.take().context("it has a standard output")?).lines();
        Ok(Self { _process: process, orders, answers, log })
    }

    /// Gives an order and waits for the answer, whose `error` says why there is no other.
    pub(super) async fn order(&mut self, order: &Value) -> Result<Value> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        let Some(line) = self.answers.next_line().await? else {
            bail!("the peers' python ended; {} says why", self.log.display())
        };
        Ok(serde_json::from_str(&line)?)
    }
}

/// Makes the environment; one that could not be completed is removed again.
async fn install(folder: &Path) -> Result<()> {
    crate::say("installing the libraries compared (once)");
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let requirements = folder.with_extension("txt");
    fs::write(&requirements, REQUIREMENTS)?;
    run(Command::new("python3").args(["-m", "venv"]).arg(folder)).await.context(
        "a virtual environment could not be made; install Python's venv (Debian: `apt install python3-venv`)",
    )?;
    let installed = run(Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r"])
        .arg(&requirements))
    .await;
    if installed.is_err() {
        // Half an environment must not count as one.
        fs::remove_dir_all(folder)?;
    }
    installed.context("pip could not install what is compared")
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
