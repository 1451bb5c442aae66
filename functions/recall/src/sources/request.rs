//! What is asked of webhook sources, as it is read.

use domain::SourceKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::Short;

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Signs as the Standard Webhooks specification says.
    Standard,
    /// Slack's Events API.
    Slack,
}

impl From<Kind> for SourceKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Standard => Self::Standard,
            Kind::Slack => Self::Slack,
        }
    }
}

impl From<SourceKind> for Kind {
    fn from(kind: SourceKind) -> Self {
        match kind {
            SourceKind::Standard => Self::Standard,
            SourceKind::Slack => Self::Slack,
        }
    }
}

/// A source to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceAsked {
    /// What the tenant calls it; no two sources have one name.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) name: Name,
    pub(crate) kind: Kind,
    /// What it signs with; of a standard source one is made when none is given, `whsec_` and base64.
    #[schema(value_type = Option<String>)]
    pub(crate) secret: Option<Short<512>>,
    /// How its requests become events.
    #[schema(value_type = Option<Object>)]
    pub(crate) mapping: Option<Map<String, Value>>,
}

/// What is to be changed of a source.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeAsked {
    /// Another name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub(crate) name: Option<Name>,
    /// Another mapping, in place of the one it has.
    #[schema(value_type = Option<Object>)]
    pub(crate) mapping: Option<Map<String, Value>>,
}

/// A secret to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretAsked {
    /// As with a new source.
    #[schema(value_type = Option<String>)]
    pub(crate) secret: Option<Short<512>>,
}

/// 1 to 200 bytes without control characters.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if (1..=200).contains(&name.len()) && !name.chars().any(char::is_control) {
            return Ok(Self(name));
        }
        Err("expected 1 to 200 bytes without control characters".to_owned())
    }
}

/// One source.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfSource {
    /// The source, as `GET /v1/webhook-sources` lists it.
    pub(crate) id: Uuid,
}

/// One secret of a source.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfSecret {
    /// The source.
    pub(crate) id: Uuid,
    /// The secret, as the source lists it.
    pub(crate) secret: Uuid,
}
