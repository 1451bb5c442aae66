//! Makes events and memories searchable and keeps the hot context of sessions in step.
//!
//! Trigger: wake-ups of sessions and of added memories. Reads: the window, the hot context, memories without an
//! embedding of this embedder. Writes: the event index, embeddings of memories, session contexts in DynamoDB. Emits:
//! nothing.

mod think;

use domain::{SessionId, TenantId, Window};
use hot::Hot;
use jiff::Timestamp;
use model::Embedder;
use runtime::{Agent, AgentSpec, Context, ThinkError, Thoughts};
use store::Store;

/// The agent's name, under which its cursor says how far the hot state has come.
pub const NAME: &str = "indexer";

static SPEC: AgentSpec =
    AgentSpec { name: NAME, debounce: None, window_limit: 256, context: &[], waits_for: None };

/// The agent.
pub struct Indexer {
    embedder: Embedder,
    store: Store,
    hot: Hot,
    now: fn() -> Timestamp,
}

impl Indexer {
    /// An indexer on clients at hand; `now` is the clock that expiry is judged by.
    pub const fn new(embedder: Embedder, store: Store, hot: Hot, now: fn() -> Timestamp) -> Self {
        Self { embedder, store, hot, now }
    }
}

impl Agent for Indexer {
    fn spec(&self) -> &AgentSpec {
        &SPEC
    }

    /// A conversation is found and continued by all that was said in it.
    fn sees_recalled(&self) -> bool {
        true
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        let indexed = think::index_events(&self.embedder, &window.events).await?;
        self.index_memories(&window.tenant, window.session).await?;
        self.put_context_forward(window, &context.lifetimes, context.now).await?;
        let usage = model::Usage { model: self.embedder.name().to_owned(), ..model::Usage::default() };
        Ok(Thoughts { indexed, usage, ..Thoughts::default() })
    }

    async fn memories_added(&self, tenant: &TenantId, session: SessionId) -> Result<(), ThinkError> {
        self.index_memories(tenant, session).await?;
        self.refresh_active(tenant, session, (self.now)()).await
    }
}
