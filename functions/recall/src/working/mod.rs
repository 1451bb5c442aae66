//! What an application keeps while it works: the working memory of a session, and the state of its tools.

mod answer;
mod change;
mod request;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::{SessionName, TenantId, UserId};
use hot::{DocumentKey, DocumentKind, Edit, Edited, Expected, Kept, PathTo};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) use self::answer::WorkingMemoryAnswer;
use self::answer::{ChangedAnswer, DocumentAnswer, ToolAnswer, ToolsAnswer, missing, revision};
use self::change::{Body, merged_or_patched, put, refused};
use self::request::{Changing, OfTool, Precondition, Reading};
use crate::Parts;
use crate::http::{Answer, Caller, OfSession, PathOf, Problem, Query, Shared};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(get_working_memory, put_working_memory, patch_working_memory, delete_working_memory))
        .routes(routes!(get_tool, put_tool, patch_tool, delete_tool))
        .routes(routes!(list_tools))
}

/// A session's working memory, or the part of it at `path`. Reading extends its life.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/working-memory", tag = "working memory",
    params(OfSession, Reading),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = DocumentAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn get_working_memory(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    Query(reading): Query<Reading>,
) -> Result<Answer<DocumentAnswer>, Problem> {
    parts.read_document(&of.key(&caller.tenant), &reading.path()?).await
}

/// Puts a session's working memory, or the part of it at `path`, in the place of what is there.
#[utoipa::path(
    put, path = "/v1/users/{user}/sessions/{session}/working-memory", tag = "working memory",
    params(OfSession, Changing), request_body(content = Object, content_type = "application/json"),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = ChangedAnswer), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn put_working_memory(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    Query(changing): Query<Changing>,
    precondition: Precondition,
    body: Body,
) -> Result<Answer<ChangedAnswer>, Problem> {
    let (edit, expected) = (put(&changing, &body)?, changing.expected(precondition)?);
    parts.change_document(&of.key(&caller.tenant), &edit, expected).await
}

/// Changes parts of a session's working memory, all of them or none: a JSON Merge Patch or a JSON Patch.
#[utoipa::path(
    patch, path = "/v1/users/{user}/sessions/{session}/working-memory", tag = "working memory",
    params(OfSession, Changing),
    request_body(content((Object = "application/merge-patch+json"), (Vec<Object> = "application/json-patch+json"))),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = ChangedAnswer), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
async fn patch_working_memory(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    Query(changing): Query<Changing>,
    precondition: Precondition,
    body: Body,
) -> Result<Answer<ChangedAnswer>, Problem> {
    let (edit, expected) = (merged_or_patched(&changing, &body)?, changing.expected(precondition)?);
    parts.change_document(&of.key(&caller.tenant), &edit, expected).await
}

/// Takes a session's working memory, or the part of it at `path`, away.
#[utoipa::path(
    delete, path = "/v1/users/{user}/sessions/{session}/working-memory", tag = "working memory",
    params(OfSession, Changing),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 204, description = "it is gone"), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 503, body = Problem)
    )
)]
async fn delete_working_memory(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    Query(changing): Query<Changing>,
    precondition: Precondition,
) -> Result<Response, Problem> {
    parts.remove_document(&of.key(&caller.tenant), &changing, precondition).await
}

/// The tools of a session that have a state, by name.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/tools", tag = "working memory", params(OfSession),
    security(("api_key" = ["read"])),
    responses((status = 200, body = ToolsAnswer), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn list_tools(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfSession { user, session }): PathOf<OfSession>,
) -> Result<Answer<ToolsAnswer>, Problem> {
    parts.tools(&caller.tenant, &user, &session).await.map(Answer::ok)
}

/// The state of a tool, or the part of it at `path`. Reading extends its life.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/tools/{tool}", tag = "working memory",
    params(OfTool, Reading),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = DocumentAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn get_tool(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfTool>,
    Query(reading): Query<Reading>,
) -> Result<Answer<DocumentAnswer>, Problem> {
    parts.read_document(&of.key(&caller.tenant), &reading.path()?).await
}

/// Puts the state of a tool, or the part of it at `path`, in the place of what is there.
#[utoipa::path(
    put, path = "/v1/users/{user}/sessions/{session}/tools/{tool}", tag = "working memory",
    params(OfTool, Changing), request_body(content = Object, content_type = "application/json"),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = ChangedAnswer), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn put_tool(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfTool>,
    Query(changing): Query<Changing>,
    precondition: Precondition,
    body: Body,
) -> Result<Answer<ChangedAnswer>, Problem> {
    let (edit, expected) = (put(&changing, &body)?, changing.expected(precondition)?);
    parts.change_document(&of.key(&caller.tenant), &edit, expected).await
}

/// Changes parts of the state of a tool, all of them or none: a JSON Merge Patch or a JSON Patch.
#[utoipa::path(
    patch, path = "/v1/users/{user}/sessions/{session}/tools/{tool}", tag = "working memory",
    params(OfTool, Changing),
    request_body(content((Object = "application/merge-patch+json"), (Vec<Object> = "application/json-patch+json"))),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = ChangedAnswer), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
async fn patch_tool(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfTool>,
    Query(changing): Query<Changing>,
    precondition: Precondition,
    body: Body,
) -> Result<Answer<ChangedAnswer>, Problem> {
    let (edit, expected) = (merged_or_patched(&changing, &body)?, changing.expected(precondition)?);
    parts.change_document(&of.key(&caller.tenant), &edit, expected).await
}

/// Takes the state of a tool, or the part of it at `path`, away.
#[utoipa::path(
    delete, path = "/v1/users/{user}/sessions/{session}/tools/{tool}", tag = "working memory",
    params(OfTool, Changing),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 204, description = "it is gone"), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 503, body = Problem)
    )
)]
async fn delete_tool(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfTool>,
    Query(changing): Query<Changing>,
    precondition: Precondition,
) -> Result<Response, Problem> {
    parts.remove_document(&of.key(&caller.tenant), &changing, precondition).await
}

impl Parts {
    /// A part of a document, or the whole.
    pub(crate) async fn read_document(
        &self,
        key: &DocumentKey<'_>,
        path: &PathTo,
    ) -> Result<Answer<DocumentAnswer>, Problem> {
        let found = self.hot_of(key.tenant).await.read_document(key, path, (self.now)()).await;
        match found.map_err(|error| hot_is_down(&error))? {
            Kept::Live(hot::Excerpt { revision, part: Some(part) }) => {
                Ok(Answer::ok(DocumentAnswer::new(&revision, part)).with_version(revision.version))
            }
            Kept::Live(_) => Err(Problem::not_found(format!("{} has nothing at that `path`", what(key)))),
            Kept::Corrupt { reason } => {
                count_corrupt(kind(key), &reason);
                Err(missing(what(key), "what was there cannot be read, and counts as none"))
            }
            Kept::Expired => Err(missing(what(key), "it has expired")),
            Kept::None => Err(missing(what(key), "none was put, or it is long gone")),
        }
    }

    /// Changes a document as a whole or not at all.
    pub(crate) async fn change_document(
        &self,
        key: &DocumentKey<'_>,
        edit: &Edit,
        (expected, status): (Expected, StatusCode),
    ) -> Result<Answer<ChangedAnswer>, Problem> {
        match self.edited(key, edit, expected).await? {
            Edited::Kept { revision, is_changed, .. } => {
                let answer = ChangedAnswer { revision: (&revision).into(), changed: is_changed };
                Ok(Answer::ok(answer).with_version(revision.version))
            }
            Edited::Stale => Err(self.stale(key, status).await),
            Edited::Gone => Err(missing(what(key), "there was nothing to change")),
            other => Err(refused(other)),
        }
    }

    async fn remove_document(
        &self,
        key: &DocumentKey<'_>,
        changing: &Changing,
        precondition: Precondition,
    ) -> Result<Response, Problem> {
        let edit = Edit::Remove { path: changing.path()? };
        let (expected, status) = changing.expected(precondition)?;
        match self.edited(key, &edit, expected).await? {
            Edited::Kept { .. } | Edited::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
            Edited::Stale => Err(self.stale(key, status).await),
            other => Err(refused(other)),
        }
    }

    async fn edited(
        &self,
        key: &DocumentKey<'_>,
        edit: &Edit,
        expected: Expected,
    ) -> Result<Edited, Problem> {
        let writer = Uuid::now_v7();
        let hot = self.hot_of(key.tenant).await;
        let edited = hot.edit_document(key, edit, expected, writer, (self.now)()).await;
        let edited = edited.map_err(|error| hot_is_down(&error))?;
        if let Edited::Kept { is_healed: true, .. } = edited {
            count_corrupt(kind(key), "replaced by what was written");
        }
        Ok(edited)
    }

    /// That another version is there, with that version.
    async fn stale(&self, key: &DocumentKey<'_>, status: StatusCode) -> Problem {
        let found = self.hot_of(key.tenant).await.read_document(key, &PathTo::default(), (self.now)()).await;
        let problem =
            Problem::stale(status, format!("{} is not as it was expected; nothing was changed", what(key)));
        match found {
            Ok(Kept::Live(excerpt)) => problem.with_current(revision(&excerpt.revision)),
            _ => problem.with_current(serde_json::Value::Null),
        }
    }

    /// The tools of a session that have a state.
    pub(crate) async fn tools(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session: &SessionName,
    ) -> Result<ToolsAnswer, Problem> {
        let tools = self.hot.tools(tenant, user, session.as_str(), (self.now)()).await;
        let tools = tools.map_err(|error| hot_is_down(&error))?;
        Ok(ToolsAnswer { tools: tools.into_iter().map(ToolAnswer::from).collect() })
    }
}

/// Counts an item of hot state that could not be read; whoever met it goes on as if there were none.
pub(crate) fn count_corrupt(kind: &'static str, reason: &str) {
    metrics::counter!("CorruptHotItems", "Kind" => kind).increment(1);
    tracing::warn!(kind, reason, "a hot item cannot be read");
}

/// That hot state did not answer, written down here and told without its words.
fn hot_is_down(error: &hot::Error) -> Problem {
    tracing::error!(%error, "DynamoDB did not answer");
    Problem::unavailable("hot state")
}

/// What the document is called in metrics.
const fn kind(key: &DocumentKey<'_>) -> &'static str {
    match key.kind {
        DocumentKind::WorkingMemory => "working_memory",
        DocumentKind::ToolState(_) => "tool_state",
    }
}

/// What the document is called in answers.
const fn what(key: &DocumentKey<'_>) -> &'static str {
    match key.kind {
        DocumentKind::WorkingMemory => "the working memory of this session",
        DocumentKind::ToolState(_) => "the state of this tool",
    }
}
