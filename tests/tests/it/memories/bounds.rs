//! What is refused, and what nobody else may see.

use serde_json::{Value, json};

use super::stage::{Answered, Stage, id};

#[tokio::test]
async fn bad_input_is_named_by_its_field_and_changes_nothing() {
    let stage = Stage::set().await;
    let made = stage.remember(json!({"type": "fact", "content": "Ada plays the oboe"})).await;
    let path = format!("/memories/{}", id(&made, "memory"));
    let correct = format!("{path}/correct");
    let no_version = format!("{path}?version=0");
    let long = "x".repeat(8193);
    let new = |name: &str, value: Value| {
        let mut body = json!({"type": "fact", "content": "Ada likes tea"});
        body[name] = value;
        body.to_string()
    };
    let corrected = |name: &str, value: Value| {
        let mut body = json!({"version": 1, "content": "Ada likes tea"});
        body[name] = value;
        body.to_string()
    };
    let cases: Vec<(&str, &str, String, u16, &str)> = vec![
        ("POST", "/memories", String::new(), 400, "body"),
        ("POST", "/memories", "{}".into(), 400, "type"),
        ("POST", "/memories", r#"{"type": "fact"}"#.into(), 400, "content"),
        ("POST", "/memories", new("content", json!(long)), 400, "content"),
        ("POST", "/memories", new("content", json!("a\0b")), 400, "content"),
        ("POST", "/memories", r#"{"type": "fact", "content": "\ud800"}"#.into(), 400, "content"),
        (
            "POST",
            "/memories",
            r#"{"type": "fact", "content": "x", "data": {"\udc00": 1}}"#.into(),
            400,
            "data.?",
        ),
        ("POST", "/memories", new("content", json!(7)), 400, "content"),
        ("POST", "/memories", new("data", json!([1])), 400, "data"),
        ("POST", "/memories", new("data", json!({"a": "\0"})), 400, "data"),
        ("POST", "/memories", new("type", json!("mood")), 400, "type"),
        ("POST", "/memories", new("scope", json!("everybody")), 400, "scope"),
        ("POST", "/memories", new("scope", json!("global")), 422, "scope"),
        ("POST", "/memories", new("scope", json!("session")), 422, "session"),
        ("POST", "/memories", new("session", json!("nowhere")), 422, "session"),
        ("POST", "/memories", new("confidence", json!(2)), 400, "confidence"),
        ("POST", "/memories", new("key", json!("")), 400, "key"),
        ("POST", "/memories", new("evidence", json!([{"session": "x"}])), 400, "evidence[0].version"),
        ("POST", "/memories", new("status", json!("active")), 400, "status"),
        ("POST", &correct, corrected("version", json!(0)), 400, "version"),
        ("POST", &correct, corrected("version", json!("1")), 400, "version"),
        ("POST", &correct, corrected("content", json!(" ")), 400, "content"),
        ("POST", &correct, corrected("content", json!(long)), 400, "content"),
        ("POST", &correct, corrected("data", json!("x")), 400, "data"),
        ("POST", &correct, corrected("valid_from", json!("yesterday")), 400, "valid_from"),
        ("POST", &correct, corrected("valid_from", json!("-009000-01-01T00:00:00Z")), 400, "valid_from"),
        ("POST", &correct, corrected("merge", json!("yes")), 400, "merge"),
        ("PATCH", &path, json!({"version": 1}).to_string(), 400, "body"),
        ("PATCH", &path, json!({"pinned": true}).to_string(), 400, "version"),
        ("PATCH", &path, json!({"version": 1, "status": "deleted"}).to_string(), 400, "status"),
        (
            "PATCH",
            &path,
            json!({"version": 1, "expires_at": "2001-01-01T00:00:00Z"}).to_string(),
            422,
            "expires_at",
        ),
        ("DELETE", &no_version, String::new(), 400, "version"),
        ("GET", "/memories?type=mood", String::new(), 400, "type"),
        ("GET", "/memories?status=gone", String::new(), 400, "status"),
        ("GET", "/memories?as_of=now", String::new(), 400, "as_of"),
        ("GET", "/memories?as_of=2026-01-01T00:00:00Z&status=active", String::new(), 400, "status"),
        ("GET", "/memories?limit=0", String::new(), 400, "limit"),
        ("GET", "/memories?limit=101", String::new(), 400, "limit"),
        ("GET", "/memories?after=x", String::new(), 400, "after"),
        ("GET", "/memories?pinned=maybe", String::new(), 400, "pinned"),
        ("GET", "/memories?session=", String::new(), 400, "session"),
        ("GET", "/memories?query=x", String::new(), 400, "query"),
        ("GET", "/memories/seven", String::new(), 400, "id"),
    ];
    let before = stage.number("select count(*) from afterthought.session_events").await;
    for (method, path, body, status, parameter) in cases {
        let body = (!body.is_empty()).then_some(body.as_str());
        let refused = stage.ask_raw(("default", "ada"), method, path, body, None).await;
        assert_eq!(
            (refused.status, &refused.body["parameter"]),
            (status, &json!(parameter)),
            "{method} {path} {:.80}: {}",
            body.unwrap_or_default(),
            refused.body
        );
    }
    assert_eq!(stage.number("select count(*) from afterthought.session_events").await, before);
    assert_eq!(stage.only("").await["version"], 1);
}

#[tokio::test]
async fn a_memory_of_somebody_else_is_one_that_does_not_exist() {
    let stage = Stage::set().await;
    let made = stage.remember(json!({"type": "fact", "content": "Ada plays the oboe"})).await;
    let own = id(&made, "memory");
    let none = "00000000-0000-7000-8000-000000000001";
    let correction = json!({"version": 1, "content": "x y z"});
    let pin = json!({"version": 1, "pinned": true});
    let requests: [(&str, &str, Option<&Value>); 5] = [
        ("GET", "", None),
        ("PATCH", "", Some(&pin)),
        ("DELETE", "", None),
        ("POST", "/correct", Some(&correction)),
        ("POST", "/promote", None),
    ];
    for whose in [("default", "eve"), ("acme", "ada"), ("nobody", "ada")] {
        for (method, rest, body) in requests {
            let path = |id: &str| format!("/memories/{id}{rest}");
            let others: Answered = stage.ask_as(whose, method, &path(&own), body, None).await;
            let nothings = stage.ask_as(whose, method, &path(none), body, None).await;
            assert_eq!(others.status, 404, "{whose:?} {method} {rest}: {}", others.body);
            assert_eq!(others, nothings, "{whose:?} {method} {rest}");
        }
        let page = stage.ask_as(whose, "GET", "/memories?status=active,superseded,deleted", None, None).await;
        assert_eq!(page.body, json!({"memories": [], "next": null}));
    }
    let unknown = json!({"type": "fact", "content": "x y z"});
    let unknown = stage.ask_as(("nobody", "ada"), "POST", "/memories", Some(&unknown), None).await;
    assert_eq!((unknown.status, &unknown.body["parameter"]), (422, &json!("afterthought-tenant")));
    assert_eq!(stage.only("").await["version"], 1);
}

#[tokio::test]
async fn what_everybody_knows_is_read_and_not_changed_and_what_waits_is_not_shown() {
    let stage = Stage::set().await;
    stage
        .owner
        .batch_execute(
            "insert into afterthought.memories
                 (id, tenant, scope, type, key, content, confidence, agent, model, valid_from)
             values ('00000000-0000-7000-8000-00000000000a', 'default', 'global', 'fact', 'k', 'Tea is a drink', 1,
                     'test', 'test', now());
             update afterthought.tenants set settings = '{\"review\": {\"types\": [\"preference\"]}}' where tenant = 'default'",
        )
        .await
        .unwrap();
    assert_eq!(stage.listed("").await, Vec::<String>::new());
    assert_eq!(stage.listed("scope=global").await, ["Tea is a drink"]);
    let path = "/memories/00000000-0000-7000-8000-00000000000a";
    assert_eq!(stage.get(path).await["scope"], "global");
    assert_eq!(stage.ask("DELETE", path, None).await.status, 422);

    let waits = stage.remember(json!({"type": "preference", "content": "Ada prefers tea"})).await;
    assert_eq!(waits["outcome"], "pending");
    let path = format!("/memories/{}", id(&waits, "memory"));
    assert_eq!(stage.ask("GET", &path, None).await.status, 404);
    assert_eq!(stage.ask("DELETE", &path, None).await.status, 409);
    assert_eq!(stage.listed("status=active,superseded,expired,deleted").await, Vec::<String>::new());
}
