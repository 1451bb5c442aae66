use std::time::Duration;

use domain::Reach;
use runtime::{Config, InvalidConfig};

/// The notifier's own settings; the others are those of every function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierConfig {
    /// How long an endpoint may take to answer: `NOTIFIER_TIMEOUT_SECONDS`, 15.
    pub timeout: Duration,
    /// Which addresses are asked: `NOTIFIER_REACH`, `public`.
    pub reach: Reach,
}

impl NotifierConfig {
    /// Reads the settings.
    pub fn of(config: &Config) -> Result<Self, InvalidConfig> {
        let given = config.variables.get("NOTIFIER_TIMEOUT_SECONDS").filter(|value| !value.is_empty());
        let seconds = given.map_or("15", String::as_str);
        let timeout =
            seconds.parse().ok().filter(|seconds| (1..=60).contains(seconds)).map(Duration::from_secs);
        Ok(Self {
            timeout: timeout.ok_or_else(|| InvalidConfig::Invalid {
                variable: "NOTIFIER_TIMEOUT_SECONDS",
                got: seconds.to_owned(),
                expected: "a whole number from 1 to 60",
            })?,
            reach: config.notifier_reach,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<NotifierConfig, String> {
        let needed = [
            ("DATABASE_URL", "postgres://nobody@127.0.0.1/none"),
            ("HOT_TABLE", "hot"),
            ("WAKE_UP_QUEUES", "indexer=http://127.0.0.1/indexer"),
        ];
        let variables =
            needed.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::from_map(&variables.collect());
        config.and_then(|config| NotifierConfig::of(&config)).map_err(|error| error.to_string())
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
