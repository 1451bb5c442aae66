use super::{Cursor, DecodeError};

/// A row: one value per published column, checked when decoded and read where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple<'a> {
    columns: u16,
    values: &'a [u8],
}

/// A column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// SQL null.
    Null,
    /// A large value that did not change and is therefore not sent.
    Unchanged,
    /// As the type's output function writes it.
    Text(&'a [u8]),
    /// As the type's send function writes it.
    Binary(&'a [u8]),
}

impl<'a> Value<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        const FIELD: &str = "a column's value";
        Ok(match cursor.u8("a column's kind")? {
            b'n' => Self::Null,
            b'u' => Self::Unchanged,
            b't' => {
                let length = cursor.length("a column's length")?;
                Self::Text(cursor.bytes(length, FIELD)?)
            }
            b'b' => {
                let length = cursor.length("a column's length")?;
                Self::Binary(cursor.bytes(length, FIELD)?)
            }
            got => return Err(DecodeError::Unknown { field: "a column's kind", got }),
        })
    }
}

impl<'a> Tuple<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let columns = cursor.u16("the column count")?;
        let before = cursor.rest();
        for _ in 0..columns {
            Value::read(cursor)?;
        }
        let length = before.len() - cursor.rest().len();
        Ok(Self { columns, values: before.get(..length).unwrap_or_default() })
    }

    /// How many values the row has.
    pub const fn len(self) -> usize {
        self.columns as usize
    }

    /// Whether the row has no value.
    pub const fn is_empty(self) -> bool {
        self.columns == 0
    }

    /// The values in the order of the relation's columns.
    pub fn iter(self) -> impl Iterator<Item = Value<'a>> {
        let mut cursor = Cursor::new(self.values);
        // Reading has checked every value, so the iterator ends with the row.
        std::iter::from_fn(move || Value::read(&mut cursor).ok())
    }
}
