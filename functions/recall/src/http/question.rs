//! What is asked.

use serde::{Deserialize, Serialize};

/// A question, 1 byte to 4 KiB and not blank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Question(String);

/// The longest question, in bytes.
const LONGEST_QUESTION_BYTES: usize = 4 * 1024;

impl Question {
    /// As it was asked.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Question {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let got = match text.trim() {
            "" => "empty".to_owned(),
            _ if text.contains('\0') => "a text with a NUL character".to_owned(),
            _ if text.len() > LONGEST_QUESTION_BYTES => format!("{} bytes", text.len()),
            _ => return Ok(Self(text)),
        };
        Err(format!("is {got}, expected a question of at most {LONGEST_QUESTION_BYTES} bytes"))
    }
}

impl From<Question> for String {
    fn from(question: Question) -> Self {
        question.0
    }
}
