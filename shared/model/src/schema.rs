use std::fmt;

use jsonschema::Validator;
use serde_json::Value;

use crate::Error;

/// The JSON Schema an answer must satisfy: sent to the provider and checked again on what comes back.
pub struct Schema {
    pub(crate) name: &'static str,
    pub(crate) document: Value,
    validator: Validator,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Schema {
    /// Reads a schema, once, when the agent starts. `name` is what the provider is told it is called.
    pub fn parse(name: &'static str, document: &str) -> Result<Self, Error> {
        let invalid =
            |reason: String| Error::Configuration(format!("the schema {name} is invalid: {reason}"));
        let document: Value = serde_json::from_str(document).map_err(|error| invalid(error.to_string()))?;
        let validator = jsonschema::validator_for(&document).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { name, document, validator })
    }

    /// Checks an answer. The error says where it goes wrong and which rule it breaks, never what it says.
    pub(crate) fn check(&self, answer: &Value) -> Result<(), Error> {
        self.validator.validate(answer).map_err(|error| {
            let at = error.instance_path().to_string();
            let at = if at.is_empty() { "/" } else { &at };
            Error::Invalid(format!("{} breaks `{}` at {at}", self.name, error.kind().keyword()))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_says_where_but_not_what() {
        let schema = Schema::parse(
            "people",
            r#"{"type": "object", "required": ["names"], "additionalProperties": false,
                "properties": {"names": {"type": "array", "items": {"type": "string"}}}}"#,
        )
        .unwrap();
        assert_eq!(schema.check(&json!({"names": ["Ada"]})), Ok(()));
        let error = schema.check(&json!({"names": ["Ada", {"secret": 1}]})).unwrap_err().to_string();
        assert!(error.contains("`type` at /names/1") && !error.contains("secret"), "{error}");
        let error = schema.check(&json!({})).unwrap_err().to_string();
        assert!(error.contains("`required` at /"), "{error}");
    }

    #[test]
    fn a_broken_schema_is_a_configuration_error() {
        assert!(matches!(Schema::parse("s", "{"), Err(Error::Configuration(_))));
        assert!(matches!(Schema::parse("s", r#"{"type": 7}"#), Err(Error::Configuration(_))));
    }
}
