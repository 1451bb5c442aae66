//! Schemathesis, which makes up requests from a function's `OpenAPI` document, good and bad.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use local::cache::{Cache, Package};

const SCHEMATHESIS: Package = Package {
    name: "schemathesis",
    what: "Schemathesis 4.32.5",
    megabytes: 21,
    requirements: include_str!("../schemathesis.txt"),
};

/// Asks a function whose document is at `url` so many times for each operation, in the phases that do not depend on each
/// other. What comes of the requests is seen by who stands at `url`; what the tool says is in the file `log`.
pub(crate) async fn ask(cache: &Cache, url: &str, per_operation: u32, seed: u64, log: &Path) -> Result<()> {
    let packages = cache.fetch(SCHEMATHESIS)?;
    let folder = tempfile::tempdir()?;
    let out = std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = Command::new("python3")
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"])
        .arg(format!("{url}/v1/openapi.json"))
        .args([
            "--url", url, "--phases", "coverage,fuzzing", "--mode", "all", "--checks", "not_a_server_error",
        ])
        .args(["--continue-on-failure", "--no-shrink", "--generation-database", "none", "--no-color"])
        .args(["--suppress-health-check", "all", "--request-timeout", "60", "--workers", "1"])
        .args(["--max-examples", &per_operation.to_string(), "--seed", &seed.to_string()])
        .env("PYTHONPATH", packages)
        .env("NO_PROXY", "*")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .kill_on_drop(true)
        .status()
        .await
        .context("python3 cannot be run")?;
    // 1 says that a check has failed, which the inspector has seen as well.
    if !matches!(status.code(), Some(0 | 1)) {
        bail!("Schemathesis ended with {status}; {} says why", log.display());
    }
    Ok(())
}
