//! The logical replication messages that `pgoutput` sends with protocol version 1.
//!
//! Pure and borrowing: a [`Message`] points into the bytes it was decoded from, and a row is checked but not copied.
//! Any input gives a message or a [`DecodeError`], never a panic. Source of the format: "Logical Replication Message
//! Formats" in the Postgres manual.

mod cursor;
mod tuple;

use cursor::Cursor;
pub use tuple::{Tuple, Value};

/// Bytes that are no message of protocol version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends before its `field` does.
    #[error("the message ends within {field}")]
    Truncated {
        /// What was being read.
        field: &'static str,
    },
    /// A byte that selects a kind has a value this version does not know.
    #[error("{field} is {got:#04x}, which protocol version 1 does not have")]
    Unknown {
        /// What the byte selects.
        field: &'static str,
        /// Its value.
        got: u8,
    },
    /// A name that is not UTF-8, although the session asked for it.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// The name.
        field: &'static str,
    },
    /// A count or length below zero.
    #[error("{field} is {got}, expected 0 or more")]
    Negative {
        /// What is counted.
        field: &'static str,
        /// Its value.
        got: i32,
    },
    /// Bytes are left after the message.
    #[error("{count} bytes follow the message")]
    Trailing {
        /// How many.
        count: usize,
    },
}

/// One message. Positions are WAL positions as in `pg_lsn`; times are microseconds since 2000-01-01 00:00 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// A committed transaction begins.
    Begin {
        /// Where its commit record lies.
        final_lsn: u64,
        /// When it committed.
        commit_time: i64,
        /// Its transaction id.
        xid: u32,
    },
    /// The transaction ends.
    Commit {
        /// Unused so far, 0.
        flags: u8,
        /// Where the commit record lies.
        commit_lsn: u64,
        /// Just after the commit record: confirming it confirms the transaction.
        end_lsn: u64,
        /// When it committed.
        commit_time: i64,
    },
    /// The transaction came from another server.
    Origin {
        /// Its commit there.
        commit_lsn: u64,
        /// That server's name.
        name: &'a str,
    },
    /// What a relation looks like from here on.
    Relation(Relation<'a>),
    /// A type that is not built in.
    Type {
        /// Its oid.
        id: u32,
        /// Its schema; empty for `pg_catalog`.
        schema: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A new row.
    Insert {
        /// The relation's oid.
        relation: u32,
        /// The row.
        new: Tuple<'a>,
    },
    /// A changed row.
    Update {
        /// The relation's oid.
        relation: u32,
        /// The row before, where the relation's replica identity has it sent.
        old: Option<OldTuple<'a>>,
        /// The row after.
        new: Tuple<'a>,
    },
    /// A row that is gone.
    Delete {
        /// The relation's oid.
        relation: u32,
        /// What it was.
        old: OldTuple<'a>,
    },
    /// Relations were emptied.
    Truncate {
        /// 1 for `cascade`, 2 for `restart identity`.
        options: u8,
        /// The relations' oids.
        relations: Oids<'a>,
    },
    /// Something that `pg_logical_emit_message` wrote.
    Message {
        /// 1 when it belongs to a transaction.
        flags: u8,
        /// Where it lies.
        lsn: u64,
        /// Who it is for.
        prefix: &'a str,
        /// What it says.
        content: &'a [u8],
    },
}

/// What a relation looks like. Columns come in the order in which rows send their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Its oid.
    pub id: u32,
    /// Its schema; empty for `pg_catalog`.
    pub schema: &'a str,
    /// Its name.
    pub name: &'a str,
    /// `relreplident` of `pg_class`.
    pub replica_identity: u8,
    /// The columns that are published.
    pub columns: Vec<Column<'a>>,
}

/// A published column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// 1 when it belongs to the key.
    pub flags: u8,
    /// Its name.
    pub name: &'a str,
    /// Its type's oid.
    pub type_id: u32,
    /// `atttypmod` of `pg_attribute`.
    pub type_modifier: i32,
}

/// A row before it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldTuple<'a> {
    /// Only the columns of the key; the others are null.
    Key(Tuple<'a>),
    /// The whole row.
    Full(Tuple<'a>),
}

/// A list of oids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oids<'a>(&'a [u8]);

impl<'a> Oids<'a> {
    /// The oids in order.
    pub fn iter(self) -> impl Iterator<Item = u32> + 'a {
        self.0.as_chunks::<4>().0.iter().map(|oid| u32::from_be_bytes(*oid))
    }
}

impl<'a> Message<'a> {
    /// Decodes one whole message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes);
        let message = match cursor.u8("the message type")? {
            b'I' => Self::Insert { relation: cursor.u32("insert relation")?, new: new_tuple(&mut cursor)? },
            b'B' => Self::Begin {
                final_lsn: cursor.u64("begin lsn")?,
                commit_time: cursor.i64("begin time")?,
                xid: cursor.u32("begin xid")?,
            },
            b'C' => Self::Commit {
                flags: cursor.u8("commit flags")?,
                commit_lsn: cursor.u64("commit lsn")?,
                end_lsn: cursor.u64("commit end lsn")?,
                commit_time: cursor.i64("commit time")?,
            },
            b'O' => {
                Self::Origin { commit_lsn: cursor.u64("origin lsn")?, name: cursor.string("origin name")? }
            }
            b'R' => Self::Relation(relation(&mut cursor)?),
            b'Y' => Self::Type {
                id: cursor.u32("type oid")?,
                schema: cursor.string("type schema")?,
                name: cursor.string("type name")?,
            },
            b'U' => update(&mut cursor)?,
            b'D' => {
                let relation = cursor.u32("delete relation")?;
                match cursor.u8("delete tuple kind")? {
                    b'K' => Self::Delete { relation, old: OldTuple::Key(Tuple::read(&mut cursor)?) },
                    b'O' => Self::Delete { relation, old: OldTuple::Full(Tuple::read(&mut cursor)?) },
                    got => return Err(DecodeError::Unknown { field: "delete tuple kind", got }),
                }
            }
            b'T' => {
                let count = cursor.length("truncate relation count")?;
                let options = cursor.u8("truncate options")?;
                let length = count.saturating_mul(4);
                Self::Truncate { options, relations: Oids(cursor.bytes(length, "truncate relations")?) }
            }
            b'M' => Self::Message {
                flags: cursor.u8("message flags")?,
                lsn: cursor.u64("message lsn")?,
                prefix: cursor.string("message prefix")?,
                content: {
                    let length = cursor.length("message length")?;
                    cursor.bytes(length, "message content")?
                },
            },
            got => return Err(DecodeError::Unknown { field: "the message type", got }),
        };
        match cursor.rest().len() {
            0 => Ok(message),
            count => Err(DecodeError::Trailing { count }),
        }
    }
}

fn relation<'a>(cursor: &mut Cursor<'a>) -> Result<Relation<'a>, DecodeError> {
    let id = cursor.u32("relation oid")?;
    let schema = cursor.string("relation schema")?;
    let name = cursor.string("relation name")?;
    let replica_identity = cursor.u8("relation replica identity")?;
    let count = cursor.u16("relation column count")?;
    // A column takes at least 10 bytes, so a wrong count cannot reserve more than the message is long.
    let mut columns = Vec::with_capacity(usize::from(count).min(cursor.rest().len() / 10));
    for _ in 0..count {
        columns.push(Column {
            flags: cursor.u8("column flags")?,
            name: cursor.string("column name")?,
            type_id: cursor.u32("column type")?,
            type_modifier: cursor.i32("column type modifier")?,
        });
    }
    Ok(Relation { id, schema, name, replica_identity, columns })
}

fn new_tuple<'a>(cursor: &mut Cursor<'a>) -> Result<Tuple<'a>, DecodeError> {
    match cursor.u8("new tuple kind")? {
        b'N' => Tuple::read(cursor),
        got => Err(DecodeError::Unknown { field: "new tuple kind", got }),
    }
}

fn update<'a>(cursor: &mut Cursor<'a>) -> Result<Message<'a>, DecodeError> {
    let relation = cursor.u32("update relation")?;
    let (old, new) = match cursor.u8("update tuple kind")? {
        b'N' => (None, Tuple::read(cursor)?),
        b'K' => (Some(OldTuple::Key(Tuple::read(cursor)?)), new_tuple(cursor)?),
        b'O' => (Some(OldTuple::Full(Tuple::read(cursor)?)), new_tuple(cursor)?),
        got => return Err(DecodeError::Unknown { field: "update tuple kind", got }),
    };
    Ok(Message::Update { relation, old, new })
}

#[cfg(test)]
mod tests;
