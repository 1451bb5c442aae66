//! What a primitive asks of the table, as values.
//!
//! A primitive decides what to write and under which condition; this is the language it says it in. `table.rs` says the
//! same to DynamoDB, and the tests to a model of it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::key::Key;

/// An item, with or without the attributes of its key.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Where a value lives within an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    /// An attribute.
    Attribute(&'static str),
    /// A member of a map.
    Member(&'static str, String),
}

/// What must be true of the item that is there. A comparison with what is missing is false.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// There is no item at all.
    NoItem,
    Missing(Path),
    Exists(Path),
    Equal(Path, AttributeValue),
    Differs(Path, AttributeValue),
    /// A number no greater than this.
    AtMost(Path, AttributeValue),
    /// A number greater than this.
    Above(Path, AttributeValue),
    /// A map of fewer members than this.
    Fewer(Path, AttributeValue),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// A part of an update.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Assignment {
    Set(Path, AttributeValue),
    SetIfMissing(Path, AttributeValue),
    /// Adds to a number, which counts as 0 when it is missing.
    Add(Path, AttributeValue),
    Remove(Path),
}

/// What happens to the item when the condition is true.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// Other attributes stay; an item that is not there is made.
    Update(Vec<Assignment>),
    Delete,
}

/// One request to the table: it is carried out as a whole, or refused as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) condition: Condition,
    pub(crate) change: Change,
    /// Whether it comes to the same when it is carried out twice. What does not is sent once: when the answer is lost,
    /// that is an error.
    pub(crate) repeatable: bool,
}

impl Write {
    /// A write that may be sent again when its answer is lost.
    pub(crate) const fn new(key: Key, condition: Condition, change: Change) -> Self {
        Self { key, condition, change, repeatable: true }
    }
}

/// The answer to a [`Write`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// The condition was true: the item as it is now, empty after a deletion.
    Applied(Item),
    /// The condition was false: the item that is there, if any.
    Refused(Option<Item>),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Next<T> {
    /// Write this and come back with the answer.
    Write(Write),
    /// Nothing: this is the outcome.
    Done(T),
}

/// A primitive in the middle of its work: it is given answers and says what to write next. It knows nothing of how
/// that is done, so that a test can end it, or lose an answer, between any two writes.
pub(crate) trait Exchange {
    type Outcome;

    /// What to do first, with no answer, and then upon each answer.
    fn next(&mut self, answer: Option<Answer>) -> Next<Self::Outcome>;
}

/// An attribute.
pub(crate) const fn attribute(name: &'static str) -> Path {
    Path::Attribute(name)
}

/// A number as the table holds it.
pub(crate) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// A number of an item, when it is one and fits.
pub(crate) fn read_number<T: TryFrom<i128>>(item: &Item, name: &str) -> Option<T> {
    item.get(name).and_then(of_number)
}

/// A number, when it is one and fits.
pub(crate) fn of_number<T: TryFrom<i128>>(value: &AttributeValue) -> Option<T> {
    value.as_n().ok()?.parse::<i128>().ok()?.try_into().ok()
}

/// That these attributes still are what was seen, whatever that was: a compare-and-set on them.
pub(crate) fn unchanged(seen: &Item, names: &[&'static str]) -> Condition {
    Condition::All(
        names
            .iter()
            .map(|name| match seen.get(*name) {
                Some(value) => Condition::Equal(attribute(name), value.clone()),
                None => Condition::Missing(attribute(name)),
            })
            .collect(),
    )
}
