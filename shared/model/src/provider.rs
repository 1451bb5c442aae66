use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Endpoint, Error};

/// How long a connection may take; what remains of the timeout is for the answer.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// The largest answer that is read. Embeddings of a full batch take about 3 MiB.
const LARGEST_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// One OpenAI-compatible resource, with its one client: `POST <url>` with JSON, JSON back.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    client: Client,
    url: Url,
    api_key: Option<SecretString>,
    /// Named in configuration errors.
    url_variable: &'static str,
    key_variable: &'static str,
}

impl Provider {
    pub(crate) fn new(
        endpoint: &Endpoint,
        path: &[&str],
        [url_variable, key_variable]: [&'static str; 2],
    ) -> Result<Self, Error> {
        let client = Client::builder()
            .timeout(endpoint.timeout)
            .connect_timeout(LONGEST_CONNECT.min(endpoint.timeout))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("afterthought")
            .build()
            .map_err(|error| Error::Configuration(format!("no HTTP client: {}", chain(&error))))?;
        let mut url = endpoint.url.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Configuration(format!("{url_variable} cannot be a base")))?
            .pop_if_empty()
            .extend(path);
        Ok(Self { client, url, api_key: endpoint.api_key.clone(), url_variable, key_variable })
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        self.url.authority()
    }

    /// Sends a question and reads the answer, which is JSON.
    pub(crate) async fn ask(&self, question: &impl Serialize) -> Result<Value, Error> {
        let mut request = self.client.post(self.url.clone()).json(question);
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read(response).await?;
        if !status.is_success() {
            return Err(self.failure(status, &headers, &body));
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("none");
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence != "application/json" && !essence.ends_with("+json") {
            return Err(Error::Transient(format!(
                "the content type is {}, expected JSON",
                name_of(&essence)
            )));
        }
        serde_json::from_slice(&body).map_err(|error| {
            Error::Transient(format!("not JSON at line {} column {}", error.line(), error.column()))
        })
    }

    fn failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        let Codes { code, kind } =
            serde_json::from_slice::<Failure>(body).map(|failure| failure.error).unwrap_or_default();
        let codes = [code.as_deref().unwrap_or_default(), kind.as_deref().unwrap_or_default()];
        let says = |words: &[&str]| codes.iter().any(|code| words.iter().any(|word| code.contains(word)));
        let named = codes.iter().find(|code| !code.is_empty()).map_or("no code", |code| name_of(code));
        let retry_after = retry_after(headers);
        match status.as_u16() {
            429 => Error::RateLimited { retry_after },
            503 if retry_after.is_some() => Error::RateLimited { retry_after },
            408 | 409 | 425 | 500.. => Error::Transient(format!("HTTP {}, {named}", status.as_u16())),
            413 => Error::TooLong,
            _ if says(&["context_length", "too_long", "too_large"]) => Error::TooLong,
            _ if says(&["content_filter", "content_policy", "moderation"]) => Error::Refused,
            401 | 403 => Error::Configuration(format!(
                "{} was rejected: HTTP {}, {named}",
                self.key_variable,
                status.as_u16()
            )),
            _ => Error::Configuration(format!(
                "{} does not answer as expected: HTTP {}, {named}",
                self.url_variable,
                status.as_u16()
            )),
        }
    }
}

#[derive(Deserialize)]
struct Failure {
    error: Codes,
}

/// Only the short codes of an error are read: its message may repeat what was asked.
#[derive(Deserialize, Default)]
struct Codes {
    #[serde(default, deserialize_with = "text_or_none")]
    code: Option<String>,
    #[serde(default, rename = "type", deserialize_with = "text_or_none")]
    kind: Option<String>,
}

fn text_or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// A foreign text as it may appear in an error: itself if it looks like an identifier.
fn name_of(text: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) { text } else { "something else" }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > LARGEST_ANSWER_BYTES {
            return Err(Error::Invalid(format!("longer than {LARGEST_ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn unreachable(error: &reqwest::Error) -> Error {
    Error::Transient(if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        format!("cannot connect: {}", chain(error))
    } else {
        format!("the connection broke: {}", chain(error))
    })
}

/// The innermost cause, which says most, and never the URL, which may carry a key.
fn chain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if std::ptr::addr_eq(cause, error) { "no reason given".to_owned() } else { cause.to_string() }
}

/// What `Retry-After` asks for: seconds, or a date, which is read against the answer's own `Date`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let (until, now) = (date(asked)?, date(text(DATE)?)?);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        assert_eq!(asked(&[("retry-after", "12")]), Some(Duration::from_secs(12)));
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(
            asked(&[("retry-after", "Wed, 21 Oct 2026 07:29:30 GMT"), date]),
            Some(Duration::from_secs(90))
        );
        assert_eq!(asked(&[("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT"), date]), Some(Duration::ZERO));
        assert_eq!(asked(&[("retry-after", "soon"), date]), None);
        assert_eq!(asked(&[]), None);
    }
}
