//! The models that tenants may choose: the deployment says where each is, and a tenant names one.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use serde::Deserialize;
use serde_json::Number;

use crate::api_keys::USUAL;
use crate::config::read_url;
use crate::{ApiKeys, Endpoint, Error, ModelConfig, Price};

/// The variable.
const VARIABLE: &str = "MODEL_CHOICES";
/// Names that mean something else: in settings, among keys, and in a secret.
const TAKEN: [&str; 3] = ["built-in", USUAL, "url"];
/// The longest name, in bytes.
const LONGEST_NAME: usize = 100;

/// The models that tenants may choose, by name.
#[derive(Debug, Clone, Default)]
pub struct OfferedModels(BTreeMap<String, OfferedModel>);

/// A model that tenants may choose.
#[derive(Debug, Clone)]
pub struct OfferedModel {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What its tokens cost, where that was said.
    pub price: Option<Price>,
    /// Whether it is where the deployment's model is, whose key it then has unless it has one of its own.
    is_beside: bool,
}

/// One as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: Option<String>,
    model: Option<String>,
    input_price: Option<Number>,
    output_price: Option<Number>,
}

impl OfferedModels {
    /// Reads `MODEL_CHOICES`, a JSON object, and `MODEL_API_KEY`. What is not said of a model is as the deployment's model has it: the
    /// URL with its key, and the timeout; its name at the provider is the one it is offered under. An empty value counts as
    /// none.
    pub fn from_map<S: BuildHasher>(
        variables: &HashMap<String, String, S>,
        usual: &ModelConfig,
    ) -> Result<Self, Error> {
        let value =
            |name: &str| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let invalid = |text: String| Err(Error::Configuration(text));
        let keys =
            value("MODEL_API_KEY").map(|key| ApiKeys::read(&key.into())).transpose()?.unwrap_or_default();
        let mut offered = Self::default();
        if let Some(text) = value(VARIABLE) {
            let ModelConfig::OpenAi(usual) = usual else {
                return invalid(format!("{VARIABLE} is set but MODEL_URL is not"));
            };
            let written: BTreeMap<String, Written> = serde_json::from_str(text).map_err(|error| {
                Error::Configuration(format!("{VARIABLE} is not a JSON object of models: {error}"))
            })?;
            for (name, written) in written {
                if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                    return invalid(format!(
                        "{VARIABLE} has the name {name:?}, expected 1 to {LONGEST_NAME} bytes without control characters"
                    ));
                }
                if TAKEN.contains(&name.as_str()) {
                    return invalid(format!("{VARIABLE} has the name {name:?}, which means something else"));
                }
                let model = written.read(&name, usual)?;
                offered.0.insert(name, model);
            }
        }
        offered.with_keys(&keys)
    }

    /// The same with these keys.
    ///
    /// # Errors
    /// When there is a key of a model that is not offered.
    pub fn with_keys(mut self, keys: &ApiKeys) -> Result<Self, Error> {
        if let Some(unknown) = keys.names().find(|name| !self.0.contains_key(*name)) {
            return Err(Error::Configuration(format!(
                "MODEL_API_KEY has a key of {unknown:?}, which {VARIABLE} does not offer"
            )));
        }
        for (name, model) in &mut self.0 {
            let usual = || keys.usual().filter(|_| model.is_beside);
            model.endpoint.api_key = keys.of(name).or_else(usual);
        }
        Ok(self)
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&OfferedModel> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OfferedModel)> {
        self.0.iter().map(|(name, model)| (name.as_str(), model))
    }
}

impl Written {
    fn read(self, name: &str, usual: &Endpoint) -> Result<OfferedModel, Error> {
        let called = |field: &str| format!("{VARIABLE}.{name}.{field}");
        let url = self.url.map(|url| read_url(&called("url"), &url)).transpose()?;
        let price = |price: Option<Number>| price.map(|number| number.to_string());
        let (input, output) = (price(self.input_price), price(self.output_price));
        let price = Price::read(
            (&called("input_price"), input.as_deref()),
            (&called("output_price"), output.as_deref()),
        )?;
        let model = self.model.unwrap_or_else(|| name.to_owned());
        let is_beside = url.is_none();
        let endpoint = Endpoint {
            url: url.unwrap_or_else(|| usual.url.clone()),
            model,
            api_key: None,
            timeout: usual.timeout,
        };
        Ok(OfferedModel { endpoint, price, is_beside })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::Usage;

    fn read(models: &str, key: &str) -> Result<OfferedModels, String> {
        let variables: HashMap<String, String> = [
            ("MODEL_URL", "https://a.example/v1"),
            ("MODEL_NAME", "m"),
            ("MODEL_API_KEY", key),
            ("MODEL_CHOICES", models),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let usual = ModelConfig::from_map(&variables).map_err(|error| error.to_string())?;
        OfferedModels::from_map(&variables, &usual).map_err(|error| error.to_string())
    }

    fn shown(models: &OfferedModels) -> Vec<String> {
        let shown = models.iter().map(|(name, OfferedModel { endpoint, .. })| {
            let key = endpoint.api_key.as_ref().map_or("none", |key| key.expose_secret());
            format!("{name} is {} at {} with {key}", endpoint.model, endpoint.url)
        });
        shown.collect()
    }

    const MODELS: &str =
        r#"{"large": {"model": "m-70b"}, "small": {}, "eu": {"url": "https://eu.example/v1"}}"#;

    #[test]
    fn what_is_not_said_of_a_model_is_as_the_deployments_has_it() {
        assert_eq!(
            shown(&read(MODELS, "sk-1").unwrap()),
            [
                "eu is eu at https://eu.example/v1 with none",
                "large is m-70b at https://a.example/v1 with sk-1",
                "small is small at https://a.example/v1 with sk-1",
            ],
            "a key goes nowhere but where it belongs"
        );
        assert_eq!(shown(&read("", "sk-1").unwrap()), Vec::<String>::new());
    }

    #[test]
    fn every_model_may_have_a_key_of_its_own() {
        let models = read(MODELS, r#"{"default": "sk-1", "eu": "sk-2", "small": "sk-3"}"#).unwrap();
        let keys: Vec<String> =
            shown(&models).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
        assert_eq!(keys, ["sk-2", "sk-1", "sk-3"]);
        let error = read(MODELS, r#"{"us": "sk-4"}"#).unwrap_err();
        assert!(error.contains("\"us\"") && !error.contains("sk-4"), "{error}");
    }

    #[test]
    fn a_price_is_a_models_own() {
        let models = read(r#"{"a": {"input_price": 0.15, "output_price": 2}, "b": {}}"#, "").unwrap();
        let usage = Usage { model: "a/1".to_owned(), input_tokens: 1_000_000, output_tokens: 1_000_000 };
        let cost =
            |name: &str| models.get(name).unwrap().price.map(|price| price.cost(&usage).microdollars());
        assert_eq!((cost("a"), cost("b")), (Some(2_150_000.0), None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (models, named) in [
            ("[]", "MODEL_CHOICES"),
            (r#"{"a": {"key": "sk-1"}}"#, "key"),
            (r#"{"a": {"url": "ftp://a.example"}}"#, "MODEL_CHOICES.a.url"),
            (r#"{"a": {"input_price": 1}}"#, "MODEL_CHOICES.a.output_price"),
            (r#"{"a": {"input_price": -1, "output_price": 1}}"#, "MODEL_CHOICES.a.input_price"),
            (r#"{"": {}}"#, "1 to 100 bytes"),
            (r#"{"built-in": {}}"#, "built-in"),
            (r#"{"default": {}}"#, "default"),
        ] {
            let error = read(models, "").unwrap_err();
            assert!(error.contains(named), "{models}: {error}");
        }
        let alone = HashMap::from([("MODEL_CHOICES".to_owned(), "{}".to_owned())]);
        let error = OfferedModels::from_map(&alone, &ModelConfig::BuiltIn).unwrap_err().to_string();
        assert_eq!(error, "MODEL_CHOICES is set but MODEL_URL is not");
    }
}
