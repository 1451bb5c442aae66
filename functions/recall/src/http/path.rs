//! Of whom something is asked.

use domain::{SessionName, UserId};
use serde::Deserialize;
use utoipa::IntoParams;

/// Of whom something is asked: the user named in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfUser {
    /// A user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) user: UserId,
}

/// Of which session something is asked: the user's, and the one named in the path.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfSession {
    /// A user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) user: UserId,
    /// A session of the user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) session: SessionName,
}
