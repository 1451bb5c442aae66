use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// For how long hot state keeps what is a tenant's, in seconds; a life that is not given is the deployment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HotLifetimes {
    /// Recent messages, active entities and pending actions, from the session's last activity.
    pub session_context_seconds: Option<u32>,
    /// A session's working memory, from its last read, write or message.
    pub working_memory_seconds: Option<u32>,
    /// The state of a tool, from its last read or write.
    pub tool_state_seconds: Option<u32>,
    /// An answer of a model, for the wake-up that comes back after a crash.
    pub step_result_seconds: Option<u32>,
}

impl HotLifetimes {
    /// How long a life may be, in seconds: a minute to thirty days.
    pub const SECONDS: RangeInclusive<u32> = 60..=30 * 24 * 60 * 60;
}
