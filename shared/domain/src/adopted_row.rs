use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use crate::{Place, SessionName, TenantId, UserId, time_of_number};

/// How the rows of an application's own table become events: where their parts are. Places are JSON Pointers into the row as
/// JSON, so that the first part of one is a column.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RowMapping {
    tenant: Place,
    user: Place,
    session: Place,
    #[serde(default)]
    role: Option<Place>,
    #[serde(default)]
    roles: BTreeMap<String, String>,
    content: Place,
    #[serde(default)]
    speaker: Option<Place>,
    #[serde(default)]
    occurred_at: Option<Place>,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSaid {
    /// Whose row.
    pub tenant: TenantId,
    /// Whose conversation.
    pub user: UserId,
    /// Which conversation.
    pub session: SessionName,
    /// The role, in our words where the mapping translates it.
    pub role: String,
    /// What is said.
    pub content: String,
    /// The name of who says it.
    pub speaker: Option<String>,
    /// When, where the row says so.
    pub occurred_at: Option<Timestamp>,
}

/// Why a row says nothing. It names the field and repeats nothing of the row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {expected}")]
pub struct UnusableRow {
    /// The field of the mapping.
    pub field: &'static str,
    /// What was expected of it.
    pub expected: String,
    /// Whose row it is, where that could be read.
    pub of: Option<(TenantId, UserId)>,
}

impl RowMapping {
    /// Reads what an entry says of its rows; the reason when it cannot be one.
    pub fn read(entry: Value) -> Result<Self, String> {
        serde_json::from_value(entry).map_err(|error| error.to_string())
    }

    /// What a row says.
    pub fn said(&self, row: &Value) -> Result<RowSaid, UnusableRow> {
        // What was found is not repeated: names may be people's.
        let tenant = TenantId::new(name("tenant", &self.tenant, row)?)
            .map_err(|_not_shown| unusable("tenant", EXPECTED_NAME))?;
        let user = UserId::new(name("user", &self.user, row)?)
            .map_err(|_not_shown| unusable("user", EXPECTED_NAME))?;
        self.said_by(&tenant, &user, row)
            .map_err(|error| UnusableRow { of: Some((tenant.clone(), user.clone())), ..error })
    }

    fn said_by(&self, tenant: &TenantId, user: &UserId, row: &Value) -> Result<RowSaid, UnusableRow> {
        let session = SessionName::new(name("session", &self.session, row)?)
            .map_err(|_not_shown| unusable("session", EXPECTED_NAME))?;
        let role = match &self.role {
            None => "user".to_owned(),
            Some(place) => name("role", place, row)?,
        };
        let content = self
            .content
            .find(row, &Value::Null)
            .and_then(|content| text(&content))
            .filter(|text| !text.is_empty());
        let speaker = match self.speaker.as_ref().and_then(|place| place.find(row, &Value::Null)) {
            None => None,
            Some(speaker) => Some(word(&speaker).ok_or_else(|| unusable("speaker", "must be a name"))?),
        };
        Ok(RowSaid {
            tenant: tenant.clone(),
            user: user.clone(),
            session,
            role: self.roles.get(&role).cloned().unwrap_or(role),
            content: content
                .ok_or_else(|| unusable("content", "must be a text, or an array that has one"))?,
            speaker: speaker.filter(|speaker| !speaker.is_empty()),
            occurred_at: self.occurred_at(row)?,
        })
    }

    fn occurred_at(&self, row: &Value) -> Result<Option<Timestamp>, UnusableRow> {
        let Some(found) = self.occurred_at.as_ref().and_then(|place| place.find(row, &Value::Null)) else {
            return Ok(None);
        };
        let moment = match &found {
            Value::String(text) => time_of_text(text),
            Value::Number(number) => number.as_f64().and_then(time_of_number),
            _ => None,
        };
        // Earlier ones are no times of conversations, and not all of them can be stored.
        let moment = moment.filter(|moment| moment.as_second() >= FIRST_SECOND);
        let expected =
            "must be a time, or seconds or milliseconds since 1970, after the year 1000 and before 10000";
        moment.map(Some).ok_or_else(|| unusable("occurred_at", expected))
    }
}

const EXPECTED_NAME: &str = "must be 1 to 200 bytes without control characters";

/// The year 1000.
const FIRST_SECOND: i64 = -30_610_224_000;

fn unusable(field: &'static str, expected: &str) -> UnusableRow {
    UnusableRow { field, expected: expected.to_owned(), of: None }
}

/// A name, or whatever stands for one.
fn name(field: &'static str, place: &Place, row: &Value) -> Result<String, UnusableRow> {
    let found = place.find(row, &Value::Null).ok_or_else(|| unusable(field, "is null"))?;
    word(&found).ok_or_else(|| unusable(field, "must be a text, a number, true or false"))
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A text; or the texts of an array, each on a line: texts, and objects with a text as `text`. What else is in it, such as
/// pictures and the calls of tools, is left out.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let part = |part: &Value| match part {
                Value::String(text) => Some(text.clone()),
                Value::Object(fields) => fields.get("text").and_then(Value::as_str).map(str::to_owned),
                _ => None,
            };
            Some(parts.iter().filter_map(part).collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}

/// As Postgres writes a time as JSON; one without a zone is in UTC.
fn time_of_text(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let local = text.parse::<DateTime>().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn mapping() -> RowMapping {
        RowMapping::read(json!({
            "relation": "public.messages", "key": ["id"], "tenant": {"value": "acme"}, "user": "/owner",
            "session": "/thread", "role": "/from", "roles": {"0": "user", "true": "assistant"},
            "content": "/message/parts", "speaker": "/name", "occurred_at": "/at",
        }))
        .unwrap()
    }

    fn row() -> Value {
        json!({"owner": 17, "thread": "t", "from": 0, "message": {"parts": ["Hello"]}, "name": "Ada", "at": null})
    }

    fn with(field: &str, value: Value) -> Result<RowSaid, UnusableRow> {
        let mut row = row();
        row[field] = value;
        mapping().said(&row)
    }

    #[test]
    fn a_row_says_what_its_columns_say() {
        let said = mapping().said(&row()).unwrap();
        assert_eq!((said.tenant.as_str(), said.user.as_str(), said.session.as_str()), ("acme", "17", "t"));
        assert_eq!((said.role.as_str(), said.content.as_str()), ("user", "Hello"));
        assert_eq!((said.speaker.as_deref(), said.occurred_at), (Some("Ada"), None));
        assert_eq!(with("from", json!(true)).unwrap().role, "assistant");
        assert_eq!(with("name", json!("")).unwrap().speaker, None);
    }

    #[test]
    fn the_texts_of_an_array_are_its_lines() {
        let content = |parts: Value| with("message", json!({ "parts": parts })).map(|said| said.content);
        assert_eq!(content(json!("one")).unwrap(), "one");
        let parts =
            json!(["one", {"type": "text", "text": "two"}, {"type": "image", "url": "x"}, 7, "three"]);
        assert_eq!(content(parts).unwrap(), "one\ntwo\nthree");
        for nothing in [json!([]), json!(""), json!(7), json!({"text": "x"}), Value::Null] {
            assert_eq!(content(nothing.clone()).unwrap_err().field, "content", "{nothing}");
        }
    }

    #[test]
    fn a_time_is_read_as_postgres_writes_it() {
        let expected = Timestamp::from_millisecond(1_800_000_000_500).unwrap();
        for told in [
            json!("2027-01-15T08:00:00.5+00:00"),
            json!("2027-01-15T10:00:00.500+02:00"),
            json!("2027-01-15T08:00:00.5"),
            json!(1_800_000_000.5),
            json!(1_800_000_000_500_i64),
        ] {
            assert_eq!(with("at", told.clone()).unwrap().occurred_at, Some(expected), "{told}");
        }
        assert_eq!(
            with("at", json!("2027-01-15")).unwrap().occurred_at.unwrap().to_string(),
            "2027-01-15T00:00:00Z"
        );
        for wrong in
            [json!("infinity"), json!("0044-03-15T00:00:00+00:00 BC"), json!(-1e14), json!(1e300), json!([])]
        {
            assert_eq!(with("at", wrong.clone()).unwrap_err().field, "occurred_at", "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_names_the_field_and_whose_row_it_is_and_repeats_nothing() {
        let wrong = |field: &str, value: Value| with(field, value).unwrap_err();
        let error = wrong("owner", Value::Null);
        assert_eq!((error.to_string().as_str(), &error.of), ("`user` is null", &None));
        let error = wrong("thread", json!("a secret\n"));
        assert_eq!(error.of.as_ref().map(|(_, user)| user.as_str()), Some("17"));
        assert!(error.to_string().starts_with("`session` ") && !error.to_string().contains("secret"));
        assert_eq!(wrong("from", json!([])).field, "role");
        assert_eq!(wrong("name", json!({})).field, "speaker");
    }

    proptest! {
        #[test]
        fn no_row_panics(texts in prop::collection::vec(".{0,12}", 4), number in any::<f64>()) {
            let row = json!({"owner": texts[0], "thread": texts[1], "from": texts[2], "message": {"parts": [texts[3]]},
                             "name": number, "at": number});
            let _ = mapping().said(&row);
        }
    }
}
