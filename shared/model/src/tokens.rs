//! The words of a text as they are written: case, joins, possessives and where sentences open.

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// No capital: "lisbon".
    Lower,
    /// Only the first letter: "Lisbon".
    Capital,
    /// Every letter, two at least: "NASA".
    Upper,
    /// Capitals inside: `iPhone`, `McCain`.
    Mixed,
    /// No letter at all: "42".
    Number,
}

/// A word of a text.
#[derive(Debug, Clone)]
pub struct Token<'a> {
    /// As written, without a possessive ending.
    pub text: &'a str,
    /// In lower case.
    pub lower: String,
    /// First byte in the text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// How it is written.
    pub case: Case,
    /// `@` or `#` before the word.
    pub sigil: Option<char>,
    /// Only spaces stand between the previous word and this one.
    pub joined: bool,
    /// A sentence, a quotation or a list item starts here, so a capital says nothing.
    pub opens: bool,
    /// Followed by `'s`.
    pub possessive: bool,
}

/// The words of a text, in order, in time linear in the text.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let (mut opens, mut joined, mut sigil) = (true, false, None);
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if c.is_alphanumeric() {
            let end = word_end(text, at);
            let word = text.get(at..end).unwrap_or_default();
            if is_address(text.get(end..).unwrap_or_default(), word) {
                at +=
                    text.get(at..).and_then(|rest| rest.find(char::is_whitespace)).unwrap_or(text.len() - at);
                (joined, sigil) = (false, None);
                continue;
            }
            let (word, possessive) = without_possessive(word);
            let lower = word.to_lowercase();
            tokens.push(Token {
                text: word,
                start: at,
                end: at + word.len(),
                case: case(word),
                sigil: sigil.take(),
                joined,
                opens,
                possessive,
                lower,
            });
            (opens, joined) = (false, !possessive);
            at = end;
            continue;
        }
        sigil = (matches!(c, '@' | '#') && !ends_in_word(text, at)).then_some(c);
        opens |= match c {
            '.' => !tokens.last().is_some_and(|token| token.end == at && is_shortened(token)),
            '!' | '?' | '…' | ':' | '\n' | '\r' | '"' | '“' | '”' | '*' | '•' | '>' | '|' | '-' | '—'
            | '–' | '~' | '(' | '[' => true,
            other => other >= '\u{2190}',
        };
        let of_title = c == '.' && tokens.last().is_some_and(|token| token.end == at && takes_point(token));
        joined &= of_title || matches!(c, ' ' | '\u{a0}' | '@' | '#');
        at += c.len_utf8();
    }
    tokens
}

/// Where the word that starts at `start` ends: letters and digits, with single joiners inside.
fn word_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let mut chars = rest.char_indices().peekable();
    let (mut end, mut before, mut length) = (start, ' ', 0);
    while let Some((offset, c)) = chars.next() {
        if !c.is_alphanumeric() && c != '_' {
            let Some((_, after)) = chars.peek().copied().filter(|(_, after)| after.is_alphanumeric()) else {
                break;
            };
            let inner = match c {
                '\'' | '’' | '-' | '&' => true,
                '.' => {
                    (before.is_ascii_digit() && after.is_ascii_digit())
                        || length == 1
                        || (before.is_lowercase() && after.is_lowercase())
                }
                _ => false,
            };
            if !inner {
                break;
            }
            length = 0;
        } else {
            length += 1;
        }
        before = c;
        end = start + offset + c.len_utf8();
    }
    end
}

/// "https://…", "www.…", "ada@example.com".
fn is_address(after: &str, word: &str) -> bool {
    after.starts_with("://")
        || word.starts_with("www.")
        || after.strip_prefix('@').is_some_and(|rest| rest.starts_with(char::is_alphanumeric))
}

fn ends_in_word(text: &str, at: usize) -> bool {
    text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(char::is_alphanumeric)
}

fn without_possessive(word: &str) -> (&str, bool) {
    let bare = ["'s", "’s", "'S", "’S"].iter().find_map(|ending| word.strip_suffix(ending));
    bare.filter(|bare| !bare.is_empty()).map_or((word, false), |bare| (bare, true))
}

/// A full stop after "Mr", "J" or "U.S" ends no sentence.
fn is_shortened(token: &Token<'_>) -> bool {
    token.text.contains('.') || takes_point(token)
}

/// A word written with a full stop inside a name: "Dr. Okafor", "John J. Smith".
fn takes_point(token: &Token<'_>) -> bool {
    (token.text.chars().count() == 1 && token.case == Case::Capital && token.text != "I")
        || matches!(
            token.lower.as_str(),
            "mr" | "mrs" | "ms" | "dr" | "prof" | "st" | "jr" | "sr" | "vs" | "inc" | "ltd" | "corp" | "co"
        )
}

fn case(word: &str) -> Case {
    let mut letters = word.chars().filter(|c| c.is_alphabetic());
    let Some(first) = letters.next() else { return Case::Number };
    let (mut upper, mut lower) = (0, 0);
    for c in letters {
        if c.is_uppercase() {
            upper += 1;
        } else {
            lower += 1;
        }
    }
    match (first.is_uppercase(), upper, lower) {
        (true, 1.., 0) => Case::Upper,
        (true, 0, _) => Case::Capital,
        (false, 0, _) => Case::Lower,
        _ => Case::Mixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_keep_their_joiners_and_lose_their_possessives() {
        assert_eq!(
            written("Ada's AT&T-phone isn't at u.s. shops.Then $3.50, ok_1"),
            ["Ada", "AT&T-phone", "isn't", "at", "u.s", "shops", "Then", "3.50", "ok_1"]
        );
    }

    #[test]
    fn addresses_are_no_words() {
        assert_eq!(
            written("see https://a.example/Lisbon?q=1 or Ada@example.com, @ada"),
            ["see", "or", "ada"]
        );
    }

    #[test]
    fn a_capital_after_an_opening_says_nothing() {
        let opening: Vec<_> = tokens("Hi Mr. Smith. Then \"Go\" 😀 Yes")
            .into_iter()
            .filter(|token| token.opens)
            .map(|token| token.text)
            .collect();
        assert_eq!(opening, ["Hi", "Then", "Go", "Yes"]);
    }
}
