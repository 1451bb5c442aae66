//! What answers a question: the memories and the events of a user that may, best first.

mod answer;
mod question;
mod rank;

use axum::extract::State;
use domain::{TenantId, UserId};
use serde::Deserialize;
use store::{Embedding, Filter, Search};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::answer::{MemoryAnswer, PlainMemory, RecallAnswer};
use self::question::Subject;
use self::rank::rank_events;
pub(crate) use self::rank::rank_memories;
use crate::Parts;
use crate::http::{
    Answer, Caller, OfUser, PathOf, Problem, Query, Question, Shared, Whole, postgres_is_down,
};

/// How many candidates each measure brings: more than anyone may ask for, so that ranking has a choice.
const CANDIDATES: u16 = 120;
/// How many memories, and how many events, an answer has when nobody says.
const USUAL_RESULTS: usize = 10;

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
}

/// What answers a question: `k` memories and `k` events, best first.
#[utoipa::path(
    get, path = "/v1/users/{user}/recall", tag = "recall", params(OfUser, Asked),
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
        Asked { query, k }: Asked,
    ) -> Result<RecallAnswer, Problem> {
        let k = k.map_or(USUAL_RESULTS, Whole::to);
        let speakers = self.store.speakers(tenant, user).await.map_err(|error| postgres_is_down(&error))?;
        let question = Subject::read(query.as_str(), &speakers);
        let vector = self.embed(&question.subject).await;
        let search = self.search(&question.subject, vector.as_deref());
        let found =
            self.store.recall(tenant, user, &search).await.map_err(|error| postgres_is_down(&error))?;
        Ok(RecallAnswer {
            degraded: vector.is_none(),
            memories: rank_memories(found.memories, k).into_iter().map(Into::into).collect(),
            events: rank_events(found.events, &question.named, k).into_iter().map(Into::into).collect(),
            query: query.into(),
        })
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
        Search { words, embedding, candidates: CANDIDATES, filter: Filter::default() }
    }
}
