use uuid::Uuid;

use crate::pgoutput::{Relation, Tuple, Value};

/// The schema whose tables are followed.
const SCHEMA: &str = "afterthought";

/// What one row says to somebody who never sees content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// A session has an event with this version.
    Event {
        /// The session.
        session: Uuid,
        /// The event's version.
        version: i64,
        /// Whose session.
        tenant: &'a str,
    },
    /// A memory came from this session.
    Memory {
        /// The session.
        session: Uuid,
        /// Whose session.
        tenant: &'a str,
    },
    /// Something waits to be sent to this endpoint.
    Delivery {
        /// The endpoint.
        endpoint: Uuid,
        /// Whose endpoint.
        tenant: &'a str,
    },
}

/// A publication that does not publish what a wake-up needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the publication sends {SCHEMA}.{table} without the column {column}: \
     run the migrations, or add the column to its list with \"alter publication … set table\""
)]
pub struct MissingColumn {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
}

/// A row that says nothing a wake-up could be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{table}.{column} holds no value that can be read")]
pub(crate) struct UnreadableRow {
    /// The table.
    pub(crate) table: &'static str,
    /// The column.
    pub(crate) column: &'static str,
}

/// The relations of one replication session that matter, and where their rows hold what. Positions come from the
/// server's own description, which it sends before the first row and again after every change of the table.
#[derive(Debug, Default)]
pub(crate) struct Catalog(Vec<Followed>);

#[derive(Debug, Clone, Copy)]
struct Followed {
    relation: u32,
    table: Table,
}

#[derive(Debug, Clone, Copy)]
enum Table {
    Events { session: usize, version: usize, tenant: usize },
    Memories { session: usize, tenant: usize },
    Deliveries { endpoint: usize, tenant: usize },
}

impl Catalog {
    const EVENTS: &str = "session_events";
    const MEMORIES: &str = "memories";
    const DELIVERIES: &str = "webhook_deliveries";

    /// Takes note of what a relation looks like from here on. Tables of others are not followed.
    pub(crate) fn describe(&mut self, relation: &Relation<'_>) -> Result<(), MissingColumn> {
        self.0.retain(|followed| followed.relation != relation.id);
        let place = |table, column| {
            let found = relation.columns.iter().position(|known| known.name == column);
            found.ok_or(MissingColumn { table, column })
        };
        let table = match (relation.schema, relation.name) {
            (SCHEMA, Self::EVENTS) => Table::Events {
                session: place(Self::EVENTS, "session_id")?,
                version: place(Self::EVENTS, "version")?,
                tenant: place(Self::EVENTS, "tenant")?,
            },
            (SCHEMA, Self::MEMORIES) => Table::Memories {
                session: place(Self::MEMORIES, "session_id")?,
                tenant: place(Self::MEMORIES, "tenant")?,
            },
            (SCHEMA, Self::DELIVERIES) => Table::Deliveries {
                endpoint: place(Self::DELIVERIES, "endpoint_id")?,
                tenant: place(Self::DELIVERIES, "tenant")?,
            },
            _ => return Ok(()),
        };
        self.0.push(Followed { relation: relation.id, table });
        Ok(())
    }

    /// What a new row says; `None` for a row of another table and for a memory that came from no session.
    pub(crate) fn read<'a>(
        &self,
        relation: u32,
        row: Tuple<'a>,
    ) -> Result<Option<Change<'a>>, UnreadableRow> {
        let Some(followed) = self.0.iter().find(|followed| followed.relation == relation) else {
            return Ok(None);
        };
        let value = |place: usize| row.iter().nth(place).unwrap_or(Value::Null);
        match followed.table {
            Table::Events { session, version, tenant } => {
                let unreadable = |column| UnreadableRow { table: Self::EVENTS, column };
                Ok(Some(Change::Event {
                    session: uuid(value(session)).ok_or(unreadable("session_id"))?,
                    version: bigint(value(version)).ok_or(unreadable("version"))?,
                    tenant: text(value(tenant)).ok_or(unreadable("tenant"))?,
                }))
            }
            Table::Memories { session, tenant } => {
                let unreadable = |column| UnreadableRow { table: Self::MEMORIES, column };
                let session = match value(session) {
                    Value::Null => return Ok(None),
                    value => uuid(value).ok_or(unreadable("session_id"))?,
                };
                Ok(Some(Change::Memory { session, tenant: text(value(tenant)).ok_or(unreadable("tenant"))? }))
            }
            Table::Deliveries { endpoint, tenant } => {
                let unreadable = |column| UnreadableRow { table: Self::DELIVERIES, column };
                Ok(Some(Change::Delivery {
                    endpoint: uuid(value(endpoint)).ok_or(unreadable("endpoint_id"))?,
                    tenant: text(value(tenant)).ok_or(unreadable("tenant"))?,
                }))
            }
        }
    }
}

fn uuid(value: Value<'_>) -> Option<Uuid> {
    match value {
        Value::Binary(bytes) => Uuid::from_slice(bytes).ok(),
        Value::Text(text) => Uuid::try_parse_ascii(text).ok(),
        Value::Null | Value::Unchanged => None,
    }
}

fn bigint(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Binary(bytes) => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
        Value::Text(text) => str::from_utf8(text).ok()?.parse().ok(),
        Value::Null | Value::Unchanged => None,
    }
}

fn text(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Binary(text) | Value::Text(text) => str::from_utf8(text).ok(),
        Value::Null | Value::Unchanged => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgoutput::{Column, Message};

    fn relation<'a>(id: u32, schema: &'a str, name: &'a str, columns: &[&'a str]) -> Relation<'a> {
        let columns =
            columns.iter().map(|name| Column { flags: 0, name, type_id: 0, type_modifier: -1 }).collect();
        Relation { id, schema, name, replica_identity: b'd', columns }
    }

    /// An insert as the server sends it: kind and value per column.
    fn insert(relation: u32, values: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![b'I'];
        bytes.extend(relation.to_be_bytes());
        bytes.push(b'N');
        bytes.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
        for (kind, value) in values {
            bytes.push(*kind);
            if matches!(kind, b't' | b'b') {
                bytes.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                bytes.extend(*value);
            }
        }
        bytes
    }

    fn read(
        catalog: &Catalog,
        relation: u32,
        values: &[(u8, &[u8])],
    ) -> Result<Option<String>, UnreadableRow> {
        let bytes = insert(relation, values);
        let Ok(Message::Insert { relation, new }) = Message::decode(&bytes) else { panic!("an insert") };
        Ok(catalog.read(relation, new)?.map(|change| format!("{change:?}")))
    }

    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn columns_are_found_by_name_in_text_and_in_binary() {
        let mut catalog = Catalog::default();
        catalog
            .describe(&relation(9, SCHEMA, "session_events", &["tenant", "extra", "version", "session_id"]))
            .unwrap();
        let expected = format!("{:?}", Change::Event { session: ID, version: 300, tenant: "acme" });
        let text = ID.to_string();
        let as_text =
            read(&catalog, 9, &[(b't', b"acme"), (b'n', b""), (b't', b"300"), (b't', text.as_bytes())]);
        let version = 300_i64.to_be_bytes();
        let as_binary =
            read(&catalog, 9, &[(b'b', b"acme"), (b'u', b""), (b'b', &version), (b'b', ID.as_bytes())]);
        assert_eq!(as_text.unwrap().unwrap(), expected);
        assert_eq!(as_binary.unwrap().unwrap(), expected);
    }

    #[test]
    fn tables_of_others_are_ignored_and_a_renamed_table_is_followed_no_more() {
        let mut catalog = Catalog::default();
        catalog.describe(&relation(9, "public", "session_events", &["id"])).unwrap();
        assert_eq!(read(&catalog, 9, &[(b't', b"1")]), Ok(None));
        catalog.describe(&relation(8, SCHEMA, "memories", &["id", "session_id", "tenant"])).unwrap();
        let row: &[(u8, &[u8])] = &[(b'b', ID.as_bytes()), (b'b', ID.as_bytes()), (b'b', b"acme")];
        assert!(read(&catalog, 8, row).unwrap().is_some());
        catalog.describe(&relation(8, SCHEMA, "memories_old", &["id", "session_id", "tenant"])).unwrap();
        assert_eq!(read(&catalog, 8, row), Ok(None));
    }

    #[test]
    fn a_memory_of_no_session_wakes_nobody() {
        let mut catalog = Catalog::default();
        catalog.describe(&relation(8, SCHEMA, "memories", &["id", "session_id", "tenant"])).unwrap();
        assert_eq!(read(&catalog, 8, &[(b'b', ID.as_bytes()), (b'n', b""), (b'b', b"acme")]), Ok(None));
    }

    #[test]
    fn a_row_that_cannot_be_read_names_the_column() {
        let mut catalog = Catalog::default();
        catalog
            .describe(&relation(9, SCHEMA, "session_events", &["session_id", "version", "tenant"]))
            .unwrap();
        let row = |version: &'static [u8]| {
            read(&catalog, 9, &[(b'b', ID.as_bytes()), (b't', version), (b't', b"acme")])
        };
        assert_eq!(row(b"x"), Err(UnreadableRow { table: "session_events", column: "version" }));
        assert_eq!(
            read(&catalog, 9, &[]),
            Err(UnreadableRow { table: "session_events", column: "session_id" })
        );
    }

    #[test]
    fn a_publication_without_a_needed_column_is_an_error_with_the_way_out() {
        let error =
            Catalog::default().describe(&relation(9, SCHEMA, "session_events", &["session_id", "version"]));
        assert!(
            error.unwrap_err().to_string().contains("afterthought.session_events without the column tenant")
        );
    }
}
