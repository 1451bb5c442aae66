//! Webhooks that are wrong in their signature, and ones that are signed well and wrong inside.

use anyhow::Result;
use fastrand::Rng;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::malformed::{Generator, Malformed};

/// A source of Standard Webhooks: where it posts to, and what it signs with.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The path of its requests.
    pub(crate) path: String,
    /// `whsec_` and the key.
    pub(crate) secret: String,
}

/// Makes signed requests; the same from the same seed at the same time.
pub(crate) struct Signer {
    webhook: Webhook,
    path: String,
    bodies: Generator,
    rng: Rng,
    number: u64,
}

impl Signer {
    /// Signs for a source. Bodies are broken by a generator.
    pub(crate) fn new(source: &Source, bodies: Generator, seed: u64) -> Result<Self> {
        let webhook = Webhook::new(&source.secret)?;
        Ok(Self { webhook, path: source.path.clone(), bodies, rng: Rng::with_seed(seed), number: 0 })
    }

    /// The next request; `now` is in seconds since 1970.
    pub(crate) fn request(&mut self, now: i64) -> Result<Malformed> {
        self.number += 1;
        let right = said();
        let (inside, broken) = self.bodies.body(&right);
        let id = format!("msg_{}", self.number);
        let at = now - 3_600;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let signed = |id: &str, at: i64, body: &[u8]| self.webhook.sign(id, at, body);
        let (fault, body, id, at, signature) = match self.rng.u8(..13) {
            0 => (
                "signed for another body",
                right.to_string().into_bytes(),
                id.clone(),
                now,
                signed(&id, now, b"{}")?,
            ),
            1 => (
                "signed an hour ago",
                right.to_string().into_bytes(),
                id.clone(),
                at,
                signed(&id, at, right.to_string().as_bytes())?,
            ),
            2 => ("a signature that is no base64", b"{}".to_vec(), id, now, "v1,%%%".to_owned()),
            3 => ("a signature of no version", b"{}".to_vec(), id, now, "abc".to_owned()),
            4 => ("many signatures", b"{}".to_vec(), id, now, "v1,AAAA ".repeat(500)),
            5 => ("no signature", b"{}".to_vec(), id, now, String::new()),
            6 => {
                let id = "m".repeat(3_000);
                ("a long id", b"{}".to_vec(), id.clone(), now, signed(&id, now, b"{}")?)
            }
            7 => ("a time beyond all", b"{}".to_vec(), id.clone(), i64::MAX, signed(&id, i64::MAX, b"{}")?),
            8 => ("a time before all", b"{}".to_vec(), id.clone(), i64::MIN, signed(&id, i64::MIN, b"{}")?),
            // Signed well, over a body that is not; nobody can sign what is no text.
            _ => (
                inside,
                broken.clone(),
                id.clone(),
                now,
                signed(&id, now, std::str::from_utf8(&broken).unwrap_or_default().as_bytes())?,
            ),
        };
        for (name, value) in
            [("webhook-id", id), ("webhook-timestamp", at.to_string()), ("webhook-signature", signature)]
        {
            headers.insert(name, HeaderValue::from_str(&value)?);
        }
        Ok(Malformed { fault, method: Method::POST, path: self.path.clone(), headers, body })
    }
}

/// A request that is right.
fn said() -> Value {
    json!({"type": "message.created", "timestamp": "2027-01-15T08:00:00Z",
           "data": {"user": "ada", "session": "monday", "role": "user", "content": "Hello"}})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the library that verifies looks at the clock itself")]
    fn what_is_wrong_is_the_signature_or_what_it_is_over() {
        let document = json!({"paths": {"/x": {"post": {}}}});
        let source = Source { path: "/v1/webhooks/1".to_owned(), secret: SECRET.to_owned() };
        let mut signer = Signer::new(&source, Generator::new(&document, 1).unwrap(), 1).unwrap();
        let webhook = Webhook::new(SECRET).unwrap();
        let (mut well, mut badly) = (0, BTreeSet::new());
        for _ in 0..500 {
            let request = signer.request(jiff::Timestamp::now().as_second()).unwrap();
            // The library reckons with any number, and cannot with this one.
            let is_before_all = request.headers["webhook-timestamp"] == i64::MIN.to_string();
            if !is_before_all && webhook.verify(&request.body, &request.headers).is_ok() {
                well += 1;
            } else {
                badly.insert(request.fault);
            }
        }
        assert!(well > 100, "{well}");
        assert!(badly.len() >= 8, "{badly:?}");
    }
}
