//! What others sign and send for a tenant.

mod map;
mod registry;
mod slack;
mod slack_text;
mod standard;

use api::{Answer, PathOf, Problem};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::SourceMapping;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::RequestKey;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) use self::registry::Registry;
use crate::accept::{AcceptedAnswer, FieldName, Said, Saying};
use crate::events::MOST_EVENTS;
use crate::{MOST_BODY_BYTES, Shared};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(receive))
}

/// A source.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfSource {
    /// The source, as `GET /v1/webhook-sources` lists it.
    source: Uuid,
}

/// That a source sent something of which nothing is to become.
#[derive(Debug, Serialize, ToSchema)]
struct IgnoredAnswer {
    accepted: usize,
    /// Why nothing becomes of it.
    ignored: &'static str,
}

/// What Slack asks to see whether somebody is there.
#[derive(Debug, Serialize, ToSchema)]
struct ChallengeAnswer {
    challenge: String,
}

/// What a signed request comes to.
#[derive(Debug)]
pub(crate) enum Received {
    /// These events, under the sender's name for the request.
    Said { key: String, said: Vec<Said>, place: FieldName },
    /// Nothing, and why.
    Ignored(&'static str),
    /// An answer to a question.
    Challenge(String),
}

/// Takes in a signed request of a source. The repeat of one is answered as the first was, and stored once.
#[utoipa::path(
    post, path = "/v1/webhooks/{source}", tag = "webhooks", params(OfSource), request_body = Value,
    security(()),
    responses(
        (status = 200, body = ChallengeAnswer, description = "Slack asked whether somebody is there"),
        (status = 202, body = AcceptedAnswer, description = "every event is in the queue; or nothing was to become of the request"),
        (status = 400, body = Problem), (status = 401, body = Problem, description = "the signature is not that of the source, or too old"),
        (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem, description = "another request was sent under this identifier, or the tenant does not take it in"),
        (status = 429, body = Problem, description = "the tenant sends more than it may: `retry-after` says when to send it again"),
        (status = 503, body = Problem, description = "send it again")
    )
)]
async fn receive(
    State(parts): State<Shared>,
    PathOf(OfSource { source }): PathOf<OfSource>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = whole(body).await?;
    let now = (parts.now)();
    let registered = parts
        .registry
        .find(source, now)
        .await?
        .ok_or_else(|| Problem::not_found("there is no such webhook source".to_owned()))?;
    let received = match &registered.mapping {
        SourceMapping::Standard(mapping) => {
            let id = standard::verified(&registered.secrets, &headers, &body)?;
            standard::received(mapping, id, &document(&body)?)?
        }
        SourceMapping::Slack(mapping) => {
            slack::verify(&registered.secrets, &headers, &body, now)?;
            slack::received(*mapping, &document(&body)?)?
        }
    };
    let (key, said, place) = match received {
        Received::Said { key, said, place } => (key, said, place),
        Received::Ignored(ignored) => {
            metrics::counter!("IgnoredWebhooks").increment(1);
            return Ok(Answer::accepted(IgnoredAnswer { accepted: 0, ignored }).into_response());
        }
        Received::Challenge(challenge) => {
            return Ok(Answer::ok(ChallengeAnswer { challenge }).into_response());
        }
    };
    if said.len() > MOST_EVENTS {
        let detail = format!("the request holds {} events, expected at most {MOST_EVENTS}", said.len());
        return Err(Problem::invalid("body", detail));
    }
    let scope = format!("{} {source}", registered.mapping.kind().as_str());
    let fingerprint = Sha256::digest(&body).into();
    let request = Some(RequestKey { key, fingerprint });
    let tenant = registered.tenant.clone();
    let settings = parts.settings(&tenant, now).await;
    let saying = Saying { tenant, settings, scope, request, said, place };
    Ok(parts.accept(saying).await?.into_response())
}

/// The body as it was signed.
async fn whole(body: Body) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, MOST_BODY_BYTES).await.map_err(|_too_long| {
        Problem::too_large(format!("the body is longer than {MOST_BODY_BYTES} bytes, expected at most that"))
    })
}

/// The body as JSON.
fn document(body: &[u8]) -> Result<Value, Problem> {
    let document: Value = api::read_json(body)?;
    if document.is_object() {
        return Ok(document);
    }
    Err(Problem::invalid("body", "the body is not a JSON object".to_owned()))
}
