use std::future::Future;
use std::time::Duration;

use domain::{Closing, Debounce, HotLifetimes, Memory, MemoryId, SessionId, TenantId, Thought, Window};
use jiff::Timestamp;
use model::{Answer, OpenAi, Question};
use serde::de::DeserializeOwned;
use store::ContextQuery;

use crate::ask::Asking;
use crate::flow::Fault;
use crate::hooks::Hooks;

/// How long to wait when a provider asks for patience without saying how much.
const UNSTATED_PATIENCE: Duration = Duration::from_secs(30);
/// The most patience a provider is believed to ask for.
const MOST_PATIENCE: Duration = Duration::from_hours(1);

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
    /// The agent whose cursor has to reach the end of a window first.
    pub waits_for: Option<WaitFor>,
}

/// What an agent waits for before it thinks about a window: that another one has thought about it. The condition is a
/// state, the other's cursor, so nothing that happened before the wait began is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitFor {
    /// The other agent.
    pub agent: &'static str,
    /// Counted from when the newest event of the window was accepted. After it the agent goes on without, and its run
    /// says `degraded`.
    pub timeout: Duration,
}

/// What an agent sees beside the window, and the way to a model.
#[derive(Clone)]
pub struct Context {
    /// The memories its [`ContextQuery`]s asked for.
    pub known: Vec<Memory>,
    /// The time of this run.
    pub now: Timestamp,
    /// Whether the agent is to think by its own rules, because the tenant's tokens are used up or it wants no model.
    pub built_in_only: bool,
    /// For how long hot state keeps what is the tenant's, where that is not the deployment's: for an agent that writes there.
    pub lifetimes: HotLifetimes,
    /// Whether the window was set aside before and the agent has thought about what came after it since.
    pub redrives: bool,
    /// Whether nothing of the user's is left to think about after this window. A tick wakes an agent for a user, whose
    /// sessions it then thinks about one after the other; one that thinks about the user as a whole does so here, and at
    /// the windows before it has no thoughts. A session's wake-up on its own ends its user too.
    pub ends_user: bool,
    pub(crate) asking: Option<Asking>,
}

impl Context {
    /// A context outside the runtime, whose questions go straight to the model: for trying out an agent's thinking.
    pub fn new(known: Vec<Memory>, now: Timestamp) -> Self {
        let lifetimes = HotLifetimes::default();
        Self { known, now, built_in_only: false, lifetimes, redrives: false, ends_user: true, asking: None }
    }

    /// Whether a window is `worth` asking a model about, by a cheap look at it; to be called before every question. Counted,
    /// so that the share of questions saved is known.
    pub fn gate(&self, agent: &'static str, worth: bool) -> bool {
        let outcome = if worth { "asked" } else { "saved" };
        metrics::counter!("ModelGate", "Agent" => agent, "Outcome" => outcome).increment(1);
        worth
    }

    /// Asks a model, which is paid once for it: the answer is memoised under the agent, the window, `name` and the
    /// question itself, so a run that died after the answer finds it. Waits its turn within the tenant's rate and spends
    /// of the tenant's tokens. `name` tells several questions about one window apart in the log.
    ///
    /// `check` makes of the answer what the agent needs, or refuses it: an answer that is refused is not kept. An agent
    /// hands every error on: the runtime knows what to do with each.
    pub async fn ask<T: DeserializeOwned, V>(
        &self,
        model: &OpenAi,
        name: &str,
        question: Question<'_>,
        check: impl Fn(T) -> Result<V, model::Error>,
    ) -> Result<Answer<V>, ThinkError> {
        if let Some(asking) = &self.asking {
            return asking.ask(model, name, question, check).await;
        }
        let Answer { value, usage } = model.complete::<T>(question).await?;
        Ok(Answer { value: check(value)?, usage })
    }
}

/// What an agent thought about a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thoughts {
    /// What it proposes to remember, in order; none is a valid answer.
    pub thoughts: Vec<Thought>,
    /// Memories of the user's it proposes to close.
    pub closings: Vec<Closing>,
    /// Memories whose content thoughts say again, in another scope, each with the version it was read at. Changed since,
    /// the run starts over.
    pub sources: Vec<(MemoryId, i64)>,
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
    /// Not now. Not a failure: the wake-up sleeps for that long, be it days.
    #[error("put off for {} s", patience.as_secs())]
    Later {
        /// How long.
        patience: Duration,
    },
    /// The tenant's tokens of the day are used up.
    #[error("the tenant's tokens of the day are used up")]
    Exhausted {
        /// When there will be new ones; `None` when the built-in model is to think instead.
        until: Option<Timestamp>,
    },
}

impl ThinkError {
    /// Whose fault it is, which decides everything that follows.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Store(_) | Self::Hot(_) => Fault::Outside,
            Self::Later { patience } => Fault::Later(*patience),
            Self::Exhausted { until: None } => Fault::Exhausted,
            Self::Exhausted { until: Some(until) } => Fault::ExhaustedUntil(*until),
            Self::Model(error) => match error {
                model::Error::RateLimited { retry_after } => {
                    Fault::Later(retry_after.unwrap_or(UNSTATED_PATIENCE).min(MOST_PATIENCE))
                }
                // A wrong configuration is an operator's to mend; the window is fine.
                model::Error::Transient(_) | model::Error::Configuration(_) => Fault::Outside,
                // A model rarely makes the same mistake twice.
                model::Error::Invalid(_) => Fault::Window,
                model::Error::Refused | model::Error::TooLong => Fault::WindowForGood,
            },
        }
    }
}

/// A background agent: its thinking and nothing else. Claiming, windows, retries, commits and metrics are the
/// runtime's.
pub trait Agent: Send + Sync {
    /// What the runtime must know of it.
    fn spec(&self) -> &AgentSpec;

    /// Who is told of the agent's runs, beside metrics and log.
    fn hooks(&self) -> &dyn Hooks {
        &()
    }

    /// Whether the agent is to see text that recall handed out and the application's assistant then said. For most that is
    /// taken out of the window, so that nothing is learned from it again.
    fn sees_recalled(&self) -> bool {
        false
    }

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
