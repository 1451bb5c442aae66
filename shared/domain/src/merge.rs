//! One memory out of two accounts of the same thing.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::Memory;

/// One memory out of two accounts of the same thing; keeps the identity of the first.
pub(crate) fn merged(first: Memory, second: Memory) -> Memory {
    let first_wins = first
        .confidence
        .total_cmp(&second.confidence)
        .reverse()
        .then_with(|| first.content.cmp(&second.content))
        .then_with(|| first.data.to_string().cmp(&second.data.to_string()))
        .is_le();
    let (data, content) = if first_wins {
        (merged_data(first.data, second.data), first.content)
    } else {
        (merged_data(second.data, first.data), second.content)
    };
    Memory {
        content,
        data,
        confidence: first.confidence.max(second.confidence),
        valid_from: first.valid_from.min(second.valid_from),
        ..first
    }
}

fn merged_data(winner: Value, loser: Value) -> Value {
    if winner == loser {
        return winner;
    }
    match (winner, loser) {
        (Value::Object(winner), Value::Object(mut loser)) => {
            let mut both = Map::new();
            for (key, value) in winner {
                let value = match loser.remove(&key) {
                    Some(other) => merged_data(value, other),
                    None => value,
                };
                both.insert(key, value);
            }
            both.extend(loser);
            Value::Object(both)
        }
        (Value::Array(winner), Value::Array(loser)) => {
            let set: BTreeMap<String, Value> =
                winner.into_iter().chain(loser).map(|item| (item.to_string(), item)).collect();
            Value::Array(set.into_values().collect())
        }
        (Value::Null, other) => other,
        (winner, _) => winner,
    }
}

/// Whether `part` holds nothing that `whole` does not: fields of an object and items of an array may be missing,
/// everything else is equal.
pub(crate) fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().all(|(name, value)| {
            value.is_null() || whole.get(name).is_some_and(|other| is_within(value, other))
        }),
        (Value::Array(part), Value::Array(whole)) => part.iter().all(|item| whole.contains(item)),
        (part, whole) => part == whole,
    }
}

/// Whether two contents say the same in the same words: blanks and capitals do not matter.
pub(crate) fn is_same_wording(one: &str, other: &str) -> bool {
    wording(one) == wording(other)
}

fn wording(content: &str) -> String {
    content.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// A digest by which contents of the same wording are found: blanks and capitals do not matter.
pub fn wording_digest(content: &str) -> [u8; 32] {
    Sha256::digest(wording(content)).into()
}

/// A digest by which a key is found again without keeping it.
pub fn key_digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{MemoryId, MemoryType, Scope};

    #[test]
    fn a_part_has_nothing_that_the_whole_has_not() {
        let whole = json!({"kind": "place", "aliases": ["Lisboa", "Lisbon"], "at": {"x": 1}});
        for part in [
            json!({}),
            json!({"kind": "place"}),
            json!({"aliases": ["Lisbon"], "at": {}}),
            json!({"more": null}),
        ] {
            assert!(is_within(&part, &whole), "{part}");
        }
        for part in [json!({"kind": "person"}), json!({"aliases": ["Porto"]}), json!({"more": 1}), json!([])]
        {
            assert!(!is_within(&part, &whole), "{part}");
        }
    }

    #[test]
    fn blanks_and_capitals_do_not_make_another_wording() {
        assert_eq!(wording_digest(" Ada  likes\n tea "), wording_digest("ada likes Tea"));
        assert_ne!(wording_digest("ada likes tea"), wording_digest("ada likestea"));
        assert!(is_same_wording("ÉTÉ", "été"));
    }

    fn account() -> impl Strategy<Value = (String, f32, Vec<String>, i64)> {
        (
            "[a-c]{1,2}",
            prop_oneof![Just(0.25_f32), Just(0.5), Just(1.0)],
            prop::collection::vec("[a-d]", 0..4),
            0_i64..9,
        )
    }

    proptest! {
        #[test]
        fn merging_is_the_same_in_every_order(accounts in prop::collection::vec(account(), 1..5), rotate in 0_usize..5) {
            let memories: Vec<Memory> = accounts
                .iter()
                .map(|(content, confidence, aliases, second)| Memory {
                    id: MemoryId(Uuid::nil()),
                    kind: MemoryType::Entity,
                    scope: Scope::User,
                    key: "k".into(),
                    content: content.clone(),
                    data: merged_data(json!({"aliases": aliases}), json!({"aliases": []})),
                    confidence: *confidence,
                    valid_from: Timestamp::from_second(*second).unwrap(),
                })
                .collect();
            let mut other = memories.clone();
            other.rotate_left(rotate % memories.len());
            other.reverse();
            let one = memories.into_iter().reduce(merged).unwrap();
            let two = other.into_iter().reduce(merged).unwrap();
            prop_assert_eq!(one, two);
        }
    }
}
