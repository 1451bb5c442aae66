//! Single variables of the environment: numbers, times, secrets.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use domain::HotLifetimes;
use hot::Lifetimes;

use super::InvalidConfig;

/// How long the key of a request may be set to be known: an hour to thirty days.
const REQUEST_KEY_SECONDS: RangeInclusive<u64> = 60 * 60..=30 * 24 * 60 * 60;

/// How long a copy in hot state may be set to live: two days, for one in use is renewed daily, to thirty.
const COPY_SECONDS: RangeInclusive<u64> = 2 * 24 * 60 * 60..=30 * 24 * 60 * 60;

/// How long a server behind the functions may be set to take.
const TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=300;

/// The shortest key of operators, in bytes.
const SHORTEST_OPERATOR_KEY: usize = 32;

pub(super) fn number(
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

pub(super) fn timeout(
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
    possible: RangeInclusive<u64>,
    expected: &'static str,
) -> Result<Duration, InvalidConfig> {
    let seconds = number(variables, variable, usual.as_secs())?;
    if possible.contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(InvalidConfig::Invalid { variable, got: seconds.to_string(), expected })
}

/// How long each kind of hot item lives, each by a variable of its own.
pub(super) fn lifetimes(variables: &HashMap<String, String>) -> Result<Lifetimes, InvalidConfig> {
    let usual = Lifetimes::default();
    let expected = "a whole number of seconds from 60 to 2592000";
    let (shortest, longest) = HotLifetimes::SECONDS.into_inner();
    let lifetime = |variable: &'static str, usual: Duration| {
        seconds(variables, variable, usual, shortest.into()..=longest.into(), expected)
    };
    Ok(Lifetimes {
        session_context: lifetime("SESSION_CONTEXT_SECONDS", usual.session_context)?,
        working_memory: lifetime("WORKING_MEMORY_SECONDS", usual.working_memory)?,
        tool_state: lifetime("TOOL_STATE_SECONDS", usual.tool_state)?,
        step: lifetime("STEP_RESULT_SECONDS", usual.step)?,
        request_key: seconds(
            variables,
            "REQUEST_KEY_SECONDS",
            usual.request_key,
            REQUEST_KEY_SECONDS,
            "a whole number of seconds from 3600 to 2592000",
        )?,
        copy: seconds(
            variables,
            "COPY_SECONDS",
            usual.copy,
            COPY_SECONDS,
            "a whole number of seconds from 172800 to 2592000",
        )?,
    })
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

pub(super) fn is_secret(name: &str) -> bool {
    name == "DATABASE_URL" || name.ends_with("_KEY") || name.ends_with("_TOKEN")
}
