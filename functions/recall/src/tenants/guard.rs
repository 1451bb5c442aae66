//! What a tenant wants kept out of what comes in.

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// What is done about secrets and identifiers in what comes in. What is not given is let in as it is.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GuardAsked {
    /// Keys, tokens and whatever else opens something.
    secrets: ActionAsked,
    /// What tells who somebody is: one word for every kind, or one for each.
    identifiers: IdentifiersAsked,
}

/// `off` lets it in, `redact` puts its name in its place, `block` refuses what holds it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionAsked {
    #[default]
    Off,
    Redact,
    Block,
}

/// What is done about identifiers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum IdentifiersAsked {
    All(ActionAsked),
    Each(EachIdentifierAsked),
}

/// What is done about each kind of identifier.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EachIdentifierAsked {
    /// Numbers of payment cards.
    credit_card: ActionAsked,
    /// International bank account numbers.
    iban: ActionAsked,
    /// Telephone numbers.
    phone: ActionAsked,
    /// E-mail addresses.
    email: ActionAsked,
    /// Social security numbers of the United States.
    us_ssn: ActionAsked,
    /// Public addresses of the Internet.
    ip_address: ActionAsked,
}

impl Default for IdentifiersAsked {
    fn default() -> Self {
        Self::All(ActionAsked::Off)
    }
}

impl<'de> Deserialize<'de> for IdentifiersAsked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrKinds;
        impl<'de> Visitor<'de> for WordOrKinds {
            type Value = IdentifiersAsked;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("`off`, `redact`, `block` or an object with one of them for each kind")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                ActionAsked::deserialize(word.into_deserializer()).map(IdentifiersAsked::All)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                EachIdentifierAsked::deserialize(MapAccessDeserializer::new(map)).map(IdentifiersAsked::Each)
            }
        }
        deserializer.deserialize_any(WordOrKinds)
    }
}
