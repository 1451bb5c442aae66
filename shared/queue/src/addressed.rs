use domain::{TenantId, UserId};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Whose a message of accepted events is. What else is in it, and whether that can be read, does not matter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Addressed {
    /// Whose.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: String,
    /// When it was accepted, where it says so.
    pub accepted_at: Option<Timestamp>,
    #[serde(default)]
    events: Value,
}

impl Addressed {
    /// Whose a message is; `None` when that cannot be told.
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// How many events are in it.
    pub fn events(&self) -> usize {
        self.events.as_array().map_or(0, Vec::len)
    }

    /// Whether it had been there by then: accepted, or in a table of the application's own. One that does not say when was there
    /// always.
    pub fn was_there_by(&self, by: Timestamp) -> bool {
        let events = self.events.as_array().into_iter().flatten();
        let written = events.filter_map(|event| event.get("written_at")?.as_str()?.parse().ok());
        let since = self.accepted_at.map(|accepted_at| written.fold(accepted_at, Timestamp::min));
        since.is_none_or(|since| since <= by)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_told_by_whose_it_is_and_since_when_it_was_there() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let letter = |more: Value| {
            let mut letter = json!({"format": 9, "tenant": "acme", "user": "ada", "session": "any"});
            letter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Addressed::read(&letter.to_string()).unwrap()
        };
        let accepted = letter(json!({"accepted_at": at(150)}));
        assert!(accepted.was_there_by(at(150)) && !accepted.was_there_by(at(149)));
        let row = letter(json!({"accepted_at": at(150), "events": [{}, {"written_at": at(100)}]}));
        assert!(row.was_there_by(at(100)) && !row.was_there_by(at(99)));
        assert_eq!((accepted.events(), row.events()), (0, 2));
        assert!(letter(json!({})).was_there_by(at(0)), "it does not say when");
        assert_eq!(Addressed::read("what nobody can read"), None);
        assert_eq!(Addressed::read(r#"{"tenant": "acme"}"#), None);
    }
}
