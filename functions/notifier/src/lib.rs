//! Tells endpoints of tenants what has changed in memory: signed, in order, until they have it.
//!
//! Trigger: a wake-up that names an endpoint, from the replication reader when a change has written a message for it, and from
//! the reader's sweep when a wait is over. Reads: endpoints and the messages that wait for them. Writes: what became of every
//! attempt. Emits: webhooks (Standard Webhooks), and wake-ups of itself.
//!
//! A sender takes an endpoint in Postgres and sends its messages one after the other, so they arrive in the order of the
//! changes and a slow endpoint holds up nobody else. A message that fails holds up the ones behind it, until it comes through
//! or has been tried ten times. A sender that dies between an answer and writing it down has the message sent again: the
//! receiver tells repeats by `webhook-id`.

mod config;
mod notify;
mod resolver;
mod sender;

use lambda_runtime::{LambdaEvent, service_fn};
use queue::SqsEvent;
use runtime::{Config, Invocation, Services, init_telemetry, sealer};

pub use config::NotifierConfig;
pub use notify::Notifier;
pub use sender::{Outcome, Sender};

/// Runs the function until the process is ended.
pub async fn run() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let settings = NotifierConfig::of(&config)?;
    let telemetry = init_telemetry(&config)?;
    let services = Services::connect(&config).await?;
    let sealer = sealer(&config, &services.aws).await?;
    let notifier = &Notifier::new(&services, sealer, &settings)?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let invocation = Invocation::starting(event.context.deadline);
        let response = notifier.handle(event.payload, &invocation).await;
        telemetry.flush();
        Ok::<_, lambda_runtime::Error>(response)
    }))
    .await
    .map_err(|error| anyhow::anyhow!(error))
}
