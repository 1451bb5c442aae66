use std::collections::HashMap;

use domain::Retention;
use jiff::SignedDuration;

/// How often what is old is cleared away: a tick that comes a little early finds it due.
const INTERVAL: SignedDuration = SignedDuration::from_hours(23);
/// How long an erasure settles before the last look, in seconds: the longest that a function runs.
const USUAL_SETTLE: i64 = 900;

/// What a deployment says of the janitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The periods of tenants that have none of their own: `RETENTION`, a JSON object.
    pub(crate) retention: Retention,
    /// `ERASURE_SETTLE_SECONDS`, 900.
    pub(crate) settle: SignedDuration,
    pub(crate) interval: SignedDuration,
}

/// A variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {got:?}, expected {expected}")]
pub struct InvalidSetting {
    /// The variable.
    pub variable: &'static str,
    /// What it holds, cut to 80 characters.
    pub got: String,
    /// What belongs there.
    pub expected: String,
}

impl Settings {
    pub(crate) fn from_map(variables: &HashMap<String, String>) -> Result<Self, InvalidSetting> {
        let given = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let invalid = |variable, got: &str, expected: String| InvalidSetting {
            variable,
            got: got.chars().take(80).collect(),
            expected,
        };
        let retention = given("RETENTION").map_or(Ok(Retention::default()), |value| {
            value.parse().map_err(|error: String| {
                invalid("RETENTION", value, format!("a JSON object of periods in days ({error})"))
            })
        })?;
        let settle = given("ERASURE_SETTLE_SECONDS").map_or(Ok(USUAL_SETTLE), |value| {
            let seconds = value.parse().ok().filter(|seconds| (0..=86_400).contains(seconds));
            seconds.ok_or_else(|| {
                invalid(
                    "ERASURE_SETTLE_SECONDS",
                    value,
                    "a whole number of seconds, at most one day".to_owned(),
                )
            })
        })?;
        Ok(Self { retention, settle: SignedDuration::from_secs(settle), interval: INTERVAL })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::from_map(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_given_is_as_usual() {
        let usual = read(&[("RETENTION", "")]).unwrap();
        assert_eq!((usual.retention, usual.settle.as_secs()), (Retention::default(), 900));
        let own = read(&[("RETENTION", r#"{"runs_days": 7}"#), ("ERASURE_SETTLE_SECONDS", "0")]).unwrap();
        assert_eq!((own.retention.runs_days, own.settle.as_secs()), (Some(7), 0));
    }

    #[test]
    fn an_error_names_the_variable_and_what_was_expected() {
        for (variable, value) in
            [("RETENTION", r#"{"days": 7}"#), ("RETENTION", "7"), ("ERASURE_SETTLE_SECONDS", "-1")]
        {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(error.starts_with(variable) && error.contains("expected"), "{error}");
        }
    }
}
