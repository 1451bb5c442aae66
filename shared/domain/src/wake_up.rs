use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{SessionId, TenantId, UserId};

/// Why an agent is woken. Never content: the agent asks Postgres what there is to think about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WakeUp {
    /// A session has events up to `version`.
    Session {
        /// Whose session.
        tenant: TenantId,
        /// The session.
        session: SessionId,
        /// The version known to exist; at least 1.
        version: i64,
    },
    /// Memories that came from a session were added.
    Memories {
        /// Whose session.
        tenant: TenantId,
        /// The session.
        session: SessionId,
    },
    /// A window that was set aside is to be thought about again, exactly it and whatever the cursor says. This is
    /// also the dead letter such a window leaves, so that moving a dead letter back to its queue redrives it.
    Window {
        /// Whose session.
        tenant: TenantId,
        /// The session.
        session: SessionId,
        /// The run that set it aside.
        run: Uuid,
        /// The version before its first.
        after: i64,
        /// Its last version.
        through: i64,
    },
    /// A user has sessions with something new: all of them are to be thought about, one after the other.
    User {
        /// Whose user.
        tenant: TenantId,
        /// The user.
        user: UserId,
    },
    /// Something waits to be sent to an endpoint. For the notifier alone.
    Endpoint {
        /// Whose endpoint.
        tenant: TenantId,
        /// The endpoint.
        endpoint: Uuid,
    },
    /// A schedule fired; the agent fans it out to one wake-up for each user who has something new.
    Tick,
    /// A tick that has been fanned out up to this user, in the order of tenants and users.
    TickRest {
        /// The last tenant it came to.
        tenant: TenantId,
        /// The last user of it.
        user: UserId,
    },
}

impl WakeUp {
    /// The tenant a wake-up belongs to: its SQS message group, for fairness between tenants.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Session { tenant, .. }
            | Self::Memories { tenant, .. }
            | Self::Window { tenant, .. }
            | Self::User { tenant, .. }
            | Self::Endpoint { tenant, .. } => Some(tenant),
            Self::Tick | Self::TickRest { .. } => None,
        }
    }
}

/// A wake-up as it travels in a queue: the versioned body of an SQS message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Version of this format: the one that first knew this kind of wake-up, at most [`Envelope::FORMAT`].
    pub format: u32,
    /// When the wake-up was first sent. A deferral keeps it.
    pub first_sent_at: Timestamp,
    /// How often it was put off.
    #[serde(default)]
    pub deferrals: u32,
    /// The wake-up.
    #[serde(flatten)]
    pub wake_up: WakeUp,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Deserialize)]
struct Tick<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    first_sent_at: Option<IgnoredAny>,
}

/// A message body that is not a wake-up.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEnvelope {
    /// Not the JSON that was expected; the source names the field.
    #[error("the message body is not a wake-up: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A format this version does not know.
    #[error("field `format` is {got}, expected 1 to {}", Envelope::FORMAT)]
    UnknownFormat {
        /// The format found.
        got: u32,
    },
    /// A wake-up of a function that is no agent, or of an agent in a queue of another function.
    #[error("field `type` is not one that this function is woken by")]
    OfAnother,
    /// A version that no event can have.
    #[error("field `version` is {got}, expected 1 or more")]
    InvalidVersion {
        /// The version found.
        got: i64,
    },
}

impl Envelope {
    /// The newest format this code knows.
    pub const FORMAT: u32 = 3;

    /// A wake-up sent for the first time.
    pub const fn first(wake_up: WakeUp, now: Timestamp) -> Self {
        let format = match wake_up {
            WakeUp::Session { .. } | WakeUp::Memories { .. } | WakeUp::Tick => 1,
            WakeUp::Window { .. } | WakeUp::User { .. } | WakeUp::TickRest { .. } => 2,
            WakeUp::Endpoint { .. } => 3,
        };
        Self { format, first_sent_at: now, deferrals: 0, wake_up }
    }

    /// The same wake-up, put off once more.
    #[must_use]
    pub fn deferred(self) -> Self {
        Self { deferrals: self.deferrals.saturating_add(1), ..self }
    }

    /// Reads a message body. A tick may come without `first_sent_at`: a schedule sends the same text every time. Nobody
    /// asks when a tick was sent, and 1970 stands for unknown.
    pub fn parse(body: &str) -> Result<Self, InvalidEnvelope> {
        // Read first and alone: a later format may have kinds of wake-up that this code cannot read.
        let Format { format } = serde_json::from_str(body)?;
        if !(1..=Self::FORMAT).contains(&format) {
            return Err(InvalidEnvelope::UnknownFormat { got: format });
        }
        let Tick { kind, first_sent_at } = serde_json::from_str(body)?;
        if kind == "tick" && first_sent_at.is_none() {
            return Ok(Self::first(WakeUp::Tick, Timestamp::UNIX_EPOCH));
        }
        let envelope: Self = serde_json::from_str(body)?;
        match envelope.wake_up {
            WakeUp::Session { version, .. } if version < 1 => {
                Err(InvalidEnvelope::InvalidVersion { got: version })
            }
            WakeUp::Window { after, through, .. } if after < 0 || through <= after => {
                Err(InvalidEnvelope::InvalidVersion { got: through })
            }
            _ => Ok(envelope),
        }
    }

    /// The message body.
    ///
    /// # Panics
    /// Never: strings, numbers and identifiers always serialise.
    pub fn to_body(&self) -> String {
        serde_json::to_string(self).expect("an envelope holds only strings, numbers and identifiers")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn session(version: i64) -> WakeUp {
        WakeUp::Session { tenant: TenantId::new("acme").unwrap(), session: SessionId(Uuid::nil()), version }
    }

    #[test]
    fn the_body_is_the_documented_one() {
        let envelope = Envelope::first(session(7), Timestamp::UNIX_EPOCH);
        insta::assert_snapshot!(envelope.to_body(), @r#"{"format":1,"first_sent_at":"1970-01-01T00:00:00Z","deferrals":0,"type":"session","tenant":"acme","session":"00000000-0000-0000-0000-000000000000","version":7}"#);
        assert_eq!(Envelope::parse(&envelope.to_body()).unwrap(), envelope);
    }

    #[test]
    fn a_tick_alone_may_come_without_a_time() {
        let tick = Envelope::parse(r#"{"format":1,"type":"tick"}"#).unwrap();
        assert_eq!(tick.wake_up, WakeUp::Tick);
        let sent = Envelope::first(WakeUp::Tick, Timestamp::from_second(7).unwrap());
        assert_eq!(Envelope::parse(&sent.to_body()).unwrap(), sent);
        let session = Envelope::first(session(7), Timestamp::UNIX_EPOCH).to_body();
        let error = Envelope::parse(&session.replace("first_sent_at", "sent_at")).unwrap_err().to_string();
        assert!(error.contains("first_sent_at"), "{error}");
        assert!(Envelope::parse(r#"{"format":1,"type":"tick","first_sent_at":"noon"}"#).is_err());
        assert!(Envelope::parse(r#"{"format":9,"type":"tick"}"#).is_err());
    }

    #[test]
    fn an_error_names_the_field() {
        let body = Envelope::first(session(7), Timestamp::UNIX_EPOCH).to_body();
        let error = |from: &str, to: &str| Envelope::parse(&body.replace(from, to)).unwrap_err().to_string();
        assert!(error("\"tenant\"", "\"tenat\"").contains("tenant"));
        assert!(error(":7", ":0").contains("`version` is 0"));
        assert!(error("\"format\":1", "\"format\":9").contains("`format` is 9"));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in ".{0,200}") {
            let _ = Envelope::parse(&body);
        }
    }
}
