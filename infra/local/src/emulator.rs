//! The AWS emulator: SQS, DynamoDB, Scheduler, CloudFormation and Lambda event-source mappings over the real
//! protocols.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cache::{self, Cache};
use crate::guard::{Guarded, Post, Server, StopSignal};
use crate::postgres::free_port;

/// The region everything local lives in.
pub const REGION: &str = "us-east-1";
const START_LIMIT: Duration = Duration::from_mins(1);

/// An emulator that runs.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Running {
    /// Its endpoint.
    pub endpoint: String,
}

/// Starts an emulator on a free loopback port and waits until it answers. `functions` maps a function's name to
/// the address its invocations are forwarded to. Its state is in memory: nothing survives its end.
pub async fn start(
    post: &Post,
    cache: &Cache,
    folder: &Path,
    log: &Path,
    functions: &BTreeMap<String, String>,
) -> Result<(Guarded, Running)> {
    let package = cache.fetch(cache::MINISTACK)?;
    let mut last = None;
    for _ in 0..3 {
        match start_once(post, &package, folder, log, functions).await {
            Ok(started) => return Ok(started),
            Err(error) => last = Some(error),
        }
        post.ended().await?;
    }
    Err(last.context("no attempt was made")?.context("the AWS emulator did not start"))
}

async fn start_once(
    post: &Post,
    package: &Path,
    folder: &Path,
    log: &Path,
    functions: &BTreeMap<String, String>,
) -> Result<(Guarded, Running)> {
    let port = free_port()?;
    let path = |path: &Path| path.display().to_string();
    let mut environment: BTreeMap<String, String> = [
        ("PYTHONPATH", path(package)),
        ("GATEWAY_PORT", port.to_string()),
        // Every interface is the default of both.
        ("BIND_HOST", "127.0.0.1".to_owned()),
        ("MINISTACK_HOST", "127.0.0.1".to_owned()),
        ("MINISTACK_REGION", REGION.to_owned()),
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        ("SFTP_ENABLED", "0".to_owned()),
        ("PERSIST_STATE", "0".to_owned()),
        ("STATE_DIR", path(&folder.join("emulator"))),
        ("S3_DATA_DIR", path(&folder.join("emulator/s3"))),
        ("LOG_LEVEL", "WARNING".to_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        // The functions it runs itself inherit these.
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_REGION", REGION.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (function, address) in functions {
        environment.insert(format!("MINISTACK_LAMBDA_PROXY_{function}"), address.clone());
    }
    let server = Server {
        argv: ["python3", "-m", "ministack"].map(str::to_owned).into(),
        environment,
        directory: folder.to_owned(),
        log: log.to_owned(),
        user: None,
        stop_signal: StopSignal::Term,
        restart: false,
        reload: false,
        needs_port: None,
    };
    let running = Running { endpoint: format!("http://127.0.0.1:{port}") };
    let mut guarded = post.run(&[server], log)?;
    let health = format!("{}/_ministack/health", running.endpoint);
    if let Err(error) = guarded.ready(START_LIMIT, || answers(&health)).await {
        guarded.stop().await?;
        return Err(error);
    }
    Ok((guarded, running))
}

async fn answers(url: &str) -> bool {
    reqwest::get(url).await.is_ok_and(|response| response.status().is_success())
}

/// The variables by which a process reaches an account of the emulator through the SDKs.
pub fn credentials(endpoint: &str, account: &str) -> BTreeMap<String, String> {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", account),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_REGION", REGION),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The AWS configuration of an account of the emulator. The account is a 12-digit access key; whatever two
/// accounts create never meets.
pub fn sdk_config(endpoint: &str, account: &str) -> aws_config::SdkConfig {
    use aws_config::Region;
    use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            account, "local", None, None, "local",
        )))
        .build()
}
