//! How Postgres goes about the queries that run all the time, on tables with enough in them to matter.

use tokio_postgres::types::ToSql;

use super::*;

macro_rules! query {
    ($name:literal) => {
        concat!("explain ", include_str!(concat!("../../../../shared/store/queries/", $name, ".sql")))
    };
}

/// A session of 20,000 events among 5,000 others, half thought about, and 5,000 holds on sessions.
async fn crowded() -> (Stage, SessionId) {
    let stage = Stage::set().await;
    let fill = "
        set plan_cache_mode = force_custom_plan;
        insert into afterthought.messages (tenant, user_id, session, role, content)
        select 'acme', 'ada', 'long', 'user', 'x' from generate_series(1, 20000);
        insert into afterthought.messages (tenant, user_id, session, role, content)
        select 'default', 'u' || n, 's', 'user', 'x' from generate_series(1, 5000) n;
        insert into afterthought.agent_cursors (session_id, agent, tenant, through)
        select id, 'echo', tenant, head_version / 2 from afterthought.sessions;
        insert into afterthought.holds (tenant, agent, session_id, reason)
        select tenant, 'echo', id, 'sleep' from afterthought.sessions where session = 's';
        insert into afterthought.agent_runs
            (id, tenant, agent, session_id, after_version, through_version, outcome, model, first_sent_at, started_at, finished_at)
        select gen_random_uuid(), s.tenant, 'echo', s.id, n, n + 1, case when n % 100 = 0 then 'quarantined' else 'done' end,
               '', now(), now(), timestamptz '2026-01-01' + interval '1 minute' * n
        from afterthought.sessions s, generate_series(0, 9999) n where s.session = 'long' or n < 1000 and s.user_id like 'u1_';
        insert into afterthought.ledger (run_id, position, tenant, session_id, agent, type, outcome, reason, evidence)
        select id, 1, tenant, session_id, agent, 'entity', 'dropped', 'no_evidence', '{}' from afterthought.agent_runs;
        vacuum analyze";
    for statement in fill.split(';') {
        stage.owner.batch_execute(statement).await.unwrap();
    }
    let session = stage.owner.query_one("select id from afterthought.sessions where session = 'long'", &[]);
    let session = SessionId(session.await.unwrap().get(0));
    (stage, session)
}

async fn plan(client: &Client, sql: &str, values: &[&(dyn ToSql + Sync)]) -> String {
    let lines = client.query(sql, values).await.unwrap();
    lines.iter().map(|line| line.get::<_, String>(0) + "\n").collect()
}

#[tokio::test]
async fn a_claim_reads_the_log_from_the_cursor_on_and_looks_holds_up() {
    let (stage, session) = crowded().await;
    let client = stage.database.client().await.unwrap();
    let role = "set role afterthought_agent; set afterthought.tenant = 'acme'; set plan_cache_mode = force_custom_plan";
    client.batch_execute(role).await.unwrap();

    let window = plan(&client, query!("read_window"), &[&"echo", &session.0, &100_i64, &true]).await;
    assert!(window.contains("Index Scan using session_events_pkey"), "{window}");
    assert!(window.contains("version > "), "{window}");
    assert!(!window.contains("Seq Scan"), "{window}");

    let none: Option<&str> = None;
    for waits_for in [none, Some("other")] {
        let standing = plan(&client, query!("read_standing"), &[&"echo", &session.0, &waits_for]).await;
        assert!(standing.contains("holds_session_id_tenant_user_id_agent_reason_key"), "{standing}");
        assert!(!standing.contains("Function Scan"), "inlined: {standing}");
        assert!(!standing.contains("Seq Scan on holds"), "{standing}");
        assert!(!standing.contains("Seq Scan on sessions"), "{standing}");
    }
    let run = Uuid::nil();
    let redriven =
        plan(&client, query!("read_quarantined_window"), &[&"echo", &session.0, &run, &true]).await;
    assert!(!redriven.contains("Seq Scan"), "{redriven}");
}

#[tokio::test]
async fn the_sweeps_look_up_cursors_and_holds_of_what_is_behind_only() {
    let (stage, session) = crowded().await;
    let client = stage.database.client().await.unwrap();
    client
        .batch_execute("set role afterthought_reader; set plan_cache_mode = force_custom_plan")
        .await
        .unwrap();
    let agents: &[&str] = &AGENTS;
    let (now, earlier): (Timestamp, Timestamp) = {
        let row = client.query_one("select now(), now() - interval '1 minute'", &[]).await.unwrap();
        (row.get(0), row.get(1))
    };
    let all = plan(&client, query!("find_all_sessions_behind"), &[&agents, &now]).await;
    let recent = plan(&client, query!("find_sessions_behind"), &[&agents, &now, &earlier]).await;
    let ended: Vec<Uuid> = vec![Uuid::nil()];
    let ended = plan(&client, query!("find_ended_behind"), &[&ended, &agents]).await;
    let woken = (vec!["echo"], vec![session.0], vec![3_i64]);
    let caught_up = plan(&client, query!("find_caught_up"), &[&woken.0, &woken.1, &woken.2]).await;
    for plan in [&all, &recent, &ended, &caught_up] {
        assert!(plan.contains("holds_session_id_tenant_user_id_agent_reason_key"), "{plan}");
        assert!(!plan.contains("Seq Scan on holds"), "{plan}");
        assert!(!plan.contains("Function Scan on holds_on"), "{plan}");
    }
    assert!(ended.contains("holds_pkey"), "{ended}");
    assert!(!caught_up.contains("Seq Scan"), "{caught_up}");
}

#[tokio::test]
async fn lists_of_runs_and_the_tokens_of_a_day_are_read_from_their_indexes() {
    let (stage, session) = crowded().await;
    let client = stage.database.client().await.unwrap();
    client
        .batch_execute("set role afterthought_operator; set plan_cache_mode = force_custom_plan")
        .await
        .unwrap();
    let (text, id, time): (Option<&str>, Option<Uuid>, Option<Timestamp>) = (None, None, None);
    let most = 50_i64;
    let open: [&(dyn ToSql + Sync); 9] = [&text, &text, &text, &id, &time, &time, &text, &id, &most];
    let open = plan(&client, query!("list_quarantined"), &open).await;
    assert!(open.contains("agent_runs_open") && !open.contains("Seq Scan on agent_runs"), "{open}");
    let one = Some("quarantined");
    let closed: [&(dyn ToSql + Sync); 10] = [&text, &text, &text, &id, &time, &time, &text, &id, &most, &one];
    let closed = plan(&client, query!("list_runs"), &closed).await;
    assert!(closed.contains("agent_runs_not_done"), "{closed}");
    let runs: [&(dyn ToSql + Sync); 10] = [&text, &text, &text, &id, &time, &time, &text, &id, &most, &text];
    let runs = plan(&client, query!("list_runs"), &runs).await;
    assert!(runs.contains("using agent_runs_finished"), "{runs}");
    let (echo, after) = (vec!["echo"], Some(session.0));
    let page: [&(dyn ToSql + Sync); 6] = [&text, &text, &id, &echo, &after, &most];
    let page = plan(&client, query!("find_target_behind"), &page).await;
    assert!(page.contains("sessions_pkey") && !page.contains("Seq Scan on sessions"), "{page}");
    let (from, until): (Timestamp, Timestamp) =
        ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-01T06:00:00Z".parse().unwrap());
    let tokens = plan(&client, query!("sum_tokens"), &[&"acme", &from, &until]).await;
    assert!(tokens.contains("agent_runs_of_tenant"), "{tokens}");
    let agents: &[&str] = &AGENTS;
    let outcomes: [&(dyn ToSql + Sync); 5] = [&session.0, &9_900_i64, &9_999_i64, &agents, &"acme"];
    let outcomes = plan(&client, query!("list_event_outcomes"), &outcomes).await;
    assert!(outcomes.contains("agent_runs_of_session"), "{outcomes}");
    assert!(!outcomes.contains("Seq Scan on"), "{outcomes}");
}
