//! Webhook sources as callers see them.

use domain::{SourceMapping, WebhookSource};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::request::Kind;
use super::secret::Given;

/// A source, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceAnswer {
    id: Uuid,
    name: String,
    kind: Kind,
    /// Where its requests go, below the webhook function's URL.
    path: String,
    #[schema(value_type = Object)]
    mapping: Value,
    /// What requests may be signed with, the newest last.
    secrets: Vec<SecretAnswer>,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A secret, which is not shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceSecretAnswer)]
pub(crate) struct SecretAnswer {
    id: Uuid,
    created_at: Timestamp,
}

/// The tenant's sources.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceListAnswer {
    pub(crate) sources: Vec<SourceAnswer>,
}

/// A source with a secret that was added.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewSecretAnswer {
    #[serde(flatten)]
    source: SourceAnswer,
    /// Which of the secrets it is.
    secret_id: Uuid,
    /// What to sign with. It is not shown again.
    secret: String,
}

impl NewSecretAnswer {
    pub(crate) fn of(source: &WebhookSource, secret_id: Uuid, given: Given) -> Self {
        Self { source: source.into(), secret_id, secret: given.into_secret().expose_secret().to_owned() }
    }
}

impl From<&WebhookSource> for SourceAnswer {
    fn from(source: &WebhookSource) -> Self {
        let WebhookSource { id, name, mapping, secrets, version, created_at, updated_at, .. } = source;
        Self {
            id: *id,
            name: name.clone(),
            kind: mapping.kind().into(),
            path: format!("/v1/webhooks/{id}"),
            mapping: match mapping {
                SourceMapping::Standard(mapping) => serde_json::to_value(mapping),
                SourceMapping::Slack(mapping) => serde_json::to_value(mapping),
            }
            .unwrap_or_default(),
            secrets: secrets
                .iter()
                .map(|secret| SecretAnswer { id: secret.id, created_at: secret.created_at })
                .collect(),
            version: *version,
            created_at: *created_at,
            updated_at: *updated_at,
        }
    }
}
