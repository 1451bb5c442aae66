use std::collections::HashMap;
use std::time::Duration;

use domain::Reach;

/// The notifier's own settings; the others are those of every function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierConfig {
    /// How long an endpoint may take to answer: `NOTIFIER_TIMEOUT_SECONDS`, 15.
    pub timeout: Duration,
    /// Which addresses are asked: `NOTIFIER_REACH`, `public`.
    pub reach: Reach,
}

/// A variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {got:?}, expected {expected}")]
pub struct InvalidSetting {
    /// The variable.
    pub variable: &'static str,
    /// What it holds.
    pub got: String,
    /// What belongs there.
    pub expected: &'static str,
}

impl NotifierConfig {
    /// Reads the settings.
    pub fn from_map(variables: &HashMap<String, String>) -> Result<Self, InvalidSetting> {
        let given = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let invalid =
            |variable, got: &str, expected| InvalidSetting { variable, got: got.to_owned(), expected };
        let seconds = given("NOTIFIER_TIMEOUT_SECONDS").unwrap_or("15");
        let timeout =
            seconds.parse().ok().filter(|seconds| (1..=60).contains(seconds)).map(Duration::from_secs);
        Ok(Self {
            timeout: timeout
                .ok_or_else(|| invalid("NOTIFIER_TIMEOUT_SECONDS", seconds, "a whole number from 1 to 60"))?,
            reach: match given("NOTIFIER_REACH") {
                None => Reach::Public,
                Some(name) => Reach::from_name(name)
                    .ok_or_else(|| invalid("NOTIFIER_REACH", name, "public or anywhere"))?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<NotifierConfig, String> {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        NotifierConfig::from_map(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_inside_is_asked_unless_somebody_says_so() {
        let usual = NotifierConfig { timeout: Duration::from_secs(15), reach: Reach::Public };
        assert_eq!(read(&[]), Ok(usual.clone()));
        assert_eq!(read(&[("NOTIFIER_REACH", ""), ("NOTIFIER_TIMEOUT_SECONDS", "")]), Ok(usual));
        assert_eq!(read(&[("NOTIFIER_REACH", "anywhere")]).unwrap().reach, Reach::Anywhere);
    }

    #[test]
    fn an_error_names_the_variable_and_what_was_expected() {
        assert_eq!(
            read(&[("NOTIFIER_TIMEOUT_SECONDS", "61")]).unwrap_err(),
            "NOTIFIER_TIMEOUT_SECONDS is \"61\", expected a whole number from 1 to 60"
        );
        assert_eq!(
            read(&[("NOTIFIER_REACH", "lan")]).unwrap_err(),
            "NOTIFIER_REACH is \"lan\", expected public or anywhere"
        );
    }
}
