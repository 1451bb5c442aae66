//! Changes of a document: pure.

use std::collections::BTreeSet;

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{PatchError, PatchErrorKind, PatchOperation, TestOperation};
use serde_json::{Map, Value};

use crate::document::{Document, InvalidDocument, Part, equal, kind, measure, names};

/// The most operations of one JSON Patch. Each is checked against the limits by itself.
pub const MOST_OPERATIONS: usize = 500;
/// How many members a change may touch and still be read and written by itself: an expression of DynamoDB has a longest
/// length. What touches more goes through the whole document.
const MOST_TOUCHED: usize = 50;

/// A place within a document: a JSON Pointer (RFC 6901), `""` for the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathTo(PointerBuf);

/// A change of a document. A document that is not there counts as one without members.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// This becomes the value at a place. What the place lies in must be there already; in an array, an element is replaced,
    /// or added just after the last.
    Set {
        /// The place.
        path: PathTo,
        /// The value; an object, when it is the whole.
        value: Part,
    },
    /// A JSON Merge Patch (RFC 7396) of the value at a place, or of nothing where there is none.
    Merge {
        /// The place.
        path: PathTo,
        /// The patch.
        patch: Part,
    },
    /// A JSON Patch (RFC 6902): all of its operations or none.
    Patch(Operations),
    /// The value at a place goes, or the whole. What is not there is gone already.
    Remove {
        /// The place.
        path: PathTo,
    },
}

/// The operations of a JSON Patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Operations(Vec<PatchOperation>);

/// Why a change cannot be made to a document as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEdit {
    /// What it would become cannot be kept.
    #[error(transparent)]
    Document(#[from] InvalidDocument),
    /// A place that is not there.
    #[error("`{0}` is not there")]
    NoPlace(String),
    /// A JSON Patch that is none.
    #[error("operation {index} is no operation of a JSON Patch: {problem}")]
    Operation {
        /// Which one, 0 first.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// An operation that cannot be carried out.
    #[error("operation {index} at `{path}`: {problem}")]
    Failed {
        /// Which one, 0 first.
        index: usize,
        /// Its path.
        path: String,
        /// Why.
        problem: String,
    },
    /// Not a list of operations, or too many.
    #[error("a JSON Patch is an array of at most {MOST_OPERATIONS} operations")]
    Operations,
}

/// What a change reads and writes of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    /// Everything.
    Whole,
    /// These members, and no other.
    Members(BTreeSet<String>),
}

impl PathTo {
    /// Reads a JSON Pointer.
    pub fn read(text: &str) -> Result<Self, InvalidDocument> {
        let read = PointerBuf::parse(text);
        read.map(Self).map_err(|_not_a_pointer| {
            let expected = "is no JSON Pointer, expected one such as `/current_task/step`";
            InvalidDocument::member(text, expected)
        })
    }

    /// Whether it is the whole document.
    pub fn is_whole(&self) -> bool {
        self.0.is_root()
    }

    /// The member that it lies in.
    pub(crate) fn member(&self) -> Option<String> {
        member(&self.0)
    }

    /// The value at the place.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        value.pointer(self.0.as_str())
    }
}

fn member(pointer: &Pointer) -> Option<String> {
    pointer.first().map(|token| token.decoded().into_owned())
}

impl Operations {
    /// Reads a JSON Patch.
    pub fn read(text: &str) -> Result<Self, InvalidEdit> {
        let Part(Value::Array(operations)) = Part::read(text)? else { return Err(InvalidEdit::Operations) };
        if operations.len() > MOST_OPERATIONS {
            return Err(InvalidEdit::Operations);
        }
        let read = operations.into_iter().enumerate().map(|(index, operation)| {
            serde_json::from_value(operation).map_err(|error| InvalidEdit::Operation {
                index,
                // What was given, which the error quotes, may begin with the mark of an exact number.
                problem: error.to_string().replace("\\u{0}", "").replace('\0', ""),
            })
        });
        read.collect::<Result<_, _>>().map(Self)
    }
}

impl Edit {
    /// What it reads and writes.
    pub(crate) fn touched(&self) -> Touched {
        let members: Option<BTreeSet<String>> = match self {
            Self::Set { path, .. } | Self::Remove { path } => path.member().map(|name| [name].into()),
            Self::Merge { path, patch } => match (path.member(), &patch.0) {
                (Some(name), _) => Some([name].into()),
                (None, Value::Object(members)) => Some(members.keys().cloned().collect()),
                (None, _) => None,
            },
            Self::Patch(Operations(operations)) => operations.iter().flat_map(places).map(member).collect(),
        };
        match members {
            Some(members) if !members.is_empty() && members.len() <= MOST_TOUCHED => {
                Touched::Members(members)
            }
            _ => Touched::Whole,
        }
    }

    /// What becomes of a document, or of the members of it that are touched.
    pub(crate) fn apply(&self, document: &Document) -> Result<Document, InvalidEdit> {
        let mut value = Value::Object(document.0.clone());
        match self {
            Self::Set { path, value: new } => set(&mut value, &path.0, new.0.clone())?,
            Self::Merge { path, patch } => {
                if path.find(&value).is_none() {
                    set(&mut value, &path.0, Value::Object(Map::new()))?;
                }
                let at = value.pointer_mut(path.0.as_str());
                json_patch::merge(at.ok_or_else(|| InvalidEdit::NoPlace(path.0.to_string()))?, &patch.0);
            }
            Self::Patch(Operations(operations)) => {
                for (index, operation) in operations.iter().enumerate() {
                    carry_out(&mut value, index, operation)?;
                }
            }
            Self::Remove { path } => remove(&mut value, &path.0),
        }
        measure(&value)?;
        Ok(Document::of(value)?)
    }

    /// Whether it says what is to be there afterwards, so that a document in which that is so may be taken for its outcome.
    pub(crate) const fn says_outcome(&self) -> bool {
        matches!(self, Self::Set { .. } | Self::Remove { .. })
    }

    /// Whether it is the removal of the whole.
    pub(crate) fn removes_all(&self) -> bool {
        matches!(self, Self::Remove { path } if path.is_whole())
    }
}

fn places(operation: &PatchOperation) -> Vec<&Pointer> {
    let from: Option<&Pointer> = match operation {
        PatchOperation::Move(operation) => Some(&operation.from),
        PatchOperation::Copy(operation) => Some(&operation.from),
        _ => None,
    };
    [operation.path()].into_iter().chain(from).collect()
}

fn set(document: &mut Value, path: &Pointer, new: Value) -> Result<(), InvalidEdit> {
    if let Some(place) = document.pointer_mut(path.as_str()) {
        *place = new;
        return Ok(());
    }
    let no_place = || InvalidEdit::NoPlace(path.to_string());
    let (parent, last) = path.split_back().ok_or_else(no_place)?;
    match document.pointer_mut(parent.as_str()) {
        Some(Value::Object(members)) => {
            members.insert(last.decoded().into_owned(), new);
            Ok(())
        }
        Some(Value::Array(elements)) if last.decoded() == elements.len().to_string() => {
            elements.push(new);
            Ok(())
        }
        _ => Err(no_place()),
    }
}

fn remove(document: &mut Value, path: &Pointer) {
    let Some((parent, last)) = path.split_back() else {
        *document = Value::Object(Map::new());
        return;
    };
    match document.pointer_mut(parent.as_str()) {
        Some(Value::Object(members)) => {
            members.remove(last.decoded().as_ref());
        }
        Some(Value::Array(elements)) => {
            if let Some(index) = last.to_index().ok().and_then(|index| index.for_len(elements.len()).ok()) {
                elements.remove(index);
            }
        }
        _ => {}
    }
}

/// One operation. The limits hold after each: copies of copies would double the document every time.
fn carry_out(document: &mut Value, index: usize, operation: &PatchOperation) -> Result<(), InvalidEdit> {
    let failed = |problem: String| InvalidEdit::Failed { index, path: operation.path().to_string(), problem };
    if let PatchOperation::Test(TestOperation { path, value }) = operation {
        // Ours, because numbers are equal by their value.
        return match document.pointer(path.as_str()) {
            None => Err(failed("is not there".to_owned())),
            Some(found) if equal(found, value) => Ok(()),
            Some(found) => Err(failed(format!("the test failed: {} is there", kind(found)))),
        };
    }
    json_patch::patch_unsafe(document, std::slice::from_ref(operation)).map_err(
        |PatchError { kind, .. }| {
            failed(match kind {
                PatchErrorKind::InvalidPointer => "is not there".to_owned(),
                other => other.to_string(),
            })
        },
    )?;
    measure(document).map_err(|error| failed(error.to_string()))?;
    Ok(())
}

/// The members that a change made different, with what they are now; `None` for one that is gone.
pub(crate) fn difference(before: &Document, after: &Document) -> Vec<(String, Option<Value>)> {
    let all: BTreeSet<String> = names(before).union(&names(after)).cloned().collect();
    let changed = all.into_iter().filter(|name| before.0.get(name) != after.0.get(name));
    changed.map(|name| (name.clone(), after.0.get(&name).cloned())).collect()
}

#[cfg(test)]
mod tests;
