use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use model::{Price, Usage};
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
    /// US dollars per million tokens of questions to the model; with `--output-price`, what each run cost is shown, whichever
    /// model it asked.
    #[arg(long, env = "MODEL_INPUT_PRICE", value_name = "DOLLARS", default_value = "")]
    input_price: String,
    /// US dollars per million tokens of answers.
    #[arg(long, env = "MODEL_OUTPUT_PRICE", value_name = "DOLLARS", default_value = "")]
    output_price: String,
    /// Print the answer as the function gave it.
    #[arg(long)]
    json: bool,
}

impl Runs {
    pub(crate) async fn run(self) -> Result<()> {
        let prices = [("MODEL_INPUT_PRICE", self.input_price), ("MODEL_OUTPUT_PRICE", self.output_price)];
        let prices: HashMap<String, String> = prices.map(|(name, value)| (name.to_owned(), value)).into();
        let price = Price::from_map(&prices)?;
        let fields = self
            .target
            .fields()
            .with("outcome", self.outcome)
            .with("since", self.since)
            .with("until", self.until)
            .with("before", self.before)
            .with("limit", Some(self.limit));
        let answer = Admin::of(&self.state)?.get(&["runs"], fields).await?;
        say(&if self.json { serde_json::to_string_pretty(&answer)? } else { readable(&answer, price) });
        Ok(())
    }
}

fn readable(answer: &Value, price: Option<Price>) -> String {
    let runs = list(answer, "runs");
    if runs.is_empty() {
        return "there are no such runs".to_owned();
    }
    let mut lines = format!(
        "{:<19}  {:<18} {:<11} {:>9} {:>8} {:>9}  {:<24} why",
        "finished", "agent", "outcome", "events", "tokens", "dollars", "session"
    );
    for run in runs {
        let window = format!("{}-{}", number(run, "after") + 1, number(run, "through"));
        let why = match text(run, "redriven_by") {
            "" => text(run, "reason").to_owned(),
            _ => format!("{} (thought about since)", text(run, "reason")),
        };
        let count = |field: &str| u64::try_from(number(run, field)).unwrap_or_default();
        let usage = Usage {
            model: String::new(),
            input_tokens: count("input_tokens"),
            output_tokens: count("output_tokens"),
        };
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        // Of a run that asked nobody there is nothing to say.
        let told = |text: Option<String>| text.filter(|_| tokens > 0).unwrap_or_default();
        let (tokens, dollars) = (
            told(Some(tokens.to_string())),
            told(price.map(|price| format!("{:.6}", price.cost(&usage).microdollars() / 1e6))),
        );
        // Writing to a string cannot fail.
        let _ = write!(
            lines,
            "\n{:<19}  {:<18} {:<11} {window:>9} {tokens:>8} {dollars:>9}  {:<24} {why}",
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
        let answer = json!({
            "runs": [
                {"agent": "indexer", "outcome": "quarantined", "after": 2, "through": 3, "reason": "the agent panicked",
                 "tenant": "acme", "user": "ada", "session": "chat", "finished_at": "2026-03-10T12:00:00.5Z"},
                {"agent": "summarizer", "outcome": "done", "after": 0, "through": 9, "reason": null,
                 "input_tokens": 701, "output_tokens": 100,
                 "tenant": "acme", "user": "ada", "session": "chat", "finished_at": "2026-03-10T11:30:00Z"},
                {"agent": "indexer", "outcome": "done", "after": 0, "through": 2, "reason": null,
                 "tenant": "acme", "user": "ada", "session": "chat", "finished_at": "2026-03-10T11:00:00Z"},
            ],
            "next": "018f3c1e-0000-7000-8000-000000000000",
        });
        let prices = [("MODEL_INPUT_PRICE", "0.15"), ("MODEL_OUTPUT_PRICE", "0.60")];
        let prices: HashMap<String, String> =
            prices.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let shown = readable(&answer, Price::from_map(&prices).unwrap());
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[1],
            "2026-03-10 12:00:00  indexer            quarantined       3-3                     acme/ada/chat            the agent panicked"
        );
        assert_eq!(
            lines[2],
            "2026-03-10 11:30:00  summarizer         done              1-9      801  0.000165  acme/ada/chat"
        );
        assert!(lines[3].ends_with("1-2                     acme/ada/chat"), "{}", lines[3]);
        assert!(!readable(&answer, None).contains("0.000165"));
        assert_eq!(lines[4], "there are older ones: --before 018f3c1e-0000-7000-8000-000000000000");
        assert_eq!(readable(&json!({"runs": [], "next": null}), None), "there are no such runs");
    }
}
