//! One attempt: signing a message and posting it.

use std::sync::Arc;
use std::time::Duration;

use domain::{Attempted, Reach};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook, WebhookError,
};
use store::WaitingDelivery;

use crate::resolver::Resolver;

/// The most of an error that is written down, in bytes.
const LONGEST_ERROR: usize = 500;

/// Posts messages. Redirects are not followed and proxies not used: a message goes to the address its owner named, and
/// nowhere else.
#[derive(Debug, Clone)]
pub struct Sender {
    client: reqwest::Client,
    reach: Reach,
}

/// How an attempt ended, and what is written down about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the endpoint did.
    pub attempted: Attempted,
    /// What went wrong, when something did.
    pub error: Option<String>,
}

impl Outcome {
    /// The status of the answer, if there was one.
    pub const fn status(&self) -> Option<u16> {
        match self.attempted {
            Attempted::Answered { status, .. } => Some(status),
            Attempted::Unanswered => None,
        }
    }

    fn unanswered(error: &dyn std::error::Error) -> Self {
        Self { attempted: Attempted::Unanswered, error: Some(innermost(error)) }
    }
}

impl Sender {
    /// A sender that gives an endpoint so long to answer.
    pub fn new(reach: Reach, timeout: Duration) -> anyhow::Result<Self> {
        Self::resolving_by(Resolver::of_the_system(reach), reach, timeout)
    }

    fn resolving_by(resolver: Resolver, reach: Reach, timeout: Duration) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(5)))
            .dns_resolver(Arc::new(resolver))
            .user_agent("afterthought-notifier/1")
            .build()?;
        Ok(Self { client, reach })
    }

    /// Posts one message, signed with every secret as Standard Webhooks has it: `webhook-signature` lists them, and the
    /// receiver is content with one it knows.
    pub async fn send(
        &self,
        url: &str,
        secrets: &[Vec<u8>],
        delivery: &WaitingDelivery,
        now: Timestamp,
    ) -> Outcome {
        let url = match self.reach.check(url) {
            Ok(url) => url,
            Err(error) => return Outcome::unanswered(&error),
        };
        let id = format!("msg_{}", delivery.message.simple());
        let signatures = match signed(secrets, &id, now, &delivery.payload) {
            Ok(signatures) => signatures,
            Err(error) => return Outcome::unanswered(&error),
        };
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(HEADER_WEBHOOK_ID, id)
            .header(HEADER_WEBHOOK_TIMESTAMP, now.as_second())
            .header(HEADER_WEBHOOK_SIGNATURE, signatures)
            .body(delivery.payload.clone());
        match request.send().await {
            // The body of an answer says nothing to us, and may never end.
            Ok(answer) => {
                let status = answer.status();
                Outcome {
                    attempted: Attempted::Answered {
                        status: status.as_u16(),
                        retry_after: retry_after(answer.headers(), now),
                    },
                    error: (!status.is_success()).then(|| refusal(status)),
                }
            }
            Err(error) => Outcome::unanswered(&error.without_url()),
        }
    }
}

/// The header `webhook-signature`: a signature by every secret.
fn signed(secrets: &[Vec<u8>], id: &str, now: Timestamp, payload: &str) -> Result<String, WebhookError> {
    let signatures = secrets
        .iter()
        .map(|secret| Webhook::from_bytes(secret.clone())?.sign(id, now.as_second(), payload.as_bytes()));
    Ok(signatures.collect::<Result<Vec<String>, _>>()?.join(" "))
}

fn refusal(status: reqwest::StatusCode) -> String {
    if status.is_redirection() {
        format!("answered {}: redirects are not followed", status.as_u16())
    } else {
        format!("answered {}", status.as_u16())
    }
}

/// When an endpoint wants to be asked again: a number of seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
    at.duration_since(now).try_into().ok()
}

/// What lies behind an error, which is what its owner can do something about.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let mut text = cause.to_string();
    text.truncate(text.floor_char_boundary(LONGEST_ERROR));
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use uuid::Uuid;

    use super::*;
    use crate::resolver::tests::Script;

    fn delivery() -> WaitingDelivery {
        WaitingDelivery { id: 1, message: Uuid::nil(), payload: "{}".to_owned(), attempts: 0 }
    }

    #[test]
    fn a_signature_is_the_one_that_the_specification_publishes() {
        // What the libraries of Standard Webhooks are tested with: the secret is `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
        let secret = [
            0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
            0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0,
        ];
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let sign = |secrets: &[Vec<u8>]| {
            signed(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#).unwrap()
        };
        let published = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(&[secret.to_vec()]), published);
        let both = sign(&[vec![1; 32], secret.to_vec()]);
        assert_eq!(both.split(' ').count(), 2);
        assert_eq!(both.split(' ').next_back(), Some(published));
    }

    #[tokio::test]
    async fn a_connection_goes_to_what_was_looked_up_for_it_and_a_name_that_has_moved_inside_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(String::from_utf8_lossy(&request[..read]).starts_with("POST /hook HTTP/1.1"));
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
        });
        let url = format!("http://hooks.example:{port}/hook");
        let (second, now) = (Duration::from_secs(5), Timestamp::UNIX_EPOCH);
        let script = Script::of(&[&["127.0.0.1"], &["1.1.1.1"]]);
        let anywhere =
            Sender::resolving_by(script.resolver(Reach::Anywhere), Reach::Anywhere, second).unwrap();
        let outcome = anywhere.send(&url, &[vec![1; 32]], &delivery(), now).await;
        assert_eq!(
            (outcome.status(), script.looks()),
            (Some(204), 1),
            "one look, and the connection goes there"
        );
        server.await.unwrap();

        // Looked at by its name it is public; what is looked up for the connection is what counts.
        let script = Script::of(&[&["127.0.0.1"]]);
        let public = Sender::resolving_by(script.resolver(Reach::Public), Reach::Public, second).unwrap();
        let url = format!("https://hooks.example:{port}/hook");
        let outcome = public.send(&url, &[vec![1; 32]], &delivery(), now).await;
        assert_eq!(outcome.error.as_deref(), Some("hooks.example is not an address of the internet"));
        assert_eq!(script.looks(), 1);
    }

    #[test]
    fn an_endpoint_says_in_seconds_or_by_a_date_when_to_come_again() {
        let now = Timestamp::from_second(784_111_777).unwrap();
        let after = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(after("120"), Some(Duration::from_mins(2)));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), None, "it is over");
        assert_eq!(after("-1"), None);
        assert_eq!(after("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[tokio::test]
    async fn an_address_inside_is_not_asked_and_said_to_be_the_reason() {
        let sender = Sender::new(Reach::Public, Duration::from_secs(1)).unwrap();
        for (url, reason) in [
            ("https://127.0.0.1:1/", "127.0.0.1 is not an address of the internet"),
            ("https://localhost:1/", "localhost is not an address of the internet"),
            ("http://example.com/", "the url is not https"),
        ] {
            let outcome = sender.send(url, &[vec![1; 32]], &delivery(), Timestamp::UNIX_EPOCH).await;
            assert_eq!(outcome.attempted, Attempted::Unanswered);
            assert_eq!(outcome.error.as_deref(), Some(reason), "{url}");
        }
    }
}
