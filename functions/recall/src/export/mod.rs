//! Everything about a user, as JSON Lines.

mod cursor;
mod page;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{TenantId, UserId};
use jiff::SignedDuration;
use serde::Deserialize;
use store::{ExportLine, ExportPosition, Store};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::cursor::Cursor;
use self::page::Page;
use crate::Parts;
use crate::http::{Caller, OfUser, PathOf, Problem, Query, Shared, postgres_is_down};

/// The header with the place where the next page begins.
const NEXT_HEADER: HeaderName = HeaderName::from_static("afterthought-next");
/// A page is ended when it took so long to find what is in it, be it nothing.
const PAGE_TIME: SignedDuration = SignedDuration::from_secs(4);

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportAsked {
    /// The header `afterthought-next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<Cursor>,
}

/// Everything about a user, a page at a time: one object a line, each with its `kind`. The pages one after the other are
/// the export. What is derived from it is left out: vectors, words, snapshots.
#[utoipa::path(
    get, path = "/v1/users/{user}/export", tag = "erasure", params(OfUser, ExportAsked),
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, description = "A page; one without the header is the last", body = String,
         content_type = "application/x-ndjson",
         headers(("afterthought-next" = String, description = "What to give as `after` for the next page"))),
        (status = 400, body = Problem), (status = 503, body = Problem)
    )
)]
async fn export(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    Query(ExportAsked { after }): Query<ExportAsked>,
) -> Result<Response, Problem> {
    let after = after.map_or(ExportPosition::beginning(0), |cursor| cursor.0);
    let (text, next) = parts.export(&caller.tenant, &user, after).await?;
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    let mut response = (StatusCode::OK, headers, text).into_response();
    if let Some(next) = next {
        let next =
            HeaderValue::try_from(Cursor(next).to_string()).expect("letters, digits and percent signs");
        response.headers_mut().insert(NEXT_HEADER, next);
    }
    Ok(response)
}

impl Parts {
    /// The next page, and where the one after it begins.
    async fn export(
        &self,
        tenant: &TenantId,
        user: &UserId,
        mut at: ExportPosition,
    ) -> Result<(String, Option<ExportPosition>), Problem> {
        let mut page = Page::default();
        let begun = (self.now)();
        while page.room() > 0 && (self.now)().duration_since(begun) < PAGE_TIME {
            let (lines, next) = if at.layer < Store::EXPORT_LAYERS {
                let part = self.store.export(tenant, user, &at, page.room()).await;
                let part = part.map_err(|error| postgres_is_down(&error))?;
                (part.lines, Some(part.next))
            } else {
                let after = (!at.name.is_empty()).then_some(at.name.as_str());
                let part = self.hot.export(tenant, user, after, (self.now)()).await;
                let (lines, last) = part.map_err(|error| {
                    tracing::error!(%error, "hot state was not exported");
                    Problem::unavailable("the hot state")
                })?;
                let place = |name| ExportPosition { name, ..ExportPosition::beginning(at.layer) };
                let lines = lines.into_iter().map(|(key, text)| ExportLine { text, at: place(key) });
                (lines.collect(), last.map(place))
            };
            for line in lines {
                if !page.takes(line.text) {
                    return Ok((page.into_text(), Some(at)));
                }
                at = line.at;
            }
            match next {
                Some(next) => at = next,
                None => return Ok((page.into_text(), None)),
            }
        }
        Ok((page.into_text(), Some(at)))
    }
}
