use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::state::{EVENT_SCHEMA, MOST_TAIL_BYTES, read_snapshot, write_snapshot};

fn entry(version: i64, event_type: &str, payload: Value) -> Entry {
    Entry {
        version,
        event_type: event_type.to_owned(),
        schema_version: EVENT_SCHEMA,
        role: None,
        speaker: None,
        content: None,
        payload,
        occurred_at: Timestamp::from_second(1_700_000_000 + version).unwrap(),
    }
}

fn fold(entries: impl IntoIterator<Item = Entry>) -> SessionState {
    let mut state = SessionState::default();
    for entry in entries {
        state.apply(entry).unwrap();
    }
    state
}

#[test]
fn version_0_is_the_empty_state_at_the_start() {
    let state = SessionState::default();
    assert_eq!((state.version, state.current_node.as_str()), (0, "start"));
    assert_eq!(state.metadata.document(), &json!({}));
}

#[test]
fn each_kind_of_event_changes_what_it_is_about() {
    let said = Entry {
        role: Some("user".into()),
        content: Some("hi".into()),
        ..entry(1, "message", json!({"x": 1}))
    };
    let state = fold([
        said,
        entry(2, "tool_call", json!({"name": "search", "result": [1]})),
        entry(3, "tool_call", json!({"name": "search", "result": [2]})),
        Entry { content: Some("sunny".into()), ..entry(4, "tool_call", json!({"name": "weather"})) },
        entry(5, "tool_call", json!({"arguments": {}})),
        entry(6, "decision", json!({"choice": "go"})),
        entry(7, "observation", json!({"place": {"city": "Oslo", "rain": true}})),
        entry(8, "observation", json!({"place": {"rain": null}})),
        entry(9, "node_transition", json!({"from": "start", "to": "travel", "reason": "sun"})),
        entry(10, "node_transition", json!({"to": ""})),
    ]);
    assert_eq!(state.messages.last[0].content, "hi");
    assert_eq!(state.tool_calls, 4);
    assert_eq!((state.tool_results["search"].calls, &state.tool_results["search"].result), (2, &json!([2])));
    assert_eq!(state.tool_results["weather"].result, json!("sunny"));
    assert_eq!(state.decisions.last[0].payload, json!({"choice": "go"}));
    assert_eq!(state.metadata.document(), &json!({"place": {"city": "Oslo"}, "reason": "sun"}));
    assert_eq!((state.version, state.current_node.as_str()), (10, "travel"));
}

#[test]
fn an_event_of_a_later_version_of_this_code_changes_the_version_alone() {
    let mut state = fold([entry(1, "observation", json!({"a": 1}))]);
    let before = state.clone();
    assert_eq!(state.apply(entry(2, "dream", json!({"a": 2}))), Ok(Understood::No));
    let later = Entry { schema_version: EVENT_SCHEMA + 1, ..entry(3, "observation", json!({"a": 3})) };
    assert_eq!(state.apply(later), Ok(Understood::No));
    assert_eq!(state, SessionState { version: 3, ..before });
    assert_eq!(state.apply(entry(5, "decision", json!({}))), Err(OutOfOrder { at: 3, found: 5 }));
}

#[test]
fn events_of_the_first_schema_are_read_as_if_written_today() {
    let old = |version, kind, payload| Entry { schema_version: 1, ..entry(version, kind, payload) };
    let state = fold([
        old(1, "tool_call", json!({"tool": "search", "output": 7})),
        old(2, "node_transition", json!({"node": "plan"})),
        old(3, "tool_call", json!({"name": "weather", "tool": "radar", "result": 8})),
    ]);
    assert_eq!(state.tool_results["search"].result, json!(7));
    assert_eq!(state.tool_results["weather"].result, json!(8));
    assert_eq!(state.current_node, "plan");
}

#[test]
fn a_state_is_bounded_however_long_the_session() {
    let long = "x".repeat(100_000);
    let entries = (1..=1_200).map(|version| match version % 4 {
        0 => Entry { content: Some(long.clone()), ..entry(version, "message", json!({})) },
        1 => entry(
            version,
            "tool_call",
            json!({"name": format!("tool{version}"), "result": "y".repeat(9_000)}),
        ),
        2 => entry(version, "decision", json!({"why": long})),
        _ => entry(version, "observation", json!({format!("key{version}"): "z".repeat(1_000)})),
    });
    let state = fold(entries);
    assert_eq!((state.messages.count, state.decisions.count), (300, 300));
    assert_eq!((state.messages.last.len(), state.decisions.last.len()), (2, 2));
    assert!(state.tool_results.len() <= MOST_TOOLS);
    assert!(state.tool_results.contains_key("tool1197"), "the oldest go first");
    assert!(state.metadata_left_out > 100);
    let most = MOST_TAIL_BYTES * 2 + MOST_RESULT_BYTES + MOST_METADATA_BYTES + 50_000;
    assert!(serde_json::to_string(&state).unwrap().len() < most);
    let mut state = state;
    let huge = Entry { content: Some("w".repeat(300_000)), ..entry(1_201, "message", json!({})) };
    state.apply(huge).unwrap();
    assert_eq!(state.messages.last.len(), 1, "the newest is there whatever its size");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let kinds = prop_oneof![
        Just("message"),
        Just("tool_call"),
        Just("decision"),
        Just("observation"),
        Just("node_transition"),
        Just("dream"),
    ];
    let fields = prop::collection::btree_map("name|to|result|node|tool|[a-c]", any_json(), 0..4);
    (kinds, fields, prop::option::of("[a-z ]{0,20}"), 1_i16..=3, 0_usize..40_000).prop_map(
        |(kind, fields, content, schema_version, padding)| {
            let payload = Value::Object(fields.into_iter().collect());
            let content = content.map(|content| content + &"~".repeat(padding));
            Entry { schema_version, content, ..entry(0, kind, payload) }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn folding_on_from_any_snapshot_is_folding_from_the_start(
        entries in prop::collection::vec(any_entry(), 0..120),
        at in any::<prop::sample::Index>(),
    ) {
        let entries: Vec<Entry> =
            (1..).zip(entries).map(|(version, entry)| Entry { version, ..entry }).collect();
        let whole = fold(entries.clone());
        let at = at.index(entries.len() + 1);
        let before = fold(entries.iter().take(at).cloned());
        let (schema, stored) = write_snapshot(&before);
        let stored: Value = serde_json::from_str(&stored.to_string()).unwrap();
        let mut on = read_snapshot(schema, before.version, stored).unwrap();
        for entry in entries.into_iter().skip(at) {
            on.apply(entry).unwrap();
        }
        prop_assert_eq!(on, whole);
    }
}
