use std::future::Future;

use domain::{Debounce, Memory, SessionId, TenantId, Thought, Window};
use jiff::Timestamp;
use store::ContextQuery;

/// What the runtime must know of an agent to run it.
#[derive(Debug, Clone)]
pub struct AgentSpec {
    /// Its name: the same in folder, package, queue, cursor and log.
    pub name: &'static str,
    /// Set when the agent waits for a session to fall quiet; its queue then has a delivery delay.
    pub debounce: Option<Debounce>,
    /// How many events one window holds at most; a longer backlog is several windows.
    pub window_limit: u16,
    /// The memories the agent wants to see beside the window.
    pub context: &'static [ContextQuery],
}

/// What an agent sees beside the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// The memories its [`ContextQuery`]s asked for.
    pub known: Vec<Memory>,
    /// The time of this run.
    pub now: Timestamp,
}

/// What an agent thought about a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thoughts {
    /// What it proposes to remember, in order; none is a valid answer.
    pub thoughts: Vec<Thought>,
    /// What recall can find events by; only the indexer makes these.
    pub indexed: Vec<store::IndexedEvent>,
    /// What the thinking cost.
    pub usage: model::Usage,
}

/// Why an agent could not think about a window.
#[derive(Debug, thiserror::Error)]
pub enum ThinkError {
    /// The model did not answer, or not as asked.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// Postgres did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The hot state did not answer.
    #[error(transparent)]
    Hot(#[from] hot::Error),
}

/// A background agent: its thinking and nothing else. Claiming, windows, retries, commits and metrics are the
/// runtime's.
pub trait Agent: Send + Sync {
    /// What the runtime must know of it.
    fn spec(&self) -> &AgentSpec;

    /// Thinks about a non-empty window. It may run again for the same window, so whatever it does to the outside
    /// must come to the same when done twice.
    fn think(
        &self,
        window: &Window,
        context: &Context,
    ) -> impl Future<Output = Result<Thoughts, ThinkError>> + Send;

    /// Is told that memories were added from a session. Most agents have nothing to do then.
    fn memories_added(
        &self,
        _tenant: &TenantId,
        _session: SessionId,
    ) -> impl Future<Output = Result<(), ThinkError>> + Send {
        async { Ok(()) }
    }
}
