use std::ops::Range;

use model::tokens::Case;

use super::word::Word;
use super::{Kind, Role};
use crate::lexicon;

const TITLES: [&str; 34] = [
    "mr", "mrs", "ms", "miss", "dr", "prof", "professor", "sir", "lord", "lady", "king", "queen", "prince",
    "princess", "president", "captain", "uncle", "aunt", "auntie", "saint", "st", "pope", "dj", "lil", "rev",
    "judge", "senator", "governor", "general", "coach", "grandma", "grandpa", "mc", "ceo",
];

const PLACE_ENDINGS: [&str; 46] = [
    "street", "road", "rd", "avenue", "ave", "blvd", "boulevard", "lane", "park", "tower", "towers", "beach",
    "lake", "river", "mountain", "mountains", "mount", "island", "islands", "airport", "station", "bridge",
    "valley", "city", "county", "hotel", "square", "hills", "bay", "museum", "castle", "palace", "harbor",
    "harbour", "coast", "desert", "forest", "plaza", "mall", "garden", "gardens", "town", "village",
    "canyon", "falls", "café",
];

const ORGANISATION_ENDINGS: [&str; 48] = [
    "inc", "corp", "corporation", "ltd", "llc", "gmbh", "ag", "company", "co", "university", "college",
    "institute", "academy", "bank", "foundation", "association", "committee", "council", "department",
    "ministry", "agency", "party", "club", "fc", "united", "union", "school", "hospital", "clinic", "church",
    "group", "team", "labs", "systems", "technologies", "software", "studios", "airlines", "airways",
    "press", "times", "news", "society", "federation", "organization", "organisation", "partners",
    "services",
];

const TO_PLACES: [&str; 14] = [
    "in", "near", "visit", "visited", "visiting", "toward", "towards", "around", "across", "from", "outside",
    "to", "leave", "left",
];

const TO_EMPLOYERS: [&str; 16] = [
    "work", "works", "worked", "working", "job", "joined", "joining", "intern", "interned", "employee",
    "employed", "hired", "ceo", "cto", "founder", "founded",
];

const BEFORE_PEOPLE: [&str; 46] = [
    "with", "hey", "hi", "hello", "dear", "thanks", "friend", "brother", "sister", "mother", "father", "mom",
    "dad", "son", "daughter", "wife", "husband", "partner", "boyfriend", "girlfriend", "cousin", "uncle",
    "aunt", "boss", "colleague", "neighbor", "neighbour", "met", "meet", "told", "tell", "ask", "asked",
    "call", "called", "named", "by", "poor", "love", "bye", "congrats", "and", "miss", "hates", "loves",
    "sorry",
];

const DONE_BY_PEOPLE: [&str; 62] = [
    "said", "says", "say", "told", "tells", "asked", "asks", "thinks", "thought", "knows", "knew", "loves",
    "loved", "likes", "liked", "wants", "wanted", "needs", "needed", "went", "goes", "came", "comes",
    "called", "calls", "texted", "mentioned", "suggested", "agreed", "promised", "invited", "wrote",
    "writes", "sings", "sang", "plays", "played", "looks", "looked", "sounds", "talks", "talked", "feels",
    "felt", "gave", "gives", "helped", "helps", "moved", "lives", "works", "worked", "wins", "won",
    "laughed", "smiled", "died", "married", "hates", "hated", "got", "who",
];

const CALENDAR_WORDS: [&str; 17] = [
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february",
    "march", "july", "september", "october", "november", "december", "am", "pm",
];

/// Weekdays and the months that are no one's name.
pub(crate) fn is_calendar_word(word: &str) -> bool {
    CALENDAR_WORDS.contains(&word)
}

pub(super) fn is_title(word: &str) -> bool {
    TITLES.contains(&word)
}

/// What the words `run` name, and how sure that is.
pub(super) fn kind(tokens: &[Word<'_>], roles: &[Role], run: Range<usize>) -> (Kind, f32) {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.lower.as_str());
    let before = |back: usize| run.start.checked_sub(back).map_or("", word);
    let words = tokens.get(run.clone()).unwrap_or_default();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return (Kind::Thing, 0.0) };
    let next = word(run.end);

    if first.sigil == Some('@') {
        return (Kind::Person, 0.8);
    }
    if before(1) == "project" || next == "project" || (first.lower == "project" && words.len() > 1) {
        return (Kind::Project, 0.8);
    }
    if is_title(&first.lower) && words.len() > 1 {
        return (Kind::Person, 0.85);
    }
    if words.len() > 1 && PLACE_ENDINGS.contains(&last.lower.as_str()) {
        return (Kind::Place, 0.8);
    }
    let is_body_of = word(run.start + 1) == "of" && ORGANISATION_ENDINGS.contains(&first.lower.as_str());
    if words.len() > 1 && (is_body_of || ORGANISATION_ENDINGS.contains(&last.lower.as_str())) {
        return (Kind::Organisation, 0.8);
    }
    let whole = words.iter().map(|token| token.lower.as_str()).collect::<Vec<_>>().join(" ");
    let after_place_word = TO_PLACES.contains(&before(1));
    let given = lexicon::is_given_name(&first.lower);
    if let Some(listed) = lexicon::listed(&lexicon::fold(&whole)) {
        if given && words.len() == 1 && !after_place_word {
            return (Kind::Person, 0.7);
        }
        return (listed, 0.85);
    }
    if words.iter().all(|token| token.case != Case::Number) && given && words.len() <= 3 {
        return (Kind::Person, if words.len() > 1 { 0.85 } else { 0.8 });
    }
    let for_employer = matches!(before(1), "at" | "for" | "by" | "of") && TO_EMPLOYERS.contains(&before(2));
    if for_employer || TO_EMPLOYERS.contains(&before(1)) {
        return (Kind::Organisation, 0.7);
    }
    if let Some(Role::Listed(kind)) = roles.get(run.start).copied().filter(|_| words.len() > 1) {
        return (kind, 0.6);
    }
    if after_place_word && !(before(1) == "to" && matches!(before(2), "talk" | "talked" | "listen" | "said"))
    {
        return (Kind::Place, 0.6);
    }
    if words.len() == 1 && first.case == Case::Upper && first.text.len() <= 5 {
        return (Kind::Organisation, 0.5);
    }
    let speaks = DONE_BY_PEOPLE.contains(&next);
    if speaks || BEFORE_PEOPLE.contains(&before(1)) || (last.possessive && words.len() <= 2) {
        return (Kind::Person, 0.6);
    }
    let plain = words.iter().all(|token| token.case == Case::Capital && !token.is_common());
    if plain && words.len() == 2 {
        return (Kind::Person, 0.5);
    }
    (Kind::Thing, 0.4)
}
