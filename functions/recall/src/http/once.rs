use serde::de::DeserializeOwned;
use store::Once;

use super::Problem;

/// What came of a request now, or of the same one before; `before` makes it of the answer that was kept.
pub(crate) fn once<T, U: DeserializeOwned>(made: Once<T>, before: impl FnOnce(U) -> T) -> Result<T, Problem> {
    match made {
        Once::Done(answer) => Ok(answer),
        Once::Repeated(answer) => match serde_json::from_value(answer) {
            Ok(answer) => Ok(before(answer)),
            Err(error) => {
                tracing::error!(%error, "the answer to a request key cannot be read");
                Err(Problem::unavailable("the answer to the first of these requests"))
            }
        },
        Once::Otherwise => Err(Problem::unprocessable(
            "idempotency-key",
            "header `idempotency-key` was used for another request before, expected one of its own"
                .to_owned(),
        )),
    }
}
