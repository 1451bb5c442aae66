//! The agent as the runtime sees it: a window and the current summary in, the next summary out.

#![cfg(test)]

use std::time::Duration;

use domain::{
    Event, EventKind, Known, Memory, ReviewPolicy, SessionId, TenantId, Thought, UserId, Window, reconcile,
};
use jiff::Timestamp;
use model::{Endpoint, Error, Model, ModelConfig};
use proptest::prelude::*;
use runtime::{Agent, Context, ThinkError, Thoughts};
use serde_json::{Value, json};
use summarizer::Summarizer;
use uuid::Uuid;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

fn event(version: i64, speaker: &str, content: &str) -> Event {
    Event {
        version,
        kind: EventKind::Message,
        role: "user".into(),
        speaker: Some(speaker.into()),
        content: content.into(),
        payload: json!({}),
        occurred_at: "2023-05-08T13:56:00Z".parse().unwrap(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn window(events: Vec<Event>) -> Window {
    let after = events.first().map_or(0, |event| event.version - 1);
    Window {
        tenant: TenantId::new("acme").unwrap(),
        user: UserId::new("ada").unwrap(),
        session: SessionId(Uuid::nil()),
        session_name: "chat".into(),
        after,
        generation: 0,
        head: after + i64::try_from(events.len()).unwrap(),
        events,
    }
}

fn conversation() -> Vec<Event> {
    [
        ("Ada", "Hey! Good to see you, how was the workshop?"),
        ("Alan", "Great, thanks! We built a solar boat from two old canoes."),
        ("Ada", "Wow. Did it float?"),
        ("Alan", "It did, but the battery lasted only twenty minutes, so we need a bigger one before the race in June."),
        ("Ada", "I can ask my cousin Grace, she sells marine batteries in Porto."),
        ("Alan", "Perfect."),
        ("Ada", "I'll call her tomorrow and send you the price."),
        ("Alan", "Then I will book the van for the race. The rules say the boat must weigh less than ninety kilos."),
        ("Ada", "Ok, bye!"),
    ]
    .into_iter()
    .zip(1..)
    .map(|((speaker, content), version)| event(version, speaker, content))
    .collect()
}

async fn think(model: Model, window: &Window, known: &[Memory]) -> Result<Thoughts, ThinkError> {
    let context = Context::new(known.to_vec(), Timestamp::UNIX_EPOCH);
    Summarizer::new(model, Duration::from_mins(5)).unwrap().think(window, &context).await
}

fn built_in(window: &Window, known: &[Memory]) -> Vec<Thought> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(think(Model::BuiltIn, window, known)).unwrap().thoughts
}

/// What stands after one window more, as the runtime would commit it.
fn committed(events: Vec<Event>, known: &[Memory]) -> Vec<Memory> {
    let window = window(events);
    let thoughts = built_in(&window, known);
    let reconciled =
        reconcile(Summarizer::NAME, &window, &known[..].into(), &ReviewPolicy::default(), thoughts);
    let changed: Vec<Memory> = reconciled.changes.into_iter().map(|change| change.memory).collect();
    if changed.is_empty() { known.to_vec() } else { changed }
}

#[test]
fn a_summary_says_who_said_what_and_leaves_out_pleasantries() {
    let thoughts = built_in(&window(conversation()), &[]);
    insta::assert_snapshot!(thoughts[0].content, @r"Ada and Alan talk about batteries, race, boat. Alan: It did, but the battery lasted only twenty minutes, so we need a bigger one before the race in June. Ada: I can ask my cousin Grace, she sells marine batteries in Porto. Alan: The rules say the boat must weigh less than ninety kilos.");
    assert_eq!(thoughts[0].data["title"], "batteries, race, boat");
    assert_eq!(thoughts[0].evidence, [4, 5, 8, 9]);
}

#[test]
fn a_summary_continues_the_one_before_it() {
    let mut events = conversation();
    let later = events.split_off(5);
    let first = committed(events, &[]);
    let window = window(later);
    let thoughts = built_in(&window, &first);
    assert!(thoughts[0].content.contains("the battery lasted only twenty minutes"));
    assert!(thoughts[0].evidence.iter().all(|version| (6..=9).contains(version)));
    let reconciled =
        reconcile(Summarizer::NAME, &window, &first[..].into(), &ReviewPolicy::default(), thoughts);
    assert_eq!(reconciled.changes[0].supersedes, Some(first[0].id));
    assert!(reconciled.changes[0].inherits_evidence);
}

#[test]
fn a_window_with_nothing_worth_quoting_still_has_evidence() {
    let first = committed(conversation(), &[]);
    let thoughts = built_in(&window(vec![event(10, "Alan", "ok"), event(11, "Ada", "bye")]), &first);
    assert_eq!(thoughts[0].content, first[0].content);
    assert_eq!(thoughts[0].evidence, [11]);
}

#[test]
fn a_window_in_which_nothing_was_said_changes_nothing() {
    let mut events = conversation();
    for event in &mut events {
        event.kind = EventKind::ToolCall;
    }
    assert!(built_in(&window(events), &[]).is_empty());
}

#[test]
fn a_summary_by_a_model_is_continued_by_the_rules() {
    let mut first = committed(conversation(), &[]);
    first[0].data = json!({"title": "Boats", "sentences": "none"});
    first[0].content = "Ada and Alan plan to race a solar boat in June.".into();
    let thoughts = built_in(&window(vec![event(10, "Ada", "Grace has a battery for ninety euros.")]), &first);
    assert!(thoughts[0].content.contains("race a solar boat"), "{}", thoughts[0].content);
    assert!(thoughts[0].content.contains("Ada: Grace has a battery"), "{}", thoughts[0].content);
}

#[test]
fn long_messages_take_linear_time_and_stay_bounded() {
    for piece in ["word ", "a. ", "One fine day Ada went. ", "x", "\u{202e}שלום ", "😀? ", "\n"] {
        let text = piece.repeat(300_000 / piece.len());
        for thought in built_in(&window(vec![event(1, "Ada", &text)]), &[]) {
            assert!(thought.content.chars().count() <= 700);
            assert!(thought.data.to_string().len() < 16 * 1024);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_panics(texts in prop::collection::vec("(\\PC|[a-z]{1,8} |\\. |\\n){0,60}", 1..6), speaker in "\\PC{0,80}") {
        let events: Vec<Event> = texts.iter().zip(1..).map(|(text, version)| event(version, &speaker, text)).collect();
        let window = window(events);
        let thoughts = built_in(&window, &[]);
        prop_assert!(thoughts.iter().all(|thought| thought.content.chars().count() <= 700));
        let count = thoughts.len();
        prop_assert_eq!(reconcile(Summarizer::NAME, &window, &Known::default(), &ReviewPolicy::default(), thoughts).changes.len(), count);
    }

    #[test]
    fn a_summary_does_not_depend_on_how_the_session_was_cut(
        words in prop::collection::vec(prop::collection::vec("boat|race|Grace|battery|price|van|will|ok|thanks|why\\?|sun\\. ", 1..9), 10..70),
        cuts in prop::collection::btree_set(1_usize..70, 0..6),
    ) {
        let events: Vec<Event> = words
            .iter()
            .zip(1..)
            .map(|(words, version)| event(version, if version % 2 == 0 { "Ada" } else { "Alan" }, &words.join(" ")))
            .collect();
        let whole = committed(events.clone(), &[]);
        let mut known = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().filter(|cut| *cut < events.len()).chain([events.len()]) {
            known = committed(events[start..cut].to_vec(), &known);
            start = cut;
        }
        prop_assert_eq!(&known[0].content, &whole[0].content);
        prop_assert_eq!(&known[0].data, &whole[0].data);
    }
}

async fn asked(answer: Value, known: &[Memory]) -> (Result<Thoughts, ThinkError>, Vec<Value>) {
    let server = MockServer::start().await;
    let body = json!({
        "choices": [{"message": {"content": answer.to_string()}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20},
    });
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    let endpoint = Endpoint {
        url: server.uri().parse().unwrap(),
        model: "tiny".into(),
        api_key: None,
        timeout: Duration::from_secs(10),
    };
    let model = Model::new(&ModelConfig::OpenAi(endpoint)).unwrap();
    let thoughts = think(model, &window(vec![event(10, "Alan", "The race moved to July.")]), known).await;
    let requests = server.received_requests().await.unwrap();
    (thoughts, requests.iter().map(|request| request.body_json().unwrap()).collect())
}

fn known_summary() -> Vec<Memory> {
    let window = window(conversation());
    let thoughts = built_in(&window, &[]);
    let mut memory =
        reconcile(Summarizer::NAME, &window, &Known::default(), &ReviewPolicy::default(), thoughts)
            .changes
            .remove(0)
            .memory;
    memory.content = "Ada and Alan plan to race a solar boat in June.".into();
    vec![memory]
}

#[test]
fn a_model_is_given_the_summary_so_far_and_the_new_messages_as_data() {
    let known = known_summary();
    let answer =
        json!({"title": "Solar boat", "summary": "Ada and Alan race in July.", "versions": [99, 10]});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (thoughts, requests) = runtime.block_on(asked(answer, &known));
    let Thoughts { thoughts, usage, .. } = thoughts.unwrap();
    assert_eq!(usage.model, "tiny/summary-2");
    assert_eq!(thoughts[0].content, "Ada and Alan race in July.");
    assert_eq!(thoughts[0].data, json!({"title": "Solar boat"}));
    assert_eq!(thoughts[0].evidence, [10]);
    assert_eq!(requests.len(), 1);
    let input: Value = serde_json::from_str(requests[0]["messages"][1]["content"].as_str().unwrap()).unwrap();
    assert_eq!(
        input,
        json!({
            "summary_so_far": "Ada and Alan plan to race a solar boat in June.",
            "known_names": [],
            "messages": [
                {"version": 10, "at": "Monday, 2023-05-08T13:56Z", "speaker": "Alan", "text": "The race moved to July."},
            ],
        })
    );
}

#[tokio::test]
async fn an_empty_summary_by_a_model_never_replaces_one() {
    let (thoughts, _) = asked(json!({"title": "", "summary": " ", "versions": []}), &[]).await;
    assert!(matches!(thoughts, Err(ThinkError::Model(Error::Invalid(_)))));
    let (thoughts, _) = asked(json!({"title": "x"}), &[]).await;
    assert!(matches!(thoughts, Err(ThinkError::Model(Error::Invalid(_)))));
}
