//! What a person looks at before it is recalled: listing it, showing it with what was said, deciding.

mod answer;
mod request;

use axum::extract::State;
use domain::{Decision, Envelope, MemoryId, SessionId, TenantId, WakeUp};
use queue::{Publisher, Routes};
use store::{ReviewDecision, ReviewFilter, Reviewed};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::{DecisionAnswer, ReviewAnswer, ReviewListAnswer};
use self::request::{DecisionAsked, ListAsked, OfReview};
use crate::Parts;
use crate::http::{
    Answer, Caller, Json, Nothing, PathOf, Problem, Query, Shared, Short, Whole, postgres_is_down,
};

/// The longest decision, in bytes.
const LONGEST_DECISION_BYTES: usize = 64 * 1024;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, decide))
}

/// What waits for a person, the oldest first.
#[utoipa::path(
    get, path = "/v1/reviews", operation_id = "list_reviews", tag = "reviews", params(ListAsked),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = ReviewListAnswer), (status = 400, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn list(
    State(parts): State<Shared>,
    caller: Caller,
    Query(asked): Query<ListAsked>,
) -> Result<Answer<ReviewListAnswer>, Problem> {
    parts.list_reviews(&caller.tenant, &asked).await.map(Answer::ok)
}

/// One proposal, with everything it takes to decide.
#[utoipa::path(
    get, path = "/v1/reviews/{id}", operation_id = "show_review", tag = "reviews", params(OfReview),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = ReviewAnswer), (status = 400, body = Problem),
        (status = 404, description = "The tenant has, and had, no such proposal", body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem)
    )
)]
async fn show(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfReview { id }): PathOf<OfReview>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<ReviewAnswer>, Problem> {
    parts.show_review(&caller.tenant, MemoryId(id)).await.map(Answer::ok)
}

/// Decides about a proposal. The same decision may be sent again.
#[utoipa::path(
    post, path = "/v1/reviews/{id}", operation_id = "decide_review", tag = "reviews", params(OfReview),
    request_body = DecisionAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, description = "The decision stands, taken now or before", body = DecisionAnswer),
        (status = 400, body = Problem),
        (status = 404, description = "The tenant has, and had, no such proposal", body = Problem),
        (status = 409, description = "Decided otherwise before, or more was proposed since", body = Problem),
        (status = 413, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)
    )
)]
async fn decide(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfReview { id }): PathOf<OfReview>,
    Query(Nothing {}): Query<Nothing>,
    Json(mut asked): Json<DecisionAsked, LONGEST_DECISION_BYTES>,
) -> Result<Answer<DecisionAnswer>, Problem> {
    parts.screen_memory(&caller.tenant, asked.content.as_mut(), asked.data.as_mut()).await?;
    let decision = asked.decision()?;
    let given = ReviewDecision {
        decision: &decision,
        version: asked.version.map(Whole::get),
        reviewer: asked.reviewer.as_ref().map(Short::as_str),
        note: asked.note.as_ref().map(Short::as_str),
    };
    parts.decide(&caller.tenant, MemoryId(id), &given).await.map(Answer::ok)
}

/// The most events shown of what a proposal came from.
const MOST_EVENTS: u16 = 50;
/// How much of each is shown, in characters.
const MOST_CHARACTERS: u16 = 4_000;
/// The agent that makes memories searchable.
const INDEXER: &str = "indexer";

/// Where the indexer is told of memories that were approved.
pub(crate) struct Indexer {
    publisher: Publisher,
    queue_url: String,
}

impl Indexer {
    /// The indexer's queue among the routes; `None` when it is not routed.
    pub(crate) fn routed(publisher: Publisher, routes: &Routes) -> Option<Self> {
        Some(Self { publisher, queue_url: routes.url(INDEXER)?.to_owned() })
    }
}

impl Parts {
    /// What waits for a person.
    async fn list_reviews(&self, tenant: &TenantId, asked: &ListAsked) -> Result<ReviewListAnswer, Problem> {
        let limit = asked.limit();
        let filter = ReviewFilter {
            user: asked.user.as_ref(),
            kind: asked.r#type,
            agent: asked.agent.as_ref().map(Short::as_str),
        };
        let after = asked.after.map(MemoryId);
        // One more than wanted tells whether there is a next page.
        let listed = self.store.list_reviews(tenant, &filter, after, limit.saturating_add(1)).await;
        let reviews = listed.map_err(|error| postgres_is_down(&error))?.ok_or_else(|| {
            Problem::invalid(
                "after",
                "parameter `after` names no memory, expected the `next` of an answer".to_owned(),
            )
        })?;
        Ok(ReviewListAnswer::of(reviews, limit))
    }

    /// One proposal with everything it takes to decide.
    async fn show_review(&self, tenant: &TenantId, id: MemoryId) -> Result<ReviewAnswer, Problem> {
        let found = self.store.find_review(tenant, id, MOST_EVENTS, MOST_CHARACTERS).await;
        let case = found.map_err(|error| postgres_is_down(&error))?.ok_or_else(|| unknown_review(id))?;
        Ok(case.into())
    }

    async fn decide(
        &self,
        tenant: &TenantId,
        id: MemoryId,
        given: &ReviewDecision<'_>,
    ) -> Result<DecisionAnswer, Problem> {
        let reviewed = self.store.decide_review(tenant, id, given).await;
        match reviewed.map_err(|error| postgres_is_down(&error))?.ok_or_else(|| unknown_review(id))? {
            Reviewed::Stands { record, sessions } => {
                self.wake_indexer(tenant, &sessions).await;
                Ok(record.into())
            }
            Reviewed::Otherwise(record) => {
                let same_verb = record.decision == given.decision.as_str();
                let what = if same_verb && matches!(given.decision, Decision::Edit(_)) {
                    "edited otherwise".to_owned()
                } else {
                    record.decision
                };
                Err(Problem::conflict(
                    "decision",
                    format!("this was {what} on {} already, and stays so", record.decided_at),
                ))
            }
            Reviewed::Changed(version) => Err(Problem::conflict(
                "version",
                format!("more was proposed since: this is version {version} now, look at it again"),
            )),
        }
    }

    /// Has what was approved or changed embedded and put into hot contexts. A hint like every wake-up: the change stands,
    /// and the indexer finds the memory with the session's next event at the latest.
    pub(crate) async fn wake_indexer(&self, tenant: &TenantId, sessions: &[SessionId]) {
        let Some(indexer) = &self.indexer else { return };
        let now = (self.now)();
        let wake_ups: Vec<Envelope> = sessions
            .iter()
            .map(|session| WakeUp::Memories { tenant: tenant.clone(), session: *session })
            .map(|wake_up| Envelope::first(wake_up, now))
            .collect();
        if wake_ups.is_empty() {
            return;
        }
        if let Err(error) = indexer.publisher.publish(&indexer.queue_url, &wake_ups).await {
            tracing::warn!(%error, "the indexer was not told of a memory");
        }
    }
}

fn unknown_review(id: MemoryId) -> Problem {
    Problem::not_found(format!("nothing was ever to be reviewed under {id}; GET /v1/reviews lists what is"))
}
