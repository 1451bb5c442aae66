//! What was said in sessions that nobody goes on with is in the archive, and everything else is as it was.

mod damage;
mod going_on;
mod orphans;
mod stage;
mod staying;

use serde_json::{Value, json};
use store::{Old, Tidying};

use self::stage::{Kept, Stage};

/// Goes there, is read from there, goes on, comes back.
async fn goes_and_comes_back(kept: Kept) {
    let stage = Stage::set(kept).await;
    stage.talk("old").await;
    stage.say("young", "The harbour has a new crane.").await;
    stage.index("old").await;
    let memory = json!({"type": "fact", "content": "The keeper paints with ultramarine",
                        "evidence": [{"session": "old", "version": 5}]});
    assert_eq!(stage.ask("POST", "/memories", memory).await.0, 201);
    let found = |answer: &Value| answer["events"].to_string().contains("watercolours");
    let question = "/recall?query=watercolours+of+the+lighthouse+keeper";
    assert!(found(&stage.done("GET", question).await));
    let before = stage.seen("old").await;
    assert_eq!(before["exported"].as_array().unwrap().len(), 7, "with what was done to memories");

    let age = "update afterthought.sessions set last_event_at = now() - interval '91 days' where session <> 'young'";
    stage.owner.batch_execute(age).await.unwrap();
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await), (5, (1, 1)));
    assert_eq!(stage.number("select count(*) from afterthought.event_index").await, 0);
    assert_eq!(stage.seen("old").await, before, "nobody sees a difference");
    assert_eq!(stage.done("GET", "/sessions/old").await["archived_through"], 5);
    let answer = stage.done("GET", question).await;
    assert!(!found(&answer) && answer["archived_events"] == 5, "what is not searched is told: {answer}");
    assert!(answer["memories"].to_string().contains(r#""version":5"#), "evidence is evidence: {answer}");

    // A repeat is one, and the same key for something else is an error.
    let again = |sea: &str| {
        json!({"events": [{"type": "tool_call", "payload": {"name": "look", "result": {"sea": sea}},
                           "idempotency_key": "tool"}]})
    };
    let (status, answer) = stage.ask("POST", "/sessions/old/events", again("grey")).await;
    assert!(status == 201 && answer.to_string().contains('3'), "{status} {answer}");
    assert_eq!(stage.ask("POST", "/sessions/old/events", again("blue")).await.0, 422);
    let other = "insert into afterthought.messages (user_id, session, role, content, idempotency_key)
                 values ('Ada Lovelace', 'old', 'user', 'another', 'first')";
    assert!(stage.owner.execute(other, &[]).await.is_err());
    stage.talk("old").await;
    assert_eq!(
        stage.done("GET", "/sessions/old").await["version"],
        8,
        "the two with a key were there already"
    );

    // Who goes on with it goes on after the last version; an agent that begins anew reads all of it.
    let events = stage.done("GET", "/sessions/old/events").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 8);
    let session = stage.session("old").await;
    let messages = stage.services.store.messages_up_to(&Stage::tenant(), session, 8, 10).await.unwrap();
    assert_eq!(messages.first().unwrap().content, "The lighthouse keeper of Cape Wrath paints watercolours.");
    stage.owner.batch_execute("update afterthought.agent_cursors set through = 0").await.unwrap();
    stage.index("old").await;
    let indexed = "select count(*) from afterthought.event_index i join afterthought.session_events e using (session_id, version)
                   where e.archived_bytes is not null";
    assert_eq!(stage.number(indexed).await, 0, "what is in the archive is not searched");

    // The next day it is back, and searched again.
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await), (0, (0, 0)));
    assert!(stage.files().is_empty());
    stage.index("old").await;
    let answer = stage.done("GET", question).await;
    assert!(found(&answer) && answer["archived_events"].is_null(), "{answer}");
    let after = stage.seen("old").await;
    assert_eq!(after["page"]["events"], before["page"]["events"]);
    assert_eq!(after["third"], before["third"]);
    let exported = |seen: &Value| seen["exported"].as_array().unwrap().clone();
    assert!(exported(&before).iter().all(|line| exported(&after).contains(line)), "byte by byte");
    assert_eq!(stage.done("GET", "/sessions/old").await["archived_through"], 0);

    // It stays for as long, goes again, and is brought back by hand.
    let age = "update afterthought.sessions set last_event_at = now() - interval '91 days'";
    stage.owner.batch_execute(age).await.unwrap();
    stage.tick().await;
    assert_eq!(stage.done("GET", "/sessions/old").await["archived_through"], 0, "it came back today");
    stage.age().await;
    stage.tick().await;
    assert_eq!(stage.seen("old").await["exported"], after["exported"]);
    assert_eq!(stage.done("GET", "/sessions/old").await["archived_through"], 8);
    let restored = stage.done("POST", "/sessions/old/restore").await;
    assert_eq!(restored, json!({"restored_events": 8, "more": false}));
    let restored = stage.done("POST", "/sessions/old/restore").await;
    assert_eq!(restored, json!({"restored_events": 0, "more": false}));
    assert_eq!(stage.ask("POST", "/sessions/none/restore", Value::Null).await.0, 404);
    assert_eq!(stage.seen("old").await["events"], after["events"]);
}

#[tokio::test]
async fn a_session_goes_to_a_directory_and_comes_back() {
    goes_and_comes_back(Kept::InDirectory).await;
}

#[tokio::test]
async fn a_session_goes_to_s3_and_comes_back() {
    goes_and_comes_back(Kept::InBucket).await;
}

#[tokio::test]
async fn a_long_session_is_several_objects_and_pages_are_of_as_many_events_as_before() {
    let stage = Stage::set(Kept::InDirectory).await;
    let talk = "insert into afterthought.messages (user_id, session, role, content)
                select 'Ada Lovelace', 'long', 'user', n || repeat(' word', 1 + (n % 7)) from generate_series(1, 2345) as n";
    stage.owner.batch_execute(talk).await.unwrap();
    // Two that fill a page of 2 MiB, and more.
    for _ in 0..20 {
        stage.say("long", &"x".repeat(250_000)).await;
    }
    let pages = async || {
        let (mut pages, mut after) = (Vec::new(), 0);
        loop {
            let page = stage.done("GET", &format!("/sessions/long/events?limit=100&after={after}")).await;
            let Some(last) = page["events"].as_array().unwrap().last() else { return pages };
            after = last["version"].as_i64().unwrap();
            pages.push(page);
        }
    };
    let (before, state) = (pages().await, stage.done("GET", "/sessions/long/state").await);
    stage.age().await;
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await.0 >= 4), (2365, true));
    assert!(stage.files().iter().all(|file| !file.to_string_lossy().contains("Ada")));
    assert_eq!(Ok(stage.files().len()), usize::try_from(stage.objects().await.0));
    assert_eq!(pages().await, before);
    assert_eq!(stage.done("GET", "/sessions/long/state").await, state);
    let restored = stage.done("POST", "/sessions/long/restore").await;
    assert_eq!(restored, json!({"restored_events": 2365, "more": false}));
    assert_eq!((pages().await, stage.files()), (before, vec![]));
}

#[tokio::test]
async fn nothing_goes_before_its_time_or_where_there_is_no_archive_and_a_dry_run_counts() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    let dry = async |kept: &Stage| {
        let settings = kept.keeper.tenant_settings_of(&Stage::tenant()).await.unwrap().unwrap();
        let periods = settings.retention.over(domain::Retention::default());
        let old = Old::by(periods, kept.keeper.request_key(), (kept.services.now)(), 100)
            .find(|old| old.what == Tidying::Sessions);
        match old {
            Some(old) => Some(kept.keeper.count_old(&Stage::tenant(), old).await.unwrap()),
            None => None,
        }
    };
    assert_eq!(dry(&stage).await, Some(0));
    stage.tick().await;
    stage.age().await;
    assert_eq!((dry(&stage).await, stage.archived().await), (Some(1), 0));
    let never = r#"update afterthought.tenants set settings = '{"retention": {"archive_days": 0}}'"#;
    stage.owner.batch_execute(never).await.unwrap();
    assert_eq!(dry(&stage).await, None);
    stage.tick().await;
    let later = r#"update afterthought.tenants set settings = '{"retention": {"archive_days": 92}}'"#;
    stage.owner.batch_execute(later).await.unwrap();
    stage.tick().await;
    assert_eq!(stage.objects().await, (0, 0));
    let earlier = r#"update afterthought.tenants set settings = '{"retention": {"archive_days": 90}}'"#;
    stage.owner.batch_execute(earlier).await.unwrap();
    stage.tick().await;
    assert_eq!((stage.objects().await, dry(&stage).await), ((1, 1), Some(0)));

    let nowhere = Stage::set(Kept::Nowhere).await;
    nowhere.talk("old").await;
    nowhere.age().await;
    nowhere.tick().await;
    assert_eq!(
        (nowhere.archived().await, nowhere.objects().await, dry(&nowhere).await),
        (0, (0, 0), Some(0))
    );
    let since = (nowhere.services.now)();
    assert_eq!(nowhere.keeper.sessions_to_archive(&Stage::tenant(), since, None, 10).await.unwrap().len(), 1);
}
