//! Whom a turn is about.

use model::text;

/// What may come before the subject of a sentence.
const OPENINGS: [&str; 12] =
    ["oh", "well", "so", "and", "but", "yeah", "yes", "no", "also", "actually", "hey", "wow"];
/// What people are to each other, in the singular.
const RELATIONS: [&str; 50] = [
    "mother", "father", "mom", "mum", "mama", "dad", "papa", "parent", "brother", "sister", "sibling", "son",
    "daughter", "kid", "child", "children", "husband", "wife", "partner", "girlfriend", "boyfriend",
    "spouse", "fiance", "fiancé", "fiancée", "aunt", "uncle", "cousin", "niece", "nephew", "grandma",
    "grandpa", "grandmother", "grandfather", "grandparent", "grandson", "granddaughter", "friend", "buddy",
    "colleague", "coworker", "boss", "manager", "neighbour", "neighbor", "roommate", "flatmate", "teacher",
    "coach", "doctor",
];
/// What somebody does who tells something: "my doctor says I may not" is about me.
const TELLS: [&str; 27] = [
    "says", "said", "say", "saying", "thinks", "thought", "think", "told", "tells", "tell", "asked", "asks",
    "ask", "believes", "suggested", "suggests", "recommended", "recommends", "reckons", "swears", "claims",
    "insists", "warned", "warns", "reminded", "reminds", "advised",
];
/// How far from "my" the relation stands: "my dear old friend".
const MOST_BETWEEN: usize = 2;

/// Whether a turn of one sentence is about somebody that the question is not about, and the question says neither who they are
/// nor their name: its subject is "my brother", by name or not, "the neighbour's dog", or "Pepper, the neighbour's dog". What
/// they say is not about them. `asked` has the stems of the question.
pub(super) fn is_about_another(content: &str, asked: &[String]) -> bool {
    let mut words = text::word_positions(content)
        .skip_while(|(_, word)| OPENINGS.contains(&word.to_lowercase().as_str()))
        .peekable();
    let is_asked = |word: &str| asked.contains(&text::stem(&word.to_lowercase()));
    // "Pepper, the neighbour's dog, …": who it is, is said behind the name.
    let introduced = words.peek().copied().filter(|(_, word)| word.starts_with(char::is_uppercase)).and_then(
        |(at, name)| {
            let behind = content.get(at + name.len()..)?.strip_prefix(", ")?;
            let (who, _) = behind.split_once(',')?;
            subject(text::words(who)).is_some().then_some((name, who))
        },
    );
    let is_other = if let Some((name, who)) = introduced {
        !is_asked(name) && subject(text::words(who)).is_some_and(|(relation, _)| !is_asked(relation))
    } else {
        let Some((relation, after)) = subject(words.map(|(_, word)| word)) else { return false };
        let mut after = after.peekable();
        let name = after.next_if(|word| word.starts_with(char::is_uppercase) && *word != "I");
        let next = after.next().unwrap_or_default();
        let with_me = next == "and" && after.next() == Some("I");
        !with_me && !TELLS.contains(&next) && !is_asked(relation) && !name.is_some_and(is_asked)
    };
    is_other && text::sentences(content).len() == 1
}

/// The relation that words begin with, and what stands behind it: "my brother" or "the neighbour's".
fn subject<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<(&'a str, impl Iterator<Item = &'a str>)> {
    let first = words.next()?.to_lowercase();
    let relation = words.by_ref().take(MOST_BETWEEN + 1).find(|word| is_relation(word))?;
    let is_somebody = match first.as_str() {
        "my" | "our" => true,
        // "The doctor" may be anybody's; whose something is, is said of somebody.
        "the" => owner(relation).is_some(),
        _ => false,
    };
    is_somebody.then_some((relation, words))
}

fn is_relation(word: &str) -> bool {
    let word = word.to_lowercase();
    let word = owner(&word).unwrap_or(&word);
    RELATIONS.contains(&word) || word.strip_suffix('s').is_some_and(|one| RELATIONS.contains(&one))
}

/// Whose something is: the neighbour of "neighbour's".
fn owner(word: &str) -> Option<&str> {
    word.strip_suffix("'s").or_else(|| word.strip_suffix("’s"))
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
    fn what_somebody_says_may_be_about_oneself() {
        let question = "What progress have I made?";
        assert!(!is("My teacher says I have got much better.", question));
        assert!(!is("Our old coach Ada told me to rest.", question));
        assert!(is("My teacher has got much better.", question));
    }

    #[test]
    fn whose_something_is_may_be_said_behind_its_name() {
        let question = "What health problems has my dog Juno had?";
        assert!(is("Pepper, the neighbour’s dog, was limping as well.", question));
        assert!(is("Ana, my sister, was limping as well.", question));
        assert!(is("The neighbour's head torch is on all night.", question));
        assert!(!is("Ana, my sister, was limping.", "How is my sister?"));
        assert!(!is("Ana, my sister, was limping.", "How is Ana?"));
        assert!(!is("Juno, the dog, was limping.", question));
        assert!(!is("Yes, my leg, again.", question));
        assert!(!is("The doctor says I must not eat gluten.", question));
    }

    #[test]
    fn a_question_about_a_relative_is_answered_by_what_is_said_of_them() {
        assert!(!is("My brother Felix is allergic to cashews.", "What is my brother allergic to?"));
        assert!(!is("My brother Felix is allergic to cashews.", "Is Felix allergic?"));
        assert!(!is("My cousins are allergic to cashews.", "Which cousin of mine is allergic?"));
    }
}
