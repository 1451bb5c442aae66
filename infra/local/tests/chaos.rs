#![cfg(test)]
//! What the crash campaign relies on, against a real Postgres.

use std::collections::BTreeSet;
use std::time::Duration;

use local::chaos::compare::{Snapshot, differences};
use local::chaos::conversations::{Plan, conversations, plan};
use local::chaos::importer::{Pace, import};
use testkit::TestDatabase;
use tokio_postgres::Client;

const AGENT: &str = "entity-extractor";

fn some_sessions() -> Plan {
    plan(9, conversations(9, 8), Duration::from_secs(1))
}

/// Thinks about every session as one window: the same in every database but for the identifiers.
async fn think(client: &Client) {
    client
        .batch_execute(
            "insert into afterthought.agent_cursors (session_id, agent, tenant, through)
             select id, 'entity-extractor', tenant, head_version from afterthought.sessions;
             insert into afterthought.agent_runs
                 (id, tenant, agent, session_id, after_version, through_version, outcome, model, first_sent_at, started_at)
             select gen_random_uuid(), tenant, 'entity-extractor', id, 0, head_version, 'done', 'm', now(), now()
             from afterthought.sessions;
             insert into afterthought.memories
                 (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from,
                  embedding, embedding_model)
             select gen_random_uuid(), tenant, user_id, id, 'session', 'summary', 'session', session, 0.5,
                    'entity-extractor', 'm', '2026-01-05', '[1,2]', 'e'
             from afterthought.sessions;
             insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
             select id, session_id, 1, tenant from afterthought.memories;
             insert into afterthought.ledger (run_id, position, tenant, session_id, agent, type, outcome, memory_id, evidence)
             select r.id, 0, r.tenant, r.session_id, r.agent, 'summary', 'stored', m.id, '{1}'
             from afterthought.agent_runs r join afterthought.memories m using (session_id);",
        )
        .await
        .unwrap();
}

async fn thought_through(plan: &Plan) -> (TestDatabase, Client) {
    let database = TestDatabase::create().await.unwrap();
    import(database.url(), plan, Pace::AtOnce).await.unwrap();
    let client = database.client().await.unwrap();
    think(&client).await;
    (database, client)
}

async fn snapshot(client: &Client, plan: &Plan) -> Snapshot {
    Snapshot::read(client, &[AGENT.to_owned()], &plan.chunked).await.unwrap()
}

#[tokio::test]
async fn two_databases_that_came_to_the_same_do_not_differ_and_a_planted_difference_is_found() {
    let plan = some_sessions();
    let (_one, disturbed) = thought_through(&plan).await;
    let (_other, undisturbed) = thought_through(&plan).await;
    let expected = snapshot(&undisturbed, &plan).await;
    let found = snapshot(&disturbed, &plan).await;
    assert_eq!(differences(&found, &expected), []);
    assert_eq!(found.irregularities, Vec::<String>::new());
    assert_eq!((found.windows, found.counts()["event"]), (8, plan.turns));

    for (plant, tables) in [
        ("update afterthought.agent_cursors set through = through - 1", vec!["cursor"]),
        ("update afterthought.memories set content = content || '!'", vec!["memory"]),
        ("update afterthought.memories set embedding = '[1,3]'", vec!["index"]),
        ("update afterthought.memory_evidence set version = 2", vec!["evidence"]),
        ("update afterthought.ledger set evidence = '{1,2}'", vec!["ledger"]),
        ("delete from afterthought.agent_runs", vec!["ledger", "window"]),
    ] {
        disturbed.batch_execute(&format!("begin; {plant}")).await.unwrap();
        let found = snapshot(&disturbed, &plan).await;
        disturbed.batch_execute("rollback").await.unwrap();
        let differing: BTreeSet<&str> =
            differences(&found, &expected).into_iter().map(|difference| difference.table).collect();
        assert_eq!(differing, tables.into_iter().collect(), "{plant}");
    }
}

#[tokio::test]
async fn what_must_not_be_is_found_in_one_database_alone() {
    let plan = some_sessions();
    let (_database, client) = thought_through(&plan).await;
    for (plant, what) in [
        (
            "update afterthought.agent_cursors set through = 0",
            "an agent has not reached the head of a session",
        ),
        (
            "update afterthought.agent_runs set after_version = 1",
            "a window does not begin where the one before it ended",
        ),
        ("delete from afterthought.agent_runs", "the windows do not end where the cursor is"),
        ("update afterthought.agent_runs set outcome = 'quarantined'", "a window was quarantined"),
        ("insert into afterthought.holds (tenant, reason) values ('acme', 'pause')", "a hold is left"),
        ("delete from afterthought.memory_evidence", "a memory has no evidence"),
        ("update afterthought.memories set valid_to = valid_from", "a memory was closed by none"),
        (
            "update afterthought.memories set embedding = null, embedding_model = null",
            "a memory is not embedded",
        ),
    ] {
        client.batch_execute(&format!("begin; {plant}")).await.unwrap();
        let found = snapshot(&client, &plan).await.irregularities;
        client.batch_execute("rollback").await.unwrap();
        assert!(found.iter().any(|found| found.starts_with(what)), "{plant}: {found:?}");
    }
}

#[tokio::test]
async fn an_import_goes_on_when_its_connection_is_ended_and_inserts_everything_once() {
    let plan = some_sessions();
    let database = TestDatabase::create().await.unwrap();
    let admin = database.client().await.unwrap();
    admin.batch_execute("begin; lock table afterthought.session_events in share mode").await.unwrap();
    // What a transaction sees of the other connections stays as it first was, so another one looks.
    let watcher = database.client().await.unwrap();
    let ending = async {
        loop {
            let ended = watcher
                .query(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and wait_event_type = 'Lock'",
                    &[],
                )
                .await
                .unwrap();
            if !ended.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        admin.batch_execute("commit").await.unwrap();
    };
    let (lost, ()) = tokio::join!(import(database.url(), &plan, Pace::AtOnce), ending);
    assert_eq!(lost.unwrap(), 1);
    // Once more, as after an answer that was lost.
    import(database.url(), &plan, Pace::AtOnce).await.unwrap();
    let events: i64 =
        admin.query_one("select count(*) from afterthought.session_events", &[]).await.unwrap().get(0);
    assert_eq!(usize::try_from(events).unwrap(), plan.turns);
}
