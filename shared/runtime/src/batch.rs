use std::collections::BTreeMap;

use domain::{Envelope, InvalidEnvelope, SessionId, TenantId, UserId, WakeUp};
use queue::Delivery;

/// What the messages of one batch come to: each session once, with the newest of its wake-ups.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// One piece of work per session, and per other wake-up.
    pub(crate) work: Vec<Work>,
    /// Messages that no version of this code can read: acknowledged and counted.
    pub(crate) malformed: Vec<(String, InvalidEnvelope)>,
    /// Messages of another format: left in the queue for the version that can read it.
    pub(crate) unknown: Vec<(String, InvalidEnvelope)>,
}

/// One piece of work and the messages that asked for it. They succeed or fail together.
#[derive(Debug, PartialEq)]
pub(crate) struct Work {
    /// The newest wake-up.
    pub(crate) envelope: Envelope,
    /// All messages it stands for.
    pub(crate) messages: Vec<Message>,
    /// How often SQS has delivered the one it has delivered most often.
    pub(crate) receives: u32,
}

/// What a message is acknowledged or put off by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its identifier.
    pub(crate) id: String,
    /// The handle of this delivery.
    pub(crate) receipt_handle: String,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Session(TenantId, SessionId),
    Memories(TenantId, SessionId),
    Window(uuid::Uuid),
    User(TenantId, UserId),
    TickRest(TenantId, UserId),
    Tick,
}

/// Sorts the messages of a batch.
pub(crate) fn coalesce(deliveries: Vec<Delivery>) -> Batch {
    let mut batch = Batch::default();
    let mut work: BTreeMap<Subject, Work> = BTreeMap::new();
    for Delivery { message_id, receipt_handle, envelope, receive_count, .. } in deliveries {
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(error @ InvalidEnvelope::UnknownFormat { .. }) => {
                batch.unknown.push((message_id, error));
                continue;
            }
            Err(error) => {
                batch.malformed.push((message_id, error));
                continue;
            }
        };
        let subject = match &envelope.wake_up {
            WakeUp::Session { tenant, session, .. } => Subject::Session(tenant.clone(), *session),
            WakeUp::Memories { tenant, session } => Subject::Memories(tenant.clone(), *session),
            WakeUp::Window { run, .. } => Subject::Window(*run),
            WakeUp::User { tenant, user } => Subject::User(tenant.clone(), user.clone()),
            WakeUp::TickRest { tenant, user } => Subject::TickRest(tenant.clone(), user.clone()),
            WakeUp::Tick => Subject::Tick,
            WakeUp::Endpoint { .. } => {
                batch.malformed.push((message_id, InvalidEnvelope::OfAnother));
                continue;
            }
        };
        let message = Message { id: message_id, receipt_handle };
        match work.get_mut(&subject) {
            None => {
                work.insert(subject, Work { envelope, messages: vec![message], receives: receive_count });
            }
            Some(known) => {
                known.messages.push(message);
                known.receives = known.receives.max(receive_count);
                known.envelope = newer(known.envelope.clone(), envelope);
            }
        }
    }
    batch.work = work.into_values().collect();
    batch
}

/// The wake-up with the higher version; first sent when the earlier was.
fn newer(one: Envelope, other: Envelope) -> Envelope {
    let version = |envelope: &Envelope| match envelope.wake_up {
        WakeUp::Session { version, .. } => version,
        _ => 0,
    };
    let first_sent_at = one.first_sent_at.min(other.first_sent_at);
    let deferrals = one.deferrals.max(other.deferrals);
    let newest = if version(&other) > version(&one) { other } else { one };
    Envelope { first_sent_at, deferrals, ..newest }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn delivery(id: &str, session: u128, version: i64, second: i64) -> Delivery {
        let wake_up = WakeUp::Session {
            tenant: TenantId::new("acme").unwrap(),
            session: SessionId(Uuid::from_u128(session)),
            version,
        };
        Delivery {
            message_id: id.into(),
            envelope: Ok(Envelope::first(wake_up, Timestamp::from_second(second).unwrap())),
            receipt_handle: String::new(),
            receive_count: 1,
            queue_arn: String::new(),
        }
    }

    #[test]
    fn a_session_is_worked_on_once_at_its_newest_version_whatever_the_order() {
        let batch = coalesce(vec![
            delivery("a", 1, 3, 10),
            delivery("b", 2, 1, 10),
            delivery("c", 1, 7, 20),
            delivery("d", 1, 5, 5),
        ]);
        assert_eq!(batch.work.len(), 2);
        let first = &batch.work[0];
        let ids: Vec<&str> = first.messages.iter().map(|message| message.id.as_str()).collect();
        assert_eq!(ids, ["a", "c", "d"]);
        assert!(matches!(first.envelope.wake_up, WakeUp::Session { version: 7, .. }));
        assert_eq!(first.envelope.first_sent_at, Timestamp::from_second(5).unwrap());
    }

    #[test]
    fn a_body_that_is_no_wake_up_is_apart_from_one_of_a_later_format() {
        let mut malformed = delivery("a", 1, 1, 1);
        malformed.envelope = Envelope::parse("hello");
        let mut later = delivery("b", 1, 1, 1);
        later.envelope = Err(InvalidEnvelope::UnknownFormat { got: 2 });
        let batch = coalesce(vec![malformed, later]);
        assert_eq!((batch.malformed.len(), batch.unknown.len(), batch.work.len()), (1, 1, 0));
    }
}
