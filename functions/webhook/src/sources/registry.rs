//! Which sources there are: copies in hot state, so that requests are checked while Postgres is away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::{Problem, postgres_is_down};
use domain::{SealedSecret, SourceMapping, TenantId, WebhookSource};
use hot::{CopiedSource, Hot, Put, Read};
use jiff::{SignedDuration, Timestamp};
use seal::Sealer;
use secrecy::SecretString;
use store::Store;
use uuid::Uuid;

/// A copy in hot state that is older is made again when Postgres answers, so that one in use never runs out.
const FRESH: SignedDuration = SignedDuration::from_hours(24);
/// For how long a process remembers that there is no such source.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_secs(60);
/// For how long it goes by a copy that is not fresh when Postgres did not answer.
const UNREAD_FOR: SignedDuration = SignedDuration::from_secs(10);
/// How long Postgres may take over a source of which there is a copy.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many of either it remembers.
const MOST_REMEMBERED: usize = 10_000;

/// Finds sources.
pub(crate) struct Registry {
    store: Store,
    hot: Hot,
    sealer: Option<Sealer>,
    unknown: Recent,
    /// Sources that Postgres did not tell of a moment ago.
    unread: Recent,
}

/// Sources of which something was found out, and when.
#[derive(Default)]
struct Recent(Mutex<HashMap<Uuid, Timestamp>>);

impl Recent {
    fn has(&self, id: Uuid, within: SignedDuration, now: Timestamp) -> bool {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(&id).is_some_and(|since| now.duration_since(*since) < within)
    }

    fn remember(&self, id: Uuid, now: Timestamp) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MOST_REMEMBERED {
            recent.clear();
        }
        recent.insert(id, now);
    }
}

/// A source that may send.
pub(crate) struct Registered {
    pub(crate) tenant: TenantId,
    pub(crate) mapping: SourceMapping,
    /// At least one.
    pub(crate) secrets: Vec<SecretString>,
}

impl Registry {
    pub(crate) fn new(store: Store, hot: Hot, sealer: Option<Sealer>) -> Self {
        Self { store, hot, sealer, unknown: Recent::default(), unread: Recent::default() }
    }

    /// A source with its secrets; `None` when there is none of that identifier.
    ///
    /// Hot state has it as a rule. A copy that is a day old is made again, if Postgres answers soon; one request waits for that
    /// and not all. Postgres is asked for one that is not there.
    pub(crate) async fn find(&self, id: Uuid, now: Timestamp) -> Result<Option<Registered>, Problem> {
        if self.unknown.has(id, UNKNOWN_FOR, now) {
            return Ok(None);
        }
        let copy = match self.hot.get_source(id, now).await {
            Ok(Read::Present(copy)) => Some(copy),
            Ok(Read::Absent) => None,
            Ok(Read::Corrupt { reason }) => {
                tracing::warn!(reason, "the copy of a webhook source cannot be read");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the copy of a webhook source was not read");
                None
            }
        };
        let source = match copy {
            Some(CopiedSource { source: None, .. }) => None,
            Some(CopiedSource { source: Some(source), copied_at }) => {
                let is_fresh = now.duration_since(copied_at) < FRESH;
                if is_fresh || self.unread.has(id, UNREAD_FOR, now) {
                    Some(source)
                } else {
                    self.stored(&self.store.within(PATIENCE), id, now).await.unwrap_or_else(|error| {
                        tracing::warn!(%error, "the copy of a webhook source was not made again");
                        self.unread.remember(id, now);
                        Some(source)
                    })
                }
            }
            None => self.stored(&self.store, id, now).await.map_err(|error| postgres_is_down(&error))?,
        };
        let Some(source) = source else {
            self.unknown.remember(id, now);
            return Ok(None);
        };
        self.opened(&source).map(Some)
    }

    /// What Postgres has, copied to hot state; nothing when hot state knows that it has ended since.
    async fn stored(
        &self,
        store: &Store,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<WebhookSource>, store::Error> {
        let Some(source) = store.find_webhook_source(id).await? else { return Ok(None) };
        match self.hot.put_source(&source, now).await {
            Ok(Put::Outdated) => {
                if let Ok(Read::Present(copy)) = self.hot.get_source(id, now).await {
                    return Ok(copy.source);
                }
                tracing::warn!("the copy of a webhook source that is newer was not read");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a webhook source was not copied"),
        }
        Ok(Some(source))
    }

    fn opened(&self, source: &WebhookSource) -> Result<Registered, Problem> {
        let unavailable = |reason: &str| {
            tracing::error!(source = %source.id, reason, "the secrets of a webhook source do not open");
            Problem::unavailable("what opens the source's secrets")
        };
        let sealer = self.sealer.as_ref().ok_or_else(|| unavailable("SEALING_KEY is not set"))?;
        let secrets: Vec<SecretString> =
            source.secrets.iter().filter_map(|secret| open(sealer, &source.tenant, secret)).collect();
        if secrets.is_empty() {
            return Err(unavailable("none of them was sealed with a key of this deployment"));
        }
        Ok(Registered { tenant: source.tenant.clone(), mapping: source.mapping.clone(), secrets })
    }
}

fn open(sealer: &Sealer, tenant: &TenantId, secret: &SealedSecret) -> Option<SecretString> {
    let opened =
        sealer.open(&WebhookSource::seal_place(tenant, secret.id), &from_hex(&secret.sealed)?).ok()?;
    String::from_utf8(opened).ok().map(SecretString::from)
}

/// The bytes of hexadecimal digits; nothing when they are none.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().filter_map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_two_digits_each() {
        assert_eq!(from_hex("00fFa0"), Some(vec![0, 255, 160]));
        assert_eq!(from_hex(""), Some(vec![]));
        for wrong in ["0", "0g", "é0", "+1"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
