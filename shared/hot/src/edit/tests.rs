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
    assert_eq!(problem(&patch(r#"[{"op":"remove","path":""}]"#), before), "operation 0 at ``: is not there");
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
        problem(r#"[{"op":"remove","path":"/a"},{"op":"add","path":"/a"}]"#).contains("operation 1 is no")
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
    let value = prop_oneof![Just("1"), Just("{}"), Just(r#"{"a":{"b":null}}"#), Just("[1,2]"), Just("1e400")];
    let operation = (0..5_u8, at.clone(), at.clone(), value.clone()).prop_map(|(kind, at, from, value)| {
        let op = ["add", "remove", "replace", "move", "copy"][usize::from(kind)];
        format!(r#"{{"op":"{op}","path":"{at}","from":"{from}","value":{value}}}"#)
    });
    prop_oneof![
        (at.clone(), value.clone()).prop_map(|(at, value)| Edit::Set { path: path(&at), value: part(value) }),
        (prop::option::of(at.clone()), value)
            .prop_map(|(at, value)| Edit::Merge { path: path(&at.unwrap_or_default()), patch: part(value) }),
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
