//! The agent as the runtime sees it: a window in, thoughts out.

#![cfg(test)]

use std::fmt::Write;
use std::time::Duration;

use domain::{
    Event, EventKind, Known, ReviewPolicy, SessionId, TenantId, Thought, UserId, Window, reconcile,
};
use entity_extractor::EntityExtractor;
use jiff::Timestamp;
use model::{Endpoint, Error, Model, ModelConfig};
use proptest::prelude::*;
use runtime::{Agent, Context, ThinkError, Thoughts};
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

fn event(version: i64, speaker: Option<&str>, content: &str) -> Event {
    Event {
        version,
        kind: EventKind::Message,
        role: "user".into(),
        speaker: speaker.map(Into::into),
        content: content.into(),
        payload: json!({}),
        // A Monday.
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
        (Some("Caroline"), "I went to a LGBTQ support group yesterday and it was so powerful."),
        (Some("Melanie"), "Wow, Caroline! Are you still working at Acme Corp with Dr. Okafor?"),
        (Some("Caroline"), "No, I moved to lisbon in March and joined Project Falcon. See you tomorrow!"),
        (None, "hey @tim, is John's iPhone from the U.S. store?"),
        (Some("Melanie"), "Ok, cool. Thanks!"),
    ]
    .into_iter()
    .zip(1..)
    .map(|((speaker, content), version)| event(version, speaker, content))
    .collect()
}

fn listing(thoughts: &[Thought]) -> String {
    let mut listing = String::new();
    for thought in thoughts {
        writeln!(
            listing,
            "{:?} {:.2} {}\n    {}\n    {}",
            thought.evidence, thought.confidence, thought.key, thought.content, thought.data
        )
        .unwrap();
    }
    listing
}

async fn think(model: Model, window: &Window) -> Result<Thoughts, ThinkError> {
    let context = Context::new(Vec::new(), Timestamp::UNIX_EPOCH);
    EntityExtractor::new(model).unwrap().think(window, &context).await
}

fn built_in(window: &Window) -> Vec<Thought> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(think(Model::BuiltIn, window)).unwrap().thoughts
}

#[test]
fn a_conversation_becomes_people_places_organisations_projects_and_dates() {
    insta::assert_snapshot!(listing(&built_in(&window(conversation()))), @r#"
        [1] 0.89 date:2023-05-07:lgbtq-support-power
            7 May 2023 (date). Caroline said: I went to a LGBTQ support group yesterday and it was so powerful.
            {"end":"2023-05-07","expressions":["yesterday"],"granularity":"day","kind":"date","name":"7 May 2023","start":"2023-05-07"}
        [1] 0.89 name:caroline
            Caroline (person). Caroline said: I went to a LGBTQ support group yesterday and it was so powerful.
            {"aliases":["Caroline"],"kind":"person","name":"Caroline"}
        [2] 0.84 name:acme corp
            Acme Corp (organisation). Melanie said: Are you still working at Acme Corp with Dr. Okafor?
            {"aliases":["Acme Corp"],"kind":"organisation","name":"Acme Corp"}
        [2] 0.82 name:caroline
            Caroline (person). Melanie said: Wow, Caroline!
            {"aliases":["Caroline"],"kind":"person","name":"Caroline"}
        [2] 0.89 name:dr okafor
            Dr. Okafor (person). Melanie said: Are you still working at Acme Corp with Dr. Okafor?
            {"aliases":["Dr. Okafor"],"kind":"person","name":"Dr. Okafor"}
        [3] 0.76 date:2023-03:move-lisbon-join-project-falcon
            March 2023 (date). Caroline said: No, I moved to lisbon in March and joined Project Falcon.
            {"end":"2023-03-31","expressions":["March"],"granularity":"month","kind":"date","name":"March 2023","start":"2023-03-01"}
        [3] 0.91 name:caroline
            Caroline (person). Caroline said: No, I moved to lisbon in March and joined Project Falcon.
            {"aliases":["Caroline"],"kind":"person","name":"Caroline"}
        [3] 0.91 name:lisbon
            Lisbon (place). Caroline said: No, I moved to lisbon in March and joined Project Falcon.
            {"aliases":["lisbon"],"kind":"place","name":"Lisbon"}
        [3] 0.86 name:project falcon
            Project Falcon (project). Caroline said: No, I moved to lisbon in March and joined Project Falcon.
            {"aliases":["Project Falcon"],"kind":"project","name":"Project Falcon"}
        [4] 0.91 name:iphone
            iPhone. The user said: hey @tim, is John's iPhone from the U.S. store?
            {"aliases":["iPhone"],"kind":"thing","name":"iPhone"}
        [4] 0.86 name:john
            John (person). The user said: hey @tim, is John's iPhone from the U.S. store?
            {"aliases":["John"],"kind":"person","name":"John"}
        [4] 0.86 name:tim
            Tim (person). The user said: hey @tim, is John's iPhone from the U.S. store?
            {"aliases":["@tim"],"kind":"person","name":"Tim"}
        [4] 0.91 name:us
            U.S. (place). The user said: hey @tim, is John's iPhone from the U.S. store?
            {"aliases":["U.S"],"kind":"place","name":"U.S."}
        "#);
}

#[test]
fn every_thought_has_the_one_message_it_comes_from_as_evidence() {
    let window = window(conversation());
    let thoughts = built_in(&window);
    assert!(thoughts.iter().all(|thought| thought.evidence.len() == 1));
    let reconciled = reconcile(
        EntityExtractor::NAME,
        &window,
        &Known::default(),
        &ReviewPolicy::default(),
        thoughts.clone(),
    );
    assert!(reconciled.ledger.iter().all(|entry| entry.reason.is_none()));
    assert_eq!(reconciled.ledger.len(), thoughts.len());
}

#[test]
fn only_what_was_said_is_thought_about() {
    let mut events = conversation();
    events[0].role = "system".into();
    events[1].role = "tool".into();
    events[2].kind = EventKind::Decision;
    events.truncate(3);
    assert!(built_in(&window(events)).is_empty());
}

#[test]
fn dates_are_resolved_in_the_time_zone_of_the_message() {
    let mut late = event(1, Some("Ada"), "Grandma visited the museum yesterday.");
    late.occurred_at = "2023-05-08T01:00:00Z".parse().unwrap();
    let dates = |event: &Event| -> Vec<String> {
        let thoughts = built_in(&window(vec![event.clone()]));
        thoughts.into_iter().map(|thought| thought.key).filter(|key| key.starts_with("date:")).collect()
    };
    assert!(dates(&late)[0].starts_with("date:2023-05-07:"));
    late.payload = json!({"timezone": "America/New_York"});
    assert!(dates(&late)[0].starts_with("date:2023-05-06:"));
    late.payload = json!({"timezone": "Nowhere/Land"});
    assert!(dates(&late)[0].starts_with("date:2023-05-07:"));
}

#[test]
fn long_lines_and_strange_texts_take_linear_time() {
    let pieces = [
        "a",
        "Mr ",
        "Aaaa ",
        "last May 7 of ",
        "hahaha",
        "@",
        "http://",
        ". ",
        "\u{202e}שלום ",
        "😀",
        "İ",
        "1/",
    ];
    for piece in pieces {
        let text = piece.repeat(200_000 / piece.len());
        built_in(&window(vec![event(1, Some("Ada"), &text)]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(text in "(\\PC|[A-Z][a-z]{0,6} |last |May |@|\\.|\\n|[0-9]{1,4}){0,80}", speaker in "\\PC{0,20}") {
        let window = window(vec![event(1, Some(&speaker), &text)]);
        let thoughts = built_in(&window);
        let count = thoughts.len();
        let reconciled = reconcile(EntityExtractor::NAME, &window, &Known::default(), &ReviewPolicy::default(), thoughts);
        prop_assert_eq!(reconciled.changes.len(), count);
    }

    #[test]
    fn what_becomes_of_a_message_does_not_depend_on_its_window(cut in 0_usize..5) {
        let events = conversation();
        let whole = built_in(&window(events.clone()));
        let (first, second) = events.split_at(cut);
        let mut parts = built_in(&window(first.to_vec()));
        parts.extend(built_in(&window(second.to_vec())));
        prop_assert_eq!(whole, parts);
    }
}

async fn asked(answer: Value) -> (Result<Thoughts, ThinkError>, Vec<Value>) {
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
    let thoughts = think(model, &window(conversation())).await;
    let requests = server.received_requests().await.unwrap();
    (thoughts, requests.iter().map(|request| request.body_json().unwrap()).collect())
}

#[tokio::test]
async fn a_model_is_asked_once_per_window_with_the_texts_as_data() {
    let (thoughts, requests) = asked(json!({"entities": [], "dates": []})).await;
    assert!(thoughts.unwrap().thoughts.is_empty());
    assert_eq!(requests.len(), 1);
    let input: Value = serde_json::from_str(requests[0]["messages"][1]["content"].as_str().unwrap()).unwrap();
    assert_eq!(input["messages"].as_array().unwrap().len(), 5);
    assert_eq!(
        input["messages"][0],
        json!({
            "version": 1,
            "at": "Monday, 2023-05-08T13:56Z",
            "speaker": "Caroline",
            "text": "I went to a LGBTQ support group yesterday and it was so powerful.",
        })
    );
    let instructions = requests[0]["messages"][0]["content"].as_str().unwrap();
    assert!(!instructions.contains("LGBTQ"));
}

#[tokio::test]
async fn a_models_answer_becomes_the_same_kind_of_thoughts() {
    let answer = json!({
        "entities": [
            {"name": "Lisbon", "kind": "place", "aliases": ["lisbon"], "about": "Caroline moved there.", "versions": [3, 3]},
            {"name": "Nobody", "kind": "person", "aliases": [], "about": "Made up.", "versions": [99]},
            {"name": "Nothing", "kind": "thing", "aliases": [], "about": "Made up.", "versions": []},
        ],
        "dates": [
            {"version": 1, "expression": "yesterday", "start": "2023-05-07", "end": "2023-05-07", "granularity": "day",
             "what": "Caroline went to a LGBTQ support group."},
            {"version": 1, "expression": "once", "start": "2023-02-30", "end": "2023-02-30", "granularity": "day", "what": "x"},
        ],
    });
    let (thoughts, _) = asked(answer).await;
    let Thoughts { thoughts, usage, .. } = thoughts.unwrap();
    assert_eq!(usage.model, "tiny/entities-1");
    assert_eq!((usage.input_tokens, usage.output_tokens), (100, 20));
    insta::assert_snapshot!(listing(&thoughts), @r#"
        [3] 1.00 name:lisbon
            Lisbon (place). Caroline moved there.
            {"aliases":["Lisbon","lisbon"],"kind":"place","name":"Lisbon"}
        [99] 1.00 name:nobody
            Nobody (person). Made up.
            {"aliases":["Nobody"],"kind":"person","name":"Nobody"}
        [] 1.00 name:nothing
            Nothing. Made up.
            {"aliases":["Nothing"],"kind":"thing","name":"Nothing"}
        [1] 1.00 date:2023-05-07:carolin-lgbtq-support
            7 May 2023 (date). Caroline went to a LGBTQ support group.
            {"end":"2023-05-07","expressions":["yesterday"],"granularity":"day","kind":"date","name":"7 May 2023","start":"2023-05-07"}
        "#);
    let reconciled = reconcile(
        EntityExtractor::NAME,
        &window(conversation()),
        &Known::default(),
        &ReviewPolicy::default(),
        thoughts,
    );
    assert_eq!(reconciled.changes.len(), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_the_schema_is_an_error_that_says_where() {
    let answer = json!({"entities": [{"name": "Ada", "kind": "robot", "aliases": [], "about": "", "versions": [1]}], "dates": []});
    let (thoughts, _) = asked(answer).await;
    let Err(ThinkError::Model(Error::Invalid(reason))) = thoughts else { panic!("a robot is no kind") };
    assert_eq!(reason, "entities breaks `enum` at /entities/0/kind");
}
