//! Reading values out of query strings, JSON and the arguments of a tool. Whatever is wrong with one becomes a problem that
//! names the field and what was expected.

use percent_encoding::percent_decode_str;
use serde::de::value::{Error as Plain, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::Problem;

/// How much of a message a problem shows, in characters: it may quote what was sent.
const LONGEST_MESSAGE: usize = 300;

/// Reads a query string.
pub fn read_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    if percent_decode_str(query).decode_utf8().is_err() {
        let detail = "the query string is not UTF-8, percent-encoded".to_owned();
        return Err(Problem::invalid("query string", detail));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if pairs.iter().any(|(given, _)| *given == name) {
            let name: String = name.chars().take(40).collect();
            return Err(Problem::invalid(&name, format!("parameter `{name}` is given more than once")));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    read_pairs(pairs, "parameter")
}

/// Reads a JSON body.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::invalid("body", "the body is empty, expected JSON".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| wrong("field", &error.path().to_string(), &error.inner().to_string()))?;
    deserializer
        .end()
        .map_err(|error| Problem::invalid("body", format!("the body goes on after its end: {error}")))?;
    Ok(value)
}

/// Reads the arguments of a tool.
pub fn read_arguments<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Object(arguments))
        .map_err(|error| wrong("argument", &error.path().to_string(), &error.inner().to_string()))
}

pub(super) fn read_pairs<T: DeserializeOwned>(
    pairs: Vec<(String, String)>,
    kind: &str,
) -> Result<T, Problem> {
    let pairs = pairs.into_iter().map(|(name, value)| (name, Text(value)));
    let deserializer = MapDeserializer::<_, Plain>::new(pairs);
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| wrong(kind, &error.path().to_string(), &error.inner().to_string()))
}

/// The problem that a field is not what was expected; `message` is serde's.
fn wrong(kind: &str, path: &str, message: &str) -> Problem {
    let quoted = |message: &str| message.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some(rest) = message.strip_prefix("missing field ") {
        let name = quoted(rest);
        let name = if path == "." { name } else { format!("{path}.{name}") };
        return Problem::invalid(&name, format!("{kind} `{name}` is missing"));
    }
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let name: String = quoted(rest).chars().take(40).collect();
        // What was sent may hold anything, what is expected does not.
        let expected = rest.rsplit_once("`, expected ").map_or("no others", |(_, expected)| expected);
        return Problem::invalid(&name, format!("{kind} `{name}` is unknown, expected {expected}"));
    }
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    if matches!(path, "." | "?") {
        return Problem::invalid("body", format!("the body is not as expected: {message}"));
    }
    let path: String = path.chars().take(80).collect();
    Problem::invalid(&path, format!("{kind} `{path}`: {message}"))
}

/// A value of a query string: a text, and a number or a yes or no where one is expected.
struct Text(String);

impl IntoDeserializer<'_, Plain> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Text {
    type Error = Plain;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        visitor.visit_string(self.0)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        match self.0.parse() {
            Ok(number) => visitor.visit_i64(number),
            Err(_) => visitor.visit_string(self.0),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        match self.0.parse() {
            Ok(number) => visitor.visit_f64(number),
            Err(_) => visitor.visit_string(self.0),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        match self.0.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(Plain::invalid_value(serde::de::Unexpected::Str(other), &"true or false")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Plain> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Plain> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::Whole;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        query: String,
        k: Option<Whole<1, 100>>,
    }

    #[test]
    fn a_query_string_is_read_with_its_encodings() {
        let asked: Asked = read_query("query=Where+does+she%20live%3F&k=3").unwrap();
        assert_eq!((asked.query.as_str(), asked.k.map(Whole::get)), ("Where does she live?", Some(3)));
    }

    #[test]
    fn a_problem_names_the_field_and_what_was_expected() {
        for (query, parameter, expected) in [
            ("", "query", "is missing"),
            ("query=x&k=0", "k", "expected a whole number from 1 to 100"),
            ("query=x&k=101", "k", "`101`"),
            ("query=x&k=ten", "k", "\"ten\""),
            ("query=x&limit=3", "limit", "is unknown, expected `query` or `k`"),
            ("query=x&query=y", "query", "more than once"),
        ] {
            let problem = read_query::<Asked>(query).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(parameter)), "{query}");
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
        for (body, parameter, expected) in [
            ("", "body", "is empty"),
            ("{", "body", "EOF"),
            ("[]", "body", "not as expected"),
            (r#"{"query": "x", "k": "3"}"#, "k", "expected a whole number"),
            (r#"{"query": 3}"#, "query", "expected a string"),
            (r#"{"query": "x"} x"#, "body", "goes on"),
        ] {
            let problem = read_json::<Asked>(body.as_bytes()).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(parameter)), "{body}");
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_panics(query in "\\PC{0,60}", body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = read_query::<Asked>(&query);
            let _ = read_json::<Asked>(&body);
        }
    }
}
