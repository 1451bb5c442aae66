//! Orders to the agents: pause, resume, cancel, replay, redrive.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::StateOption;
use super::admin::{Admin, Fields, Target, agent, list, number, place, place_or_everything, second, text};
use super::terminal::say;

/// How many of those it affected an order shows.
const MOST_SHOWN: usize = 10;

/// What every order has.
#[derive(Debug, Args)]
struct Order {
    #[command(flatten)]
    state: StateOption,
    #[command(flatten)]
    target: Target,
    /// Print the answer as the function gave it.
    #[arg(long)]
    json: bool,
}

impl Order {
    async fn give(
        &self,
        name: &str,
        with: impl FnOnce(Fields) -> Fields,
        done: impl FnOnce(&Value) -> String,
    ) -> Result<()> {
        self.show(&[name], with, |answer| readable(&done(answer), answer)).await
    }

    async fn show(
        &self,
        path: &[&str],
        with: impl FnOnce(Fields) -> Fields,
        readable: impl FnOnce(&Value) -> String,
    ) -> Result<()> {
        let answer = Admin::of(&self.state)?.post(path, with(self.target.fields())).await?;
        say(&if self.json { serde_json::to_string_pretty(&answer)? } else { readable(&answer) });
        Ok(())
    }
}

/// `cargo local pause`
#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    order: Order,
    /// When it ends by itself: a time, or `2h` for in two hours.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Pause {
    pub(crate) async fn run(self) -> Result<()> {
        let Self { order, until } = self;
        order
            .give(
                "pause",
                |fields| fields.with("until", until),
                |answer| match text(answer, "until") {
                    "" => "paused; `cargo local resume` with the same options ends it".to_owned(),
                    until => format!("paused until {until}"),
                },
            )
            .await
    }
}

/// `cargo local resume`
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    order: Order,
}

impl Resume {
    pub(crate) async fn run(self) -> Result<()> {
        self.order.give("resume", |fields| fields, |answer| format!("resumed; {}", woken(answer))).await
    }
}

/// `cargo local cancel`
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    order: Order,
    /// Only what was accepted before: a time, or `2h` for two hours ago.
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Every session of every tenant.
    #[arg(long)]
    all: bool,
}

impl Cancel {
    pub(crate) async fn run(self) -> Result<()> {
        let Self { order, before, all } = self;
        let with = |fields: Fields| fields.with("before", before).with("all", all.then_some(true));
        order
            .give("cancel", with, |answer| {
                format!(
                    "{} of {} called off",
                    counted(number(answer, "events"), "event"),
                    counted(number(answer, "sessions"), "session")
                )
            })
            .await
    }
}

/// `cargo local replay`
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    order: Order,
    /// The first version of a session to think about again; 1 for all of it.
    #[arg(long, value_name = "VERSION", required_unless_present = "since", conflicts_with = "since")]
    version: Option<i64>,
    /// From the first event accepted since: a time, or `2h` for two hours ago.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Every session of every tenant.
    #[arg(long)]
    all: bool,
}

impl Replay {
    pub(crate) async fn run(self) -> Result<()> {
        let Self { order, version, since, all } = self;
        let with = |fields: Fields| {
            fields.with("version", version).with("since", since).with("all", all.then_some(true))
        };
        order.give("replay", with, |answer| format!("sent back; {}", woken(answer))).await
    }
}

/// `cargo local redrive`
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    #[command(flatten)]
    order: Order,
    /// Only what was set aside since: a time, or `2h` for two hours ago.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what was set aside before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only where the error contains this.
    #[arg(long)]
    reason: Option<String>,
    /// What was accepted and could not be stored, instead of what agents set aside.
    #[arg(long, conflicts_with_all = ["agent", "since", "until"])]
    ingest: bool,
    /// Only list it, without what it says.
    #[arg(long, requires = "ingest")]
    dry_run: bool,
}

impl Redrive {
    pub(crate) async fn run(self) -> Result<()> {
        let Self { order, since, until, reason, ingest, dry_run } = self;
        if ingest {
            let with =
                |fields: Fields| fields.with("reason", reason).with("dry_run", dry_run.then_some(true));
            return order.show(&["ingest", "redrive"], with, |answer| letters(answer, dry_run)).await;
        }
        let with = |fields: Fields| fields.with("since", since).with("until", until).with("reason", reason);
        order
            .give("redrive", with, |answer| {
                format!(
                    "{} sent to be tried again, {} cleared away",
                    counted(number(answer, "woken"), "window"),
                    counted(number(answer, "dead_letters_deleted"), "dead letter")
                )
            })
            .await
    }
}

/// Dead letters of what was accepted, and what became of them.
fn letters(answer: &Value, is_dry: bool) -> String {
    let found = counted(number(answer, "letters"), "dead letter");
    let mut lines = match number(answer, "redriven") {
        _ if is_dry => found,
        redriven => format!("{redriven} of {found} sent to be stored again"),
    };
    let affected = list(answer, "affected");
    for one in affected.iter().take(MOST_SHOWN) {
        let place = match place(one) {
            place if place.is_empty() => "of nobody knows whom".to_owned(),
            place => place,
        };
        let (events, since) = (counted(number(one, "events"), "event"), second(one, "since"));
        // Writing to a string cannot fail.
        let _ = write!(lines, "\n    {since}  {place}  {events}  {}", text(one, "reason"));
    }
    if affected.len() > MOST_SHOWN {
        lines.push_str("\n    … --json lists up to 100");
    }
    if answer.get("more").and_then(Value::as_bool) == Some(true) {
        lines.push_str("\nthere may be more: repeat the command");
    }
    if !text(answer, "note").is_empty() {
        let _ = write!(lines, "\n{}", text(answer, "note"));
    }
    lines
}

fn woken(answer: &Value) -> String {
    match (number(answer, "woken"), number(answer, "sessions")) {
        (woken, sessions) if woken == sessions => format!("{} woken", counted(woken, "session")),
        (woken, sessions) => format!("{woken} of {} woken", counted(sessions, "session")),
    }
}

fn counted(count: i64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// What was done, whom it affected, and what else there is to say.
fn readable(done: &str, answer: &Value) -> String {
    let mut lines = done.to_owned();
    let affected = list(answer, "affected");
    for one in affected.iter().take(MOST_SHOWN) {
        // Writing to a string cannot fail.
        let _ = write!(lines, "\n    {:<18} {}", agent(one), place_or_everything(one));
        if one.get("through").is_some() {
            let _ = write!(lines, "  {}-{}", number(one, "after") + 1, number(one, "through"));
        }
        if !text(one, "reason").is_empty() {
            let _ = write!(lines, "  {}", text(one, "reason"));
        }
    }
    if affected.len() > MOST_SHOWN {
        let all = ["sessions", "windows"].into_iter().map(|field| number(answer, field)).sum::<i64>();
        let _ = write!(lines, "\n    … {all} in all; --json lists up to 100");
    }
    if !text(answer, "note").is_empty() {
        let _ = write!(lines, "\n{}", text(answer, "note"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_says_what_was_done_and_to_whom() {
        let one =
            json!({"agent": "indexer", "tenant": "acme", "user": "ada", "session": "chat", "version": 3});
        let answer = json!({"sessions": 150, "woken": 149, "affected": vec![one; 100], "note": "SQS did not accept every wake-up"});
        let shown = readable(&format!("sent back; {}", woken(&answer)), &answer);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "sent back; 149 of 150 sessions woken");
        assert_eq!(lines[1], "    indexer            acme/ada/chat");
        assert_eq!(
            lines[11..],
            ["    … 150 in all; --json lists up to 100", "SQS did not accept every wake-up"]
        );
        let answer = json!({"holds": 1, "affected": [{"tenant": null, "agent": null}]});
        assert_eq!(readable("paused", &answer), "paused\n    every agent        every tenant");
        assert_eq!(woken(&json!({"sessions": 0, "woken": 0})), "0 sessions woken");
        assert_eq!(woken(&json!({"sessions": 1, "woken": 1})), "1 session woken");
    }

    #[test]
    fn dead_letters_are_shown_by_whose_they_are_and_why() {
        let one = json!({"tenant": "acme", "user": "ada", "session": "chat", "events": 2,
                         "since": "2026-02-10T09:00:05.5Z", "reason": "tenant 'acme' is unknown"});
        let unread = json!({"tenant": null, "events": 0, "since": "2026-02-10T09:00:06Z", "reason": "holds no accepted events"});
        let mut answer = json!({"letters": 2, "redriven": 0, "more": false, "affected": [one, unread]});
        let lines = "\n    2026-02-10 09:00:05  acme/ada/chat  2 events  tenant 'acme' is unknown\
                     \n    2026-02-10 09:00:06  of nobody knows whom  0 events  holds no accepted events";
        assert_eq!(letters(&answer, true), format!("2 dead letters{lines}"));
        answer["redriven"] = 1.into();
        answer["more"] = true.into();
        let repeat = "there may be more: repeat the command";
        assert_eq!(
            letters(&answer, false),
            format!("1 of 2 dead letters sent to be stored again{lines}\n{repeat}")
        );
    }

    #[test]
    fn a_window_is_shown_with_its_versions_and_reason() {
        let answer = json!({"windows": 1, "affected": [
            {"agent": "indexer", "tenant": "acme", "after": 2, "through": 3, "reason": "the agent panicked"}
        ]});
        assert!(readable("", &answer).ends_with("indexer            acme  3-3  the agent panicked"));
    }
}
