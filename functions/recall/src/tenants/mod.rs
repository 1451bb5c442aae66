//! What a tenant manages of its own: its API keys and its settings.

mod guard;
mod keys;
mod lifetimes;
mod request;
mod retention;
mod settings;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) use self::keys::{KeyCreated, KeyList, KeyRotated};
pub(crate) use self::request::{NewKeyAsked, RotationAsked, SettingsAsked};
pub(crate) use self::settings::{ChangedBy, TenantShown, VersionAsked};
use crate::http::{Answer, Caller, Json, Nothing, PathOf, Problem, Query, Shared, Whole};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_keys, create_key))
        .routes(routes!(revoke_key))
        .routes(routes!(rotate_key))
        .routes(routes!(show_settings, change_settings))
}

/// Which key.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfKey {
    /// A key, by its id.
    id: Uuid,
}

/// The tenant's API keys, the newest first: all that are not revoked, and the 100 that were revoked last. Never the keys
/// themselves.
#[utoipa::path(
    get, path = "/v1/keys", tag = "tenant",
    security(("api_key" = ["admin"])),
    responses((status = 200, body = KeyList), (status = 503, body = Problem))
)]
async fn list_keys(
    State(parts): State<Shared>,
    caller: Caller,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<KeyList>, Problem> {
    parts.list_keys(&caller.tenant).await.map(Answer::ok)
}

/// Makes an API key. It is shown in this answer and never again; when the answer is lost, revoke the key and make another.
#[utoipa::path(
    post, path = "/v1/keys", tag = "tenant", request_body = NewKeyAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 201, body = KeyCreated), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "The tenant has as many keys as it may have", body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
async fn create_key(
    State(parts): State<Shared>,
    caller: Caller,
    Json(asked): Json<NewKeyAsked>,
) -> Result<Answer<KeyCreated>, Problem> {
    parts.create_key(&caller.tenant, &asked).await.map(Answer::created)
}

/// Revokes an API key: it is refused from now on, by other processes within 30 seconds. Of one that is revoked the answer is
/// the same.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "tenant", params(OfKey),
    security(("api_key" = ["admin"])),
    responses(
        (status = 204, description = "It is revoked"), (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
async fn revoke_key(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfKey { id }): PathOf<OfKey>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    parts.revoke_key(&caller.tenant, id).await.map(|()| StatusCode::NO_CONTENT)
}

/// Makes an API key of the same name and scopes in the place of another, which ends after the overlap. The new key is shown
/// in this answer and never again.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", tag = "tenant", params(OfKey), request_body = RotationAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 201, body = KeyRotated), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "The key is revoked or has expired, or the tenant has as many as it may have", body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
async fn rotate_key(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfKey { id }): PathOf<OfKey>,
    Json(asked): Json<RotationAsked>,
) -> Result<Answer<KeyRotated>, Problem> {
    parts.rotate_key(&caller.tenant, id, &asked).await.map(Answer::created)
}

/// What the tenant has of its own. A field that is null is the deployment's.
#[utoipa::path(
    get, path = "/v1/settings", tag = "tenant",
    security(("api_key" = ["admin"])),
    responses((status = 200, body = TenantShown), (status = 404, body = Problem), (status = 503, body = Problem))
)]
async fn show_settings(
    State(parts): State<Shared>,
    caller: Caller,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<TenantShown>, Problem> {
    let shown = parts.show_tenant(&caller.tenant).await?;
    let version = shown.version;
    Ok(Answer::ok(shown).with_version(version))
}

/// Changes what the tenant has of its own: fields that are given, null for the deployment's. Its limits are set by operators.
#[utoipa::path(
    patch, path = "/v1/settings", tag = "tenant", params(VersionAsked), request_body = SettingsAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = TenantShown), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "They have changed; `current` shows what holds", body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn change_settings(
    State(parts): State<Shared>,
    caller: Caller,
    Query(VersionAsked { version }): Query<VersionAsked>,
    Json(asked): Json<SettingsAsked>,
) -> Result<Answer<TenantShown>, Problem> {
    let version = version.map(Whole::get);
    let shown = parts.change_settings(&caller.tenant, &asked, version, ChangedBy::Tenant).await?;
    let version = shown.version;
    Ok(Answer::ok(shown).with_version(version))
}
