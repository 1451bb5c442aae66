use aws_sdk_dynamodb::types::AttributeValue;
use domain::TenantId;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::item::{Answer, Assignment, Change, Condition, Write, attribute, number, read_number};
use crate::key::Key;
use crate::lifetime::expiry;
use crate::{Error, Hot};

/// What a request's key was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimedKey {
    /// New, and this request's from now on.
    New,
    /// This request's already: it was made before, at this time.
    Repeated {
        /// When it was made first.
        at: Timestamp,
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
            Key::request(tenant, scope, &format!("{:x}", Sha256::digest(key))),
            Condition::Any(vec![
                Condition::NoItem,
                Condition::AtMost(attribute("expires_at"), number(now.as_second())),
            ]),
            Change::Update(vec![
                Assignment::Set(attribute("fingerprint"), print.clone()),
                Assignment::Set(attribute("first_at_microseconds"), number(now.as_microsecond())),
                Assignment::Set(attribute("expires_at"), number(expiry(now, self.lifetimes.request_key))),
            ]),
        );
        let known = match self.write(write).await? {
            // What was in the way may have gone since: then the next request finds the key free.
            Answer::Applied(_) | Answer::Refused(None) => return Ok(ClaimedKey::New),
            Answer::Refused(Some(known)) => known,
        };
        let first_at = read_number(&known, "first_at_microseconds")
            .and_then(|microseconds: i64| Timestamp::from_microsecond(microseconds).ok());
        Ok(match first_at {
            Some(at) if known.get("fingerprint") == Some(&print) => ClaimedKey::Repeated { at },
            _ => ClaimedKey::Otherwise,
        })
    }
}
