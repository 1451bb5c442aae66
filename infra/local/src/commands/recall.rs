use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use url::Url;

use super::StateOption;
use super::caller::Caller;
use super::terminal::say;

/// `cargo local recall`
#[derive(Debug, Args)]
pub(crate) struct Recall {
    #[command(flatten)]
    state: StateOption,
    /// The user to ask about.
    user: String,
    /// The question.
    question: String,
    /// How many memories and events to answer with at most.
    #[arg(short, long, default_value_t = 5)]
    k: u16,
    #[command(flatten)]
    caller: Caller,
    /// Print the answer as the function gave it.
    #[arg(long)]
    json: bool,
}

impl Recall {
    pub(crate) async fn run(self) -> Result<()> {
        let endpoints = self.state.open()?.endpoints()?;
        let answer = ask(&endpoints.recall_url, &self.caller, &self.user, &self.question, self.k).await?;
        say(&if self.json { serde_json::to_string_pretty(&answer)? } else { readable(&answer) });
        Ok(())
    }
}

/// Asks the recall function over HTTP, as an application does.
pub(crate) async fn ask(
    recall_url: &str,
    caller: &Caller,
    user: &str,
    question: &str,
    k: u16,
) -> Result<Value> {
    let mut url = Url::parse(recall_url)?;
    url.path_segments_mut()
        .ok()
        .context("the recall URL has no path")?
        .extend(["v1", "users", user, "recall"]);
    url.query_pairs_mut().append_pair("query", question).append_pair("k", &k.to_string());
    let answer = caller.sign(reqwest::Client::new().get(url)).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("recall answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("recall answered something else than JSON: {text}"))
}

/// The answer as lines of text: memories first, then what was said.
pub(crate) fn readable(answer: &Value) -> String {
    let mut lines = String::new();
    for (name, list) in [("memories", "memories"), ("said", "events")] {
        let entries = answer.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for entry in entries {
            let text = |fields: &[&str]| {
                fields.iter().find_map(|field| entry.get(*field)?.as_str()).unwrap_or_default()
            };
            let score = entry.pointer("/score/total").and_then(Value::as_f64).unwrap_or_default();
            let who = text(&["type", "speaker", "role"]);
            let when = text(&["occurred_at", "valid_from"]).get(..10).unwrap_or_default().to_owned();
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                "    {score:>5.2}  {name:<8}  {when:<10}  {who}: {}",
                shortened(text(&["content"]))
            );
        }
    }
    if lines.is_empty() {
        "    nothing is remembered that answers this".to_owned()
    } else {
        lines.trim_end().to_owned()
    }
}

/// As much of a text as fits a line or two.
fn shortened(text: &str) -> String {
    const LONGEST_CHARS: usize = 180;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= LONGEST_CHARS {
        return text;
    }
    let cut: String = text.chars().take(LONGEST_CHARS).collect();
    format!("{} …", cut.rsplit_once(' ').map_or(cut.as_str(), |(whole_words, _)| whole_words))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_shown_with_scores_and_who_said_it() {
        let answer = json!({
            "memories": [{ "type": "summary", "content": "word ".repeat(60), "score": { "total": 1.5 } }],
            "events": [{ "speaker": "Ada", "content": "Hello.", "occurred_at": "2026-02-10T09:00:00Z", "score": { "total": 2.25 } }]
        });
        let shown = readable(&answer);
        assert!(shown.contains(" 1.50  memories") && shown.contains("word …"), "{shown}");
        assert!(shown.contains(" 2.25  said      2026-02-10  Ada: Hello."), "{shown}");
    }

    #[test]
    fn an_empty_answer_says_so() {
        assert!(readable(&json!({ "memories": [], "events": [] })).contains("nothing is remembered"));
    }
}
