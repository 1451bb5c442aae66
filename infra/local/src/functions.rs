//! Builds the functions and hosts them: `cargo lambda watch` speaks the Lambda API, a guard keeps their processes alive.
//!
//! `cargo lambda watch` can start the functions itself, but it leaves a killed one dead and answers its callers never.
//! So it only serves the API here (`--only-lambda-apis`), and the guard starts each function as often as asked, starts
//! it again when it dies, and replaces it when it was built anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Cache};
use crate::guard::{Guarded, Post, Server, StopSignal};
use crate::state::StateFolder;

/// The function that runs as a plain process too, streaming for as long as the stack runs.
pub const READER: &str = "cdc-reader";
const START_LIMIT: Duration = Duration::from_secs(30);

/// How the functions are hosted.
#[derive(Debug)]
pub struct Hosting<'a> {
    /// The workspace they belong to.
    pub workspace: &'a Path,
    /// The folder their programs were built into.
    pub programs: &'a Path,
    /// Their names.
    pub functions: &'a [String],
    /// Of each agent and of `recall`, so many processes run; each handles one batch or request at a time.
    pub instances: u16,
    /// Whether a process is replaced when its program is built anew.
    pub reload: bool,
    /// The port of the Lambda API.
    pub port: u16,
}

/// Builds every function, with cargo's progress on the terminal, and answers the folder of their programs.
pub fn build(workspace: &Path, functions: &[String]) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.arg("build").current_dir(workspace);
    // Together with this tool, so that what both use is built with the same features, once.
    cargo.args(["--package", env!("CARGO_PKG_NAME")]);
    for function in functions {
        cargo.args(["--package", function]);
    }
    if !cargo.status().context("cargo cannot be run")?.success() {
        bail!("the functions could not be built");
    }
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(workspace)
        .output()?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata failed")?;
    let target = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    Ok(Path::new(target.context("cargo names no target folder")?).join("debug"))
}

/// Where a function is invoked.
pub fn invocation_url(port: u16, function: &str) -> String {
    format!("http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations")
}

/// Where a function answers HTTP.
pub fn http_url(port: u16, function: &str) -> String {
    format!("http://127.0.0.1:{port}/lambda-url/{function}")
}

/// Starts the Lambda API and every function behind it, and waits until the API answers. `environment` is what the
/// deployed stack gives its functions.
pub async fn start(
    post: &Post,
    cache: &Cache,
    state: &StateFolder,
    hosting: &Hosting<'_>,
    environment: &BTreeMap<String, String>,
) -> Result<Guarded> {
    let package = cache.fetch(cache::CARGO_LAMBDA)?;
    let servers = servers(&package, state, hosting, environment);
    let mut guarded = post.run(&servers, &state.log("functions-guard"))?;
    let address = ("127.0.0.1", hosting.port);
    guarded
        .ready(START_LIMIT, async || tokio::net::TcpStream::connect(address).await.is_ok())
        .await
        .context("the functions' host did not start")?;
    Ok(guarded)
}

fn servers(
    package: &Path,
    state: &StateFolder,
    hosting: &Hosting<'_>,
    environment: &BTreeMap<String, String>,
) -> Vec<Server> {
    let server = |name: &str, argv: Vec<String>| Server {
        argv,
        environment: environment.clone(),
        directory: hosting.workspace.to_owned(),
        log: state.log(name),
        user: None,
        stop_signal: StopSignal::Term,
        restart: true,
        reload: hosting.reload,
        needs_port: None,
    };
    let mut watch = vec![package.join("bin/cargo-lambda").display().to_string()];
    watch.extend(
        ["lambda", "watch", "--only-lambda-apis", "--ignore-changes", "--offline", "-A", "127.0.0.1", "-P"]
            .map(str::to_owned),
    );
    watch.push(hosting.port.to_string());
    let mut servers = vec![Server { reload: false, ..server("lambda-api", watch) }];
    let program = |function: &str| vec![hosting.programs.join(function).display().to_string()];
    for function in hosting.functions {
        let mut environment = environment.clone();
        environment.extend(
            [
                ("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{}/.rt/{function}", hosting.port)),
                ("AWS_LAMBDA_FUNCTION_NAME", function.clone()),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let instances = if matches!(function.as_str(), READER | "migrate") { 1 } else { hosting.instances };
        for _ in 0..instances {
            servers.push(Server {
                environment: environment.clone(),
                needs_port: Some(hosting.port),
                ..server(function, program(function))
            });
        }
    }
    if hosting.functions.iter().any(|function| function == READER) {
        servers.push(server(READER, program(READER)));
    }
    servers
}
