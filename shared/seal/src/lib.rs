//! Secrets of tenants at rest: what signs their webhooks has to be read again, so it is stored sealed and not hashed.
//!
//! A sealed secret is `1`, a nonce of 12 bytes, and the secret under AES-256-GCM (NIST SP 800-38D) with a tag of 16 bytes. The
//! key is derived from the deployment's by HKDF-SHA-256 (RFC 5869). The place a secret is stored at is authenticated with it:
//! copied to another row, it does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use secrecy::{ExposeSecret, SecretString};

/// The shortest key of a deployment, in bytes.
const SHORTEST_KEY: usize = 32;
/// The format of what is sealed.
const FORMAT: u8 = 1;
/// What tells these keys from others that are derived from the same one.
const PURPOSE: &[u8] = b"afterthought sealed secrets";

/// A key that cannot be used. The message names the variable and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not given, or too short to keep anything.
    #[error("SEALING_KEY has {got} bytes, expected {SHORTEST_KEY} or more random ones")]
    Short {
        /// How many bytes a key has.
        got: usize,
    },
}

/// Something sealed that does not open: with another key, in another place, or changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a sealed secret does not open: it was sealed with another SEALING_KEY or for another place, or was changed"
)]
pub struct NotOpened;

/// Seals with the newest key of a deployment and opens with any of them.
pub struct Sealer {
    keys: Vec<RandomizedNonceKey>,
}

impl Sealer {
    /// Takes the keys of a deployment, the newest first, separated by commas. A key is any text of at least 32 bytes that
    /// nobody can guess.
    pub fn new(keys: &SecretString) -> Result<Self, InvalidKey> {
        let keys: Vec<_> =
            keys.expose_secret().split(',').map(str::trim).map(derived).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// Seals a secret for one place, such as a table and a row.
    ///
    /// # Panics
    /// Never: a secret of a few bytes is far below the cipher's limit.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Vec<u8> {
        let mut sealed = secret.to_vec();
        let key = self.keys.first().expect("`split` yields at least one key");
        let nonce = key
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed)
            .expect("the secret is shorter than 64 GiB");
        let mut whole = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        whole.push(FORMAT);
        whole.extend_from_slice(nonce.as_ref());
        whole.append(&mut sealed);
        whole
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let (nonce, text) = match sealed.split_first() {
            Some((&FORMAT, rest)) => rest.split_first_chunk::<NONCE_LEN>().ok_or(NotOpened)?,
            _ => return Err(NotOpened),
        };
        let opened = self.keys.iter().find_map(|key| {
            let mut text = text.to_vec();
            let secret =
                key.open_in_place(Nonce::from(nonce), Aad::from(place.as_bytes()), &mut text).ok()?;
            Some(secret.to_vec())
        });
        opened.ok_or(NotOpened)
    }
}

/// 32 bytes that nobody can guess, for a new secret.
///
/// # Panics
/// When the operating system has no randomness to give.
pub fn random_bytes() -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sealer").field("keys", &self.keys.len()).finish()
    }
}

fn derived(key: &str) -> Result<RandomizedNonceKey, InvalidKey> {
    if key.len() < SHORTEST_KEY {
        return Err(InvalidKey::Short { got: key.len() });
    }
    let mut bytes = [0_u8; 32];
    Salt::new(HKDF_SHA256, &[])
        .extract(key.as_bytes())
        .expand(&[PURPOSE], HKDF_SHA256)
        .and_then(|derived| derived.fill(&mut bytes))
        .expect("HKDF-SHA-256 yields 32 bytes");
    Ok(RandomizedNonceKey::new(&AES_256_GCM, &bytes).expect("AES-256 takes 32 bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "an old key of a deployment that is long enough";
    const NEW: &str = "a new key of a deployment that is long enough";

    fn sealer(keys: &str) -> Sealer {
        Sealer::new(&SecretString::from(keys)).unwrap()
    }

    #[test]
    fn a_key_too_short_to_keep_anything_is_refused() {
        for keys in ["", "short", &format!("{NEW},"), &format!("{NEW},short")] {
            let error = Sealer::new(&SecretString::from(keys.to_owned())).unwrap_err().to_string();
            assert!(error.contains("SEALING_KEY") && error.contains("32"), "{error}");
        }
    }

    #[test]
    fn what_an_old_key_sealed_opens_beside_a_new_one_and_not_without_it() {
        let sealed = sealer(OLD).seal("endpoint 1", b"whsec");
        let both = sealer(&format!("{NEW}, {OLD}"));
        assert_eq!(both.open("endpoint 1", &sealed).unwrap(), b"whsec");
        assert_eq!(sealer(NEW).open("endpoint 1", &sealed), Err(NotOpened));
        assert_eq!(sealer(NEW).open("endpoint 1", &both.seal("endpoint 1", b"whsec")).unwrap(), b"whsec");
    }

    #[test]
    fn a_secret_opens_only_where_it_was_put() {
        let sealer = sealer(NEW);
        let sealed = sealer.seal("endpoint 1", b"whsec");
        assert_eq!(sealer.open("endpoint 2", &sealed), Err(NotOpened));
        assert_ne!(sealed, sealer.seal("endpoint 1", b"whsec"), "no two are alike");
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", sealer(NEW)), "Sealer { keys: 1 }");
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_opens_and_whatever_is_changed_does_not(
            secret in prop::collection::vec(any::<u8>(), 0..100),
            place in ".{0,40}",
            flip in any::<prop::sample::Index>(),
        ) {
            let sealer = sealer(NEW);
            let mut sealed = sealer.seal(&place, &secret);
            prop_assert_eq!(sealer.open(&place, &sealed).unwrap(), secret);
            let at = flip.index(sealed.len());
            sealed[at] ^= 1;
            prop_assert_eq!(sealer.open(&place, &sealed), Err(NotOpened));
        }

        #[test]
        fn nothing_that_was_never_sealed_opens_or_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(sealer(NEW).open("", &bytes), Err(NotOpened));
        }
    }
}
