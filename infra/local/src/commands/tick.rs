use anyhow::{Context, Result};
use clap::Args;
use domain::{Envelope, WakeUp};
use jiff::Timestamp;
use local::emulator;

use super::StateOption;
use super::terminal::say;

/// `cargo local tick`
#[derive(Debug, Args)]
pub(crate) struct Tick {
    #[command(flatten)]
    state: StateOption,
    /// The agent to wake.
    agent: String,
}

impl Tick {
    #[expect(clippy::disallowed_methods, reason = "a command stamps what it sends with the time it sends it")]
    pub(crate) async fn run(self) -> Result<()> {
        let endpoints = self.state.open()?.endpoints()?;
        let queue = endpoints.queues.get(&self.agent).with_context(|| {
            let known: Vec<_> = endpoints.queues.keys().map(String::as_str).collect();
            format!("there is no agent {:?}; there are {}", self.agent, known.join(", "))
        })?;
        let aws = emulator::sdk_config(&endpoints.aws_endpoint, &endpoints.account);
        let body = Envelope::first(WakeUp::Tick, Timestamp::now()).to_body();
        aws_sdk_sqs::Client::new(&aws).send_message().queue_url(queue).message_body(body).send().await?;
        say(&format!("sent a tick to {}", self.agent));
        Ok(())
    }
}
