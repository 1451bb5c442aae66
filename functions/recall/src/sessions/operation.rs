use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::{SessionName, TenantId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Beginning, Ending, InSession, NewOperation, Operation, OperationEnd};
use utoipa::{IntoParams, ToSchema};

use super::{check_document, check_text, failed};
use crate::Parts;
use crate::http::{
    Answer, Caller, IdempotencyKey, Json, OfSession, PathOf, Problem, Query, Shared, Whole, once, page_length,
};

/// How large an input or a result may be, in bytes of JSON.
const MOST_BYTES: usize = 64 * 1024;
/// How long the reason of a failure may be, in bytes.
const LONGEST_ERROR: usize = 4096;
/// How long nobody else begins the same when nobody says, in seconds.
const USUAL_LEASE: u64 = 60;
/// How many operations a page has when nobody says.
const USUAL_PAGE: u16 = 20;

/// An operation that is about to be done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperationAsked {
    /// What is done.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) name: String,
    /// With what: any JSON, at most 64 KiB.
    #[serde(default)]
    pub(crate) input: Value,
    /// Names it within its session: whoever begins the same again is told how it stands.
    #[schema(min_length = 1, max_length = 255)]
    pub(crate) key: Option<String>,
    /// How long nobody else begins the same, unless it ends before: 1 s to a day, 60 s if not given.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 86_400)]
    pub(crate) lease_seconds: Option<Whole<1, 86_400>>,
}

/// What became of an operation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndAsked {
    /// `completed`, if not given.
    status: Option<End>,
    /// What came of it, when it is completed: any JSON, at most 64 KiB.
    result: Option<Value>,
    /// Why it failed, when it did: at most 4 KiB.
    #[schema(min_length = 1, max_length = 4096)]
    error: Option<String>,
    /// The try that is spoken of; whichever it is, if not given.
    #[schema(value_type = Option<i64>, minimum = 1)]
    attempt: Option<Whole<1, 2_147_483_647>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum End {
    Completed,
    Failed,
}

/// Which operations are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listed {
    /// Only those that are pending, completed or failed.
    status: Option<OperationStatus>,
    /// Those after this one; the `next` of the page before.
    #[param(value_type = Option<i64>, minimum = 0)]
    after: Option<Whole<0, { i64::MAX }>>,
    /// How many; 20 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 40)]
    limit: Option<Whole<1, 40>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OperationStatus {
    Pending,
    Completed,
    Failed,
}

impl OperationStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// A page of operations in the order of their beginning.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationsAnswer {
    operations: Vec<OperationAnswer>,
    /// What to give as `after` for the next page; null when there is none.
    next: Option<i64>,
}

/// Whether the operation is the caller's to do, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BegunAnswer {
    /// True for the one who is to do it. False: it is done, or somebody is doing it.
    begun: bool,
    operation: OperationAnswer,
}

/// An operation as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationAnswer {
    /// Goes up by one within the session, in the order of beginning.
    id: i64,
    name: String,
    input: Value,
    key: Option<String>,
    /// `pending`, `completed` or `failed`.
    status: String,
    /// Which try it is, from 1.
    attempt: i32,
    lease_until: Timestamp,
    result: Option<Value>,
    error: Option<String>,
    begun_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl From<Operation> for OperationAnswer {
    fn from(operation: Operation) -> Self {
        Self {
            id: operation.id,
            name: operation.name,
            input: operation.input,
            key: operation.key,
            status: operation.status,
            attempt: operation.attempt,
            lease_until: operation.lease_until,
            result: operation.result,
            error: operation.error,
            begun_at: operation.begun_at,
            ended_at: operation.ended_at,
        }
    }
}

/// Of which operation something is asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfOperation {
    /// A user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    user: UserId,
    /// A session of the user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    session: SessionName,
    /// The operation.
    #[param(value_type = i64, minimum = 1)]
    id: Whole<1, { i64::MAX }>,
}

impl OfOperation {
    fn unknown(&self) -> Problem {
        let (id, session) = (self.id.get(), self.session.as_str());
        Problem::not_found(format!("session `{session}` of user `{}` has no operation {id}", self.user))
    }
}

/// Writes down that an operation is about to be done, so that it is known after a crash.
#[utoipa::path(
    post, path = "/v1/users/{user}/sessions/{session}/operations", tag = "sessions",
    params(OfSession, IdempotencyKey), request_body = OperationAsked,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 201, body = BegunAnswer),
        (status = 200, body = BegunAnswer, description = "it is done, or somebody is doing it"),
        (status = 400, body = Problem),
        (status = 422, body = Problem, description = "a key was used for another operation or request"),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn begin_operation(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    key: IdempotencyKey,
    Json(asked): Json<OperationAsked>,
) -> Result<Response, Problem> {
    let answer = parts.begin_operation(&caller.tenant, &of, key, &asked).await?;
    Ok(if answer.begun { Answer::created(answer) } else { Answer::ok(answer) }.into_response())
}

/// A session's operations in the order of their beginning.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/operations", tag = "sessions", params(OfSession, Listed),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = OperationsAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn list_operations(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    Query(listed): Query<Listed>,
) -> Result<Answer<OperationsAnswer>, Problem> {
    let status = listed.status.map(OperationStatus::as_str);
    let after = listed.after.map_or(0, Whole::get);
    let limit = listed.limit.map_or(USUAL_PAGE, Whole::to);
    parts.list_operations(&caller.tenant, &of, after, limit, status).await.map(Answer::ok)
}

/// An operation as it stands.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/operations/{id}", tag = "sessions", params(OfOperation),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = OperationAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn show_operation(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfOperation>,
) -> Result<Answer<OperationAnswer>, Problem> {
    let session = OfSession { user: of.user.clone(), session: of.session.clone() };
    let found = parts.store.operation(session.path(&caller.tenant), of.id.get()).await;
    let found = found.map_err(|error| failed(&error))?.ok_or_else(|| of.unknown())?;
    Ok(Answer::ok(found.into()))
}

/// Says what became of an operation; the same again is answered the same.
#[utoipa::path(
    post, path = "/v1/users/{user}/sessions/{session}/operations/{id}/complete", tag = "sessions",
    params(OfOperation, IdempotencyKey), request_body = EndAsked,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = OperationAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "it ended otherwise, or a later try has begun"),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn complete_operation(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfOperation>,
    key: IdempotencyKey,
    Json(asked): Json<EndAsked>,
) -> Result<Answer<OperationAnswer>, Problem> {
    parts.complete_operation(&caller.tenant, &of, key, &asked).await.map(Answer::ok)
}

impl Parts {
    /// Writes down that an operation is about to be done.
    pub(crate) async fn begin_operation(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        key: IdempotencyKey,
        asked: &OperationAsked,
    ) -> Result<BegunAnswer, Problem> {
        check_text("name", &asked.name, 200)?;
        check_document("input", &asked.input, MOST_BYTES)?;
        if let Some(key) = &asked.key {
            check_text("key", key, 255)?;
        }
        let new = NewOperation {
            name: &asked.name,
            input: &asked.input,
            key: asked.key.as_deref(),
            lease: Duration::from_secs(asked.lease_seconds.map_or(USUAL_LEASE, Whole::to)),
        };
        let request = key.of("begin operation", &(&of.user, of.session.as_str(), asked));
        let beginning = self.store.begin_operation(of.path(tenant), &new, request.as_ref()).await;
        let beginning = beginning.map_err(|error| failed(&error))?;
        match once(beginning, |kept: InSession<Beginning>| kept.answer)? {
            Beginning::Begun(operation) => Ok(BegunAnswer { begun: true, operation: operation.into() }),
            Beginning::Known(operation) => Ok(BegunAnswer { begun: false, operation: operation.into() }),
            Beginning::KeyTaken(operation) => {
                let detail = format!("field `key` was used in this session for operation {}", operation.id);
                Err(Problem::unprocessable("key", detail))
            }
        }
    }

    /// A page of a session's operations.
    pub(crate) async fn list_operations(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        after: i64,
        limit: u16,
        status: Option<&str>,
    ) -> Result<OperationsAnswer, Problem> {
        // One more than wanted tells whether there is a next page.
        let found = self.store.operations(of.path(tenant), after, limit + 1, status).await;
        let found = found.map_err(|error| failed(&error))?.ok_or_else(|| of.unknown())?;
        let mut operations: Vec<OperationAnswer> = found.into_iter().map(Into::into).collect();
        let (length, found) = (page_length(&operations, limit), operations.len());
        operations.truncate(length);
        let next = operations.last().filter(|_| length < found).map(|operation| operation.id);
        Ok(OperationsAnswer { operations, next })
    }

    async fn complete_operation(
        &self,
        tenant: &TenantId,
        of: &OfOperation,
        key: IdempotencyKey,
        asked: &EndAsked,
    ) -> Result<OperationAnswer, Problem> {
        let end = asked.status.unwrap_or(End::Completed);
        let nothing = Value::Null;
        let end = match (end, &asked.result, &asked.error) {
            (End::Completed, result, None) => OperationEnd::Completed(result.as_ref().unwrap_or(&nothing)),
            (End::Failed, None, error) => OperationEnd::Failed(error.as_deref().unwrap_or("unknown")),
            (End::Completed, _, Some(_)) => return Err(unexpected("error", "completed")),
            (End::Failed, Some(_), _) => return Err(unexpected("result", "failed")),
        };
        match end {
            OperationEnd::Completed(result) => check_document("result", result, MOST_BYTES)?,
            OperationEnd::Failed(error) => check_text("error", error, LONGEST_ERROR)?,
        }
        let session = OfSession { user: of.user.clone(), session: of.session.clone() };
        let attempt = asked.attempt.map(Whole::to);
        let (path, id) = (session.path(tenant), of.id.get());
        let request = key.of("complete operation", &(&of.user, of.session.as_str(), id, asked));
        let ending = self.store.end_operation(path, id, attempt, end, request.as_ref()).await;
        let ending = ending.map_err(|error| failed(&error))?;
        let ending = once(ending, |kept: InSession<Operation>| Some(Ending::Ended(kept.answer)))?;
        match ending.ok_or_else(|| of.unknown())? {
            Ending::Ended(operation) => Ok(operation.into()),
            Ending::Otherwise(operation) => {
                let (status, tries) = (&operation.status, operation.attempt);
                let detail = format!("it is {status} as of try {tries}, and stays so");
                let parameter =
                    if attempt.is_some_and(|attempt| attempt != tries) { "attempt" } else { "status" };
                let current = serde_json::to_value(OperationAnswer::from(operation)).unwrap_or_default();
                Err(Problem::conflict(parameter, detail).with_current(current))
            }
        }
    }
}

impl OperationsAnswer {
    /// The operations, and whether there are more.
    pub(super) fn into_parts(self) -> (Vec<OperationAnswer>, bool) {
        (self.operations, self.next.is_some())
    }
}

fn unexpected(field: &str, status: &str) -> Problem {
    Problem::invalid(field, format!("field `{field}` is given, expected none for one that is {status}"))
}
