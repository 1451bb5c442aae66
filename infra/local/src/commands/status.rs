use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use local::template::Template;
use serde_json::json;
use store::{DatabaseConfig, Role, Store};

use super::progress::{dead_letters, depth};
use super::terminal::say;
use super::{StateOption, workspace};

/// `cargo local status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    state: StateOption,
    /// Print one JSON document instead.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) async fn run(self) -> Result<()> {
        let endpoints = self.state.open()?.endpoints()?;
        let agents = Template::read(&workspace())?.agents();
        let agents: Vec<&str> = agents.iter().map(String::as_str).collect();
        let store = Store::new(&DatabaseConfig::parse(&endpoints.database_url)?, Role::Login, 1)?;
        let progress = store.progress(&agents).await?;
        let failures = store.quarantined_counts().await?;
        let slot = store.slot_state(&endpoints.slot).await?;
        let aws = local::emulator::sdk_config(&endpoints.aws_endpoint, &endpoints.account);
        let sqs = aws_sdk_sqs::Client::new(&aws);
        let dead = dead_letters(&sqs, &endpoints.queues).await?;
        let mut waiting = BTreeMap::new();
        for (agent, url) in &endpoints.queues {
            waiting.insert(agent.as_str(), depth(&sqs, url).await?);
        }
        let slot_lag = slot.as_ref().and_then(|slot| slot.lag_bytes);
        let reader = slot.as_ref().and_then(|slot| slot.active_reader.clone());
        if self.json {
            let agents: Vec<_> = progress
                .iter()
                .map(|agent| {
                    json!({
                        "agent": agent.agent,
                        "events": agent.events,
                        "events_behind": agent.events_behind,
                        "sessions_behind": agent.sessions_behind,
                        "lag_seconds": agent.lag_seconds,
                        "failures": failures.get(&agent.agent).copied().unwrap_or(0),
                        "wake_ups_waiting": waiting.get(agent.agent.as_str()),
                        "dead_letters": dead.get(&agent.agent),
                    })
                })
                .collect();
            let lost = slot.as_ref().is_none_or(|slot| slot.lost);
            let slot =
                json!({ "name": endpoints.slot, "lag_bytes": slot_lag, "reader": reader, "lost": lost });
            say(&json!({ "agents": agents, "slot": slot }).to_string());
            return Ok(());
        }
        say(&format!(
            "{:<18} {:>8} {:>8} {:>9} {:>7} {:>9} {:>8} {:>5}",
            "agent", "events", "behind", "sessions", "lag s", "waiting", "failed", "dead"
        ));
        for agent in &progress {
            let name = agent.agent.as_str();
            let lag = agent.lag_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.0}"));
            say(&format!(
                "{name:<18} {:>8} {:>8} {:>9} {lag:>7} {:>9} {:>8} {:>5}",
                agent.events,
                agent.events_behind,
                agent.sessions_behind,
                waiting.get(name).copied().unwrap_or(0),
                failures.get(name).copied().unwrap_or(0),
                dead.get(name).copied().unwrap_or(0),
            ));
        }
        say("");
        say(&match (&slot, slot_lag) {
            (None, _) => format!("slot {} is missing", endpoints.slot),
            (Some(slot), _) if slot.lost => {
                let why = slot.reason.as_deref().unwrap_or("the server gave no reason");
                format!(
                    "slot {} is lost ({why}); replace it by invoking migrate with {{\"recreate_slot\": true}}",
                    endpoints.slot
                )
            }
            (Some(_), lag) => format!(
                "slot {}: {} bytes of WAL not yet confirmed, read by {}",
                endpoints.slot,
                lag.unwrap_or(0),
                reader.as_deref().unwrap_or("nobody")
            ),
        });
        Ok(())
    }
}
