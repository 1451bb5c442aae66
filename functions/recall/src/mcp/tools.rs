//! The tools, as clients and their models see them.

use std::sync::Arc;

use domain::KeyScope;
use rmcp::model::{JsonObject, ToolAnnotations};
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::ParameterIn;

use super::schema;
use crate::memories::{CorrectionAsked, DeletionAsked, ListAsked, MemoryPage, MemoryWritten, NewMemoryAsked};
use crate::search::RecallAnswer;
use crate::status::StatusAnswer;
use crate::{search, status};

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Recall,
    Remember,
    Correct,
    Forget,
    List,
    Status,
}

impl Tool {
    /// Every tool.
    pub(super) const ALL: [Self; 6] =
        [Self::Recall, Self::Remember, Self::Correct, Self::Forget, Self::List, Self::Status];

    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Recall => "recall",
            Self::Remember => "remember",
            Self::Correct => "correct",
            Self::Forget => "forget",
            Self::List => "list",
            Self::Status => "status",
        }
    }

    /// The tool of this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// What a caller needs for it.
    pub(super) const fn scope(self) -> KeyScope {
        match self {
            Self::Recall | Self::List | Self::Status => KeyScope::Read,
            Self::Remember | Self::Correct | Self::Forget => KeyScope::Ingest,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Recall => "Recall",
            Self::Remember => "Remember",
            Self::Correct => "Correct a memory",
            Self::Forget => "Forget a memory",
            Self::List => "List memories",
            Self::Status => "What became of what was said",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Recall => {
                "What answers a question about the user: memories and past messages, best first, each with where it comes \
                 from. Ask a full question."
            }
            Self::Remember => {
                "Keeps something about the user at once, in one plain sentence that is understood by itself. What is known \
                 already is not kept twice."
            }
            Self::Correct => {
                "Says what is so in place of what a memory says. Give the version that was looked at: when the memory has \
                 changed since, nothing is done and the answer shows what holds."
            }
            Self::Forget => {
                "Deletes a memory, and keeps it from being learned again from what was said before. Only when the user asks \
                 for it."
            }
            Self::List => {
                "The user's memories, the last stored first, each with the id and version that `correct` and `forget` take."
            }
            Self::Status => {
                "How far every agent is with the user's conversations: which messages have been thought about, what was \
                 remembered of them, and for how long others have waited."
            }
        }
    }

    /// What it takes beside the user.
    fn input(self) -> JsonObject {
        let in_query = || Some(ParameterIn::Query);
        match self {
            Self::Recall => schema::of_parameters(&search::Asked::into_params(in_query)),
            Self::Status => schema::of_parameters(&status::Asked::into_params(in_query)),
            Self::List => schema::of_parameters(&ListAsked::into_params(in_query)),
            Self::Remember => schema::of::<NewMemoryAsked>(),
            Self::Correct => of_memory(schema::of::<CorrectionAsked>()),
            Self::Forget => of_memory(schema::of_parameters(&DeletionAsked::into_params(in_query))),
        }
    }

    fn output(self) -> JsonObject {
        match self {
            Self::Recall => schema::of::<RecallAnswer>(),
            Self::Status => schema::of::<StatusAnswer>(),
            Self::List => schema::of::<MemoryPage>(),
            Self::Remember | Self::Correct | Self::Forget => schema::of::<MemoryWritten>(),
        }
    }

    const fn hints(self) -> Hints {
        match self {
            Self::Recall | Self::List | Self::Status => Hints { reads: true, destroys: false, repeats: true },
            // What is remembered twice has one more event to show for it.
            Self::Remember => Hints { reads: false, destroys: false, repeats: false },
            // A repeat is refused: the version has passed.
            Self::Correct | Self::Forget => Hints { reads: false, destroys: true, repeats: true },
        }
    }

    /// The tool with its schemas; `takes_user` when nothing else says whose memories are meant.
    pub(super) fn described(self, takes_user: bool) -> rmcp::model::Tool {
        let mut input = self.input();
        if takes_user {
            let user = json!({
                "type": "string", "minLength": 1, "maxLength": 200,
                "description": "Whose memories: the user, as the application names it."
            });
            schema::add(&mut input, "user", user, true);
        }
        let Hints { reads, destroys, repeats } = self.hints();
        let hints = ToolAnnotations::with_title(self.title())
            .read_only(reads)
            .destructive(destroys)
            .idempotent(repeats)
            .open_world(false);
        rmcp::model::Tool::new(self.name(), self.description(), Arc::new(input))
            .with_title(self.title())
            .with_raw_output_schema(Arc::new(self.output()))
            .with_annotations(hints)
    }
}

/// The same, taking a memory too.
fn of_memory(mut input: JsonObject) -> JsonObject {
    let memory = json!({"type": "string", "format": "uuid", "description": "The memory, by its id."});
    schema::add(&mut input, "memory", memory, true);
    input
}

/// What a client may expect of a call.
struct Hints {
    /// Nothing changes.
    reads: bool,
    /// Something that was there is not there any more.
    destroys: bool,
    /// A repeat changes nothing further.
    repeats: bool,
}
