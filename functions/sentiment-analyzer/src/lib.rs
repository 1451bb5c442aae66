//! Follows the tone of each session: how every speaker sounds, and whether that changes.
//!
//! - **Woken by** a wake-up per session, once the session has been quiet for the queue's delay or has waited for
//!   `SUMMARIZER_MAX_WAIT_SECONDS`.
//! - **Reads** the window, and what is known of the session's tone.
//! - **Writes** one memory of type `sentiment`, scope `session`, which continues the one before it.
//! - **Emits** nothing of its own; the inserted memory wakes the indexer.
//!
//! Every turn gets a score from -1000, as negative as can be, to 1000, in thousandths of VADER's compound score. The
//! memory's data holds, per speaker, exact counts and sums of them and the latest ones, so what it says does not depend
//! on how the session was cut into windows. The tone of a user over time is these memories of their sessions in a row.

mod ask;
mod score;
mod think;
mod tone;

use std::time::Duration;

use domain::{Debounce, MemoryType, Scope, Window};
use model::{Error, Model, OpenAi, Schema, Usage};
use runtime::{Agent, AgentSpec, Context, ContextQuery, ThinkError, Thoughts};

pub use score::{Score, Scorer};

/// The agent.
#[derive(Debug)]
pub struct SentimentAnalyzer {
    spec: AgentSpec,
    scorer: Scorer,
    model: Option<Box<(OpenAi, Schema)>>,
}

impl SentimentAnalyzer {
    /// The agent's name.
    pub const NAME: &'static str = "sentiment-analyzer";

    /// An agent that judges with this model a session that has fallen quiet or has waited for `max_wait`.
    pub fn new(model: Model, max_wait: Duration) -> Result<Self, Error> {
        let model = match model {
            Model::BuiltIn => None,
            Model::OpenAi(model) => Some(Box::new((model, ask::schema()?))),
        };
        let spec = AgentSpec {
            name: Self::NAME,
            debounce: Some(Debounce { max_wait }),
            window_limit: 200,
            context: &[ContextQuery { kind: MemoryType::Sentiment, scope: Scope::Session, limit: 1 }],
            waits_for: None,
        };
        Ok(Self { spec, scorer: Scorer::new(), model })
    }
}

impl Agent for SentimentAnalyzer {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        let current = context.known.iter().find(|memory| {
            memory.kind == MemoryType::Sentiment && memory.scope == Scope::Session && memory.key == think::KEY
        });
        let (judged, usage) = match self.model.as_deref().filter(|_| !context.built_in_only) {
            None => {
                let usage = Usage { model: format!("built-in/{}", ask::RULES), ..Usage::default() };
                (None, usage)
            }
            Some((model, schema)) => {
                let (judged, usage) = ask::ask(context, model, schema, window).await?;
                (Some(judged), usage)
            }
        };
        let thought = think::think(window, current, &self.scorer, judged.as_ref(), context.redrives);
        Ok(Thoughts { thoughts: thought.into_iter().collect(), usage, ..Thoughts::default() })
    }
}
