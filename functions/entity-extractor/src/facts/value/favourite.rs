//! What somebody likes, owns or calls the best of its kind.

use super::activity::is_doing;
use super::phrase::{ENDS, OF_THE_MOMENT, PREPOSITIONS};
use super::{Read, Sentence};
use crate::facts::sentence::is_adverb;
use crate::facts::words::Gap;
use crate::lexicon;
use crate::think::spelled;

const BELONGINGS: [&str; 26] = [
    "house", "flat", "apartment", "car", "bike", "bicycle", "motorbike", "motorcycle", "boat", "van",
    "truck", "scooter", "piano", "guitar", "violin", "cello", "drone", "telescope", "kayak", "canoe",
    "camper", "caravan", "farm", "cabin", "e-bike", "tesla",
];

impl Sentence<'_> {
    /// "movie", "kind of music".
    pub(super) fn category(&self, at: usize) -> Option<Read> {
        let mut words = Vec::new();
        let mut end = at;
        while end < at + 4
            && let Some(word) = self.words.get(end).filter(|word| word.gap == Gap::None)
        {
            if ["is", "are", "was", "were", "has", "have", "of", "to", "would", "'s"]
                .contains(&word.lower.as_str())
                || ENDS.contains(&word.lower.as_str())
                || OF_THE_MOMENT.contains(&word.lower.as_str())
            {
                break;
            }
            words.push(word.lower.clone());
            end += 1;
        }
        let vague = words.last().is_none_or(|last| {
            [
                "thing", "things", "part", "way", "one", "ones", "bit", "stuff", "time", "photo", "pic",
                "picture", "memory", "memories", "moment", "so", "yet", "far", "person", "people", "piece",
            ]
            .contains(&last.as_str())
        });
        (!vague).then(|| Read::one(words.join(" "), end))?
    }

    /// What is said to be best: like a phrase, a title in quotation marks, or a name with "the".
    pub(super) fn best(&self, at: usize) -> Option<Read> {
        let definitely = at + usize::from(is_adverb(self.lower(at)));
        if let Some((name, end)) = self.name(definitely, |folded| lexicon::listed(folded).is_some())
            && !name.split(' ').all(|word| {
                lexicon::is_common(&word.to_lowercase())
                    && !self.words.get(definitely).is_some_and(|word| word.quoted)
            })
        {
            return Read::one(spelled(&name), end);
        }
        if self.words.get(definitely).is_some_and(|word| word.quoted) {
            let length = self.words.iter().skip(definitely).take_while(|word| word.quoted).count().min(8);
            return Read::one(self.plain(definitely, length)?, definitely + length);
        }
        let read = self.phrase(definitely, 3)?;
        let value = read.values.first()?;
        let known = !is_doing(value) || !value.contains(' ');
        (known && self.ends_at(read.end)).then_some(read)
    }

    pub(super) fn food(&self, at: usize) -> Option<Read> {
        let read = self.phrase(at, 2)?;
        read.values.iter().all(|value| !is_doing(value.split(' ').next().unwrap_or_default())).then_some(read)
    }

    pub(super) fn thing(&self, at: usize) -> Option<Read> {
        let length = (1..=4).find(|length| BELONGINGS.contains(&self.lower(at + length - 1)))?;
        let words = self.words.get(at..at + length)?;
        let fits = words.iter().skip(1).all(|word| word.gap == Gap::None)
            && words.iter().all(|word| {
                !ENDS.contains(&word.lower.as_str()) && !PREPOSITIONS.contains(&word.lower.as_str())
            });
        let next = self.joined(at + length).map_or("", |word| word.lower.as_str());
        let is_whole = next.is_empty()
            || self.ends_at(at + length)
            || ENDS.contains(&next)
            || PREPOSITIONS.contains(&next);
        if !fits || !is_whole {
            return None;
        }
        Read::one(words.last()?.lower.clone(), at + length)
    }
}
