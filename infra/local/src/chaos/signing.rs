//! How senders of webhooks sign what they send.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook, WebhookError,
};

/// The header of the time at which Slack signed a request.
pub const SLACK_TIMESTAMP: &str = "x-slack-request-timestamp";
/// The header of Slack's signature.
pub const SLACK_SIGNATURE: &str = "x-slack-signature";

/// The headers of a request that is signed by Standard Webhooks, `at` so many seconds after 1970.
pub fn standard(
    signer: &Webhook,
    id: &str,
    at: i64,
    body: &[u8],
) -> Result<[(&'static str, String); 3], WebhookError> {
    let signature = signer.sign(id, at, body)?;
    Ok([
        (HEADER_WEBHOOK_ID, id.to_owned()),
        (HEADER_WEBHOOK_TIMESTAMP, at.to_string()),
        (HEADER_WEBHOOK_SIGNATURE, signature),
    ])
}

/// The headers of a request that Slack signed with an app's signing secret, `at` so many seconds after 1970.
pub fn slack(secret: &str, at: i64, body: &[u8]) -> [(&'static str, String); 2] {
    let at = at.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &[b"v0:".as_slice(), at.as_bytes(), b":", body].concat());
    let mut signature = "v0=".to_owned();
    for byte in tag.as_ref() {
        // Writing to a string does not fail.
        let _ = write!(signature, "{byte:02x}");
    }
    [(SLACK_TIMESTAMP, at), (SLACK_SIGNATURE, signature)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slacks_own_example_is_signed_as_slack_does() {
        // From "Verifying requests from Slack".
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let [time, signature] = slack("8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618, body);
        assert_eq!(time.1, "1531420618");
        assert_eq!(signature.1, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
    }

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        let signer = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let [_, _, signature] = standard(&signer, id, 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature.1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
