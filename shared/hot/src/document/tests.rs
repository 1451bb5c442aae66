use proptest::prelude::*;
use serde_json::json;

use super::*;

fn again(text: &str) -> String {
    write(&read(text).unwrap())
}

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn numbers_keep_their_value_however_long() {
    for text in [
        "0",
        "-1",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890123456789012345678901234567890",
        "0.1",
        "1.0",
        "0.12345678901234567890123456789",
        "1e400",
        "-2.5e-400",
        "3.141592653589793238462643383279",
        "1e99999999999999999999999",
    ] {
        assert_eq!(again(text), text);
        assert_eq!(again(&format!(r#"{{"a":[{text}]}}"#)), format!(r#"{{"a":[{text}]}}"#));
    }
    assert_eq!(again("1e5"), "100000.0", "another way to write the same value");
    assert_eq!(again("1.10"), "1.1");
    assert_eq!(again("-0"), "-0.0");
}

#[test]
fn numbers_are_equal_by_their_value() {
    let same = |one: &str, other: &str| equal(&read(one).unwrap(), &read(other).unwrap());
    for (one, other) in [
        ("1", "1.0"),
        ("1e5", "100000"),
        ("0", "-0.0"),
        ("18446744073709551616", "1.8446744073709551616e19"),
        (r#"{"a":[1,{"b":2}]}"#, r#"{"a":[1.0,{"b":2e0}]}"#),
    ] {
        assert!(same(one, other), "{one} {other}");
    }
    for (one, other) in [
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.10000000000000000001"),
        ("1", r#""1""#),
        ("18446744073709551616", r#""18446744073709551616""#),
        ("[1]", "[1,1]"),
        (r#"{"a":1}"#, r#"{"b":1}"#),
        ("1", "-1"),
    ] {
        assert!(!same(one, other), "{one} {other}");
    }
}

#[test]
fn empty_names_strings_nulls_and_depth_are_kept() {
    let deep = format!("{}1{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
    for text in [r#"{"":{"":""},"a":null,"b":[],"c":{},"d~/":"\u0001é𝄞"}"#, deep.as_str()] {
        let value = read(text).unwrap();
        assert_eq!(read(&write(&value)).unwrap(), value);
        measure(&value).unwrap();
    }
}

#[test]
fn what_cannot_be_kept_is_named_with_its_place() {
    assert_eq!(
        refused(r#"{"a":[0,"x\u0000"]}"#),
        "`/a/1` holds a zero character (\\u0000), which is not kept"
    );
    assert_eq!(
        refused(r#"{"a":{"b/c":"\ud800"}}"#),
        "`/a/b~1c` holds half of a surrogate pair (\\ud800 to \\udfff), which is no text"
    );
    assert_eq!(
        refused(r#"{"a":"\udc00 x"}"#),
        "`/a` holds half of a surrogate pair (\\ud800 to \\udfff), which is no text"
    );
    assert!(refused(r#"{"\ud800":1}"#).contains("surrogate"));
    assert!(refused(r#"{"\u0000":1}"#).contains("zero character"));
    assert_eq!(refused(r#"{"a":{"b":1,"b":2}}"#), "`/a/b` is given more than once, expected once");
    let deep = format!("{}{}", "[".repeat(DEEPEST + 1), "]".repeat(DEEPEST + 1));
    assert!(refused(&deep).ends_with("lies deeper than 100 objects and arrays"), "{}", refused(&deep));
    let long = "n".repeat(LONGEST_MEMBER_NAME_BYTES + 1);
    assert_eq!(
        refused(&format!(r#"{{"a":{{"{long}":1}}}}"#)),
        "`/a` has a member whose name takes 257 bytes, expected at most 256"
    );
    for text in ["", "{", "{} {}", "nul", "NaN", "01", "{\"a\":1,}", "'a'"] {
        assert!(matches!(read(text), Err(InvalidDocument::Syntax(_))), "{text}");
    }
    assert_eq!(Document::read("[1]").unwrap_err().to_string(), "the whole is an array, expected an object");
    let large = json!({"a": "x".repeat(MOST_DOCUMENT_BYTES)});
    assert!(
        matches!(measure(&large), Err(InvalidDocument::TooLarge { bytes }) if bytes == MOST_DOCUMENT_BYTES + 8)
    );
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("a number", |value| value.is_finite())
            .prop_map(|value| format!("{value:?}")),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?",
        "[^\u{0}]{0,8}".prop_map(|text| Value::String(text).to_string()),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|all| format!("[{}]", all.join(" , "))),
            prop::collection::btree_map("[^\u{0}]{0,4}", inner, 0..5).prop_map(|all| {
                let members: Vec<String> = all
                    .into_iter()
                    .map(|(name, value)| format!("{} : {value}", Value::String(name)))
                    .collect();
                format!("{{ {} }}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_read_is_written_with_the_same_value(text in any_json()) {
        let value = read(&text).unwrap();
        let written = write(&value);
        prop_assert_eq!(&read(&written).unwrap(), &value);
        prop_assert!(equal(&read(&written).unwrap(), &value));
        prop_assert_eq!(measure(&value).unwrap(), written.len());
        // Where a machine's numbers are enough, another reader sees the same.
        if !format!("{value:?}").contains("\\0") {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]{}\",:0-9a-z\\\\u -]{0,40}") {
        let _ = read(&text);
    }
}
