//! Reading rows and sending what they say.

use domain::{AcceptedEvents, RowMapping, TenantId, UnusableRow};
use jiff::Timestamp;
use queue::Ordered;
use serde_json::Value;
use store::{AdoptedTable, RefusedRow};

use super::event::{Addressed, Unusable, Written, event};
use super::{Stopped, TableFollower};

/// The longest row, in bytes of JSON.
const LONGEST_ROW_BYTES: u32 = 1024 * 1024;
/// How much is read at once, unless one row is longer.
const MOST_BYTES: u32 = 8 * 1024 * 1024;
/// How long a message of the queue is made, unless one event is longer: short messages let sessions share batches.
const USUAL_MESSAGE_BYTES: usize = 256 * 1024;

/// What rows come to.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Their events, in order.
    pub(super) events: Vec<Addressed>,
    /// Those that become none.
    pub(super) refused: Vec<RefusedRow>,
    /// How many of the keys have been looked at, from the first.
    pub(super) keys: usize,
}

impl TableFollower {
    /// Reads the rows with these keys, or with as many of the first of them as memory is spared for; with each key when it
    /// was committed, if the stream has said so. What is gone or filtered out comes to nothing, and so does all of it when the
    /// adoption has changed: what is noted of them is then left out too.
    pub(super) async fn read(
        &mut self,
        table: &AdoptedTable,
        mapping: &RowMapping,
        keys: &[(&Value, Option<Timestamp>)],
    ) -> Result<Read, Stopped> {
        let mut read = Read { keys: keys.len(), ..Read::default() };
        let mut wanted = keys;
        let rows = loop {
            let of_wanted = Value::Array(wanted.iter().map(|(key, _)| (*key).clone()).collect());
            match self.rows.read_adopted(table, &of_wanted, LONGEST_ROW_BYTES, MOST_BYTES).await {
                Ok(rows) => break rows,
                // One of them cannot be read: alone, it is told from the others.
                Err(error) if error.is_refusal() && wanted.len() > 1 => {
                    wanted = wanted.split_at(wanted.len() / 2).0;
                    read.keys = wanted.len();
                }
                Err(error) if error.is_refusal() => {
                    let unusable = |(key, written_at): &(&Value, Option<Timestamp>)| {
                        let expected = "cannot be read as JSON".to_owned();
                        refused(key, unread(expected, written(table, *written_at)))
                    };
                    read.refused.extend(wanted.iter().map(unusable));
                    break Vec::new();
                }
                Err(error) => return Err(error.into()),
            }
        };
        for row in rows {
            let Some((key, written_at)) = keys.get(row.place) else { continue };
            let written = written(table, *written_at);
            let said = match &row.data {
                Some(data) => event(&table.relation, mapping, key, data, written),
                None if row.bytes > LONGEST_ROW_BYTES as usize => {
                    let expected =
                        format!("is {} bytes as JSON, expected at most {LONGEST_ROW_BYTES}", row.bytes);
                    Err(unread(expected, written))
                }
                None => {
                    read.keys = row.place;
                    break;
                }
            };
            match said {
                Ok(said) if self.is_tenant(&said.0).await? => read.events.push(said),
                Ok((tenant, user, _, event)) => {
                    let expected = "is not a tenant".to_owned();
                    let error = UnusableRow { field: "tenant", expected, of: Some((tenant, user)) };
                    let since = event.written_at.unwrap_or_else(|| written.since(None));
                    read.refused.push(refused(key, Unusable { error, since }));
                }
                Err(unusable) => read.refused.push(refused(key, unusable)),
            }
        }
        Ok(read)
    }

    /// Puts events into the queue, those of a session in order; done when SQS has accepted all of them.
    pub(super) async fn publish(&self, table: &AdoptedTable, events: &[Addressed]) -> Result<(), Stopped> {
        let messages = AcceptedEvents::by_session(events.iter().cloned(), (self.now)(), USUAL_MESSAGE_BYTES);
        let ordered: Vec<Ordered> = messages.iter().map(|message| Ordered::of(message, table.id)).collect();
        self.publisher.publish_in_order(&self.queue_url, &ordered).await.map_err(Stopped::Queue)?;
        metrics::counter!("AdoptedRows").increment(events.len().try_into().unwrap_or(u64::MAX));
        Ok(())
    }

    async fn is_tenant(&mut self, tenant: &TenantId) -> Result<bool, Stopped> {
        if self.tenants.contains(tenant) {
            return Ok(true);
        }
        let known = !self.positions.known_tenants(&[tenant.as_str()]).await?.is_empty();
        if known {
            self.tenants.insert(tenant.clone());
        }
        Ok(known)
    }
}

fn written(table: &AdoptedTable, committed_at: Option<Timestamp>) -> Written {
    committed_at.map_or(Written::Before(table.backfill_from), Written::At)
}

/// A row that was not read, so that nobody knows whose it is.
fn unread(expected: String, written: Written) -> Unusable {
    Unusable { error: UnusableRow { field: "row", expected, of: None }, since: written.since(None) }
}

fn refused(key: &Value, Unusable { error, since }: Unusable) -> RefusedRow {
    metrics::counter!("RefusedRows").increment(1);
    RefusedRow { key: key.clone(), reason: error.to_string(), of: error.of, written_at: since }
}
