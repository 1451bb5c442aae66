use std::collections::HashMap;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use crate::{ApiKeys, Error};

/// How long one request may take when `MODEL_TIMEOUT_SECONDS` does not say.
const USUAL_TIMEOUT: Duration = Duration::from_mins(1);
/// The longest `MODEL_TIMEOUT_SECONDS`: the longest a Lambda can run.
const LONGEST_TIMEOUT_SECONDS: u64 = 900;

/// Which model thinks.
#[derive(Debug, Clone)]
pub enum ModelConfig {
    /// `MODEL_URL` is not set.
    BuiltIn,
    /// An OpenAI-compatible endpoint.
    OpenAi(Endpoint),
}

/// Which model embeds.
#[derive(Debug, Clone)]
pub enum EmbedderConfig {
    /// Neither `EMBEDDER_URL` nor `EMBEDDER` is set.
    BuiltIn,
    /// An OpenAI-compatible endpoint.
    OpenAi(Endpoint),
    /// The directory of a sentence transformer. Whether it is there is seen when it is opened.
    Local(PathBuf),
}

/// An OpenAI-compatible endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The part before `/chat/completions` or `/embeddings`, such as `https://api.openai.com/v1`.
    pub url: Url,
    /// The provider's name of the model.
    pub model: String,
    /// Sent as a bearer token; a local endpoint may need none.
    pub api_key: Option<SecretString>,
    /// How long one request may take, connecting and reading included.
    pub timeout: Duration,
}

impl ModelConfig {
    /// Reads `MODEL_URL`, `MODEL_NAME`, `MODEL_API_KEY` and `MODEL_TIMEOUT_SECONDS`. An empty value counts as none.
    pub fn from_map<S: BuildHasher>(variables: &HashMap<String, String, S>) -> Result<Self, Error> {
        let Some(mut endpoint) = endpoint(variables, ["MODEL_URL", "MODEL_NAME", "MODEL_API_KEY"])? else {
            return Ok(Self::BuiltIn);
        };
        if let Some(given) = endpoint.api_key.take() {
            endpoint.api_key = ApiKeys::read(&given)?.usual();
        }
        Ok(Self::OpenAi(endpoint))
    }
}

impl EmbedderConfig {
    /// Reads `EMBEDDER`, `EMBEDDER_URL`, `EMBEDDER_MODEL`, `EMBEDDER_API_KEY` and `MODEL_TIMEOUT_SECONDS`. An empty
    /// value counts as none.
    pub fn from_map<S: BuildHasher>(variables: &HashMap<String, String, S>) -> Result<Self, Error> {
        let directory = value(variables, "EMBEDDER");
        match (directory, endpoint(variables, ["EMBEDDER_URL", "EMBEDDER_MODEL", "EMBEDDER_API_KEY"])?) {
            (None, None) => Ok(Self::BuiltIn),
            (None, Some(endpoint)) => Ok(Self::OpenAi(endpoint)),
            (Some(directory), None) => Ok(Self::Local(directory.into())),
            (Some(_), Some(_)) => Err(Error::Configuration(
                "EMBEDDER and EMBEDDER_URL are both set, but only one of them can embed".to_owned(),
            )),
        }
    }
}

/// What a variable says, when it says something.
fn value<'a, S: BuildHasher>(variables: &'a HashMap<String, String, S>, name: &str) -> Option<&'a str> {
    variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

fn endpoint<S: BuildHasher>(
    variables: &HashMap<String, String, S>,
    [url_name, model_name, key_name]: [&'static str; 3],
) -> Result<Option<Endpoint>, Error> {
    let value = |name: &str| value(variables, name);
    let invalid = |text: String| Error::Configuration(text);

    let timeout = match value("MODEL_TIMEOUT_SECONDS") {
        None => USUAL_TIMEOUT,
        Some(seconds) => match seconds.parse() {
            Ok(seconds @ 1..=LONGEST_TIMEOUT_SECONDS) => Duration::from_secs(seconds),
            _ => {
                return Err(invalid(format!(
                    "MODEL_TIMEOUT_SECONDS is {seconds:?}, expected a whole number from 1 to {LONGEST_TIMEOUT_SECONDS}"
                )));
            }
        },
    };
    let Some(url) = value(url_name) else {
        // A name or a key alone means somebody expects a provider to be asked: do not fall back in silence.
        return match [model_name, key_name].into_iter().find(|name| value(name).is_some()) {
            Some(name) => Err(invalid(format!("{name} is set but {url_name} is not"))),
            None => Ok(None),
        };
    };
    let parsed = read_url(url_name, url)?;
    let model =
        value(model_name).ok_or_else(|| invalid(format!("{model_name} must be set with {url_name}")))?;
    Ok(Some(Endpoint {
        url: parsed,
        model: model.to_owned(),
        api_key: value(key_name).map(SecretString::from),
        timeout,
    }))
}

/// The URL of an endpoint, which `name` is told of when it is none.
pub(crate) fn read_url(name: &str, url: &str) -> Result<Url, Error> {
    let parsed = Url::parse(url).ok();
    parsed
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Error::Configuration(format!("{name} is not an http or https URL")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn nothing_set_means_the_built_in_model() {
        let empty = map(&[("MODEL_URL", ""), ("MODEL_NAME", " ")]);
        assert!(matches!(ModelConfig::from_map(&empty), Ok(ModelConfig::BuiltIn)));
        assert!(matches!(EmbedderConfig::from_map(&empty), Ok(EmbedderConfig::BuiltIn)));
    }

    #[test]
    fn every_error_names_its_variable() {
        let error = |pairs: &[(&str, &str)]| ModelConfig::from_map(&map(pairs)).unwrap_err().to_string();
        assert!(error(&[("MODEL_NAME", "m")]).contains("MODEL_URL"));
        assert!(error(&[("MODEL_URL", "https://a.example/v1")]).contains("MODEL_NAME"));
        assert!(error(&[("MODEL_URL", "ftp://a.example"), ("MODEL_NAME", "m")]).contains("MODEL_URL"));
        assert!(error(&[("MODEL_TIMEOUT_SECONDS", "0")]).contains("MODEL_TIMEOUT_SECONDS"));
        let error = EmbedderConfig::from_map(&map(&[("EMBEDDER_API_KEY", "k")])).unwrap_err().to_string();
        assert!(error.contains("EMBEDDER_URL"));
    }

    #[test]
    fn a_directory_embeds_and_nothing_else_beside_it() {
        let config = EmbedderConfig::from_map(&map(&[("EMBEDDER", " /opt/minilm "), ("EMBEDDER_URL", "")]));
        assert!(
            matches!(config, Ok(EmbedderConfig::Local(directory)) if directory == Path::new("/opt/minilm"))
        );
        let both = map(&[
            ("EMBEDDER", "/opt/minilm"),
            ("EMBEDDER_URL", "https://a.example/v1"),
            ("EMBEDDER_MODEL", "m"),
        ]);
        let error = EmbedderConfig::from_map(&both).unwrap_err().to_string();
        assert!(error.contains("EMBEDDER and EMBEDDER_URL"), "{error}");
    }

    #[test]
    fn a_key_never_shows() {
        let config = ModelConfig::from_map(&map(&[
            ("MODEL_URL", "https://a.example/v1"),
            ("MODEL_NAME", "m"),
            ("MODEL_API_KEY", "sk-secret"),
            ("MODEL_TIMEOUT_SECONDS", "9"),
        ]))
        .unwrap();
        assert!(!format!("{config:?}").contains("sk-secret"));
        let ModelConfig::OpenAi(endpoint) = config else { panic!("a URL is set") };
        assert_eq!(endpoint.timeout, Duration::from_secs(9));
    }
}
