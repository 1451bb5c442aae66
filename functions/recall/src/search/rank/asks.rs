//! How much of a turn is a question.

use model::text;

/// What a question ends with.
const MARKS: [char; 3] = ['?', '？', '؟'];
/// So much of a text is read.
const READ_BYTES: usize = 4096;

/// Whether a turn ends in a question, so that the next one may be its answer.
pub(super) fn asks(content: &str) -> bool {
    content.trim_end().ends_with(MARKS)
}

/// The share of a turn's words that are in sentences that ask: 1 for a turn that says nothing else, 0 for one that asks nothing.
#[expect(clippy::cast_precision_loss, reason = "words of one turn")]
pub(super) fn share_that_asks(content: &str) -> f64 {
    let content = text::cut(content, READ_BYTES);
    if !content.contains(MARKS) {
        return 0.0;
    }
    let (mut all, mut asking) = (0_usize, 0_usize);
    for sentence in text::sentences(content) {
        let words = text::words(sentence).count();
        all += words;
        // "Really?!" and "(or is it?)" ask too.
        if sentence.trim_end_matches(|c: char| !c.is_alphanumeric() && !MARKS.contains(&c)).ends_with(MARKS) {
            asking += words;
        }
    }
    if all > 0 { asking as f64 / all as f64 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_turn_asks_with_as_many_of_its_words_as_its_questions_have() {
        let is = |content, share: f64| {
            assert!(
                (share_that_asks(content) - share).abs() < 1e-12,
                "{content}: {}",
                share_that_asks(content)
            );
        };
        is("What is next on the list?", 1.0);
        is("I am fine. And how are you?", 4.0 / 7.0);
        is("Really?! (Or is it?) I had no idea.", 4.0 / 8.0);
        is("I know why, Mr. What, not who.", 0.0);
        is("I am fine.", 0.0);
        is("?", 0.0);
        is("", 0.0);
    }

    #[test]
    fn a_turn_asks_for_an_answer_when_it_ends_in_a_question() {
        assert!(asks("I am fine. And you? "));
        assert!(!asks("And you? I am fine."));
    }

    proptest! {
        #[test]
        fn it_is_a_share_of_any_text(content in "\\PC{0,80}") {
            prop_assert!((0.0..=1.0).contains(&share_that_asks(&content)));
        }
    }
}
