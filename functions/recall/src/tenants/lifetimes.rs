//! For how long a tenant wants hot state to keep what is its own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::Whole;

/// A life, within the bounds of [`domain::HotLifetimes::SECONDS`].
type Life = Whole<60, 2_592_000>;

/// For how long hot state keeps what is the tenant's, in seconds; what is not given is the deployment's.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "a number in a request says its unit")]
pub(crate) struct LifetimesAsked {
    /// Recent messages, active entities and pending actions, from the session's last activity.
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 2_592_000)]
    session_context_seconds: Option<Life>,
    /// A session's working memory, from its last read, write or message.
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 2_592_000)]
    working_memory_seconds: Option<Life>,
    /// The state of a tool, from its last read or write.
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 2_592_000)]
    tool_state_seconds: Option<Life>,
    /// An answer of a model, for the wake-up that comes back after a crash.
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 2_592_000)]
    step_result_seconds: Option<Life>,
}
