use domain::{Event, EventKind};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// 2026-01-05T08:00:00Z, a Monday.
const FIRST: Timestamp = Timestamp::constant(1_767_600_000, 0);

const PEOPLE: [&str; 12] = [
    "Priya", "Tomasz", "Ingrid", "Mateo", "Yuki", "Fatima", "Oliver", "Chiara", "Kwame", "Helena", "Ravi",
    "Leila",
];
const PLACES: [&str; 10] =
    ["Lisbon", "Oslo", "Kyoto", "Montreal", "Bologna", "Valencia", "Nairobi", "Utrecht", "Leeds", "Boston"];
const COMPANIES: [&str; 6] = ["Siemens", "Philips", "Airbus", "Nokia", "Bosch", "Danone"];
const THINGS: [&str; 8] = [
    "budget report", "rental contract", "slide deck", "insurance form", "travel booking", "tax return",
    "data model", "release notes",
];
const DAYS: [&str; 5] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];

/// What a person says to an assistant. About half of it holds something for one agent or another.
const ASKED: [&str; 28] = [
    "Can you help me plan a trip to {place}? I'd like to go with {person} at the end of May, four days or so.",
    "We have about 900 euros for the two of us, flights included.",
    "{person} doesn't eat meat, so the restaurants have to work for that.",
    "ok",
    "Thanks, that's great!",
    "Hm, that looks expensive. Is there something cheaper?",
    "I have to send {person} the {thing} by {day}, remind me of what was missing in it.",
    "The function times out after thirty seconds when the list has more than ten thousand rows. Why?",
    "It's Python 3.12, and the query comes from SQLAlchemy.",
    "Here is the error: connection reset by peer, then nothing for a minute.",
    "That fixed it, you're a life saver!",
    "No, that didn't change anything, and honestly I'm getting annoyed. I've been at this since this morning.",
    "I started at {company} in March and I'm still learning how they do things here.",
    "Could you rewrite the second paragraph so that it sounds less formal?",
    "Shorter please.",
    "And a title?",
    "What was the name of the tool you mentioned earlier?",
    "My landlord wants the deposit back in writing. What should the letter say?",
    "I moved to {place} last autumn and I still don't know where to register the car.",
    "{person} and I are arguing about the {thing}. She says it should be finished before the meeting on {day}.",
    "I will call {person} about it tomorrow.",
    "Never mind the {thing}, we don't need it any more.",
    "I sent it this morning.",
    "yes",
    "What should I cook tonight? I have aubergines, rice, two eggs and not much time.",
    "I'm allergic to peanuts, in case that matters.",
    "How long does that take in the oven?",
    "I feel a bit lost with all this, it's a lot at once.",
];
/// What the assistant says.
const ANSWERED: [&str; 14] = [
    "For four days in {place} at the end of May you can expect mild weather and few crowds. I would stay close to the \
     old town, walk on the first day, take the train along the coast on the second, and keep one afternoon free. Two \
     return flights are usually between 180 and 260 euros when booked six weeks ahead, which leaves some 600 for \
     three nights and food. Shall I look at neighbourhoods next?",
    "Here are three options in that range: a small guest house near the station, a flat with a kitchen a little further \
     out, or a hostel with double rooms. The flat saves most, because you can cook twice.",
    "Most places there have several dishes without meat, and two are entirely vegetarian. I would book one of them for \
     the first evening, so that {person} has something to look forward to.",
    "You're welcome! Let me know if anything else comes up.",
    "The slow part is most likely that every row triggers a query of its own. Load the related objects in one go, with \
     selectinload on the relationship, and page through the list instead of reading all of it. If it is still slow \
     after that, look at the plan of the remaining query: an index on the foreign key is missing more often than not.",
    "That error usually means that something between the two closes idle connections. Set pool_pre_ping to true and \
     pool_recycle to less than the idle timeout of the proxy, five minutes for instance.",
    "Sure. Here is a shorter version:\n\n\"We will move the launch by a week so that the tests can be finished. Everything \
     else stays as planned. If that is a problem for your team, tell us by {day}.\"",
    "I'm sorry that this has cost you the whole morning. Let us take it step by step: what does the log say directly \
     before the first reset?",
    "In the letter, name the flat and the day you handed over the keys, say that no damage was recorded, and set a \
     date by which the deposit is to be paid, fourteen days for instance. Send it by registered mail and keep a copy.",
    "You register the car at the office of the district you live in. You need the registration certificate, proof of \
     insurance and your identity card; most offices want you to book a slot first.",
    "Fry the aubergines in cubes until they are soft, add the cooked rice, push everything aside and scramble the eggs \
     in the middle. Soy sauce, a little vinegar, done in twenty minutes.",
    "About twenty-five minutes at 200 degrees, a little less with a fan.",
    "Of course: \"One week more for {company}\".",
    "Shall I make a list of what is still open for the {thing}, with a date for each?",
];

/// Messages of one session. `accepted` is when each comes, which is also when it is said.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    pub(crate) user: usize,
    pub(crate) events: Vec<Event>,
}

/// How much time passes between messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The median time until a person writes again, in seconds; log-normal.
    pub(crate) median_seconds: f64,
    /// The standard deviation of its natural logarithm.
    pub(crate) spread: f64,
}

impl Pace {
    /// Longer than this, nobody is still in the conversation.
    const LONGEST_SECONDS: f64 = 1800.0;

    fn person(self, rng: &mut Rng) -> f64 {
        // Box and Muller's normal numbers from two uniform ones.
        let (one, other) = (rng.f64().max(f64::MIN_POSITIVE), rng.f64());
        let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
        (self.median_seconds * (self.spread * normal).exp()).clamp(1.0, Self::LONGEST_SECONDS)
    }

    fn assistant(rng: &mut Rng) -> f64 {
        2.0 + 8.0 * rng.f64()
    }
}

/// So many conversations of a person with an assistant, `messages` long each, a tenth as many users as conversations.
pub(crate) fn talks(seed: u64, count: usize, messages: usize, pace: Pace) -> Vec<Talk> {
    let mut rng = Rng::with_seed(seed);
    let users = count.div_ceil(10);
    (0..count).map(|number| talk(&mut rng.fork(), number, number % users, messages, pace)).collect()
}

fn talk(rng: &mut Rng, number: usize, user: usize, messages: usize, pace: Pace) -> Talk {
    let hours = i64::try_from(number).unwrap_or_default() * 6;
    let mut at = FIRST.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(FIRST);
    let friend = one_of(rng, &PEOPLE);
    let events = (1..)
        .take(messages)
        .map(|version| {
            let is_asked = version % 2 == 1;
            let (role, text, seconds) = if is_asked {
                ("user", one_of(rng, &ASKED), pace.person(rng))
            } else {
                ("assistant", one_of(rng, &ANSWERED), Pace::assistant(rng))
            };
            // Assistants are wordy.
            let more = if is_asked { "" } else { one_of(rng, &ANSWERED) };
            let text = format!("{text} {more}");
            at = at.saturating_add(SignedDuration::from_secs_f64(seconds)).unwrap_or(at);
            Event {
                version,
                kind: EventKind::Message,
                role: role.to_owned(),
                speaker: is_asked
                    .then(|| PEOPLE.get(user % PEOPLE.len()).copied().unwrap_or_default().to_owned()),
                content: filled(rng, text.trim(), friend),
                payload: json!({}),
                occurred_at: at,
                created_at: at,
            }
        })
        .collect();
    Talk { user, events }
}

fn filled(rng: &mut Rng, text: &str, friend: &str) -> String {
    text.replace("{person}", friend)
        .replace("{place}", one_of(rng, &PLACES))
        .replace("{company}", one_of(rng, &COMPANIES))
        .replace("{thing}", one_of(rng, &THINGS))
        .replace("{day}", one_of(rng, &DAYS))
}

fn one_of<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    rng.choice(of).copied().unwrap_or_default()
}
