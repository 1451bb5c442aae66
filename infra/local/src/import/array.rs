use std::fmt;
use std::io::Read;

use anyhow::{Context, Result, anyhow};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{Session, hand_on};

/// Reads a JSON array entry by entry, holding one at a time, and hands on the sessions found in each. `what` an entry
/// is called in errors.
pub(super) fn read(
    reader: impl Read,
    what: &'static str,
    sessions: impl Fn(Value) -> Result<Vec<Session>>,
    sender: &mpsc::Sender<Session>,
) -> Result<()> {
    struct Entries<'a, F> {
        sessions: F,
        what: &'static str,
        sender: &'a mpsc::Sender<Session>,
        failed: &'a mut Option<anyhow::Error>,
    }
    impl<'de, F: Fn(Value) -> Result<Vec<Session>>> Visitor<'de> for Entries<'_, F> {
        type Value = ();
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "an array of {}s", self.what)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
            let mut number = 0_u64;
            while let Some(entry) = entries.next_element::<Value>()? {
                number += 1;
                let found = (self.sessions)(entry).with_context(|| format!("{} {number}", self.what));
                let delivered = match found {
                    Ok(sessions) => sessions.into_iter().all(|session| hand_on(session, self.sender)),
                    Err(error) => {
                        *self.failed = Some(error);
                        false
                    }
                };
                if !delivered {
                    // Ends the reading; the error that counts is kept aside or is the receiver's own.
                    return Err(serde::de::Error::custom("stopped"));
                }
            }
            Ok(())
        }
    }
    let mut failed = None;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let outcome = deserializer
        .deserialize_seq(Entries { sessions, what, sender, failed: &mut failed })
        .and_then(|()| deserializer.end());
    match (failed, outcome) {
        (Some(error), _) => Err(error),
        (None, Err(_)) if sender.is_closed() => Ok(()),
        (None, outcome) => outcome.map_err(|error| anyhow!("the file cannot be read: {error}")),
    }
}

/// The first answer of `known` to a key of the array's first entry, reading no further than that key.
pub(super) fn first_known_key<T>(reader: impl Read, known: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
    struct Keys<'a, T, F> {
        known: F,
        found: &'a mut Option<T>,
    }
    impl<'de, T, F: Fn(&str) -> Option<T>> Visitor<'de> for Keys<'_, T, F> {
        type Value = ();
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an array of objects")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
            entries.next_element_seed(self).map(|_| ())
        }
        fn visit_map<A: MapAccess<'de>>(self, mut entry: A) -> Result<(), A::Error> {
            while let Some(key) = entry.next_key::<String>()? {
                if let Some(found) = (self.known)(&key) {
                    *self.found = Some(found);
                    return Err(serde::de::Error::custom("found"));
                }
                entry.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }
    impl<'de, T, F: Fn(&str) -> Option<T>> DeserializeSeed<'de> for Keys<'_, T, F> {
        type Value = ();
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_map(self)
        }
    }
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let outcome = deserializer.deserialize_seq(Keys { known, found: &mut found });
    match (found, outcome) {
        (Some(found), _) => Ok(Some(found)),
        // Reading stops inside the array, which the deserializer takes for an error of the file.
        (None, Err(error)) if error.is_syntax() && !error.to_string().starts_with("trailing") => {
            Err(anyhow!("the file cannot be read: {error}"))
        }
        (None, _) => Ok(None),
    }
}
