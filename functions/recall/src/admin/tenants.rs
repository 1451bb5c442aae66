//! Tenants, as operators make them and give them their first keys.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::operations::Operator;
use crate::http::{Answer, Json, Nothing, PathOf, Problem, Query, Shared, Whole, postgres_is_down};
use crate::tenants::{ChangedBy, KeyCreated, KeyList, NewKeyAsked, SettingsAsked, TenantShown};

/// How many tenants an answer has when nobody says.
const USUAL_TENANTS: u16 = 100;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, put))
        .routes(routes!(list_keys, create_key))
        .routes(routes!(revoke_key))
}

/// Which tenants.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TenantsAsked {
    /// The tenant they come after by name, the last of the page before.
    #[param(value_type = Option<String>)]
    after: Option<TenantId>,
    /// How many; 100 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<Whole<1, 1000>>,
}

/// Tenants by name.
#[derive(Debug, Serialize, ToSchema)]
struct TenantPage {
    tenants: Vec<TenantShown>,
}

/// Which tenant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfTenant {
    /// A tenant.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    tenant: TenantId,
}

/// Which key of which tenant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfTenantKey {
    /// A tenant.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    tenant: TenantId,
    /// A key of it, by its id.
    id: Uuid,
}

/// A tenant that is to be there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantAsked {
    /// What is to change of its settings, limits too; what is not given stays.
    settings: Option<SettingsAsked>,
}

/// Every tenant, by name.
#[utoipa::path(
    get, path = "/v1/admin/tenants", operation_id = "admin_list_tenants", tag = "admin", params(TenantsAsked),
    security(("operator_key" = [])),
    responses((status = 200, body = TenantPage), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn list(operator: Operator, Query(asked): Query<TenantsAsked>) -> Result<Answer<TenantPage>, Problem> {
    let limit = asked.limit.map_or(USUAL_TENANTS, Whole::to);
    let listed = operator.admin().store.list_tenants(asked.after.as_ref(), limit).await;
    let tenants = listed.map_err(|error| postgres_is_down(&error))?;
    let parts = operator.parts();
    let tenants = tenants.into_iter().map(|tenant| parts.tenant_shown(tenant)).collect();
    Ok(Answer::ok(TenantPage { tenants }))
}

/// One tenant, with its settings.
#[utoipa::path(
    get, path = "/v1/admin/tenants/{tenant}", operation_id = "admin_show_tenant", tag = "admin", params(OfTenant),
    security(("operator_key" = [])),
    responses((status = 200, body = TenantShown), (status = 404, body = Problem), (status = 503, body = Problem))
)]
async fn show(
    operator: Operator,
    PathOf(OfTenant { tenant }): PathOf<OfTenant>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<TenantShown>, Problem> {
    operator.parts().show_tenant(&tenant).await.map(Answer::ok)
}

/// Makes a tenant if it is not there, and changes those of its settings that are given.
#[utoipa::path(
    put, path = "/v1/admin/tenants/{tenant}", operation_id = "admin_put_tenant", tag = "admin", params(OfTenant),
    request_body = TenantAsked,
    security(("operator_key" = [])),
    responses(
        (status = 200, body = TenantShown), (status = 201, body = TenantShown), (status = 400, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn put(
    operator: Operator,
    PathOf(OfTenant { tenant }): PathOf<OfTenant>,
    Query(Nothing {}): Query<Nothing>,
    Json(TenantAsked { settings }): Json<TenantAsked>,
) -> Result<Response, Problem> {
    let parts = operator.parts();
    // What is wrong with the settings is said before anything is done.
    let settings = settings.unwrap_or_default();
    settings.fields(true, &parts.models)?;
    let made = operator.admin().store.create_tenant(&tenant).await;
    let is_new = made.map_err(|error| postgres_is_down(&error))?;
    let shown = parts.change_settings(&tenant, &settings, None, ChangedBy::Operator).await?;
    Ok(if is_new { Answer::created(shown) } else { Answer::ok(shown) }.into_response())
}

/// A tenant's API keys, the newest first.
#[utoipa::path(
    get, path = "/v1/admin/tenants/{tenant}/keys", operation_id = "admin_list_keys", tag = "admin", params(OfTenant),
    security(("operator_key" = [])),
    responses((status = 200, body = KeyList), (status = 503, body = Problem))
)]
async fn list_keys(
    operator: Operator,
    PathOf(OfTenant { tenant }): PathOf<OfTenant>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<KeyList>, Problem> {
    operator.parts().list_keys(&tenant).await.map(Answer::ok)
}

/// Makes an API key of a tenant, its first for instance. It is shown in this answer and never again.
#[utoipa::path(
    post, path = "/v1/admin/tenants/{tenant}/keys", operation_id = "admin_create_key", tag = "admin", params(OfTenant),
    request_body = NewKeyAsked,
    security(("operator_key" = [])),
    responses(
        (status = 201, body = KeyCreated), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "The tenant has as many keys as it may have", body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
async fn create_key(
    operator: Operator,
    PathOf(OfTenant { tenant }): PathOf<OfTenant>,
    Json(asked): Json<NewKeyAsked>,
) -> Result<Answer<KeyCreated>, Problem> {
    operator.parts().create_key(&tenant, &asked).await.map(Answer::created)
}

/// Revokes an API key of a tenant.
#[utoipa::path(
    delete, path = "/v1/admin/tenants/{tenant}/keys/{id}", operation_id = "admin_revoke_key", tag = "admin",
    params(OfTenantKey),
    security(("operator_key" = [])),
    responses(
        (status = 204, description = "It is revoked"), (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
async fn revoke_key(
    operator: Operator,
    PathOf(OfTenantKey { tenant, id }): PathOf<OfTenantKey>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    operator.parts().revoke_key(&tenant, id).await.map(|()| StatusCode::NO_CONTENT)
}
