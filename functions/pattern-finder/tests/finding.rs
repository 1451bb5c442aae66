//! What is found in conversations, by rules.

#![cfg(test)]

use std::collections::BTreeSet;

use domain::{Event, EventKind, SessionId};
use jiff::{SignedDuration, Timestamp};
use pattern_finder::{Pattern, PatternKind, find};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

/// A Monday morning.
const START: i64 = 1_773_046_800;

/// A session so many days after the start: who says what, in order. "assistant" is the assistant, "" a user without a name.
struct Session(i64, &'static [(&'static str, &'static str)]);

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(START).unwrap() + SignedDuration::from_hours(24 * day)
}

fn said(session: u128, version: i64, day: i64, speaker: &str, text: &str) -> (SessionId, Event) {
    let event = Event {
        version,
        kind: EventKind::Message,
        role: if speaker == "assistant" { "assistant" } else { "user" }.to_owned(),
        speaker: Some(speaker.to_owned()).filter(|name| !name.is_empty() && name != "assistant"),
        content: text.to_owned(),
        payload: json!({}),
        occurred_at: at(day),
        created_at: at(day),
    };
    (SessionId(Uuid::from_u128(session)), event)
}

fn events(sessions: &[Session]) -> Vec<(SessionId, Event)> {
    let of = |(number, Session(day, turns)): (u128, &Session)| {
        let turns = turns.iter().zip(1..);
        turns
            .map(move |((speaker, text), version)| said(number, version, *day, speaker, text))
            .collect::<Vec<_>>()
    };
    (1..).zip(sessions).flat_map(of).collect()
}

fn found(events: &[(SessionId, Event)]) -> Vec<Pattern> {
    find(events.iter().map(|(session, event)| (*session, event)), at(400), &BTreeSet::new())
}

fn contents(patterns: &[Pattern]) -> Vec<&str> {
    patterns.iter().map(|pattern| pattern.content.as_str()).collect()
}

const GARDENER: [Session; 5] = [
    Session(
        0,
        &[
            ("", "My tomatoes have brown spots on the leaves. What could it be?"),
            ("assistant", "That may be early blight. Remove the leaves and water the soil, not the plants."),
            ("", "Okay. The tomatoes get water from above, so that fits."),
        ],
    ),
    Session(
        6,
        &[
            ("", "I usually run in the morning but my knee hurts today."),
            ("assistant", "Rest it for two days. Ice may help, and so may a shorter stride."),
            ("", "Also, when should I prune the tomatoes?"),
            ("assistant", "Pinch out the side shoots of tomatoes once a week."),
        ],
    ),
    Session(
        13,
        &[
            ("", "I'm planning the raised beds for next year: tomatoes again, and beans."),
            (
                "assistant",
                "Move the tomatoes to another bed, they exhaust the soil. Have you thought of a mortgage?",
            ),
            ("", "I went for a run every morning this week and the knee is fine."),
        ],
    ),
    Session(
        20,
        &[
            ("", "How do I store ripe tomatoes? I have far too many tomatoes."),
            ("assistant", "At room temperature. A mortgage, by the way, is cheap at the moment."),
            ("", "I love pickled beans, by the way. Thanks!"),
        ],
    ),
    Session(
        27,
        &[
            ("", "I love pickled beans so much that I want to grow more. My run was short today."),
            ("assistant", "Then sow them in May. And the mortgage?"),
        ],
    ),
];

#[test]
fn a_user_and_an_assistant() {
    let patterns = found(&events(&GARDENER));
    assert_eq!(
        contents(&patterns),
        [
            "The user often talks about tomatoes.",
            "The user keeps saying that they like pickled beans.",
            "The user goes for a run every morning.",
        ],
        "{patterns:#?}"
    );
    let tomatoes = &patterns[0];
    assert_eq!((tomatoes.kind, tomatoes.sessions(), tomatoes.days()), (PatternKind::Theme, 4, 4));
    assert!(tomatoes.places.len() >= 4 && tomatoes.strength > 0.7);
}

const FRIENDS: [Session; 4] = [
    Session(
        0,
        &[
            ("Ines", "I joined a pottery class! My first bowl came out of the kiln today."),
            ("Tom", "Your pottery sounds great. I'm off to play chess on Sunday."),
            ("Ines", "The pottery teacher says I have patience."),
        ],
    ),
    Session(
        9,
        &[
            ("Tom", "I played chess on Sunday and lost three times."),
            ("Ines", "Sorry! I spent the whole evening at the pottery studio, my bowls are getting better."),
            ("Tom", "The pottery must be calming."),
        ],
    ),
    Session(
        15,
        &[
            ("Ines", "I have a new glaze for my pottery, and three bowls to try it on."),
            ("Tom", "I play chess every Sunday now, with my cousin."),
        ],
    ),
    Session(
        22,
        &[
            ("Tom", "Ines, how was your week? Chess on Sunday was a draw."),
            ("Ines", "Good! The pottery exhibition is next month, so I am at the wheel all the time."),
        ],
    ),
];

#[test]
fn friends_have_patterns_of_their_own() {
    let patterns = found(&events(&FRIENDS));
    let contents = contents(&patterns);
    assert!(contents.contains(&"Ines often talks about pottery."), "{patterns:#?}");
    assert!(contents.contains(&"Tom plays chess every Sunday."), "{patterns:#?}");
    assert!(!contents.iter().any(|content| content.starts_with("Tom") && content.contains("pottery")));
    assert!(!contents.iter().any(|content| content.contains("Ines.") || content.contains("about Tom")));
}

#[test]
fn what_the_assistant_alone_says_is_no_pattern() {
    assert!(!contents(&found(&events(&GARDENER))).iter().any(|content| content.contains("mortgage")));
}

#[test]
fn what_is_said_on_one_day_alone_is_no_pattern() {
    let turns: &[(&str, &str)] = &[
        ("", "My tomatoes are ill."),
        ("", "I water my tomatoes every morning."),
        ("", "I love my tomatoes."),
    ];
    let same_day = [Session(3, turns), Session(3, turns), Session(3, turns)];
    assert_eq!(found(&events(&same_day)), []);
    assert_eq!(found(&events(&[Session(0, turns)])), []);
}

#[test]
fn what_was_given_up_questions_and_wishes_are_no_habits() {
    let sessions = [
        Session(
            0,
            &[("", "I don't swim."), ("", "Should I go running every morning?"), ("", "I used to ski.")],
        ),
        Session(
            5,
            &[
                ("", "I never swim."),
                ("", "I would go running every day if I could."),
                ("", "I used to ski."),
            ],
        ),
        Session(9, &[("", "I won't swim."), ("", "I'd go running every day."), ("", "I used to ski.")]),
    ];
    assert_eq!(contents(&found(&events(&sessions))), Vec::<&str>::new());
}

#[test]
fn of_a_preference_that_was_taken_back_the_last_word_holds() {
    let sessions = [
        Session(0, &[("Ada", "I love coffee.")]),
        Session(5, &[("Ada", "I love coffee.")]),
        Session(9, &[("Ada", "I don't like coffee any more.")]),
        Session(14, &[("Ada", "I can't stand coffee.")]),
    ];
    assert_eq!(contents(&found(&events(&sessions))), ["Ada keeps saying that they dislike coffee."]);
}

/// The same sentences in four sessions, on four days.
fn four_times(turns: &'static [(&'static str, &'static str)]) -> [Session; 4] {
    [0, 5, 9, 14].map(|day| Session(day, turns))
}

#[test]
fn what_used_to_be_is_no_habit_and_what_happened_is_told_by_its_verb() {
    for over in [
        "I drank coffee every morning.",
        "I usually ate porridge.",
        "I swam every day.",
        "I was running every morning.",
        "As a child I played chess on Sunday.",
        "I went hiking years ago.",
        "We rode every weekend when we were kids.",
    ] {
        let turns: &'static [_] = Box::leak(Box::new([("Ada", over)]));
        let patterns = found(&events(&four_times(turns)));
        assert!(patterns.iter().all(|pattern| pattern.kind != PatternKind::Habit), "{over}: {patterns:#?}");
    }
    for (said, habit) in [
        ("I drink coffee every morning.", "Ada drinks coffee every morning."),
        ("I drank coffee on Monday.", "Ada drinks coffee on Mondays."),
        ("I've eaten porridge every day this week.", "Ada eats porridge every day."),
        ("I swam today.", "Ada regularly swims."),
        ("I have been running every morning.", "Ada runs every morning."),
        ("I went hiking on Sunday.", "Ada goes hiking on Sundays."),
    ] {
        let turns: &'static [_] = Box::leak(Box::new([("Ada", said)]));
        let patterns = found(&events(&four_times(turns)));
        assert!(contents(&patterns).contains(&habit), "{said}: {patterns:#?}");
    }
}

#[test]
fn what_is_not_counted_stays_as_it_is_said() {
    let sessions = four_times(&[
        ("Ada", "I read fantasy novels. A friend gave me a fantasy."),
        ("Ada", "There is nothing like fantasy literature, and I talk about fantasy with my fantasy club."),
        ("Bo", "I was in the military. My brother left the military, and I like military history."),
        ("Bo", "A military base is near. I may go back into the military."),
        ("Cy", "I bought a lamp. My lamp is old."),
        ("Cy", "I need a lamp for the hall."),
    ]);
    let patterns = found(&events(&sessions));
    let themes: Vec<&str> = patterns
        .iter()
        .filter(|pattern| pattern.kind == PatternKind::Theme)
        .map(|pattern| pattern.content.as_str())
        .collect();
    assert!(themes.contains(&"Bo often talks about the military."), "{themes:?}");
    assert!(themes.contains(&"Cy often talks about lamps."), "{themes:?}");
    assert!(
        !themes.iter().any(|theme| theme.contains("fantasies") || theme.contains("militaries")),
        "{themes:?}"
    );
    assert!(themes.iter().any(|theme| theme.contains("fantasy")), "{themes:?}");
}

#[test]
fn what_is_only_taken_up_from_the_words_right_before_is_no_theme_of_ones_own() {
    let echo = four_times(&[
        ("Ada", "I spent the day at the pottery."),
        ("Bo", "I would love to see the pottery."),
        ("Ada", "The pottery is open on Friday."),
        ("Bo", "I may come to the pottery."),
    ]);
    let patterns = found(&events(&echo));
    assert_eq!(contents(&patterns), ["Ada often talks about the pottery."], "{patterns:#?}");
    // Who comes back to it when the talk was of something else means it.
    let own = four_times(&[
        ("Ada", "I spent the day at the pottery."),
        ("Bo", "Lovely."),
        ("Ada", "It rained, though."),
        ("Bo", "I may come to the pottery."),
    ]);
    assert!(contents(&found(&events(&own))).contains(&"Bo often talks about the pottery."));
}

#[test]
fn what_is_older_than_ninety_days_has_faded() {
    let mut sessions = events(&GARDENER);
    sessions.push(said(9, 1, 300, "", "Good evening."));
    assert_eq!(found(&sessions), []);
    // A message from the future does not make everything old.
    let mut sessions = events(&GARDENER);
    sessions.push(said(9, 1, 4000, "", "Good evening."));
    assert_eq!(found(&sessions), found(&events(&GARDENER)));
}

#[test]
fn a_known_pattern_keeps_its_name() {
    let patterns = found(&events(&FRIENDS));
    let pottery = patterns.iter().find(|pattern| pattern.key == "theme:Ines:potteri").unwrap();
    assert!(pottery.terms.contains(&"pottery".to_owned()));
    let events = events(&FRIENDS);
    let known = patterns.iter().map(|pattern| pattern.key.clone()).collect();
    let again = find(events.iter().map(|(session, event)| (*session, event)), at(400), &known);
    assert_eq!(
        again.iter().map(|pattern| &pattern.key).collect::<Vec<_>>(),
        patterns.iter().map(|pattern| &pattern.key).collect::<Vec<_>>()
    );
}

/// Sentences that lead to patterns in many combinations.
fn line() -> impl Strategy<Value = String> {
    let subjects = prop::sample::select(vec![
        "my bike", "the garden", "a guitar", "pottery", "the Lisbon flat", "my sister",
    ]);
    prop_oneof![
        subjects.clone().prop_map(|thing| format!("I spent the day with {thing}.")),
        subjects.clone().prop_map(|thing| format!("I love {thing}, as you know.")),
        subjects.prop_map(|thing| format!("What would you do about {thing}?")),
        prop::sample::select(vec!["swimming", "hiking", "running"])
            .prop_map(|what| format!("I went {what} on Sunday.")),
        prop::sample::select(vec!["tea", "coffee"])
            .prop_map(|what| format!("I usually drink {what} in the morning.")),
        "\\PC{0,40}",
    ]
}

fn sessions() -> impl Strategy<Value = Vec<(SessionId, Event)>> {
    let turn = (prop::sample::select(vec!["Ada", "Bo", "assistant", ""]), line());
    let session = (0_i64..120, prop::collection::vec(turn, 1..8));
    prop::collection::vec(session, 1..8).prop_map(|sessions| {
        let mut events = Vec::new();
        for (number, (day, turns)) in (1..).zip(sessions) {
            for (version, (speaker, text)) in (1..).zip(turns) {
                events.push(said(number, version, day, speaker, &text));
            }
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_pattern_has_evidence_in_two_sessions_and_the_order_does_not_matter(events in sessions(), seed in any::<u64>()) {
        let patterns = found(&events);
        for pattern in &patterns {
            prop_assert!(pattern.sessions() >= 2 && pattern.days() >= 2, "{pattern:?}");
            prop_assert!((0.0..=1.0).contains(&pattern.strength));
            prop_assert!(!pattern.content.trim().is_empty() && !pattern.key.is_empty() && pattern.key.len() <= 512);
            for place in &pattern.places {
                let event = events.iter().find(|(session, event)| *session == place.at.session && event.version == place.at.version);
                prop_assert!(event.is_some_and(|(_, event)| event.role != "assistant"));
            }
        }
        let keys: BTreeSet<&str> = patterns.iter().map(|pattern| pattern.key.as_str()).collect();
        prop_assert_eq!(keys.len(), patterns.len(), "a key names one pattern");
        let mut shuffled = events;
        let length = shuffled.len();
        let mut state = seed | 1;
        for at in (1..length).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        prop_assert_eq!(found(&shuffled), patterns);
    }
}
