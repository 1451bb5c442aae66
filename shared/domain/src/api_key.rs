use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{KeyScopes, TenantId};

/// What every key begins with.
const PREFIX: &str = "aft_";
/// How much of a key is shown to tell it from others, in bytes: 36 bits of what is secret in it.
const HINT_BYTES: usize = PREFIX.len() + 6;

/// An API key: `aft_` and 32 random bytes in base64url. Whoever has it acts for its tenant, so it is shown once, when it is
/// made, and never written down.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key of these bytes, which must be random and used for nothing else.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A key as it was given; `None` for what cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The key itself, for whoever made it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// How it begins, to tell it from others.
    pub fn hint(&self) -> &str {
        self.0.get(..HINT_BYTES).unwrap_or(PREFIX)
    }

    /// What is stored of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(not shown)")
    }
}

/// SHA-256 of a key. A key has 256 random bits, so nobody finds one for a hash, and no salt or slow hash would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// A hash as it was stored.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    /// The key, by its id.
    pub id: Uuid,
    /// For whom it acts.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: KeyScopes,
    /// When it stopped or stops being one, because it expires or was revoked.
    pub valid_until: Option<Timestamp>,
}

impl KeyGrant {
    /// Whether it can be used now.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_can_be_a_key_is_read_as_one() {
        let key = ApiKey::from_random([7; 32]);
        let text = key.expose().to_owned();
        for wrong in [
            "",
            "aft_",
            "aft_short",
            text.strip_prefix(PREFIX).unwrap(),
            &format!("{text}A"),
            &text.replace("aft_", "abc_"),
            &format!("{text}="),
            &format!(" {text}"),
            // The last character has two bits that say nothing: written otherwise it would be another text of one key.
            &format!("{}d", text.strip_suffix('c').unwrap()),
        ] {
            assert_eq!(ApiKey::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_is_never_shown_by_accident() {
        let key = ApiKey::from_random([9; 32]);
        assert!(!format!("{key:?}").contains(key.expose().strip_prefix(PREFIX).unwrap()));
        assert_eq!((key.hint().len(), key.expose().len()), (10, 47));
        assert_eq!(key.hash().to_string().len(), 64);
    }

    #[test]
    fn a_key_is_valid_until_it_is_not() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let grant = |valid_until| KeyGrant {
            id: Uuid::nil(),
            tenant: TenantId::new("acme").unwrap(),
            scopes: KeyScopes::all(),
            valid_until,
        };
        assert!(grant(None).is_valid(at(5)));
        assert!(grant(Some(at(6))).is_valid(at(5)));
        assert!(!grant(Some(at(5))).is_valid(at(5)));
    }

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_made(one in any::<[u8; 32]>(), other in any::<[u8; 32]>()) {
            let key = ApiKey::from_random(one);
            prop_assert_eq!(ApiKey::parse(key.expose()), Some(key.clone()));
            prop_assert_eq!(key.hash() == ApiKey::from_random(other).hash(), one == other);
        }
    }
}
