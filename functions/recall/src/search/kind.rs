//! What kind of thing a question asks for, and the words such things are told with. "What went wrong?" is answered by what
//! failed, was late or hurts, "How many?" by a number, and neither need share a word with the question.

use std::sync::LazyLock;

use model::text;
use regex_automata::meta::Regex;

use super::question::past_forms;

/// So much of a text is read.
const READ_BYTES: usize = 4096;

/// A kind of thing that is asked for and told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What somebody did.
    Deed,
    /// What went wrong, is hard or hurts.
    Trouble,
    /// What somebody would like, or plans.
    Wish,
    /// How many, how much, how often.
    Number,
    /// Why.
    Reason,
    /// What was once.
    Former,
}

/// How a kind is asked for, and how it is told: alternatives of words, in any case.
struct Words {
    kind: Kind,
    asked: &'static str,
    told: &'static str,
}

/// What is said by somebody who did something: "we finally went".
const DID: &str = concat!(
    r"(?:i|we|they)(?:'ve|’ve)|",
    r"(?:i|we|they) (?:have |had )?(?:[a-z]+ly |just |also |already |even |never |once |both |all )?(?:PAST)",
);

/// In no particular order; a question may ask for several.
const WORDS: [Words; 6] = [
    Words {
        kind: Kind::Deed,
        asked: r"did|(?:has|have|had|was|were)\b(?u:.)*?\b(?:PAST|been|done|gone|gotten)",
        told: DID,
    },
    Words {
        kind: Kind::Trouble,
        asked: concat!(
            r"wrong|problems?|troubles?|issues?|challeng\w*|difficult\w*|obstacles?|setbacks?|struggl\w*|injur\w*|",
            r"accidents?|fail\w*|br[eo]ke\w*|ill|illness\w*|sick\w*|symptoms?|damag\w*|lost|worr\w+|fears?|afraid|",
            r"concern\w*|complain\w*|hurt|pain(?:s|ed|ful|fully)?|bad|hard|mistakes?",
        ),
        told: concat!(
            r"no longer|fail\w*|crash\w*|broke|broken|breaks?|stuck|bugs?|errors?|wrong|mistakes?|messed|ruin\w*|lost|",
            r"lose|losing|missing|missed|stolen|gone|late|delay\w*|behind|slip(?:s|ped|ping)?|slow|postpon\w*|cancel\w*|hurt\w*|",
            r"injur\w*|pain(?:s|ed|ful|fully)?|sore|sick|ill|infect\w*|fever|swollen|bleed\w*|limp(?:s|ed|ing)?|vomit\w*|threw up|surgery|",
            r"hospital|symptom\w*|complain\w*|argu\w+|fight|fought|quit|fired|refus\w*|reject\w*|deny|denied|accident|",
            r"too|hard|tough|rough|difficult\w*|struggl\w*|problem\w*|issue\w*|challeng\w*|trouble\w*|setback\w*|",
            r"obstacle\w*|damag\w*|leak\w*|flood\w*|crack(?:s|ed|ing)?|torn|died|worse|worst|bad|badly|unfortunately|sadly|",
            r"stress\w*|overwhelm\w*|worr\w+|afraid|scared|nervous|upset|fell|exhaust\w*|tired",
        ),
    },
    Words {
        kind: Kind::Wish,
        asked: concat!(
            r"would (?u:.){0,20}?(?:like|love|want|prefer|enjoy|wish)|wants?|wish(?:es)?|hop(?:e|es|ing)|dreams?|prefers?|",
            r"looking forward|interested in|intends?|goals?|aims?|desires?|plan(?:s|ned|ning)?|arrang\w*|prepar\w*|",
            r"book(?:ed|ing)|organi[sz](?:e|es|ed|ing)|schedul\w*|upcoming",
        ),
        told: concat!(
            r"(?:i|we)(?:'d| would|’d)(?: really| so)? (?:like|love|prefer|be (?:so )?(?:happy|glad|thrilled|delighted))|",
            r"(?:i|we) (?:really |just |so )?(?:wish|want|hope|dream)|",
            r"(?:i|we)(?:'m|’m| am|'re|’re| are)(?: really)? (?:hoping|dreaming|wishing|longing|looking forward|planning|thinking of|going to)|",
            r"would be (?:the|a|an|so|my)|(?:can't|can’t) wait|looking forward|thinking of|going to|(?:i|we)(?:'ll|’ll)|",
            r"plans?|planned|planning|prepar\w+|arrang\w+|organi[sz](?:e|es|ed|ing)|scheduled|booked|reserv\w+|confirmed|sorted|",
            r"tickets?|ready|appointment|signed up|set up",
        ),
    },
    Words {
        kind: Kind::Number,
        asked: r"how (?:many|much|old|often|far|tall|big|long)",
        told: concat!(
            r"[0-9]+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|couple|once|twice|",
            r"several|few|first|second|third",
        ),
    },
    Words {
        kind: Kind::Reason,
        asked: r"why|reasons?|inspir\w+|motivat\w+|what made",
        told: concat!(
            r"because|since|so that|reason|inspire[sd]?|motivat\w+|thanks to|due to|(?:that's|that’s) why|in order to|",
            r"(?:made|makes) me|wanted to|helps? me|gives? me|reminds? me",
        ),
    },
    Words {
        kind: Kind::Former,
        asked: concat!(
            r"used to|child(?:hood)?|as a kid|younger|grew up|growing up|formerly|previous\w*|in the past|back then|originally|",
            r"years ago|memor(?:y|ies)",
        ),
        told: concat!(
            r"when (?:i|we) (?:was|were) (?:a |an |[a-z]+ )*(?:kid|child|student|teenager|young[a-z]*|little|small|boy|girl|teen)|",
            r"used to|as a (?:kid|child|teenager|teen|student)|growing up|back then|back in the day|years ago|",
            r"in my (?:childhood|youth|twenties|teens)|at (?:school|university|college)",
        ),
    },
];

/// A kind with its words as patterns, both of whole words.
struct Pattern {
    kind: Kind,
    asked: Regex,
    told: Regex,
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let past = past_forms().chain(["[a-z]+[a-df-z]ed"]).collect::<Vec<_>>().join("|");
    let pattern = |words: &str| {
        let words = words.replace("PAST", &past);
        // All the words are English: without the classes of Unicode it is compiled and run several times as fast.
        Regex::new(&format!(r"(?i-u)\b(?:{words})\b")).expect("the patterns are constants, and tested")
    };
    let compiled =
        |words: &Words| Pattern { kind: words.kind, asked: pattern(words.asked), told: pattern(words.told) };
    WORDS.iter().map(compiled).collect()
});

impl Kind {
    /// The kinds that a question asks for.
    pub(crate) fn asked(query: &str) -> Vec<Self> {
        let query = text::cut(query, READ_BYTES);
        PATTERNS.iter().filter(|pattern| pattern.asked.is_match(query)).map(|pattern| pattern.kind).collect()
    }

    /// Whether a text tells such a thing.
    pub(crate) fn is_told(self, content: &str) -> bool {
        let content = text::cut(content, READ_BYTES);
        PATTERNS.iter().any(|pattern| pattern.kind == self && pattern.told.is_match(content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_question_asks_for_kinds_by_its_words() {
        assert_eq!(Kind::asked("What went wrong?"), [Kind::Trouble]);
        assert_eq!(Kind::asked("What did Ada paint?"), [Kind::Deed]);
        assert_eq!(Kind::asked("What has Ada arranged?"), [Kind::Deed, Kind::Wish]);
        assert_eq!(Kind::asked("What would Ada’s mother like to eat?"), [Kind::Wish]);
        assert_eq!(Kind::asked("How many dogs are there?"), [Kind::Number]);
        assert_eq!(Kind::asked("WHY does she run?"), [Kind::Reason]);
        assert_eq!(Kind::asked("Where was the house of Ada's childhood?"), [Kind::Former]);
        assert_eq!(Kind::asked("What is Ada's dog called?"), []);
    }

    #[test]
    fn a_kind_is_told_with_words_of_its_own() {
        let told = [
            (Kind::Deed, "We finally went to Porto.", "I need to go to Porto."),
            (Kind::Deed, "I’ve eaten it.", "The cake was eaten."),
            (Kind::Trouble, "The supplier is late.", "The supplier is here."),
            (Kind::Wish, "I’d really love to sail.", "I love sailing."),
            (Kind::Wish, "I can’t wait!", "I cannot see."),
            (Kind::Number, "There are 12 of them.", "There are many of them."),
            (Kind::Reason, "That's why I left.", "I left."),
            (Kind::Former, "When I was a little kid we sailed.", "When I was late we sailed."),
        ];
        for (kind, yes, no) in told {
            assert!(kind.is_told(yes), "{kind:?} {yes}");
            assert!(!kind.is_told(no), "{kind:?} {no}");
        }
    }

    #[test]
    fn a_word_within_a_word_tells_nothing() {
        assert!(!Kind::Number.is_told("She is somewhere often."));
        assert!(Kind::asked("Whichever it is, whyever.").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,80}") {
            for kind in Kind::asked(&text) {
                let _ = kind.is_told(&text);
            }
        }
    }
}
