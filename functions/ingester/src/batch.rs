//! A batch as it was delivered: pure.

use std::collections::{BTreeMap, BTreeSet};

use domain::{AcceptedEvents, InvalidAccepted, TenantId};
use queue::Letter;

/// A message and the events in it, when it can be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivered {
    pub(crate) letter: Letter,
    pub(crate) accepted: Option<AcceptedEvents>,
}

/// What the messages of one batch are.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What is to be stored, in the order of delivery.
    pub(crate) readable: BTreeMap<TenantId, Vec<Delivered>>,
    /// What no version of this code can read, and why.
    pub(crate) malformed: Vec<(Delivered, InvalidAccepted)>,
    /// What a later version can read, and whatever follows it in its group: left in the queue.
    pub(crate) unknown: Vec<Delivered>,
}

impl Batch {
    /// Reads each message by itself.
    pub(crate) fn read(letters: Vec<Letter>) -> Self {
        let mut batch = Self::default();
        let mut held: BTreeSet<String> = BTreeSet::new();
        for letter in letters {
            if held.contains(&letter.group) {
                batch.unknown.push(Delivered { letter, accepted: None });
                continue;
            }
            match AcceptedEvents::parse(&letter.body) {
                Ok(accepted) => {
                    let of_tenant = batch.readable.entry(accepted.tenant.clone()).or_default();
                    of_tenant.push(Delivered { letter, accepted: Some(accepted) });
                }
                Err(InvalidAccepted::UnknownFormat { got }) => {
                    tracing::error!(
                        message_id = letter.message_id,
                        format = got,
                        "a message of another format was left in the queue"
                    );
                    held.insert(letter.group.clone());
                    batch.unknown.push(Delivered { letter, accepted: None });
                }
                Err(error) => batch.malformed.push((Delivered { letter, accepted: None }, error)),
            }
        }
        batch
    }

    /// Everything that can be read.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = &AcceptedEvents> {
        self.readable.values().flatten().filter_map(|delivered| delivered.accepted.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter(id: &str, group: &str, body: &serde_json::Value) -> Letter {
        Letter {
            message_id: id.to_owned(),
            body: body.to_string(),
            group: group.to_owned(),
            receipt_handle: String::new(),
            receive_count: 1,
        }
    }

    fn body(tenant: &str, format: u32) -> serde_json::Value {
        json!({
            "format": format, "tenant": tenant, "user": "ada", "session": "chat", "preceding": 0,
            "accepted_at": "2027-01-15T08:00:00Z",
            "events": [{
                "type": "message", "role": "user", "content": "hi", "payload": {}, "schema_version": 2,
                "idempotency_key": "k", "occurred_at": "2027-01-15T08:00:00Z",
            }],
        })
    }

    #[test]
    fn what_follows_a_message_of_a_later_format_in_its_group_waits_with_it() {
        let batch = Batch::read(vec![
            letter("1", "a", &body("acme", 1)),
            letter("2", "a", &body("acme", 2)),
            letter("3", "a", &body("acme", 1)),
            letter("4", "b", &body("other", 1)),
            letter("5", "b", &json!("nothing")),
            letter("6", "b", &body("other", 1)),
        ]);
        let ids = |of: &[Delivered]| of.iter().map(|one| one.letter.message_id.clone()).collect::<Vec<_>>();
        let readable: Vec<_> = batch.readable.values().map(|of| ids(of)).collect();
        assert_eq!(readable, [vec!["1"], vec!["4", "6"]]);
        assert_eq!(ids(&batch.unknown), ["2", "3"]);
        assert_eq!(batch.malformed.len(), 1);
        assert_eq!(batch.accepted().count(), 3);
    }
}
