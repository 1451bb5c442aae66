//! The deployment step that migrates the database.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use migrate::{Target, handle};
use runtime::Config;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env();
    if let Ok(config) = &config {
        runtime::init_telemetry(config)?;
    }
    let config = &config;
    // A configuration that cannot be used is reported to whoever deploys, so it must not end the process here.
    let target = async || {
        let config = config.as_ref().map_err(|error| anyhow::anyhow!(error.to_string()))?;
        Target::from_config(config).await
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async {
        Box::pin(handle(target, event.payload)).await.map_err(|error| Error::from(format!("{error:#}")))
    }))
    .await
}
