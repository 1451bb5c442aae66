//! How much a sentence says by itself.

use std::collections::BTreeSet;

use model::text;

/// Words that are said out of politeness.
const PLEASANTRIES: &[&str] = &[
    "hi", "hey", "hello", "bye", "goodbye", "thanks", "thank", "welcome", "wow", "cool", "great", "awesome",
    "nice", "yes", "yeah", "yep", "sure", "ok", "okay", "right", "well", "oh", "please", "sorry", "congrats",
    "agree", "totally", "exactly", "haha", "lol", "good", "fine", "amazing", "lovely", "absolutely",
    "definitely", "glad", "luck", "no", "morning", "evening", "afternoon", "sir", "madam", "ma'am",
    "pleasure", "excuse", "course", "problem",
];

/// Words of plans, decisions, wishes and troubles, which a summary is read for.
const COMMITMENTS: &[&str] = &[
    "will", "decided", "decide", "agreed", "need", "needs", "want", "wants", "plan", "plans", "planning",
    "must", "should", "i'll", "we'll", "i'd", "going", "let's", "because", "problem", "suggest", "recommend",
    "help", "would", "wrong", "trouble",
];

/// An image is worth a mention when there is little else.
const IMAGE: u32 = 200;

/// How much a sentence says by itself, in thousandths: content words first; names and numbers, plans and decisions add;
/// questions, pleasantries and very long sentences take away.
pub(crate) fn weight(sentence: &str) -> u32 {
    if sentence.starts_with('[') {
        return IMAGE;
    }
    let words: Vec<String> =
        text::words(sentence).map(|word| word.to_lowercase().replace('’', "'")).collect();
    let pleasantries = words.iter().filter(|word| PLEASANTRIES.contains(&word.as_str())).count();
    let stems: BTreeSet<String> = text::content_stems(sentence).collect();
    let content = stems.len().saturating_sub(pleasantries).min(12);
    let mut weight = 50 + 75 * u32::try_from(content).unwrap_or_default();
    let names = text::words(sentence).skip(1).any(|word| {
        let mut letters = word.chars();
        letters.next().is_some_and(|c| c.is_uppercase() || c.is_numeric()) && letters.next().is_some()
    });
    if names && content > 2 {
        weight += 100;
    }
    if words.iter().any(|word| COMMITMENTS.contains(&word.as_str())) {
        weight += 100;
    }
    if sentence.trim_end().ends_with(['?', '？', '؟']) {
        weight = weight * 3 / 5;
    }
    if content <= 2 && pleasantries > 0 {
        weight /= 4;
    }
    if words.len() > 45 {
        weight = weight * 7 / 10;
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_outweighs_a_question_and_a_question_a_greeting() {
        let statement = weight("I moved to Lisbon in March to work on solar boats.");
        let question = weight("Did you move to Lisbon in March to work on boats?");
        let greeting = weight("Hey, thanks, good to see you!");
        assert!(statement > question && question > greeting, "{statement} {question} {greeting}");
    }
}
