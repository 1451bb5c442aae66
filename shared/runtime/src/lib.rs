//! What every agent Lambda shares: configuration, clients, telemetry, and the loop
//! *parse wake-ups → newest per session → claim → lease → think → one transaction → partial-batch response*.
//!
//! An agent is its thinking ([`Agent`]) and a `main` of a few lines that ends in [`run`].

mod agent;
mod ask;
mod batch;
mod config;
mod drive;
mod flow;
mod hooks;
mod models;
mod process;
mod secrets;
mod services;
mod telemetry;

use lambda_runtime::{LambdaEvent, service_fn};
use queue::SqsEvent;

pub use agent::{Agent, AgentSpec, Context, ThinkError, Thoughts, WaitFor};
pub use config::{Config, InvalidConfig, Limits};
pub use hooks::{Hooks, Kept, RunInfo, Waits};
pub use models::Models;
pub use process::{Invocation, handle, user_as_a_whole};
pub use services::{Services, database, operator_key, sealer};
pub use store::ContextQuery;
pub use telemetry::{Telemetry, init_telemetry};

/// Runs an agent as a Lambda until the process is ended.
///
/// `make` builds the agent from the configuration, once per process.
pub async fn run<A, F>(make: F) -> anyhow::Result<()>
where
    A: Agent,
    F: FnOnce(&Config, &Services) -> anyhow::Result<A>,
{
    let config = Config::from_env()?;
    config.check_timeouts()?;
    let telemetry = init_telemetry(&config)?;
    let services = Services::connect(&config).await?;
    let agent = make(&services.config, &services)?;
    let (services, agent) = (&services, &agent);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let invocation = Invocation::starting(event.context.deadline);
        let response = handle(services, agent, event.payload, &invocation).await;
        telemetry.flush();
        Ok::<_, lambda_runtime::Error>(response)
    }))
    .await
    .map_err(|error| anyhow::anyhow!(error))
}
