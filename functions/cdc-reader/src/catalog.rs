use jiff::Timestamp;
use uuid::Uuid;

use crate::pgoutput::{Relation, Tuple, Value};

/// The schema whose tables are followed.
const SCHEMA: &str = "afterthought";

/// What one row says to somebody who never sees content.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// An adopted table has a new row.
    Arrival {
        /// The table's oid.
        relid: u32,
        /// The row's key.
        key: Vec<String>,
        /// When it was committed.
        written_at: Timestamp,
    },
    /// A table has been adopted.
    Adopted,
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
pub(crate) struct Catalog {
    followed: Vec<Followed>,
    /// When the transaction that is being read was committed.
    committed_at: Timestamp,
}

#[derive(Debug, Clone)]
struct Followed {
    relation: u32,
    table: Table,
}

#[derive(Debug, Clone)]
enum Table {
    Events {
        session: usize,
        version: usize,
        tenant: usize,
    },
    Memories {
        session: usize,
        tenant: usize,
    },
    Deliveries {
        endpoint: usize,
        tenant: usize,
    },
    Adoptions,
    /// An application's: what is published of it is its key, of these types.
    Adopted(Vec<u32>),
}

impl Catalog {
    const EVENTS: &str = "session_events";
    const MEMORIES: &str = "memories";
    const DELIVERIES: &str = "webhook_deliveries";
    const ADOPTIONS: &str = "adopted_tables";

    /// A transaction begins that was committed then, in microseconds since 2000.
    pub(crate) fn begin(&mut self, commit_time_micros: i64) {
        let since_1970 = commit_time_micros.saturating_add(MICROSECONDS_TO_2000);
        self.committed_at = Timestamp::from_microsecond(since_1970).unwrap_or_default();
    }

    /// Takes note of what a relation looks like from here on. Whatever is published and none of ours is an adopted table, of
    /// which the key alone is.
    pub(crate) fn describe(&mut self, relation: &Relation<'_>) -> Result<(), MissingColumn> {
        self.followed.retain(|followed| followed.relation != relation.id);
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
            (SCHEMA, Self::ADOPTIONS) => Table::Adoptions,
            (SCHEMA, _) => return Ok(()),
            _ => Table::Adopted(relation.columns.iter().map(|column| column.type_id).collect()),
        };
        self.followed.push(Followed { relation: relation.id, table });
        Ok(())
    }

    /// What a new row says; `None` for a row of another table and for a memory that came from no session.
    pub(crate) fn read<'a>(
        &self,
        relation: u32,
        row: Tuple<'a>,
    ) -> Result<Option<Change<'a>>, UnreadableRow> {
        let Some(followed) = self.followed.iter().find(|followed| followed.relation == relation) else {
            return Ok(None);
        };
        let value = |place: usize| row.iter().nth(place).unwrap_or(Value::Null);
        match &followed.table {
            &Table::Events { session, version, tenant } => {
                let unreadable = |column| UnreadableRow { table: Self::EVENTS, column };
                Ok(Some(Change::Event {
                    session: uuid(value(session)).ok_or(unreadable("session_id"))?,
                    version: bigint(value(version)).ok_or(unreadable("version"))?,
                    tenant: text(value(tenant)).ok_or(unreadable("tenant"))?,
                }))
            }
            &Table::Memories { session, tenant } => {
                let unreadable = |column| UnreadableRow { table: Self::MEMORIES, column };
                let session = match value(session) {
                    Value::Null => return Ok(None),
                    value => uuid(value).ok_or(unreadable("session_id"))?,
                };
                Ok(Some(Change::Memory { session, tenant: text(value(tenant)).ok_or(unreadable("tenant"))? }))
            }
            &Table::Deliveries { endpoint, tenant } => {
                let unreadable = |column| UnreadableRow { table: Self::DELIVERIES, column };
                Ok(Some(Change::Delivery {
                    endpoint: uuid(value(endpoint)).ok_or(unreadable("endpoint_id"))?,
                    tenant: text(value(tenant)).ok_or(unreadable("tenant"))?,
                }))
            }
            Table::Adoptions => Ok(Some(Change::Adopted)),
            Table::Adopted(types) => {
                let key: Option<Vec<String>> =
                    row.iter().zip(types).map(|(value, of_type)| key_text(value, *of_type)).collect();
                let unreadable = UnreadableRow { table: "an adopted table", column: "the key" };
                let key = key.filter(|key| !key.is_empty() && key.len() == types.len()).ok_or(unreadable)?;
                Ok(Some(Change::Arrival { relid: relation, key, written_at: self.committed_at }))
            }
        }
    }
}

/// From 1970 to 2000, from when Postgres counts.
const MICROSECONDS_TO_2000: i64 = 946_684_800_000_000;

/// The oids of the types that a key may have and that are sent as something else than their text.
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const UUID: u32 = 2950;

/// A part of a key as Postgres writes it as text.
fn key_text(value: Value<'_>, of_type: u32) -> Option<String> {
    let Value::Binary(bytes) = value else { return text(value).map(str::to_owned) };
    match of_type {
        INT8 => Some(i64::from_be_bytes(bytes.try_into().ok()?).to_string()),
        INT4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        INT2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).to_string()),
        UUID => Some(Uuid::from_slice(bytes).ok()?.to_string()),
        _ => text(value).map(str::to_owned),
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
    fn tables_that_are_not_described_are_ignored_and_a_renamed_table_is_followed_no_more() {
        let mut catalog = Catalog::default();
        assert_eq!(read(&catalog, 7, &[(b't', b"1")]), Ok(None));
        catalog.describe(&relation(8, SCHEMA, "memories", &["id", "session_id", "tenant"])).unwrap();
        let row: &[(u8, &[u8])] = &[(b'b', ID.as_bytes()), (b'b', ID.as_bytes()), (b'b', b"acme")];
        assert!(read(&catalog, 8, row).unwrap().is_some());
        catalog.describe(&relation(8, SCHEMA, "memories_old", &["id", "session_id", "tenant"])).unwrap();
        assert_eq!(read(&catalog, 8, row), Ok(None));
    }

    #[test]
    fn a_row_of_an_adopted_table_says_its_key_as_text_and_when_it_was_committed() {
        let mut catalog = Catalog::default();
        let mut adopted = relation(7, "public", "messages", &["tenant", "id", "part", "kind", "thread"]);
        for (column, type_id) in adopted.columns.iter_mut().zip([25, INT8, INT4, INT2, UUID]) {
            column.type_id = type_id;
        }
        catalog.describe(&adopted).unwrap();
        catalog.begin(MICROSECONDS_TO_2000);
        let (id, part, kind) = ((-5_i64).to_be_bytes(), 6_i32.to_be_bytes(), 7_i16.to_be_bytes());
        let row: [(u8, &[u8]); 5] =
            [(b't', b"acme"), (b'b', &id), (b'b', &part), (b'b', &kind), (b'b', ID.as_bytes())];
        let expected = Change::Arrival {
            relid: 7,
            key: vec!["acme".into(), "-5".into(), "6".into(), "7".into(), ID.to_string()],
            written_at: Timestamp::from_microsecond(2 * MICROSECONDS_TO_2000).unwrap(),
        };
        assert_eq!(read(&catalog, 7, &row).unwrap().unwrap(), format!("{expected:?}"));
        for wrong in [&row[..1], &[], &[(b'n', b"" as &[u8])], &[(b't', b"acme"), (b'b', b"xyz")]] {
            assert!(read(&catalog, 7, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_adoption_is_heard_of() {
        let mut catalog = Catalog::default();
        catalog.describe(&relation(6, SCHEMA, "adopted_tables", &["id"])).unwrap();
        assert_eq!(read(&catalog, 6, &[(b'b', ID.as_bytes())]).unwrap().unwrap(), "Adopted");
        catalog.describe(&relation(5, SCHEMA, "upkeep", &["done"])).unwrap();
        assert_eq!(read(&catalog, 5, &[(b't', b"x")]), Ok(None), "another of ours");
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
