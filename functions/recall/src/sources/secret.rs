//! What a source signs with.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::SourceKind;
use secrecy::{ExposeSecret, SecretString};

use crate::http::{Problem, Short};

/// What the secret of a standard source begins with, as the specification says.
const PREFIX: &str = "whsec_";
/// How many bytes one that is made here has; the specification asks for 24 to 64.
const BYTES: usize = 32;

/// A secret, as the sender will use it.
pub(crate) struct Given(SecretString);

impl Given {
    /// Checks the secret that was given, or makes one where it is ours to make.
    pub(crate) fn read(kind: SourceKind, given: Option<Short<512>>) -> Result<Self, Problem> {
        let invalid = |expected: &str| Problem::invalid("secret", format!("field `secret` {expected}"));
        let secret = match (kind, given) {
            (SourceKind::Slack, None) => {
                return Err(invalid("is missing, expected the signing secret of the Slack app"));
            }
            (SourceKind::Slack, Some(secret)) => {
                let text = secret.as_str();
                if text.len() < 16 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(invalid(
                        "must be the signing secret of the Slack app, 16 or more visible characters",
                    ));
                }
                text.to_owned()
            }
            (SourceKind::Standard, None) => made()?,
            (SourceKind::Standard, Some(secret)) => {
                let bytes = secret.as_str().strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
                if bytes.is_none_or(|bytes| !(24..=64).contains(&bytes.len())) {
                    return Err(invalid("must be whsec_ and 24 to 64 bytes in base64"));
                }
                secret.as_str().to_owned()
            }
        };
        Ok(Self(secret.into()))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.expose_secret()
    }

    pub(crate) fn into_secret(self) -> SecretString {
        self.0
    }
}

fn made() -> Result<String, Problem> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_unspecified| {
        tracing::error!("no randomness is to be had");
        Problem::unavailable("this function")
    })?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: SourceKind, given: Option<&str>) -> Result<String, u16> {
        let given = given.map(|text| Short::try_from(text.to_owned()).unwrap());
        Given::read(kind, given).map(|given| given.text().to_owned()).map_err(|problem| problem.status)
    }

    #[test]
    fn a_secret_that_is_made_could_have_been_given() {
        let made = read(SourceKind::Standard, None).unwrap();
        assert_eq!(read(SourceKind::Standard, Some(&made)), Ok(made.clone()));
        assert_ne!(read(SourceKind::Standard, None), Ok(made));
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        for given in ["whsec_", "whsec_c2hvcnQ=", "whsec_not base64", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] {
            assert_eq!(read(SourceKind::Standard, Some(given)), Err(400), "{given}");
        }
        for given in [None, Some("short"), Some("with a space in it")] {
            assert_eq!(read(SourceKind::Slack, given), Err(400), "{given:?}");
        }
        let slack = "8f742231b10e8888abcd99yyyzzz85a5";
        assert_eq!(read(SourceKind::Slack, Some(slack)), Ok(slack.to_owned()));
    }
}
