use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::StateOption;
use super::admin::{Admin, Target, list, number, place, second, text};
use super::terminal::say;

/// `cargo local runs`
#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(flatten)]
    state: StateOption,
    #[command(flatten)]
    target: Target,
    /// Only runs that ended so: done, degraded, quarantined or cancelled.
    #[arg(long)]
    outcome: Option<String>,
    /// Only runs that ended since: a time, or `2h` for two hours ago.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only runs that ended before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Go on after this run, the last of the page before.
    #[arg(long, value_name = "RUN")]
    before: Option<String>,
    /// How many to show at most.
    #[arg(long, default_value_t = 30)]
    limit: u16,
    /// Print the answer as the function gave it.
    #[arg(long)]
    json: bool,
}

impl Runs {
    pub(crate) async fn run(self) -> Result<()> {
        let fields = self
            .target
            .fields()
            .with("outcome", self.outcome)
            .with("since", self.since)
            .with("until", self.until)
            .with("before", self.before)
            .with("limit", Some(self.limit));
        let answer = Admin::of(&self.state)?.get("runs", fields).await?;
        say(&if self.json { serde_json::to_string_pretty(&answer)? } else { readable(&answer) });
        Ok(())
    }
}

fn readable(answer: &Value) -> String {
    let runs = list(answer, "runs");
    if runs.is_empty() {
        return "there are no such runs".to_owned();
    }
    let mut lines = format!(
        "{:<19}  {:<18} {:<11} {:>9}  {:<24} why",
        "finished", "agent", "outcome", "events", "session"
    );
    for run in runs {
        let window = format!("{}-{}", number(run, "after") + 1, number(run, "through"));
        let why = match text(run, "redriven_by") {
            "" => text(run, "reason").to_owned(),
            _ => format!("{} (thought about since)", text(run, "reason")),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            lines,
            "\n{:<19}  {:<18} {:<11} {window:>9}  {:<24} {why}",
            second(run, "finished_at"),
            text(run, "agent"),
            text(run, "outcome"),
            place(run),
        );
        lines.truncate(lines.trim_end().len());
    }
    let next = text(answer, "next");
    if !next.is_empty() {
        let _ = write!(lines, "\nthere are older ones: --before {next}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_is_a_line_with_its_window_and_why() {
        let shown = readable(&json!({
            "runs": [
                {"agent": "indexer", "outcome": "quarantined", "after": 2, "through": 3, "reason": "the agent panicked",
                 "tenant": "acme", "user": "ada", "session": "chat", "finished_at": "2026-03-10T12:00:00.5Z"},
                {"agent": "indexer", "outcome": "done", "after": 0, "through": 2, "reason": null,
                 "tenant": "acme", "user": "ada", "session": "chat", "finished_at": "2026-03-10T11:00:00Z"},
            ],
            "next": "018f3c1e-0000-7000-8000-000000000000",
        }));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[1],
            "2026-03-10 12:00:00  indexer            quarantined       3-3  acme/ada/chat            the agent panicked"
        );
        assert!(lines[2].ends_with("1-2  acme/ada/chat"), "{}", lines[2]);
        assert_eq!(lines[3], "there are older ones: --before 018f3c1e-0000-7000-8000-000000000000");
        assert_eq!(readable(&json!({"runs": [], "next": null})), "there are no such runs");
    }
}
