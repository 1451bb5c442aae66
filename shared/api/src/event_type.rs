use domain::EventKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an event records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// Something somebody said.
    #[default]
    Message,
    /// A tool was called.
    ToolCall,
    /// Something was decided.
    Decision,
    /// Something was noticed.
    Observation,
    /// A graph of an agent went from one node to another.
    NodeTransition,
}

impl From<EventType> for EventKind {
    fn from(given: EventType) -> Self {
        match given {
            EventType::Message => Self::Message,
            EventType::ToolCall => Self::ToolCall,
            EventType::Decision => Self::Decision,
            EventType::Observation => Self::Observation,
            EventType::NodeTransition => Self::NodeTransition,
        }
    }
}
