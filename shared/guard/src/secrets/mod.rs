//! The rules of gitleaks, run as gitleaks runs them on a text: keywords first, then the pattern of each rule that has one of
//! them, the secret picked out of what it matched, its entropy, and what is allowed.

mod file;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use regex::bytes::{Regex, RegexBuilder};

use crate::Rule;
use file::{AllowText, File, RuleText, Target};

/// The version of gitleaks that the rules are from.
pub(crate) const VERSION: &str = "v8.30.1";
/// The rule that goes by the words before a secret, whoever issued it.
const GENERIC: &str = "generic-api-key";
/// How large a compiled pattern may be, in bytes; the largest takes a fraction.
const MOST_COMPILED_BYTES: usize = 64 * 1024 * 1024;

static TEXT: &str = include_str!("../../rules/gitleaks.toml");
static SECRETS: LazyLock<Secrets> = LazyLock::new(|| Secrets::read(TEXT));

/// All rules.
pub(crate) struct Secrets {
    keywords: AhoCorasick,
    /// The rules that a keyword belongs to, one entry for each keyword.
    rules_of: Vec<Vec<usize>>,
    pub(crate) rules: Vec<SecretRule>,
    /// What is no secret, whichever rule says so.
    pub(crate) allowed: Allow,
}

/// A rule.
pub(crate) struct SecretRule {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) pattern: Pattern,
    /// Which group of the pattern is the secret; the first that matched something, when it is not said.
    pub(crate) group: Option<usize>,
    /// The secret has more than this, in bits per character.
    pub(crate) entropy: f64,
    pub(crate) allowed: Vec<Allow>,
}

/// What is no secret.
pub(crate) struct Allow {
    pub(crate) target: Target,
    pub(crate) patterns: Vec<Pattern>,
    /// In lower case, anywhere in the secret.
    pub(crate) words: Vec<String>,
    /// What finds them; some rules have a thousand.
    finder: OnceLock<AhoCorasick>,
}

/// A text that a rule goes through, with what it has found out about the line it is on: a line may be as long as the text, and hold
/// as many matches as fit.
struct Reading<'a> {
    text: &'a str,
    line: Range<usize>,
    /// Whether the line is one that an [`Allow`] names, by where that is.
    allowed_lines: Vec<Option<bool>>,
}

impl<'a> Reading<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, line: 0..0, allowed_lines: Vec::new() }
    }

    /// Whether something holds for the lines that a match stands on, found out once for each line; `of` says whose it is.
    fn of_line(&mut self, whole: &Range<usize>, of: usize, holds: impl Fn(&str) -> bool) -> bool {
        let is_within = self.line.start <= whole.start && whole.end <= self.line.end && !whole.is_empty();
        if !is_within {
            let lines = lines(self.text, whole);
            let text = self.text.get(lines.clone()).unwrap_or_default();
            if text.contains('\n') {
                // No other match stands on the same ones.
                return holds(text);
            }
            (self.line, self.allowed_lines) = (lines, Vec::new());
        }
        if self.allowed_lines.len() <= of {
            self.allowed_lines.resize(of + 1, None);
        }
        let line = self.text.get(self.line.clone()).unwrap_or_default();
        let known = self.allowed_lines.get_mut(of).expect("there is one for each");
        *known.get_or_insert_with(|| holds(line))
    }
}

/// A pattern, compiled when it is first needed.
pub(crate) struct Pattern {
    pub(crate) text: String,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    fn new(text: &str) -> Self {
        Self { text: with_escaped_braces(text), compiled: OnceLock::new() }
    }

    fn compiled(&self) -> &Regex {
        self.compiled.get_or_init(|| {
            // As in Go, whose classes and boundaries are those of ASCII.
            RegexBuilder::new(&self.text)
                .unicode(false)
                .size_limit(MOST_COMPILED_BYTES)
                .build()
                .expect("a test compiles every pattern of the file")
        })
    }
}

impl Allow {
    fn new(text: &AllowText) -> Self {
        Self {
            target: text.target(),
            patterns: text.regexes.iter().map(|pattern| Pattern::new(pattern)).collect(),
            words: text.stopwords.iter().map(|word| word.to_ascii_lowercase()).collect(),
            finder: OnceLock::new(),
        }
    }

    /// Whether its patterns are held against the secret alone.
    pub(crate) fn is_about_secret(&self) -> bool {
        self.target == Target::Secret
    }

    /// Whether it names a secret in a match; `of` is its place among what the rule allows.
    fn has(&self, reading: &mut Reading<'_>, whole: &Range<usize>, secret: &str, of: usize) -> bool {
        let names =
            |target: &str| self.patterns.iter().any(|pattern| pattern.compiled().is_match(target.as_bytes()));
        let is_named = match self.target {
            Target::Secret => names(secret),
            Target::Match => names(reading.text.get(whole.clone()).unwrap_or_default()),
            Target::Line => reading.of_line(whole, of, names),
        };
        is_named || !self.words.is_empty() && self.finder().is_match(secret)
    }

    fn finder(&self) -> &AhoCorasick {
        self.finder.get_or_init(|| {
            let finder = AhoCorasick::builder().ascii_case_insensitive(true).build(&self.words);
            finder.expect("some thousand words are not too many")
        })
    }
}

impl Secrets {
    /// All rules, read when they are first needed.
    pub(crate) fn get() -> &'static Self {
        &SECRETS
    }

    fn read(text: &str) -> Self {
        let file = File::read(text);
        let rules: Vec<SecretRule> = file.rules.iter().filter_map(SecretRule::new).collect();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let (mut words, mut rules_of): (Vec<&str>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        for (position, rule) in rules.iter().enumerate() {
            for word in &rule.keywords {
                let place = *places.entry(word).or_insert_with(|| {
                    words.push(word);
                    rules_of.push(Vec::new());
                    words.len() - 1
                });
                rules_of.get_mut(place).expect("a place was made for each word").push(position);
            }
        }
        let keywords = AhoCorasick::builder().ascii_case_insensitive(true).build(&words);
        let keywords = keywords.expect("some hundred words are not too many");
        let allowed = Allow::new(&file.allowlist);
        Self { keywords, rules_of, rules, allowed }
    }

    /// Tells where secrets stand in a text, and which rule says so.
    pub(crate) fn find(&'static self, text: &str, tell: &mut dyn FnMut(Rule, Range<usize>)) {
        let mut asked: Vec<usize> = Vec::new();
        for word in self.keywords.find_overlapping_iter(text) {
            asked.extend(self.rules_of.get(word.pattern().as_usize()).into_iter().flatten());
        }
        asked.sort_unstable();
        asked.dedup();
        for rule in asked.into_iter().filter_map(|position| self.rules.get(position)) {
            rule.find(&self.allowed, text, tell);
        }
    }
}

impl SecretRule {
    /// A rule that can be asked about a text; those for files of a certain name cannot.
    fn new(text: &RuleText) -> Option<Self> {
        let pattern = text.regex.as_ref().filter(|_| text.path.is_none())?;
        Some(Self {
            label: label(&text.id),
            id: text.id.clone(),
            keywords: text.keywords.iter().map(|word| word.to_ascii_lowercase()).collect(),
            pattern: Pattern::new(pattern),
            group: text.secret_group,
            entropy: text.entropy,
            // One that holds only in files of a certain name holds nowhere here.
            allowed: text.allowlists.iter().filter(|allow| !allow.needs_path()).map(Allow::new).collect(),
        })
    }

    fn find(&'static self, allowed: &Allow, text: &str, tell: &mut dyn FnMut(Rule, Range<usize>)) {
        let mut reading = Reading::of(text);
        for found in self.pattern.compiled().captures_iter(text.as_bytes()) {
            let Some(whole) = found.get(0) else { continue };
            let secret = match self.group {
                Some(group) => found.get(group),
                None => found.iter().skip(1).flatten().find(|group| !group.is_empty()).or(Some(whole)),
            };
            let Some(secret) = secret else { continue };
            let (whole, range) = (within(text, whole.range()), within(text, secret.range()));
            let secret = text.get(range.clone()).unwrap_or_default();
            if self.entropy > 0.0 && entropy(secret) <= self.entropy {
                continue;
            }
            let mut allowed = std::iter::once(allowed).chain(&self.allowed).enumerate();
            if allowed.any(|(of, allow)| allow.has(&mut reading, &whole, secret, of)) {
                continue;
            }
            tell(self.rule(), range);
        }
    }

    fn rule(&'static self) -> Rule {
        Rule::Secret { id: &self.id, label: &self.label, is_generic: self.is_generic() }
    }

    pub(crate) fn is_generic(&self) -> bool {
        self.id == GENERIC
    }
}

/// Bits per character, after Shannon.
fn entropy(text: &str) -> f64 {
    let mut counts: HashMap<char, u32> = HashMap::new();
    let mut length = 0_u32;
    for character in text.chars() {
        *counts.entry(character).or_default() += 1;
        length += 1;
    }
    let share = |count: u32| f64::from(count) / f64::from(length);
    counts.into_values().map(|count| -share(count) * share(count).log2()).sum()
}

/// The nearest places around a range where characters begin.
fn within(text: &str, range: Range<usize>) -> Range<usize> {
    text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end)
}

/// The lines that a match stands on.
fn lines(text: &str, whole: &Range<usize>) -> Range<usize> {
    let start = text.get(..whole.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let end =
        text.get(whole.end..).and_then(|after| after.find('\n')).map_or(text.len(), |at| whole.end + at);
    start..end
}

/// Go takes a brace that begins no repetition for itself.
fn with_escaped_braces(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => {
                written.push('\\');
                written.extend(rest.next());
            }
            '{' if !begins_repetition(rest.as_str()) => written.push_str("\\{"),
            _ => written.push(character),
        }
    }
    written
}

fn begins_repetition(rest: &str) -> bool {
    let Some((count, _)) = rest.split_once('}') else { return false };
    let (least, most) = count.split_once(',').unwrap_or((count, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

/// What a rule finds, in words: `aws-access-token` finds an AWS access token.
fn label(id: &str) -> String {
    let words = id.split('-').map(|word| match word {
        "aws" | "api" | "gcp" | "jwt" | "id" | "url" | "npm" | "ad" | "tf" | "ca" | "scim" | "ptt"
        | "rrt" | "cicd" => word.to_ascii_uppercase(),
        "pat" => "personal access token".to_owned(),
        "generic" => String::new(),
        "github" => "GitHub".to_owned(),
        "gitlab" => "GitLab".to_owned(),
        "openai" => "OpenAI".to_owned(),
        "pypi" => "PyPI".to_owned(),
        "pub" => "public".to_owned(),
        "personnal" => "personal".to_owned(),
        "access" | "token" | "key" | "secret" | "client" | "private" | "user" | "service" | "account"
        | "password" | "refresh" | "app" | "oauth" | "bot" | "webhook" | "header" | "auth" | "sensitive"
        | "base64" | "admin" | "personal" | "legacy" | "config" | "deploy" | "feed" | "session"
        | "cookie" | "shared" | "custom" | "signing" | "encryption" | "public" | "org" | "organization"
        | "batch" | "license" | "long" | "lived" | "short" | "upload" | "workspace" | "v2" => word.to_owned(),
        // The name of whoever issues it.
        name => {
            let mut letters = name.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
        }
    });
    let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_rules_are_those_that_were_released() {
        let digest = format!("{:x}", Sha256::digest(TEXT.as_bytes()));
        assert_eq!(digest, "e163e53b9e7e8a8511e77271e2b323ed057759542a6d988258afe3a1fa329caf", "{VERSION}");
    }

    #[test]
    fn every_rule_for_texts_is_read_and_every_pattern_compiles() {
        let secrets = Secrets::get();
        // Of 222, five are for files of a certain name.
        assert_eq!(secrets.rules.len(), 217);
        for rule in &secrets.rules {
            assert!(!rule.keywords.is_empty(), "{} would be asked about everything", rule.id);
            let groups = rule.pattern.compiled().captures_len();
            assert!(rule.group.is_none_or(|group| group < groups), "{}", rule.id);
        }
        let allowed = secrets.rules.iter().flat_map(|rule| &rule.allowed).chain([&secrets.allowed]);
        for pattern in allowed.flat_map(|allow| &allow.patterns) {
            let _ = pattern.compiled();
        }
    }

    #[test]
    fn a_line_is_looked_at_once_for_each_that_asks_and_anew_when_another_begins() {
        let text = "key a b\nkey c\nd e";
        let looked = std::cell::RefCell::new(Vec::new());
        let mut reading = Reading::of(text);
        let mut ask = |whole: Range<usize>, of: usize| {
            reading.of_line(&whole, of, |line| {
                looked.borrow_mut().push(line.to_owned());
                line.contains('a')
            })
        };
        assert!(ask(0..3, 1) && ask(4..5, 1) && ask(6..7, 2));
        assert!(!ask(8..11, 1) && !ask(12..13, 1));
        assert!(!ask(12..15, 1), "over the end of a line");
        assert!(!ask(16..17, 1));
        assert_eq!(*looked.borrow(), ["key a b", "key a b", "key c", "key c\nd e", "d e"]);
    }

    #[test]
    fn a_word_counts_in_either_case_and_anywhere_in_a_secret() {
        let text = AllowText::of_words(&["Example"]);
        let allow = Allow::new(&text);
        let has = |secret: &str| allow.has(&mut Reading::of(secret), &(0..secret.len()), secret, 0);
        assert!(has("anEXAMPLEkey1") && has("example") && !has("exampl"));
    }

    #[test]
    fn a_brace_that_begins_no_repetition_is_itself() {
        assert_eq!(with_escaped_braces(r"a{2}b{3,}c{4,5}"), r"a{2}b{3,}c{4,5}");
        assert_eq!(with_escaped_braces(r"^\${(?:x)}{{[^}]+}}\{"), r"^\$\{(?:x)}\{\{[^}]+}}\{");
    }

    #[test]
    fn a_secret_is_called_what_it_is() {
        for (id, expected) in [
            ("aws-access-token", "AWS access token"),
            ("generic-api-key", "API key"),
            ("github-fine-grained-pat", "GitHub Fine Grained personal access token"),
            ("private-key", "private key"),
            ("stripe-access-token", "Stripe access token"),
            ("jwt", "JWT"),
        ] {
            assert_eq!(label(id), expected);
        }
    }

    #[test]
    fn entropy_is_counted_in_bits_per_character() {
        let close = |text: &str, bits: f64| (entropy(text) - bits).abs() < 1e-9;
        assert!(close("", 0.0) && close("aaaa", 0.0) && close("abab", 1.0) && close("abcd", 2.0));
    }
}
