//! Who is spoken to: "Ines, can you", "@ines could you".

use model::text;

use crate::action::cut;
use crate::sentence::{Gap, Sentence};

/// Whether only a greeting or a name stands before a word.
pub(super) fn is_address(sentence: &Sentence<'_>, at: usize) -> bool {
    (0..at).all(|before| {
        let Some(word) = sentence.words.get(before) else { return false };
        let greets = matches!(
            word.lower.as_str(),
            "hey"
                | "hi"
                | "hello"
                | "ok"
                | "okay"
                | "yes"
                | "and"
                | "so"
                | "also"
                | "please"
                | "sure"
                | "then"
        );
        greets || word.token.sigil == Some('@') || is_name(sentence, before)
    })
}

/// The name of who is spoken to, right before a cue: "Ines, can you", "@ines could you".
pub(super) fn addressed(sentence: &Sentence<'_>, at: usize) -> Option<String> {
    let before = at.checked_sub(1)?;
    let word = sentence.words.get(before)?;
    let greets = matches!(
        word.lower.as_str(),
        "hey" | "hello" | "okay" | "yes" | "also" | "please" | "sure" | "then" | "thanks" | "sorry"
    );
    let named = !greets
        && (word.token.sigil == Some('@')
            || is_name(sentence, before)
                && sentence.words.get(at).is_some_and(|word| word.gap == Gap::Comma));
    if !named || !is_address(sentence, at) {
        return None;
    }
    let mut letters = cut(word.token.text, 60).chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect())
}

fn is_name(sentence: &Sentence<'_>, at: usize) -> bool {
    sentence.words.get(at).is_some_and(|word| {
        word.token.text.starts_with(char::is_uppercase)
            && word.lower.len() > 2
            && !text::is_stop_word(&word.lower)
    })
}
