//! Keys, made.

use domain::ApiKey;

use crate::Problem;

/// A new API key, of the operating system's random numbers.
///
/// # Errors
/// When there are none.
pub fn new_api_key() -> Result<ApiKey, Problem> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| {
        tracing::error!("there are no random numbers");
        Problem::unavailable("this function")
    })?;
    Ok(ApiKey::from_random(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_another() {
        assert_ne!(new_api_key().unwrap().expose(), new_api_key().unwrap().expose());
    }
}
