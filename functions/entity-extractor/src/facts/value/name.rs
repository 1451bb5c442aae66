//! What is written as a name is: places and persons.

use model::text;
use model::tokens::Case;

use super::language::is_language;
use super::{Read, Sentence};
use crate::facts::words::Gap;
use crate::lexicon::{self, fold};
use crate::names::Kind;
use crate::think::spelled;

/// The longest name of a place, person or body, in words.
const LONGEST_NAME: usize = 4;

impl Sentence<'_> {
    /// Words that are written as a name is: with capitals, or known from a list in small letters.
    pub(super) fn name(&self, at: usize, known: impl Fn(&str) -> bool) -> Option<(String, usize)> {
        let listed = (1..=LONGEST_NAME).rev().find_map(|length| {
            let name = self.plain(at, length)?;
            known(&fold(&name)).then_some((name, at + length))
        });
        let mut end = at;
        while end < at + LONGEST_NAME
            && let Some(word) = self.words.get(end).filter(|word| end == at || word.gap == Gap::None)
            && matches!(word.case, Case::Capital | Case::Upper | Case::Mixed)
            && !word.text.is_empty()
            && word.lower != "i"
            && !(crate::names::is_calendar_word(&word.lower) || word.opens && end == at)
        {
            end += 1;
            let links = matches!(self.lower(end), "'s" | "of" | "de" | "da" | "do" | "del" | "la" | "the");
            let goes_on =
                self.joined(end + 1).is_some_and(|word| word.case == Case::Capital && word.lower != "i");
            if links && self.joined(end).is_some() && goes_on {
                end += 1;
            }
        }
        match listed {
            Some((name, listed_end)) if listed_end >= end => Some((name, listed_end)),
            _ if end > at => Some((self.plain(at, end - at)?, end)),
            _ => None,
        }
    }

    /// Words as written, with single spaces; none when a mark stands between them.
    pub(super) fn plain(&self, at: usize, length: usize) -> Option<String> {
        let words = self.words.get(at..at + length)?;
        if words.iter().skip(1).any(|word| word.gap != Gap::None) {
            return None;
        }
        let mut name = String::new();
        for word in words {
            let written = if word.text.is_empty() { word.lower.as_str() } else { word.text };
            if word.text.is_empty() && word.lower != "'s" {
                return None;
            }
            if !name.is_empty() && word.lower != "'s" {
                name.push(' ');
            }
            name.push_str(written);
        }
        (!name.ends_with("'s")).then_some(name)
    }

    pub(super) fn place(&self, at: usize) -> Option<Read> {
        let at = at
            + usize::from(matches!(self.lower(at), "the" | "sunny" | "beautiful" | "downtown" | "central"));
        let (name, mut end) = self.name(at, |folded| lexicon::listed(folded) == Some(Kind::Place))?;
        let folded = fold(&name);
        let kind = lexicon::listed(&folded);
        let everyday = kind.is_none() && name.split(' ').all(|word| lexicon::is_common(&word.to_lowercase()));
        if everyday || kind.is_some_and(|kind| kind != Kind::Place) || is_language(&folded) {
            return None;
        }
        // "Porto, Portugal" is Porto.
        if self.words.get(end).is_some_and(|word| word.gap == Gap::Comma)
            && let Some((region, after)) =
                self.name(end, |folded| lexicon::listed(folded) == Some(Kind::Place))
            && lexicon::listed(&fold(&region)) == Some(Kind::Place)
        {
            end = after;
        }
        Read::one(spelled(&name), end)
    }

    pub(super) fn person(&self, at: usize) -> Option<Read> {
        let (name, end) = self.name(at, |folded| !folded.contains(' ') && lexicon::is_given_name(folded))?;
        let known = name.split(' ').any(|word| lexicon::is_given_name(&word.to_lowercase()));
        let everyday = name.split(' ').all(|word| word.len() > 2 && text::is_stop_word(&word.to_lowercase()));
        let place = lexicon::listed(&fold(&name)).is_some();
        // "It's my dog, Bob!" is said to Bob; "my dog, Rex, is old" is of Rex, unless Rex is one of those who speak.
        let set_off = self.words.get(at).is_some_and(|word| word.gap == Gap::Comma);
        let is_set_off = self.words.get(end).is_some_and(|word| word.gap == Gap::Comma);
        if set_off && (!is_set_off || self.speakers.contains(&fold(&name))) {
            return None;
        }
        let shouted = self.words.get(at..end)?.iter().all(|word| word.case == Case::Upper);
        (known || !everyday && !place && !shouted).then(|| Read::one(spelled(&name), end))?
    }
}
