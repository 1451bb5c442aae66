//! What a memory that stays takes over from those that are closed as its repeats.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Evidence, OnConflict, Thought};
use serde_json::{Map, Value, json};
use store::UserMemory;

use crate::named::Named;

/// How much evidence one thought carries.
const MOST_EVIDENCE: usize = 500;

/// What makes a memory hold all that its repeats hold: their evidence, and their data where it says nothing of its own.
///
/// The evidence comes with a thought that says nothing new, which nobody needs to review; what is new in the data comes
/// with another.
pub(super) fn taken_over(stays: &UserMemory, repeats: &[&UserMemory]) -> Vec<Thought> {
    let own: BTreeSet<Evidence> = stays.evidence.iter().map(|(event, _)| *event).collect();
    let theirs = repeats.iter().flat_map(|memory| &memory.evidence).map(|(event, _)| *event);
    let new: Vec<Evidence> =
        theirs.filter(|event| !own.contains(event)).collect::<BTreeSet<_>>().into_iter().collect();
    let data = repeats.iter().fold(stays.memory.data.clone(), |data, other| {
        let data = joined(data, &other.memory.data);
        // What a thing was called is one of its names, whether it was listed among them or not.
        match other.memory.data.get("name").filter(|_| Named::of(&other.memory).is_some()) {
            Some(name) => joined(data, &json!({ "aliases": [name] })),
            None => data,
        }
    });
    let since = repeats.iter().map(|memory| memory.memory.valid_from).chain([stays.memory.valid_from]).min();
    let thought = |elsewhere: Vec<Evidence>, data: Value| Thought {
        kind: stays.memory.kind,
        scope: stays.memory.scope,
        key: stays.memory.key.clone(),
        content: stays.memory.content.clone(),
        data,
        confidence: stays.memory.confidence,
        evidence: Vec::new(),
        elsewhere,
        since,
        on_conflict: OnConflict::Merge,
        review: false,
    };
    let mut thoughts: Vec<Thought> =
        new.chunks(MOST_EVIDENCE).map(|some| thought(some.to_vec(), stays.memory.data.clone())).collect();
    if data != stays.memory.data {
        let any = new.first().or_else(|| own.first()).copied();
        thoughts.push(thought(any.into_iter().collect(), data));
    }
    thoughts
}

/// The first, with what the second holds besides: fields that are missing, items of lists.
fn joined(first: Value, second: &Value) -> Value {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            let mut both: Map<String, Value> = first;
            for (name, value) in second {
                let value = match both.remove(name) {
                    Some(own) => joined(own, value),
                    None => value.clone(),
                };
                both.insert(name.clone(), value);
            }
            Value::Object(both)
        }
        (Value::Array(first), Value::Array(second)) => {
            let all = first.into_iter().chain(second.iter().cloned());
            let set: BTreeMap<String, Value> = all.map(|item| (item.to_string(), item)).collect();
            Value::Array(set.into_values().collect())
        }
        (Value::Null, second) => second.clone(),
        (first, _) => first,
    }
}
