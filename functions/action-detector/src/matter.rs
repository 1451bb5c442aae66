//! Which questions matter to whoever works with what was said.
//!
//! A question is remembered when somebody needs its answer for doing something: it asks for a decision, a permission, help or
//! advice, for when, where, who or how much, for how to do a thing, for whether something was done, or for a fact about a
//! thing. Everything else is conversation: how somebody is, feels, likes or came to what they do. A question is judged by
//! its own words alone, not by how soon it is answered, for the answer may come in another window.

mod phrases;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use model::text;

use self::phrases::{
    ANYWHERE, AUXILIARIES, CHOICES, DECISIONS, DEEDS, LEADS, NOTHING_NAMED, OF_TALK, PARTICULARS,
    PHRASES_OF_TALK, TELLING,
};
use crate::sentence::{Gap, Sentence};
use crate::verbs;
use crate::vocabulary::ORDERS;

/// Whether somebody needs the answer to a question for doing something.
pub(crate) fn matters(sentence: &Sentence<'_>) -> bool {
    let count = sentence.words.len().min(40);
    let any = |phrases: &[&[&str]]| (0..count).any(|at| phrases.iter().any(|words| sentence.has(at, words)));
    let starts: Vec<usize> = (0..count).filter(|at| starts(sentence, *at)).collect();
    if is_foreign(sentence) {
        return true;
    }
    let is_choice = any(&CHOICES) || proposes(sentence);
    let is_talk = any(&PHRASES_OF_TALK)
        || sentence
            .words
            .iter()
            .any(|word| OF_TALK.contains(&word.lower.as_str()) || word.lower.ends_with("iest"));
    if is_talk && !is_choice {
        return false;
    }
    is_choice
        || any(&ANYWHERE)
        || any(&[&["know", "any"]]) && says(sentence, &["who", "that", "which", "where"])
        || says(sentence, &PARTICULARS)
        || starts.iter().any(|at| DECISIONS.iter().any(|words| sentence.has(*at, words)))
        || starts.iter().any(|at| asks_to_be_told(sentence, *at) || asks_for_circumstances(sentence, *at))
        || is_about_a_day(sentence)
        || asks_for_a_deed(sentence)
        || starts.iter().any(|at| is_about_a_thing(sentence, *at))
        || is_about_oneself(sentence)
}

/// "What do you think about moving the launch to June?"
fn proposes(sentence: &Sentence<'_>) -> bool {
    (0..sentence.words.len().min(40)).any(|at| {
        (sentence.has(at, &["you", "think", "about"]) || sentence.has(at, &["you", "think", "of"]))
            && sentence.word(at + 3).len() > 5
            && sentence.word(at + 3).ends_with("ing")
    })
}

/// Whether a question may begin at a word.
fn starts(sentence: &Sentence<'_>, at: usize) -> bool {
    sentence.opens(at)
        || (0..at).all(|before| LEADS.contains(&sentence.word(before)))
        || at > 0 && matches!(sentence.word(at - 1), "and" | "but" | "so" | "or")
}

/// A language whose questions cannot be told apart here.
fn is_foreign(sentence: &Sentence<'_>) -> bool {
    let known = sentence.words.iter().filter(|word| text::is_stop_word(&word.lower)).count();
    sentence.words.len() > 3 && 5 * known < sentence.words.len()
}

fn says(sentence: &Sentence<'_>, words: &[&str]) -> bool {
    sentence.words.iter().any(|word| words.contains(&word.lower.as_str()))
}

fn is_of_the_other(sentence: &Sentence<'_>) -> bool {
    says(sentence, &["you", "your", "yours", "yourself", "you're", "you've", "you'd", "ya", "y'all"])
}

/// "Could you tell me where the fuse box is?", "can you explain photosynthesis?"
fn asks_to_be_told(sentence: &Sentence<'_>, at: usize) -> bool {
    let asks = sentence.has(at, &["can", "you"]) || sentence.has(at, &["could", "you"]);
    asks && TELLING.contains(&sentence.word(at + 2)) && sentence.words.len() > at + 3
}

/// When, where, who, which, how much, how to.
fn asks_for_circumstances(sentence: &Sentence<'_>, at: usize) -> bool {
    let next = sentence.word(at + 1);
    let of_you = is_of_the_other(sentence);
    let of_a_thing = says(sentence, &["the", "my", "our", "this", "that"]);
    match sentence.word(at) {
        "when" | "whens" => {
            matches!(next, "is" | "are" | "does" | "do" | "will" | "can" | "should" | "would" | "must")
                || next != "did" && next != "have" && next != "was" && !of_you
        }
        "what" => matches!(next, "time" | "date" | "day"),
        "where" | "wheres" => {
            of_a_thing && !of_you && !matches!(next, "was" | "were") || matches!(next, "can" | "should")
        }
        "who" | "whos" | "whose" => {
            !of_you
                && sentence.words.len() > at + 1
                && !matches!(next, "was" | "were" | "can" | "could" | "wouldn't")
        }
        "which" => {
            sentence.words.len() > at + 1
                && (!of_you
                    || !says(sentence, &["did", "do", "are", "have"])
                    || sentence.words.iter().skip(at).any(|word| is_deed(&word.lower)))
        }
        "why" => !of_you && sentence.words.len() > at + 2,
        "how" => match next {
            "much" | "many" => {
                !of_you || says(sentence, &["need", "cost", "costs", "want", "left", "pay", "charge"])
            }
            "big" | "old" | "late" | "early" | "often" | "high" | "heavy" | "expensive" | "large"
            | "small" | "fast" | "deep" | "wide" | "hot" | "reliable" | "accurate" => !of_you,
            "long" | "soon" | "far" => {
                !of_you && !says(sentence, &["have", "has", "been", "did"])
                    || says(sentence, &["will", "need"])
            }
            "do" | "can" | "should" | "could" | "to" => {
                next == "to" || matches!(sentence.word(at + 2), "i" | "we" | "one" | "they")
            }
            "does" => !of_you && says(sentence, &["work", "works"]),
            _ => false,
        },
        _ => false,
    }
}

/// A day that lies ahead, as in "are you coming on Saturday?"; how one that is over was, is talk.
fn is_about_a_day(sentence: &Sentence<'_>) -> bool {
    !sentence.dates.is_empty()
        && !says(sentence, &["was", "were", "been", "did", "have", "had", "how", "anything"])
}

/// "Did you feed the cat?", "has anyone booked the hall?", "where did you park the car?"
fn asks_for_a_deed(sentence: &Sentence<'_>) -> bool {
    (0..sentence.words.len().min(40)).any(|at| {
        let asks = matches!(sentence.word(at), "did" | "have" | "has" | "didn't" | "haven't")
            && matches!(sentence.word(at + 1), "you" | "u" | "anyone" | "anybody" | "somebody" | "someone");
        let verb = (at + 2..at + 5).any(|at| sentence.words.get(at).is_some_and(|word| is_deed(&word.lower)));
        let object = (at + 3..sentence.words.len())
            .any(|at| matches!(sentence.word(at), "the" | "my" | "our" | "me" | "us" | "from"));
        asks && verb && object
    })
}

/// Whether a word is a form of a verb for what can be asked of somebody.
fn is_deed(word: &str) -> bool {
    static STEMS: LazyLock<BTreeSet<String>> =
        LazyLock::new(|| ORDERS.iter().chain(&DEEDS).map(|deed| verbs::stem(deed)).collect());
    STEMS.contains(&verbs::stem(word))
}

/// "Is the meeting still at ten?", "why did the build fail?", "what's Tim's number?"
fn is_about_a_thing(sentence: &Sentence<'_>, at: usize) -> bool {
    let last = sentence.words.last().map_or("", |word| word.lower.as_str());
    let is_of_talk = matches!(last, "like" | "about");
    if is_of_the_other(sentence) || is_of_talk || sentence.word(at) == "how" {
        return false;
    }
    let asking = matches!(sentence.word(at), "what" | "why" | "whats");
    let auxiliary = if asking { at + 1 } else { at };
    let is_short = asking && !AUXILIARIES.contains(&sentence.word(at + 1));
    let subject = if is_short { at + 1 } else { auxiliary + 1 };
    let asks = is_short && sentence.word(at) != "why" || AUXILIARIES.contains(&sentence.word(auxiliary));
    // "What is photosynthesis?"
    let is_named = sentence.word(at) == "what"
        && matches!(sentence.word(auxiliary), "is" | "are" | "does")
        && !NOTHING_NAMED.contains(&sentence.word(subject));
    let is_thing = matches!(
        sentence.word(subject),
        "the" | "my" | "our" | "anyone" | "anybody" | "someone" | "somebody"
    ) || is_named
        || sentence.words.get(subject).is_some_and(|word| {
            word.gap == Gap::Space && word.token.text.starts_with(char::is_uppercase) && word.lower != "i"
        });
    asks && is_thing && (is_named || sentence.words.len() > subject + 1)
}

/// What the speaker is to do or may do: "where can I find …", "do we need …".
fn is_about_oneself(sentence: &Sentence<'_>) -> bool {
    (0..sentence.words.len().min(40)).any(|at| {
        let asks = matches!(sentence.word(at), "can" | "could" | "may" | "do" | "must" | "should")
            && matches!(sentence.word(at + 1), "i" | "we");
        asks && (at == 0 || !matches!(sentence.word(at - 1), "think" | "say"))
    })
}

#[cfg(test)]
mod tests {
    use crate::sentence::with_sentences;

    use super::*;

    /// Of these questions, those that matter.
    fn kept<'a>(questions: &[&'a str]) -> Vec<&'a str> {
        let matter = |text: &str| {
            let event = testkit::event(1, "Nora", text);
            with_sentences(&event, |sentences| {
                sentences.iter().enumerate().any(|(at, sentence)| {
                    crate::question::is_real(sentence, sentences.get(at + 1)) && matters(sentence)
                })
            })
        };
        questions.iter().copied().filter(|text| matter(text)).collect()
    }

    #[test]
    fn what_somebody_has_to_know_matters() {
        let questions = [
            "Shall we postpone the release?",
            "What do you think about moving the launch to June?",
            "Do you want me to renew the licence?",
            "Is it ok if I take the van tonight?",
            "When does the warehouse close?",
            "And where is the key?",
            "Who signs the contract?",
            "How much does the permit cost?",
            "How do I reset the router?",
            "Did anyone book the hall?",
            "Which supplier did you choose?",
            "Have you heard back from the clinic?",
            "Why did the build fail last night?",
            "Does the API return a token?",
            "Is there a way to export the report?",
            "Are you coming to the review on Thursday?",
            "What's Tim's address?",
            "Where can I find the manual?",
            "Got any advice on hiring a lawyer?",
            "Wann kommt der Klempner wieder vorbei?",
        ];
        assert_eq!(kept(&questions), questions);
    }

    #[test]
    fn small_talk_does_not() {
        let none: [&str; 0] = [];
        let questions = [
            "Hey Tim, how're you doing?",
            "How was your weekend?",
            "How did the concert go?",
            "What's up with you lately?",
            "What have you been up to?",
            "What do you think?",
            "What about you?",
            "How about yourself?",
            "Really?",
            "Guess what?",
            "It was great, isn't it?",
            "It pays to keep going, you know?",
            "That would be lovely, right?",
            "Why do you ask?",
            "What inspired you to paint?",
            "What do you enjoy most about the job?",
            "Have you ever been to Peru?",
            "Do you have any hobbies?",
            "How long have you lived there?",
            "Did you have fun at the fair?",
            "Can you tell me more about your dog?",
            "What was the best part of the trip?",
        ];
        assert_eq!(kept(&questions), none);
    }
}
