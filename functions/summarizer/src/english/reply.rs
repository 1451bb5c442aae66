//! Whether somebody agrees.

use serde::{Deserialize, Serialize};

use super::words::words;

/// How a message takes up what was said before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// It answers a question with yes, or agrees.
    Yes,
    /// It answers a question with no, or declines.
    No,
    /// It agrees: "ok" answers no question.
    Agrees,
}

/// Whether a sentence agrees to what was said before it, or declines; none when it does neither.
pub(crate) fn reply(sentence: &str) -> Option<Reply> {
    if sentence.trim_end().ends_with('?') {
        return None;
    }
    let all = words(sentence);
    let low: Vec<&str> = all.iter().take(4).map(|word| word.low.as_str()).collect();
    // "Well, yes" and "Oh, no".
    let low = match low.as_slice() {
        ["well" | "oh" | "hmm" | "um" | "ah", rest @ ..] => rest,
        all => all,
    };
    let first = all.iter().find(|word| low.first().is_some_and(|first| word.low == *first))?;
    let goes_on = first.after.is_empty() && low.len() > 1;
    let is = |words: &[&str]| all.iter().any(|word| word.is(words));
    let refuses = is(&[
        "no", "not", "nope", "can't", "cannot", "won't", "couldn't", "don't", "isn't", "wouldn't", "never",
        "didn't", "haven't", "doesn't", "aren't", "right", "wait", "afraid",
    ]);
    let limits =
        is(&["but", "if", "unless", "though", "except", "however", "depends", "only", "until", "later"]);
    match low {
        ["of", "course", "not", ..]
        | ["certainly" | "absolutely" | "definitely", "not", ..]
        | ["not", "really", ..]
        | ["i", "am", "afraid", "not"]
        | ["i", "don't", "think", "so"]
        | ["sorry", "i", "can't", ..] => (!limits).then_some(Reply::No),
        ["no", "problem" | "worries"] => Some(Reply::Agrees),
        ["no", "problem" | "worries", ..] => {
            let others = all.iter().skip(2).any(|word| word.is(&["not", "can't", "won't", "don't", "no"]));
            (!limits && !others).then_some(Reply::Agrees)
        }
        // "Oh, no!" answers nothing, and "No wonder" neither.
        ["no"] if all.len() > 1 => None,
        ["no" | "nope" | "nah", rest @ ..] => {
            let plain = !goes_on
                || matches!(
                    rest,
                    ["thanks" | "thank" | "i" | "we" | "it" | "he" | "she" | "they" | "sorry", ..]
                );
            let takes_back =
                is(&["but", "yes", "sure", "course", "wait", "please", "yeah", "problem", "worries"]);
            (plain && !takes_back).then_some(Reply::No)
        }
        _ if refuses && !matches!(low, ["all", "right", ..]) || limits => None,
        ["of", "course", ..]
        | ["yes" | "yeah" | "yep" | "yup" | "certainly" | "absolutely" | "definitely", ..] => {
            Some(Reply::Yes)
        }
        ["sure", rest @ ..] if !goes_on || matches!(rest, ["i" | "we" | "thing", ..]) => Some(Reply::Yes),
        ["all", "right", ..] => {
            let others = all.iter().any(|word| word.is(&["no", "not", "can't", "won't", "don't"]));
            (!others).then_some(Reply::Agrees)
        }
        ["sounds", "good" | "great" | "fine" | "perfect", ..]
        | ["that", "sounds", "good" | "great" | "fine" | "perfect", ..]
        | ["good" | "great", "idea", ..]
        | ["with", "pleasure", ..]
        | ["i", "will", "do"]
        | ["ok" | "okay" | "alright", ..] => Some(Reply::Agrees),
        _ => None,
    }
}

/// Whether what follows an answer in the same message takes it back: "Sure. Oh, wait, I can't."
pub(crate) fn takes_back(sentence: &str) -> bool {
    let all = words(sentence);
    let first = all.first().is_some_and(|word| {
        word.is(&[
            "but", "wait", "unfortunately", "however", "sorry", "no", "not", "unless", "except", "only",
        ])
    });
    first || all.iter().any(|word| word.is(&["can't", "cannot", "won't", "kidding", "joking"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreeing_is_told_from_declining() {
        for (said, is) in [
            ("Sure!", Some(Reply::Yes)),
            ("Of course, I'd love to.", Some(Reply::Yes)),
            ("Well, yes.", Some(Reply::Yes)),
            ("No problem.", Some(Reply::Agrees)),
            ("That sounds great.", Some(Reply::Agrees)),
            ("No, thanks.", Some(Reply::No)),
            ("Oh, no!", None),
            ("Yeah, no, I can't.", None),
            ("Of course I can't.", None),
            ("Sure, but not today", None),
            ("Yes, if it rains.", None),
            ("Yeah, right.", None),
            ("Absolutely not!", Some(Reply::No)),
            ("No wonder.", None),
            ("Not at all.", None),
            ("Sure you will.", None),
            ("No, of course!", None),
            ("Of course not.", Some(Reply::No)),
            ("I don't think so.", Some(Reply::No)),
            ("Really?", None),
            ("The boat is red.", None),
            ("Yes?", None),
            ("", None),
        ] {
            assert_eq!(reply(said), is, "{said}");
        }
    }
}
