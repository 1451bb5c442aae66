//! Whoever wants to be sure looks everywhere: what is left of an erasure is counted, whatever layer it is in, and what belongs to
//! somebody else or to a new life is not.

use std::collections::BTreeMap;

use domain::{AcceptedEvents, Envelope, SessionId, UserId, WakeUp};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::stage::{Stage, VICTIM};
use crate::asking::ask;

/// The session that is erased.
const SESSION: &str = "quagga-rider part 0";

/// Rows that hang off a session or a memory that is not there, by layer, whoever's they were.
const OF_NOBODY: [(&str, &str); 20] = [
    ("memories", "insert into memories (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from)
        values (gen_random_uuid(), 'acme', 'ada', $gone, 'user', 'fact', 'k', 'c', 1, 'a', 'm', now())"),
    ("retractions", "insert into retractions (memory_id, tenant, user_id, scope, scope_id, type, key, wording, reason)
        values (gen_random_uuid(), 'acme', 'ada', 'session', $gone::text, 'fact', sha256('k'), sha256('w'), 'deleted')"),
    ("holds", "insert into holds (tenant, session_id, reason) values ('acme', $gone, 'pause')"),
    ("event_index", "insert into event_index (session_id, version, tenant, user_id, embedding, embedding_model, terms)
        values ($gone, 1, 'acme', 'ada', '[1]', 'm', '')"),
    ("memory_evidence", "insert into memory_evidence values ((select id from memories limit 1), $gone, 1, 'acme')"),
    ("cursors", "insert into agent_cursors (session_id, agent, tenant, through) values ($gone, 'a', 'acme', 1)"),
    ("runs", "insert into agent_runs (id, tenant, agent, session_id, after_version, through_version, outcome, model, first_sent_at, started_at)
        values (gen_random_uuid(), 'acme', 'a', $gone, 0, 1, 'done', 'm', now(), now())"),
    ("ledger", "insert into ledger (run_id, position, tenant, session_id, agent, outcome, reason, evidence)
        values (gen_random_uuid(), 1, 'acme', $gone, 'a', 'dropped', 'r', '{}')"),
    ("snapshots", "insert into snapshots (session_id, version, tenant, schema_version, state) values ($gone, 1, 'acme', 2, '{}')"),
    ("checkpoints", "insert into checkpoints (session_id, sequence, tenant, node_id, through, schema_version, state, whole, patches, chain_bytes, state_bytes, checksum)
        values ($gone, 1, 'acme', 'n', 0, 2, '{}', 1, 0, 2, 2, sha256('s'))"),
    ("operations", "insert into operations (session_id, id, tenant, name, input, lease_until) values ($gone, 1, 'acme', 'n', '{}', now())"),
    ("archive_objects", "insert into archive_objects (id, tenant, user_id, session_id, first_version, last_version, events, bytes, checksum)
        values (gen_random_uuid(), 'acme', 'ada', $gone, 1, 1, 1, 1, sha256('s'))"),
    ("memory_index", "insert into memory_index (memory_id, tenant, owner, is_current, type, scope, valid_from)
        values ($gone, 'acme', 'ada', true, 'fact', 'user', now())"),
    ("reviews", "insert into reviews (memory_id, tenant, scope, scope_id, type, key, content, data, on_conflict, review_reason, decision)
        values ($gone, 'acme', 'user', 'ada', 'fact', 'k', 'c', '{}', 'merge', 'type', 'approved')"),
    ("memory_words", "insert into memory_words values (1, $gone, 'acme', 1, 1)"),
    ("memory_marks", "insert into memory_marks values (1, $gone, 'acme')"),
    ("memory_versions", "insert into memory_versions values ($gone, 1, 'acme', 'c', '{}')"),
    ("memory_access", "insert into memory_access values ($gone, 'acme', 1, now())"),
    ("webhook_deliveries", "insert into webhook_deliveries (endpoint_id, tenant, user_id, memory_id, payload)
        values (gen_random_uuid(), 'acme', 'ada', $gone, '{}')"),
    ("memories", "insert into memories (id, tenant, user_id, scope, type, key, content, data, confidence, agent, model, valid_from)
        values (gen_random_uuid(), 'acme', 'ada', 'user', 'sentiment', 'k', 'c',
                jsonb_build_object('carried', jsonb_build_object($gone::text, '{}'::jsonb)), 1, 'a', 'm', now())"),
];

/// Rows of the session itself.
const OF_SESSION: [(&str, &str); 4] = [
    ("sessions", "insert into sessions (tenant, user_id, session, created_at) values ('acme', 'quagga-rider', $name, $before)"),
    ("events", "insert into session_events (session_id, version, tenant, user_id, session, role, content, created_at)
        values ($gone, 1, 'acme', 'quagga-rider', $name, 'user', 'c', $before)"),
    ("requests", "insert into requests (tenant, user_id, key, fingerprint, answer)
        values ('acme', 'quagga-rider', 'left', sha256('f'), jsonb_build_object('session', $gone))"),
    ("webhook_deliveries", "insert into webhook_deliveries (endpoint_id, tenant, user_id, payload, created_at)
        values (gen_random_uuid(), 'acme', 'quagga-rider', jsonb_build_object('data', jsonb_build_object('session', $name)), $before)"),
];

/// Rows of the user as a whole.
const OF_USER: [(&str, &str); 6] = [
    ("memories", "insert into memories (id, tenant, user_id, scope, type, key, content, confidence, agent, model, valid_from, created_at)
        values (gen_random_uuid(), 'acme', 'quagga-rider', 'user', 'fact', 'k', 'c', 1, 'a', 'm', now(), $before)"),
    ("profiles", "insert into profiles (tenant, user_id, last_active_at) values ('acme', 'quagga-rider', $before)"),
    ("requests", "insert into requests (tenant, user_id, key, fingerprint, created_at)
        values ('acme', 'quagga-rider', 'left', sha256('f'), $before)"),
    ("retractions", "insert into retractions (memory_id, tenant, user_id, scope, scope_id, type, key, wording, reason, retracted_at)
        values (gen_random_uuid(), 'acme', 'quagga-rider', 'user', 'quagga-rider', 'fact', sha256('k'), sha256('w'), 'deleted', $before)"),
    ("holds", "insert into holds (tenant, user_id, reason, created_at) values ('acme', 'quagga-rider', 'pause', $before)"),
    ("webhook_deliveries", "insert into webhook_deliveries (endpoint_id, tenant, user_id, payload, created_at)
        values (gen_random_uuid(), 'acme', 'quagga-rider', '{}', $before)"),
];

/// What is left when this was planted, by the query that is documented and as the role that is.
async fn left_with(stage: &Stage, session: Option<&str>, plant: &str) -> Vec<(String, i64)> {
    let plant = plant
        .replace("$gone", "uuid '0190aaaa-0000-7000-8000-000000000001'")
        .replace("$name", &format!("'{SESSION}'"))
        .replace("$before", "timestamptz '2020-01-01'");
    // Without foreign keys and triggers, which would not let it be.
    let planting = format!(
        "begin; set local session_replication_role = replica; set local search_path = afterthought, public; {plant};
         set local role afterthought_keeper; set local afterthought.tenant = 'acme'"
    );
    stage.owner.batch_execute(&planting).await.unwrap();
    let verify = "select layer, remaining from afterthought.verify_erasure('acme', $1, $2) order by layer";
    let rows = stage.owner.query(verify, &[&VICTIM, &session]).await.unwrap();
    stage.owner.batch_execute("rollback").await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn a_row_that_is_left_is_counted_in_whatever_table_it_is() {
    let stage = Stage::set().await;
    for user in [VICTIM, "ada"] {
        for part in 0..2 {
            stage.import(user, part).await;
        }
    }
    stage.think().await;
    stage.decorate().await;
    stage.done("POST", VICTIM, "/erasures", json!({"subject": "session", "session": SESSION})).await;
    stage.finish().await;
    let nothing = "select 1";
    assert_eq!(left_with(&stage, Some(SESSION), nothing).await, []);
    for (layer, plant) in OF_NOBODY.iter().chain(&OF_SESSION) {
        let expected = [((*layer).to_owned(), 1)];
        assert_eq!(left_with(&stage, Some(SESSION), plant).await, expected, "{plant}");
    }
    // A session that is still there counts with what was learned from it and what holds it.
    let whole = "insert into sessions (id, tenant, user_id, session, created_at) values ($gone, 'acme', 'quagga-rider', $name, $before);
                 insert into memory_evidence select id, $gone, 1, 'acme' from memories where user_id = 'quagga-rider' limit 1;
                 insert into holds (tenant, session_id, reason) values ('acme', $gone, 'pause')";
    let expected = ["holds", "memories", "sessions"].map(|layer| (layer.to_owned(), 1));
    assert_eq!(left_with(&stage, Some(SESSION), whole).await, expected);
    // What names another session, or comes later, is none of it.
    let others = "insert into requests (tenant, user_id, key, fingerprint, answer) values
                      ('acme', 'quagga-rider', 'a', sha256('f'), '{\"session\": \"memories\"}'),
                      ('acme', 'ada', 'a', sha256('f'), jsonb_build_object('session', $gone)),
                      ('acme', 'quagga-rider', 'b', sha256('f'), jsonb_build_object('session', (
                          select id from sessions where user_id = 'quagga-rider' limit 1)));
                  insert into webhook_deliveries (endpoint_id, tenant, user_id, payload, created_at) values
                      (gen_random_uuid(), 'acme', 'quagga-rider', '{\"data\": {\"session\": \"another\"}}', $before),
                      (gen_random_uuid(), 'acme', 'quagga-rider', jsonb_build_object('data', jsonb_build_object('session', $name)), now())";
    assert_eq!(left_with(&stage, Some(SESSION), others).await, []);

    stage.done("POST", VICTIM, "/erasures", json!({"subject": "user"})).await;
    stage.finish().await;
    assert_eq!(left_with(&stage, None, nothing).await, []);
    for (layer, plant) in OF_NOBODY.iter().take(1).chain(&OF_USER) {
        let expected = [((*layer).to_owned(), 1)];
        assert_eq!(left_with(&stage, None, plant).await, expected, "{plant}");
    }
}

/// What an operator is told when they verify an erasure.
async fn verified(stage: &Stage, session: Option<&str>) -> (bool, BTreeMap<String, i64>) {
    let session = session.map(|session| format!("&session={}", session.replace(' ', "%20")));
    let target =
        format!("/v1/admin/erasures/verification?tenant=acme&user={VICTIM}{}", session.unwrap_or_default());
    let answered = ask(&stage.recall, "GET", &target, &[], None).await;
    let answer = answered.json();
    assert_eq!((answered.status, &answer["cut"]), (200, &json!([])), "{answer}");
    let left = serde_json::from_value(answer["left"].clone()).unwrap();
    (answer["is_clean"].as_bool().unwrap(), left)
}

#[tokio::test]
async fn what_is_left_outside_of_postgres_is_counted_too() {
    let stage = Stage::set().await;
    assert_eq!(verified(&stage, None).await, (false, [("never erased".to_owned(), 1)].into()));
    let said = |user: &str, session: &str, second: i64| -> AcceptedEvents {
        let at = Timestamp::from_second(second).unwrap();
        let event = json!({"type": "message", "role": "user", "content": "c", "payload": {}, "schema_version": 2,
                           "idempotency_key": "k", "occurred_at": at});
        let accepted = json!({"format": 1, "tenant": "acme", "user": user, "session": session, "accepted_at": at,
                              "preceding": 0, "events": [event]});
        AcceptedEvents::parse(&accepted.to_string()).unwrap()
    };
    for part in 0..2 {
        stage.import(VICTIM, part).await;
    }
    stage.think().await;
    stage.archive("quagga-rider part 1").await;
    stage.done("POST", VICTIM, "/erasures", json!({"subject": "session", "session": SESSION})).await;
    stage.finish().await;
    assert_eq!(verified(&stage, Some(SESSION)).await, (true, BTreeMap::new()));

    let hot = &stage.services.hot;
    let (before, later) = (1_000_000_000, 4_000_000_000);
    let letters = stage.services.config.routes.dead_letters(indexer::NAME).unwrap();
    let send = async |queue: &str, body: String, group: Option<&str>| {
        let request = stage.aws.sqs().send_message().queue_url(queue).message_body(body);
        let deduplication = group.map(|_| Uuid::now_v7().to_string());
        let request = request.set_message_group_id(group.map(str::to_owned));
        request.set_message_deduplication_id(deduplication).send().await.unwrap();
    };
    let ingest_letters = stage.services.config.variables[ingester::DEAD_LETTERS].clone();
    let one = stage.sessions_of(VICTIM).await[0];
    let now = (stage.services.now)();
    // Nobody's fault: of another session, of another user, or of a new life.
    for accepted in
        [said(VICTIM, "another", before), said("ada", SESSION, before), said(VICTIM, SESSION, later)]
    {
        hot.put_pending(std::slice::from_ref(&accepted), now).await.unwrap();
        send(&ingest_letters, accepted.to_body(), Some("group")).await;
    }
    let wake_up = |session: SessionId| {
        let wake_up = WakeUp::Session { tenant: Stage::tenant(), session, version: 1 };
        Envelope::first(wake_up, now).to_body()
    };
    send(&letters, wake_up(one), None).await;
    assert_eq!(verified(&stage, Some(SESSION)).await, (true, BTreeMap::new()));

    hot.put_pending(&[said(VICTIM, SESSION, before)], now).await.unwrap();
    send(&ingest_letters, said(VICTIM, SESSION, before).to_body(), Some("another group")).await;
    let gone = Uuid::now_v7();
    send(&letters, wake_up(SessionId(gone)), None).await;
    let object = &stage.objects()[0];
    let folder = object.parent().unwrap().with_file_name(gone.to_string());
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(object, folder.join(object.file_name().unwrap())).unwrap();
    let expected = [("archive_objects_of_nobody", 1), ("dead_letters", 2), ("hot_items", 1)];
    let expected: BTreeMap<String, i64> = expected.map(|(layer, left)| (layer.to_owned(), left)).into();
    assert_eq!(verified(&stage, Some(SESSION)).await, (false, expected));

    // The janitor's next look clears hot state and the ingester's letters of the user away, and so do the agents' with a user.
    let user = WakeUp::User { tenant: Stage::tenant(), user: UserId::new(VICTIM).unwrap() };
    let curators = stage.services.config.routes.dead_letters(memory_curator::MemoryCurator::NAME).unwrap();
    send(&curators, Envelope::first(user, Timestamp::UNIX_EPOCH).to_body(), None).await;
    stage.done("POST", VICTIM, "/erasures", json!({"subject": "user"})).await;
    stage.finish().await;
    let expected = [("archive_objects_of_nobody", 1), ("dead_letters", 1)];
    let expected: BTreeMap<String, i64> = expected.map(|(layer, left)| (layer.to_owned(), left)).into();
    assert_eq!(verified(&stage, None).await, (false, expected), "those that name no erasure are left");
    let refused = ask(&stage.recall, "GET", "/v1/admin/erasures/verification?user=ada", &[], None).await;
    assert!(refused.status == 400 && refused.text.contains("tenant"), "{}", refused.text);
}
