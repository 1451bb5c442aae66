//! One thing that is said in a session: through which mouth, under which names, and how often.

use serde_json::{Value, json};

/// Slack's team.
const TEAM: &str = "T1";
/// So many users share the sessions.
const USERS: usize = 10;
/// The second in which Slack began the thread of the first session.
const FIRST_THREAD: usize = 1_800_000_000;
const MICROSECONDS: usize = 1_000_000;
/// The mouths in the order in which a session speaks through them.
const TURNS: [Mouth; 10] = {
    use Mouth::{Events, Slack, Standard};
    [Events, Standard, Events, Events, Slack, Events, Standard, Events, Slack, Events]
};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mouth {
    /// `POST /v1/events`.
    Events,
    /// `POST /v1/webhooks/{source}`, signed as Standard Webhooks.
    Standard,
    /// `POST /v1/webhooks/{source}`, signed as Slack does.
    Slack,
}

/// How a message is said again although it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// Twice at the same time.
    AtOnce,
    /// When the session has said the next thing.
    Later,
    /// Then too, but as another of Slack's events: one that mentions the app is told as a message and as a mention.
    LaterByAnotherName,
}

/// Something that is said in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// The session's place.
    pub session: usize,
    /// Its place in the session.
    pub number: usize,
}

impl Mouth {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Events, Self::Standard, Self::Slack];

    /// Its name, which what is said through it begins with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Standard => "standard",
            Self::Slack => "slack",
        }
    }
}

impl Message {
    /// The mouth it is said through.
    pub fn mouth(self) -> Mouth {
        TURNS.get((self.session + self.number) % TURNS.len()).copied().unwrap_or(Mouth::Events)
    }

    /// Whether it is said again although it was accepted. Every kind comes with every mouth: 31 shares no divisor with the
    /// number of turns.
    pub fn repetition(self) -> Option<Repetition> {
        match ((self.session + self.number) % 31, self.mouth()) {
            (0, _) => Some(Repetition::AtOnce),
            (10, _) => Some(Repetition::Later),
            (20, Mouth::Slack) => Some(Repetition::LaterByAnotherName),
            _ => None,
        }
    }

    /// What it says: its mouth and its place.
    pub fn content(self) -> String {
        format!("{} {}", self.mouth().as_str(), self.number)
    }

    /// Whose session it is, which for Slack is the memory of a channel.
    pub fn user(self) -> String {
        format!("{TEAM}.{}", self.channel())
    }

    /// The session, which for Slack is a thread.
    pub fn session_name(self) -> String {
        format!("{}:{}", self.channel(), self.thread())
    }

    fn channel(self) -> String {
        format!("C{}", self.session % USERS)
    }

    fn thread(self) -> String {
        slack_time((FIRST_THREAD + self.session) * MICROSECONDS)
    }

    /// Names it among all that are said.
    pub fn key(self) -> String {
        format!("{}-{}", self.session, self.number)
    }

    /// It as an event of ours.
    pub fn event(self) -> Value {
        json!({"user": self.user(), "session": self.session_name(), "role": "user", "content": self.content()})
    }

    /// It as Slack tells it, by one of two names.
    pub fn slack_event(self, by_another_name: bool) -> Value {
        let (kind, prefix) = if by_another_name { ("app_mention", "EvM") } else { ("message", "Ev") };
        // The threads of a channel begin ten seconds apart, which is room for ten million messages.
        let ts = slack_time((FIRST_THREAD + self.session) * MICROSECONDS + self.number + 1);
        json!({
            "type": "event_callback", "team_id": TEAM, "event_id": format!("{prefix}{}", self.key()),
            "event": {
                "type": kind, "channel": self.channel(), "user": "U1", "text": self.content(),
                "ts": ts, "thread_ts": self.thread(),
            },
        })
    }
}

/// A time as Slack writes it, which names a message within its channel.
fn slack_time(microseconds: usize) -> String {
    format!("{}.{:06}", microseconds / MICROSECONDS, microseconds % MICROSECONDS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_mouth_is_used_and_every_kind_of_repetition_with_each() {
        let mut seen = HashSet::new();
        for session in 0..200 {
            for number in 0..10 {
                let message = Message { session, number };
                seen.insert((message.mouth(), format!("{:?}", message.repetition())));
            }
        }
        for mouth in Mouth::ALL {
            for repetition in [None, Some(Repetition::AtOnce), Some(Repetition::Later)] {
                assert!(seen.contains(&(mouth, format!("{repetition:?}"))), "{mouth:?} {repetition:?}");
            }
        }
        assert!(seen.contains(&(Mouth::Slack, format!("{:?}", Some(Repetition::LaterByAnotherName)))));
    }

    #[test]
    fn no_two_messages_of_slack_have_the_same_name() {
        let mut names = HashSet::new();
        for session in (0..200).step_by(USERS) {
            for number in 0..500 {
                let event = Message { session, number }.slack_event(false);
                assert!(names.insert(event["event"]["ts"].as_str().unwrap().to_owned()), "{event}");
            }
        }
    }

    #[test]
    fn a_session_is_the_same_through_every_mouth() {
        let message = Message { session: 13, number: 2_000_007 };
        let (event, told) = (message.event(), message.slack_event(false));
        assert_eq!((&event["user"], &event["session"]), (&json!("T1.C3"), &json!("C3:1800000013.000000")));
        assert_eq!(
            (&told["event"]["channel"], &told["event"]["thread_ts"]),
            (&json!("C3"), &json!("1800000013.000000"))
        );
        assert_eq!(told["event"]["ts"], "1800000015.000008");
    }
}
