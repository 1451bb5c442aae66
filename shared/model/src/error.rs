use std::time::Duration;

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
