//! What an application says of a memory: how it is remembered, and what a correction makes of what was known.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::merge::{is_same_wording, wording_digest};
use crate::{CARRIED, Evidence, Memory, MemoryType, OnConflict, Scope, Thought};

/// Under this name an application's own memories, corrections and deletions are recorded beside the agents' runs.
pub const APPLICATION: &str = "application";
/// The field of an observation's payload in which it is recorded what an application did to a memory: no part of what
/// the application observed.
pub const OWN_PAYLOAD: &str = "afterthought";
/// Fields of data that say of what sort something is, in names of their own: no words of it.
const SORTS: [&str; 4] = ["kind", "status", "polarity", "attribute"];

/// What a memory says: the part of it that a correction changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// In words.
    pub content: String,
    /// In data, an object.
    pub data: Value,
}

/// What a correction says. The data is worked out from the words where it is not given.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// In words.
    pub content: String,
    /// In data, an object: all of it.
    pub data: Option<Value>,
}

impl Correction {
    /// The account that this makes of the one it was made from.
    ///
    /// Data that is not given follows the words. Where one run of words stands in place of another, a text in the data
    /// that was the old run becomes the new one; a text that the old words held and the new ones do not is left out; the
    /// rest stays. What an agent carries along for itself never stays, for it was made from what is corrected.
    pub fn of(&self, seen: &Account) -> Account {
        let data = match &self.data {
            Some(data) => data.clone(),
            None => Words::changed(&seen.content, &self.content).follow(&seen.data),
        };
        Account { content: self.content.clone(), data: without_carried(data) }
    }

    /// The account that this makes of one that has changed since the correction was made: a merge of three.
    ///
    /// `seen` is the account that the correction was made from, `holds` the one that holds now. A field of the data that
    /// only one side changed is as that side has it; one that both changed is the correction's, unless both are objects,
    /// which are merged field by field, or lists, which keep what either added and lose what either removed. The words are
    /// the correction's when it changed them.
    pub fn onto(&self, seen: &Account, holds: &Account) -> Account {
        let wanted = self.of(seen);
        let content = if wanted.content == seen.content { holds.content.clone() } else { wanted.content };
        let (seen, holds) = (without_carried(seen.data.clone()), without_carried(holds.data.clone()));
        let data = merged(Some(&seen), Some(&holds), Some(&wanted.data));
        Account { content, data: data.unwrap_or_else(|| Value::Object(Map::new())) }
    }
}

fn without_carried(mut data: Value) -> Value {
    if let Value::Object(fields) = &mut data {
        fields.remove(CARRIED);
    }
    data
}

/// A value out of three: what both sides began with, what holds now, and what the correction wants. `None` is a field
/// that is not there.
fn merged(seen: Option<&Value>, holds: Option<&Value>, wanted: Option<&Value>) -> Option<Value> {
    if wanted == seen {
        return holds.cloned();
    }
    if holds == seen || holds == wanted {
        return wanted.cloned();
    }
    match (holds, wanted) {
        (Some(Value::Object(holds)), Some(Value::Object(wanted))) => {
            let nothing = Map::new();
            let seen = seen.and_then(Value::as_object).unwrap_or(&nothing);
            let mut fields = Map::new();
            for name in holds.keys().chain(wanted.keys()) {
                if !fields.contains_key(name)
                    && let Some(value) = merged(seen.get(name), holds.get(name), wanted.get(name))
                {
                    fields.insert(name.clone(), value);
                }
            }
            Some(Value::Object(fields))
        }
        (Some(Value::Array(holds)), Some(Value::Array(wanted))) => {
            let seen = seen.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let mut items: Vec<Value> = Vec::new();
            for item in wanted.iter().chain(holds) {
                let is_kept = (wanted.contains(item) && holds.contains(item)) || !seen.contains(item);
                if is_kept && !items.contains(item) {
                    items.push(item.clone());
                }
            }
            Some(Value::Array(items))
        }
        _ => wanted.cloned(),
    }
}

/// Two texts, and the run of words in which they differ.
struct Words {
    before: String,
    after: String,
    /// The run that was taken out, and the one in its place.
    run: (String, String),
}

impl Words {
    fn changed(before: &str, after: &str) -> Self {
        let (old, new) = (pieces(before), pieces(after));
        let same = |(one, other): &(&&str, &&str)| one == other;
        let head = old.iter().zip(&new).take_while(same).count();
        let most = old.len().min(new.len()) - head;
        let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(same).count();
        let middle = |pieces: &[&str]| {
            let run: String = pieces.iter().take(pieces.len() - tail).skip(head).copied().collect();
            run.trim().to_lowercase()
        };
        let written: String = new.iter().take(new.len() - tail).skip(head).copied().collect();
        Self {
            run: (middle(&old), written.trim().to_owned()),
            before: before.to_lowercase(),
            after: after.to_lowercase(),
        }
    }

    /// What becomes of data that went with the text before.
    fn follow(&self, data: &Value) -> Value {
        match data {
            Value::Object(fields) => {
                let is_sort = |name: &str| SORTS.contains(&name);
                let kept = fields.iter().filter(|(name, value)| is_sort(name) || !self.is_gone(value));
                let followed = kept.map(|(name, value)| {
                    (name.clone(), if is_sort(name) { value.clone() } else { self.follow(value) })
                });
                followed.collect::<Map<_, _>>().into()
            }
            Value::Array(items) => {
                items.iter().filter(|item| !self.is_gone(item)).map(|item| self.follow(item)).collect()
            }
            Value::String(text) if self.is_run(text) => self.run.1.clone().into(),
            other => other.clone(),
        }
    }

    fn is_run(&self, text: &str) -> bool {
        let (old, new) = &self.run;
        !old.is_empty() && !new.is_empty() && text.trim().to_lowercase() == *old
    }

    /// Whether a value is a text that was told and is not any more.
    fn is_gone(&self, value: &Value) -> bool {
        let Value::String(text) = value else { return false };
        let told = text.trim().to_lowercase();
        !told.is_empty() && !self.is_run(text) && holds(&self.before, &told) && !holds(&self.after, &told)
    }
}

/// Whether a text holds these words, and not only as parts of others.
fn holds(text: &str, words: &str) -> bool {
    let (text, words) = (pieces(text), pieces(words));
    text.windows(words.len().max(1)).any(|run| run == words)
}

/// A text as its words and what stands between them.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_alphanumeric();
        let end = rest.find(|letter: char| letter.is_alphanumeric() != is_word).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// What an application wants remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMemory {
    /// What it is about.
    pub kind: MemoryType,
    /// Who may see it.
    pub scope: Scope,
    /// What identifies it within its scope and type; made from its words when not given.
    pub key: Option<String>,
    /// In words.
    pub content: String,
    /// In data, an object.
    pub data: Value,
    /// 0 to 1.
    pub confidence: f32,
    /// Events of the user's it comes from; the event that records it, when there are none.
    pub evidence: Vec<Evidence>,
}

impl NewMemory {
    /// Its key: the one given, else one that the same words always have.
    pub fn key(&self) -> String {
        self.key.clone().unwrap_or_else(|| {
            let digest = wording_digest(&self.content);
            let beginning = digest.first_chunk::<16>().copied().unwrap_or_default();
            format!("said:{}", Uuid::from_bytes(beginning).simple())
        })
    }

    /// The thought it is, recorded by the event at `recorded`, where `known` is the memory that holds under its key.
    ///
    /// One thing may be seen again, so an entity is merged into the one that is there, and so is what says the same in the
    /// same words; every other account takes the place of the one under its key.
    pub fn thought(&self, recorded: i64, known: Option<&Memory>) -> Thought {
        let is_known = known.is_some_and(|known| is_same_wording(&known.content, &self.content));
        let own = self.evidence.is_empty();
        Thought {
            kind: self.kind,
            scope: self.scope,
            key: self.key(),
            content: self.content.clone(),
            data: self.data.clone(),
            confidence: self.confidence,
            evidence: if own { vec![recorded] } else { Vec::new() },
            elsewhere: self.evidence.clone(),
            since: None,
            on_conflict: if is_known || self.kind == MemoryType::Entity {
                OnConflict::Merge
            } else {
                OnConflict::Supersede
            },
            review: false,
        }
    }
}

/// Whether a corrected memory of this type keeps the evidence of the one it corrects.
///
/// The events that an entity, an action or a summary came from still speak of the same thing, however it is described. A
/// fact, a preference, a pattern or a mood is a claim: what was said for the wrong one is no evidence for the right one.
pub const fn keeps_evidence(kind: MemoryType) -> bool {
    matches!(kind, MemoryType::Entity | MemoryType::Action | MemoryType::Summary)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn account(content: &str, data: Value) -> Account {
        Account { content: content.into(), data }
    }

    fn says(content: &str) -> Correction {
        Correction { content: content.into(), data: None }
    }

    #[test]
    fn what_sort_of_thing_it_is_does_not_follow_the_words() {
        let data = json!({"kind": "to_do", "status": "open", "what": "window", "part": "pen"});
        let seen = account("Open the window (open)", data);
        let expected = json!({"kind": "to_do", "status": "open", "what": "door", "part": "pen"});
        assert_eq!(says("Open the door (open)").of(&seen).data, expected);
        assert_eq!(says("Close the window").of(&seen).data["status"], "open");
    }

    #[test]
    fn data_that_is_not_given_follows_the_words() {
        let home = json!({"speaker": "Ada", "attribute": "home", "value": "Berlin", "polarity": "positive", "carried": 7});
        let home = account("Ada lives in Berlin.", home);
        for (content, value) in [
            ("Ada lives in Bern.", "Bern"),
            ("Ada lives in New York City.", "New York City"),
            ("Ada lives in Potsdam, near Berlin.", "Berlin"),
        ] {
            let expected =
                json!({"speaker": "Ada", "attribute": "home", "value": value, "polarity": "positive"});
            assert_eq!(says(content).of(&home).data, expected, "{content}");
        }
        let reworded = says("Ada moved to the coast.").of(&home);
        assert_eq!(reworded.data, json!({"speaker": "Ada", "attribute": "home", "polarity": "positive"}));
    }

    #[test]
    fn names_in_lists_follow_too_and_what_was_never_told_stays() {
        let person = json!({"kind": "person", "name": "Jon", "aliases": ["jon", "JB"], "age": 7});
        let corrected = says("John (person)").of(&account("Jon (person)", person));
        assert_eq!(
            corrected.data,
            json!({"kind": "person", "name": "John", "aliases": ["John", "JB"], "age": 7})
        );
        let emptied = says("A boat").of(&account("A red boat", json!({"colour": "red", "what": "boat"})));
        assert_eq!(emptied.data, json!({"what": "boat"}));
    }

    #[test]
    fn given_data_is_taken_as_it_is_given() {
        let correction = Correction { data: Some(json!({"value": "Bern"})), ..says("Ada lives in Bern.") };
        let seen = account("Ada lives in Berlin.", json!({"value": "Berlin", "speaker": "Ada"}));
        assert_eq!(correction.of(&seen), account("Ada lives in Bern.", json!({"value": "Bern"})));
    }

    #[test]
    fn of_three_accounts_each_side_keeps_what_it_changed() {
        let seen =
            account("Jon (person)", json!({"name": "Jon", "aliases": ["J", "JB"], "age": 7, "city": "Bern"}));
        let holds = account(
            "Jon B. (person)",
            json!({"name": "Jon B.", "aliases": ["J", "JB", "Jonny"], "age": 7, "pet": "cat"}),
        );
        let data = json!({"name": "John", "aliases": ["J", "Johnny"], "age": 8, "city": "Bern"});
        let correction = Correction { data: Some(data), ..says("John (person)") };
        let merged = correction.onto(&seen, &holds);
        assert_eq!(
            merged,
            account(
                "John (person)",
                json!({"name": "John", "aliases": ["J", "Johnny", "Jonny"], "age": 8, "pet": "cat"})
            )
        );
        let only_data = Correction { data: Some(json!({"age": 9})), ..says("Jon (person)") };
        assert_eq!(only_data.onto(&seen, &holds).content, "Jon B. (person)", "words it left alone");
    }

    #[test]
    fn the_same_words_have_the_same_key() {
        let memory = |content: &str, key: Option<&str>| NewMemory {
            kind: MemoryType::Fact,
            scope: Scope::User,
            key: key.map(str::to_owned),
            content: content.into(),
            data: json!({}),
            confidence: 1.0,
            evidence: Vec::new(),
        };
        assert_eq!(memory("Ada  likes tea", None).key(), memory("ada likes Tea", None).key());
        assert_ne!(memory("Ada likes tea", None).key(), memory("Ada likes milk", None).key());
        assert_eq!(memory("Ada likes tea", Some("k")).key(), "k");
        assert_eq!(memory("Ada likes tea", None).thought(7, None).evidence, [7]);
    }

    fn data() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..4).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        let value = leaf.prop_recursive(2, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
            ]
        });
        prop::collection::btree_map("[a-d]", value, 0..4)
            .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into())
    }

    proptest! {
        #[test]
        fn without_a_conflict_a_merge_is_the_correction(seen in data(), wanted in data(), content in "[a-c ]{0,8}") {
            let seen = account("a b c", seen);
            let correction = Correction { content, data: Some(wanted) };
            prop_assert_eq!(correction.onto(&seen, &seen), correction.of(&seen));
        }

        #[test]
        fn a_correction_that_changes_nothing_leaves_what_holds(seen in data(), holds in data()) {
            let correction = Correction { content: "a".into(), data: Some(seen.clone()) };
            let holds = account("b", holds);
            prop_assert_eq!(correction.onto(&account("a", seen), &holds), holds);
        }

        #[test]
        fn a_merge_that_is_made_again_changes_nothing(seen in data(), holds in data(), wanted in data()) {
            let correction = Correction { content: "x".into(), data: Some(wanted) };
            let seen = account("a", seen);
            let once = correction.onto(&seen, &account("b", holds));
            prop_assert_eq!(correction.onto(&seen, &once), once);
        }

        #[test]
        fn data_follows_any_words(before in "\\PC{0,20}", after in "\\PC{0,20}", data in data()) {
            let followed = says(&after).of(&account(&before, data));
            prop_assert!(followed.data.is_object());
        }
    }
}
