use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::WebhookSource;
use jiff::Timestamp;
use uuid::Uuid;

use crate::item::{Answer, Assignment, Change, Condition, Write, attribute, number, read_number};
use crate::key::Key;
use crate::lifetime::expiry;
use crate::{Error, Hot, Put, Read};

/// How long it is known that a source has ended: longer than somebody who read it before takes to copy it.
const GONE_FOR: Duration = Duration::from_hours(1);

/// A copy of a webhook source, kept so that a request can be checked without Postgres.
#[derive(Debug, Clone, PartialEq)]
pub struct CopiedSource {
    /// The source; `None` when it has ended.
    pub source: Option<WebhookSource>,
    /// When the copy was made.
    pub copied_at: Timestamp,
}

impl Hot {
    /// Copies a source, unless the copy that is there is of a later version.
    ///
    /// # Panics
    /// Never: all of a source is JSON.
    pub async fn put_source(&self, source: &WebhookSource, now: Timestamp) -> Result<Put, Error> {
        let text = serde_json::to_string(source).expect("names, texts and times are JSON");
        self.put_source_item(source.id, source.version, Some(text), self.lifetimes.copy, now).await
    }

    /// Tells that a source has ended, whose last version was this.
    pub async fn end_source(&self, id: Uuid, version: i64, now: Timestamp) -> Result<Put, Error> {
        self.put_source_item(id, version.saturating_add(1), None, GONE_FOR, now).await
    }

    async fn put_source_item(
        &self,
        id: Uuid,
        version: i64,
        text: Option<String>,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Put, Error> {
        let content = match text {
            Some(text) => Assignment::Set(attribute("source"), AttributeValue::S(text)),
            None => Assignment::Remove(attribute("source")),
        };
        let write = Write::new(
            Key::source(id),
            Condition::Any(vec![
                Condition::NoItem,
                Condition::AtMost(attribute("version"), number(version)),
                Condition::AtMost(attribute("expires_at"), number(now.as_second())),
            ]),
            Change::Update(vec![
                content,
                Assignment::Set(attribute("version"), number(version)),
                Assignment::Set(attribute("copied_at_milliseconds"), number(now.as_millisecond())),
                Assignment::Set(attribute("expires_at"), number(expiry(now, lifetime))),
            ]),
        );
        Ok(match self.write(write).await? {
            Answer::Applied(_) => Put::Stored,
            Answer::Refused(_) => Put::Outdated,
        })
    }

    /// The copy of a source.
    pub async fn get_source(&self, id: Uuid, now: Timestamp) -> Result<Read<CopiedSource>, Error> {
        let Some(item) = self.get(Key::source(id)).await? else { return Ok(Read::Absent) };
        if read_number::<i64>(&item, "expires_at").is_none_or(|expires_at| expires_at <= now.as_second()) {
            return Ok(Read::Absent);
        }
        let copied_at = read_number::<i64>(&item, "copied_at_milliseconds")
            .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let Some(text) = item.get("source").and_then(|text| text.as_s().ok()) else {
            return Ok(Read::Present(CopiedSource { source: None, copied_at }));
        };
        Ok(match serde_json::from_str(text) {
            Ok(source) => Read::Present(CopiedSource { source: Some(source), copied_at }),
            Err(error) => Read::Corrupt { reason: error.to_string() },
        })
    }
}

impl Key {
    /// The copy of a webhook source.
    fn source(id: Uuid) -> Self {
        Self::alone("source", &id.to_string())
    }
}
