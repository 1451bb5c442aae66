//! What is imported: conversations made up from a seed, or read from a file, cut into the chunks that are inserted.

use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use crate::import::{Session, Turn};

/// 2026-01-05T08:00:00Z, a Monday.
const FIRST_SESSION: Timestamp = Timestamp::constant(1_767_600_000, 0);
const TENANTS: [&str; 3] = ["default", "acme", "globex"];
/// So few that the sessions of a user are thought about at the same time.
const USERS_OF_A_TENANT: usize = 4;
/// How many of a hundred sessions come in several transactions.
const CHUNKED_PERCENT: u32 = 30;
const MOST_CHUNKS: usize = 5;
const LONGEST_PAUSE_MILLISECONDS: u64 = 8_000;

const PEOPLE: [&str; 14] = [
    "Priya", "Tomasz", "Ingrid", "Mateo", "Yuki", "Fatima", "Oliver", "Chiara", "Kwame", "Helena", "Ravi",
    "Sophie", "Bruno", "Leila",
];
const PLACES: [&str; 10] =
    ["Lisbon", "Oslo", "Kyoto", "Montreal", "Bologna", "Valencia", "Nairobi", "Utrecht", "Leeds", "Boston"];
const COMPANIES: [&str; 6] = ["Siemens", "Philips", "Airbus", "Nokia", "Bosch", "Danone"];
const THINGS: [&str; 10] = [
    "budget report", "rental contract", "wedding invitation", "slide deck", "insurance form", "garden plan",
    "travel booking", "tax return", "recipe collection", "interview notes",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 6] = ["March", "April", "May", "June", "September", "October"];

/// Part of a session, to be inserted in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// When, counted from the beginning of the import.
    pub at: Duration,
    /// The session's names, and the turns to insert.
    pub session: Session,
}

/// Everything a campaign imports.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The chunks in the order of their times. Those of a session are in the order of its turns.
    pub chunks: Vec<Chunk>,
    /// The sessions that come in several chunks, as [`natural_name`] calls them.
    pub chunked: Vec<String>,
    /// How many sessions there are.
    pub sessions: usize,
    /// How many turns they have.
    pub turns: usize,
}

/// What a session is called in every database: its identifier differs from one to the next.
pub fn natural_name(session: &Session) -> String {
    format!("{}/{}/{}", session.tenant, session.user, session.name)
}

/// So many made-up conversations. The same seed makes the same ones.
pub fn conversations(seed: u64, count: usize) -> Vec<Session> {
    let mut rng = Rng::with_seed(seed);
    (0..count).map(|number| conversation(&mut rng.fork(), number)).collect()
}

/// Spreads sessions over a time and cuts some of them into chunks.
///
/// Every turn gets a key of its own, so that a chunk can be inserted again after a lost answer, and a time when it has
/// none, so that nothing depends on when it was inserted.
pub fn plan(seed: u64, sessions: Vec<Session>, length: Duration) -> Plan {
    let mut rng = Rng::with_seed(seed);
    let count = sessions.len();
    let between = length / u32::try_from(count).unwrap_or(u32::MAX).max(1);
    let turns = sessions.iter().map(|session| session.turns.len()).sum();
    let (mut chunks, mut chunked) = (Vec::new(), Vec::new());
    for (number, mut session) in sessions.into_iter().enumerate() {
        for (position, turn) in session.turns.iter_mut().enumerate() {
            turn.idempotency_key.get_or_insert_with(|| format!("turn-{position}"));
            turn.occurred_at.get_or_insert_with(|| later(FIRST_SESSION, 3_600 * number + 60 * position));
        }
        let mut at = between * u32::try_from(number).unwrap_or(u32::MAX);
        let parts = if rng.u32(..100) < CHUNKED_PERCENT { rng.usize(2..=MOST_CHUNKS) } else { 1 };
        if parts > 1 && session.turns.len() > 1 {
            chunked.push(natural_name(&session));
        }
        let part_length = session.turns.len().div_ceil(parts).max(1);
        for part in session.turns.chunks(part_length) {
            chunks.push(Chunk { at, session: Session { turns: part.to_vec(), ..names(&session) } });
            at += Duration::from_millis(rng.u64(50..=LONGEST_PAUSE_MILLISECONDS));
        }
    }
    chunks.sort_by_key(|chunk| chunk.at);
    Plan { chunks, chunked, sessions: count, turns }
}

fn names(session: &Session) -> Session {
    let Session { tenant, user, name, .. } = session;
    Session { tenant: tenant.clone(), user: user.clone(), name: name.clone(), turns: Vec::new() }
}

fn later(time: Timestamp, seconds: usize) -> Timestamp {
    let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    time.saturating_add(seconds).unwrap_or(Timestamp::MAX)
}

/// One conversation of a user with an assistant or with a friend.
fn conversation(rng: &mut Rng, number: usize) -> Session {
    let tenant = one_of(rng, &TENANTS);
    let user = rng.usize(..USERS_OF_A_TENANT);
    let me = PEOPLE.get(user).copied().unwrap_or_default();
    let friend = rng.bool().then(|| other_person(rng, me));
    let mut occurred_at = later(FIRST_SESSION, 2_700 * number);
    let length = rng.usize(6..=26);
    let turns = (0..length)
        .map(|position| {
            occurred_at = later(occurred_at, rng.usize(15..=120));
            let speaks_me = position % 2 == 0;
            let (role, speaker) = match (speaks_me, friend) {
                (true, _) => ("user", Some(me)),
                (false, Some(friend)) => ("user", Some(friend)),
                (false, None) => ("assistant", None),
            };
            let sentences: Vec<String> = (0..rng.usize(1..=3)).map(|_| sentence(rng, me)).collect();
            Turn {
                role: role.to_owned(),
                content: sentences.join(" "),
                speaker: speaker.map(str::to_owned),
                occurred_at: Some(occurred_at),
                idempotency_key: None,
            }
        })
        .collect();
    Session {
        tenant: tenant.to_owned(),
        user: format!("{}-{user}", me.to_lowercase()),
        name: format!("talk-{number:05}"),
        turns,
    }
}

/// Something for every agent: names and dates, promises and what became of them, questions and answers, feelings.
fn sentence(rng: &mut Rng, me: &str) -> String {
    let (person, place, company) = (other_person(rng, me), one_of(rng, &PLACES), one_of(rng, &COMPANIES));
    let (thing, day) = (one_of(rng, &THINGS), one_of(rng, &DAYS));
    let (date, month) = (rng.u32(1..=28), one_of(rng, &MONTHS));
    match rng.u32(..20) {
        0 => format!("I am moving to {place} on {date} {month} with {person}."),
        1 => format!("{person} works for {company} in {place} now."),
        2 => format!("I'll send {person} the {thing} by {day}."),
        3 => format!("I will finish the {thing} before {date} {month}, I promise."),
        4 => format!("Could you send me the {thing} tomorrow?"),
        5 => format!("When does the train to {place} leave on {day}?"),
        6 => format!("I sent the {thing} to {person} this morning."),
        7 => format!("The {thing} is done, I finished it yesterday."),
        8 => format!("I'm so happy about the trip to {place}, it was wonderful!"),
        9 => format!("Honestly, the {thing} is terrible and I am really angry about it."),
        10 => format!("We have to call {person} about the {thing} next {day}."),
        11 => format!("{person} was born on {date} {month} 1988 in {place}."),
        12 => format!("It leaves at {}:30 from the station in {place}.", rng.u32(6..=21)),
        13 => format!("No, I can't do the {thing}, sorry."),
        14 => format!("What is the name of {person}'s sister in {place}?"),
        15 => format!("Forget about the {thing}, we don't need it any more."),
        16 => format!("I met {person} at {company} {} days ago.", rng.u32(2..=9)),
        17 => "Thanks, that sounds good.".to_owned(),
        18 => format!("I feel sad and tired since {person} left for {place}."),
        _ => format!("Let's meet in {place} on {day} and look at the {thing} together."),
    }
}

fn one_of<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    rng.choice(of).copied().unwrap_or_default()
}

fn other_person(rng: &mut Rng, me: &str) -> &'static str {
    let others = PEOPLE.into_iter().filter(|person| *person != me);
    rng.choice(others.collect::<Vec<_>>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_seed_makes_one_plan_and_another_seed_another() {
        let made = |seed| plan(seed, conversations(seed, 40), MINUTE);
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn a_longer_campaign_begins_with_the_conversations_of_a_shorter_one() {
        let long = conversations(5, 40);
        assert_eq!(conversations(5, 10), long[..10]);
    }

    #[test]
    fn the_chunks_of_a_session_are_all_its_turns_in_order() {
        let sessions = conversations(3, 60);
        let plan = plan(3, sessions.clone(), MINUTE);
        let mut inserted: BTreeMap<String, Vec<Turn>> = BTreeMap::new();
        for chunk in &plan.chunks {
            inserted.entry(natural_name(&chunk.session)).or_default().extend(chunk.session.turns.clone());
        }
        assert_eq!(inserted.len(), 60);
        for session in &sessions {
            let content = |turns: &[Turn]| turns.iter().map(|turn| turn.content.clone()).collect::<Vec<_>>();
            assert_eq!(content(&inserted[&natural_name(session)]), content(&session.turns));
        }
        assert!(plan.chunks.is_sorted_by_key(|chunk| chunk.at));
        assert_eq!(plan.turns, plan.chunks.iter().map(|chunk| chunk.session.turns.len()).sum::<usize>());
    }

    #[test]
    fn some_sessions_come_at_once_and_some_in_several_chunks() {
        let plan = plan(4, conversations(4, 100), MINUTE);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for chunk in &plan.chunks {
            *counts.entry(natural_name(&chunk.session)).or_default() += 1;
        }
        let several: BTreeSet<String> =
            counts.iter().filter(|(_, chunks)| **chunks > 1).map(|(name, _)| name.clone()).collect();
        assert_eq!(several, plan.chunked.iter().cloned().collect());
        assert!((15..=45).contains(&several.len()), "{}", several.len());
    }

    #[test]
    fn every_turn_has_a_key_and_a_time_also_when_a_file_gives_none() {
        let turn = Turn {
            role: "user".to_owned(),
            content: "Hello.".to_owned(),
            speaker: None,
            occurred_at: None,
            idempotency_key: None,
        };
        let session = Session {
            tenant: "default".to_owned(),
            user: "ada".to_owned(),
            name: "one".to_owned(),
            turns: vec![turn.clone(), turn],
        };
        let plan = plan(1, vec![session], MINUTE);
        let turns: Vec<&Turn> = plan.chunks.iter().flat_map(|chunk| &chunk.session.turns).collect();
        let keys: BTreeSet<_> = turns.iter().map(|turn| turn.idempotency_key.clone().unwrap()).collect();
        assert_eq!(keys.len(), 2);
        assert!(turns.iter().all(|turn| turn.occurred_at.is_some()));
    }
}
