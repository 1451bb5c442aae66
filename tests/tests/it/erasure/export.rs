//! Everything about a user in one file.

use std::collections::{BTreeMap, BTreeSet};

use lambda_http::Body;
use serde_json::{Value, json};

use super::stage::{Stage, VICTIM};
use crate::ingest::stage::post_to;

/// The pages of an export of the victim's.
async fn pages(stage: &Stage) -> Vec<String> {
    let mut pages = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let query = after.map(|after| format!("?after={after}").replace('%', "%25")).unwrap_or_default();
        let request = http::Request::builder()
            .uri(format!("/v1/users/{VICTIM}/export{query}"))
            .header("host", "recall.test")
            .header("afterthought-tenant", "acme")
            .body(Body::Empty)
            .unwrap();
        let response = stage.recall.handle(request).await;
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        assert_eq!(response.status(), 200, "{text}");
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        pages.push(text);
        after = response.headers().get("afterthought-next").map(|next| next.to_str().unwrap().to_owned());
        if after.is_none() {
            return pages;
        }
        assert!(pages.len() < 100, "an export ends");
    }
}

#[tokio::test]
async fn everything_of_a_user_is_exported_once_and_nothing_of_anybody_else() {
    let stage = Stage::set().await;
    for user in [VICTIM, "ada"] {
        stage.import(user, 0).await;
    }
    stage.think().await;
    stage.decorate().await;
    // On its way to the log: of a request, the last turns.
    let said = |number: usize| json!({"user": VICTIM, "session": "a#b", "role": "user", "content": format!("quagga {number}")});
    let body = json!({"events": (0..25).map(said).collect::<Vec<_>>()}).to_string();
    let accepted = post_to(&stage.webhook, "/v1/events", &[("afterthought-tenant", "acme")], &body).await;
    assert_eq!(accepted.0, 202);
    // More than one answer of a function holds.
    let long = "quagga ".repeat(30_000);
    for _ in 0..40 {
        let events = json!({"events": [{"type": "tool_call", "content": long, "payload": {"name": "look"}}]});
        stage.done("POST", VICTIM, "/sessions/long/events", events).await;
    }
    let pages = pages(&stage).await;
    assert!(pages.len() > 3, "{} pages", pages.len());
    assert!(pages.iter().all(|page| page.len() < 6_000_000 && page.ends_with('\n')));
    let text = pages.concat();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut kinds: BTreeMap<&str, i64> = BTreeMap::new();
    for line in &lines {
        *kinds.entry(line["kind"].as_str().unwrap()).or_default() += 1;
    }
    for kind in [
        "profile", "session", "event", "memory", "memory_version", "review", "retraction", "checkpoint",
        "operation", "run", "request", "hold", "delivery", "hot_item",
    ] {
        assert!(kinds.get(kind).is_some_and(|lines| *lines > 0), "{kind} of {kinds:?}");
    }
    let of_victim = "where tenant = 'acme' and user_id = 'quagga-rider'";
    for (kind, table) in [
        ("session", "sessions"),
        ("event", "session_events"),
        ("memory", "memories"),
        ("request", "requests"),
    ] {
        let rows = stage.number(&format!("select count(*) from afterthought.{table} {of_victim}")).await;
        assert_eq!(kinds[kind], rows, "{table}");
    }
    let pending: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "pending_message").collect();
    assert_eq!(pending.len(), 20);
    let last = pending[19].as_object().unwrap();
    assert_eq!(
        (&last["session"], &last["content"], &last["role"]),
        (&json!("a#b"), &json!("quagga 24"), &json!("user"))
    );
    assert!(!last.contains_key("expires_at"), "{last:?}");
    let is_told = |line: &Value| line["kind"] == "delivery" && line["payload"]["content"] == "quagga";
    assert!(lines.iter().any(|line| is_told(line) && line["user_id"] == VICTIM));
    let events: BTreeSet<String> = lines
        .iter()
        .filter(|line| line["kind"] == "event")
        .map(|line| format!("{} {}", line["session_id"], line["version"]))
        .collect();
    assert_eq!(i64::try_from(events.len()).unwrap(), kinds["event"], "each once");
    let run = lines.iter().find(|line| line["kind"] == "run" && line["agent"] == "entity-extractor").unwrap();
    assert!(run["ledger"].as_array().is_some_and(|thoughts| !thoughts.is_empty()), "{run}");
    let memory =
        lines.iter().find(|line| line["kind"] == "memory" && line["agent"] == "entity-extractor").unwrap();
    assert!(memory["evidence"].as_array().is_some_and(|events| !events.is_empty()), "{memory}");
    assert!(memory.get("embedding").is_none());
    let working =
        lines.iter().find(|line| line["key"].as_str().is_some_and(|key| key.starts_with("working-memory")));
    assert!(working.is_some_and(|item| item.to_string().contains("quagga")), "{working:?}");
    assert!(!text.contains("ada oolong") && !text.contains("\"ada\""), "nothing of anybody else");
    // Of somebody nobody knows there is nothing, and that is no error.
    let (status, nothing) = stage.ask_for_text("GET", "/v1/users/nobody/export", Value::Null).await;
    assert_eq!((status, nothing.as_str()), (200, ""));
    let (status, refused) = stage.ask_for_text("GET", "/v1/users/nobody/export?after=x", Value::Null).await;
    assert!(status == 400 && refused.contains("after"), "{refused}");
}

/// Twelve hundred sessions of one event each, of which the last has checkpoints and an operation.
async fn many_sessions(stage: &Stage) {
    let fill = "insert into afterthought.messages (tenant, user_id, session, role, content)
                select 'acme', 'quagga-rider', 's' || n, 'user', 'said ' || n from generate_series(1, 1200) n;
                insert into afterthought.checkpoints
                    (session_id, sequence, tenant, node_id, through, schema_version, state, whole, patches, chain_bytes, state_bytes, checksum)
                select s.id, n, 'acme', 'node', 0, 1, '{}', n, 0, 2, 2, sha256('s')
                from (select id from afterthought.sessions order by id desc limit 1) s, generate_series(1, 3) n;
                insert into afterthought.operations (session_id, id, tenant, name, input, lease_until)
                select id, 1, 'acme', 'look', '{}', now() from afterthought.sessions order by id desc limit 1";
    for statement in fill.split(';') {
        stage.owner.batch_execute(statement).await.unwrap();
    }
}

#[tokio::test]
async fn sessions_that_have_nothing_end_no_export() {
    let stage = Stage::set().await;
    many_sessions(&stage).await;
    // Longer than an answer may be.
    let long =
        "update afterthought.session_events set metadata = jsonb_build_object('scan', repeat('x', 5000000))
                where session = 's7'";
    stage.owner.batch_execute(long).await.unwrap();
    let text = pages(&stage).await.concat();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!(
        ["session", "event", "checkpoint", "operation"].map(count),
        [1200, 1200, 3, 1],
        "{} lines",
        lines.len()
    );
    let without: Vec<&Value> = lines.iter().filter(|line| line.get("left_out").is_some()).collect();
    assert_eq!(
        (without.len(), &without[0]["left_out"], &without[0]["content"]),
        (1, &json!(["metadata"]), &json!("said 7"))
    );
    let said: BTreeSet<&str> = lines.iter().filter_map(|line| line["content"].as_str()).collect();
    assert_eq!(said.len(), 1200, "each once");
}

/// How many rows a plan has read in those of its parts that `is_meant` picks.
fn rows_read(plan: &Value, is_meant: &impl Fn(&Value) -> bool) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let own = if is_meant(plan) {
        (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops")
    } else {
        0.0
    };
    own + plan["Plans"].as_array().into_iter().flatten().map(|plan| rows_read(plan, is_meant)).sum::<f64>()
}

#[tokio::test]
async fn a_page_of_an_export_reads_no_more_than_it_holds() {
    let stage = Stage::set().await;
    let fill = "insert into afterthought.messages (tenant, user_id, session, role, content)
                select 'acme', 'quagga-rider', 's' || s, 'user', repeat('x', 20000)
                from generate_series(1, 300) s, generate_series(1, 20) n;
                insert into afterthought.checkpoints
                    (session_id, sequence, tenant, node_id, through, schema_version, state, whole, patches, chain_bytes, state_bytes, checksum)
                select s.id, n, 'acme', 'node', 0, 1, repeat('x', 20000), n, 0, 2, 2, sha256('s')
                from afterthought.sessions s, generate_series(1, 20) n;
                vacuum analyze";
    for statement in fill.split(';') {
        stage.owner.batch_execute(statement).await.unwrap();
    }
    let client = stage.database.client().await.unwrap();
    client.batch_execute("set plan_cache_mode = force_custom_plan").await.unwrap();
    // A hundred lines have two megabytes.
    for (table, sql) in [
        ("session_events", include_str!("../../../../shared/store/queries/export_events.sql")),
        ("checkpoints", include_str!("../../../../shared/store/queries/export_checkpoints.sql")),
    ] {
        let prepare =
            format!("prepare page_of_{table} (text, text, uuid, bigint, text, bigint, bigint) as {sql}");
        client.batch_execute(&prepare).await.unwrap();
        let explain = format!(
            "explain (analyze, format json) execute page_of_{table}
             ('acme', 'quagga-rider', '00000000-0000-0000-0000-000000000000', -1, '', 500, 2097152)"
        );
        let plan: Value = client.query_one(&explain, &[]).await.unwrap().get(0);
        let plan = &plan[0]["Plan"];
        let made = rows_read(plan, &|part| part["Relation Name"] == table && part["Alias"] == "e");
        assert!((100.0..200.0).contains(&made), "{made} lines of {table} are made: {plan:#}");
        // How many checkpoints a session has is counted; an event is counted by its session.
        let read = rows_read(plan, &|part| part["Relation Name"] == "session_events");
        assert!(read < 1500.0, "{read} of 6000 rows are read: {plan:#}");
    }
}
