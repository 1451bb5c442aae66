//! Migrate.
//!
//! - Trigger: a deployment, as the custom resource `Custom::Migration`, or a plain invocation.
//! - Reads: nothing of the application's.
//! - Writes: the schema `afterthought`, the publication, the replication slot.
//! - Emits: its answer to CloudFormation, always, also when it fails.
//!
//! A plain invocation takes `{}`, or `{"recreate_slot": true}` to replace a slot the server has given up on.

mod custom_resource;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use store::DatabaseConfig;
use store::migrate::{self, Slot};

use custom_resource::{CustomResource, RequestType};

const DEFAULT_SLOT: &str = "afterthought";

/// The database to migrate.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub database: DatabaseConfig,
    /// The replication slot to see to.
    pub slot: String,
}

impl Target {
    /// The target a function's configuration names; reads the database's secret when it is given by reference.
    pub async fn from_config(config: &runtime::Config) -> anyhow::Result<Self> {
        let aws = aws_config::load_from_env().await;
        let slot = config.variables.get("CDC_SLOT").filter(|slot| !slot.is_empty());
        Ok(Self {
            database: runtime::database(config, &aws).await?,
            slot: slot.cloned().unwrap_or_else(|| DEFAULT_SLOT.to_owned()),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Invocation {
    recreate_slot: bool,
}

/// Handles one invocation. `target` is asked when it is needed, so that its failure is answered like any other.
///
/// # Errors
/// A plain invocation fails with its reason. A custom resource's failure is its answer; an error means that the
/// answer could not be delivered.
pub async fn handle(
    target: impl AsyncFn() -> anyhow::Result<Target>,
    payload: Value,
) -> anyhow::Result<Value> {
    if payload.get("ResponseURL").is_none() {
        let payload = if payload.is_null() { json!({}) } else { payload };
        let invocation: Invocation =
            serde_json::from_value(payload).context("expected {\"recreate_slot\": bool}")?;
        let done = run(target, invocation.recreate_slot).await?;
        return Ok(done);
    }
    let event: CustomResource =
        serde_json::from_value(payload).context("not an event of a custom resource")?;
    let outcome = match event.request_type {
        RequestType::Create | RequestType::Update => run(target, false).await,
        // Removing the stack must not remove anybody's data.
        RequestType::Delete => Ok(json!({})),
    };
    if let Err(error) = &outcome {
        tracing::error!(error = format!("{error:#}"), "the database was not migrated");
    }
    event.answer(&outcome).await?;
    Ok(outcome.unwrap_or_else(|error| json!({ "failed": format!("{error:#}") })))
}

async fn run(target: impl AsyncFn() -> anyhow::Result<Target>, recreate_slot: bool) -> anyhow::Result<Value> {
    let target = target().await?;
    let slot = if recreate_slot { Slot::Recreate(&target.slot) } else { Slot::Ensure(&target.slot) };
    let migrated = migrate::run(&target.database, slot).await?;
    tracing::info!(applied = ?migrated.applied, slot.created = migrated.slot_created, graphs.built = migrated.graphs_built, "the database is up to date");
    Ok(json!({
        "SchemaVersion": migrate::newest()?.to_string(),
        "applied": migrated.applied,
        "slot_created": migrated.slot_created,
        "graphs_built": migrated.graphs_built,
    }))
}
