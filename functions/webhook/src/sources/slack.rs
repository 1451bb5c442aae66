//! Slack's Events API.
//!
//! A message that somebody writes becomes an event; so does one that mentions the app, once, however it is told. What becomes
//! of nothing: edits, deletions, joins and whatever else has a subtype that is not in [`SAID`], reactions, and what bots say
//! unless the mapping wants it. A thread is a session. In a conversation of two, what is outside threads is one, too.

use api::Problem;
use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use domain::{EventKind, SessionName, SlackBots, SlackMapping, SlackUser, UserId};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use store::NewEvent;

use super::registry::from_hex;
use super::slack_text::plain;
use super::{Received, map};
use crate::accept::Said;
use crate::headers;

const TIMESTAMP: &str = "x-slack-request-timestamp";
const SIGNATURE: &str = "x-slack-signature";
/// How old a request may be, and how far ahead of this clock.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// Subtypes of messages that somebody says.
const SAID: [&str; 4] = ["file_share", "me_message", "thread_broadcast", "bot_message"];

/// Whether a request was signed with one of the secrets, at most five minutes ago.
pub(super) fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Problem> {
    let header = |name: &str| {
        let text = headers::text(headers, name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| Problem::invalid(name, format!("header `{name}` is missing")))
    };
    let (signed_at, signature) = (header(TIMESTAMP)?, header(SIGNATURE)?);
    let time = signed_at.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
    let time = time.ok_or_else(|| {
        let detail = format!("header `{TIMESTAMP}` must be a whole number of seconds since 1970");
        Problem::invalid(TIMESTAMP, detail)
    })?;
    if now.duration_since(time).abs() > TOLERANCE {
        let detail = "the request was signed more than five minutes away from now";
        return Err(Problem::unauthenticated(detail.to_owned()));
    }
    let tag = signature.strip_prefix("v0=").and_then(from_hex).unwrap_or_default();
    let signed = [b"v0:".as_slice(), signed_at.as_bytes(), b":", body].concat();
    let is_signed = secrets.iter().any(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        hmac::verify(&key, &signed, &tag).is_ok()
    });
    if is_signed {
        Ok(())
    } else {
        Err(Problem::unauthenticated("the signature is not that of the source".to_owned()))
    }
}

#[derive(Deserialize)]
struct Outer {
    #[serde(rename = "type")]
    kind: String,
    challenge: Option<String>,
    team_id: Option<String>,
    event_id: Option<String>,
    event: Option<Value>,
}

/// A message as Slack tells it; of what else there is, nothing is needed.
#[derive(Deserialize)]
struct Message {
    subtype: Option<String>,
    channel: String,
    channel_type: Option<String>,
    user: Option<String>,
    bot_id: Option<String>,
    username: Option<String>,
    #[serde(default)]
    text: String,
    ts: String,
    thread_ts: Option<String>,
}

/// What the body of a request comes to.
pub(super) fn received(mapping: SlackMapping, body: &Value) -> Result<Received, Problem> {
    let outer: Outer = map::read(body.clone(), "body").map_err(unwrapped)?;
    let needed = |name: &str, given: Option<String>| {
        given
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Problem::invalid(name, format!("field `{name}` is missing")))
    };
    match outer.kind.as_str() {
        "url_verification" => return needed("challenge", outer.challenge).map(Received::Challenge),
        "event_callback" => {}
        _ => return Ok(Received::Ignored("only events are taken")),
    }
    let event_id = needed("event_id", outer.event_id)?;
    let team = needed("team_id", outer.team_id)?;
    let event =
        outer.event.ok_or_else(|| Problem::invalid("event", "field `event` is missing".to_owned()))?;
    match event.get("type").and_then(Value::as_str) {
        Some("message" | "app_mention") => {}
        Some(_) => return Ok(Received::Ignored("only messages are taken")),
        None => return Err(Problem::invalid("event.type", "field `event.type` is missing".to_owned())),
    }
    // Before its fields are looked at: what has another subtype has others.
    let subtype = event.get("subtype").and_then(Value::as_str);
    if subtype.is_some_and(|subtype| !SAID.contains(&subtype)) {
        return Ok(Received::Ignored("only what somebody says is taken: no edits, deletions or joins"));
    }
    if event.get("hidden").and_then(Value::as_bool) == Some(true) {
        return Ok(Received::Ignored("only what can be seen is taken"));
    }
    let message: Message = map::read(event, "event")?;
    let is_bot = message.bot_id.is_some() || message.subtype.as_deref() == Some("bot_message");
    if is_bot && mapping.bots == SlackBots::Ignore {
        return Ok(Received::Ignored("what bots say is not taken"));
    }
    let text = plain(&message.text);
    if text.trim().is_empty() {
        return Ok(Received::Ignored("the message has no text"));
    }
    let said = said(mapping, &team, &message, is_bot, text)?;
    Ok(Received::Said { key: event_id, said: vec![said], place: |_, field| format!("event.{field}") })
}

fn said(
    mapping: SlackMapping,
    team: &str,
    message: &Message,
    is_bot: bool,
    text: String,
) -> Result<Said, Problem> {
    let Message { channel, channel_type, ts, thread_ts, user, bot_id, username, .. } = message;
    let wrong = |field: &str, error: domain::InvalidName| {
        Problem::invalid(field, format!("field `{field}`: {error}"))
    };
    // What a bot says need not have a user.
    let mut names = [user, username, bot_id].into_iter().flatten();
    let speaker = names.find(|name| !name.is_empty());
    let owner = match mapping.user {
        SlackUser::Channel => channel,
        SlackUser::Speaker => speaker
            .ok_or_else(|| Problem::invalid("event.user", "field `event.user` is missing".to_owned()))?,
    };
    let is_of_two = channel_type.as_deref() == Some("im");
    let session = match thread_ts {
        Some(thread) => format!("{channel}:{thread}"),
        None if is_of_two => channel.clone(),
        None => format!("{channel}:{ts}"),
    };
    let occurred_at = ts.parse().ok().and_then(time).ok_or_else(|| {
        Problem::invalid("event.ts", "field `event.ts` must be seconds since 1970".to_owned())
    })?;
    let event = NewEvent {
        role: Some(if is_bot { "assistant" } else { "user" }.to_owned()),
        speaker: speaker.cloned(),
        content: Some(text),
        payload: json!({"slack": {"team": team, "channel": channel, "ts": ts}}),
        // What Slack calls a message, whatever it tells it by.
        idempotency_key: Some(format!("slack:{team}:{channel}:{ts}")),
        occurred_at: Some(occurred_at),
        ..NewEvent::new(EventKind::Message)
    };
    Ok(Said {
        user: UserId::new(format!("{team}.{owner}")).map_err(|error| wrong("event.user", error))?,
        session: SessionName::new(session).map_err(|error| wrong("event.channel", error))?,
        event,
    })
}

/// The time of a message, which is also its name: `1800000000.000200`.
#[expect(clippy::cast_possible_truncation, reason = "what is too large for a time is refused as one")]
fn time(seconds: f64) -> Option<Timestamp> {
    let microseconds = (seconds * 1e6).round();
    if !(0.0..1e16).contains(&microseconds) {
        return None;
    }
    Timestamp::from_microsecond(microseconds as i64).ok()
}

/// A problem of the outermost object, whose fields stand for themselves.
fn unwrapped(problem: Problem) -> Problem {
    let field = problem.parameter.as_deref().and_then(|field| field.strip_prefix("body."));
    match field {
        Some(field) => {
            Problem::invalid(field, format!("field `{field}` is missing or not what was expected"))
        }
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const CHANNEL: SlackMapping = SlackMapping { user: SlackUser::Channel, bots: SlackBots::Ignore };

    fn callback(event: &Value) -> Value {
        json!({"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": event})
    }

    fn message(more: &Value) -> Value {
        let mut event = json!({"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1800000000.000200"});
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    }

    fn said_by(mapping: SlackMapping, more: &Value) -> Option<Said> {
        match received(mapping, &callback(&message(more))).unwrap() {
            Received::Said { mut said, key, .. } => {
                assert_eq!(key, "Ev1");
                said.pop()
            }
            _ => None,
        }
    }

    #[test]
    fn the_signature_of_slacks_own_example_is_verified() {
        // From "Verifying requests from Slack".
        let secret = [SecretString::from("8f742231b10e8888abcd99yyyzzz85a5")];
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let check = |secrets: &[SecretString], signature: &str, time: &str, now: i64, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(TIMESTAMP, HeaderValue::from_str(time).unwrap());
            headers.insert(SIGNATURE, HeaderValue::from_str(signature).unwrap());
            verify(secrets, &headers, body, Timestamp::from_second(now).unwrap())
                .map_err(|problem| problem.status)
        };
        let (time, now) = ("1531420618", 1_531_420_618);
        assert_eq!(check(&secret, signature, time, now, body), Ok(()));
        let rotated = [SecretString::from("a newer secret"), secret[0].clone()];
        assert_eq!(check(&rotated, signature, time, now + 300, body), Ok(()));
        assert_eq!(check(&secret, signature, time, now + 301, body), Err(401));
        assert_eq!(check(&secret, signature, time, now - 301, body), Err(401));
        assert_eq!(check(&rotated[..1], signature, time, now, body), Err(401));
        assert_eq!(check(&secret, signature, time, now, b"other"), Err(401));
        for wrong in
            ["v0=", "v0=a2", "v0=zz", "v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"]
        {
            assert_eq!(check(&secret, wrong, time, now, body), Err(401), "{wrong}");
        }
        assert_eq!(check(&secret, signature, "soon", now, body), Err(400));
        assert_eq!(verify(&secret, &HeaderMap::new(), body, Timestamp::UNIX_EPOCH).unwrap_err().status, 400);
    }

    #[test]
    fn a_thread_is_a_session_and_so_is_a_conversation_of_two() {
        let session = |more: Value| said_by(CHANNEL, &more).unwrap().session.as_str().to_owned();
        assert_eq!(session(json!({})), "C1:1800000000.000200", "a thread begins with its first message");
        assert_eq!(session(json!({"thread_ts": "1799999999.000100"})), "C1:1799999999.000100");
        assert_eq!(session(json!({"channel_type": "im"})), "C1");
        let event = said_by(CHANNEL, &json!({})).unwrap().event;
        assert_eq!(event.occurred_at.unwrap().as_microsecond(), 1_800_000_000_000_200);
        assert_eq!((event.role.as_deref(), event.speaker.as_deref()), (Some("user"), Some("U1")));
    }

    #[test]
    fn the_memory_is_the_channels_or_the_speakers() {
        let user = |mapping| said_by(mapping, &json!({})).unwrap().user.as_str().to_owned();
        assert_eq!(user(CHANNEL), "T1.C1");
        assert_eq!(user(SlackMapping { user: SlackUser::Speaker, ..CHANNEL }), "T1.U1");
    }

    #[test]
    fn what_a_bot_without_a_user_says_is_its_own_by_the_name_it_has() {
        let mapping = SlackMapping { user: SlackUser::Speaker, bots: SlackBots::Assistant };
        for (more, name) in [
            (json!({"username": "helper", "bot_id": "B1"}), "helper"),
            (json!({"bot_id": "B1"}), "B1"),
            (json!({"username": "", "bot_id": "B1"}), "B1"),
        ] {
            let mut told = json!({"subtype": "bot_message", "user": null});
            told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let said = said_by(mapping, &told).unwrap();
            assert_eq!(
                (said.user.as_str(), said.event.speaker.as_deref()),
                (&*format!("T1.{name}"), Some(name))
            );
        }
        let nameless = callback(&message(&json!({"subtype": "bot_message", "user": null})));
        let problem = received(mapping, &nameless).unwrap_err();
        assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some("event.user")));
    }

    #[test]
    fn only_what_somebody_says_is_taken() {
        let bots = SlackMapping { bots: SlackBots::Assistant, ..CHANNEL };
        for more in
            [json!({"bot_id": "B1"}), json!({"subtype": "bot_message", "user": null, "username": "helper"})]
        {
            assert_eq!(said_by(CHANNEL, &more), None, "{more}");
            assert_eq!(said_by(bots, &more).unwrap().event.role.as_deref(), Some("assistant"));
        }
        for subtype in ["message_changed", "message_deleted", "channel_join", "reminder_add"] {
            assert_eq!(
                said_by(bots, &json!({"subtype": subtype, "channel": null, "ts": null})),
                None,
                "{subtype}"
            );
        }
        for subtype in ["file_share", "thread_broadcast", "me_message"] {
            assert!(said_by(CHANNEL, &json!({"subtype": subtype})).is_some(), "{subtype}");
        }
        assert_eq!(said_by(CHANNEL, &json!({"text": " "})), None);
        assert_eq!(said_by(CHANNEL, &json!({"hidden": true})), None);
        assert_eq!(said_by(CHANNEL, &json!({"type": "reaction_added"})), None);
        let mentioned = said_by(CHANNEL, &json!({"type": "app_mention"}));
        assert_eq!(mentioned, said_by(CHANNEL, &json!({})), "told twice, it is one event");
    }

    #[test]
    fn slack_is_answered_and_what_is_missing_is_named() {
        let asked = json!({"type": "url_verification", "challenge": "3eZbrw1aB", "token": "x"});
        let answered = received(CHANNEL, &asked).unwrap();
        assert!(
            matches!(&answered, Received::Challenge(challenge) if challenge == "3eZbrw1aB"),
            "{answered:?}"
        );
        let limited = json!({"type": "app_rate_limited"});
        assert!(matches!(received(CHANNEL, &limited).unwrap(), Received::Ignored(_)));
        for (body, parameter) in [
            (json!({}), "type"),
            (json!({"type": "url_verification"}), "challenge"),
            (json!({"type": "event_callback"}), "event_id"),
            (json!({"type": "event_callback", "event_id": "Ev1", "team_id": "T1"}), "event"),
            (callback(&json!({})), "event.type"),
            (callback(&json!({"type": "message"})), "event.channel"),
            (callback(&message(&json!({"ts": "soon"}))), "event.ts"),
            (callback(&message(&json!({"channel": "x".repeat(201)}))), "event.user"),
        ] {
            let problem = received(CHANNEL, &body).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(parameter)), "{body}");
        }
    }
}
