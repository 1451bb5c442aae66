use proptest::prelude::*;
use serde_json::json;

use super::*;

const SESSION: SessionId = SessionId(Uuid::from_u128(7));
const MIB: usize = 1 << 20;

/// Saves states one after the other, as the store does, and answers the rows.
fn saved(states: &[Value]) -> Vec<(StoredCheckpoint, Plan)> {
    let mut rows: Vec<(StoredCheckpoint, Plan)> = Vec::new();
    let mut base = None;
    for (sequence, state) in (1..).zip(states) {
        let canonical = Canonical::of(state, MIB).unwrap();
        let parent =
            rows.last().map(|(row, _)| Parent { sequence: row.sequence, checksum: row.checksum.clone() });
        let checkpoint = Checkpoint {
            session: SESSION,
            sequence,
            node_id: format!("node {}", sequence % 3),
            parent: parent.clone(),
            through: sequence * 2,
            schema_version: 1,
            state: state.clone(),
        };
        let plan = plan(sequence, state, &canonical, base.take());
        let row = StoredCheckpoint {
            session: SESSION.0,
            sequence,
            node_id: checkpoint.node_id.clone(),
            parent,
            through: checkpoint.through,
            schema_version: 1,
            body: plan.body.clone(),
            checksum: checksum(&checkpoint, &canonical).to_vec(),
        };
        rows.push((row, plan));
        let chain = chain(&rows, rows.len() - 1);
        let (_, last) = rows.last().unwrap();
        base = Some(Base {
            state: restore(&chain).unwrap().state,
            whole: last.whole,
            patches: last.patches,
            bytes: last.bytes,
        });
    }
    rows
}

/// The rows that are read for the one at this place.
fn chain(rows: &[(StoredCheckpoint, Plan)], at: usize) -> Vec<StoredCheckpoint> {
    let whole = rows[at].1.whole;
    rows[..=at].iter().map(|(row, _)| row.clone()).filter(|row| row.sequence >= whole).collect()
}

#[test]
fn the_checksum_is_over_the_canonical_form_of_all_of_it() {
    let state = json!({"b": 1.5, "a": "é"});
    let checkpoint = Checkpoint {
        session: SESSION,
        sequence: 4,
        node_id: "say \"hi\"\n".into(),
        parent: Some(Parent { sequence: 3, checksum: vec![0xab; 32] }),
        through: 9,
        schema_version: 2,
        state: state.clone(),
    };
    let whole = json!({
        "session": SESSION.to_string(), "node_id": checkpoint.node_id, "sequence": 4, "schema_version": 2,
        "parent": {"sequence": 3, "checksum": "ab".repeat(32)}, "state": state, "through": 9,
    });
    let canonical = Canonical::of(&state, MIB).unwrap();
    assert_eq!(checksum(&checkpoint, &canonical), Canonical::of(&whole, MIB).unwrap().digest());
    let first = Checkpoint { parent: None, ..checkpoint };
    let mut whole = whole;
    whole["parent"] = Value::Null;
    assert_eq!(checksum(&first, &canonical), Canonical::of(&whole, MIB).unwrap().digest());
}

#[test]
fn a_large_state_that_changes_a_little_is_stored_as_patches_between_whole_ones() {
    let states: Vec<Value> =
        (0..50).map(|step| json!({"history": "x".repeat(2_000), "step": step})).collect();
    let rows = saved(&states);
    let whole: Vec<i64> = rows
        .iter()
        .filter(|(row, _)| matches!(row.body, Body::Whole(_)))
        .map(|(row, _)| row.sequence)
        .collect();
    assert_eq!(whole, [1, 21, 41]);
    for (at, state) in states.iter().enumerate() {
        assert_eq!(restore(&chain(&rows, at)).unwrap().state, *state);
    }
}

#[test]
fn a_state_that_is_another_every_time_is_stored_whole() {
    let states: Vec<Value> = (0..5).map(|step| json!([format!("{step}").repeat(50)])).collect();
    assert!(saved(&states).iter().all(|(_, plan)| matches!(plan.body, Body::Whole(_))));
}

#[test]
fn a_missing_row_is_noticed() {
    let states: Vec<Value> = (0..4).map(|step| json!({"x": "x".repeat(500), "step": step})).collect();
    let rows = saved(&states);
    let chain = chain(&rows, 3);
    assert_eq!(restore(&chain[1..]), Err(Damage::NoWhole));
    assert_eq!(restore(&[chain[0].clone(), chain[3].clone()]), Err(Damage::Broken));
    assert_eq!(restore(&[]), Err(Damage::NoWhole));
}

fn any_state() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e18_f64..1e18).prop_map(Value::from),
        any::<f64>().prop_filter("a number of JSON", |number| number.is_finite()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("|/|~|-|0|01|[a-e~/]{1,2}|.{0,3}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn padded(state: &Value) -> Value {
    json!({"padding": "p".repeat(400), "state": state})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn patches_lead_to_the_same_states_as_storing_them_whole(
        states in prop::collection::vec(any_state().prop_map(|state| padded(&state)), 1..12),
    ) {
        let rows = saved(&states);
        for (at, state) in states.iter().enumerate() {
            let restored = restore(&chain(&rows, at)).unwrap();
            prop_assert_eq!(Canonical::unchecked(&restored.state), Canonical::unchecked(state));
            prop_assert_eq!(restored.node_id.as_str(), rows[at].0.node_id.as_str());
            prop_assert!(rows[at].1.patches <= MOST_PATCHES);
            prop_assert!(rows[at].1.bytes <= 2 * Canonical::unchecked(state).bytes());
        }
    }

    #[test]
    fn any_byte_that_changed_in_the_rows_of_a_checkpoint_is_noticed(
        states in prop::collection::vec(any_state().prop_map(|state| padded(&state)), 1..5),
        column in 0..8,
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let rows = saved(&states);
        let mut chain = chain(&rows, rows.len() - 1);
        let good = chain.clone();
        let row = chain.last_mut().unwrap();
        let change = |text: &mut String| {
            let mut bytes = std::mem::take(text).into_bytes();
            let place = at.index(bytes.len());
            bytes[place] = to;
            *text = String::from_utf8_lossy(&bytes).into_owned();
        };
        match column {
            0 => match &mut row.body {
                Body::Whole(text) | Body::Patch(text) => change(text),
            },
            1 => change(&mut row.node_id),
            2 => row.sequence ^= 1 << (to % 62),
            3 => match &mut row.parent {
                Some(parent) => parent.sequence ^= 1 << (to % 62),
                none => *none = Some(Parent { sequence: 1, checksum: vec![to; 32] }),
            },
            4 => match &mut row.parent {
                Some(parent) => { let place = at.index(32); parent.checksum[place] = to; }
                none => *none = Some(Parent { sequence: i64::from(to), checksum: Vec::new() }),
            },
            5 => { let place = at.index(32); row.checksum[place] = to; }
            6 => row.through ^= 1 << (to % 62),
            _ => row.schema_version ^= 1 << (to % 14),
        }
        if chain != good {
            prop_assert!(restore(&chain).is_err());
        }
        // The whole state that the others are made of, too.
        let mut chain = good.clone();
        if let Some(StoredCheckpoint { body: Body::Whole(text) | Body::Patch(text), .. }) = chain.first_mut() {
            let mut bytes = std::mem::take(text).into_bytes();
            let place = at.index(bytes.len());
            bytes[place] = to;
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        if chain != good {
            match restore(&chain) {
                Err(_) => {}
                // It was in what a patch replaced.
                Ok(restored) => prop_assert_eq!(restored, restore(&good).unwrap()),
            }
        }
    }
}
