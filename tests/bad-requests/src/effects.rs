//! What a request may change: rows of Postgres, items of DynamoDB, messages of queues.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use jiff::Timestamp;
use local::database::connect;
use local::queues::depth;
use local::running::Running;

/// Items that a refused request may write, by what their partitions begin with: it counts as a request, its events may have been
/// counted and given back, and what Postgres says of keys and tenants is copied when a copy is missing (docs/TENANTS.md).
const OF_REFUSALS: [&str; 4] = ["rate#", "quota#", "key#", "tenant#"];
const DEAD_LETTERS: &str = "-dlq";

/// What there is to change, and how it was when somebody looked last.
#[derive(Debug)]
pub(crate) struct Effects {
    database: tokio_postgres::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    hot_table: String,
    queues: Vec<String>,
    state: State,
}

/// What everything holds.
#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    /// Of each table, how many rows it has and which transaction was the last to write one.
    tables: BTreeMap<String, String>,
    items: BTreeMap<(String, String), HashMap<String, AttributeValue>>,
    /// How many messages are in each queue or among its dead letters.
    queues: BTreeMap<String, u64>,
}

impl Effects {
    /// Looks at the stack for the first time.
    pub(crate) async fn open(running: &Running) -> Result<Self> {
        let database = connect(&running.endpoints.database_url).await?;
        database.batch_execute(include_str!("../extent.sql")).await?;
        let sqs = aws_sdk_sqs::Client::new(&running.aws);
        let queues = sqs.list_queues().send().await?.queue_urls.unwrap_or_default();
        anyhow::ensure!(queues.iter().any(|url| url.contains("ingest")), "the queues are not to be seen");
        let mut effects = Self {
            database,
            dynamodb: aws_sdk_dynamodb::Client::new(&running.aws),
            sqs,
            hot_table: running.endpoints.hot_table.clone(),
            queues,
            state: State::default(),
        };
        effects.state = effects.read().await?;
        Ok(effects)
    }

    /// What has changed since the last look, but what a refused request may change; and whether that was anything.
    pub(crate) async fn look(&mut self) -> Result<Vec<String>> {
        let now = self.read().await?;
        let before = std::mem::replace(&mut self.state, now);
        Ok(before.changes(&self.state, clock().as_second()))
    }

    async fn read(&self) -> Result<State> {
        let (tables, items, queues) = tokio::try_join!(self.tables(), self.items(), self.depths())?;
        Ok(State { tables, items, queues })
    }

    async fn tables(&self) -> Result<BTreeMap<String, String>> {
        let rows = self.database.query("select name, extent from pg_temp.extents()", &[]).await;
        let rows = rows.context("the tables cannot be looked at")?;
        rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("extent")?))).collect()
    }

    async fn items(&self) -> Result<BTreeMap<(String, String), HashMap<String, AttributeValue>>> {
        let scan = self.dynamodb.scan().table_name(&self.hot_table).consistent_read(true);
        let mut pages = scan.into_paginator().items().send();
        let mut items = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let item = item.context("the items cannot be looked at")?;
            let name = |key: &str| item.get(key).and_then(|value| value.as_s().ok()).cloned();
            let key = name("pk").zip(name("sk")).context("an item has no key")?;
            items.insert(key, item);
        }
        Ok(items)
    }

    async fn depths(&self) -> Result<BTreeMap<String, u64>> {
        let depths = try_join_all(self.queues.iter().map(|url| depth(&self.sqs, url))).await?;
        let mut queues = BTreeMap::new();
        for (url, depth) in self.queues.iter().zip(depths) {
            let name = url.rsplit('/').next().unwrap_or_default();
            *queues.entry(name.replacen(DEAD_LETTERS, "", 1)).or_default() += depth;
        }
        Ok(queues)
    }
}

impl State {
    /// What is otherwise later on, but what a refused request may change and what has expired by `now`, in seconds since 1970.
    fn changes(&self, later: &Self, now: i64) -> Vec<String> {
        let mut changes = Vec::new();
        for table in
            self.tables.keys().chain(later.tables.keys().filter(|name| !self.tables.contains_key(*name)))
        {
            if self.tables.get(table) != later.tables.get(table) {
                changes.push(format!("rows of {table}"));
            }
        }
        for (key, item) in &later.items {
            let name = format!("{}/{}", key.0, key.1);
            match self.items.get(key) {
                None => changes.extend(told(key, format!("item {name}, which is new"))),
                Some(before) if before != item => changes.extend(told(key, format!("item {name}"))),
                Some(_) => {}
            }
        }
        let gone = self
            .items
            .iter()
            .filter(|(key, item)| !later.items.contains_key(*key) && !has_expired(item, now));
        changes.extend(
            gone.filter_map(|(key, _)| told(key, format!("item {}/{}, which is gone", key.0, key.1))),
        );
        for (queue, depth) in &later.queues {
            let before = self.queues.get(queue).copied().unwrap_or_default();
            if before != *depth {
                changes.push(format!("queue {queue}, which has {depth} messages and had {before}"));
            }
        }
        changes
    }
}

fn told(key: &(String, String), change: String) -> Option<String> {
    (!OF_REFUSALS.iter().any(|kind| key.0.starts_with(kind))).then_some(change)
}

fn has_expired(item: &HashMap<String, AttributeValue>, now: i64) -> bool {
    let expires_at = item.get("expires_at").and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
    expires_at.is_some_and(|expires_at| expires_at <= now)
}

#[expect(clippy::disallowed_methods, reason = "items expire by the real clock")]
fn clock() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn item(text: &str, expires_at: i64) -> HashMap<String, AttributeValue> {
        HashMap::from([
            ("said".to_owned(), AttributeValue::S(text.to_owned())),
            ("expires_at".to_owned(), AttributeValue::N(expires_at.to_string())),
        ])
    }

    fn state(items: &[(&str, &str)], queues: &[(&str, u64)]) -> State {
        let key = |name: &str| (name.to_owned(), "x".to_owned());
        State {
            tables: BTreeMap::from([("memories".to_owned(), "3 700".to_owned())]),
            items: items.iter().map(|(name, text)| (key(name), item(text, NOW + 60))).collect(),
            queues: queues.iter().map(|(name, depth)| ((*name).to_owned(), *depth)).collect(),
        }
    }

    #[test]
    fn a_row_an_item_and_a_message_more_or_less_are_changes() {
        let before = state(&[("user#a", "1"), ("user#b", "1")], &[("indexer", 2), ("ingest.fifo", 0)]);
        assert_eq!(before.changes(&before, NOW), Vec::<String>::new());
        let mut after = state(&[("user#b", "2"), ("request#c", "1")], &[("indexer", 2), ("ingest.fifo", 1)]);
        after.tables.insert("memories".to_owned(), "3 701".to_owned());
        after.tables.insert("sessions".to_owned(), "1 701".to_owned());
        assert_eq!(
            before.changes(&after, NOW),
            [
                "rows of memories",
                "rows of sessions",
                "item request#c/x, which is new",
                "item user#b/x",
                "item user#a/x, which is gone",
                "queue ingest.fifo, which has 1 messages and had 0",
            ]
        );
    }

    #[test]
    fn what_expires_and_what_counts_requests_is_no_change() {
        let mut before = state(&[("rate#acme", "9")], &[]);
        before.items.insert(("user#a".to_owned(), "x".to_owned()), item("1", NOW));
        let after =
            state(&[("rate#acme", "8"), ("tenant#acme", "1"), ("key#0", "1"), ("quota#acme", "1")], &[]);
        assert_eq!(before.changes(&after, NOW), Vec::<String>::new());
        assert_eq!(before.changes(&after, NOW - 1), ["item user#a/x, which is gone"]);
    }
}
