//! Everybody in the third person: "I" becomes the speaker, "you" the one who is spoken to, and verbs agree with them.

use super::report::Parties;
use super::verbs::{self, of_third_person};
use super::words::{Word, is_adverb, joined};

/// The words as they are told of the speaker, without a mark at the end.
pub(super) fn tell(all: &[Word], parties: Parties<'_>) -> Option<String> {
    Some(joined(&retell(all, parties)?)).filter(|told| !told.is_empty())
}

/// Everybody in the third person. None when somebody is spoken to and nobody knows who.
pub(super) fn retell(all: &[Word], parties: Parties<'_>) -> Option<Vec<Word>> {
    let mut told: Vec<Word> = Vec::with_capacity(all.len());
    let mut agree = false;
    for (at, word) in all.iter().enumerate() {
        let mut new = word.clone();
        let before = at.checked_sub(1).and_then(|at| all.get(at));
        match word.low.as_str() {
            "i" => {
                // "My wife and I are": they both.
                let both = before.is_some_and(|before| before.low == "and" && before.after.is_empty());
                let plural =
                    all.get(at + 1).is_some_and(|next| next.is(&["are", "were", "aren't", "weren't"]));
                agree = !(both && plural);
                if word.text.is_empty() {
                    continue;
                }
                parties.speaker.clone_into(&mut new.text);
            }
            "me" => parties.speaker.clone_into(&mut new.text),
            "mine" if before.is_some_and(|before| before.is(&["a", "the", "coal", "gold", "old"])) => {}
            "us" if word.text == "US" => {}
            "my" | "mine" => new.text = possessive(parties.speaker),
            "myself" | "yourself" if before.is_some_and(|before| before.low == "by") => {
                told.pop();
                "alone".clone_into(&mut new.text);
            }
            // "I'll do it myself" says no more than "I'll do it".
            "myself" | "yourself"
                if (at + 1 == all.len() || !word.after.is_empty()) && !before.is_some_and(takes_object) =>
            {
                if let Some(last) = told.last_mut() {
                    last.after.push_str(&word.after);
                }
                continue;
            }
            "myself" | "yourself" | "ourselves" | "yourselves" => "themselves".clone_into(&mut new.text),
            "you" => {
                parties.addressee?.clone_into(&mut new.text);
                agree = is_subject(before, all.get(at + 1));
            }
            "your" | "yours" => new.text = possessive(parties.addressee?),
            "we" => "they".clone_into(&mut new.text),
            "us" => "them".clone_into(&mut new.text),
            "our" => "their".clone_into(&mut new.text),
            "ours" => "theirs".clone_into(&mut new.text),
            low if agree => {
                if word.is(&["and", "or", "but"]) {
                    // "you and I": what follows is the other half of the subject.
                    agree = false;
                } else if !is_adverb(low) {
                    let third = of_third_person(low);
                    if third != low {
                        new.text = third;
                    }
                    agree = false;
                }
            }
            low if before.is_some_and(|before| before.is(&["and", "but"]))
                && verbs::is_base(low)
                && (word.after.is_empty() && at + 1 < all.len() || at < 3)
                && goes_on(all.get(..at).unwrap_or_default()) =>
            {
                new.text = of_third_person(low);
            }
            _ => {}
        }
        new.low = new.text.to_lowercase();
        told.push(new);
    }
    Some(told)
}

/// Whether what follows a word may be what is done to: "embrace", "for".
fn takes_object(word: &Word) -> bool {
    verbs::is_base(&word.low)
        || verbs::is_past(&word.low)
        || word.low.ends_with("ing")
        || word.is(&[
            "embrace", "to", "for", "of", "with", "at", "about", "in", "on", "as", "like", "than", "from",
            "and",
        ])
}

/// Whether a verb after "and" has "I" or "you" for its subject: "I work hard and go home", but "I will work and go".
fn goes_on(before: &[Word]) -> bool {
    // "I know people who drink and drive", "I make him laugh and cry"; "I need food and sleep".
    let others = before.iter().any(|word| {
        word.is(&[
            "who", "that", "which", "when", "how", "why", "make", "let", "help", "see", "hear", "watch",
            "have",
        ])
    });
    if others {
        return false;
    }
    let Some(subject) =
        before.iter().rposition(|word| word.is(&["i", "you", "we", "they", "he", "she", "it", "to"]))
    else {
        return false;
    };
    let Some(word) = before.get(subject).filter(|word| word.is(&["i", "you"])) else { return false };
    let previous = subject.checked_sub(1).and_then(|at| before.get(at));
    let mut verbs_after = before.iter().skip(subject + 1).filter(|word| !is_adverb(&word.low));
    let verb = verbs_after.next();
    (word.low == "i" || is_subject(previous, verb)) && verb.is_some_and(|verb| verbs::is_base(&verb.low))
}

/// Whether "you" between these words is who does something.
fn is_subject(before: Option<&Word>, after: Option<&Word>) -> bool {
    let object = before.is_some_and(|before| {
        before.after.is_empty()
            && (before.is(&[
                "let", "make", "makes", "made", "help", "helps", "see", "saw", "hear", "to", "for", "with",
                "of", "at", "on", "from", "about", "by", "have", "having", "watch", "and", "tell", "ask",
                "give", "thank", "than", "do", "does", "did", "will", "would", "can", "could", "should",
                "may", "might", "must", "shall",
            ]))
    });
    // "I miss you so much", but "I think you often do".
    let object = object
        || before.is_some_and(|before| {
            let clause = before.is(&[
                "think", "know", "hope", "guess", "believe", "wish", "say", "mean", "bet", "suppose",
                "understand", "imagine", "thought", "said", "knew", "hoped", "heard", "believed", "need",
                "want",
            ]);
            let verb =
                verbs::is_base(&before.low) || verbs::is_past(&before.low) || before.low.ends_with("ing");
            let vague = after.is_some_and(|after| {
                after.is(&["so", "too", "all", "better", "now", "then", "both", "first"])
            });
            before.after.is_empty() && verb && (!clause || vague)
        });
    let verb = after.is_some_and(|after| {
        verbs::is_auxiliary(&after.low) || verbs::is_base(&after.low) || is_adverb(&after.low)
    });
    !object && verb
}

fn possessive(name: &str) -> String {
    format!("{name}'s")
}
