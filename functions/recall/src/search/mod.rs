//! What answers a question: the memories and the events of a user that may, best first.

mod access;
mod answer;
mod filter;
mod kind;
mod memories;
mod question;
mod rank;

use axum::extract::State;
use domain::{MemoryType, Scope, SessionName, TenantId, UserId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use store::{Embedding, Search};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::access::Accesses;
pub(crate) use self::answer::{EventAnswer, MemoryAnswer, PlainMemory, RecallAnswer};
use self::filter::{Names, filter};
pub(crate) use self::memories::rank_memories;
pub(crate) use self::question::Subject;
pub(crate) use self::rank::{Blend, around, rank_events};
use crate::Parts;
use crate::http::{
    Answer, Caller, Moment, OfUser, PathOf, Problem, Query, Question, Shared, Whole, postgres_is_down,
    shared_page,
};

/// How many candidates each measure brings: more than anyone may ask for, so that ranking has a choice.
const CANDIDATES: u16 = 120;
/// How many memories, and how many events, an answer has when nobody says.
const USUAL_RESULTS: usize = 10;

/// How many memories a search brings at most, when so many say the same that there are too few others.
pub(crate) const MOST_MEMORY_CANDIDATES: u16 = 10_000;

/// How many memories each measure brings for `k`: so that what is not first by any measure, but good by all, is among them,
/// and some may say the same.
fn memory_candidates(k: usize) -> u16 {
    u16::try_from(2 * k + 20).unwrap_or(MOST_MEMORY_CANDIDATES)
}

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(recall))
}

/// What is asked, and how much of it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// The question, at most 4 KiB.
    #[param(value_type = String, min_length = 1, max_length = 4096)]
    pub(crate) query: Question,
    /// How many memories, and how many events; 10 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    pub(crate) k: Option<Whole<1, 100>>,
    /// Only memories of these types, with commas between them.
    #[param(value_type = Option<String>, example = "fact,preference")]
    pub(crate) r#type: Option<Names<MemoryType>>,
    /// Only memories of these scopes, with commas between them.
    #[param(value_type = Option<String>, example = "session,user,global")]
    pub(crate) scope: Option<Names<Scope>>,
    /// Only what comes from this session.
    #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub(crate) session: Option<SessionName>,
    /// Only what began to hold, or happened, at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) since: Option<Moment>,
    /// Only what began to hold, or happened, before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Moment>,
    /// What held, or had happened, at this time instead of now, as far as it is known by now.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) as_of: Option<Moment>,
}

/// What answers a question: `k` memories and `k` events, best first.
#[utoipa::path(
    get, path = "/v1/users/{user}/recall", tag = "recall", params(OfUser, Asked),
    security(("api_key" = ["read"])),
    responses((status = 200, body = RecallAnswer), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn recall(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    Query(asked): Query<Asked>,
) -> Result<Answer<RecallAnswer>, Problem> {
    parts.recall(&caller.tenant, &user, asked).await.map(Answer::ok)
}

impl Parts {
    /// What answers a question.
    pub(crate) async fn recall(
        &self,
        tenant: &TenantId,
        user: &UserId,
        Asked { query, k, r#type, scope, session, since, until, as_of }: Asked,
    ) -> Result<RecallAnswer, Problem> {
        let now = (self.now)();
        let k = k.map_or(USUAL_RESULTS, Whole::to);
        let [since, until, as_of] = [since, until, as_of].map(|moment| moment.map(Timestamp::from));
        let filter = filter(r#type.as_ref(), scope.as_ref(), session.as_ref(), (since, until), as_of)?;
        let speakers = self.store.speakers(tenant, user).await.map_err(|error| postgres_is_down(&error))?;
        let question = Subject::read(query.as_str(), &speakers, now.to_zoned(TimeZone::UTC).date());
        let vector = self.embed(&question.meaning).await;
        let times = around(&question.times);
        let mut memory_candidates = memory_candidates(k);
        loop {
            let search = Search {
                filter,
                memory_candidates,
                times: &times,
                ..self.search(&question.words, vector.as_deref())
            };
            let found =
                self.store.recall(tenant, user, &search).await.map_err(|error| postgres_is_down(&error))?;
            let brought = found.memories.candidates.len();
            let memories = rank_memories(found.memories, self.blend(), as_of.unwrap_or(now), k);
            // So many say the same that there is less than was asked for, and perhaps more to be had.
            if memories.len() < k
                && brought >= usize::from(memory_candidates)
                && memory_candidates < MOST_MEMORY_CANDIDATES
            {
                memory_candidates = memory_candidates.saturating_mul(4).min(MOST_MEMORY_CANDIDATES);
                continue;
            }
            let mut memories: Vec<MemoryAnswer> = memories.into_iter().map(Into::into).collect();
            let events = rank_events(found.events, &question, self.blend(), k);
            let mut events: Vec<EventAnswer> = events.into_iter().map(Into::into).collect();
            let answering = memories.len() + events.len();
            let (most_memories, most_events) = shared_page(&memories, &events);
            memories.truncate(most_memories);
            events.truncate(most_events);
            self.accesses.record(tenant, memories.iter().map(MemoryAnswer::id), now);
            return Ok(RecallAnswer {
                degraded: vector.is_none(),
                left_out: answering - memories.len() - events.len(),
                memories,
                events,
                archived_events: (found.archived_events > 0).then_some(found.archived_events),
                query: query.into(),
            });
        }
    }

    /// The text as a vector; without one, everything is found by its words.
    pub(crate) async fn embed(&self, text: &str) -> Option<Vec<f32>> {
        match self.embedder.as_ref()?.embed(&[text]).await {
            Ok(vectors) => vectors.into_iter().next(),
            Err(error) => {
                tracing::warn!(%error, "searching by words alone");
                None
            }
        }
    }

    /// What to search for.
    pub(crate) fn search<'a>(&'a self, words: &'a str, vector: Option<&'a [f32]>) -> Search<'a> {
        let embedding =
            vector.zip(self.embedder.as_ref()).map(|(vector, by)| Embedding { vector, model: by.name() });
        Search {
            words,
            embedding,
            candidates: CANDIDATES,
            memory_candidates: memory_candidates(USUAL_RESULTS),
            ..Search::default()
        }
    }

    /// How words and embeddings go together in this function's answers.
    pub(crate) fn blend(&self) -> Blend {
        self.embedder.as_ref().map_or(Blend::SPELLING, Blend::of)
    }
}
