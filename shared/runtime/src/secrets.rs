use anyhow::Context as _;
use secrecy::{ExposeSecret, SecretString};

use crate::config::Secret;

/// The value of a secret. A referenced one is read once per process.
pub(crate) async fn resolve(secret: &Secret, aws: &aws_config::SdkConfig) -> anyhow::Result<SecretString> {
    let arn = match secret {
        Secret::Value(value) => return Ok(value.clone()),
        Secret::Arn(arn) => arn,
    };
    let answer = aws_sdk_secretsmanager::Client::new(aws)
        .get_secret_value()
        .secret_id(arn)
        .send()
        .await
        .with_context(|| format!("the secret {arn} could not be read"))?;
    let value = SecretString::from(
        answer.secret_string.with_context(|| format!("the secret {arn} holds no string"))?,
    );
    Ok(url_field(value.expose_secret()).unwrap_or(value))
}

/// The field `url` of a JSON object, which is how a database's credentials are usually kept.
fn url_field(value: &str) -> Option<SecretString> {
    let object: serde_json::Value = serde_json::from_str(value).ok()?;
    Some(object.get("url")?.as_str()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_plain_string_or_an_object_with_a_url() {
        assert!(url_field("postgres://u:p@h/d").is_none());
        assert_eq!(
            url_field(r#"{"url": "postgres://u:p@h/d"}"#).unwrap().expose_secret(),
            "postgres://u:p@h/d"
        );
    }
}
