use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use local::queues::depth;
use serde_json::Value;

use super::StateOption;
use super::admin::{Admin, Fields, agent, list, number, place_or_everything, second, text};
use super::progress::dead_letters;
use super::terminal::say;

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
        let mut status = Admin::at(&endpoints.recall_url).get(&["status"], Fields::default()).await?;
        let aws = local::emulator::sdk_config(&endpoints.aws_endpoint, &endpoints.account);
        let sqs = aws_sdk_sqs::Client::new(&aws);
        let dead = dead_letters(&sqs, &endpoints.queues).await?;
        // What waits in the queues, only SQS knows.
        for agent in status.get_mut("agents").and_then(Value::as_array_mut).into_iter().flatten() {
            let (name, failures) = (text(agent, "agent").to_owned(), number(agent, "quarantined"));
            if let (Some(url), Some(fields)) = (endpoints.queues.get(&name), agent.as_object_mut()) {
                fields.insert("wake_ups_waiting".to_owned(), depth(&sqs, url).await?.into());
                fields.insert("failures".to_owned(), failures.into());
                fields.insert("dead_letters".to_owned(), dead.get(&name).copied().into());
            }
        }
        say(&if self.json { status.to_string() } else { readable(&status) });
        Ok(())
    }
}

fn readable(status: &Value) -> String {
    let mut lines = format!(
        "{:<18} {:>8} {:>8} {:>9} {:>6} {:>7} {:>9} {:>8} {:>5}",
        "agent", "events", "behind", "sessions", "held", "lag s", "waiting", "failed", "dead"
    );
    for agent in list(status, "agents") {
        let lag = agent.get("lag_seconds").and_then(Value::as_f64);
        let lag = lag.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.0}"));
        // Writing to a string cannot fail.
        let _ = write!(
            lines,
            "\n{:<18} {:>8} {:>8} {:>9} {:>6} {lag:>7} {:>9} {:>8} {:>5}",
            text(agent, "agent"),
            number(agent, "events"),
            number(agent, "events_behind"),
            number(agent, "sessions_behind"),
            number(agent, "held"),
            number(agent, "wake_ups_waiting"),
            number(agent, "quarantined"),
            number(agent, "dead_letters"),
        );
    }
    for hold in list(status, "holds") {
        let _ = write!(lines, "\n\nheld: {}", held(hold));
    }
    let _ = write!(lines, "\n\n{}", slot(status.get("slot").unwrap_or(&Value::Null)));
    for table in list(status, "adopted_tables") {
        let _ = write!(lines, "\n\n{}", adopted(table));
    }
    lines
}

/// A table that is followed, and why not when it cannot be.
fn adopted(table: &Value) -> String {
    let state = match (text(table, "broken"), text(table, "backfilled_at")) {
        ("", "") => "its old rows are being read".to_owned(),
        ("", _) => "followed".to_owned(),
        (reason, _) => format!("cannot be read since {}: {reason}", second(table, "broken_at")),
    };
    let rows = number(table, "rows_backfilled") + number(table, "rows_followed");
    format!(
        "adopted table {}: {state}; {rows} rows read, {} refused, {} waiting",
        text(table, "relation"),
        number(table, "rows_refused"),
        number(table, "waiting"),
    )
}

fn held(hold: &Value) -> String {
    let until = match text(hold, "until") {
        "" => "until resumed".to_owned(),
        _ => format!("until {}", second(hold, "until")),
    };
    format!("{} of {}, {until} ({})", agent(hold), place_or_everything(hold), text(hold, "reason"))
}

fn slot(slot: &Value) -> String {
    let name = text(slot, "name");
    let is = |field: &str| slot.get(field).and_then(Value::as_bool) == Some(true);
    if !is("exists") {
        return format!("slot {name} is missing");
    }
    if is("lost") {
        let why = match text(slot, "reason") {
            "" => "the server gave no reason",
            reason => reason,
        };
        return format!(
            "slot {name} is lost ({why}); replace it by invoking migrate with {{\"recreate_slot\": true}}"
        );
    }
    let reader = match text(slot, "reader") {
        "" => "nobody",
        reader => reader,
    };
    format!("slot {name}: {} bytes of WAL not yet confirmed, read by {reader}", number(slot, "lag_bytes"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_of_every_agent_is_a_line_and_so_is_every_hold() {
        let shown = readable(&json!({
            "agents": [{"agent": "indexer", "events": 12, "events_behind": 3, "sessions_behind": 2, "held": 1,
                        "lag_seconds": 61.4, "quarantined": 4, "wake_ups_waiting": 5, "dead_letters": 6}],
            "holds": [{"tenant": "acme", "agent": null, "user": null, "session": null, "reason": "pause",
                       "until": "2026-03-10T12:00:00Z", "since": "2026-03-10T11:00:00Z"}],
            "slot": {"name": "afterthought", "exists": true, "lost": false, "lag_bytes": 7, "reader": null},
        }));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["indexer", "12", "3", "2", "1", "61", "5", "4", "6"]
        );
        assert_eq!(lines[3], "held: every agent of acme, until 2026-03-10 12:00:00 (pause)");
        assert_eq!(lines[5], "slot afterthought: 7 bytes of WAL not yet confirmed, read by nobody");
    }

    #[test]
    fn an_adopted_table_says_how_far_it_is_and_what_keeps_it() {
        let mut table = json!({"relation": "public.messages", "rows_backfilled": 40, "rows_followed": 2,
                               "rows_refused": 1, "waiting": 3});
        let head = "adopted table public.messages: ";
        let rows = "; 42 rows read, 1 refused, 3 waiting";
        assert_eq!(adopted(&table), format!("{head}its old rows are being read{rows}"));
        table["backfilled_at"] = "2026-03-10T12:00:00Z".into();
        assert_eq!(adopted(&table), format!("{head}followed{rows}"));
        table["broken"] = "column t.body does not exist".into();
        table["broken_at"] = "2026-03-10T12:00:00Z".into();
        let broken = "cannot be read since 2026-03-10 12:00:00: column t.body does not exist";
        assert_eq!(adopted(&table), format!("{head}{broken}{rows}"));
    }

    #[test]
    fn a_slot_that_cannot_be_read_says_what_to_do() {
        assert_eq!(slot(&json!({"name": "s", "exists": false, "lost": false})), "slot s is missing");
        let lost = slot(&json!({"name": "s", "exists": true, "lost": true, "reason": "wal_removed"}));
        assert!(lost.contains("(wal_removed)") && lost.contains("recreate_slot"), "{lost}");
    }
}
