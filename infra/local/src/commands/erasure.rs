use std::fmt::Write as _;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::StateOption;
use super::admin::{Admin, Fields, list, second};
use super::terminal::say;

/// `cargo local erasure`
#[derive(Debug, Args)]
pub(crate) struct Erasure {
    #[command(flatten)]
    state: StateOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look in every table, in hot state, among dead letters and in the archive for what is left; fails when something is.
    Verify {
        /// The user who was erased.
        user: String,
        /// The session, when it alone was erased.
        #[arg(long)]
        session: Option<String>,
        /// The user's tenant.
        #[arg(long, default_value = "default")]
        tenant: String,
    },
}

impl Erasure {
    pub(crate) async fn run(self) -> Result<()> {
        let Command::Verify { user, session, tenant } = self.command;
        let fields =
            Fields::default().with("tenant", Some(tenant)).with("user", Some(user)).with("session", session);
        let answer = Admin::of(&self.state)?.get(&["erasures", "verification"], fields).await?;
        let found = readable(&answer);
        if answer.get("is_clean").and_then(Value::as_bool) != Some(true) {
            bail!("{found}");
        }
        say(&found);
        Ok(())
    }
}

/// What is left, a layer a line.
fn readable(answer: &Value) -> String {
    let at = second(answer, "erased_at");
    let mut lines = match answer.get("is_clean").and_then(Value::as_bool) {
        Some(true) => format!("erased at {at}, and nothing is left"),
        _ if at.is_empty() => "never erased".to_owned(),
        _ => format!("erased at {at}, and not all is gone or was looked at"),
    };
    let left = answer.get("left").and_then(Value::as_object).into_iter().flatten();
    for (layer, count) in left.filter(|(layer, _)| *layer != "never erased") {
        // Writing to a string cannot fail.
        let _ = write!(lines, "\n    {:>6}  {layer}", count.as_u64().unwrap_or_default());
    }
    for layer in list(answer, "cut").iter().filter_map(Value::as_str) {
        let _ = write!(lines, "\n    there is more of {layer} than was looked at");
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_is_said_by_layer() {
        let at = "2026-02-10T09:00:05.5Z";
        let clean = json!({"is_clean": true, "erased_at": at, "left": {}, "cut": []});
        assert_eq!(readable(&clean), "erased at 2026-02-10 09:00:05, and nothing is left");
        let left = json!({"is_clean": false, "erased_at": at, "left": {"events": 2, "hot_items": 1}, "cut": ["dead_letters"]});
        assert_eq!(
            readable(&left),
            "erased at 2026-02-10 09:00:05, and not all is gone or was looked at\n         2  events\n         1  hot_items\
             \n    there is more of dead_letters than was looked at"
        );
        let never = json!({"is_clean": false, "erased_at": null, "left": {"never erased": 1}, "cut": []});
        assert_eq!(readable(&never), "never erased");
    }
}
