//! What two databases came to, and where they differ.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use anyhow::{Context, Result};
use tokio_postgres::Client;

/// The tables that are compared, each with the query that reads its rows as subject, value and place.
const TABLES: [(&str, &str); 8] = [
    ("event", include_str!("../../queries/chaos/compare_events.sql")),
    ("cursor", include_str!("../../queries/chaos/compare_cursors.sql")),
    ("window", include_str!("../../queries/chaos/compare_windows.sql")),
    ("memory", include_str!("../../queries/chaos/compare_memories.sql")),
    ("closed memory", include_str!("../../queries/chaos/compare_closed_memories.sql")),
    ("evidence", include_str!("../../queries/chaos/compare_evidence.sql")),
    ("ledger", include_str!("../../queries/chaos/compare_ledger.sql")),
    ("index", include_str!("../../queries/chaos/compare_index.sql")),
];

/// What a database came to. Rows are known by names that mean the same in every database; texts only by their digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    rows: BTreeMap<(&'static str, String), Row>,
    /// What must not be, each with where it is.
    pub irregularities: Vec<String>,
    /// Windows thought about.
    pub windows: u64,
    /// Windows thought about without what the agent waited for.
    pub degraded: u64,
    /// Windows set aside.
    pub quarantined: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// One, unless the subject is there more than once.
    values: Vec<String>,
    place: String,
}

/// One row that is not the same in both databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// What the row is about.
    pub subject: String,
    /// Where it is in the disturbed database, when it is there.
    pub disturbed: Option<String>,
    /// Where it is in the undisturbed database, when it is there.
    pub undisturbed: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, subject, disturbed, undisturbed } = self;
        write!(formatter, "{table}: {subject}: ")?;
        match (disturbed, undisturbed) {
            (Some(here), Some(_)) => write!(formatter, "not the same ({here})"),
            (Some(here), None) => write!(formatter, "only there when disturbed ({here})"),
            (None, _) => write!(formatter, "missing when disturbed"),
        }
    }
}

impl Snapshot {
    /// Reads a database as its superuser. `chunked` names the sessions that came in several transactions.
    pub async fn read(client: &Client, agents: &[String], chunked: &[String]) -> Result<Self> {
        let mut snapshot = Self::default();
        for (table, query) in TABLES {
            let rows = client.query(query, &[&chunked]).await.with_context(|| format!("the {table} rows"))?;
            for row in rows {
                let (subject, value, place) =
                    (row.try_get("subject")?, row.try_get("value")?, row.try_get("place")?);
                snapshot.add(table, subject, value, place);
            }
        }
        let query = include_str!("../../queries/chaos/find_irregularities.sql");
        for row in client.query(query, &[&agents]).await? {
            let (what, place): (String, String) = (row.try_get("what")?, row.try_get("place")?);
            snapshot.irregularities.push(format!("{what} ({place})"));
        }
        let counts =
            client.query("select outcome, count(*) from afterthought.agent_runs group by outcome", &[]);
        for row in counts.await? {
            let (outcome, count): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let count = u64::try_from(count)?;
            snapshot.windows += count;
            match outcome.as_str() {
                "degraded" => snapshot.degraded = count,
                "quarantined" => snapshot.quarantined = count,
                _ => {}
            }
        }
        Ok(snapshot)
    }

    fn add(&mut self, table: &'static str, subject: String, value: String, place: String) {
        match self.rows.entry((table, subject)) {
            Entry::Vacant(free) => {
                free.insert(Row { values: vec![value], place });
            }
            Entry::Occupied(mut taken) => {
                let values = &mut taken.get_mut().values;
                values.push(value);
                values.sort_unstable();
            }
        }
    }

    /// How many rows each table has.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (table, _) in self.rows.keys() {
            *counts.entry(*table).or_default() += 1;
        }
        counts
    }
}

/// Every row that differs, in the order of tables and subjects.
pub fn differences(disturbed: &Snapshot, undisturbed: &Snapshot) -> Vec<Difference> {
    let place = |row: Option<&Row>| row.map(|row| row.place.clone());
    let keys =
        disturbed.rows.keys().chain(undisturbed.rows.keys().filter(|key| !disturbed.rows.contains_key(key)));
    let mut found: Vec<Difference> = keys
        .filter_map(|key| {
            let (here, there) = (disturbed.rows.get(key), undisturbed.rows.get(key));
            let same = matches!((here, there), (Some(here), Some(there)) if here.values == there.values);
            (!same).then(|| Difference {
                table: key.0,
                subject: key.1.clone(),
                disturbed: place(here),
                undisturbed: place(there),
            })
        })
        .collect();
    found.sort_by(|one, other| (one.table, &one.subject).cmp(&(other.table, &other.subject)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(rows: &[(&'static str, &str, &str)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (table, subject, value) in rows {
            snapshot.add(table, (*subject).to_owned(), (*value).to_owned(), format!("at {subject}"));
        }
        snapshot
    }

    #[test]
    fn rows_in_another_order_are_the_same() {
        let one = snapshot(&[("cursor", "a", "1"), ("ledger", "b", "2"), ("ledger", "b", "3")]);
        let other = snapshot(&[("ledger", "b", "3"), ("ledger", "b", "2"), ("cursor", "a", "1")]);
        assert_eq!(differences(&one, &other), []);
        assert_eq!(one.counts(), BTreeMap::from([("cursor", 1), ("ledger", 1)]));
    }

    #[test]
    fn a_planted_difference_of_each_kind_is_found() {
        let disturbed = snapshot(&[("cursor", "a", "1"), ("memory", "b", "2"), ("memory", "extra", "3")]);
        let undisturbed =
            snapshot(&[("cursor", "a", "1"), ("memory", "b", "other"), ("ledger", "gone", "4")]);
        let found: Vec<String> =
            differences(&disturbed, &undisturbed).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "ledger: gone: missing when disturbed",
                "memory: b: not the same (at b)",
                "memory: extra: only there when disturbed (at extra)",
            ]
        );
    }

    #[test]
    fn a_row_that_is_there_twice_differs_from_one_that_is_there_once() {
        let once = snapshot(&[("window", "a", "done")]);
        let twice = snapshot(&[("window", "a", "done"), ("window", "a", "done")]);
        assert_eq!(differences(&twice, &once).len(), 1);
    }
}
