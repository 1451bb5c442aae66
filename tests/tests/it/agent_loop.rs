//! The loop every agent shares, with real Postgres, SQS and DynamoDB protocols: whatever happens to a wake-up, its
//! effects are there once.

mod backlog;
mod stage;
mod users;

use domain::{SessionId, TenantId};
use jiff::Timestamp;
use runtime::{Agent, Context};
use uuid::Uuid;

use self::stage::{Echo, Stage, claim, wake_up};

#[tokio::test]
async fn a_window_becomes_memories_with_evidence_a_ledger_a_run_and_a_cursor() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let session = stage.insert("one", &["lisbon", "porto", "lisbon", " "]).await;
    assert!(stage.deliver(&agent, &[("m", wake_up(session, 4))]).await.is_empty());

    assert_eq!(stage.memories().await, ["lisbon", "porto"]);
    assert_eq!(stage.number("select count(*) from afterthought.memory_evidence").await, 3);
    assert_eq!(stage.number("select through from afterthought.agent_cursors where agent = 'echo'").await, 4);
    let ledger = stage
        .owner
        .query("select outcome, reason, evidence from afterthought.ledger order by position", &[])
        .await
        .unwrap();
    let ledger: Vec<(String, Option<String>, Vec<i64>)> =
        ledger.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(
        ledger,
        [
            ("stored".into(), None, vec![1]),
            ("stored".into(), None, vec![2]),
            ("merged".into(), None, vec![3]),
            ("dropped".into(), Some("empty_content".into()), vec![]),
        ]
    );
    assert_eq!(stage.number("select count(*) from afterthought.agent_runs where model = 'echo/1'").await, 1);
}

#[tokio::test]
async fn duplicates_and_wake_ups_out_of_order_change_nothing() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let session = stage.insert("one", &["a", "b", "c"]).await;
    let bodies = [("3", wake_up(session, 3)), ("1", wake_up(session, 1)), ("3 again", wake_up(session, 3))];
    assert!(stage.deliver(&agent, &bodies).await.is_empty());
    assert!(stage.deliver(&agent, &[("2", wake_up(session, 2))]).await.is_empty());
    assert!(stage.deliver(&agent, &[("3", wake_up(session, 3))]).await.is_empty());
    assert_eq!(agent.windows(), [(0, 3)]);

    stage.insert("one", &["d"]).await;
    assert!(stage.deliver(&agent, &[("2", wake_up(session, 2))]).await.is_empty());
    assert_eq!(agent.windows(), [(0, 3)], "a late wake-up is behind the cursor");
    stage.deliver(&agent, &[("4", wake_up(session, 4))]).await;
    assert_eq!(agent.windows(), [(0, 3), (3, 4)]);
    assert_eq!(stage.number("select count(*) from afterthought.ledger").await, 4);
}

#[tokio::test]
async fn a_message_fails_alone_whatever_happens_to_it() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let good = stage.insert("good", &["a"]).await;
    let panics = stage.insert("panics", &["panic"]).await;
    let fails = stage.insert("fails", &["fail"]).await;
    let later = wake_up(good, 1).replace(r#""format":1"#, r#""format":9"#);
    let bodies = [
        ("panics", wake_up(panics, 1)),
        ("good", wake_up(good, 1)),
        ("malformed", "not json".to_owned()),
        ("fails", wake_up(fails, 1)),
        ("later format", later),
    ];
    assert_eq!(stage.deliver(&agent, &bodies).await, ["fails", "later format", "panics"]);
    assert_eq!(stage.memories().await, ["a"]);
    assert_eq!(stage.number("select count(*) from afterthought.agent_cursors").await, 1);
    assert_eq!(
        stage.deliver(&agent, &[("panics", wake_up(panics, 1))]).await,
        ["panics"],
        "the lease was given back"
    );
}

#[tokio::test]
async fn an_unknown_session_or_another_tenants_is_acknowledged_and_nothing_is_read() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    stage.owner.batch_execute("insert into afterthought.tenants (tenant) values ('other')").await.unwrap();
    let session = stage.insert("one", &["a"]).await;
    let foreign = wake_up(session, 1).replace("default", "other");
    let unknown = wake_up(SessionId(Uuid::nil()), 1);
    assert!(stage.deliver(&agent, &[("foreign", foreign), ("unknown", unknown)]).await.is_empty());
    assert!(agent.windows().is_empty());
}

#[tokio::test]
async fn of_many_racing_runs_over_one_window_one_has_an_effect() {
    let stage = Stage::set().await;
    let session = stage.insert("one", &["a", "b"]).await;
    let window = stage.services.store.claim(&claim(&TenantId::new("default").unwrap(), session)).await;
    let window = window.unwrap().unwrap().window;
    let agent = Echo::new(None, 100);
    let context = Context::new(Vec::new(), Timestamp::UNIX_EPOCH);
    let thoughts = agent.think(&window, &context).await.unwrap().thoughts;
    let effects = store::Effects { thoughts, ..Default::default() };
    let runs = (0..8_u128).map(|number| {
        let run = store::Run {
            id: Uuid::from_u128(number),
            agent: "echo",
            model: "echo/1".into(),
            ..store::Run::default()
        };
        let (services, window, effects) = (&stage.services, &window, &effects);
        async move { services.store.commit(window, effects, &run).await.unwrap() }
    });
    let ended = futures::future::join_all(runs).await;
    let won = ended.iter().filter(|ended| matches!(ended, store::Committed::Done(_))).count();
    assert_eq!((won, ended.len()), (1, 8));
    assert_eq!(stage.number("select count(*) from afterthought.ledger").await, 2);
}

#[tokio::test]
async fn sessions_that_learn_the_same_at_once_share_one_memory() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let mut bodies = Vec::new();
    let names: Vec<String> = (0..10).map(|number| format!("s{number}")).collect();
    for name in &names {
        let session = stage.insert(name, &["x", "y", "z"]).await;
        bodies.push((name.as_str(), wake_up(session, 3)));
    }
    assert!(stage.deliver(&agent, &bodies).await.is_empty());
    assert_eq!(stage.memories().await, ["x", "y", "z"]);
    assert_eq!(stage.number("select count(*) from afterthought.memory_evidence").await, 30);
    assert_eq!(stage.number("select count(*) from afterthought.ledger where outcome = 'stored'").await, 3);
    let seen = stage
        .number("select min(jsonb_array_length(data -> 'seen'))::bigint from afterthought.memories")
        .await;
    assert_eq!(seen, 10);
}

#[tokio::test]
async fn what_recall_handed_out_is_not_thought_about_again() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let session = stage.insert("one", &["Ada has lived in Lisbon since May."]).await;
    stage.deliver(&agent, &[("m", wake_up(session, 1))]).await;
    let repeat = "insert into afterthought.messages (user_id, session, role, content)
                  values ('ada', 'one', 'assistant', 'Ada has lived in Lisbon since May.')";
    stage.owner.batch_execute(repeat).await.unwrap();
    stage.deliver(&agent, &[("m", wake_up(session, 2))]).await;
    assert_eq!(stage.number("select count(*) from afterthought.memory_evidence").await, 1);
    let line = "select concat_ws(' ', outcome, type, reason, evidence::text) from afterthought.ledger
                where reason = 'recalled'";
    let line: String = stage.owner.query_one(line, &[]).await.unwrap().get(0);
    assert_eq!(line, "dropped recalled {2}");
}

#[tokio::test]
async fn postgres_gone_for_a_moment_fails_the_wake_up_and_the_next_delivery_succeeds() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let session = stage.insert("one", &["a"]).await;
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()";
    stage.services.store.claim(&claim(&TenantId::new("default").unwrap(), session)).await.unwrap();
    assert!(stage.number(kill).await >= 1, "the agent's pooled connection is gone");
    let mut left = vec![("m", wake_up(session, 1))];
    for _attempt in 0..3 {
        if stage.deliver(&agent, &left).await.is_empty() {
            left.clear();
            break;
        }
    }
    assert!(left.is_empty());
    assert_eq!(stage.memories().await, ["a"]);
    assert!(stage.database.url().starts_with("postgres"));
}
