use std::collections::HashMap;
use std::time::Duration;

use model::{EmbedderConfig, ModelConfig};
use queue::Routes;
use secrecy::SecretString;

/// Everything a function reads from its environment. `docs/CONFIGURATION.md` lists every variable.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Postgres is.
    pub database: Secret,
    /// The DynamoDB table of hot state.
    pub hot_table: String,
    /// Which queue wakes which agent.
    pub routes: Routes,
    /// What thinks.
    pub model: ModelConfig,
    /// What makes vectors.
    pub embedder: EmbedderConfig,
    /// The longest a debounced window waits.
    pub summarizer_max_wait: Duration,
    /// How many sessions of a batch are thought about at once; also the size of the connection pool.
    pub concurrency: usize,
    /// The function's name in Lambda, for metrics.
    pub function: String,
    /// Whether this process is hosted by Lambda or by something that speaks its API.
    pub in_lambda: bool,
    /// Every variable that is no secret, for the functions that have settings of their own.
    pub variables: HashMap<String, String>,
}

/// A secret given as it is or by reference.
#[derive(Debug, Clone)]
pub enum Secret {
    /// The value.
    Value(SecretString),
    /// The ARN of a Secrets Manager secret whose string is the value, or a JSON object with a field `url`.
    Arn(String),
}

/// A variable that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// Not given.
    #[error("{variable} is not set, expected {expected}")]
    Missing {
        /// The variable.
        variable: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// Given, but not what is expected.
    #[error("{variable} is {got:?}, expected {expected}")]
    Invalid {
        /// The variable.
        variable: &'static str,
        /// What was given.
        got: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The routing table.
    #[error(transparent)]
    Routes(#[from] queue::InvalidRoutes),
    /// The model or the embedder.
    #[error(transparent)]
    Model(#[from] model::Error),
}

impl Config {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        Self::from_map(&std::env::vars().collect())
    }

    /// Reads the same from a map.
    pub fn from_map(variables: &HashMap<String, String>) -> Result<Self, InvalidConfig> {
        let given = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let database = match (given("DATABASE_URL"), given("DATABASE_SECRET_ARN")) {
            (Some(url), _) => Secret::Value(url.into()),
            (None, Some(arn)) => Secret::Arn(arn.to_owned()),
            (None, None) => {
                return Err(InvalidConfig::Missing {
                    variable: "DATABASE_URL",
                    expected: "postgres://user:password@host/database, or DATABASE_SECRET_ARN",
                });
            }
        };
        let needed = |variable: &'static str, expected: &'static str| {
            given(variable).ok_or(InvalidConfig::Missing { variable, expected })
        };
        Ok(Self {
            database,
            hot_table: needed("HOT_TABLE", "the name of the DynamoDB table")?.to_owned(),
            routes: Routes::parse(needed(Routes::VARIABLE, "agent=queue URL, separated by commas")?)?,
            model: ModelConfig::from_map(variables)?,
            embedder: EmbedderConfig::from_map(variables)?,
            summarizer_max_wait: Duration::from_secs(number(variables, "SUMMARIZER_MAX_WAIT_SECONDS", 300)?),
            concurrency: usize::try_from(number(variables, "AGENT_CONCURRENCY", 4)?)
                .unwrap_or(usize::MAX)
                .clamp(1, 64),
            function: given("AWS_LAMBDA_FUNCTION_NAME").unwrap_or("local").to_owned(),
            in_lambda: given("AWS_LAMBDA_RUNTIME_API").is_some(),
            variables: variables
                .iter()
                .filter(|(name, _)| !is_secret(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        })
    }
}

fn is_secret(name: &str) -> bool {
    name == "DATABASE_URL" || name.ends_with("_KEY") || name.ends_with("_TOKEN")
}

fn number(
    variables: &HashMap<String, String>,
    variable: &'static str,
    default: u64,
) -> Result<u64, InvalidConfig> {
    match variables.get(variable).filter(|value| !value.is_empty()) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_not_a_number| InvalidConfig::Invalid {
            variable,
            got: value.clone(),
            expected: "a whole number",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> HashMap<String, String> {
        [
            ("DATABASE_URL", "postgres://localhost/app"),
            ("HOT_TABLE", "hot"),
            ("WAKE_UP_QUEUES", "indexer=http://localhost/indexer"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn an_error_names_the_variable_and_what_was_expected() {
        for variable in ["DATABASE_URL", "HOT_TABLE", "WAKE_UP_QUEUES"] {
            let mut variables = complete();
            variables.insert(variable.to_owned(), String::new());
            let error = Config::from_map(&variables).unwrap_err().to_string();
            assert!(error.contains(variable) && error.contains("expected"), "{error}");
        }
        let mut variables = complete();
        variables.insert("AGENT_CONCURRENCY".to_owned(), "many".to_owned());
        assert_eq!(
            Config::from_map(&variables).unwrap_err().to_string(),
            r#"AGENT_CONCURRENCY is "many", expected a whole number"#
        );
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        let config = Config::from_map(&complete()).unwrap();
        assert_eq!(config.summarizer_max_wait, Duration::from_mins(5));
        assert_eq!(config.concurrency, 4);
        assert!(!config.in_lambda);
    }
}
