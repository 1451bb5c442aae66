//! JSON documents of an application, with their limits.
//!
//! A number keeps its exact value. What a machine's own numbers would round is kept as it was written: as a string of a
//! zero character and the number's text, which no string of a document begins with, because zero characters are refused.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// The most that a document takes as compact JSON, in bytes. An item of DynamoDB holds 400 KB with everything beside it.
pub const MOST_DOCUMENT_BYTES: usize = 256 * 1024;
/// The longest name of a member, in bytes.
pub const LONGEST_MEMBER_NAME_BYTES: usize = 256;
/// How deep objects and arrays may lie in each other, the document itself being the first.
pub const DEEPEST: usize = 100;

/// What the text of a number that must not be rounded begins with.
const EXACT: char = '\0';

/// An object whose members an application names: its working memory, or the state of one of its tools.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document(pub(crate) Map<String, Value>);

/// A part of a document, or what is to become one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part(pub(crate) Value);

/// Why something cannot be kept as a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    Syntax(String),
    /// JSON that cannot be kept.
    #[error("{} {problem}", place(at))]
    Member {
        /// Where, as a JSON Pointer (RFC 6901).
        at: String,
        /// What is wrong there, and what was expected.
        problem: Cow<'static, str>,
    },
    /// More than fits.
    #[error("it would take {bytes} bytes as compact JSON, at most {MOST_DOCUMENT_BYTES} are kept")]
    TooLarge {
        /// How many bytes it would take.
        bytes: usize,
    },
}

fn place(at: &str) -> String {
    if at.is_empty() { "the whole".to_owned() } else { format!("`{at}`") }
}

impl InvalidDocument {
    pub(crate) fn member(at: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::Member { at: at.into(), problem: problem.into() }
    }

    /// The same, seen from one level further out.
    fn within(self, token: &str) -> Self {
        match self {
            Self::Member { at, problem } => {
                let token = token.replace('~', "~0").replace('/', "~1");
                Self::Member { at: format!("/{token}{at}"), problem }
            }
            other => other,
        }
    }
}

impl Document {
    /// Reads an object. Names given twice, zero characters and lone surrogates are refused, and what is beyond a limit.
    pub fn read(text: &str) -> Result<Self, InvalidDocument> {
        Self::of(read(text)?)
    }

    /// How many bytes it takes as compact JSON.
    pub fn bytes(&self) -> usize {
        self.to_string().len()
    }

    pub(crate) fn of(value: Value) -> Result<Self, InvalidDocument> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            other => Err(InvalidDocument::member("", format!("is {}, expected an object", kind(&other)))),
        }
    }
}

impl Part {
    /// Reads a part: any JSON, held to the same limits.
    pub fn read(text: &str) -> Result<Self, InvalidDocument> {
        read(text).map(Self)
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }
}

/// In a word, what kind of JSON it is.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(text) if text.starts_with(EXACT) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads any JSON that a document may hold.
pub(crate) fn read(text: &str) -> Result<Value, InvalidDocument> {
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|error| InvalidDocument::Syntax(error.to_string()))?;
    read_raw(raw, 0)
}

fn read_raw(raw: &RawValue, depth: usize) -> Result<Value, InvalidDocument> {
    let text = raw.get();
    let depth = depth + usize::from(text.starts_with(['{', '[']));
    if depth > DEEPEST {
        let problem = format!("lies deeper than {DEEPEST} objects and arrays");
        return Err(InvalidDocument::member("", problem));
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
            let mut object = Map::new();
            for (name, raw) in members {
                check_name(&name)?;
                let value = read_raw(raw, depth).map_err(|error| error.within(&name))?;
                if object.insert(name.clone(), value).is_some() {
                    return Err(
                        InvalidDocument::member("", "is given more than once, expected once").within(&name)
                    );
                }
            }
            Ok(Value::Object(object))
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
            let elements = elements
                .into_iter()
                .enumerate()
                .map(|(index, raw)| read_raw(raw, depth).map_err(|error| error.within(&index.to_string())));
            elements.collect::<Result<_, _>>().map(Value::Array)
        }
        Some(b'-' | b'0'..=b'9') => Ok(number(text)),
        Some(b'"') => {
            let read: String = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
            if read.contains('\0') {
                return Err(InvalidDocument::member(
                    "",
                    "holds a zero character (\\u0000), which is not kept",
                ));
            }
            Ok(Value::String(read))
        }
        _ => serde_json::from_str(text).map_err(|error| unreadable(&error)),
    }
}

/// What is well-formed and yet no text: serde only says so for half of a surrogate pair.
fn unreadable(error: &serde_json::Error) -> InvalidDocument {
    let said = error.to_string();
    if said.contains("surrogate") || said.contains("hex escape") {
        InvalidDocument::member("", "holds half of a surrogate pair (\\ud800 to \\udfff), which is no text")
    } else {
        InvalidDocument::Syntax(said)
    }
}

fn check_name(name: &str) -> Result<(), InvalidDocument> {
    if name.contains('\0') {
        return Err(InvalidDocument::member(
            "",
            "has a member whose name holds a zero character (\\u0000), which is not kept",
        ));
    }
    if name.len() > LONGEST_MEMBER_NAME_BYTES {
        return Err(InvalidDocument::member(
            "",
            format!(
                "has a member whose name takes {} bytes, expected at most {LONGEST_MEMBER_NAME_BYTES}",
                name.len()
            ),
        ));
    }
    Ok(())
}

/// A number, as one of a machine's where that has exactly its value.
fn number(text: &str) -> Value {
    match text.parse::<Number>() {
        Ok(number) if decimal(text).is_some() && decimal(&number.to_string()) == decimal(text) => {
            Value::Number(number)
        }
        _ => Value::String(format!("{EXACT}{text}")),
    }
}

/// A decimal number in one of the many ways to write it: sign, digits without zeros around them, exponent of the last.
/// `None` when the exponent is out of all bounds.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let significant = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some((negative, String::new(), 0));
    }
    Some((negative, significant.to_owned(), exponent.checked_add(dropped)?))
}

/// Whether two values are the same JSON: numbers by their value (RFC 6902, 4.6).
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| equal(one, other)))
        }
        (one, other) => match (number_text(one), number_text(other)) {
            (Some(one), Some(other)) => {
                one == other
                    || decimal(&one).zip(decimal(&other)).is_some_and(|(one, other)| {
                        // Zero has no sign as a value.
                        (one.0 == other.0 || one.1.is_empty()) && one.1 == other.1 && one.2 == other.2
                    })
            }
            (None, None) => one == other,
            _ => false,
        },
    }
}

fn number_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => text.strip_prefix(EXACT).map(str::to_owned),
        _ => None,
    }
}

/// How many bytes a value takes as compact JSON, when it keeps to the limits.
pub(crate) fn measure(value: &Value) -> Result<usize, InvalidDocument> {
    check(value, 0)?;
    let bytes = write(value).len();
    if bytes > MOST_DOCUMENT_BYTES { Err(InvalidDocument::TooLarge { bytes }) } else { Ok(bytes) }
}

fn check(value: &Value, depth: usize) -> Result<(), InvalidDocument> {
    let deeper = depth + 1;
    let too_deep = || {
        let problem = format!("lies deeper than {DEEPEST} objects and arrays");
        Err(InvalidDocument::member("", problem))
    };
    match value {
        Value::Array(_) | Value::Object(_) if deeper > DEEPEST => too_deep(),
        Value::Array(elements) => elements.iter().enumerate().try_for_each(|(index, value)| {
            check(value, deeper).map_err(|error| error.within(&index.to_string()))
        }),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            check_name(name)?;
            check(value, deeper).map_err(|error| error.within(name))
        }),
        _ => Ok(()),
    }
}

/// A value as compact JSON.
pub(crate) fn write(value: &Value) -> String {
    serde_json::to_string(&Exactly(value)).expect("JSON in memory can be written")
}

/// Members in the order they are given, with every repetition.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key()? {
                    let value = map.next_value().map_err(A::Error::custom)?;
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A value with its numbers as they were written.
pub(crate) struct Exactly<'a>(pub(crate) &'a Value);

impl Serialize for Exactly<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) => match text.strip_prefix(EXACT) {
                Some(number) => {
                    let raw = RawValue::from_string(number.to_owned()).map_err(S::Error::custom)?;
                    raw.serialize(serializer)
                }
                None => serializer.serialize_str(text),
            },
            Value::Array(elements) => {
                let mut array = serializer.serialize_seq(Some(elements.len()))?;
                elements.iter().try_for_each(|element| array.serialize_element(&Exactly(element)))?;
                array.end()
            }
            Value::Object(members) => write_members(members, serializer),
            other => other.serialize(serializer),
        }
    }
}

fn write_members<S: Serializer>(members: &Map<String, Value>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(members.len()))?;
    members.iter().try_for_each(|(name, value)| object.serialize_entry(name, &Exactly(value)))?;
    object.end()
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_members(&self.0, serializer)
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Exactly(&self.0).serialize(serializer)
    }
}

impl fmt::Display for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_not_json| fmt::Error)?)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&write(&self.0))
    }
}

/// The names of a document's members.
pub(crate) fn names(document: &Document) -> BTreeSet<String> {
    document.0.keys().cloned().collect()
}

#[cfg(test)]
mod tests;
