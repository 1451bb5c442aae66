use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::Error;

/// What the key of `MODEL_URL` is called among several.
pub(crate) const USUAL: &str = "default";

/// What `MODEL_API_KEY` holds: one key, or a JSON object with the keys of several models by their names, that of `MODEL_URL`
/// being `default`.
#[derive(Clone, Default)]
pub struct ApiKeys(BTreeMap<String, SecretString>);

/// Shows whose keys there are.
impl fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl ApiKeys {
    /// Reads the value. No key begins with a brace.
    pub fn read(given: &SecretString) -> Result<Self, Error> {
        let text = given.expose_secret().trim();
        if !text.starts_with('{') {
            let key = (!text.is_empty()).then(|| (USUAL.to_owned(), SecretString::from(text)));
            return Ok(Self(key.into_iter().collect()));
        }
        // The parser's own error may quote a key.
        let keys: BTreeMap<String, String> = serde_json::from_str(text).map_err(|_unreadable| {
            Error::Configuration("MODEL_API_KEY is not a JSON object of strings".to_owned())
        })?;
        let keys = keys.into_iter().map(|(name, key)| (name, SecretString::from(key)));
        Ok(Self(keys.collect()))
    }

    /// The key of `MODEL_URL`.
    pub fn usual(&self) -> Option<SecretString> {
        self.of(USUAL)
    }

    pub(crate) fn of(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).cloned()
    }

    /// Whose keys there are, but for that of `MODEL_URL`.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| *name != USUAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ApiKeys, Error> {
        ApiKeys::read(&SecretString::from(text))
    }

    #[test]
    fn a_key_is_that_of_the_usual_model_and_an_object_has_one_for_each() {
        let exposed = |key: Option<SecretString>| key.map(|key| key.expose_secret().to_owned());
        assert_eq!(exposed(read(" sk-1 ").unwrap().usual()).as_deref(), Some("sk-1"));
        let several = read(r#"{"default": "sk-1", "eu": "sk-2"}"#).unwrap();
        assert_eq!(exposed(several.usual()).as_deref(), Some("sk-1"));
        assert_eq!(exposed(several.of("eu")).as_deref(), Some("sk-2"));
        assert_eq!(several.names().collect::<Vec<_>>(), ["eu"]);
        assert_eq!(exposed(read(r#"{"eu": "sk-2"}"#).unwrap().usual()), None);
        assert_eq!(exposed(read("").unwrap().usual()), None);
    }

    #[test]
    fn neither_an_error_nor_a_description_shows_a_key() {
        let error = read(r#"{"eu": sk-secret}"#).unwrap_err().to_string();
        assert!(error.contains("MODEL_API_KEY") && !error.contains("sk-secret"), "{error}");
        let keys = read(r#"{"eu": "sk-secret"}"#).unwrap();
        assert_eq!(format!("{keys:?}"), r#"{"eu"}"#);
    }
}
