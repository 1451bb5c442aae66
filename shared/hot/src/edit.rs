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

    /// Whether it comes to the same when it was carried out already, whatever the document was before.
    pub(crate) const fn is_set(&self) -> bool {
        matches!(self, Self::Set { .. })
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Document {
        Document::read(text).unwrap()
    }

    fn path(text: &str) -> PathTo {
        PathTo::read(text).unwrap()
    }

    fn part(text: &str) -> Part {
        Part::read(text).unwrap()
    }

    fn after(edit: &Edit, before: &str) -> String {
        edit.apply(&document(before)).unwrap().to_string()
    }

    fn patch(text: &str) -> Edit {
        Edit::Patch(Operations::read(text).unwrap())
    }

    fn problem(edit: &Edit, before: &str) -> String {
        edit.apply(&document(before)).unwrap_err().to_string()
    }

    #[test]
    fn a_part_is_set_where_what_it_lies_in_is_there() {
        let set = |at: &str, value: &str| Edit::Set { path: path(at), value: part(value) };
        let before = r#"{"a":{"b":1},"l":[1,2]}"#;
        assert_eq!(
            after(&set("/a/b", "18446744073709551616"), before),
            r#"{"a":{"b":18446744073709551616},"l":[1,2]}"#
        );
        assert_eq!(after(&set("/a/c", "{}"), before), r#"{"a":{"b":1,"c":{}},"l":[1,2]}"#);
        assert_eq!(after(&set("/l/1", "9"), before), r#"{"a":{"b":1},"l":[1,9]}"#);
        assert_eq!(after(&set("/l/2", "9"), before), r#"{"a":{"b":1},"l":[1,2,9]}"#);
        assert_eq!(after(&set("", "{}"), before), "{}");
        for wrong in ["/x/y", "/l/3", "/l/-", "/a/b/c"] {
            assert_eq!(problem(&set(wrong, "1"), before), format!("`{wrong}` is not there"));
        }
        assert_eq!(problem(&set("", "[]"), before), "the whole is an array, expected an object");
    }

    #[test]
    fn a_merge_patch_takes_away_what_is_null() {
        // The examples of RFC 7396, appendix A, whose targets are objects.
        for (target, merged, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(
                after(&Edit::Merge { path: path(""), patch: part(merged) }, target),
                result,
                "{target} {merged}"
            );
        }
        let within = |at: &str, merged: &str| Edit::Merge { path: path(at), patch: part(merged) };
        assert_eq!(after(&within("/l/0", r#"{"b":null,"c":2}"#), r#"{"l":[{"b":1}]}"#), r#"{"l":[{"c":2}]}"#);
        assert_eq!(after(&within("/new", r#"{"b":null,"c":2}"#), "{}"), r#"{"new":{"c":2}}"#);
        assert_eq!(problem(&within("/x/y", "{}"), "{}"), "`/x/y` is not there");
        assert_eq!(problem(&within("", "[]"), "{}"), "the whole is an array, expected an object");
    }

    #[test]
    fn a_patch_is_carried_out_as_a_whole_or_not_at_all() {
        let before = r#"{"a":[1,2],"n":18446744073709551616}"#;
        let edit = patch(
            r#"[{"op":"test","path":"/n","value":1.8446744073709551616e19},{"op":"test","path":"/a/0","value":1.0},
                {"op":"add","path":"/a/-","value":3},{"op":"move","from":"/n","path":"/m"},
                {"op":"copy","from":"/a","path":"/b"},{"op":"remove","path":"/a/0"},{"op":"replace","path":"/b","value":null}]"#,
        );
        assert_eq!(after(&edit, before), r#"{"a":[2,3],"b":null,"m":18446744073709551616}"#);
        assert_eq!(
            problem(
                &patch(r#"[{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":1}]"#),
                before
            ),
            "operation 1 at `/a`: the test failed: an array is there"
        );
        assert_eq!(
            problem(&patch(r#"[{"op":"remove","path":"/x"}]"#), before),
            "operation 0 at `/x`: is not there"
        );
        assert_eq!(
            problem(&patch(r#"[{"op":"remove","path":""}]"#), before),
            "operation 0 at ``: is not there"
        );
        assert_eq!(
            problem(&patch(r#"[{"op":"move","from":"/a","path":"/a/0"}]"#), before),
            "operation 0 at `/a/0`: cannot move the value inside itself"
        );
    }

    #[test]
    fn what_is_no_patch_is_told_by_its_operation() {
        let problem = |text: &str| Operations::read(text).unwrap_err().to_string();
        assert_eq!(problem("{}"), "a JSON Patch is an array of at most 500 operations");
        assert!(
            problem(r#"[{"op":"remove","path":"/a"},{"op":"add","path":"/a"}]"#)
                .contains("operation 1 is no")
        );
        assert!(problem(r#"[{"op":"jump","path":"/a"}]"#).contains("jump"));
        assert!(problem(r#"[{"op":"remove","path":"a"}]"#).starts_with("operation 0"));
        assert!(!problem(r#"[{"op":1e999,"path":"/a"}]"#).contains('\0'));
        assert!(Operations::read(&format!("[{}1]", "1,".repeat(MOST_OPERATIONS))).is_err());
        assert!(problem(r#"[{"op":"add","path":"/a","value":"\u0000"}]"#).contains("`/0/value`"));
    }

    #[test]
    fn copies_of_copies_end_at_the_limits() {
        let doubling = r#"{"op":"copy","from":"/a","path":"/a/-"},"#.repeat(200);
        let edit = patch(&format!("[{}]", doubling.trim_end_matches(',')));
        let found = problem(&edit, r#"{"a":["x"]}"#);
        assert!(found.contains("262144 are kept") || found.contains("lies deeper"), "{found}");
    }

    #[test]
    fn what_is_taken_away_twice_is_gone() {
        let remove = |at: &str| Edit::Remove { path: path(at) };
        assert_eq!(after(&remove("/a/b"), r#"{"a":{"b":1}}"#), r#"{"a":{}}"#);
        for at in ["/a/b", "/x", "/x/y", "/a/9"] {
            assert_eq!(after(&remove(at), r#"{"a":{}}"#), r#"{"a":{}}"#);
        }
        assert_eq!(after(&remove("/l/0"), r#"{"l":[1,2]}"#), r#"{"l":[2]}"#);
        assert_eq!(after(&remove("/l/2"), r#"{"l":[1,2]}"#), r#"{"l":[1,2]}"#);
    }

    fn any_edit() -> impl Strategy<Value = Edit> {
        let name = || prop_oneof![Just("a"), Just("b"), Just("c~1d"), Just("")];
        let at = (name(), prop::option::of(name())).prop_map(|(one, two)| match two {
            Some(two) => format!("/{one}/{two}"),
            None => format!("/{one}"),
        });
        let value =
            prop_oneof![Just("1"), Just("{}"), Just(r#"{"a":{"b":null}}"#), Just("[1,2]"), Just("1e400")];
        let operation =
            (0..5_u8, at.clone(), at.clone(), value.clone()).prop_map(|(kind, at, from, value)| {
                let op = ["add", "remove", "replace", "move", "copy"][usize::from(kind)];
                format!(r#"{{"op":"{op}","path":"{at}","from":"{from}","value":{value}}}"#)
            });
        prop_oneof![
            (at.clone(), value.clone())
                .prop_map(|(at, value)| Edit::Set { path: path(&at), value: part(value) }),
            (prop::option::of(at.clone()), value).prop_map(|(at, value)| Edit::Merge {
                path: path(&at.unwrap_or_default()),
                patch: part(value)
            }),
            at.prop_map(|at| Edit::Remove { path: path(&at) }),
            prop::collection::vec(operation, 1..4).prop_map(|all| patch(&format!("[{}]", all.join(",")))),
        ]
    }

    proptest! {
        /// A change that is given only the members it touches does to them what it does to them within the whole.
        #[test]
        fn what_is_not_touched_does_not_matter(edit in any_edit(), other in 0..3_u8) {
            let whole = document(
                [r#"{"a":{"a":1},"b":[1],"c/d":2,"z":3}"#, r#"{"":{"":0},"b":{"a":[]},"z":{}}"#, "{}"][usize::from(other)],
            );
            let Touched::Members(touched) = edit.touched() else { return Ok(()) };
            let members = whole.0.iter().filter(|(name, _)| touched.contains(*name));
            let part = Document(members.map(|(name, value)| (name.clone(), value.clone())).collect());
            match (edit.apply(&whole), edit.apply(&part)) {
                (Ok(one), Ok(other)) => prop_assert_eq!(difference(&whole, &one), difference(&part, &other)),
                (Err(one), Err(other)) => prop_assert_eq!(one, other),
                (one, other) => prop_assert!(false, "{:?} {:?}", one, other),
            }
        }
    }
}
