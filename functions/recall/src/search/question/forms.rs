//! Forms of a word that no rule of endings brings together: "sleep" and "slept", "tooth" and "teeth".

use std::collections::HashMap;
use std::sync::LazyLock;

use model::text;

/// Irregular verbs of English, between commas: each with its other forms behind it, which are of the past.
const VERBS: &str = "arise arose arisen, awake awoke awoken, bear bore borne, beat beaten, become became, \
    begin began begun, bend bent, bind bound, bite bit bitten, bleed bled, blow blew blown, break broke broken, \
    bring brought, build built, burn burnt, buy bought, catch caught, choose chose chosen, cling clung, creep crept, \
    deal dealt, dig dug, draw drew drawn, dream dreamt, drink drank drunk, drive drove driven, eat ate eaten, \
    fall fell fallen, feed fed, feel felt, fight fought, find found, flee fled, fly flew flown, forbid forbade forbidden, \
    forget forgot forgotten, forgive forgave forgiven, freeze froze frozen, grow grew grown, hang hung, hear heard, \
    hide hid hidden, hold held, kneel knelt, know knew known, lay laid, lead led, leap leapt, learn learnt, leave left, \
    lend lent, lie lain, light lit, lose lost, mean meant, meet met, pay paid, ride rode ridden, ring rang rung, \
    rise rose risen, run ran, see saw seen, seek sought, sell sold, send sent, sew sewn, shake shook shaken, \
    shine shone, shoot shot, show shown, shrink shrank shrunk, sing sang sung, sink sank sunk, sit sat, sleep slept, \
    slide slid, smell smelt, speak spoke spoken, speed sped, spell spelt, spend spent, spill spilt, spin spun, \
    spoil spoilt, spring sprang sprung, stand stood, steal stole stolen, stick stuck, sting stung, strike struck, \
    swear swore sworn, sweep swept, swell swollen, swim swam swum, swing swung, teach taught, tear tore torn, tell told, \
    think thought, throw threw thrown, wake woke woken, wear wore worn, weave wove woven, weep wept, win won, \
    wind wound, write wrote written";

/// And of nouns, which are of the plural.
const NOUNS: &str = "child children, man men, woman women, foot feet, tooth teeth, mouse mice, person people, wife wives, life lives, \
    knife knives";

/// The verbs that are so common that they say nothing in a search.
const COMMON_PAST: [&str; 15] = [
    "did", "had", "went", "made", "got", "took", "came", "gave", "put", "let", "kept", "cut", "hit", "shut",
    "set",
];

/// The forms of each word, by the stem of each of them.
static FORMS: LazyLock<HashMap<String, Vec<&'static str>>> = LazyLock::new(|| {
    let mut forms = HashMap::new();
    for group in VERBS.split(", ").chain(NOUNS.split(", ")) {
        let words: Vec<&str> = group.split_whitespace().collect();
        for word in &words {
            forms.entry(text::stem(word)).or_insert_with(|| words.clone());
        }
    }
    forms
});

/// A text, and behind it the forms its words also have.
pub(super) fn with_forms(words: &str) -> String {
    let mut all = words.to_owned();
    for word in text::words(words) {
        let stem = text::stem(&word.to_lowercase());
        for form in FORMS.get(&stem).into_iter().flatten().filter(|form| text::stem(form) != stem) {
            all.push(' ');
            all.push_str(form);
        }
    }
    all
}

/// The forms of the past of irregular verbs.
pub(crate) fn past_forms() -> impl Iterator<Item = &'static str> {
    VERBS.split(", ").flat_map(|verb| verb.split_whitespace().skip(1)).chain(COMMON_PAST)
}

/// What a stem and the stems of its other forms have in common.
pub(crate) fn base(stem: &str) -> &str {
    FORMS.get(stem).and_then(|forms| forms.first()).map_or(stem, |first| *first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_brings_the_forms_that_its_stem_has_not() {
        assert_eq!(with_forms("How have I been sleeping?"), "How have I been sleeping? slept");
        assert_eq!(with_forms("Whose teeth?"), "Whose teeth? tooth");
        assert_eq!(with_forms("What did I paint?"), "What did I paint?");
    }

    #[test]
    fn all_forms_have_one_base() {
        assert_eq!(base(&text::stem("written")), base(&text::stem("writing")));
        assert_eq!(base("lisbon"), "lisbon");
    }

    #[test]
    fn no_stem_is_in_two_groups() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for group in VERBS.split(", ").chain(NOUNS.split(", ")) {
            for word in group.split_whitespace() {
                let before = seen.insert(text::stem(word), group);
                assert!(before.is_none_or(|before| before == group), "{word}: {before:?}, {group}");
            }
        }
    }
}
