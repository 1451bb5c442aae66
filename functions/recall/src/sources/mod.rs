//! Who sends signed requests for a tenant: made, listed, changed, given other secrets, ended.

mod answer;
mod request;
mod secret;

use std::fmt::Write;

use axum::extract::State;
use domain::{SealedSecret, SourceKind, SourceMapping, TenantId, WebhookSource};
use hot::{CopiedSource, Read};
use store::SourceChange;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::answer::{NewSecretAnswer, SourceAnswer, SourceListAnswer};
use self::request::{ChangeAsked, OfSecret, OfSource, SecretAsked, SourceAsked};
use self::secret::Given;
use crate::Parts;
use crate::http::{Answer, Caller, Json, Nothing, PathOf, Problem, Query, Shared, postgres_is_down};

/// The longest body, in bytes: a mapping is short.
const LONGEST_BODY_BYTES: usize = 64 * 1024;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, make))
        .routes(routes!(show, change, end))
        .routes(routes!(add_secret))
        .routes(routes!(remove_secret))
}

/// The tenant's webhook sources, by name. Their secrets are not shown.
#[utoipa::path(
    get, path = "/v1/webhook-sources", operation_id = "list_webhook_sources", tag = "webhook sources",
    security(("api_key" = ["admin"])),
    responses((status = 200, body = SourceListAnswer), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn list(
    State(parts): State<Shared>,
    caller: Caller,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<SourceListAnswer>, Problem> {
    let sources = parts.store.webhook_sources(&caller.tenant, None).await;
    let sources = sources.map_err(|error| postgres_is_down(&error))?;
    Ok(Answer::ok(SourceListAnswer { sources: sources.iter().map(Into::into).collect() }))
}

/// Makes a source. Its secret is in the answer, and in no other one.
#[utoipa::path(
    post, path = "/v1/webhook-sources", operation_id = "make_webhook_source", tag = "webhook sources",
    request_body = SourceAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 201, body = NewSecretAnswer), (status = 400, body = Problem),
        (status = 409, description = "The tenant has a source of that name", body = Problem),
        (status = 413, body = Problem), (status = 422, description = "There is no such tenant", body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn make(
    State(parts): State<Shared>,
    caller: Caller,
    Query(Nothing {}): Query<Nothing>,
    Json(asked): Json<SourceAsked, LONGEST_BODY_BYTES>,
) -> Result<Answer<NewSecretAnswer>, Problem> {
    let kind = SourceKind::from(asked.kind);
    let mapping = mapping(kind, asked.mapping.unwrap_or_default())?;
    let given = Given::read(kind, asked.secret)?;
    let secret = parts.sealed(&caller.tenant, &given)?;
    let name = asked.name.as_str();
    let made =
        parts.store.insert_webhook_source(&caller.tenant, name, &mapping, std::slice::from_ref(&secret));
    let made = made.await.map_err(|error| {
        if error.names_unknown() {
            let detail = format!("the tenant {:?} does not exist", caller.tenant.as_str());
            return Problem::unprocessable(api::TENANT_HEADER, detail);
        }
        postgres_is_down(&error)
    })?;
    let source = made.ok_or_else(name_taken)?;
    parts.copy_source(&source).await?;
    Ok(Answer::created(NewSecretAnswer::of(&source, secret.id, given)))
}

/// One of the tenant's sources.
#[utoipa::path(
    get, path = "/v1/webhook-sources/{id}", operation_id = "show_webhook_source", tag = "webhook sources", params(OfSource),
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = SourceAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn show(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfSource { id }): PathOf<OfSource>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<SourceAnswer>, Problem> {
    let source = parts.webhook_source(&caller.tenant, id).await?;
    Ok(Answer::ok((&source).into()).with_version(source.version))
}

/// Names a source anew, or maps its requests otherwise.
#[utoipa::path(
    patch, path = "/v1/webhook-sources/{id}", operation_id = "change_webhook_source", tag = "webhook sources",
    params(OfSource), request_body = ChangeAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = SourceAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "The tenant has another of that name, or somebody else changed it", body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)
    )
)]
async fn change(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfSource { id }): PathOf<OfSource>,
    Query(Nothing {}): Query<Nothing>,
    Json(asked): Json<ChangeAsked, LONGEST_BODY_BYTES>,
) -> Result<Answer<SourceAnswer>, Problem> {
    let mut source = parts.webhook_source(&caller.tenant, id).await?;
    if let Some(name) = &asked.name {
        name.as_str().clone_into(&mut source.name);
    }
    if let Some(given) = asked.mapping {
        source.mapping = mapping(source.mapping.kind(), given)?;
    }
    let source = parts.change_source(source).await?;
    Ok(Answer::ok((&source).into()).with_version(source.version))
}

/// Ends a source: what comes under its URL is refused from now on.
#[utoipa::path(
    delete, path = "/v1/webhook-sources/{id}", operation_id = "end_webhook_source", tag = "webhook sources", params(OfSource),
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = SourceAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn end(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfSource { id }): PathOf<OfSource>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<SourceAnswer>, Problem> {
    let source = parts.webhook_source(&caller.tenant, id).await?;
    // Refused before it is gone: whoever asks again after a fault finds it still there to be ended.
    let told = parts.hot.end_source(id, source.version, (parts.now)()).await;
    told.map_err(|error| hot_state_is_down(&error))?;
    let ended = parts.store.delete_webhook_source(&caller.tenant, id).await;
    let version = ended.map_err(|error| postgres_is_down(&error))?.ok_or_else(unknown)?;
    // Somebody may have changed it in between.
    let told = parts.hot.end_source(id, version, (parts.now)()).await;
    told.map_err(|error| hot_state_is_down(&error))?;
    Ok(Answer::ok((&source).into()))
}

/// Adds a secret: requests may be signed with it or with those before it.
#[utoipa::path(
    post, path = "/v1/webhook-sources/{id}/secrets", operation_id = "add_webhook_secret", tag = "webhook sources",
    params(OfSource), request_body = SecretAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 201, body = NewSecretAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "It has five secrets, or somebody else changed it", body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)
    )
)]
async fn add_secret(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfSource { id }): PathOf<OfSource>,
    Query(Nothing {}): Query<Nothing>,
    Json(asked): Json<SecretAsked, LONGEST_BODY_BYTES>,
) -> Result<Answer<NewSecretAnswer>, Problem> {
    let mut source = parts.webhook_source(&caller.tenant, id).await?;
    if source.secrets.len() >= WebhookSource::MOST_SECRETS {
        // The last of them may be of a request that did not get as far as the copy.
        parts.mend_source_copy(&source).await?;
        let detail = format!("the source has {} secrets: remove one of them first", source.secrets.len());
        return Err(Problem::conflict("secret", detail));
    }
    let given = Given::read(source.mapping.kind(), asked.secret)?;
    let secret = parts.sealed(&caller.tenant, &given)?;
    let secret_id = secret.id;
    source.secrets.push(secret);
    let source = parts.change_source(source).await?;
    Ok(Answer::created(NewSecretAnswer::of(&source, secret_id, given)))
}

/// Removes a secret: what is signed with it is refused from now on. The last one stays.
#[utoipa::path(
    delete, path = "/v1/webhook-sources/{id}/secrets/{secret}", operation_id = "remove_webhook_secret",
    tag = "webhook sources", params(OfSecret),
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = SourceAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "It is the last one, or somebody else changed the source", body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn remove_secret(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfSecret { id, secret }): PathOf<OfSecret>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<SourceAnswer>, Problem> {
    let mut source = parts.webhook_source(&caller.tenant, id).await?;
    let before = source.secrets.len();
    source.secrets.retain(|known| known.id != secret);
    if source.secrets.len() == before {
        // Whoever asks again after a fault is told that it is gone when requests are checked without it.
        parts.mend_source_copy(&source).await?;
        return Err(Problem::not_found("the source has no such secret".to_owned()));
    }
    if source.secrets.is_empty() {
        let detail = "it is the last secret of the source: add another one first, or end the source";
        return Err(Problem::conflict("secret", detail.to_owned()));
    }
    let source = parts.change_source(source).await?;
    Ok(Answer::ok((&source).into()).with_version(source.version))
}

impl Parts {
    async fn webhook_source(&self, tenant: &TenantId, id: Uuid) -> Result<WebhookSource, Problem> {
        let found = self.store.webhook_sources(tenant, Some(id)).await;
        found.map_err(|error| postgres_is_down(&error))?.pop().ok_or_else(unknown)
    }

    /// Keeps a change, first in Postgres, then in the copy that requests are checked by.
    async fn change_source(&self, source: WebhookSource) -> Result<WebhookSource, Problem> {
        let changed = self.store.change_webhook_source(&source).await;
        match changed.map_err(|error| postgres_is_down(&error))? {
            SourceChange::Changed(source) => {
                self.copy_source(&source).await?;
                Ok(source)
            }
            SourceChange::Stale => {
                let detail = "somebody else has changed the source since: look at it again";
                Err(Problem::conflict("version", detail.to_owned()))
            }
            SourceChange::NameTaken => Err(name_taken()),
        }
    }

    async fn copy_source(&self, source: &WebhookSource) -> Result<(), Problem> {
        let copied = self.hot.put_source(source, (self.now)()).await;
        copied.map(|_| ()).map_err(|error| hot_state_is_down(&error))
    }

    /// Makes the copy again where it is not of this version: whoever changed the source may not have got as far.
    async fn mend_source_copy(&self, source: &WebhookSource) -> Result<(), Problem> {
        let copy = self.hot.get_source(source.id, (self.now)()).await;
        match copy.map_err(|error| hot_state_is_down(&error))? {
            Read::Present(CopiedSource { source: Some(copy), .. }) if copy.version == source.version => {
                Ok(())
            }
            _ => self.copy_source(source).await,
        }
    }

    fn sealed(&self, tenant: &TenantId, given: &Given) -> Result<SealedSecret, Problem> {
        let Some(sealer) = &self.sealer else {
            tracing::error!("SEALING_KEY is not set, so no secret can be kept");
            return Err(Problem::unavailable("what seals secrets"));
        };
        let id = Uuid::now_v7();
        let sealed = sealer.seal(&WebhookSource::seal_place(tenant, id), given.text().as_bytes());
        let sealed = sealed.iter().fold(String::new(), |mut digits, byte| {
            let _always_ok = write!(digits, "{byte:02x}");
            digits
        });
        Ok(SealedSecret { id, sealed, created_at: (self.now)() })
    }
}

fn mapping(
    kind: SourceKind,
    given: serde_json::Map<String, serde_json::Value>,
) -> Result<SourceMapping, Problem> {
    SourceMapping::read(kind, given)
        .map_err(|error| Problem::invalid("mapping", format!("field `mapping`: {error}")))
}

fn unknown() -> Problem {
    Problem::not_found("the tenant has no such webhook source".to_owned())
}

fn name_taken() -> Problem {
    Problem::conflict("name", "the tenant has a webhook source of that name".to_owned())
}

fn hot_state_is_down(error: &hot::Error) -> Problem {
    tracing::error!(%error, "the copy of a webhook source was not written");
    Problem::unavailable("hot state")
}
