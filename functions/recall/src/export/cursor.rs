use std::fmt;
use std::str::FromStr;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use store::{ExportPosition, Store};
use uuid::Uuid;

/// A place in an export, as it is handed out and taken back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Cursor(pub(super) ExportPosition);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExportPosition { layer, id, number, name } = &self.0;
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        write!(f, "{layer}.{}.{number}.{name}", id.simple())
    }
}

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let read = || {
            let mut parts = text.splitn(4, '.');
            let layer = parts.next()?.parse().ok().filter(|layer| *layer <= Store::EXPORT_LAYERS)?;
            let id = Uuid::from_str(parts.next()?).ok()?;
            let number = parts.next()?.parse().ok()?;
            let name = percent_decode_str(parts.next()?).decode_utf8().ok()?.into_owned();
            (!name.contains('\0')).then_some(Self(ExportPosition { layer, id, number, name }))
        };
        read().ok_or("expected the header `afterthought-next` of an answer")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back(layer in 0..=Store::EXPORT_LAYERS, id: u128, number: i64, name in "[^\0]{0,20}") {
            let cursor = Cursor(ExportPosition { layer, id: Uuid::from_u128(id), number, name });
            prop_assert!(cursor.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(Cursor::try_from(cursor.to_string()), Ok(cursor));
        }

        #[test]
        fn nothing_else_is_read(text in ".{0,60}") {
            if let Ok(cursor) = Cursor::try_from(text) {
                prop_assert!(cursor.0.layer <= Store::EXPORT_LAYERS);
            }
        }
    }

    #[test]
    fn a_cursor_beyond_the_last_layer_is_refused() {
        let beyond = Cursor(ExportPosition::beginning(Store::EXPORT_LAYERS + 1));
        assert!(Cursor::try_from(beyond.to_string()).is_err());
        assert!(Cursor::try_from("0.00000000000000000000000000000000.0.%00".to_owned()).is_err());
    }
}
