//! What a function reads from its environment, once, when it starts.

mod limits;
mod variable;

use std::collections::HashMap;
use std::time::Duration;

use domain::Reach;
use hot::{Hot, Lifetimes};
use model::{EmbedderConfig, ModelConfig, OfferedModels, Price};
use queue::Routes;
use secrecy::SecretString;
use store::DatabaseConfig;

pub use self::limits::Limits;
pub(crate) use self::variable::check_operator_key;
use self::variable::{is_secret, lifetimes, number, timeout};

/// What an invocation needs beside one question to a model: to begin with, and to answer with at the end.
const LEFT_OF_AN_INVOCATION: Duration = Duration::from_secs(5);

/// Everything a function reads from its environment. `docs/CONFIGURATION.md` lists every variable.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Postgres is.
    pub database: Secret,
    /// How long it may take for a transaction, `DATABASE_TIMEOUT_SECONDS`.
    pub database_timeout: Duration,
    /// The DynamoDB table of hot state.
    pub hot_table: String,
    /// How long DynamoDB may take for a request, repeats included, `HOT_TIMEOUT_SECONDS`.
    pub hot_timeout: Duration,
    /// Which queue wakes which agent.
    pub routes: Routes,
    /// What thinks.
    pub model: ModelConfig,
    /// What tenants may choose in its place, `MODEL_CHOICES`.
    pub offered_models: OfferedModels,
    /// What its tokens cost, where that was said.
    pub price: Option<Price>,
    /// What makes vectors.
    pub embedder: EmbedderConfig,
    /// The longest a debounced window waits.
    pub summarizer_max_wait: Duration,
    /// How long an invocation of an agent may take, `AGENT_TIMEOUT_SECONDS`; not known where that is not said.
    pub agent_timeout: Option<Duration>,
    /// How many sessions of a batch are thought about at once; also the size of the connection pool.
    pub concurrency: usize,
    /// What a tenant may use of the model and of the agents, unless its own settings say otherwise.
    pub limits: Limits,
    /// What a tenant may ask of `recall` in a minute, `RECALL_REQUESTS_PER_MINUTE`; 0 for no limit.
    pub recall_requests_per_minute: u32,
    /// Whether whoever asks over HTTP needs an API key, `API_KEYS`.
    pub are_api_keys_required: bool,
    /// What operators show where keys are required, `OPERATOR_KEY`.
    pub operator_key: Option<Secret>,
    /// Events a tenant may send in a minute over HTTP, `INGEST_EVENTS_PER_MINUTE`; 0 for no limit.
    pub ingest_events_per_minute: u32,
    /// Events a tenant may send in a day (UTC) over HTTP, `INGEST_EVENTS_PER_DAY`; 0 for no limit.
    pub ingest_events_per_day: u64,
    /// How long each kind of hot item lives.
    pub lifetimes: Lifetimes,
    /// The function's name in Lambda, for metrics.
    pub function: String,
    /// Whether this process is hosted by Lambda or by something that speaks its API.
    pub in_lambda: bool,
    /// The queue of the notifier, `NOTIFIER_QUEUE`; nobody is told of changes without it.
    pub notifier_queue: Option<String>,
    /// Which addresses tenants' webhooks may be posted to, `NOTIFIER_REACH`.
    pub notifier_reach: Reach,
    /// What seals the secrets of tenants, where it is given.
    pub sealing_key: Option<Secret>,
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
        let model = ModelConfig::from_map(variables)?;
        Ok(Self {
            database,
            database_timeout: timeout(variables, "DATABASE_TIMEOUT_SECONDS", DatabaseConfig::TIMEOUT)?,
            hot_timeout: timeout(variables, "HOT_TIMEOUT_SECONDS", Hot::TIMEOUT)?,
            hot_table: needed("HOT_TABLE", "the name of the DynamoDB table")?.to_owned(),
            routes: Routes::parse(needed(Routes::VARIABLE, "agent=queue URL, separated by commas")?)?
                .with_scheduled(given(Routes::SCHEDULED).unwrap_or_default())?,
            offered_models: OfferedModels::from_map(variables, &model)?,
            model,
            price: Price::from_map(variables)?,
            embedder: EmbedderConfig::from_map(variables)?,
            summarizer_max_wait: Duration::from_secs(number(variables, "SUMMARIZER_MAX_WAIT_SECONDS", 300)?),
            agent_timeout: given("AGENT_TIMEOUT_SECONDS")
                .map(|_| number(variables, "AGENT_TIMEOUT_SECONDS", 0).map(Duration::from_secs))
                .transpose()?,
            concurrency: usize::try_from(number(variables, "AGENT_CONCURRENCY", 4)?)
                .unwrap_or(usize::MAX)
                .clamp(1, 64),
            limits: Limits::from_map(variables)?,
            recall_requests_per_minute: u32::try_from(number(variables, "RECALL_REQUESTS_PER_MINUTE", 0)?)
                .unwrap_or(u32::MAX),
            are_api_keys_required: match given("API_KEYS") {
                None | Some("off") => false,
                Some("required") => true,
                Some(got) => {
                    return Err(InvalidConfig::Invalid {
                        variable: "API_KEYS",
                        got: got.to_owned(),
                        expected: "off or required",
                    });
                }
            },
            operator_key: match (given("OPERATOR_KEY"), given("OPERATOR_KEY_SECRET_ARN")) {
                (Some(key), _) => {
                    check_operator_key(key)?;
                    Some(Secret::Value(key.into()))
                }
                (None, arn) => arn.map(|arn| Secret::Arn(arn.to_owned())),
            },
            ingest_events_per_minute: u32::try_from(number(variables, "INGEST_EVENTS_PER_MINUTE", 0)?)
                .unwrap_or(u32::MAX),
            ingest_events_per_day: number(variables, "INGEST_EVENTS_PER_DAY", 0)?,
            lifetimes: lifetimes(variables)?,
            notifier_queue: given("NOTIFIER_QUEUE").map(str::to_owned),
            notifier_reach: given("NOTIFIER_REACH").map_or(Ok(Reach::Public), |name| {
                Reach::from_name(name).ok_or_else(|| InvalidConfig::Invalid {
                    variable: "NOTIFIER_REACH",
                    got: name.to_owned(),
                    expected: "public or anywhere",
                })
            })?,
            sealing_key: match (given("SEALING_KEY"), given("SEALING_KEY_SECRET_ARN")) {
                (Some(key), _) => Some(Secret::Value(key.into())),
                (None, arn) => arn.map(|arn| Secret::Arn(arn.to_owned())),
            },
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

impl Config {
    /// Whether a function that answers HTTP may begin to: `variable` is what its URL lets in, as far as it is told. Where that is
    /// everybody, there have to be keys, or whoever finds the URL is trusted.
    pub fn check_url(&self, variable: &'static str) -> Result<(), InvalidConfig> {
        let expected = match self.variables.get(variable).map(String::as_str) {
            None | Some("" | "AWS_IAM") => return Ok(()),
            Some("NONE") if self.are_api_keys_required => return Ok(()),
            Some("NONE") => "AWS_IAM, or NONE with API_KEYS required",
            Some(_) => "AWS_IAM or NONE",
        };
        let got = self.variables.get(variable).cloned().unwrap_or_default();
        Err(InvalidConfig::Invalid { variable, got, expected })
    }

    /// Whether an agent could wait for one answer of its model as long as `MODEL_TIMEOUT_SECONDS` says: the runtime gives up
    /// thinking before the invocation is over, so a longer timeout would end in paying for answers that nobody reads.
    pub(crate) fn check_timeouts(&self) -> Result<(), InvalidConfig> {
        let Some(invocation) = self.agent_timeout else { return Ok(()) };
        let model = match &self.model {
            ModelConfig::OpenAi(endpoint) => Some(endpoint.timeout),
            ModelConfig::BuiltIn => None,
        };
        match model.filter(|timeout| *timeout + LEFT_OF_AN_INVOCATION > invocation) {
            None => Ok(()),
            Some(timeout) => Err(InvalidConfig::Invalid {
                variable: "MODEL_TIMEOUT_SECONDS",
                got: timeout.as_secs().to_string(),
                expected: "at least 5 s less than AGENT_TIMEOUT_SECONDS",
            }),
        }
    }
}

#[cfg(test)]
mod tests;
