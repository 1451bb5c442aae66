//! Any bytes decode to a message or an error, and every row of a message can be walked:
//! `cargo +nightly fuzz run pgoutput` in `functions/cdc-reader`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pgoutput::{Message, OldTuple, Tuple};

// The decoder alone, so that a build takes seconds and not the whole tree of the function.
#[path = "../../src/pgoutput/mod.rs"]
#[allow(dead_code, reason = "the target reads rows, not every name")]
mod pgoutput;

fn walk(row: Tuple<'_>) {
    assert_eq!(row.iter().count(), row.len());
}

fuzz_target!(|bytes: &[u8]| {
    match Message::decode(bytes) {
        Ok(Message::Insert { new, .. }) => walk(new),
        Ok(Message::Update { old, new, .. }) => {
            if let Some(OldTuple::Key(row) | OldTuple::Full(row)) = old {
                walk(row);
            }
            walk(new);
        }
        Ok(Message::Delete { old: OldTuple::Key(row) | OldTuple::Full(row), .. }) => walk(row),
        Ok(Message::Truncate { relations, .. }) => assert!(relations.iter().count() <= bytes.len() / 4),
        Ok(_) | Err(_) => {}
    }
});
