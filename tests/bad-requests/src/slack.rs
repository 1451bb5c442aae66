//! Requests in Slack's name that are wrong in their signature, and ones that are signed well and wrong inside.

use anyhow::Result;
use fastrand::Rng;
use local::chaos::signing::{SLACK_SIGNATURE, SLACK_TIMESTAMP, slack};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::malformed::{Generator, Malformed};

/// The signing secret of the source.
pub(crate) const SECRET: &str = "the-signing-secret-of-these-requests";
/// An hour, which is more than a signature may be old.
const HOUR: i64 = 3_600;

/// Makes requests as Slack would; the same from the same seed at the same time.
pub(crate) struct Slack {
    path: String,
    bodies: Generator,
    rng: Rng,
    number: u64,
}

impl Slack {
    /// Of a source that is asked at a path. Bodies are broken by a generator.
    pub(crate) fn new(path: String, bodies: Generator, seed: u64) -> Self {
        Self { path, bodies, rng: Rng::with_seed(seed), number: 0 }
    }

    /// The next request; `now` is in seconds since 1970.
    pub(crate) fn request(&mut self, now: i64) -> Result<Malformed> {
        self.number += 1;
        let right = told(self.number);
        let body = right.to_string().into_bytes();
        let (fault, body, headers) = match self.rng.u8(..20) {
            0 => ("Slack: signed for another body", body, slack(SECRET, now, b"{}")),
            1 => {
                let headers = slack(SECRET, now, &body);
                ("Slack: a byte more than was signed", [body.as_slice(), b" "].concat(), headers)
            }
            2 => (
                "Slack: signed with another secret",
                body.clone(),
                slack("somebody else's secret", now, &body),
            ),
            3 => ("Slack: signed an hour ago", body.clone(), slack(SECRET, now - HOUR, &body)),
            4 => ("Slack: signed in an hour", body.clone(), slack(SECRET, now + HOUR, &body)),
            5 => ("Slack: a time beyond all", body.clone(), slack(SECRET, i64::MAX, &body)),
            6 => {
                let [_, signature] = slack(SECRET, now - HOUR, &body);
                (
                    "Slack: an old signature with a new time",
                    body,
                    [(SLACK_TIMESTAMP, now.to_string()), signature],
                )
            }
            7 => {
                let [_, signature] = slack(SECRET, now, &body);
                ("Slack: a time that is none", body, [(SLACK_TIMESTAMP, "soon".to_owned()), signature])
            }
            number @ 8..13 => {
                let [time, (_, right)] = slack(SECRET, now, &body);
                let (fault, signature) = match number {
                    8 => ("Slack: a signature of another version", right.replacen("v0", "v1", 1)),
                    9 => ("Slack: half a signature", right.chars().take(35).collect()),
                    10 => ("Slack: a signature that is no number", "v0=zz".to_owned()),
                    11 => ("Slack: a long signature", format!("v0={}", "a".repeat(4_000))),
                    _ => ("Slack: no signature", String::new()),
                };
                (fault, body, [time, (SLACK_SIGNATURE, signature)])
            }
            13 => {
                let challenges = [json!(null), json!(7), json!(""), json!([]), json!({"challenge": "x"})];
                let challenge = self.rng.choice(&challenges);
                let asked = json!({"type": "url_verification", "token": "x", "challenge": challenge});
                let body = asked.to_string().into_bytes();
                ("Slack: a challenge that is none", body.clone(), slack(SECRET, now, &body))
            }
            14 | 15 => {
                let body = self.without_a_part(right).to_string().into_bytes();
                ("Slack: a part is missing", body.clone(), slack(SECRET, now, &body))
            }
            // Signed well, over a body that is not.
            _ => {
                let (fault, body) = self.bodies.body(&right);
                (fault, body.clone(), slack(SECRET, now, &body))
            }
        };
        let mut kept = HeaderMap::new();
        kept.insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            kept.insert(HeaderName::from_static(name), HeaderValue::from_str(&value)?);
        }
        Ok(Malformed { fault, method: Method::POST, path: self.path.clone(), headers: kept, body })
    }

    fn without_a_part(&mut self, mut told: Value) -> Value {
        let parts =
            ["/type", "/team_id", "/event_id", "/event", "/event/type", "/event/channel", "/event/ts"];
        let part = self.rng.choice(parts).unwrap_or("/event");
        let (place, name) = part.rsplit_once('/').unwrap_or_default();
        if let Some(Value::Object(fields)) = told.pointer_mut(place) {
            fields.remove(name);
        }
        told
    }
}

/// A request that is right.
fn told(number: u64) -> Value {
    json!({
        "type": "event_callback", "team_id": "T1", "event_id": format!("Ev{number}"),
        "event": {
            "type": "message", "channel": "C1", "user": "U1", "text": "Hello",
            "ts": format!("1800000000.{:06}", number % 1_000_000),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn what_is_wrong_is_the_signature_the_time_or_what_they_are_over() {
        let document = json!({"paths": {"/x": {"post": {}}}});
        let bodies = Generator::new(&document, 1).unwrap();
        let mut requests = Slack::new("/v1/webhooks/1".to_owned(), bodies, 1);
        let mut faults: BTreeMap<&str, bool> = BTreeMap::new();
        for _ in 0..1_000 {
            let request = requests.request(NOW).unwrap();
            let [time, signature] = slack(SECRET, NOW, &request.body);
            let is_signed = [time, signature].iter().all(|(name, value)| request.headers[*name] == *value);
            let known = *faults.entry(request.fault).or_insert(is_signed);
            assert_eq!(known, is_signed, "{}", request.fault);
        }
        let badly = faults.values().filter(|is_signed| !**is_signed).count();
        assert_eq!(badly, 13, "{faults:?}");
        for signed in ["Slack: a challenge that is none", "Slack: a part is missing", "cut off", "a NUL"] {
            assert_eq!(faults.get(signed), Some(&true), "{signed}");
        }
    }
}
