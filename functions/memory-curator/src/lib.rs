//! Keeps what is known of a user short and true: repeats become one memory, what was taken back is closed, what nobody
//! needs any more fades.
//!
//! - **Woken by** a tick once a week, which is fanned out to the users who said something since the last one.
//!   A promotion wakes it for one user at once.
//! - **Reads** the user's current memories, all types, in all sessions, and of the events those by which an application
//!   wants a memory of one session to be the user's.
//! - **Writes** evidence and data onto the memories that stay, and closes others. A closed memory keeps its row, its
//!   evidence and its interval, and points to what took its place.
//! - **Emits** nothing of its own.

mod alike;
mod ask;
mod curate;
mod fade;
mod groups;
mod named;
mod promote;
mod statement;
#[cfg(test)]
mod tests;
mod wording;

use domain::{Evidence, MemoryId, Thought, Window};
use model::{Error, Model, PromptFiles, Thinker};
use runtime::{Agent, AgentSpec, Context, ThinkError, Thoughts};
use store::{Store, UserMemory};

pub use curate::{Curation, Undecided, Verdict, Verdicts, curate};

/// The version of the agent's own rules.
const RULES: &str = "curation-1";
/// How many of a user's memories are looked at, those that changed last: as many as a user may have by default.
const MOST_MEMORIES: u16 = 10_000;

/// The agent.
pub struct MemoryCurator {
    spec: AgentSpec,
    thinker: Thinker,
    store: Store,
}

impl MemoryCurator {
    /// The agent's name.
    pub const NAME: &'static str = "memory-curator";
    /// What a model is asked with: one question per user and week, and only about what the rules leave undecided.
    pub const PROMPT: PromptFiles = ask::PROMPT;

    /// An agent that asks this model about what its rules cannot decide, and reads what is known from this store.
    pub fn new(model: Model, store: Store) -> Result<Self, Error> {
        let spec = AgentSpec {
            name: Self::NAME,
            debounce: None,
            // Hardly an event is looked at: the larger a window, the fewer runs until the user's last.
            window_limit: 1000,
            context: &[],
            waits_for: None,
        };
        Ok(Self { spec, thinker: Thinker::new(model, RULES, &Self::PROMPT)?, store })
    }
}

impl Agent for MemoryCurator {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        let asked = promote::asked(window);
        let memories = if asked.is_empty() {
            Vec::new()
        } else {
            let ids: Vec<MemoryId> = asked.keys().copied().collect();
            self.store.promotable(&window.tenant, window.session, &ids).await?
        };
        // A deletion or correction that comes while this thinks is not to be passed over.
        let sources = memories.iter().map(|promotable| (promotable.memory.id, promotable.version)).collect();
        let promoted = promote::promoted(window, &asked, memories);
        if !context.ends_user {
            let usage = self.thinker.gated();
            return Ok(Thoughts { thoughts: promoted, sources, usage, ..Thoughts::default() });
        }
        let memories = self.store.user_memories(&window.tenant, &window.user, MOST_MEMORIES).await?;
        let mut thoughts = think(&self.thinker, window, context, &memories).await?;
        thoughts.closings = promote::apart(thoughts.closings, &memories, &promoted);
        thoughts.thoughts.extend(promoted);
        thoughts.sources = sources;
        Ok(thoughts)
    }
}

/// The thinking, once the user's memories are at hand.
async fn think(
    thinker: &Thinker,
    window: &Window,
    context: &Context,
    memories: &[UserMemory],
) -> Result<Thoughts, ThinkError> {
    let by_rules = curate(memories, window.session, context.now, &Verdicts::new());
    let (curation, usage) = match thinker.model(context.built_in_only) {
        None => (by_rules, thinker.built_in()),
        Some((model, prompt)) => {
            if context.gate(MemoryCurator::NAME, !by_rules.undecided.is_empty()) {
                let (verdicts, usage) =
                    ask::ask(context, model, prompt, memories, &by_rules.undecided).await?;
                (curate(memories, window.session, context.now, &verdicts), usage)
            } else {
                (by_rules, thinker.gated())
            }
        }
    };
    let thoughts = curation.thoughts.into_iter().map(|thought| within(window, thought)).collect();
    Ok(Thoughts { thoughts, closings: curation.closings, usage, ..Thoughts::default() })
}

/// A thought with the evidence that lies in the window named as such.
fn within(window: &Window, mut thought: Thought) -> Thought {
    let is_within =
        |event: &Evidence| event.session == window.session && window.event(event.version).is_some();
    let (within, elsewhere) = thought.elsewhere.into_iter().partition::<Vec<_>, _>(is_within);
    thought.evidence = within.into_iter().map(|event| event.version).collect();
    thought.elsewhere = elsewhere;
    thought
}
