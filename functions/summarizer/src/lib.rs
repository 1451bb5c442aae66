//! Keeps a rolling summary of each session.
//!
//! - **Woken by** a wake-up per session, once the session has been quiet for the queue's delay or has waited for
//!   `SUMMARIZER_MAX_WAIT_SECONDS`.
//! - **Waits** for the entities of the same events, five minutes at most.
//! - **Reads** the window, the session's current summary and, for a model, the user's entities.
//! - **Writes** one memory of type `summary`, scope `session`, which continues the one before it.
//! - **Emits** nothing of its own; the inserted memory wakes the indexer.

mod ask;
mod candidates;
mod extract;
mod think;

use std::time::Duration;

use domain::{Debounce, MemoryType, Scope, Window};
use model::{Error, Model, OpenAi, Schema, Usage};
use runtime::{Agent, AgentSpec, Context, ContextQuery, ThinkError, Thoughts, WaitFor};

/// How long a summary waits for the entities of the same events.
const LONGEST_WAIT_FOR_ENTITIES: Duration = Duration::from_mins(5);
const CURRENT_SUMMARY: ContextQuery =
    ContextQuery { kind: MemoryType::Summary, scope: Scope::Session, limit: 1 };
/// What a model is told the names of, the newest first.
const KNOWN_ENTITIES: ContextQuery = ContextQuery { kind: MemoryType::Entity, scope: Scope::User, limit: 40 };

/// The agent.
#[derive(Debug)]
pub struct Summarizer {
    spec: AgentSpec,
    model: Option<Box<(OpenAi, Schema)>>,
}

impl Summarizer {
    /// The agent's name.
    pub const NAME: &'static str = "summarizer";

    /// An agent that thinks with this model, about a session that has fallen quiet or has waited for `max_wait`.
    pub fn new(model: Model, max_wait: Duration) -> Result<Self, Error> {
        let model = match model {
            Model::BuiltIn => None,
            Model::OpenAi(model) => Some(Box::new((model, ask::schema()?))),
        };
        let spec = AgentSpec {
            name: Self::NAME,
            debounce: Some(Debounce { max_wait }),
            window_limit: 200,
            context: if model.is_some() { &[CURRENT_SUMMARY, KNOWN_ENTITIES] } else { &[CURRENT_SUMMARY] },
            waits_for: Some(WaitFor { agent: "entity-extractor", timeout: LONGEST_WAIT_FOR_ENTITIES }),
        };
        Ok(Self { spec, model })
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
        let (thought, usage) = match self.model.as_deref().filter(|_| !context.built_in_only) {
            None => {
                let usage = Usage { model: format!("built-in/{}", ask::RULES), ..Usage::default() };
                (think::think(window, current), usage)
            }
            Some((model, schema)) => ask::ask(context, model, schema, window, current).await?,
        };
        Ok(Thoughts { thoughts: thought.into_iter().collect(), usage, ..Thoughts::default() })
    }
}
