//! A few words that name something, one after the other or several: where they begin and end, and what says too little.

use model::text;
use model::tokens::Case;

use super::activity::is_doing;
use super::number::number;
use super::{Read, Sentence};
use crate::facts::sentence::is_adverb;
use crate::facts::words::{Gap, Word};
use crate::lexicon;

/// The longest thing that is liked, in words.
pub(super) const LONGEST_PHRASE: usize = 5;

/// Where a phrase ends.
pub(super) const ENDS: [&str; 83] = [
    "and", "or", "but", "because", "so", "when", "whenever", "while", "if", "since", "as", "that", "which",
    "who", "where", "what", "how", "why", "i", "we", "you", "he", "she", "they", "it", "is", "are", "was",
    "were", "am", "do", "did", "does", "can", "will", "would", "could", "too", "also", "either", "very",
    "much", "more", "most", "best", "especially", "every", "these", "those", "this", "now", "lately",
    "recently", "any", "again", "here", "there", "lol", "btw", "though", "than", "before", "during", "even",
    "anyway", "like", "already", "ever", "never", "these", "always", "lots", "tho", "haha", "although",
    "not", "'s", "please", "then", "still", "until", "just", "yet",
];

/// A phrase ends here too, unless it says what somebody does: "talking to people".
pub(super) const PREPOSITIONS: [&str; 23] = [
    "at", "for", "with", "from", "on", "to", "over", "after", "by", "in", "into", "onto", "up", "out", "off",
    "around", "without", "near", "along", "outside", "through", "across", "about",
];

/// A phrase does not end in one of these.
const ENDINGS: [&str; 15] = [
    "of", "the", "a", "an", "my", "some", "all", "well", "good", "bad", "lot", "bit", "yesterday", "today",
    "lots",
];

/// What such a phrase is never about: it is there before the speakers' eyes, or says nothing.
pub(super) const OF_THE_MOMENT: [&str; 44] = [
    "it", "that", "this", "them", "you", "your", "yours", "him", "her", "his", "their", "these", "those",
    "what", "how", "when", "where", "who", "everything", "anything", "nothing", "something", "each", "both",
    "being", "seeing", "hearing", "having", "knowing", "no", "us", "me", "someone", "everyone", "anyone",
    "another", "such", "'s", "here", "there", "to", "not", "our", "its",
];

/// Words that alone name nothing.
const VAGUE: [&str; 60] = [
    "thing", "things", "stuff", "way", "ways", "idea", "ideas", "sound", "look", "looks", "one", "ones",
    "lot", "bit", "time", "times", "part", "parts", "place", "places", "feeling", "vibe", "vibes", "color",
    "colors", "colour", "colours", "photo", "photos", "pic", "pics", "picture", "pictures", "design",
    "designs", "kind", "sort", "type", "fact", "plan", "plans", "attitude", "spirit", "energy", "enthusiasm",
    "name", "story", "question", "suggestion", "view", "thought", "thoughts", "people", "combo", "choice",
    "news", "hearing", "trying", "doing", "getting",
];

/// What is spoken of with an article and still meant in general.
const THE_GENERAL: [&str; 20] = [
    "beach", "ocean", "sea", "outdoors", "mountains", "rain", "snow", "sun", "cold", "heat", "winter",
    "summer", "forest", "countryside", "theatre", "theater", "opera", "city", "water", "arts",
];

impl Sentence<'_> {
    /// A few words that name something: "spicy food", "spending time with their family".
    pub(super) fn phrase(&self, at: usize, longest: usize) -> Option<Read> {
        let mut start = at;
        let mut after_the = false;
        while matches!(self.lower(start), "a" | "an" | "all" | "some" | "any" | "the" | "of" | "my" | "our")
            || (is_adverb(self.lower(start)) && start + 1 < self.words.len())
        {
            if matches!(self.lower(start), "my" | "our") {
                return None;
            }
            after_the = self.lower(start) == "the";
            start += 1;
            self.joined(start)?;
        }
        if after_the && !THE_GENERAL.contains(&self.lower(start)) {
            return None;
        }
        let does = is_doing(self.lower(start));
        let mut end = start;
        while end < start + longest + if does { 2 } else { 0 }
            && let Some(word) = self.words.get(end).filter(|word| end == start || word.gap == Gap::None)
        {
            let lower = word.lower.as_str();
            let links = lower == "of" && end > start;
            if (ENDS.contains(&lower) && !(lower == "best" && end > start)) && !links {
                break;
            }
            let how_long = lower == "for"
                && (number(self.lower(end + 1)).is_some()
                    || matches!(
                        self.lower(end + 1),
                        "a" | "many" | "over" | "about" | "years" | "months" | "ages" | "so"
                    ));
            if PREPOSITIONS.contains(&lower) && (how_long || !(does && end > start)) {
                break;
            }
            if self.is_date(word) {
                break;
            }
            end += 1;
        }
        let whole = end;
        while end > start
            && (ENDINGS.contains(&self.lower(end - 1)) || PREPOSITIONS.contains(&self.lower(end - 1)))
        {
            end -= 1;
        }
        // What somebody does to "those", or with what comes after, is not understood; nor is what a clause goes on about.
        let next = self.joined(whole).map_or("", |word| word.lower.as_str());
        let goes_on = [
            "that", "which", "who", "where", "i", "we", "you", "they", "he", "she", "whose", "those", "this",
            "these",
        ]
        .contains(&next);
        let cut_off = whole > end && PREPOSITIONS.contains(&self.lower(whole - 1));
        if goes_on || (does && cut_off) {
            return None;
        }
        let words = self.words.get(start..end).filter(|words| !words.is_empty())?;
        if words
            .iter()
            .any(|word| OF_THE_MOMENT.contains(&word.lower.as_str()) && !(word.lower == "to" && does))
        {
            return None;
        }
        let carries = words
            .iter()
            .any(|word| !text::is_stop_word(&word.lower) && !VAGUE.contains(&word.lower.as_str()));
        let last = words.last()?;
        if !carries
            || VAGUE.contains(&last.lower.as_str())
            || words.iter().any(|word| word.case == Case::Number) && words.len() == 1
        {
            return None;
        }
        let says_little = match words {
            [only] => only.lower == "playing",
            [first, second, ..] => first.lower == "playing" && PREPOSITIONS.contains(&second.lower.as_str()),
            [] => true,
        };
        let no_object = ["sure", "myself", "yourself", "ourselves"];
        if says_little || words.iter().any(|word| no_object.contains(&word.lower.as_str())) {
            return None;
        }
        // "a safe, inviting place"
        let article = words.len() >= 2
            && words.get(words.len() - 2).is_some_and(|word| matches!(word.lower.as_str(), "a" | "an"));
        if article
            && self
                .words
                .get(end)
                .is_some_and(|word| word.gap == Gap::Comma && !text::is_stop_word(&word.lower))
        {
            return None;
        }
        // A phrase that is cut short by its length is not understood.
        let is_cut = end == start + longest + if does { 2 } else { 0 }
            && !self.ends_at(end)
            && self.words.get(end).is_some_and(|word| {
                !ENDS.contains(&word.lower.as_str()) && !PREPOSITIONS.contains(&word.lower.as_str())
            });
        if is_cut {
            return None;
        }
        let is_title = words.len() > 1
            && words.iter().all(|word| {
                word.case != Case::Lower || matches!(word.lower.as_str(), "of" | "the" | "and" | "a")
            })
            && words.first().is_some_and(|word| !word.opens);
        let value: Vec<String> = if is_title {
            words.iter().map(|word| word.text.to_owned()).collect()
        } else {
            words.iter().map(|word| written(word)).collect()
        };
        let the = if after_the { "the " } else { "" };
        Read::one(format!("{the}{}", value.join(" ").replace(" 's", "'s")), end)
    }

    /// Several values of a kind: "pizza, pasta and sushi".
    pub(super) fn several(&self, at: usize, read: impl Fn(&Self, usize) -> Option<Read>) -> Option<Read> {
        let mut found = read(self, at)?;
        let is_long_doing = found
            .values
            .first()
            .is_some_and(|value| value.split_once(' ').is_some_and(|(first, _)| is_doing(first)));
        loop {
            let next = self.words.get(found.end);
            let conjunction = matches!(self.lower(found.end), "and" | "or")
                && next.is_some_and(|word| word.gap != Gap::Break);
            let comma = next.is_some_and(|word| word.gap == Gap::Comma);
            let after = found.end + usize::from(conjunction);
            // A comma only joins when an "and" or "or" follows sooner or later.
            let closes = (found.end..(found.end + 12).min(self.words.len()))
                .take_while(|at| self.words.get(*at).is_some_and(|word| word.gap != Gap::Break))
                .any(|at| matches!(self.lower(at), "and" | "or"));
            if !(conjunction || comma && closes)
                || self.words.get(after).is_none_or(|word| conjunction && word.gap != Gap::None)
            {
                return Some(found);
            }
            let Some(more) = read(self, after) else { return Some(found) };
            let fits = more.values.iter().all(|value| {
                let first = value.split(' ').next().unwrap_or_default();
                // In "improving schools and roads" the second belongs to what is done.
                let belongs = is_long_doing && !is_doing(first);
                value.split(' ').count() <= 3 && !is_finite(first) && !belongs
            });
            if !fits
                || !(self.ends_at(more.end)
                    || self
                        .words
                        .get(more.end)
                        .is_some_and(|word| PREPOSITIONS.contains(&word.lower.as_str())))
            {
                return Some(found);
            }
            found.values.extend(more.values);
            found.end = more.end;
        }
    }
}

/// Verbs that begin another statement: "I love dogs and hate cats".
fn is_finite(word: &str) -> bool {
    [
        "love", "hate", "like", "want", "need", "think", "know", "have", "had", "has", "work", "live", "go",
        "went", "will", "would", "can", "hope", "feel", "try", "get", "got", "find", "found", "enjoy",
        "prefer", "always", "thanks", "thank", "never", "did", "do", "make", "made", "appreciate", "admire",
    ]
    .contains(&word)
}

/// A word as it is kept: a capital stays where it belongs to a name.
fn written(word: &Word<'_>) -> String {
    match word.lower.as_str() {
        "my" | "our" | "your" => "their".to_owned(),
        lower if word.text.is_empty() => lower.to_owned(),
        lower if word.case == Case::Lower || word.opens || lexicon::is_common(lower) => {
            if matches!(word.case, Case::Upper | Case::Mixed) && !lexicon::is_common(lower) {
                word.text.to_owned()
            } else {
                lower.to_owned()
            }
        }
        _ => word.text.to_owned(),
    }
}
