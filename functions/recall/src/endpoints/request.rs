//! What is asked about endpoints, as it is read.

use domain::{MemoryType, Reach};
use serde::{Deserialize, Deserializer, Serialize};
use store::DeliveryStatus;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::{Moment, Problem, Short, Whole};

/// How many messages an answer has when nobody says.
const USUAL_MESSAGES: u16 = 20;

/// What an endpoint can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[schema(as = ChangeType)]
pub(crate) enum EventType {
    /// A memory became known.
    #[serde(rename = "memory.created")]
    MemoryCreated,
    /// It says something else.
    #[serde(rename = "memory.updated")]
    MemoryUpdated,
    /// It holds no more: another took its place, or it faded.
    #[serde(rename = "memory.superseded")]
    MemorySuperseded,
    /// It was deleted.
    #[serde(rename = "memory.deleted")]
    MemoryDeleted,
    /// A commitment, to-do or question was found.
    #[serde(rename = "action.detected")]
    ActionDetected,
    /// It says something else.
    #[serde(rename = "action.updated")]
    ActionUpdated,
    /// It was done, answered or replaced.
    #[serde(rename = "action.closed")]
    ActionClosed,
    /// It was deleted.
    #[serde(rename = "action.deleted")]
    ActionDeleted,
}

impl EventType {
    /// Its name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::MemoryCreated => "memory.created",
            Self::MemoryUpdated => "memory.updated",
            Self::MemorySuperseded => "memory.superseded",
            Self::MemoryDeleted => "memory.deleted",
            Self::ActionDetected => "action.detected",
            Self::ActionUpdated => "action.updated",
            Self::ActionClosed => "action.closed",
            Self::ActionDeleted => "action.deleted",
        }
    }
}

/// One endpoint.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfEndpoint {
    /// The endpoint.
    pub(crate) id: Uuid,
}

/// An endpoint to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEndpointAsked {
    /// Where messages are posted to: https, an address of the internet.
    #[schema(value_type = String, min_length = 1, max_length = 2000)]
    pub(crate) url: Short<2000>,
    /// What it is for.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    pub(crate) description: Option<Short<2000>>,
    /// The events it is told of; all when not given.
    #[schema(min_items = 1, max_items = 8)]
    pub(crate) events: Option<Vec<EventType>>,
    /// The types of memories it is told of; all when not given.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 7)]
    pub(crate) types: Option<Vec<MemoryType>>,
}

/// What is to be different about an endpoint. A field that is not given stays; `null` takes it away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointPatchAsked {
    /// Where messages are posted to.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    pub(crate) url: Option<Short<2000>>,
    /// What it is for.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    pub(crate) description: Given<Short<2000>>,
    /// The events it is told of; `null` for all.
    #[serde(default)]
    #[schema(value_type = Option<Vec<EventType>>, min_items = 1, max_items = 8)]
    pub(crate) events: Given<Vec<EventType>>,
    /// The types of memories it is told of; `null` for all.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 7)]
    pub(crate) types: Given<Vec<MemoryType>>,
    /// Whether anything is sent; what happens meanwhile waits.
    pub(crate) enabled: Option<bool>,
}

/// How a secret is changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretRotationAsked)]
pub(crate) struct RotationAsked {
    /// For how many hours the secret before signs too; 24 when not given.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 168)]
    pub(crate) overlap_hours: Option<Whole<0, 168>>,
}

/// Which messages are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesAsked {
    /// `pending`, `delivered` or `dead`.
    #[param(value_type = Option<String>)]
    pub(crate) status: Option<Standing>,
    /// How many; 20 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    pub(crate) limit: Option<Whole<1, 100>>,
    /// The `next` of the page before.
    #[param(value_type = Option<i64>, minimum = 1)]
    pub(crate) after: Option<Whole<1, { i64::MAX }>>,
}

impl DeliveriesAsked {
    /// How many messages are wanted.
    pub(crate) fn limit(&self) -> u16 {
        self.limit.map_or(USUAL_MESSAGES, Whole::to)
    }
}

/// Which messages are sent again: those that match everything that is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayAsked {
    /// `dead` or `delivered`; `dead` when not given.
    #[schema(value_type = Option<String>)]
    pub(crate) status: Option<Standing>,
    /// Of changes made from then on.
    pub(crate) since: Option<Moment>,
    /// This message alone, as `webhook-id` names it without `msg_`.
    pub(crate) message: Option<Uuid>,
}

/// What has become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing(pub(crate) DeliveryStatus);

impl<'de> Deserialize<'de> for Standing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        DeliveryStatus::from_name(&name)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("expected pending, delivered or dead"))
    }
}

/// A field that may be left out, or given as `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Given<T> {
    /// It is left out.
    #[default]
    Not,
    /// It is given; `None` for `null`.
    As(Option<T>),
}

impl<T> Given<T> {
    /// What was given, unless that is nothing or `null`.
    pub(crate) const fn value(&self) -> Option<&T> {
        match self {
            Self::As(Some(value)) => Some(value),
            Self::As(None) | Self::Not => None,
        }
    }

    /// `read` of what was given; `None` when it is left out.
    pub(crate) fn then<U>(&self, read: U) -> Option<U> {
        matches!(self, Self::As(_)).then_some(read)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::As)
    }
}

/// The names of a list that names each thing once, or a problem that names the field.
pub(crate) fn named<T: Copy + PartialEq>(
    field: &str,
    list: Option<&[T]>,
    name: impl Fn(T) -> &'static str,
) -> Result<Option<Vec<&'static str>>, Problem> {
    let Some(list) = list else { return Ok(None) };
    if list.is_empty() {
        return Err(Problem::invalid(field, format!("field `{field}` is empty, expected null for all")));
    }
    if let Some(twice) =
        list.iter().enumerate().find(|(place, one)| list.iter().take(*place).any(|other| other == *one))
    {
        return Err(Problem::invalid(field, format!("field `{field}` names {} twice", name(*twice.1))));
    }
    Ok(Some(list.iter().map(|one| name(*one)).collect()))
}

/// Whether an address may be an endpoint's, or a problem that says why not.
pub(crate) fn checked_url(url: &Short<2000>, reach: Reach) -> Result<(), Problem> {
    match reach.check(url.as_str()) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::invalid("url", format!("field `url`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::read_json;

    #[test]
    fn what_is_given_as_null_is_taken_away_and_what_is_not_given_stays() {
        let patch: EndpointPatchAsked = read_json(br#"{"events": null, "enabled": false}"#).unwrap();
        assert_eq!((patch.events, patch.types, patch.enabled), (Given::As(None), Given::Not, Some(false)));
        let patch: EndpointPatchAsked = read_json(br#"{"events": ["action.detected"]}"#).unwrap();
        assert_eq!(patch.events, Given::As(Some(vec![EventType::ActionDetected])));
    }

    #[test]
    fn a_list_names_at_least_one_thing_and_none_twice() {
        let events = |list: &[EventType]| named("events", Some(list), EventType::as_str);
        assert_eq!(events(&[EventType::MemoryCreated]).unwrap(), Some(vec!["memory.created"]));
        assert!(events(&[]).is_err());
        assert!(events(&[EventType::MemoryCreated, EventType::MemoryCreated]).is_err());
        assert_eq!(named("events", None, EventType::as_str).unwrap(), None);
    }

    #[test]
    fn an_address_inside_is_refused_when_it_is_given() {
        let check = |url: &str| checked_url(&Short::try_from(url.to_owned()).unwrap(), Reach::Public);
        assert!(check("https://example.com/hooks").is_ok());
        for inside in ["http://example.com/", "https://10.0.0.1/", "nonsense"] {
            assert!(check(inside).is_err(), "{inside}");
        }
    }

    #[test]
    fn the_names_of_events_are_those_on_the_wire() {
        for name in ["memory.created", "memory.updated", "memory.superseded", "memory.deleted"] {
            let event: EventType = serde_json::from_value(name.into()).unwrap();
            assert_eq!(event.as_str(), name);
        }
        for name in ["action.detected", "action.updated", "action.closed", "action.deleted"] {
            let event: EventType = serde_json::from_value(name.into()).unwrap();
            assert_eq!(event.as_str(), name);
        }
    }
}
