use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;

/// A message that owns what it says, to be encoded as the server would.
#[derive(Debug, Clone)]
enum Sent {
    Begin(u64, i64, u32),
    Commit(u8, u64, u64, i64),
    Origin(u64, String),
    Relation(u32, String, String, u8, Vec<(u8, String, u32, i32)>),
    Type(u32, String, String),
    Insert(u32, Row),
    Update(u32, Option<(bool, Row)>, Row),
    Delete(u32, bool, Row),
    Truncate(u8, Vec<u32>),
    Message(u8, u64, String, Vec<u8>),
}

#[derive(Debug, Clone)]
struct Row(Vec<Cell>);

#[derive(Debug, Clone)]
enum Cell {
    Null,
    Unchanged,
    Text(Vec<u8>),
    Binary(Vec<u8>),
}

fn put_string(bytes: &mut BytesMut, text: &str) {
    bytes.put_slice(text.as_bytes());
    bytes.put_u8(0);
}

fn put_row(bytes: &mut BytesMut, kind: u8, row: &Row) {
    bytes.put_u8(kind);
    bytes.put_u16(u16::try_from(row.0.len()).unwrap());
    for cell in &row.0 {
        let (kind, value) = match cell {
            Cell::Null => (b'n', None),
            Cell::Unchanged => (b'u', None),
            Cell::Text(value) => (b't', Some(value)),
            Cell::Binary(value) => (b'b', Some(value)),
        };
        bytes.put_u8(kind);
        if let Some(value) = value {
            bytes.put_i32(i32::try_from(value.len()).unwrap());
            bytes.put_slice(value);
        }
    }
}

impl Sent {
    fn encode(&self) -> BytesMut {
        let mut bytes = BytesMut::new();
        match self {
            Self::Begin(lsn, time, xid) => {
                bytes.put_u8(b'B');
                bytes.put_u64(*lsn);
                bytes.put_i64(*time);
                bytes.put_u32(*xid);
            }
            Self::Commit(flags, lsn, end, time) => {
                bytes.put_u8(b'C');
                bytes.put_u8(*flags);
                bytes.put_u64(*lsn);
                bytes.put_u64(*end);
                bytes.put_i64(*time);
            }
            Self::Origin(lsn, name) => {
                bytes.put_u8(b'O');
                bytes.put_u64(*lsn);
                put_string(&mut bytes, name);
            }
            Self::Relation(id, schema, name, identity, columns) => {
                bytes.put_u8(b'R');
                bytes.put_u32(*id);
                put_string(&mut bytes, schema);
                put_string(&mut bytes, name);
                bytes.put_u8(*identity);
                bytes.put_u16(u16::try_from(columns.len()).unwrap());
                for (flags, name, kind, modifier) in columns {
                    bytes.put_u8(*flags);
                    put_string(&mut bytes, name);
                    bytes.put_u32(*kind);
                    bytes.put_i32(*modifier);
                }
            }
            Self::Type(id, schema, name) => {
                bytes.put_u8(b'Y');
                bytes.put_u32(*id);
                put_string(&mut bytes, schema);
                put_string(&mut bytes, name);
            }
            Self::Insert(relation, new) => {
                bytes.put_u8(b'I');
                bytes.put_u32(*relation);
                put_row(&mut bytes, b'N', new);
            }
            Self::Update(relation, old, new) => {
                bytes.put_u8(b'U');
                bytes.put_u32(*relation);
                if let Some((key, old)) = old {
                    put_row(&mut bytes, if *key { b'K' } else { b'O' }, old);
                }
                put_row(&mut bytes, b'N', new);
            }
            Self::Delete(relation, key, old) => {
                bytes.put_u8(b'D');
                bytes.put_u32(*relation);
                put_row(&mut bytes, if *key { b'K' } else { b'O' }, old);
            }
            Self::Truncate(options, relations) => {
                bytes.put_u8(b'T');
                bytes.put_i32(i32::try_from(relations.len()).unwrap());
                bytes.put_u8(*options);
                for oid in relations {
                    bytes.put_u32(*oid);
                }
            }
            Self::Message(flags, lsn, prefix, content) => {
                bytes.put_u8(b'M');
                bytes.put_u8(*flags);
                bytes.put_u64(*lsn);
                put_string(&mut bytes, prefix);
                bytes.put_i32(i32::try_from(content.len()).unwrap());
                bytes.put_slice(content);
            }
        }
        bytes
    }

    fn is(&self, message: &Message<'_>) -> bool {
        match (self, message) {
            (Self::Begin(lsn, time, id), Message::Begin { final_lsn, commit_time, xid }) => {
                (lsn, time, id) == (final_lsn, commit_time, xid)
            }
            (Self::Commit(a, b, c, d), Message::Commit { flags, commit_lsn, end_lsn, commit_time }) => {
                (a, b, c, d) == (flags, commit_lsn, end_lsn, commit_time)
            }
            (Self::Origin(lsn, name), Message::Origin { commit_lsn, name: got }) => {
                lsn == commit_lsn && name == got
            }
            (Self::Relation(id, schema, name, identity, columns), Message::Relation(got)) => {
                let columns: Vec<_> = columns
                    .iter()
                    .map(|(flags, name, type_id, type_modifier)| Column {
                        flags: *flags,
                        name,
                        type_id: *type_id,
                        type_modifier: *type_modifier,
                    })
                    .collect();
                *got == Relation { id: *id, schema, name, replica_identity: *identity, columns }
            }
            (Self::Type(id, schema, name), Message::Type { id: i, schema: s, name: n }) => {
                id == i && schema == s && name == n
            }
            (Self::Insert(id, row), Message::Insert { relation, new }) => id == relation && row.is(*new),
            (Self::Update(id, before, row), Message::Update { relation, old, new }) => {
                let old = match (before, old) {
                    (None, None) => true,
                    (Some((true, row)), Some(OldTuple::Key(got)))
                    | (Some((false, row)), Some(OldTuple::Full(got))) => row.is(*got),
                    _ => false,
                };
                id == relation && old && row.is(*new)
            }
            (Self::Delete(id, true, row), Message::Delete { relation, old: OldTuple::Key(got) })
            | (Self::Delete(id, false, row), Message::Delete { relation, old: OldTuple::Full(got) }) => {
                id == relation && row.is(*got)
            }
            (Self::Truncate(a, oids), Message::Truncate { options, relations }) => {
                a == options && relations.iter().eq(oids.iter().copied())
            }
            (Self::Message(a, b, c, d), Message::Message { flags, lsn, prefix, content }) => {
                a == flags && b == lsn && c == prefix && d == content
            }
            _ => false,
        }
    }
}

impl Row {
    fn is(&self, tuple: Tuple<'_>) -> bool {
        let same = |cell: &Cell, value: Value<'_>| match (cell, value) {
            (Cell::Null, Value::Null) | (Cell::Unchanged, Value::Unchanged) => true,
            (Cell::Text(sent), Value::Text(got)) | (Cell::Binary(sent), Value::Binary(got)) => sent == got,
            _ => false,
        };
        tuple.len() == self.0.len() && tuple.iter().count() == self.0.len() && {
            self.0.iter().zip(tuple.iter()).all(|(cell, value)| same(cell, value))
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    "[^\0]{0,20}"
}

fn row() -> impl Strategy<Value = Row> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..24);
    let cell = prop_oneof![
        Just(Cell::Null),
        Just(Cell::Unchanged),
        bytes().prop_map(Cell::Text),
        bytes().prop_map(Cell::Binary)
    ];
    prop::collection::vec(cell, 0..8).prop_map(Row)
}

fn sent() -> impl Strategy<Value = Sent> {
    let column = (any::<u8>(), name(), any::<u32>(), any::<i32>());
    prop_oneof![
        any::<(u64, i64, u32)>().prop_map(|(a, b, c)| Sent::Begin(a, b, c)),
        any::<(u8, u64, u64, i64)>().prop_map(|(a, b, c, d)| Sent::Commit(a, b, c, d)),
        (any::<u64>(), name()).prop_map(|(a, b)| Sent::Origin(a, b)),
        (any::<u32>(), name(), name(), any::<u8>(), prop::collection::vec(column, 0..6))
            .prop_map(|(a, b, c, d, e)| Sent::Relation(a, b, c, d, e)),
        (any::<u32>(), name(), name()).prop_map(|(a, b, c)| Sent::Type(a, b, c)),
        (any::<u32>(), row()).prop_map(|(a, b)| Sent::Insert(a, b)),
        (any::<u32>(), prop::option::of((any::<bool>(), row())), row())
            .prop_map(|(a, b, c)| Sent::Update(a, b, c)),
        (any::<u32>(), any::<bool>(), row()).prop_map(|(a, b, c)| Sent::Delete(a, b, c)),
        (any::<u8>(), prop::collection::vec(any::<u32>(), 0..5)).prop_map(|(a, b)| Sent::Truncate(a, b)),
        (any::<u8>(), any::<u64>(), name(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(a, b, c, d)| Sent::Message(a, b, c, d)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_the_server_sends_is_what_is_read(sent in sent()) {
        let bytes = sent.encode();
        let message = Message::decode(&bytes).unwrap();
        prop_assert!(sent.is(&message), "{sent:?} was read as {message:?}");
    }

    #[test]
    fn a_message_cut_short_or_with_bytes_after_it_is_an_error(sent in sent(), cut in any::<prop::sample::Index>()) {
        let mut bytes = sent.encode();
        prop_assert!(Message::decode(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.put_u8(0);
        prop_assert_eq!(Message::decode(&bytes), Err(DecodeError::Trailing { count: 1 }));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(&bytes);
    }

    #[test]
    fn no_damaged_message_panics(sent in sent(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = sent.encode();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(Message::Insert { new, .. }) = Message::decode(&bytes) {
            prop_assert_eq!(new.iter().count(), new.len());
        }
    }
}

#[test]
fn a_wrong_column_count_reserves_no_memory_for_it() {
    let mut bytes = Sent::Relation(1, String::new(), String::new(), 0, Vec::new()).encode();
    let count = bytes.len() - 2;
    bytes[count..].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(Message::decode(&bytes), Err(DecodeError::Truncated { field: "column flags" }));
}

#[test]
fn an_error_names_the_field() {
    let text = |bytes: &[u8]| Message::decode(bytes).unwrap_err().to_string();
    assert_eq!(text(b""), "the message ends within the message type");
    assert_eq!(text(b"S"), "the message type is 0x53, which protocol version 1 does not have");
    assert_eq!(text(b"T\xff\xff\xff\xff\0"), "truncate relation count is -1, expected 0 or more");
    assert_eq!(text(b"O\0\0\0\0\0\0\0\0\xff\0"), "origin name is not UTF-8");
}
