use std::collections::HashMap;
use std::ops::Range;

use domain::SessionId;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use model::{dates, text};
use store::{Found, RecalledEvent};

use super::super::kind::Kind;
use super::super::question::Subject;
use super::about::is_about_another;
use super::asks::{asks, share_that_asks};
use super::context::{Beside, coherence};
use super::measures::{Blend, own_parts};
use super::{Parts, Ranked, best};

/// Said by someone the question names, and not of somebody else.
const SPEAKER: f64 = 0.4;
/// Said in a time the question names. It is as good as the best of everything else the turn may say: whoever names a
/// time means that time.
const DATE: f64 = 1.0;
/// What was said so long before or after that time still counts, less by the day: things are told when they are over,
/// and the question's days are not those of the time zone it was said in.
const DATE_FADES: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The turn names a time, and the question asks when.
const TIME: f64 = 0.25;
/// The turn tells a kind of thing the question asks for, where few turns do.
const KIND: f64 = 0.25;
/// And where many do: most of what is told was done, and much of it is hard.
const COMMON_KIND: f64 = 0.15;
/// What the turn before says counts this much, relative to what the turn itself says.
const BEFORE: f64 = 0.25;
/// What it counts more where it asks: the turn is then its answer, which need not repeat the question's words.
const ANSWERS: f64 = 0.5;
/// What the turn after says.
const AFTER: f64 = 0.25;
/// The best turn of the session.
const SESSION: f64 = 0.5;
/// A question is rarely an answer: what a turn that only asks loses.
const ASKS: f64 = -0.5;
/// So much of a text is read for the times it names.
const READ_FOR_TIMES_BYTES: usize = 4096;

/// The best `k` events, best first.
pub(crate) fn rank_events(
    found: Found<RecalledEvent>,
    question: &Subject,
    blend: Blend,
    k: usize,
) -> Vec<Ranked<RecalledEvent>> {
    let own = own_parts(&found, blend);
    let said: HashMap<_, _> = found
        .candidates
        .iter()
        .zip(&own)
        .map(|(candidate, parts)| {
            let event = &candidate.item;
            ((event.session, event.version), (parts.total(), asks(&event.content)))
        })
        .collect();
    let mut best_of_session: HashMap<SessionId, f64> = HashMap::new();
    for ((session, _), (score, _)) in &said {
        best_of_session.entry(*session).and_modify(|best| *best = best.max(*score)).or_insert(*score);
    }
    let beside = |event: &RecalledEvent, step: i64| {
        said.get(&(event.session, event.version.saturating_add(step))).copied()
    };
    let context = if blend.sees_coherence {
        let turns = found.candidates.iter().zip(&own).map(|(candidate, own)| {
            let around: Vec<f64> =
                [-1, 1].iter().filter_map(|step| Some(beside(&candidate.item, *step)?.0)).collect();
            Beside { own: own.total(), neighbours: mean(&around) }
        });
        coherence(turns.collect())
    } else {
        1.0
    };
    let asked: Vec<String> = text::content_stems(&question.words).collect();
    let ranked = found.candidates.into_iter().zip(own).map(|(candidate, own)| {
        let event = candidate.item;
        // All that a long event says tells of every kind; what counts is where it is nearest.
        let nearest = event.nearest();
        let (before, before_asks) = beside(&event, -1).unwrap_or_default();
        let (after, _) = beside(&event, 1).unwrap_or_default();
        let is_named = question.names(&event);
        let concerns = (is_named || !question.kinds.is_empty()) && !is_about_another(nearest, &asked);
        let parts = Parts {
            speaker: if is_named && concerns { SPEAKER } else { 0.0 },
            kind: if concerns { kinds(nearest, question, is_named) } else { 0.0 },
            date: DATE * closeness(event.occurred_at, &question.times),
            time: if question.asks_when && names_a_time(&event) { TIME } else { 0.0 },
            neighbours: context
                * (before * (BEFORE + if before_asks { ANSWERS } else { 0.0 }) + after * AFTER),
            session: context * SESSION * best_of_session.get(&event.session).copied().unwrap_or_default(),
            asks: ASKS * share_that_asks(nearest),
            ..own
        };
        Ranked { item: event, score: parts.total(), parts }
    });
    best(ranked.collect(), k, |event| (std::cmp::Reverse(event.occurred_at), event.session, event.version))
}

/// The times in which an event may have something of the part `date`.
pub(crate) fn around(times: &[Range<Timestamp>]) -> Vec<Range<Timestamp>> {
    times
        .iter()
        .map(|time| {
            time.start.saturating_sub(DATE_FADES).unwrap_or(time.start)
                ..time.end.saturating_add(DATE_FADES).unwrap_or(time.end)
        })
        .collect()
}

/// How much a turn counts for telling kinds of things that the question asks for. Deeds are asked of somebody, who mostly says "I"
/// or "we" did; a wish is told by whom it is of.
fn kinds(content: &str, question: &Subject, is_named: bool) -> f64 {
    let weight = |kind: &Kind| match kind {
        Kind::Deed if question.names_somebody() => COMMON_KIND,
        Kind::Trouble => COMMON_KIND,
        Kind::Wish if is_named || !question.names_somebody() => KIND,
        Kind::Number | Kind::Reason | Kind::Former => KIND,
        Kind::Deed | Kind::Wish => 0.0,
    };
    question.kinds.iter().filter(|kind| weight(kind) > 0.0 && kind.is_told(content)).map(weight).sum()
}

/// The mean of what there is, 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "two at most")]
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// How near an event is to the nearest of the times a question names: 1 within one, 0 from a week on.
fn closeness(at: Timestamp, times: &[Range<Timestamp>]) -> f64 {
    times
        .iter()
        .map(|time| {
            let away = if at < time.start {
                time.start.duration_since(at)
            } else if at >= time.end {
                at.duration_since(time.end)
            } else {
                SignedDuration::ZERO
            };
            (1.0 - away.as_secs_f64() / DATE_FADES.as_secs_f64()).max(0.0)
        })
        .fold(0.0, f64::max)
}

/// Whether what was said names a day, a month or a year.
fn names_a_time(event: &RecalledEvent) -> bool {
    let said = event.occurred_at.to_zoned(TimeZone::UTC).date();
    text::sentences(text::cut(event.nearest(), READ_FOR_TIMES_BYTES))
        .into_iter()
        .any(|sentence| !dates::dates(sentence, said).is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use store::{Candidate, Corpus, PassageWords};

    fn event(session: u128, version: i64, speaker: &str, content: &str) -> RecalledEvent {
        RecalledEvent {
            session: SessionId(Uuid::from_u128(session)),
            session_name: format!("session {session}"),
            version,
            role: "user".into(),
            speaker: Some(speaker.into()),
            content: content.into(),
            occurred_at: Timestamp::from_second(version).unwrap(),
            passage: None,
        }
    }

    /// A candidate with these frequencies of the two words that are searched, the first of them rare.
    fn candidate(
        item: RecalledEvent,
        frequencies: [i32; 2],
        similarity: Option<f64>,
    ) -> Candidate<RecalledEvent> {
        Candidate { item, similarity, length: 8, frequencies: frequencies.to_vec(), passage: None }
    }

    fn corpus() -> Corpus {
        Corpus {
            texts: 100,
            average_length: 8.0,
            average_similarity: 0.0,
            words: vec!["common".into(), "rare".into()],
            texts_with: vec![2, 60],
        }
    }

    fn of(named: &[&str]) -> Subject {
        Subject { named: named.iter().map(|name| (*name).to_owned()).collect(), ..Subject::default() }
    }

    fn asked(candidates: Vec<Candidate<RecalledEvent>>, subject: &Subject, k: usize) -> Vec<(u128, i64)> {
        rank_events(Found { corpus: corpus(), candidates }, subject, Blend::MEANING, k)
            .into_iter()
            .map(|ranked| (ranked.item.session.0.as_u128(), ranked.item.version))
            .collect()
    }

    fn ranked(candidates: Vec<Candidate<RecalledEvent>>, named: &[&str], k: usize) -> Vec<(u128, i64)> {
        asked(candidates, &of(named), k)
    }

    #[test]
    fn a_rare_word_counts_more_than_a_common_one_however_often() {
        let order = ranked(
            vec![
                candidate(event(1, 1, "Ada", "common common common"), [0, 3], None),
                candidate(event(2, 1, "Ada", "rare"), [1, 0], None),
            ],
            &[],
            10,
        );
        assert_eq!(order, [(2, 1), (1, 1)]);
    }

    #[test]
    fn a_long_event_is_what_its_nearest_passage_says() {
        let long = |passage: Option<Range<usize>>| {
            let content = "Is it raining? My brother fell off a ladder because it was wet.";
            RecalledEvent { passage, ..event(1, 1, "Ada", content) }
        };
        let of_passage =
            |item, passage| Candidate { length: 400, passage, ..candidate(item, [1, 0], Some(0.5)) };
        let words = PassageWords { length: 8, frequencies: vec![1, 0] };
        let scored = |candidate| {
            let subject = Subject { kinds: vec![Kind::Reason], ..Subject::default() };
            let found = Found { corpus: corpus(), candidates: vec![candidate] };
            rank_events(found, &subject, Blend::MEANING, 1).remove(0).parts
        };
        let whole = scored(of_passage(long(None), None));
        let asking = scored(of_passage(long(Some(0..14)), Some(words.clone())));
        assert!(whole.asks > asking.asks && whole.kind > asking.kind, "{whole:?} {asking:?}");
        // The words beside one that has them all.
        let both = |passage| {
            let short = candidate(event(2, 1, "Ada", "both"), [1, 1], Some(0.1));
            let candidates = vec![short, of_passage(long(Some(0..14)), passage)];
            let found = Found { corpus: corpus(), candidates };
            let ranked = rank_events(found, &Subject::default(), Blend::MEANING, 2);
            ranked.into_iter().find(|ranked| ranked.item.passage.is_some()).unwrap().parts.words
        };
        assert!(both(Some(words)) > 2.0 * both(None));
    }

    #[test]
    fn whoever_is_named_has_mostly_said_it() {
        let candidates = || {
            vec![
                candidate(event(1, 1, "Ada", "the same"), [0, 1], None),
                candidate(event(1, 9, "Bob", "the same"), [0, 1], None),
            ]
        };
        assert_eq!(ranked(candidates(), &["Ada"], 1), [(1, 1)]);
        assert_eq!(ranked(candidates(), &["Bob"], 1), [(1, 9)]);
    }

    #[test]
    fn an_answer_is_found_by_the_question_before_it() {
        let order = ranked(
            vec![
                candidate(event(1, 1, "Ada", "Where is the rare common?"), [1, 1], Some(0.9)),
                candidate(event(1, 2, "Bob", "In Lisbon."), [0, 0], Some(0.1)),
                candidate(event(2, 1, "Bob", "In common."), [0, 1], Some(0.2)),
            ],
            &[],
            10,
        );
        assert_eq!(order, [(1, 2), (1, 1), (2, 1)]);
    }

    #[test]
    fn equal_scores_come_newest_first() {
        let order = ranked(
            vec![
                candidate(event(1, 1, "Ada", "x"), [0, 0], None),
                candidate(event(3, 9, "Ada", "x"), [0, 0], None),
                candidate(event(2, 5, "Ada", "x"), [0, 0], None),
            ],
            &[],
            2,
        );
        assert_eq!(order, [(3, 9), (2, 5)]);
    }

    #[test]
    fn what_is_asked_of_a_time_was_said_then_or_soon_after() {
        let day = |day: i64, session| {
            let mut event = event(session, 9, "Ada", "the same");
            event.occurred_at = Timestamp::from_second(day * 86_400 + 3_600).unwrap();
            candidate(event, [0, 1], None)
        };
        let time =
            Timestamp::from_second(100 * 86_400).unwrap()..Timestamp::from_second(101 * 86_400).unwrap();
        let subject = Subject { times: vec![time], ..Subject::default() };
        let order = asked(vec![day(300, 1), day(104, 2), day(100, 3), day(98, 4)], &subject, 10);
        assert_eq!(order, [(3, 9), (4, 9), (2, 9), (1, 9)]);
    }

    #[test]
    fn a_question_for_a_time_is_answered_by_a_turn_that_names_one() {
        let candidates = || {
            vec![
                candidate(event(1, 1, "Ada", "We moved in May 2023."), [0, 1], None),
                candidate(event(2, 9, "Ada", "We moved far away."), [0, 1], None),
            ]
        };
        assert_eq!(asked(candidates(), &Subject::default(), 1), [(2, 9)]);
        let when = Subject { asks_when: true, ..Subject::default() };
        assert_eq!(asked(candidates(), &when, 1), [(1, 1)]);
    }

    #[test]
    fn what_kind_of_thing_is_asked_for_is_told_in_words_of_that_kind() {
        let candidates = || {
            vec![
                candidate(event(1, 1, "Ada", "The supplier was late."), [0, 1], None),
                candidate(event(2, 2, "Bob", "I would love a boat."), [0, 1], None),
                candidate(event(3, 3, "Ada", "I went there."), [0, 1], None),
                candidate(event(4, 4, "Ada", "The supplier is new."), [0, 1], None),
            ]
        };
        let first = |kind, named: &[&str]| {
            asked(candidates(), &Subject { kinds: vec![kind], ..of(named) }, 1)
                .first()
                .map(|(session, _)| *session)
        };
        assert_eq!(asked(candidates(), &Subject::default(), 1), [(4, 4)]);
        assert_eq!(first(Kind::Trouble, &[]), Some(1));
        assert_eq!(first(Kind::Wish, &[]), Some(2));
        assert_eq!(first(Kind::Wish, &["Bob"]), Some(2));
        // Of Ada it is neither a wish of hers nor anything of hers; nobody's deeds are asked for without a name.
        assert_eq!(first(Kind::Wish, &["Ada"]), Some(4));
        assert_eq!(first(Kind::Deed, &["Ada"]), Some(3));
        assert_eq!(first(Kind::Deed, &[]), Some(4));
    }

    #[test]
    fn a_role_is_named_like_a_speaker() {
        let mut assistant = event(1, 1, "", "the same");
        (assistant.role, assistant.speaker) = ("assistant".into(), None);
        let candidates =
            vec![candidate(event(2, 9, "Ada", "the same"), [0, 1], None), candidate(assistant, [0, 1], None)];
        let subject = Subject { role: Some("assistant"), ..Subject::default() };
        assert_eq!(asked(candidates, &subject, 1), [(1, 1)]);
    }

    #[test]
    fn the_likeness_that_every_text_has_says_nothing() {
        let found = Found {
            corpus: Corpus { texts: 1_000_000, average_similarity: 0.8, ..corpus() },
            candidates: vec![
                candidate(event(1, 1, "Ada", "x"), [0, 0], Some(0.9)),
                candidate(event(2, 1, "Ada", "x"), [0, 0], Some(0.8)),
                candidate(event(3, 1, "Ada", "x"), [0, 0], Some(0.7)),
            ],
        };
        let ranked = rank_events(found, &Subject::default(), Blend::MEANING, 3);
        let similarity: Vec<f64> = ranked.iter().map(|ranked| ranked.parts.similarity).collect();
        assert!(
            (similarity[0] - 0.6).abs() < 0.001 && similarity[1..].iter().all(|part| *part < 0.001),
            "{similarity:?}"
        );
    }

    #[test]
    fn words_are_all_there_is_of_a_turn_that_is_not_embedded() {
        let alone = |similarity| {
            let found = Found {
                corpus: corpus(),
                candidates: vec![candidate(event(1, 1, "Ada", "x"), [1, 0], similarity)],
            };
            rank_events(found, &Subject::default(), Blend::MEANING, 1)[0].parts.words
        };
        assert_eq!((alone(None), alone(Some(0.5))), (1.0, 0.4));
    }

    fn rows() -> impl Strategy<Value = Vec<Candidate<RecalledEvent>>> {
        let row =
            (0_u128..4, 0_i64..50, [0_i32..5, 0..5], prop::option::of(-1.0_f64..1.0), "(so|in May 2023)[.?]");
        prop::collection::vec(row, 0..40).prop_map(|rows| {
            // A session has each version once.
            let mut seen = std::collections::HashSet::new();
            rows.into_iter()
                .filter(|(session, version, ..)| seen.insert((*session, *version)))
                .map(|(session, version, frequencies, similarity, content)| {
                    candidate(event(session, version, "Ada", &content), frequencies, similarity)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn there_are_k_results_when_there_are_k_candidates_in_an_order_that_is_theirs(
            candidates in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
            k in 1_usize..50,
            average_similarity in -1.0_f64..1.0,
            asks_when: bool,
        ) {
            let (one, other) = candidates;
            let expected = one.len().min(k);
            let corpus = Corpus { texts: 3, average_length: 0.0, average_similarity, ..corpus() };
            let time = Timestamp::UNIX_EPOCH..Timestamp::from_second(20).unwrap();
            let subject = Subject { asks_when, times: vec![time], ..of(&["Ada"]) };
            let rank = |candidates| {
                rank_events(Found { corpus: corpus.clone(), candidates }, &subject, Blend::SPELLING, k)
            };
            let ranked = rank(one);
            prop_assert_eq!(ranked.len(), expected);
            prop_assert!(ranked.iter().all(|ranked| ranked.score.is_finite()));
            prop_assert!(ranked.is_sorted_by(|a, b| a.score >= b.score));
            for ranked in &ranked {
                let parts = serde_json::to_value(ranked.parts).unwrap();
                let sum: f64 = parts.as_object().unwrap().values().map(|part| part.as_f64().unwrap()).sum();
                prop_assert!((sum - ranked.score).abs() < 0.001, "{parts} {}", ranked.score);
            }
            prop_assert_eq!(ranked, rank(other));
        }
    }
}
