//! A question about a speaker as they would ask it themselves: people speak of themselves as "I", and what is said in the
//! first person is most like a question in the first person.

/// Words after which somebody is "me".
const PREPOSITIONS: [&str; 10] = ["with", "to", "for", "of", "about", "by", "from", "at", "on", "than"];

/// A word of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// The word.
    pub(super) text: &'a str,
    /// Whether it is a name of the one who is asked about.
    pub(super) is_name: bool,
}

/// The question with that speaker as "I", "me" and "my", and the verbs beside it to match.
pub(super) fn first_person(query: &str, words: &[Word<'_>]) -> String {
    let mut told = String::with_capacity(query.len());
    let mut kept = 0;
    let mut place = 0;
    while let Some(word) = words.get(place) {
        if !word.is_name {
            if let Some(verb) = verb_of_i(word.text)
                && is_beside_i(words, place)
            {
                told.push_str(query.get(kept..word.at).unwrap_or_default());
                told.push_str(verb);
                kept = word.at + word.text.len();
            }
            place += 1;
            continue;
        }
        let mention = words.get(place..).unwrap_or_default().iter().take_while(|word| word.is_name).count();
        let last = words.get(place + mention - 1).unwrap_or(word);
        told.push_str(query.get(kept..word.at).unwrap_or_default());
        told.push_str(pronoun(words, place, last));
        kept = last.at + last.text.len();
        place += mention;
    }
    told.push_str(query.get(kept..).unwrap_or_default());
    told
}

fn pronoun(words: &[Word<'_>], first: usize, last: &Word<'_>) -> &'static str {
    if is_possessive(last.text) {
        return "my";
    }
    let before = first.checked_sub(1).and_then(|before| words.get(before));
    if before.is_some_and(|before| PREPOSITIONS.contains(&before.text.to_lowercase().as_str())) {
        "me"
    } else {
        "I"
    }
}

/// Whether the word stands right before or after a name that becomes "I".
fn is_beside_i(words: &[Word<'_>], place: usize) -> bool {
    let names_i = |word: Option<&Word<'_>>| word.is_some_and(|word| word.is_name);
    let after = words.get(place + 1..).unwrap_or_default();
    let last_of_after = after.iter().take_while(|word| word.is_name).last();
    let before = place.checked_sub(1).and_then(|before| words.get(before));
    names_i(last_of_after) && !last_of_after.is_some_and(|last| is_possessive(last.text))
        || names_i(before) && !before.is_some_and(|before| is_possessive(before.text))
}

/// What a verb of the third person is with "I".
fn verb_of_i(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "has" => "have",
        "Has" => "Have",
        "is" => "am",
        "Is" => "Am",
        "does" => "do",
        "Does" => "Do",
        _ => return None,
    })
}

fn is_possessive(word: &str) -> bool {
    word.ends_with("'s") || word.ends_with("’s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(query: &str) -> String {
        let words: Vec<Word<'_>> = model::text::word_positions(query)
            .map(|(at, word)| Word {
                at,
                text: word,
                is_name: word.starts_with("Ada") || word.starts_with("Byron"),
            })
            .collect();
        first_person(query, &words)
    }

    #[test]
    fn who_is_asked_about_asks() {
        assert_eq!(told("How has Ada been sleeping?"), "How have I been sleeping?");
        assert_eq!(told("What are Ada’s kids called?"), "What are my kids called?");
        assert_eq!(told("What happened to Ada in May?"), "What happened to me in May?");
        assert_eq!(told("Is Ada Byron married?"), "Am I married?");
        assert_eq!(told("Ada has a dog"), "I have a dog");
    }

    #[test]
    fn what_stands_beside_a_possessive_keeps_its_verb() {
        assert_eq!(told("How is Ada's training going?"), "How is my training going?");
        assert_eq!(told("Does the dog of Ada bark?"), "Does the dog of me bark?");
        assert_eq!(told("Where is Lisbon?"), "Where is Lisbon?");
    }
}
