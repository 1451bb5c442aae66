use std::collections::HashMap;
use std::time::Duration;

use domain::{Reach, WhenExhausted};
use hot::{Hot, Lifetimes};
use model::{EmbedderConfig, ModelConfig, Price};
use queue::Routes;
use secrecy::SecretString;
use store::DatabaseConfig;

/// What an invocation needs beside one question to a model: to begin with, and to answer with at the end.
const LEFT_OF_AN_INVOCATION: Duration = Duration::from_secs(5);

/// How long an item of hot state may be set to live: a minute to thirty days.
const LIFETIME_SECONDS: std::ops::RangeInclusive<u64> = 60..=30 * 24 * 60 * 60;

/// How long a server behind the functions may be set to take.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 1..=300;

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

/// What a tenant may use. What is `None` is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests to the model, `MODEL_REQUESTS_PER_MINUTE`.
    pub requests_per_minute: Option<u32>,
    /// How many of them may come at once, `MODEL_BURST`.
    pub burst: u32,
    /// Tokens of the model per day (UTC), `MODEL_TOKENS_PER_DAY`.
    pub tokens_per_day: Option<u64>,
    /// What happens when they are used up, `MODEL_WHEN_EXHAUSTED`.
    pub when_exhausted: WhenExhausted,
    /// Sessions each agent thinks about at once, `AGENT_TENANT_CONCURRENCY`.
    pub concurrency: Option<u32>,
}

impl Limits {
    fn from_map(variables: &HashMap<String, String>) -> Result<Self, InvalidConfig> {
        let count =
            |variable| number(variables, variable, 0).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let per_minute = count("MODEL_REQUESTS_PER_MINUTE")?;
        let burst = u32::try_from(number(variables, "MODEL_BURST", 5)?).unwrap_or(u32::MAX).max(1);
        let tokens = number(variables, "MODEL_TOKENS_PER_DAY", 0)?;
        let concurrency = count("AGENT_TENANT_CONCURRENCY")?;
        let when_exhausted = match variables.get("MODEL_WHEN_EXHAUSTED").map(String::as_str) {
            None | Some("" | "built-in") => WhenExhausted::BuiltIn,
            Some("pause") => WhenExhausted::Pause,
            Some(got) => {
                return Err(InvalidConfig::Invalid {
                    variable: "MODEL_WHEN_EXHAUSTED",
                    got: got.to_owned(),
                    expected: "built-in or pause",
                });
            }
        };
        Ok(Self {
            requests_per_minute: (per_minute > 0).then_some(per_minute),
            burst,
            tokens_per_day: (tokens > 0).then_some(tokens),
            when_exhausted,
            concurrency: (concurrency > 0).then_some(concurrency),
        })
    }
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

/// The shortest key of operators, in bytes.
const SHORTEST_OPERATOR_KEY: usize = 32;

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
            database_timeout: timeout(variables, "DATABASE_TIMEOUT_SECONDS", DatabaseConfig::TIMEOUT)?,
            hot_timeout: timeout(variables, "HOT_TIMEOUT_SECONDS", Hot::TIMEOUT)?,
            hot_table: needed("HOT_TABLE", "the name of the DynamoDB table")?.to_owned(),
            routes: Routes::parse(needed(Routes::VARIABLE, "agent=queue URL, separated by commas")?)?
                .with_scheduled(given(Routes::SCHEDULED).unwrap_or_default())?,
            model: ModelConfig::from_map(variables)?,
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

/// How long each kind of hot item lives, each by a variable of its own.
fn lifetimes(variables: &HashMap<String, String>) -> Result<Lifetimes, InvalidConfig> {
    let usual = Lifetimes::default();
    let expected = "a whole number of seconds from 60 to 2592000";
    let lifetime = |variable: &'static str, usual: Duration| {
        seconds(variables, variable, usual, LIFETIME_SECONDS, expected)
    };
    Ok(Lifetimes {
        session_context: lifetime("SESSION_CONTEXT_SECONDS", usual.session_context)?,
        working_memory: lifetime("WORKING_MEMORY_SECONDS", usual.working_memory)?,
        tool_state: lifetime("TOOL_STATE_SECONDS", usual.tool_state)?,
        step: lifetime("STEP_RESULT_SECONDS", usual.step)?,
    })
}

fn timeout(
    variables: &HashMap<String, String>,
    variable: &'static str,
    usual: Duration,
) -> Result<Duration, InvalidConfig> {
    let expected = "a whole number of seconds from 1 to 300";
    seconds(variables, variable, usual, TIMEOUT_SECONDS, expected)
}

fn seconds(
    variables: &HashMap<String, String>,
    variable: &'static str,
    usual: Duration,
    possible: std::ops::RangeInclusive<u64>,
    expected: &'static str,
) -> Result<Duration, InvalidConfig> {
    let seconds = number(variables, variable, usual.as_secs())?;
    if possible.contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(InvalidConfig::Invalid { variable, got: seconds.to_string(), expected })
}

/// A key of operators: whoever has it acts on all tenants, so it must not be one that can be guessed.
pub(crate) fn check_operator_key(key: &str) -> Result<(), InvalidConfig> {
    if key.len() < SHORTEST_OPERATOR_KEY {
        return Err(InvalidConfig::Invalid {
            variable: "OPERATOR_KEY",
            got: format!("{} bytes", key.len()),
            expected: "32 bytes at least, at random",
        });
    }
    Ok(())
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
    fn an_answer_must_fit_into_an_invocation() {
        let checked = |pairs: &[(&str, &str)]| {
            let mut variables = complete();
            variables.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            Config::from_map(&variables).unwrap().check_timeouts().map_err(|error| error.to_string())
        };
        let model = [("MODEL_URL", "https://a.example/v1"), ("MODEL_NAME", "m")];
        let with = |timeout, invocation| {
            [model[0], model[1], ("MODEL_TIMEOUT_SECONDS", timeout), ("AGENT_TIMEOUT_SECONDS", invocation)]
        };
        assert_eq!(checked(&model), Ok(()));
        assert_eq!(checked(&with("60", "120")), Ok(()));
        assert_eq!(checked(&with("115", "120")), Ok(()));
        let error =
            r#"MODEL_TIMEOUT_SECONDS is "116", expected at least 5 s less than AGENT_TIMEOUT_SECONDS"#;
        assert_eq!(checked(&with("116", "120")), Err(error.to_owned()));
        assert!(checked(&with("", "30")).is_err(), "the usual timeout is a minute");
        assert_eq!(checked(&[("MODEL_TIMEOUT_SECONDS", "60"), ("AGENT_TIMEOUT_SECONDS", "30")]), Ok(()));
    }

    #[test]
    fn what_is_behind_a_function_may_take_as_long_as_its_variable_says() {
        let with = |variable: &str, value: &str| {
            let mut variables = complete();
            variables.insert(variable.to_owned(), value.to_owned());
            Config::from_map(&variables)
                .map(|config| (config.database_timeout.as_secs(), config.hot_timeout.as_secs()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(with("DATABASE_TIMEOUT_SECONDS", ""), Ok((10, 5)));
        assert_eq!(with("DATABASE_TIMEOUT_SECONDS", "300"), Ok((300, 5)));
        assert_eq!(with("HOT_TIMEOUT_SECONDS", "1"), Ok((10, 1)));
        for (variable, wrong) in [("DATABASE_TIMEOUT_SECONDS", "0"), ("HOT_TIMEOUT_SECONDS", "301")] {
            let error =
                format!(r#"{variable} is "{wrong}", expected a whole number of seconds from 1 to 300"#);
            assert_eq!(with(variable, wrong), Err(error));
        }
    }

    #[test]
    fn each_kind_of_hot_item_lives_as_long_as_its_variable_says() {
        let with = |variable: &str, value: &str| {
            let mut variables = complete();
            variables.insert(variable.to_owned(), value.to_owned());
            Config::from_map(&variables).map(|config| config.lifetimes).map_err(|error| error.to_string())
        };
        let usual = Lifetimes::default();
        assert_eq!(with("TOOL_STATE_SECONDS", ""), Ok(usual));
        let minute = Duration::from_mins(1);
        for (variable, expected) in [
            ("SESSION_CONTEXT_SECONDS", Lifetimes { session_context: minute, ..usual }),
            ("WORKING_MEMORY_SECONDS", Lifetimes { working_memory: minute, ..usual }),
            ("TOOL_STATE_SECONDS", Lifetimes { tool_state: minute, ..usual }),
            ("STEP_RESULT_SECONDS", Lifetimes { step: minute, ..usual }),
        ] {
            assert_eq!(with(variable, "60"), Ok(expected));
            for wrong in ["59", "2592001", "0"] {
                let error = format!(
                    r#"{variable} is "{wrong}", expected a whole number of seconds from 60 to 2592000"#
                );
                assert_eq!(with(variable, wrong), Err(error));
            }
        }
    }

    #[test]
    fn keys_are_required_only_when_that_was_said_and_operators_have_a_long_one() {
        let with = |variable: &str, value: &str| {
            let mut variables = complete();
            variables.insert(variable.to_owned(), value.to_owned());
            let config = Config::from_map(&variables).map_err(|error| error.to_string())?;
            Ok::<_, String>((config.are_api_keys_required, config.operator_key.is_some()))
        };
        for (value, required) in [("", false), ("off", false), ("required", true)] {
            assert_eq!(with("API_KEYS", value), Ok((required, false)));
        }
        let error = r#"API_KEYS is "on", expected off or required"#.to_owned();
        assert_eq!(with("API_KEYS", "on"), Err(error));
        assert_eq!(with("OPERATOR_KEY", &"k".repeat(32)), Ok((false, true)));
        assert!(with("OPERATOR_KEY", "secret").unwrap_err().contains("32 bytes"));
        assert!(!with("OPERATOR_KEY", "secret").unwrap_err().contains("secret"));
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        let config = Config::from_map(&complete()).unwrap();
        assert_eq!(config.summarizer_max_wait, Duration::from_mins(5));
        assert_eq!(config.concurrency, 4);
        assert_eq!((config.limits.requests_per_minute, config.limits.tokens_per_day), (None, None));
        let mut variables = complete();
        variables.insert("MODEL_REQUESTS_PER_MINUTE".to_owned(), "30".to_owned());
        variables.insert("MODEL_WHEN_EXHAUSTED".to_owned(), "pause".to_owned());
        let limits = Config::from_map(&variables).unwrap().limits;
        assert_eq!((limits.requests_per_minute, limits.burst), (Some(30), 5));
        assert_eq!(limits.when_exhausted, WhenExhausted::Pause);
        variables.insert("MODEL_WHEN_EXHAUSTED".to_owned(), "stop".to_owned());
        let error = Config::from_map(&variables).unwrap_err().to_string();
        assert_eq!(error, r#"MODEL_WHEN_EXHAUSTED is "stop", expected built-in or pause"#);
        assert!(!config.in_lambda);
    }
}
