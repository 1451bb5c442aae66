//! Looking everywhere for what was erased.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use testkit::TestAws;
use tokio_postgres::Client;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Every table that this scan knows. Whoever adds one says here that what an erasure does to it was thought about, in
/// `docs/ERASURE.md` and in the queries of an erasure.
///
/// `adopted_arrivals` holds keys of rows of an application's table that have not been read, each for moments, and
/// `adopted_refusals` goes with the row it is of. Nobody's are `guard_rules`, which are rules for secrets, `upkeep`, what the
/// deployment has done to its indexes, and `webhook_endpoints` and `webhook_sources`, which are a tenant's own.
const KNOWN: [&str; 36] = [
    "adopted_arrivals", "adopted_refusals", "adopted_tables", "agent_cursors", "agent_runs", "api_keys",
    "archive_objects", "checkpoints", "erased_sessions", "erasures", "event_index", "event_passages",
    "guard_rules", "holds", "ledger", "memories", "memory_access", "memory_evidence", "memory_index",
    "memory_marks", "memory_totals", "memory_versions", "memory_words", "operations", "profiles", "requests",
    "retractions", "reviews", "session_events", "sessions", "snapshots", "tenants", "upkeep",
    "webhook_deliveries", "webhook_endpoints", "webhook_sources",
];

/// Rows of every table, and of what the server knows of their values, in which one of the marks is: as text, with binary
/// columns in hexadecimal digits. An error for a table that nobody has thought about.
pub(super) async fn rows(owner: &Client, marks: &[String]) -> Vec<String> {
    let tables = owner
        .query(
            "select n.nspname::text, c.relname::text
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')",
            &[],
        )
        .await
        .unwrap();
    let patterns: BTreeSet<String> = marks
        .iter()
        .flat_map(|mark| {
            let digits: String = mark
                .bytes()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(|digit| char::from_digit(digit.into(), 16).unwrap())
                .collect();
            [mark.clone(), digits]
        })
        .map(|mark| format!("%{mark}%"))
        .collect();
    let patterns: Vec<&String> = patterns.iter().collect();
    let mut found = Vec::new();
    for table in &tables {
        let (schema, name): (String, String) = (table.get(0), table.get(1));
        let is_known = match schema.as_str() {
            "afterthought" => KNOWN.contains(&name.as_str()),
            "public" => name == "refinery_schema_history",
            // The application's own table, in which it erases by itself.
            "application" => continue,
            _ => false,
        };
        assert!(is_known, "{schema}.{name} is a table that nobody has said how to erase from: see scan.rs");
        let read = format!("select t::text from \"{schema}\".\"{name}\" t where t::text ilike any($1)");
        for row in owner.query(&read, &[&patterns]).await.unwrap() {
            found.push(format!("{name}: {}", row.get::<_, String>(0)));
        }
    }
    let statistics =
        "select s::text from pg_stats s where schemaname = 'afterthought' and s::text ilike any($1)";
    for row in owner.query(statistics, &[&patterns]).await.unwrap() {
        found.push(format!("statistics: {}", row.get::<_, String>(0)));
    }
    found
}

/// Items of the hot table in which one of the marks is.
pub(super) async fn items(aws: &TestAws, table: &str, marks: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page =
            aws.dynamodb().scan().table_name(table).set_exclusive_start_key(after).send().await.unwrap();
        let items = page.items().iter().map(|item| format!("{item:?}"));
        found.extend(items.filter(|item| marks.iter().any(|mark| item.contains(mark))));
        after = page.last_evaluated_key.filter(|key| !key.is_empty());
        if after.is_none() {
            return found;
        }
    }
}

/// Messages of every queue, dead letters among them, in which one of the marks is. What is looked at is gone.
pub(super) async fn messages(aws: &TestAws, marks: &[String]) -> Vec<String> {
    let queues = aws.sqs().list_queues().send().await.unwrap();
    let mut found = Vec::new();
    for url in queues.queue_urls() {
        for message in aws.drain(url).await.unwrap() {
            let text = format!("{message:?}");
            if marks.iter().any(|mark| text.contains(mark)) {
                found.push(format!("{url}: {text}"));
            }
        }
    }
    found
}

/// What is logged, kept for a look.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps what this thread logs from here on, for as long as the guard lives.
    pub(super) fn keep() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("info"))
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Lines in which one of the marks is.
    pub(super) fn lines(&self, marks: &[String]) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        assert!(!text.is_empty(), "something was logged");
        let has = |line: &&str| marks.iter().any(|mark| line.contains(mark));
        text.lines().filter(has).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
