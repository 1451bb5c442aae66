use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Why DynamoDB did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table asks for patience.
    #[error("DynamoDB limits the rate of requests")]
    Throttled(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// DynamoDB could not be reached, failed, or did not answer in time. Whether a write took effect is unknown.
    #[error("DynamoDB is unavailable: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// DynamoDB will not do it: a missing table, a missing permission, an invalid request.
    #[error("DynamoDB refused: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An item that could not be made into attributes.
    #[error("an item could not be written as attributes: {0}")]
    Item(#[from] serde_dynamo::Error),
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there now.
    Stored,
    /// What was there stays: it is newer, or another's.
    Outdated,
    /// It is too large for an item.
    TooLarge,
}

/// The answer to a conditional write.
pub(crate) fn unless_outdated<T, E>(answer: Result<T, SdkError<E>>) -> Result<Put, Error>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match answer {
        Ok(_) => Ok(Put::Stored),
        Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            Some("ConditionalCheckFailedException") => Ok(Put::Outdated),
            _ => Err(error.into()),
        },
    }
}

/// What the SDK said last and what caused it, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Described(String);

impl<E> From<SdkError<E>> for Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let kind = match &error {
            SdkError::ServiceError(context) => {
                of_answer(context.err().code(), context.raw().status().as_u16())
            }
            SdkError::ConstructionFailure(_) => Self::Refused,
            _ => Self::Unavailable,
        };
        kind(Box::new(Described(in_words(&error))))
    }
}

/// What was said and what caused it. The SDK's own account has the answer in it, and with that what people said.
fn in_words<E>(error: &SdkError<E>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{words}: {code}: {message}"),
        _ => words,
    }
}

/// The kind of an error that DynamoDB answered, by its code and HTTP status.
fn of_answer(code: Option<&str>, status: u16) -> fn(Box<dyn std::error::Error + Send + Sync>) -> Error {
    match code {
        Some(
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "LimitExceededException",
        ) => Error::Throttled,
        _ if status >= 500 => Error::Unavailable,
        _ => Error::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_failure_and_refusal_are_told_apart() {
        let of = |code, status| of_answer(code, status)("said".into());
        assert!(matches!(of(Some("ThrottlingException"), 400), Error::Throttled(_)));
        assert!(matches!(of(Some("InternalServerError"), 500), Error::Unavailable(_)));
        assert!(matches!(of(None, 503), Error::Unavailable(_)));
        assert!(matches!(of(Some("ResourceNotFoundException"), 400), Error::Refused(_)));
    }

    #[test]
    fn an_error_says_what_was_wrong_and_nothing_of_what_was_answered() {
        use aws_sdk_dynamodb::config::http::HttpResponse;
        use aws_sdk_dynamodb::error::ErrorMetadata;
        use aws_sdk_dynamodb::operation::get_item::GetItemError;

        let answered = || HttpResponse::new(400.try_into().unwrap(), "what Ada said".into());
        let meta =
            ErrorMetadata::builder().code("ResourceNotFoundException").message("no such table").build();
        let refused = Error::from(SdkError::service_error(GetItemError::generic(meta), answered()));
        assert!(matches!(refused, Error::Refused(_)));
        assert!(refused.to_string().contains("ResourceNotFoundException: no such table"), "{refused}");
        let cut = Error::from(SdkError::<GetItemError, _>::response_error("the answer ended", answered()));
        assert!(cut.to_string().contains("the answer ended"), "{cut}");
        for said in [refused.to_string(), cut.to_string(), format!("{refused:?}"), format!("{cut:?}")] {
            assert!(!said.contains("Ada"), "{said}");
        }
    }
}
