//! Whether what was found is said to be so, as a whole, and of more than a day.

use super::voice::{is_on_stage, is_said_by_others};
use crate::facts::attribute::{Attribute, Polarity};
use crate::facts::pattern::Match;
use crate::facts::sentence::Sentence;
use crate::facts::value::{STATUSES, number};
use crate::facts::words::Gap;
use crate::lexicon::{self, fold};
use crate::names::Kind;

/// What people do for pleasure; of "I've been …ing for years" only these are hobbies.
const ACTIVITIES: [&str; 52] = [
    "painting", "drawing", "sketching", "running", "jogging", "hiking", "climbing", "bouldering", "cycling",
    "biking", "swimming", "surfing", "skiing", "snowboarding", "skating", "skateboarding", "sailing",
    "rowing", "kayaking", "diving", "fishing", "camping", "gardening", "knitting", "crocheting", "sewing",
    "quilting", "weaving", "carving", "woodworking", "baking", "cooking", "brewing", "singing", "dancing",
    "acting", "writing", "blogging", "reading", "journaling", "meditating", "birdwatching", "stargazing",
    "geocaching", "photographing", "boxing", "fencing", "wrestling", "riding", "gaming", "juggling",
    "volunteering",
];

/// With one of these a partner is spoken of who may be none any more.
const PARTINGS: [&str; 22] = [
    "broke", "breaking", "split", "splitting", "dumped", "divorced", "divorcing", "divorce", "separated",
    "separating", "separation", "breakup", "died", "dead", "dying", "death", "passing", "killed", "funeral",
    "widow", "widower", "lost",
];

/// Whether what was found is said to be so: not asked, not under a condition, not in a story.
pub(super) fn holds(sentence: &Sentence<'_>, found: &Match, asks: bool) -> bool {
    let after = sentence.words.get(found.end..).unwrap_or_default();
    let next = after.first();
    if next.is_some_and(|word| {
        matches!(word.lower.as_str(), "if" | "unless" | "or" | "until") && word.gap == Gap::None
    }) {
        return false;
    }
    if asks && !after.iter().any(|word| word.gap != Gap::None) {
        return false;
    }
    !is_said_by_others(after)
        && !is_on_stage(after.get(..5.min(after.len())).unwrap_or_default())
        && found.found.iter().all(|(attribute, ..)| lasts(*attribute, sentence, found))
}

/// Whether what is said of a person is said of more than a day, an occasion or a kind of it.
fn lasts(attribute: Attribute, sentence: &Sentence<'_>, found: &Match) -> bool {
    let end = found.end;
    let next = sentence.joined(end).map_or("", |word| word.lower.as_str());
    let second = sentence.joined(end + 1).map_or("", |word| word.lower.as_str());
    let rest = || sentence.words.iter().skip(end).take(4).map(|word| word.lower.as_str());
    let years = || {
        rest().any(|word| {
            matches!(word, "years" | "year" | "decades" | "ages" | "months" | "childhood" | "forever")
        })
    };
    let is_of_today =
        matches!(next, "today" | "tonight" | "tomorrow") || matches!((next, second), ("right", "now"));
    let for_a_while = next == "for"
        && (matches!(second, "the" | "this" | "now" | "lent" | "january")
            || second == "a"
                && rest().any(|word| matches!(word, "few" | "day" | "week" | "weekend" | "month" | "while")));
    match attribute {
        Attribute::Home => {
            let goes_on = rest().any(|word| matches!(word, "past" | "last" | "years"));
            // "We moved to Jira": many move to what is no place.
            let words: Vec<&str> =
                sentence.words.iter().take(end).rev().take(9).map(|word| word.lower.as_str()).collect();
            let is_move =
                words.contains(&"we") && words.iter().any(|word| matches!(*word, "moved" | "relocated"));
            let is_place = || {
                found.found.iter().all(|(of, value, _)| {
                    *of != attribute || lexicon::listed(&fold(value)) == Some(Kind::Place)
                })
            };
            (!is_move || is_place())
                && !is_of_today
                && (!for_a_while || goes_on || matches!(sentence.lower(end - 1), "for" | "since" | "all"))
        }
        Attribute::Employer => !is_of_today,
        Attribute::Name | Attribute::Nickname | Attribute::Occupation => next != "'s",
        Attribute::Hobby => {
            let since = sentence.lower(end - 1);
            let listed = found
                .found
                .iter()
                .filter(|(of, ..)| *of == attribute)
                .all(|(_, value, _)| ACTIVITIES.contains(&value.split(' ').next().unwrap_or_default()));
            !matches!(since, "for" | "since")
                || listed
                    && (years()
                        || sentence.lower(end).parse::<u16>().is_ok_and(|year| (1900..2100).contains(&year))
                        || since == "since" && matches!(next, "i" | "childhood" | "college" | "school"))
        }
        Attribute::Relationship => {
            let got = sentence.words.iter().take(end).any(|word| word.lower == "got");
            let apart = found.found.iter().any(|(_, value, _)| value == "separated");
            let later = sentence.words.iter().skip(end).any(|word| STATUSES.contains(&word.lower.as_str()));
            !(later || got && apart)
        }
        Attribute::Diet => {
            let went =
                sentence.words.iter().take(end).any(|word| matches!(word.lower.as_str(), "went" | "turned"));
            let at_times = [
                "most", "mostly", "on", "at", "except", "apart", "during", "when", "whenever", "sometimes",
                "once", "as",
            ]
            .contains(&next);
            let for_a_time = next == "for" && (went || !years());
            let tried = went && next == "but";
            !at_times && !for_a_time && !tried && !is_of_today
        }
        Attribute::Relative if sentence.lower(end - 1) == "died" => {
            let in_jest = matches!(second, "embarrassment" | "laughter" | "boredom" | "shame");
            !in_jest
                && (sentence.ends_at(end)
                    || [
                        "in", "of", "from", "when", "after", "on", "at", "suddenly", "peacefully", "last",
                        "this", "while", "before", "during", "young",
                    ]
                    .contains(&next)
                    || number(next).is_some())
        }
        _ => true,
    }
}

/// "I don't like pizza with pineapple" says nothing of pizza.
pub(super) fn is_whole(
    attribute: Attribute,
    polarity: Polarity,
    sentence: &Sentence<'_>,
    end: usize,
) -> bool {
    let loses_all = attribute.is_single() || attribute == Attribute::Relative;
    if polarity == Polarity::Positive || polarity == Polarity::Ended && loses_all {
        return true;
    }
    let lower = |ahead: usize| sentence.lower(end + ahead);
    if matches!(sentence.lower(end.saturating_sub(1)), "in" | "for") {
        // "I haven't eaten meat in ten years."
        return (0..4)
            .any(|ahead| matches!(lower(ahead), "years" | "months" | "ages" | "forever" | "decades"));
    }
    let Some(next) = sentence.words.get(end) else { return true };
    let word = next.lower.as_str();
    let excepts = matches!(word, "except" | "unless" | "apart")
        || matches!(word, "but" | "only")
            && matches!(lower(1), "for" | "when" | "with" | "in" | "on" | "from" | "if" | "at");
    let goes_on =
        ["yet", "and", "but", "so", "now", "too", "because", "since", "though", "either", "or", "myself"]
            .contains(&word);
    let closes = matches!((word, lower(1)), ("any", "more" | "longer") | ("at", "all"));
    let is_day = polarity == Polarity::Ended && sentence.is_date(next);
    !excepts && (word, lower(1)) != ("and", "drive") && (next.gap != Gap::None || goes_on || closes || is_day)
}

/// "Tom is not my boyfriend", "my girlfriend and I broke up"
pub(super) fn is_granted(sentence: &Sentence<'_>, at: usize, found: &Match) -> bool {
    let before: Vec<&str> =
        sentence.words.iter().take(at).skip(at.saturating_sub(4)).map(|word| word.lower.as_str()).collect();
    let denied = before
        .iter()
        .any(|word| matches!(*word, "not" | "never" | "no" | "without" | "former" | "ex" | "nor" | "longer"))
        || before
            .last()
            .is_some_and(|word| matches!(*word, "was" | "were" | "be" | "become" | "like" | "as" | "been"));
    let partner = |value: &str| {
        matches!(
            value,
            "wife" | "husband" | "girlfriend" | "boyfriend" | "fiancé" | "fiancée" | "partner" | "spouse"
        )
    };
    let of_partner = found.found.iter().any(|(_, value, _)| partner(value));
    let of_kin = found.found.iter().any(|(attribute, ..)| *attribute == Attribute::Relative);
    let parted = sentence.words.iter().any(|word| PARTINGS.contains(&word.lower.as_str()))
        || sentence.words.windows(2).any(|pair| {
            matches!(pair, [one, two] if one.lower == "left" && two.lower == "me" || one.lower == "passed" && two.lower == "away")
        })
        || matches!((sentence.lower(found.end), sentence.lower(found.end + 1)), ("was", "a" | "an" | "the" | "my"));
    let is_name_of_other = sentence.lower(found.end) == "'s" && sentence.lower(found.end + 1) == "ex";
    let said = is_said_by_others(sentence.words.get(found.end..).unwrap_or_default());
    !(denied || is_name_of_other || said || of_partner && of_kin && parted)
}
