//! The agent as the runtime sees it: a window and the session's actions in, what became of them out.

#![cfg(test)]

use std::fmt::Write;
use std::time::Duration;

use action_detector::evaluation::read;
use action_detector::{Action, ActionDetector, Status};
use domain::{
    Event, EventKind, Known, Memory, ReviewPolicy, SessionId, TenantId, Thought, UserId, Window, reconcile,
};
use jiff::Timestamp;
use model::{Endpoint, Error, Model, ModelConfig};
use proptest::prelude::*;
use runtime::{Agent, Context, ThinkError, Thoughts};
use serde_json::{Value, json};
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
        // A Monday.
        occurred_at: "2026-03-09T09:00:00Z".parse().unwrap(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn window(events: Vec<Event>) -> Window {
    let after = events.first().map_or(0, |event| event.version - 1);
    Window {
        tenant: TenantId::new("acme").unwrap(),
        user: UserId::new("nora").unwrap(),
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
        ("Nora", "Hi Ines! How are you? I'll send you the draft by Friday."),
        ("Ines", "Great. Could you book the van for Saturday too? And don't forget to call the printer."),
        ("Nora", "Sure, the van is booked. When is the deadline?"),
        ("Ines", "Why do you ask?"),
        ("Nora", "Never mind. Who will open the office on Thursday?"),
        ("Ines", "Tim does. We need to order new chairs before May."),
        ("Nora", "I sent the draft!"),
    ]
    .into_iter()
    .zip(1..)
    .map(|((speaker, content), version)| event(version, speaker, content))
    .collect()
}

async fn think(model: Model, window: &Window, known: &[Memory]) -> Result<Thoughts, ThinkError> {
    let context = Context::new(known.to_vec(), Timestamp::UNIX_EPOCH);
    ActionDetector::new(model).unwrap().think(window, &context).await
}

fn built_in(window: &Window, known: &[Memory]) -> Vec<Thought> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(think(Model::BuiltIn, window, known)).unwrap().thoughts
}

/// A memory that stands, and all its evidence.
#[derive(Debug, Clone, PartialEq)]
struct Standing {
    memory: Memory,
    evidence: Vec<i64>,
}

/// What stands after one window more, as the runtime would commit it.
fn committed(events: Vec<Event>, standing: Vec<Standing>) -> Vec<Standing> {
    let window = window(events);
    let known: Vec<Memory> = standing.iter().map(|standing| standing.memory.clone()).collect();
    let thoughts = built_in(&window, &known);
    let mut standing = standing;
    for change in
        reconcile(ActionDetector::NAME, &window, &known[..].into(), &ReviewPolicy::default(), thoughts)
            .changes
    {
        let key = change.memory.key.clone();
        let mut evidence = change.evidence;
        let before = standing.iter().position(|standing| standing.memory.key == key);
        if let Some(before) = before.map(|at| standing.remove(at)) {
            assert!(change.updates || change.inherits_evidence);
            evidence.extend(before.evidence);
        }
        evidence.sort_unstable();
        evidence.dedup();
        standing.push(Standing { memory: change.memory, evidence });
    }
    standing.sort_by(|one, other| one.memory.key.cmp(&other.memory.key));
    standing
}

fn committed_in_parts(events: &[Event], cuts: impl IntoIterator<Item = usize>) -> Vec<Standing> {
    let mut standing = Vec::new();
    let mut start = 0;
    for cut in cuts.into_iter().filter(|cut| *cut < events.len()).chain([events.len()]) {
        if cut > start {
            standing = committed(events[start..cut].to_vec(), standing);
            start = cut;
        }
    }
    standing
}

fn listing(standing: &[Standing]) -> String {
    let mut listing = String::new();
    for Standing { memory, evidence } in standing {
        writeln!(listing, "{evidence:?} {:.2} {}\n    {}", memory.confidence, memory.key, memory.content)
            .unwrap();
    }
    listing
}

/// Everything but when it was committed.
fn account(standing: &[Standing]) -> Vec<(String, String, Value, Vec<i64>)> {
    standing
        .iter()
        .map(|Standing { memory, evidence }| {
            (memory.key.clone(), memory.content.clone(), memory.data.clone(), evidence.clone())
        })
        .collect()
}

#[test]
fn a_conversation_becomes_actions_and_what_became_of_them() {
    insta::assert_snapshot!(listing(&committed(conversation(), Vec::new())));
}

#[test]
fn the_data_says_who_what_until_when_and_where_it_was_said_and_closed() {
    let standing = committed(conversation(), Vec::new());
    let draft = standing.iter().find(|standing| standing.memory.content.contains("draft")).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&draft.memory.data).unwrap());
}

#[test]
fn a_later_window_closes_what_an_earlier_left_open() {
    let first = committed(vec![event(1, "Nora", "I'll send the draft by Friday.")], Vec::new());
    assert_eq!(first[0].memory.content, "Nora will send the draft, by 2026-03-13 (open)");
    let known = [first[0].memory.clone()];
    let window = window(vec![event(2, "Ines", "Lovely."), event(3, "Nora", "Sent it!")]);
    let thoughts = built_in(&window, &known);
    assert_eq!(thoughts.len(), 1);
    assert_eq!(thoughts[0].evidence, [3]);
    let reconciled =
        reconcile(ActionDetector::NAME, &window, &known[..].into(), &ReviewPolicy::default(), thoughts);
    assert_eq!(reconciled.changes[0].supersedes, Some(known[0].id));
    assert_eq!(reconciled.changes[0].memory.content, "Nora will send the draft, by 2026-03-13 (done)");
    assert_eq!(reconciled.changes[0].memory.data["closed_in"], 3);
}

#[test]
fn saying_it_again_adds_evidence_and_another_date_replaces_the_first() {
    let first = committed(vec![event(1, "Nora", "I'll send the draft by Friday.")], Vec::new());
    let again = committed(vec![event(2, "Nora", "Yes, I'll send the draft.")], first.clone());
    assert_eq!((again[0].memory.id, &again[0].evidence), (first[0].memory.id, &vec![1, 2]));
    let moved = committed(vec![event(3, "Nora", "Sorry, I will send the draft on Sunday.")], again);
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].memory.content, "Nora will send the draft, by 2026-03-15 (open)");
}

#[test]
fn what_was_done_may_be_to_do_again() {
    let said = ["I'll water the plants today.", "I watered the plants.", "I'll water the plants tomorrow."];
    let events: Vec<Event> =
        said.iter().zip(1..).map(|(text, version)| event(version, "Nora", text)).collect();
    let standing = committed(events, Vec::new());
    assert_eq!(standing.len(), 1);
    let action: Action = serde_json::from_value(standing[0].memory.data.clone()).unwrap();
    assert_eq!((action.status, action.said_in, action.closed_in), (Status::Open, 3, None));
}

#[test]
fn due_dates_are_resolved_in_the_time_zone_of_the_message() {
    let mut late = event(1, "Nora", "I'll call the bank tomorrow.");
    late.occurred_at = "2026-03-09T23:30:00Z".parse().unwrap();
    late.payload = json!({"timezone": "Asia/Tokyo"});
    let thoughts = built_in(&window(vec![late]), &[]);
    assert_eq!(thoughts[0].data["due"], "2026-03-11");
}

#[test]
fn only_what_was_said_is_thought_about() {
    let mut events = conversation();
    for (event, role) in events.iter_mut().zip(["system", "tool"].into_iter().cycle()) {
        event.role = role.into();
    }
    assert!(built_in(&window(events), &[]).is_empty());
    let mut events = conversation();
    for event in &mut events {
        event.kind = EventKind::ToolCall;
    }
    assert!(built_in(&window(events), &[]).is_empty());
}

#[test]
fn foreign_actions_among_the_known_are_left_alone() {
    let mut known = committed(vec![event(1, "Nora", "I'll send the draft.")], Vec::new())[0].memory.clone();
    known.data = json!({"status": "whatever"});
    assert!(built_in(&window(vec![event(2, "Nora", "Sent it.")]), &[known]).is_empty());
}

#[test]
fn long_messages_take_linear_time_and_stay_bounded() {
    let pieces = [
        "I'll send it ",
        "done. ",
        "can you ",
        "I sent the draft. ",
        "Why? ",
        "x",
        "שלום ",
        "😀? ",
        "I'll call A, ",
        "forget it ",
    ];
    for piece in pieces {
        let text = piece.repeat(200_000 / piece.len());
        let events = vec![event(1, "Nora", "I'll send the draft."), event(2, "Ines", &text)];
        for thought in built_in(&window(events), &[]) {
            assert!(thought.content.len() <= 1024 && thought.key.len() <= 512);
        }
    }
}

#[test]
fn labelled_conversations_come_to_the_same_however_they_are_cut() {
    for labelled in read(include_str!("../../../tests/fixtures/eval/actions.jsonl")).unwrap() {
        let events = labelled.events();
        if events.len() > 1 {
            let whole = committed(events.clone(), Vec::new());
            let parts = committed_in_parts(&events, 1..events.len());
            assert_eq!(account(&whole), account(&parts), "{:?}", labelled.messages);
        }
    }
}

fn turns() -> impl Strategy<Value = Vec<(usize, Vec<&'static str>)>> {
    let said = prop::sample::select(vec![
        "I'll send the draft by Friday.",
        "I will call the bank tomorrow.",
        "Sent it.",
        "Done!",
        "I called the bank.",
        "Can you book the van?",
        "Could you send the draft?",
        "Booked.",
        "The van is booked.",
        "Never mind.",
        "Forget the van.",
        "When is the deadline?",
        "Why do you ask?",
        "On Monday.",
        "I don't know.",
        "Sorry, I can't.",
        "We need to order chairs.",
        "The chairs are ordered.",
        "Thanks for sending the draft!",
        "I'll send the draft on Sunday.",
        "Don't forget to call the bank.",
        "Ok.",
        "Ines, can you call the bank today?",
        "I need to order chairs.",
    ]);
    prop::collection::vec((0_usize..3, prop::collection::vec(said, 1..4)), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_text_panics(
        texts in prop::collection::vec("(\\PC|[a-z]{1,8} |I'll |can you |by |May |sent |don't |\\. |, |\\?|\\n){0,60}", 1..4),
        speaker in "\\PC{0,60}",
    ) {
        let events: Vec<Event> = texts.iter().zip(1..).map(|(text, version)| event(version, &speaker, text)).collect();
        let window = window(events);
        let thoughts = built_in(&window, &[]);
        let count = thoughts.len();
        prop_assert_eq!(reconcile(ActionDetector::NAME, &window, &Known::default(), &ReviewPolicy::default(), thoughts).changes.len(), count);
    }

    #[test]
    fn actions_do_not_depend_on_how_the_session_was_cut(
        turns in turns(),
        cuts in prop::collection::btree_set(1_usize..14, 0..6),
    ) {
        let events: Vec<Event> = turns
            .iter()
            .zip(1..)
            .map(|((speaker, said), version)| event(version, ["Nora", "Ines", "Tim"][*speaker], &said.join(" ")))
            .collect();
        let whole = committed(events.clone(), Vec::new());
        let parts = committed_in_parts(&events, cuts);
        prop_assert_eq!(account(&whole), account(&parts));
    }
}

async fn asked(
    answer: Value,
    events: Vec<Event>,
    known: &[Memory],
) -> (Result<Thoughts, ThinkError>, Vec<Value>) {
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
    let thoughts = think(model, &window(events), known).await;
    let requests = server.received_requests().await.unwrap();
    (thoughts, requests.iter().map(|request| request.body_json().unwrap()).collect())
}

fn known() -> Vec<Memory> {
    let standing = committed(conversation().into_iter().take(2).collect(), Vec::new());
    standing.into_iter().map(|standing| standing.memory).collect()
}

#[test]
fn a_model_is_given_the_open_actions_and_the_new_messages_as_data() {
    let known = known();
    let answer = json!({
        "actions": [
            {"version": 3, "kind": "question", "doer": "other", "owner": "Ines", "what": "When is the deadline?",
             "due": null, "status": "open", "closed_in": null},
            {"version": 3, "kind": "todo", "doer": "speaker", "owner": null, "what": "pack the boxes",
             "due": "2026-03-12", "status": "answered", "closed_in": 4},
            {"version": 99, "kind": "todo", "doer": "nobody", "owner": null, "what": "made up", "due": "soon",
             "status": "open", "closed_in": null},
            {"version": 3, "kind": "todo", "doer": "speaker", "owner": null, "what": " ", "due": null, "status": "open",
             "closed_in": null},
        ],
        "closed": [
            {"number": 1, "status": "answered", "version": 3},
            {"number": 99, "status": "done", "version": 3},
            {"number": 0, "status": "done", "version": 3},
        ],
    });
    let later: Vec<Event> = conversation().into_iter().skip(2).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (thoughts, requests) = runtime.block_on(asked(answer, later.clone(), &known));
    let Thoughts { thoughts, usage, .. } = thoughts.unwrap();
    assert_eq!(usage.model, "tiny/actions-1");
    assert_eq!((usage.input_tokens, usage.output_tokens), (100, 20));
    assert_eq!(requests.len(), 1);
    let input: Value = serde_json::from_str(requests[0]["messages"][1]["content"].as_str().unwrap()).unwrap();
    assert_eq!(input["known"].as_array().unwrap().len(), 3);
    assert_eq!(input["messages"].as_array().unwrap().len(), 5);
    assert!(!requests[0]["messages"][0]["content"].as_str().unwrap().contains("deadline"));
    let window = window(later);
    let reconciled =
        reconcile(ActionDetector::NAME, &window, &known[..].into(), &ReviewPolicy::default(), thoughts);
    let dropped = reconciled.ledger.iter().filter(|entry| entry.reason.is_some()).count();
    assert_eq!(dropped, 1, "what no message says is dropped with its reason");
    let mut contents: Vec<&str> =
        reconciled.changes.iter().map(|change| change.memory.content.as_str()).collect();
    contents.sort_unstable();
    insta::assert_snapshot!(contents.join("\n"));
    assert_eq!(reconciled.changes.iter().filter(|change| change.supersedes.is_some()).count(), 1);
}

#[tokio::test]
async fn a_window_in_which_nothing_was_said_costs_no_call() {
    let mut silent = event(1, "Nora", "I'll send it");
    silent.kind = EventKind::ToolCall;
    let (thoughts, requests) = asked(json!({}), vec![silent], &[]).await;
    assert!(thoughts.unwrap().thoughts.is_empty() && requests.is_empty());
}

#[tokio::test]
async fn an_answer_that_breaks_the_schema_is_an_error_that_says_where() {
    let answer = json!({"actions": [], "closed": [{"number": 1, "status": "open", "version": 1}]});
    let (thoughts, _) = asked(answer, conversation(), &[]).await;
    let Err(ThinkError::Model(Error::Invalid(reason))) = thoughts else {
        panic!("nothing is closed as open")
    };
    assert_eq!(reason, "actions breaks `enum` at /closed/0/status");
}
