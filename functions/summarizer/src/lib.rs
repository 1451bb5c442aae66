//! Keeps a rolling summary of each session.
//!
//! - **Woken by** a wake-up per session, once the session has been quiet for the queue's delay or has waited for
//!   `SUMMARIZER_MAX_WAIT_SECONDS`.
//! - **Reads** the window, and the session's current summary.
//! - **Writes** one memory of type `summary`, scope `session`, which continues the one before it.
//! - **Emits** nothing of its own; the inserted memory wakes the indexer.

mod ask;
mod candidates;
mod extract;
mod think;

use std::time::Duration;

use domain::{Debounce, MemoryType, Scope, Window};
use model::{Error, Model, OpenAi, Schema, Usage};
use runtime::{Agent, AgentSpec, Context, ContextQuery, ThinkError, Thoughts};

/// The agent.
#[derive(Debug)]
pub struct Summarizer {
    spec: AgentSpec,
    thinker: Thinker,
}

#[derive(Debug)]
enum Thinker {
    BuiltIn,
    OpenAi(Box<(OpenAi, Schema)>),
}

impl Summarizer {
    /// The agent's name.
    pub const NAME: &'static str = "summarizer";

    /// An agent that thinks with this model, about a session that has fallen quiet or has waited for `max_wait`.
    pub fn new(model: Model, max_wait: Duration) -> Result<Self, Error> {
        let thinker = match model {
            Model::BuiltIn => Thinker::BuiltIn,
            Model::OpenAi(model) => Thinker::OpenAi(Box::new((model, ask::schema()?))),
        };
        let spec = AgentSpec {
            name: Self::NAME,
            debounce: Some(Debounce { max_wait }),
            window_limit: 200,
            context: &[ContextQuery { kind: MemoryType::Summary, scope: Scope::Session, limit: 1 }],
        };
        Ok(Self { spec, thinker })
    }
}

impl Agent for Summarizer {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        let current = context.known.iter().find(|memory| {
            memory.kind == MemoryType::Summary && memory.scope == Scope::Session && memory.key == think::KEY
        });
        let (thought, usage) = match &self.thinker {
            Thinker::BuiltIn => {
                let usage = Usage { model: format!("built-in/{}", ask::RULES), ..Usage::default() };
                (think::think(window, current), usage)
            }
            Thinker::OpenAi(provider) => {
                let (model, schema) = &**provider;
                ask::ask(model, schema, window, current).await?
            }
        };
        Ok(Thoughts { thoughts: thought.into_iter().collect(), usage, ..Thoughts::default() })
    }
}
