//! What a person looks at before it is recalled: listing it, showing it with what was said, deciding.

mod answer;
mod request;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use domain::{Decision, Envelope, MemoryId, SessionId, TenantId, WakeUp};
use queue::{Publisher, Routes};
use store::{ReviewDecision, ReviewFilter, Reviewed};
use utoipa_axum::router::OpenApiRouter;

use crate::Parts;
use crate::http::{Answer, Caller, Problem, Shared, body_of, postgres_is_down};
use crate::review::answer::{DecisionAnswer, ReviewAnswer, ReviewListAnswer};
use crate::review::request::Operation;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/v1/reviews", any(review)).route("/v1/reviews/{id}", any(review))
}

async fn review(State(parts): State<Shared>, caller: Caller, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body_of(body).await?;
    let query = head.uri.query().unwrap_or_default();
    let operation = Operation::read(head.method.as_str(), head.uri.path(), query, &body)?;
    parts.review(&caller.tenant, operation).await
}

fn ok<T: serde::Serialize>(answer: &T) -> Response {
    Answer::ok(answer).into_response()
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
    /// Answers a reviewer.
    pub(crate) async fn review(&self, tenant: &TenantId, operation: Operation) -> Result<Response, Problem> {
        match operation {
            Operation::List { user, kind, agent, after, limit } => {
                let filter = ReviewFilter { user: user.as_ref(), kind, agent: agent.as_deref() };
                // One more than wanted tells whether there is a next page.
                let listed = self.store.list_reviews(tenant, &filter, after, limit.saturating_add(1)).await;
                let reviews = listed.map_err(|error| postgres_is_down(&error))?.ok_or_else(|| {
                    Problem::invalid(
                        "after",
                        "parameter `after` names no memory, expected the `next` of an answer".to_owned(),
                    )
                })?;
                Ok(ok(&ReviewListAnswer::of(reviews, limit)))
            }
            Operation::Show { id } => {
                let found = self.store.find_review(tenant, id, MOST_EVENTS, MOST_CHARACTERS).await;
                let case =
                    found.map_err(|error| postgres_is_down(&error))?.ok_or_else(|| unknown_review(id))?;
                Ok(ok(&ReviewAnswer::from(case)))
            }
            Operation::Decide { id, decision, version, reviewer, note } => {
                let given = ReviewDecision {
                    decision: &decision,
                    version,
                    reviewer: reviewer.as_deref(),
                    note: note.as_deref(),
                };
                self.decide(tenant, id, &given).await.map(|answer| ok(&answer))
            }
        }
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
