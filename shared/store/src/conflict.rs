use crate::Error;

/// How often a transaction starts over when another one touched the same rows first.
const MOST_CONFLICTS: u32 = 8;

/// Runs a transaction, from its start again when it has met another, a few times; then the conflict is its error.
pub(crate) async fn until_alone<T, F>(mut run: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut conflicts = 0;
    loop {
        match run().await {
            Err(error) if error.is_conflict() && conflicts < MOST_CONFLICTS => conflicts += 1,
            other => return other,
        }
    }
}
