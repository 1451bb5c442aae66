use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::session::check_names;
use super::{Owner, Session, Turn};

#[derive(Debug, Deserialize)]
struct Sample {
    sample_id: Option<String>,
    conversation: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Line {
    speaker: String,
    text: String,
    blip_caption: Option<String>,
}

/// The sessions of one sample in the order of their numbers. Both people are users: neither is an assistant. Times
/// are local and without a zone; they are taken as UTC.
pub(super) fn sessions(entry: Value, owner: &Owner) -> Result<Vec<Session>> {
    let sample: Sample = serde_json::from_value(entry)?;
    let user = owner.user.clone().or(sample.sample_id).context("field `sample_id` is missing")?;
    let mut numbers: Vec<u32> =
        sample.conversation.keys().filter_map(|key| key.strip_prefix("session_")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
        .into_iter()
        .filter_map(|number| {
            let name = format!("session_{number}");
            let session = session(&sample.conversation, &name, &user, owner).with_context(|| name.clone());
            session.map(|session| Some(session).filter(|session| !session.turns.is_empty())).transpose()
        })
        .collect()
}

fn session(conversation: &Map<String, Value>, name: &str, user: &str, owner: &Owner) -> Result<Session> {
    check_names(&owner.tenant(), user, name)?;
    let lines = conversation.get(name).cloned().unwrap_or_default();
    let lines: Vec<Line> = serde_json::from_value(lines)?;
    let field = format!("{name}_date_time");
    let occurred_at = conversation.get(&field).and_then(Value::as_str).map(|text| {
        time(text).with_context(|| {
            format!("field `{field}` is {text:?}, expected a time like 1:56 pm on 8 May, 2023")
        })
    });
    let occurred_at = occurred_at.transpose()?;
    let turns = lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| {
            let content = match line.blip_caption.filter(|caption| !caption.is_empty()) {
                Some(caption) => format!("{} [shares an image: {caption}]", line.text),
                None => line.text,
            };
            let turn = Turn {
                role: "user".to_owned(),
                content,
                speaker: Some(line.speaker).filter(|speaker| !speaker.is_empty()),
                occurred_at,
                idempotency_key: None,
            };
            turn.check().with_context(|| format!("turn {}", index + 1))?;
            Ok(turn)
        })
        .collect::<Result<_>>()?;
    Ok(Session { tenant: owner.tenant(), user: user.to_owned(), name: name.to_owned(), turns })
}

fn time(text: &str) -> Result<Timestamp> {
    let time = DateTime::strptime("%I:%M %p on %d %B, %Y", text.trim())?;
    Ok(time.to_zoned(TimeZone::UTC)?.timestamp())
}
