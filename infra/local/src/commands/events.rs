use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::StateOption;
use super::admin::{Admin, Fields, list, number, text};
use super::terminal::say;

/// `cargo local events`
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    state: StateOption,
    /// The user.
    user: String,
    /// The session.
    session: String,
    /// The user's tenant.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// Only at this agent.
    #[arg(long)]
    agent: Option<String>,
    /// The first event.
    #[arg(long, value_name = "VERSION")]
    from: Option<i64>,
    /// The last event; 200 at once at most.
    #[arg(long, value_name = "VERSION")]
    to: Option<i64>,
    /// Print the answer as the function gave it.
    #[arg(long)]
    json: bool,
}

impl Events {
    pub(crate) async fn run(self) -> Result<()> {
        let fields = Fields::default()
            .with("tenant", Some(self.tenant))
            .with("user", Some(self.user))
            .with("session", Some(self.session))
            .with("agent", self.agent)
            .with("from", self.from)
            .with("to", self.to);
        let answer = Admin::of(&self.state)?.get(&["events"], fields).await?;
        say(&if self.json { serde_json::to_string_pretty(&answer)? } else { readable(&answer) });
        Ok(())
    }
}

/// One line per event and agent.
fn readable(answer: &Value) -> String {
    let mut lines = String::new();
    for event in list(answer, "events") {
        for agent in list(event, "agents") {
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                "{:>6}  {:<18} {}",
                number(event, "version"),
                text(agent, "agent"),
                became(agent)
            );
        }
    }
    match answer.get("next").and_then(Value::as_i64) {
        _ if lines.is_empty() => lines.push_str("there are no such events"),
        Some(next) => {
            let _ = write!(lines, "there are later ones: --from {next}");
        }
        None => lines.truncate(lines.trim_end().len()),
    }
    lines
}

/// What became of an event at an agent, thoughts of one kind counted together.
fn became(agent: &Value) -> String {
    let because = |value: &Value| match text(value, "reason") {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    let mut counted: Vec<(String, usize)> = Vec::new();
    for thought in list(agent, "thoughts") {
        let what = match text(thought, "type") {
            "" => "message",
            kind => kind,
        };
        let kind = format!("{} {what}{}", text(thought, "outcome"), because(thought));
        match counted.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => counted.push((kind, 1)),
        }
    }
    let mut said = Vec::new();
    // That it was thought about is said by what came of it.
    if text(agent, "state") != "thought" {
        said.push(format!("{}{}", text(agent, "state"), because(agent)));
    }
    said.extend(counted.into_iter().map(|(kind, count)| match count {
        1 => kind,
        _ => format!("{count} × {kind}"),
    }));
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_event_has_a_line_per_agent() {
        let thought = |outcome: &str, kind: &str| json!({"outcome": outcome, "type": kind, "reason": null});
        let shown = readable(&json!({
            "events": [{"version": 7, "agents": [
                {"agent": "entity-extractor", "state": "thought",
                 "thoughts": [thought("stored", "entity"), thought("merged", "entity"), thought("stored", "entity")]},
                {"agent": "action-detector", "state": "thought",
                 "thoughts": [{"outcome": "dropped", "type": "action", "reason": "no_evidence"}]},
                {"agent": "summarizer", "state": "quarantined", "reason": "the agent panicked", "thoughts": []},
                {"agent": "indexer", "state": "waiting", "thoughts": []},
            ]}],
            "next": 8,
        }));
        assert_eq!(
            shown,
            "     7  entity-extractor   2 × stored entity, merged entity\n     7  action-detector    dropped action (no_evidence)\n     7  summarizer         quarantined (the agent panicked)\n     7  indexer            waiting\nthere are later ones: --from 8"
        );
        assert_eq!(readable(&json!({"events": [], "next": null})), "there are no such events");
    }
}
