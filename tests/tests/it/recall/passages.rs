//! Long messages: found by the passage that says it.

use std::collections::HashMap;

use model::{Embedder, EmbedderConfig};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::stage::{Stage, texts};

const PLANTED: &str = include_str!("../../../fixtures/planted.jsonl");
/// Talk of all sorts.
const TALK: [&str; 3] = [
    include_str!("../../../fixtures/eval/actions.jsonl"),
    include_str!("../../../fixtures/eval/actions-hard.jsonl"),
    include_str!("../../../fixtures/eval/facts.jsonl"),
];
const LONG_BYTES: usize = 4400;

fn values(lines: &str) -> impl Iterator<Item = Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// Pairs of what was said and what is asked about it.
fn planted() -> Vec<(String, String)> {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap().to_owned();
    values(PLANTED).map(|value| (text(&value, "said"), text(&value, "asked"))).collect()
}

fn talk() -> Vec<String> {
    let turns = |value: Value| {
        let turns = if value["messages"].is_array() { &value["messages"] } else { &value["said"] };
        turns.as_array().unwrap().clone()
    };
    TALK.iter()
        .flat_map(|lines| values(lines))
        .flat_map(turns)
        .map(|turn| turn["text"].as_str().unwrap().replace('\n', " "))
        .collect()
}

/// About 1,000 tokens of talk.
fn much<'a>(talk: &mut impl Iterator<Item = &'a String>) -> String {
    let mut much = String::new();
    while much.len() < LONG_BYTES {
        much.push_str(talk.next().unwrap());
        much.push(' ');
    }
    much
}

async fn ask(stage: &Stage, user: &str, question: &str, k: usize) -> Value {
    let question = utf8_percent_encode(question, NON_ALPHANUMERIC);
    stage.ok("default", &format!("/v1/users/{user}/recall"), &format!("query={question}&k={k}")).await
}

/// At which place of fifty each question's sentence was found, 1 is the first.
#[derive(Debug)]
struct Places {
    at_the_end_of_long_messages: Vec<Option<usize>>,
    as_messages_of_their_own: Vec<Option<usize>>,
}

fn among(places: &[Option<usize>], first: usize) -> usize {
    places.iter().filter(|place| place.is_some_and(|place| place <= first)).count()
}

/// Two users are told the same: one has the planted sentences at the end of long messages, the other by themselves after them.
async fn measure(embedder: Embedder) -> Places {
    let stage = Stage::with(embedder).await;
    let (planted, talk) = (planted(), talk());
    let mut talk = talk.iter().cycle();
    for (number, (said, _)) in planted.iter().enumerate() {
        let long = much(&mut talk);
        let short: Vec<String> = talk.by_ref().take(10).map(|turn| format!("Ada: {turn}")).collect();
        for (user, messages) in [
            ("end", vec![format!("Ada: {long}{said}")]),
            ("own", vec![format!("Ada: {}", long.trim_end()), format!("Ada: {said}")]),
        ] {
            let lines: Vec<&str> = messages.iter().chain(&short).map(String::as_str).collect();
            stage.indexed("default", user, &format!("chat {number}"), &lines).await;
        }
    }
    let mut places: HashMap<&str, Vec<Option<usize>>> = HashMap::new();
    for (said, asked) in &planted {
        for user in ["end", "own"] {
            let answer = ask(&stage, user, asked, 50).await;
            let place = texts(&answer, "events").iter().position(|content| content.ends_with(said));
            places.entry(user).or_default().push(place.map(|place| place + 1));
        }
    }
    Places {
        at_the_end_of_long_messages: places.remove("end").unwrap(),
        as_messages_of_their_own: places.remove("own").unwrap(),
    }
}

#[tokio::test]
async fn what_is_said_at_the_end_of_a_long_message_is_found_as_if_it_had_been_said_by_itself() {
    let places = measure(Embedder::BuiltIn).await;
    for first in [5, 50] {
        let end = among(&places.at_the_end_of_long_messages, first);
        let own = among(&places.as_messages_of_their_own, first);
        assert!(own > 10 && end + 2 >= own, "{end} and {own} among the first {first}: {places:?}");
    }
}

/// `EMBEDDER=minilm/ cargo test -p tests --test it a_sentence_transformer -- --ignored --nocapture`
#[tokio::test]
#[ignore = "a measurement with the sentence transformer in the directory that EMBEDDER names"]
#[expect(clippy::disallowed_methods, reason = "whoever measures says with what")]
async fn of_planted_sentences_a_sentence_transformer_finds_as_many() {
    let directory =
        std::env::var_os("EMBEDDER").expect("EMBEDDER names the directory of a sentence transformer");
    let places = measure(Embedder::new(&EmbedderConfig::Local(directory.into())).unwrap()).await;
    for first in [1, 5, 10, 25, 50] {
        let end = among(&places.at_the_end_of_long_messages, first);
        let own = among(&places.as_messages_of_their_own, first);
        println!("among the first {first}: {end} at the end of long messages, {own} by themselves");
        assert!(first < 50 || end + 3 >= own, "{places:?}");
    }
}

#[tokio::test]
async fn an_answer_has_the_passage_of_a_long_message_that_is_nearest_and_filters_hold_for_passages() {
    let stage = Stage::set().await;
    let talk = talk();
    let mut talk = talk.iter();
    let (before, after) = (much(&mut talk), much(&mut talk));
    let long = format!("{before}The spare key is hidden under a blue flowerpot. {}", after.trim_end());
    stage.indexed("default", "ada", "long", &[&format!("Ada: {long}"), "Ada: Good night."]).await;
    stage.indexed("default", "ada", "short", &["Ada: The key of the song is minor.", "Ada: Hm."]).await;
    let passages = "select count(*) from afterthought.event_passages where version = 1";
    let count: i64 = stage.owner.query_one(passages, &[]).await.unwrap().get(0);
    assert!((30..=64).contains(&count), "{count}");

    let question = "Where is the spare key hidden?";
    let answer = ask(&stage, "ada", question, 10).await;
    let first = &answer["events"][0];
    assert_eq!(first["content"], long);
    let passage = first["passage"].as_str().unwrap();
    assert!(passage.contains("under a blue flowerpot") && passage.len() <= 300, "{passage}");
    assert!(long.contains(passage));
    assert_eq!(answer["events"].as_array().unwrap().len(), 4, "each event once");
    assert!(answer["events"].as_array().unwrap()[1..].iter().all(|event| event.get("passage").is_none()));

    let path = "/v1/users/ada/recall";
    for (filter, expected) in [
        ("session=short", false),
        ("session=long", true),
        ("until=2020-01-01T00:00:00Z", false),
        ("as_of=2020-01-01T00:00:00Z", false),
    ] {
        let answer = stage.ok("default", path, &format!("query=spare+key+flowerpot&{filter}")).await;
        assert_eq!(texts(&answer, "events").contains(&long.as_str()), expected, "{filter}");
    }

    // Passages of another embedder, as those that were there before, are compared with nothing.
    stage
        .owner
        .batch_execute(
            "update afterthought.event_passages set embedding = '[1,0]', embedding_model = 'older'",
        )
        .await
        .unwrap();
    let answer = ask(&stage, "ada", question, 10).await;
    assert_eq!(answer["events"].as_array().unwrap().len(), 4);
    assert!(answer["events"].as_array().unwrap().iter().all(|event| event.get("passage").is_none()));
    // They go with their event.
    stage.owner.batch_execute("delete from afterthought.event_index where version = 1").await.unwrap();
    let count: i64 = stage.owner.query_one(passages, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}
