use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use super::moment::{self, Towards};
use crate::http::Problem;

/// The parameters of a query string, each given at most once and known by name.
#[derive(Debug)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(crate) fn read(query_string: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query_string.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let name: String = name.chars().take(40).collect();
                let expected = if known.is_empty() {
                    "no parameters".to_owned()
                } else {
                    format!("`{}`", known.join("`, `"))
                };
                return Err(Problem::invalid(
                    &name,
                    format!("parameter `{name}` is unknown, expected {expected}"),
                ));
            }
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Problem::invalid(&name, format!("parameter `{name}` is given more than once")));
            }
        }
        Ok(Self(parameters))
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }
}

/// What a request gives: the parameters of its query string or the fields of its body, known by name.
#[derive(Debug)]
pub(crate) enum Fields {
    /// Of a query string: texts.
    Query(Parameters),
    /// Of a body: JSON. A field that is null counts as not given.
    Body(BTreeMap<String, Value>),
}

impl Fields {
    /// Reads a query string.
    pub(crate) fn of_query(query_string: &str, known: &[&str]) -> Result<Self, Problem> {
        Parameters::read(query_string, known).map(Self::Query)
    }

    /// Reads a body.
    pub(crate) fn of_body(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        let expected = format!("expected a JSON object with any of `{}`", known.join("`, `"));
        if body.is_empty() {
            return Err(Problem::invalid("body", format!("the body is empty, {expected}")));
        }
        let fields: BTreeMap<String, Value> = serde_json::from_slice(body).map_err(|error| {
            // Where it is wrong, without repeating what it says.
            let (line, column) = (error.line(), error.column());
            Problem::invalid(
                "body",
                format!("the body is not a JSON object (line {line}, column {column}), {expected}"),
            )
        })?;
        if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            let name: String = name.chars().take(40).collect();
            let known = known.join("`, `");
            return Err(Problem::invalid(&name, format!("field `{name}` is unknown, expected `{known}`")));
        }
        Ok(Self::Body(fields.into_iter().filter(|(_, value)| !value.is_null()).collect()))
    }

    /// What was given under a name, as text or number.
    fn take(&mut self, name: &str) -> Option<Value> {
        match self {
            Self::Query(parameters) => parameters.take(name).map(Value::String),
            Self::Body(fields) => fields.remove(name),
        }
    }

    /// The problem that a field is something else than expected.
    pub(crate) fn wrong(&self, name: &str, got: &Value, expected: &str) -> Problem {
        let kind = match self {
            Self::Query(_) => "parameter",
            Self::Body(_) => "field",
        };
        let got = match got {
            Value::Object(_) => "an object".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
            other => other.to_string(),
        };
        Problem::invalid(name, format!("{kind} `{name}` is {got}, expected {expected}"))
    }

    /// A text that `read` makes something of.
    pub(crate) fn text<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(given) = self.take(name) else { return Ok(None) };
        match given.as_str().and_then(read) {
            Some(value) => Ok(Some(value)),
            None => Err(self.wrong(name, &given, expected)),
        }
    }

    /// A whole number within bounds: a number in a body, digits in a query string.
    pub(crate) fn whole(&mut self, name: &str, bounds: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(given) = self.take(name) else { return Ok(None) };
        let number = match (&*self, &given) {
            (Self::Query(_), Value::String(digits)) => digits.parse().ok(),
            (_, given) => given.as_i64(),
        };
        if let Some(number) = number.filter(|number| bounds.contains(number)) {
            return Ok(Some(number));
        }
        let expected = match (bounds.start(), bounds.end()) {
            (least, &i64::MAX) => format!("a whole number of at least {least}"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        Err(self.wrong(name, &given, &expected))
    }

    /// A yes or no; no when not given.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(name, &other, "true or false")),
        }
    }

    /// A moment, see [`moment::read`].
    pub(crate) fn moment(
        &mut self,
        name: &str,
        towards: Towards,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Problem> {
        let expected = match towards {
            Towards::Past => {
                "a time such as 2026-02-10T09:00:00Z, or a time span such as 2h for two hours ago"
            }
            Towards::Future => {
                "a time such as 2026-02-10T09:00:00Z, or a time span such as 2h for in two hours"
            }
        };
        self.text(name, expected, |text| moment::read(text, towards, now))
    }

    /// Whatever was given.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.take(name)
    }

    /// An identifier.
    pub(crate) fn uuid(&mut self, name: &str) -> Result<Option<Uuid>, Problem> {
        self.text(name, "an identifier such as 018f3c1e-0000-7000-8000-000000000000", |text| {
            text.parse().ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Result<Fields, Problem> {
        Fields::of_body(text.as_bytes(), &["tenant", "version", "all", "since"])
    }

    fn problem<T: std::fmt::Debug>(result: Result<T, Problem>) -> (Option<String>, String) {
        let problem = result.unwrap_err();
        assert_eq!(problem.status, 400);
        (problem.parameter, problem.detail)
    }

    #[test]
    fn a_body_that_is_no_object_of_known_fields_is_refused() {
        for (text, parameter, detail) in [
            ("", "body", "the body is empty, expected a JSON object with any of `tenant`"),
            ("[1]", "body", "not a JSON object (line 1, column 0)"),
            ("{\"tenant\": ", "body", "line 1, column 11"),
            (
                "{\"tennant\": \"acme\"}",
                "tennant",
                "field `tennant` is unknown, expected `tenant`, `version`",
            ),
        ] {
            let (named, said) = problem(body(text));
            assert_eq!(named.as_deref(), Some(parameter), "{text}");
            assert!(said.contains(detail), "{said}");
        }
    }

    #[test]
    fn a_field_of_another_kind_is_named_with_what_was_expected() {
        let mut fields = body(r#"{"tenant": {"a": 1}, "version": "3", "all": "yes", "since": 7}"#).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        for ((named, said), expected) in [
            (
                problem(fields.text("tenant", "a name", |_| Some(()))),
                "`tenant` is an object, expected a name",
            ),
            (problem(fields.whole("version", 0..=i64::MAX)), r#""3", expected a whole number of at least 0"#),
            (problem(fields.flag("all")), r#""yes", expected true or false"#),
            (problem(fields.moment("since", Towards::Past, now)), "is 7, expected a time such as"),
        ] {
            assert!(named.is_some() && said.contains(expected), "{said}");
        }
    }

    #[test]
    fn null_is_not_given_and_digits_are_numbers_in_a_query_string_alone() {
        let mut fields = body(r#"{"tenant": null, "version": 3}"#).unwrap();
        assert_eq!(fields.text("tenant", "a name", |text| Some(text.to_owned())), Ok(None));
        assert_eq!(fields.whole("version", 1..=5), Ok(Some(3)));
        assert_eq!(fields.flag("all"), Ok(false));
        let mut query = Fields::of_query("limit=7&version=x", &["limit", "version"]).unwrap();
        assert_eq!(query.whole("limit", 1..=10), Ok(Some(7)));
        let (named, said) = problem(query.whole("version", 1..=10));
        assert_eq!(named.as_deref(), Some("version"));
        assert!(
            said.contains(r#"parameter `version` is "x", expected a whole number from 1 to 10"#),
            "{said}"
        );
    }
}
