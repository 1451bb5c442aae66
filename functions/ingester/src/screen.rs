//! The last gate: what a tenant wants kept out does not get into the log, whoever put it into the queue.

use domain::{AcceptedEvent, GuardAction, GuardPolicy, OWN_PAYLOAD, TenantId};
use guard::{Found, keep_record, screen_event};
use store::NewEvent;

use crate::Ingester;
use crate::batch::Delivered;
use crate::wanted::Wanted;

impl Ingester {
    /// Looks through the events of a tenant; false when nobody can say now what it wants kept out. They are looked through even
    /// then by what was known last, because those that wait are shown.
    pub(crate) async fn screen(&self, tenant: &TenantId, delivered: &mut [Delivered]) -> bool {
        let (Wanted { guard: policy, .. }, is_current) = self.wanted(tenant).await;
        if !policy.is_off() {
            let events = delivered.iter_mut().filter_map(|one| one.accepted.as_mut());
            for event in events.flat_map(|accepted| &mut accepted.events) {
                screened(tenant, policy, event);
            }
        }
        is_current
    }
}

/// Takes out of an event what is to be redacted. One that holds what is to be blocked was accepted all the same: it keeps its
/// place, and says nothing but that.
fn screened(tenant: &TenantId, policy: GuardPolicy, event: &mut AcceptedEvent) {
    match screen_event(policy, event.content.as_mut(), &mut event.payload) {
        Ok(found) => {
            found.tell(tenant, GuardAction::Redact);
            if !found.is_empty() {
                shortened(event);
            }
        }
        Err(blocked) => {
            let found = Found::from(blocked.rule);
            found.tell(tenant, GuardAction::Block);
            event.content = event.content.as_ref().map(|_said| found.in_place());
            keep_record(&mut event.payload);
            found.record(GuardAction::Block, &mut event.payload);
        }
    }
}

/// What stands in the place of what was found may be longer than that was: a text that is too long now ends where it may, and
/// of a payload that is too long only the record is left. An event that was accepted is stored.
fn shortened(event: &mut AcceptedEvent) {
    if let Some(content) = &mut event.content {
        content.truncate(content.floor_char_boundary(NewEvent::MOST_BYTES));
    }
    if event.payload.to_string().len() > NewEvent::MOST_BYTES
        && let Some(members) = event.payload.as_object_mut()
    {
        members.retain(|name, _| name == OWN_PAYLOAD);
    }
}

#[cfg(test)]
mod tests {
    use domain::{EventKind, IdentifierActions};
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn event(content: Option<&str>, payload: serde_json::Value) -> AcceptedEvent {
        AcceptedEvent {
            kind: if content.is_some() { EventKind::Message } else { EventKind::ToolCall },
            role: content.map(|_| "user".to_owned()),
            speaker: Some("ada@example.com".to_owned()),
            content: content.map(str::to_owned),
            payload,
            schema_version: 2,
            idempotency_key: "k".to_owned(),
            occurred_at: Timestamp::UNIX_EPOCH,
            written_at: None,
        }
    }

    fn screened_by(action: GuardAction, mut event: AcceptedEvent) -> AcceptedEvent {
        let policy = GuardPolicy { identifiers: IdentifierActions::all(action), ..GuardPolicy::default() };
        screened(&TenantId::new("acme").unwrap(), policy, &mut event);
        event
    }

    #[test]
    fn what_is_blocked_keeps_its_place_and_says_nothing() {
        let blocked = screened_by(GuardAction::Block, event(Some("ada@example.com"), json!({"a": 1})));
        let record = json!({"afterthought": {"guard": {"blocked": {"email": 1}}}});
        assert_eq!(
            (blocked.content.as_deref(), &blocked.payload),
            (Some("[blocked: e-mail address]"), &record)
        );
        assert_eq!(
            (blocked.idempotency_key.as_str(), blocked.speaker.as_deref()),
            ("k", Some("ada@example.com"))
        );
        let called = screened_by(GuardAction::Block, event(None, json!({"to": ["ada@example.com"]})));
        assert_eq!((called.content, called.payload), (None, record));
    }

    #[test]
    fn what_is_blocked_at_the_second_look_says_what_the_first_took_out() {
        let before = json!({"afterthought": {"guard": {"redacted": {"iban": 2}}}, "a": 1});
        let blocked = screened_by(GuardAction::Block, event(Some("ada@example.com"), before));
        let record = json!({"redacted": {"iban": 2}, "blocked": {"email": 1}});
        assert_eq!(blocked.payload, json!({"afterthought": {"guard": record}}));
    }

    #[test]
    fn what_grew_too_long_is_stored_as_far_as_it_may_be() {
        let many = "a@b.co ".repeat(NewEvent::MOST_BYTES / 7);
        let redacted = screened_by(GuardAction::Redact, event(Some(&many), json!({"to": many})));
        let content = redacted.content.unwrap();
        assert_eq!(content.len(), NewEvent::MOST_BYTES);
        assert!(content.starts_with("[e-mail address] [e-mail address] "));
        let found = 2 * (NewEvent::MOST_BYTES / 7);
        assert_eq!(redacted.payload, json!({"afterthought": {"guard": {"redacted": {"email": found}}}}));
    }

    #[test]
    fn what_was_looked_through_before_stays_as_it_is() {
        let once = screened_by(GuardAction::Redact, event(Some("mail ada@example.com"), json!({"a": 1})));
        assert_eq!(once.content.as_deref(), Some("mail [e-mail address]"));
        assert_eq!(screened_by(GuardAction::Redact, once.clone()), once);
    }
}
