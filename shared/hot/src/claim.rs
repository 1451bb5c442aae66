use aws_sdk_dynamodb::types::AttributeValue;
use domain::TenantId;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::item::{Answer, Assignment, Change, Condition, Write, attribute, number, read_number};
use crate::key::Key;
use crate::lifetime::expiry;
use crate::{Error, Hot};

/// Set by whoever names what comes of a request by its fingerprint, too.
const NAMED_BY: &str = "named_by";
/// When the request was made first.
const FIRST_AT: &str = "first_at_microseconds";

/// What a request's key was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimedKey {
    /// New, and this request's from now on.
    New,
    /// This request's already: it was made before, at this time.
    Repeated {
        /// When it was made first.
        at: Timestamp,
        /// Whether whoever claimed it names what comes of it by its fingerprint, too. An earlier version went by the key alone.
        is_named_by_fingerprint: bool,
    },
    /// Another request's, for something else.
    Otherwise,
}

impl Hot {
    /// Takes a request's key for as long as [`Lifetimes::request_key`](crate::Lifetimes) says; what is kept is its digest, for it may hold a name. `scope` tells keys apart that different parties gave; `fingerprint` is what is
    /// asked under it. A single write, which may be repeated.
    pub async fn claim_request_key(
        &self,
        tenant: &TenantId,
        scope: &str,
        key: &str,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<ClaimedKey, Error> {
        let print = AttributeValue::B(fingerprint.to_vec().into());
        let write = Write::new(
            request_key(tenant, scope, key),
            Condition::Any(vec![
                Condition::NoItem,
                Condition::AtMost(attribute("expires_at"), number(now.as_second())),
            ]),
            Change::Update(vec![
                Assignment::Set(attribute("fingerprint"), print.clone()),
                Assignment::Set(attribute(FIRST_AT), number(now.as_microsecond())),
                Assignment::Set(attribute(NAMED_BY), AttributeValue::S("fingerprint".to_owned())),
                Assignment::Set(attribute("expires_at"), number(expiry(now, self.lifetimes.request_key))),
            ]),
        );
        let known = match self.write(write).await? {
            // What was in the way may have gone since: then the next request finds the key free.
            Answer::Applied(_) | Answer::Refused(None) => return Ok(ClaimedKey::New),
            Answer::Refused(Some(known)) => known,
        };
        let first_at = read_number(&known, FIRST_AT)
            .and_then(|microseconds: i64| Timestamp::from_microsecond(microseconds).ok());
        Ok(match first_at {
            Some(at) if known.get("fingerprint") == Some(&print) => {
                ClaimedKey::Repeated { at, is_named_by_fingerprint: known.contains_key(NAMED_BY) }
            }
            _ => ClaimedKey::Otherwise,
        })
    }

    /// Gives back a key that was taken for this request at this time, so that it is known no more: nothing came of it.
    pub async fn free_request_key(
        &self,
        tenant: &TenantId,
        scope: &str,
        key: &str,
        fingerprint: &[u8; 32],
        at: Timestamp,
    ) -> Result<(), Error> {
        let print = AttributeValue::B(fingerprint.to_vec().into());
        let write = Write::new(
            request_key(tenant, scope, key),
            Condition::All(vec![
                Condition::Equal(attribute("fingerprint"), print),
                Condition::Equal(attribute(FIRST_AT), number(at.as_microsecond())),
            ]),
            Change::Delete,
        );
        self.write(write).await.map(|_| ())
    }
}

/// Where a request's key is kept: its digest.
fn request_key(tenant: &TenantId, scope: &str, key: &str) -> Key {
    Key::request(tenant, scope, &format!("{:x}", Sha256::digest(key)))
}
