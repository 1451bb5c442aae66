//! The rules for secrets as Postgres has them, where no function of ours stands between an application and the log.
//!
//! A pattern is taken apart by the same parser that compiles it here and written down again in the words of Postgres's
//! advanced regular expressions. What differs is on the side of finding more: Postgres counts repetitions up to 255 only, so what
//! says more is unbounded there, and a pattern is greedy as a whole, so a secret of several lines may reach to the last
//! end of one in the text.

use std::fmt::Write;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind, Look, Repetition};
use serde::Serialize;

use crate::secrets::{Allow, SecretRule, Secrets};

/// The most that Postgres counts a repetition to.
const MOST_REPEATED: u32 = 255;

/// A rule as a row of `afterthought.guard_rules`.
#[derive(Debug, Serialize)]
pub struct StoredRule {
    /// Its name.
    pub rule: &'static str,
    /// What it finds, in words.
    pub label: &'static str,
    /// Whether it goes by the words around a secret.
    pub is_generic: bool,
    /// Patterns for `like`, one of which a text in lower case is like when the rule is asked about it.
    pub keywords: Vec<String>,
    /// What it matches.
    pub pattern: String,
    /// Which group of the pattern is the secret; the first that matched something, when it is not said.
    pub secret_group: Option<usize>,
    /// The secret has more bits per character than this.
    pub entropy: f64,
    /// What is no secret.
    pub allowed: Vec<StoredAllowed>,
}

/// What is no secret.
#[derive(Debug, Serialize)]
pub struct StoredAllowed {
    /// Whether the patterns are held against everything that the rule matched, and not against the secret alone.
    pub whole: bool,
    /// Patterns.
    pub patterns: Vec<String>,
    /// Words anywhere in the secret, in lower case.
    pub words: Vec<String>,
}

/// A pattern that Postgres cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold(pub String);

/// The version of gitleaks that the rules are from.
pub const VERSION: &str = crate::secrets::VERSION;

/// Every rule.
///
/// # Errors
/// When Postgres cannot be told one of the patterns.
pub fn rules() -> Result<Vec<StoredRule>, Untold> {
    Secrets::get().rules.iter().map(stored).collect()
}

fn stored(rule: &'static SecretRule) -> Result<StoredRule, Untold> {
    Ok(StoredRule {
        rule: &rule.id,
        label: &rule.label,
        is_generic: rule.is_generic(),
        keywords: rule.keywords.iter().map(|word| format!("%{}%", escaped_for_like(word))).collect(),
        pattern: told(&rule.pattern.text)?,
        secret_group: rule.group,
        entropy: rule.entropy,
        allowed: rule.allowed.iter().map(allowed).collect::<Result<_, _>>()?,
    })
}

/// What no rule takes for a secret.
///
/// # Errors
/// When Postgres cannot be told one of the patterns.
pub fn allowed_everywhere() -> Result<StoredAllowed, Untold> {
    allowed(&Secrets::get().allowed)
}

fn allowed(allow: &Allow) -> Result<StoredAllowed, Untold> {
    let patterns: Result<Vec<String>, Untold> =
        allow.patterns.iter().map(|pattern| told(&pattern.text)).collect();
    Ok(StoredAllowed { whole: !allow.is_about_secret(), patterns: patterns?, words: allow.words.clone() })
}

/// The rules as a migration that puts them in the place of those that are there.
///
/// # Errors
/// When Postgres cannot be told one of the patterns.
pub fn migration() -> Result<String, Untold> {
    let json = |value: serde_json::Result<String>| value.map_err(|error| Untold(error.to_string()));
    let mut sql = format!(
        "-- Why: the rules of gitleaks {VERSION} (MIT, shared/guard/rules), as `cargo run -p guard --example postgres_rules` writes them.\n\
         delete from afterthought.guard_rules;\n\
         insert into afterthought.guard_rules\n    \
             (rule, label, is_generic, keywords, pattern, secret_group, entropy, allowed)\n\
         select r.rule, r.label, r.is_generic, r.keywords, r.pattern, r.secret_group, r.entropy, r.allowed || $everywhere$[{}]$everywhere$\n\
         from jsonb_to_recordset($rules$[\n",
        json(serde_json::to_string(&allowed_everywhere()?))?
    );
    for (position, rule) in rules()?.iter().enumerate() {
        let separator = if position == 0 { "" } else { ",\n" };
        let _ = write!(sql, "{separator}{}", json(serde_json::to_string(rule))?);
    }
    sql.push_str(
        "\n]$rules$) as r (rule text, label text, is_generic boolean, keywords text[], pattern text, secret_group int,\n\
         \x20                   entropy float8, allowed jsonb);\n",
    );
    Ok(sql)
}

fn escaped_for_like(word: &str) -> String {
    word.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// A pattern in the words of Postgres.
fn told(pattern: &str) -> Result<String, Untold> {
    let untold = |why: &str| Untold(format!("{pattern}: {why}"));
    let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
    let parsed = parsed.map_err(|error| untold(&error.to_string()))?;
    let mut written = String::new();
    write_hir(without_lead(&parsed), &mut written).map_err(untold)?;
    Ok(written)
}

/// What is left of a pattern without something before it that may be there or not.
fn without_lead(pattern: &Hir) -> &[Hir] {
    let parts = match pattern.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(pattern),
    };
    match parts.split_first() {
        Some((first, rest)) if is_lead(first) && !rest.is_empty() => rest,
        _ => parts,
    }
}

fn is_lead(part: &Hir) -> bool {
    let HirKind::Repetition(Repetition { min: 0, greedy: false, sub, .. }) = part.kind() else {
        return false;
    };
    sub.properties().explicit_captures_len() == 0
}

fn write_hir(parts: &[Hir], written: &mut String) -> Result<(), &'static str> {
    parts.iter().try_for_each(|part| write_part(part, written))
}

fn write_part(part: &Hir, written: &mut String) -> Result<(), &'static str> {
    match part.kind() {
        HirKind::Empty => {
            written.push_str("(?:)");
            Ok(())
        }
        HirKind::Literal(literal) => literal.0.iter().try_for_each(|byte| write_byte(*byte, written)),
        HirKind::Class(Class::Bytes(class)) => write_class(class, written),
        HirKind::Class(Class::Unicode(class)) => {
            let class = class.to_byte_class().ok_or("it has a class of characters beyond ASCII")?;
            write_class(&class, written)
        }
        HirKind::Look(look) => {
            written.push_str(match look {
                Look::Start => "^",
                Look::End => "$",
                Look::WordAscii => "\\y",
                Look::WordAsciiNegate => "\\Y",
                _ => return Err("it looks around in a way that Postgres does not"),
            });
            Ok(())
        }
        HirKind::Repetition(repetition) => write_repetition(repetition, written),
        HirKind::Capture(capture) => {
            written.push('(');
            write_part(&capture.sub, written)?;
            written.push(')');
            Ok(())
        }
        HirKind::Concat(parts) => {
            written.push_str("(?:");
            write_hir(parts, written)?;
            written.push(')');
            Ok(())
        }
        HirKind::Alternation(branches) => {
            written.push_str("(?:");
            for (position, branch) in branches.iter().enumerate() {
                if position > 0 {
                    written.push('|');
                }
                write_part(branch, written)?;
            }
            written.push(')');
            Ok(())
        }
    }
}

fn write_repetition(repetition: &Repetition, written: &mut String) -> Result<(), &'static str> {
    let Repetition { min, max, sub, .. } = repetition;
    let is_atom = match sub.kind() {
        HirKind::Class(_) | HirKind::Capture(_) | HirKind::Concat(_) | HirKind::Alternation(_) => true,
        HirKind::Literal(literal) => literal.0.len() == 1,
        _ => false,
    };
    if is_atom {
        write_part(sub, written)?;
    } else {
        written.push_str("(?:");
        write_part(sub, written)?;
        written.push(')');
    }
    if *min > MOST_REPEATED {
        return Err("it repeats something more often than Postgres counts");
    }
    let _ = match (min, max.filter(|most| *most <= MOST_REPEATED)) {
        (0, None) => write!(written, "*"),
        (1, None) => write!(written, "+"),
        (least, None) => write!(written, "{{{least},}}"),
        (0, Some(1)) => write!(written, "?"),
        (least, Some(most)) if *least == most => write!(written, "{{{least}}}"),
        (least, Some(most)) => write!(written, "{{{least},{most}}}"),
    };
    Ok(())
}

fn write_class(class: &ClassBytes, written: &mut String) -> Result<(), &'static str> {
    let reaches_beyond = class.ranges().iter().any(|range| range.end() > 0x7f);
    let mut class = class.clone();
    if reaches_beyond {
        // Written as what it leaves out.
        class.negate();
        if class.ranges().iter().any(|range| range.end() > 0x7f) {
            return Err("it has some bytes beyond ASCII and not others");
        }
        if class.ranges().is_empty() {
            written.push('.');
            return Ok(());
        }
    }
    written.push_str(if reaches_beyond { "[^" } else { "[" });
    for range in class.ranges() {
        write_byte(range.start().max(1), written)?;
        if range.end() > range.start() {
            written.push('-');
            write_byte(range.end(), written)?;
        }
    }
    written.push(']');
    Ok(())
}

/// A character, by its number unless it is a letter or a digit, so that it means itself anywhere.
fn write_byte(byte: u8, written: &mut String) -> Result<(), &'static str> {
    match byte {
        byte if byte.is_ascii_alphanumeric() => written.push(char::from(byte)),
        0x01..=0x7f => {
            let _ = write!(written, "\\u{byte:04x}");
        }
        _ => return Err("it has a character beyond ASCII"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_same_in_the_words_of_postgres() {
        let of = |pattern: &str| told(pattern).unwrap();
        assert_eq!(of(r"\bA3-[A-Z0-9]{6}\b"), r"\yA3\u002d[0-9A-Z]{6}\y");
        assert_eq!(of(r"(?i)a(?:b|c\d)+"), r"[Aa](?:[Bb]|(?:[Cc][0-9]))+");
        assert_eq!(of(r"[\w.-]{0,50}?(?:key)(x{2,})"), r"key(x{2,})");
        assert_eq!(of(r"[^\n]*"), r"[^\u000a]*");
        assert_eq!(of(r"(?s:.)"), ".");
        assert_eq!(of(r"x{0,300}"), "x*");
        assert_eq!(of(r"^a|b$"), r"(?:(?:^a)|(?:b$))");
        assert!(told(r"é").is_err() && told(r"x{300}").is_err());
    }

    #[test]
    fn a_keyword_is_no_pattern_to_like() {
        assert_eq!(escaped_for_like(r"sk_live%\"), r"sk\_live\%\\");
    }

    #[test]
    fn postgres_is_told_every_rule() {
        assert_eq!(rules().unwrap().len(), Secrets::get().rules.len());
        assert!(!allowed_everywhere().unwrap().patterns.is_empty());
    }
}
