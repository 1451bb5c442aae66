//! What a tenant wants kept out, over every mouth: from what is said to what is kept, shown and answered.

#[path = "../../../shared/guard/tests/lines/mod.rs"]
mod lines;

use domain::{AcceptedEvents, GuardAction, GuardPolicy, IdentifierActions};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

use crate::ingest::stage::{Stage, event};

const CARD: &str = "4111 1111 1111 1111";

/// A stage whose default tenant has this policy.
async fn guarded(policy: Value) -> Stage {
    let stage = Stage::set().await;
    let (status, answer) = stage.manage("PATCH", "/v1/settings", &json!({"guard": policy})).await;
    assert_eq!(status, 200, "{answer}");
    stage
}

async fn redacting() -> Stage {
    guarded(json!({"secrets": "redact", "identifiers": "redact"})).await
}

async fn blocking() -> Stage {
    guarded(json!({"secrets": "block", "identifiers": {"credit_card": "block"}})).await
}

/// Everything in the log, with what was written down about it.
async fn log(stage: &Stage) -> Vec<(Option<String>, Value)> {
    let rows = "select content, metadata from afterthought.session_events order by created_at, version";
    let rows = stage.owner.query(rows, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn record(action: &str, rules: &Value) -> Value {
    json!({"guard": {action: rules}})
}

#[tokio::test]
async fn what_is_said_over_http_is_redacted_before_anybody_keeps_it() {
    let stage = redacting().await;
    let mut called = event("ada", "chat", "");
    called["type"] = "tool_call".into();
    called["content"] = Value::Null;
    called["role"] = Value::Null;
    called["payload"] = json!({"name": "pay", "arguments": {"card": "4111111111111111", "amount": 12}});
    let mut said = event("ada", "chat", &format!("My card is {CARD}."));
    said["speaker"] = "ada@example.com".into();
    let body = json!({"events": [said, called, event("ada", "chat", "It costs $1,299.99 on 2026-11-22.")]})
        .to_string();
    let keyed = [("idempotency-key", "k-1")];
    let first = stage.post("/v1/events", &keyed, &body).await;
    assert_eq!(first.0, 202, "{}", first.1);
    assert_eq!(stage.post("/v1/events", &keyed, &body).await, first, "a repeat comes to the same");
    assert_eq!(
        stage.pending("ada", "chat").await,
        ["My card is [credit card].", "It costs $1,299.99 on 2026-11-22."]
    );
    let messages = stage.receive().await;
    assert!(!messages.is_empty());
    for message in &messages {
        assert!(!message.body().unwrap().contains("1111"), "{}", message.body().unwrap());
    }
    stage.give_back(&messages).await;
    stage.ingest().await;
    let log = log(&stage).await;
    let redacted = record("redacted", &json!({"credit_card": 1}));
    assert_eq!(log[0], (Some("My card is [credit card].".to_owned()), json!({"afterthought": redacted})));
    let arguments = json!({"card": "[credit card]", "amount": 12});
    assert_eq!(log[1], (None, json!({"name": "pay", "arguments": arguments, "afterthought": redacted})));
    assert_eq!(log[2], (Some("It costs $1,299.99 on 2026-11-22.".to_owned()), json!({})));
    assert_eq!(log.len(), 3);
    let speaker = "select speaker from afterthought.session_events where version = 1";
    let speaker: String = stage.owner.query_one(speaker, &[]).await.unwrap().get(0);
    assert_eq!(speaker, "ada@example.com", "names are not touched");
}

#[tokio::test]
async fn what_is_blocked_is_refused_by_field_and_kind_and_nothing_is_kept() {
    let stage = blocking().await;
    let events = [event("ada", "chat", "hello"), event("ada", "chat", &format!("charge {CARD}"))];
    let expected = "field `events[1].content` holds what looks like a credit card, which this tenant does not take in: send it without";
    let refused = |(status, problem): (u16, Value), parameter: &str| {
        assert_eq!((status, &problem["parameter"]), (422, &json!(parameter)), "{problem}");
        assert!(!problem.to_string().contains("1111"), "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(stage.say(&events).await, "events[1].content"), expected);
    assert_eq!(stage.waiting().await, 0);
    assert_eq!(stage.hydrate("ada", "session=chat").await.1["pending_messages"], json!([]));

    // The same of what is appended, remembered and corrected.
    let appended = json!({"events": [
        {"type": "message", "role": "user", "content": "hello"},
        {"type": "tool_call", "payload": {"pan": 4_111_111_111_111_111_u64}},
    ]});
    let path = "/v1/users/ada/sessions/chat/events";
    refused(stage.manage("POST", path, &appended).await, "events[1].payload");
    let memory = json!({"type": "fact", "content": format!("Ada pays with {CARD}")});
    refused(stage.manage("POST", "/v1/users/ada/memories", &memory).await, "content");
    let (status, kept) = stage
        .manage("POST", "/v1/users/ada/memories", &json!({"type": "fact", "content": "Ada pays by card"}))
        .await;
    assert_eq!(status, 201, "{kept}");
    let correct = format!("/v1/users/ada/memories/{}/correct", kept["memory"].as_str().unwrap());
    let correction = json!({"version": 1, "content": "Ada pays by card", "data": {"card": CARD}});
    refused(stage.manage("POST", &correct, &correction).await, "data");
    let kept = "select count(*) from afterthought.session_events where content is not null or metadata::text like '%1111%'";
    let kept: i64 = stage.owner.query_one(kept, &[]).await.unwrap().get(0);
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn what_is_appended_and_remembered_is_redacted() {
    let stage = redacting().await;
    let asked = json!({"events": [{
        "type": "message", "role": "user", "content": "mail ada@example.com", "idempotency_key": "k",
    }]});
    let path = "/v1/users/ada/sessions/chat/events";
    for _ in 0..2 {
        let (status, answer) = stage.manage("POST", path, &asked).await;
        assert_eq!((status, &answer["versions"]), (201, &json!([1])), "{answer}");
    }
    let redacted = json!({"afterthought": record("redacted", &json!({"email": 1}))});
    assert_eq!(log(&stage).await, [(Some("mail [e-mail address]".to_owned()), redacted)]);
    let memory = json!({"type": "fact", "content": "Ada's card is 4111111111111111", "data": {"card": CARD}});
    let (status, kept) = stage.manage("POST", "/v1/users/ada/memories", &memory).await;
    assert_eq!(status, 201, "{kept}");
    let said = "select content, data from afterthought.memories";
    let said = stage.owner.query_one(said, &[]).await.unwrap();
    let (content, data): (String, Value) = (said.get(0), said.get(1));
    assert_eq!((content.as_str(), &data["card"]), ("Ada's card is [credit card]", &json!("[credit card]")));
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "remember", "arguments": {"user": "ben", "type": "fact", "content": "Ben's mail is ben@example.com"},
    }});
    let (status, answer) = stage.manage("POST", "/v1/mcp", &call).await;
    assert_eq!(status, 200, "{answer}");
    let said = "select content from afterthought.memories where user_id = 'ben'";
    let said: String = stage.owner.query_one(said, &[]).await.unwrap().get(0);
    assert_eq!(said, "Ben's mail is [e-mail address]");
    let everything =
        "select count(*) from afterthought.session_events e where e::text ~ '1111|example\\.com'";
    let everything: i64 = stage.owner.query_one(everything, &[]).await.unwrap().get(0);
    assert_eq!(everything, 0);
}

#[tokio::test]
async fn what_a_caller_says_was_taken_out_is_dropped() {
    let stage = redacting().await;
    let mut said = event("ada", "chat", "mail ada@example.com");
    said["payload"] = json!({"a": 1, "afterthought": record("redacted", &json!({"iban": 9}))});
    let mut plain = event("ada", "chat", "hello");
    plain["payload"] = said["payload"].clone();
    assert_eq!(stage.say(&[said.clone(), plain]).await.0, 202);
    stage.ingest().await;
    let path = "/v1/users/ada/sessions/chat/events";
    let mut appended = said;
    for name in ["user", "session"] {
        appended.as_object_mut().unwrap().remove(name);
    }
    appended["type"] = "message".into();
    assert_eq!(stage.manage("POST", path, &json!({"events": [appended]})).await.0, 201);
    let payloads: Vec<Value> = log(&stage).await.into_iter().map(|(_, payload)| payload).collect();
    let counted = json!({"a": 1, "afterthought": record("redacted", &json!({"email": 1}))});
    assert_eq!(payloads, [counted.clone(), json!({"a": 1}), counted]);
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_looked_through() {
    let stage = blocking().await;
    let content = format!("{CARD} {}", "x".repeat(256 * 1024));
    let asked = json!({"events": [{"type": "message", "role": "user", "content": content}]});
    let (status, problem) = stage.manage("POST", "/v1/users/ada/sessions/chat/events", &asked).await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("events[0].content")), "{problem}");
}

#[tokio::test]
async fn a_plain_insert_adds_to_what_was_written_down_before() {
    let stage = redacting().await;
    let insert = "insert into afterthought.messages (user_id, session, role, content, metadata)
                  values ('ada', 'chat', 'user', 'mail ada@example.com', $1)";
    let before = |guard: Value| json!({"a": 1, "afterthought": {"did": "remember", "guard": guard}});
    let known = json!({"redacted": {"email": 2, "iban": 1}, "blocked": {"phone": 1}});
    for guard in [known, json!({"redacted": {"email": "many", "iban": -1}}), json!("none")] {
        stage.owner.execute(insert, &[&before(guard)]).await.unwrap();
    }
    let payloads: Vec<Value> = log(&stage).await.into_iter().map(|(_, payload)| payload).collect();
    let added = json!({"redacted": {"email": 3, "iban": 1}, "blocked": {"phone": 1}});
    let alone = before(json!({"redacted": {"email": 1}}));
    assert_eq!(payloads, [before(added), alone.clone(), alone]);
}

#[tokio::test]
async fn the_ingester_looks_through_what_others_put_into_the_queue() {
    let accepted = |user: &str, content: &str| -> AcceptedEvents {
        serde_json::from_value(json!({
            "format": 1, "tenant": "default", "user": user, "session": "chat", "preceding": 0,
            "accepted_at": "2027-01-15T08:00:00Z",
            "events": [{
                "type": "message", "role": "user", "content": content, "payload": {"row": 7}, "schema_version": 2,
                "idempotency_key": "k", "occurred_at": "2027-01-15T08:00:00Z",
            }],
        }))
        .unwrap()
    };
    let stage = guarded(json!({"identifiers": {"credit_card": "block", "email": "redact"}})).await;
    for (user, content) in [("ada", CARD), ("ben", "ben@example.com"), ("cleo", "nothing of the kind")] {
        let accepted = accepted(user, content);
        for _ in 0..2 {
            stage.send_raw(&accepted.group(), &accepted.to_body()).await;
        }
    }
    stage.ingest().await;
    let mut log = log(&stage).await;
    log.sort_by(|one, other| one.0.cmp(&other.0));
    let with = |content: &str, payload: Value| (Some(content.to_owned()), payload);
    let redacted = json!({"row": 7, "afterthought": record("redacted", &json!({"email": 1}))});
    let expected = [
        with(
            "[blocked: credit card]",
            json!({"afterthought": record("blocked", &json!({"credit_card": 1}))}),
        ),
        with("[e-mail address]", redacted),
        with("nothing of the kind", json!({"row": 7})),
    ];
    assert_eq!(log, expected, "each once, though all came twice");
    assert_eq!((stage.waiting().await, stage.dead_letters().await.len()), (0, 0));
}

#[tokio::test]
async fn a_plain_insert_is_looked_through_where_the_tenant_says_so() {
    let stage = redacting().await;
    let app = &stage.owner;
    app.batch_execute("set role afterthought_app").await.unwrap();
    let insert = "insert into afterthought.messages (tenant, user_id, session, role, content, idempotency_key, metadata)
                  values ($1, 'ada', 'chat', 'user', $2, 'k', $3), ($1, 'ada', 'chat', 'user', 'and so on', null, '{}')
                  returning version";
    let metadata = json!({"form": {"mail": ["ada@example.com"], "sum": 12.5}});
    let content = format!("My card is {CARD}.");
    for versions in [vec![1_i64, 2], vec![3]] {
        let rows = app.query(insert, &[&"default", &content, &metadata]).await.unwrap();
        let given: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(given, versions, "a repeat of the key is skipped");
    }
    app.query(insert, &[&"acme", &content, &metadata]).await.unwrap();
    app.batch_execute("reset role").await.unwrap();
    let said = "select content, metadata from afterthought.session_events where idempotency_key = 'k' order by tenant";
    let rows = app.query(said, &[]).await.unwrap();
    let said: Vec<(String, Value)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let redacted = json!({
        "form": {"mail": ["[e-mail address]"], "sum": 12.5},
        "afterthought": record("redacted", &json!({"credit_card": 1, "email": 1})),
    });
    assert_eq!(
        said,
        [(content, metadata), ("My card is [credit card].".to_owned(), redacted)],
        "acme has no policy"
    );
}

#[tokio::test]
async fn a_plain_insert_of_what_is_blocked_is_refused_by_column_and_kind() {
    let stage = blocking().await;
    let app = &stage.owner;
    app.batch_execute("set role afterthought_app").await.unwrap();
    for (content, metadata, column) in
        [(CARD, json!({}), "content"), ("pay", json!({"card": CARD}), "metadata")]
    {
        let insert = "insert into afterthought.messages (user_id, session, role, content, metadata)
                      values ('ada', 'chat', 'user', 'hello', '{}'), ('ada', 'chat', 'user', $1, $2)";
        let error = app.execute(insert, &[&content, &metadata]).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!((error.code(), error.column()), (&SqlState::CHECK_VIOLATION, Some(column)));
        let expected = format!(
            "{column} holds what looks like this: credit card. This tenant does not take it in, expected a message without"
        );
        assert_eq!(error.message(), expected);
    }
    app.batch_execute("reset role").await.unwrap();
    assert_eq!(log(&stage).await, [], "nothing of either statement");
    app.batch_execute("set role afterthought_operator").await.unwrap();
    let counted = "select kind, refused from afterthought.guard_refusals() where refused > 0";
    let counted = app.query(counted, &[]).await.unwrap();
    let counted: Vec<(String, i64)> = counted.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(counted, [("credit_card".to_owned(), 2)], "both are counted, though both were rolled back");
}

#[tokio::test]
async fn postgres_finds_what_the_functions_find() {
    let stage = Stage::set().await;
    let policy = GuardPolicy {
        secrets: GuardAction::Redact,
        identifiers: IdentifierActions::all(GuardAction::Redact),
    };
    let ask = "select kept from afterthought.guard_text($1, '', $2)";
    let ask = stage.owner.prepare(ask).await.unwrap();
    let stored = serde_json::to_value(policy).unwrap();
    let mut otherwise = Vec::new();
    for line in lines::lines() {
        let mut text = line.text.clone();
        guard::Screen::of(policy).unwrap().text("content", &mut text).unwrap();
        let there: String = stage.owner.query_one(&ask, &[&line.text, &stored]).await.unwrap().get(0);
        if there != text {
            otherwise.push(format!("{}\n  here  {text}\n  there {there}", line.text));
        }
        if line.finds.is_empty() {
            assert_eq!(there, line.text, "ordinary talk passes");
        }
    }
    assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
}

#[tokio::test]
async fn a_policy_that_is_not_understood_is_refused_by_its_field() {
    let stage = Stage::set().await;
    for (policy, parameter) in [
        (json!({"secrets": "hide"}), "guard.secrets"),
        (json!({"identifiers": {"passport": "block"}}), "passport"),
        (json!({"identifiers": {"iban": "on"}}), "guard.identifiers.iban"),
    ] {
        let (status, problem) = stage.manage("PATCH", "/v1/settings", &json!({"guard": policy})).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)), "{problem}");
    }
}

/// What Postgres makes of a text.
async fn looked_through(stage: &Stage, text: &str, policy: &Value) -> (String, Value, Option<String>) {
    let look = "select kept, counts, blocked from afterthought.guard_text($1, '', $2)";
    let row = stage.owner.query_one(look, &[&text, policy]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

#[tokio::test]
async fn what_is_no_number_hides_none_behind_it() {
    let stage = Stage::set().await;
    let policy = json!({"identifiers": "redact"});
    let wanted =
        GuardPolicy { identifiers: IdentifierActions::all(GuardAction::Redact), ..GuardPolicy::default() };
    for text in [
        "Paid in FY24 DE44 5001 0517 5407 3249 31 as agreed.",
        "DE44 5001 0517 5407 3249 32 GB33BUKB20201555555555 FY24",
        "In 2024 4111 1111 1111 1111 was charged.",
        "4111 1111 1111 1111 123",
        "0000 4111 1111 1111 1112 5500 0000 0000 0004",
        "order 2024-11-22 4111111111111111.",
        "no number 1234 5678 9012 at all, AT12 neither",
    ] {
        let (mut by_us, mut none) = (text.to_owned(), json!({}));
        guard::screen_event(wanted, Some(&mut by_us), &mut none).unwrap();
        assert_eq!(looked_through(&stage, text, &policy).await.0, by_us, "{text}");
    }
}

#[tokio::test]
async fn what_is_to_be_blocked_is_blocked_within_something_longer_too() {
    let stage = Stage::set().await;
    let policy = json!({"identifiers": {"email": "redact", "phone": "block"}});
    let (_, _, blocked) = looked_through(&stage, "+4915112345678@example.com", &policy).await;
    assert_eq!(blocked.as_deref(), Some("phone number"));
}

#[tokio::test]
async fn of_a_list_of_identifiers_nothing_is_left() {
    let stage = Stage::set().await;
    let policy = json!({"identifiers": "redact"});
    let list =
        |length: u32| (0..length).map(|number| format!("a{number}@b.co")).collect::<Vec<_>>().join(" ");
    let (kept, counts, _) = looked_through(&stage, &list(20_000), &policy).await;
    assert_eq!((kept.as_str(), counts), ("[e-mail address]", json!({"email": 20_000})));
    assert_eq!(looked_through(&stage, &list(500), &policy).await.0, vec!["[e-mail address]"; 500].join(" "));
    let document = json!({"to": ["a@b.co", {"n": 1, "cc": ["c@d.co", "a@b.co"]}], "empty": {}, "none": []});
    let look = "select kept, counts from afterthought.guard_document($1, null, $2)";
    let row = stage.owner.query_one(look, &[&document, &policy]).await.unwrap();
    let mail = "[e-mail address]";
    let expected = json!({"to": [mail, {"n": 1, "cc": [mail, mail]}], "empty": {}, "none": []});
    assert_eq!((row.get::<_, Value>(0), row.get::<_, Value>(1)), (expected, json!({"email": 3})));
}

#[tokio::test]
async fn a_policy_that_nobody_understands_keeps_everything_out_of_plain_inserts() {
    let stage = Stage::set().await;
    stage
        .owner
        .batch_execute("update afterthought.tenants set settings = '{\"guard\": \"redact\"}'")
        .await
        .unwrap();
    let insert = "insert into afterthought.messages (tenant, user_id, session, role, content) values ('default', 'ada', 'chat', 'user', $1)";
    stage.owner.execute(insert, &[&"mail ada@example.com"]).await.unwrap();
    assert_eq!(log(&stage).await[0].0.as_deref(), Some("mail [e-mail address]"));
}
