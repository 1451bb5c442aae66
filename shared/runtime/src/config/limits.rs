//! What a tenant may use of the model and of the agents, unless its own settings say otherwise.

use std::collections::HashMap;

use domain::WhenExhausted;

use super::InvalidConfig;
use super::variable::number;

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
    pub(super) fn from_map(variables: &HashMap<String, String>) -> Result<Self, InvalidConfig> {
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
