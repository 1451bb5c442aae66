//! What stays in Postgres for good, and what does not.

use serde_json::{Value, json};

use super::stage::{Kept, Stage};

#[tokio::test]
async fn an_event_that_no_object_can_hold_stays_and_those_around_it_go() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    let most = i64::from(archive::MOST_BYTES);
    let say = format!(
        "insert into afterthought.messages (user_id, session, role, content, metadata)
         values ('Ada Lovelace', 'old', 'user', 'A scan.', jsonb_build_object('scan', repeat('x', {most})))"
    );
    stage.owner.batch_execute(&say).await.unwrap();
    stage.say("old", "So much for the scan.").await;
    stage.age().await;
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await), (6, (1, 1)));
    let whole = format!(
        "select count(*) from afterthought.session_events
         where version = 6 and archived_bytes is null and octet_length(metadata ->> 'scan') = {most}"
    );
    assert_eq!(stage.number(&whole).await, 1);
    assert_eq!(stage.done("GET", "/sessions/old").await["archived_through"], 7, "nobody tries again");
    let events = stage.done("GET", "/sessions/old/events?after=6").await;
    assert_eq!(events["events"][0]["content"], "So much for the scan.");
    let restored = stage.done("POST", "/sessions/old/restore").await;
    assert_eq!(restored, json!({"restored_events": 6, "more": false}));
}

#[tokio::test]
async fn what_an_application_observed_is_no_operation_for_what_the_guard_noted_in_it() {
    let stage = Stage::set(Kept::InDirectory).await;
    let guard = r#"update afterthought.tenants set settings = '{"guard": {"identifiers": "redact"}}'"#;
    stage.owner.batch_execute(guard).await.unwrap();
    let observe = "insert into afterthought.session_events (user_id, session, event_type, content, metadata, schema_version)
                   values ('Ada Lovelace', 'old', 'observation', 'Ada wrote from ada@example.com.', '{\"mood\": \"calm\"}', 2)";
    stage.owner.batch_execute(observe).await.unwrap();
    let noted = "select count(*) from afterthought.session_events
                 where session = 'old' and version = 1 and metadata ->> 'mood' = 'calm'
                   and metadata #> '{afterthought,guard,redacted}' is not null and content like 'Ada wrote from %'";
    assert_eq!(stage.number(noted).await, 1);
    // One memory comes from it, and one from what the application did.
    let observed =
        json!({"type": "fact", "content": "Ada is calm", "evidence": [{"session": "old", "version": 1}]});
    let said = json!({"type": "fact", "content": "Ada paints"});
    let own =
        "select count(*) from afterthought.session_events where metadata #>> '{afterthought,operation}' ";
    let mut memories = Vec::new();
    for memory in [observed, said] {
        let (status, remembered) = stage.ask("POST", "/memories", memory).await;
        assert_eq!(status, 201, "{remembered}");
        memories.push(remembered["memory"].clone());
    }
    let remembering = stage.number(&format!("{own} is not null")).await;

    // They go, with what the second was made by, and what was observed stays whole.
    for memory in memories {
        let (status, answer) =
            stage.ask("POST", "/erasures", json!({"subject": "memory", "memory": memory})).await;
        assert!(status < 300, "{status} {answer}");
    }
    assert!(stage.number(&format!("{own} = 'erased'")).await > 0);
    assert_eq!(stage.number("select count(*) from afterthought.memories").await, 0);
    assert_eq!(stage.number(noted).await, 1);

    // It goes to the archive, as anything that was observed, and what was done to memories does not.
    let events = stage.done("GET", "/sessions/old/events").await;
    stage.age().await;
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await), (1, (1, 1)));
    assert_eq!(stage.number(&format!("{own} is not null and archived_bytes is null")).await, remembering);
    let after: Value = stage.done("GET", "/sessions/old/events").await;
    assert_eq!(after["events"], events["events"]);
}
