//! The operations of this function, and what every one of them is given.

mod once;
mod path;
mod question;

use std::sync::Arc;

pub(crate) use api::{
    Answer, Caller, IdempotencyKey, Json, Moment, Nothing, PathOf, Problem, Query, Short, TENANT_HEADER,
    Whole, body_of, one_header, page_length, postgres_is_down, read_arguments, shared_page,
};
#[cfg(test)]
pub(crate) use api::{read_json, read_query};
use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::once::once;
pub(crate) use self::path::{OfSession, OfUser};
pub(crate) use self::question::Question;
use crate::Parts;
use crate::{
    admin, endpoints, erasure, export, health, hydrate, mcp, memories, review, search, sessions, sources,
    status, tenants, working,
};

/// What every handler is given.
pub(crate) type Shared = Arc<Parts>;

/// What operations are grouped by.
const TAGS: [(&str, &str); 12] = [
    ("recall", "What answers a question, and what it takes to go on with a conversation."),
    ("memories", "What is remembered of a user."),
    ("working memory", "What a conversation and its tools have at hand."),
    ("sessions", "The log of a conversation or of a long-running agent, and its state at any version."),
    (
        "erasure",
        "Erasing a user, a session or a memory from everything that is kept, and taking everything along.",
    ),
    ("reviews", "What waits for a person before it is remembered."),
    ("webhooks", "Where a tenant is told of changes."),
    ("mcp", "The same for clients of the Model Context Protocol."),
    ("webhook sources", "Who sends signed requests for the tenant, and how they become events."),
    ("tenant", "What a tenant manages of its own: its API keys and settings."),
    ("operations", "Whether the function can do its work."),
    ("admin", "What operators ask and order, over all tenants."),
];

/// What the document says of the whole; its paths come from the handlers.
#[derive(OpenApi)]
#[openapi(info(
    title = "Afterthought",
    description = "What is remembered of a user, and the state of an application's own agents. An API key \
                   decides the tenant; where none is needed, the header `afterthought-tenant` names it, `default` without. Errors are problem details (RFC 9457)."
))]
struct Document;

/// What every function of this kind answers.
fn routes() -> [OpenApiRouter<Shared>; 14] {
    [
        search::routes(),
        hydrate::routes(),
        memories::routes(),
        review::routes(),
        endpoints::routes(),
        sessions::routes(),
        working::routes(),
        sources::routes(),
        status::routes(),
        erasure::routes(),
        export::routes(),
        mcp::routes(),
        tenants::routes(),
        health::routes(),
    ]
}

/// Everything the function answers, and the document that describes it.
pub(crate) fn router(parts: &Shared) -> Router {
    let mut router =
        routes().into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge);
    if parts.admin.is_some() {
        router = router.merge(admin::routes());
    }
    api::routed(router, &TAGS, &parts.guard).with_state(Arc::clone(parts))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_modules_describe_different_things_under_one_name() {
        let mut described = BTreeMap::new();
        for (module, router) in routes().into_iter().chain([admin::routes()]).enumerate() {
            for (name, schema) in router.into_openapi().components.unwrap_or_default().schemas {
                let schema = serde_json::to_value(schema).unwrap();
                let (first, as_before) =
                    described.entry(name.clone()).or_insert_with(|| (module, schema.clone()));
                assert_eq!(*as_before, schema, "{name} of the modules {first} and {module}");
            }
        }
        assert!(described.len() > 50, "{}", described.len());
    }
}
