//! What somebody does: "painting", "running marathons", and "to paint" as the same.

use model::text;

use super::phrase::OF_THE_MOMENT;
use super::{Read, Sentence};

impl Sentence<'_> {
    /// "painting", "running marathons".
    pub(super) fn doing(&self, at: usize) -> Option<Read> {
        let first = self.words.get(at)?;
        let vague = [
            "thinking", "trying", "getting", "going", "doing", "working", "looking", "feeling", "being",
            "having", "making", "talking", "waiting", "wanting", "meaning", "seeing", "dealing",
            "struggling", "living", "searching", "considering", "wondering", "staying", "keeping", "taking",
            "using", "putting", "saving", "planning", "hoping", "focusing", "coming", "starting", "asking",
            "telling", "married", "dating",
        ];
        if !is_doing(&first.lower) || vague.contains(&first.lower.as_str()) {
            return None;
        }
        self.phrase(at, 2)
            .filter(|read| read.values.iter().all(|value| value != "playing" && value != "learning"))
    }

    /// "paint", as "painting".
    pub(super) fn verb(&self, at: usize) -> Option<Read> {
        let first = self.words.get(at)?;
        if text::is_stop_word(&first.lower)
            || OF_THE_MOMENT.contains(&first.lower.as_str())
            || [
                "see", "hear", "know", "say", "think", "keep", "get", "make", "give", "take", "help",
                "start", "stay", "learn", "share", "come", "go", "try",
            ]
            .contains(&first.lower.as_str())
        {
            return None;
        }
        let mut read = Read { values: Vec::new(), end: at + 1 };
        if let Some(more) = self.joined(at + 1).and_then(|_| self.phrase(at + 1, 2)) {
            read = Read { values: more.values, end: more.end };
        } else if !self.ends_at(at + 1) {
            return None;
        }
        let rest = read.values.first().map(|value| format!(" {value}")).unwrap_or_default();
        Read::one(format!("{}{rest}", gerund(&first.lower)), read.end)
    }

    pub(super) fn game(&self, at: usize) -> Option<Read> {
        let start = at + usize::from(matches!(self.lower(at), "the" | "some"));
        let read = self.phrase(start, 2)?;
        let value = read.values.first()?;
        let last = value.split(' ').next_back()?;
        let vague = [
            "games", "game", "music", "role", "shows", "show", "gigs", "songs", "dead", "matches", "roles",
            "fetch", "tricks",
        ]
        .contains(&last);
        (!vague && !is_doing(value) && !last.ends_with("ly")).then_some(read)
    }
}

/// Whether a word says what is being done.
pub(super) fn is_doing(word: &str) -> bool {
    word.len() > 4
        && word.ends_with("ing")
        && ![
            "thing", "things", "spring", "string", "evening", "morning", "during", "something", "anything",
            "everything", "nothing", "building", "clothing", "king", "wedding", "pudding", "amazing",
        ]
        .contains(&word)
}

/// "paint" → "painting", "run" → "running", "bake" → "baking".
fn gerund(verb: &str) -> String {
    let letters: Vec<char> = verb.chars().collect();
    let is_vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u');
    if let Some(stem) = verb.strip_suffix("ie") {
        return format!("{stem}ying");
    }
    if let Some(stem) = verb.strip_suffix('e').filter(|stem| !stem.ends_with('e') && stem.len() > 1) {
        return format!("{stem}ing");
    }
    if let [.., before, vowel, last] = letters.as_slice()
        && letters.len() <= 4
        && !is_vowel(*before)
        && is_vowel(*vowel)
        && !is_vowel(*last)
        && !matches!(last, 'w' | 'x' | 'y')
    {
        return format!("{verb}{last}ing");
    }
    format!("{verb}ing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_liked_to_do_is_what_is_done() {
        for (verb, doing) in [
            ("paint", "painting"),
            ("run", "running"),
            ("bake", "baking"),
            ("ski", "skiing"),
            ("play", "playing"),
            ("lie", "lying"),
        ] {
            assert_eq!(gerund(verb), doing);
        }
    }
}
