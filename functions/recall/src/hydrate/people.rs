//! What people have told of themselves, as the fields of a profile.

use std::collections::BTreeMap;

use domain::{Memory, has_one_value};
use serde_json::Value;

/// By speaker, the fields of what is known of each.
pub(crate) type People = BTreeMap<String, BTreeMap<String, Value>>;

/// The fields made of current facts and preferences, given the newest first.
///
/// What does not hold is left out, but for dislikes. What is told of relatives is one list of sentences. Memories that say
/// of nobody what they are about are none of a profile.
pub(crate) fn people(told: &[Memory]) -> People {
    let mut people = People::new();
    for memory in told {
        let field = |name: &str| memory.data.get(name).and_then(Value::as_str);
        let (Some(speaker), Some(attribute), Some(value), Some(polarity)) =
            (field("speaker"), field("attribute"), field("value"), field("polarity"))
        else {
            continue;
        };
        let holds = polarity == "positive";
        let detail = field("detail");
        let (name, value) = match (attribute, field("relative")) {
            (_, Some(_)) | ("relative", None) if holds => ("family", memory.content.clone()),
            (_, Some(_)) | ("relative", None) => continue,
            ("likes" | "consumes", None) if !holds => ("dislikes", value.to_owned()),
            ("consumes", None) => ("likes", value.to_owned()),
            _ if !holds => continue,
            ("favourite", None) => ("favourites", format!("{value}: {}", detail.unwrap_or_default())),
            ("pet", None) => {
                ("pets", detail.map_or_else(|| value.to_owned(), |name| format!("{value} {name}")))
            }
            ("prefers", None) => (
                "prefers",
                match detail {
                    Some(other) => format!("{value} to {other}"),
                    None => value.to_owned(),
                },
            ),
            (attribute, None) => (attribute, value.to_owned()),
        };
        let fields = people.entry(speaker.to_owned()).or_default();
        if has_one_value(name) {
            // The newest comes first.
            fields.entry(name.to_owned()).or_insert_with(|| value.into());
        } else if let Value::Array(list) =
            fields.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()))
            && !list.iter().any(|known| known.as_str() == Some(value.as_str()))
        {
            list.push(value.into());
            list.sort_by_key(Value::to_string);
        }
    }
    people
}

#[cfg(test)]
mod tests {
    use domain::{MemoryId, MemoryType, Scope};
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn told(content: &str, data: Value) -> Memory {
        Memory {
            id: MemoryId(Uuid::nil()),
            kind: MemoryType::Fact,
            scope: Scope::User,
            key: content.into(),
            content: content.into(),
            data,
            confidence: 0.9,
            valid_from: Timestamp::UNIX_EPOCH,
        }
    }

    fn fact(attribute: &str, value: &str, polarity: &str) -> Memory {
        told("", json!({"speaker": "ada", "attribute": attribute, "value": value, "polarity": polarity}))
    }

    #[test]
    fn a_profile_is_what_holds_of_each_person() {
        let told = [
            fact("home", "Porto", "positive"),
            fact("home", "Lisbon", "positive"),
            fact("employer", "Acme", "ended"),
            fact("likes", "tea", "positive"),
            fact("likes", "hiking", "positive"),
            fact("consumes", "meat", "negative"),
            told(
                "Ada's sister works as a nurse.",
                json!({"speaker": "ada", "attribute": "occupation", "value": "nurse",
                "polarity": "positive", "relative": "sister"}),
            ),
            told(
                "",
                json!({"speaker": "bo", "attribute": "pet", "value": "dog", "detail": "Rex", "polarity": "positive"}),
            ),
            told("A pattern.", json!({"strength": 1})),
        ];
        assert_eq!(
            json!(people(&told)),
            json!({
                "ada": {
                    "home": "Porto",
                    "likes": ["hiking", "tea"],
                    "dislikes": ["meat"],
                    "family": ["Ada's sister works as a nurse."],
                },
                "bo": {"pets": ["dog Rex"]},
            })
        );
    }
}
