use std::time::Duration;

/// How long to wait when a provider asks for patience without saying how much.
const UNSTATED_PATIENCE: Duration = Duration::from_secs(30);

/// Why a model or an embedder gave no usable answer.
///
/// No variant carries text of a conversation or of an answer: errors are logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The provider asks to be left alone for a while.
    #[error("the provider limits the rate of requests")]
    RateLimited {
        /// How long, where the provider said so.
        retry_after: Option<Duration>,
    },
    /// The provider could not be reached, failed, or did not answer in time.
    #[error("the provider failed for now: {0}")]
    Transient(String),
    /// The answer is not what was asked for; the text says where it goes wrong.
    #[error("the answer is not what was asked for: {0}")]
    Invalid(String),
    /// The model declined to answer.
    #[error("the model refused to answer")]
    Refused,
    /// The question or the answer exceeds what the model can hold.
    #[error("the question or its answer is too long for the model")]
    TooLong,
    /// The configuration cannot work: a wrong variable, a rejected key, an unknown model.
    #[error("{0}")]
    Configuration(String),
}

/// What to do with the work that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Try the same again, with the usual back-off.
    Retry,
    /// Try the same again after this long; it does not count as a failure.
    Defer(Duration),
    /// The same question will fail the same way: set the work aside.
    Discard,
}

impl Error {
    /// What to do with the work that failed.
    ///
    /// An invalid answer is worth another try, because a model rarely makes the same mistake twice; a wrong
    /// configuration is too, because the work is fine and an operator will mend it.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::RateLimited { retry_after } => Disposition::Defer(retry_after.unwrap_or(UNSTATED_PATIENCE)),
            Self::Transient(_) | Self::Invalid(_) | Self::Configuration(_) => Disposition::Retry,
            Self::Refused | Self::TooLong => Disposition::Discard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_rate_is_deferred_by_what_the_provider_asks_for() {
        let stated = Error::RateLimited { retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(stated.disposition(), Disposition::Defer(Duration::from_secs(7)));
        let unstated = Error::RateLimited { retry_after: None };
        assert_eq!(unstated.disposition(), Disposition::Defer(UNSTATED_PATIENCE));
    }

    #[test]
    fn only_questions_that_can_never_be_answered_are_discarded() {
        assert_eq!(Error::Refused.disposition(), Disposition::Discard);
        assert_eq!(Error::TooLong.disposition(), Disposition::Discard);
        for passing in [Error::Transient("503".into()), Error::Invalid("at /a".into())] {
            assert_eq!(passing.disposition(), Disposition::Retry);
        }
    }
}
