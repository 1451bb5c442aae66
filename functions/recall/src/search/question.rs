//! What a question asks for, apart from its names of speakers.

use model::text;

/// A question, read against who takes part in the conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The question without the names of speakers. Who is asked about has mostly *said* the answer, and a search for the
    /// name finds those who mention it instead. The whole question where nothing else is left.
    pub(crate) subject: String,
    /// The speakers it names.
    pub(crate) named: Vec<String>,
}

impl Subject {
    /// Reads a question. A speaker is named by the whole name or its first word, in any case, possessive or not.
    pub(crate) fn read(query: &str, speakers: &[String]) -> Self {
        let mut named: Vec<String> = Vec::new();
        let mut subject = String::with_capacity(query.len());
        let mut kept = 0;
        for (at, word) in text::word_positions(query) {
            let bare = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
            let mut is_name = false;
            for speaker in speakers.iter().filter(|speaker| names(speaker, bare)) {
                is_name = true;
                if !named.contains(speaker) {
                    named.push(speaker.clone());
                }
            }
            if is_name {
                subject.push_str(query.get(kept..at).unwrap_or_default());
                kept = at + word.len();
            }
        }
        subject.push_str(query.get(kept..).unwrap_or_default());
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        if text::content_stems(&subject).next().is_none() {
            return Self { subject: query.to_owned(), named };
        }
        Self { subject, named }
    }
}

/// Whether a word of a question names this speaker.
fn names(speaker: &str, word: &str) -> bool {
    let word = word.to_lowercase();
    let mut parts = text::words(speaker).map(str::to_lowercase);
    let first = parts.next();
    // A short first word is a title or an initial more often than a name.
    first.as_ref().is_some_and(|first| first.chars().count() > 2 && *first == word)
        || parts.any(|part| part.chars().count() > 2 && part == word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn speakers() -> Vec<String> {
        vec!["Melanie".to_owned(), "Dr Ada Byron".to_owned()]
    }

    #[test]
    fn the_names_of_speakers_leave_the_subject() {
        let question = Subject::read("When did Melanie's kids meet ada?", &speakers());
        assert_eq!(question.subject, "When did kids meet ?");
        assert_eq!(question.named, speakers());
    }

    #[test]
    fn a_question_that_is_only_a_name_keeps_it() {
        let question = Subject::read("Who is Melanie?", &speakers());
        assert_eq!(question.subject, "Who is Melanie?");
        assert_eq!(question.named, ["Melanie"]);
    }

    #[test]
    fn a_question_without_speakers_stays_as_it_is() {
        let question = Subject::read("What about Lisbon?", &[]);
        assert_eq!((question.subject.as_str(), question.named.len()), ("What about Lisbon?", 0));
    }

    proptest! {
        #[test]
        fn no_question_panics(query in "\\PC{0,80}", speaker in "\\PC{0,20}") {
            let _ = Subject::read(&query, &[speaker]);
        }
    }
}
