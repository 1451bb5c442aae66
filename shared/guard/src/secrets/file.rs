//! The file of rules as it is written.

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) allowlist: AllowText,
    pub(super) rules: Vec<RuleText>,
}

impl File {
    /// Reads the file that is part of this code.
    pub(super) fn read(text: &str) -> Self {
        toml::from_str(text).expect("a test reads the file")
    }
}

/// A rule.
#[derive(Debug, Deserialize)]
pub(super) struct RuleText {
    pub(super) id: String,
    pub(super) regex: Option<String>,
    /// Of files whose name is like this.
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) keywords: Vec<String>,
    #[serde(rename = "secretGroup")]
    pub(super) secret_group: Option<usize>,
    #[serde(default)]
    pub(super) entropy: f64,
    #[serde(default)]
    pub(super) allowlists: Vec<AllowText>,
}

/// What is no secret.
#[derive(Debug, Deserialize)]
pub(super) struct AllowText {
    /// Whether all that it names has to be so, or any of it.
    condition: Option<String>,
    #[serde(rename = "regexTarget")]
    regex_target: Option<String>,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    pub(super) regexes: Vec<String>,
    #[serde(default)]
    pub(super) stopwords: Vec<String>,
}

/// What the patterns of an [`AllowText`] are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The secret.
    Secret,
    /// Everything that the rule matched.
    Match,
    /// The line that it stands on.
    Line,
}

impl AllowText {
    #[cfg(test)]
    pub(super) fn of_words(words: &[&str]) -> Self {
        let stopwords = words.iter().map(|word| (*word).to_owned()).collect();
        Self { condition: None, regex_target: None, paths: Vec::new(), regexes: Vec::new(), stopwords }
    }

    /// Whether it can hold only in a file of a certain name.
    pub(super) fn needs_path(&self) -> bool {
        let needs_all =
            self.condition.as_deref().is_some_and(|condition| condition.eq_ignore_ascii_case("and"));
        needs_all && !self.paths.is_empty()
    }

    /// What its patterns are held against.
    pub(super) fn target(&self) -> Target {
        match self.regex_target.as_deref() {
            Some("match") => Target::Match,
            Some("line") => Target::Line,
            _ => Target::Secret,
        }
    }
}
