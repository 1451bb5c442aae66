use serde_json::Value;
use sha2::{Digest, Sha256};

/// How deep a document may be nested: short of what a reader of JSON gives up at, with room for what is put around it.
const MOST_LEVELS: usize = 96;
/// Up to here a double holds every integer; beyond, some.
const EVERY_INTEGER_TO: u64 = 1 << 53;

/// A JSON document in its canonical form (RFC 8785): the same bytes for the same document, however it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical(String);

/// Why a document has no canonical form that it could be read back from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// It holds an integer that canonical JSON would round.
    #[error("{pointer} is {number}, expected an integer that a double holds: write it as text")]
    Rounded {
        /// Where, as a JSON pointer; empty for the document itself.
        pointer: String,
        /// The number.
        number: String,
    },
    /// It is nested too deep.
    #[error("nested more than {MOST_LEVELS} levels deep")]
    TooDeep,
    /// It is too long.
    #[error("{bytes} bytes as canonical JSON, expected at most {most}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
}

impl Canonical {
    /// The canonical form of a document, of at most `most_bytes`.
    pub fn of(document: &Value, most_bytes: usize) -> Result<Self, NotCanonical> {
        check(document, &mut Vec::new())?;
        let canonical = Self::unchecked(document);
        if canonical.bytes() > most_bytes {
            return Err(NotCanonical::TooLong { bytes: canonical.bytes(), most: most_bytes });
        }
        Ok(canonical)
    }

    /// The canonical form of a document that was checked when it was written.
    pub(super) fn unchecked(document: &Value) -> Self {
        let text = serde_json_canonicalizer::to_string(document)
            .expect("a document has text for keys, every key once, and finite numbers");
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// SHA-256 of the text.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

/// Whether a document can be stored, and be part of another that is stored; says what was expected of it if not.
pub fn check_document(document: &Value) -> Result<(), &'static str> {
    check_at(document, MOST_LEVELS)
}

fn check_at(document: &Value, levels: usize) -> Result<(), &'static str> {
    const NO_NUL: &str = "must hold no NUL character";
    let Some(below) = levels.checked_sub(1) else { return Err("must be nested at most 96 levels deep") };
    match document {
        Value::String(text) if text.contains('\0') => Err(NO_NUL),
        Value::Array(items) => items.iter().try_for_each(|item| check_at(item, below)),
        Value::Object(fields) => {
            fields.iter().try_for_each(
                |(name, field)| {
                    if name.contains('\0') { Err(NO_NUL) } else { check_at(field, below) }
                },
            )
        }
        _ => Ok(()),
    }
}

/// Looks for what canonical JSON would not keep. `path` leads to the document.
fn check(document: &Value, path: &mut Vec<String>) -> Result<(), NotCanonical> {
    if path.len() > MOST_LEVELS {
        return Err(NotCanonical::TooDeep);
    }
    match document {
        Value::Number(number) => {
            let magnitude = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            if magnitude.is_none_or(|magnitude| magnitude <= EVERY_INTEGER_TO) {
                return Ok(());
            }
            let written = number.to_string();
            if Canonical::unchecked(document).as_str() == written {
                return Ok(());
            }
            let pointer = path.iter().flat_map(|step| ["/", step.as_str()]).collect();
            Err(NotCanonical::Rounded { pointer, number: written })
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(position, item)| {
            path.push(position.to_string());
            check(item, path)?;
            path.pop();
            Ok(())
        }),
        Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
            path.push(name.replace('~', "~0").replace('/', "~1"));
            check(field, path)?;
            path.pop();
            Ok(())
        }),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn canonical(document: &Value) -> Result<String, NotCanonical> {
        Canonical::of(document, 1_000_000).map(|canonical| canonical.0)
    }

    #[test]
    fn the_same_document_has_the_same_bytes() {
        let written: Value = serde_json::from_str(r#"{"b": 1.0, "a": [12e1, "\u00e9", -0.0]}"#).unwrap();
        assert_eq!(canonical(&written).unwrap(), r#"{"a":[120,"é",0],"b":1}"#);
        assert_eq!(canonical(&json!(null)).unwrap(), "null");
        assert_eq!(canonical(&json!("a\0")).unwrap(), r#""a\u0000""#);
    }

    #[test]
    fn what_would_not_be_kept_is_refused_with_its_place() {
        assert_eq!(canonical(&json!([9_007_199_254_740_992_i64])).unwrap(), "[9007199254740992]");
        let large = json!({"a/b": [0, 9_007_199_254_740_993_i64]});
        let error = canonical(&large).unwrap_err();
        assert!(error.to_string().starts_with("/a~1b/1 is 9007199254740993, expected"), "{error}");
        assert_eq!(canonical(&json!(100_000_000_000_000_000_i64)).unwrap(), "100000000000000000");
        assert!(canonical(&json!(u64::MAX)).is_err());
        let deep = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(canonical(&deep(96)).is_ok());
        assert_eq!(canonical(&deep(97)), Err(NotCanonical::TooDeep));
        let long = Canonical::of(&json!("12345"), 6).unwrap_err();
        assert_eq!(long.to_string(), "7 bytes as canonical JSON, expected at most 6");
    }

    #[test]
    fn a_document_that_postgres_cannot_hold_is_told() {
        assert_eq!(check_document(&json!({"a": [1, "b", {"c": null}]})), Ok(()));
        for wrong in [json!("\0"), json!([{"a\0": 1}]), json!({"a": ["x\0y"]})] {
            assert_eq!(check_document(&wrong), Err("must hold no NUL character"));
        }
        let deep = |levels| (1..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(check_document(&deep(96)), Ok(()));
        assert!(check_document(&deep(97)).is_err());
    }

    proptest! {
        #[test]
        fn a_number_is_read_back_as_it_was(number: f64) {
            prop_assume!(number.is_finite());
            let text = canonical(&json!(number)).unwrap();
            let back: Value = serde_json::from_str(&text).unwrap();
            prop_assert!(back.as_f64().unwrap().total_cmp(&(number + 0.0)).is_eq());
            // It may be read back as an integer, which is taken and written all the same.
            prop_assert_eq!(canonical(&back).unwrap(), text);
        }
    }
}
