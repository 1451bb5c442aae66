//! Whom a turn is about.

use model::text;

/// What may come before the subject of a sentence.
const OPENINGS: [&str; 12] =
    ["oh", "well", "so", "and", "but", "yeah", "yes", "no", "also", "actually", "hey", "wow"];
/// What people are to each other, in the singular.
const RELATIONS: [&str; 50] = [
    "mother",
    "father",
    "mom",
    "mum",
    "mama",
    "dad",
    "papa",
    "parent",
    "brother",
    "sister",
    "sibling",
    "son",
    "daughter",
    "kid",
    "child",
    "children",
    "husband",
    "wife",
    "partner",
    "girlfriend",
    "boyfriend",
    "spouse",
    "fiance",
    "fiancé",
    "fiancée",
    "aunt",
    "uncle",
    "cousin",
    "niece",
    "nephew",
    "grandma",
    "grandpa",
    "grandmother",
    "grandfather",
    "grandparent",
    "grandson",
    "granddaughter",
    "friend",
    "buddy",
    "colleague",
    "coworker",
    "boss",
    "manager",
    "neighbour",
    "neighbor",
    "roommate",
    "flatmate",
    "teacher",
    "coach",
    "doctor",
];
/// How far from "my" the relation stands: "my dear old friend".
const MOST_BETWEEN: usize = 2;

/// Whether a turn of one sentence is about somebody that the question is not about: its subject is "my brother", by name or
/// not, and the question says neither. `asked` has the stems of the question.
pub(super) fn is_about_another(content: &str, asked: &[String]) -> bool {
    let mut words = text::words(content).skip_while(|word| OPENINGS.contains(&word.to_lowercase().as_str()));
    if !words.next().is_some_and(|word| matches!(word.to_lowercase().as_str(), "my" | "our")) {
        return false;
    }
    let is_asked = |word: &str| asked.contains(&text::stem(&word.to_lowercase()));
    let is_relation = |word: &&str| {
        let word = word.to_lowercase();
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(&word);
        RELATIONS.contains(&word) || word.strip_suffix('s').is_some_and(|one| RELATIONS.contains(&one))
    };
    let mut before = words.by_ref().take(MOST_BETWEEN + 1);
    let Some(relation) = before.find(is_relation) else { return false };
    let mut after = words.peekable();
    let name = after.next_if(|word| word.starts_with(char::is_uppercase) && *word != "I");
    let with_me = after.next() == Some("and") && after.next() == Some("I");
    !with_me && !is_asked(relation) && !name.is_some_and(is_asked) && text::sentences(content).len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(content: &str, question: &str) -> bool {
        is_about_another(content, &text::content_stems(question).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_relative_does_is_not_about_oneself() {
        let question = "What am I allergic to?";
        assert!(is("My brother Felix is allergic to cashews.", question));
        assert!(is("Well, our oldest neighbours can't sleep.", question));
        assert!(is("My sister's doctor says it is an allergy.", question));
        assert!(!is("I'm allergic to cashews, like my brother.", question));
        assert!(!is("My knee is fine.", question));
        assert!(!is("My friend and I went out to eat.", question));
        assert!(!is("My mother called. I can't have milk.", question));
    }

    #[test]
    fn a_question_about_a_relative_is_answered_by_what_is_said_of_them() {
        assert!(!is("My brother Felix is allergic to cashews.", "What is my brother allergic to?"));
        assert!(!is("My brother Felix is allergic to cashews.", "Is Felix allergic?"));
        assert!(!is("My cousins are allergic to cashews.", "Which cousin of mine is allergic?"));
    }
}
