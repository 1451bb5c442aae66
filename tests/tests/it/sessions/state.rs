use domain::state::{SNAPSHOT_EVERY, SessionState};
use serde_json::Value;
use store::StateAt;

use super::*;

async fn state_at(world: &World, version: Option<i64>) -> SessionState {
    let state = world.store.session_state(world.path("work"), version).await.unwrap().unwrap();
    let StateAt::At(state) = state else { panic!("{state:?}") };
    *state
}

/// Inserts a long session in one statement, as an application may.
async fn long_session(world: &World, events: i64) {
    let owner = world.database.client().await.unwrap();
    owner
        .execute(
            "insert into afterthought.session_events
                 (user_id, session, event_type, role, content, metadata, schema_version)
             select 'ada', 'work', (array['message', 'tool_call', 'decision', 'observation', 'node_transition'])[1 + i % 5],
                    'user', 'message number ' || i,
                    case i % 5 when 1 then jsonb_build_object('name', 'tool' || i % 7, 'result', i)
                               when 3 then jsonb_build_object('key' || i % 11, i)
                               when 4 then jsonb_build_object('to', 'node' || i % 3) else '{}' end,
                    2
             from generate_series(1, $1::bigint) i",
            &[&events],
        )
        .await
        .unwrap();
    owner.batch_execute("analyze afterthought.session_events").await.unwrap();
}

#[tokio::test]
async fn a_state_is_what_the_log_comes_to_at_any_version() {
    let world = World::start().await;
    assert_eq!(
        world.store.session_state(world.path("work"), Some(0)).await.unwrap(),
        None,
        "no such session"
    );
    appended(world.append("work", &one_of_each_kind()).await);
    assert_eq!(state_at(&world, Some(0)).await, SessionState::default());
    assert_eq!(state_at(&world, Some(4)).await.current_node, "start");
    let now = state_at(&world, None).await;
    assert_eq!((now.version, now.current_node.as_str()), (5, "booking"));
    assert_eq!(now.tool_results["search"].result, json!([1, 2]));
    assert_eq!(now.metadata.document(), &json!({"weather": "wet"}));
    let beyond = world.store.session_state(world.path("work"), Some(6)).await.unwrap();
    assert_eq!(beyond, Some(StateAt::Beyond { head: 5 }));
}

#[tokio::test]
async fn another_users_or_tenants_session_does_not_exist() {
    let world = World::start().await;
    appended(world.append("work", &[message("mine")]).await);
    let bob = UserId::new("bob").unwrap();
    let other = TenantId::new("other").unwrap();
    for path in [
        SessionPath { user: &bob, ..world.path("work") },
        SessionPath { tenant: &other, ..world.path("work") },
        world.path("play"),
    ] {
        assert_eq!(world.store.session_state(path, None).await.unwrap(), None);
        assert_eq!(world.store.session_events(path, 0, 10, None).await.unwrap(), None);
        assert_eq!(world.store.session(path).await.unwrap(), None);
        assert_eq!(world.store.operations(path, 0, 10, None).await.unwrap(), None);
        assert_eq!(world.store.load_checkpoint(path, None).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_long_session_is_folded_from_its_snapshots_which_are_the_fold_from_the_start() {
    let world = World::start().await;
    long_session(&world, 20_000).await;
    let whole = state_at(&world, None).await;
    assert_eq!((whole.version, whole.messages.count, whole.tool_calls), (20_000, 4_000, 4_000));
    assert_eq!(world.count("snapshots").await, 20_000 / SNAPSHOT_EVERY);
    assert_eq!(state_at(&world, None).await, whole, "from the last snapshot");

    let between = state_at(&world, Some(12_345)).await;
    let at_boundary = state_at(&world, Some(7_000)).await;
    let owner = world.database.client().await.unwrap();
    owner.batch_execute("delete from afterthought.snapshots where version < 15000").await.unwrap();
    assert_eq!(state_at(&world, Some(12_345)).await, between);
    assert_eq!(world.count("snapshots").await, 6 + 12, "those that were passed are there again");
    // Of another schema, damaged, or of another version: done without.
    owner
        .batch_execute(
            "update afterthought.snapshots set schema_version = 99 where version = 7000;
             update afterthought.snapshots set state = '{}' where version = 6000",
        )
        .await
        .unwrap();
    assert_eq!(state_at(&world, Some(7_000)).await, at_boundary);
}

#[tokio::test]
async fn a_snapshot_of_an_older_schema_is_gone_on_from() {
    let world = World::start().await;
    long_session(&world, 1_003).await;
    let owner = world.database.client().await.unwrap();
    owner
        .batch_execute(
            r#"insert into afterthought.snapshots (session_id, version, tenant, schema_version, state)
               select id, 1000, tenant, 1,
                      '{"messages": [{"role": "user", "content": "from before"}], "toolResults": {"old": 1},
                        "currentNode": "there", "metadata": {"kept": true}}'
               from afterthought.sessions"#,
        )
        .await
        .unwrap();
    let state = state_at(&world, None).await;
    assert_eq!((state.version, state.current_node.as_str()), (1_003, "there"));
    assert_eq!(state.messages.last[0].content, "from before");
    assert_eq!(state.metadata.document()["kept"], true);
    let before = state_at(&world, Some(999)).await;
    assert_eq!(before.messages.count, 199, "the snapshot is not of what came before it");
}

#[tokio::test]
async fn no_snapshot_is_kept_of_what_is_not_understood() {
    let world = World::start().await;
    long_session(&world, 1_000).await;
    let owner = world.database.client().await.unwrap();
    owner
        .batch_execute("update afterthought.session_events set schema_version = 9 where version = 500")
        .await
        .unwrap();
    assert_eq!(state_at(&world, None).await.version, 1_000);
    assert_eq!(world.count("snapshots").await, 0);
}

#[tokio::test]
async fn the_state_of_a_long_session_reads_one_snapshot_and_what_follows_it() {
    let world = World::start().await;
    long_session(&world, 20_000).await;
    state_at(&world, None).await;
    let owner = world.database.client().await.unwrap();
    let sql = include_str!("../../../../shared/store/queries/list_events_to_fold.sql");
    owner
        .batch_execute(
            "analyze; set role afterthought_agent; set plan_cache_mode = force_custom_plan;
             select set_config('afterthought.tenant', 'default', false)",
        )
        .await
        .unwrap();
    owner.batch_execute(&format!("prepare fold as {sql}")).await.unwrap();
    let explain = "explain (analyze, buffers, format json)
                   execute fold('default', 'ada', 'work', 19500, null, 1000, 8388608, 2)";
    let plan: Value = owner.query_one(explain, &[]).await.unwrap().get(0);
    let text = plan.to_string();
    assert!(text.contains("session_events_pkey"), "{plan:#}");
    assert!(!text.contains(
        "Seq Scan\",\"Parallel Aware\":false,\"Async Capable\":false,\"Relation Name\":\"session_events"
    ));
    let blocks = plan[0]["Plan"]["Shared Hit Blocks"].as_i64().unwrap()
        + plan[0]["Plan"]["Shared Read Blocks"].as_i64().unwrap();
    assert!(blocks < 200, "500 events were asked for, {blocks} blocks were read: {plan:#}");
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_by_type() {
    let world = World::start().await;
    appended(world.append("work", &one_of_each_kind()).await);
    appended(world.append("work", &[keyed("last", "key")]).await);
    let page = async |after, limit, kind| {
        let page = world.store.session_events(world.path("work"), after, limit, kind).await.unwrap().unwrap();
        let versions: Vec<i64> = page.events.iter().map(|logged| logged.event.version).collect();
        (versions, page.more)
    };
    assert_eq!(page(0, 4, None).await, (vec![1, 2, 3, 4], true));
    assert_eq!(page(4, 4, None).await, (vec![5, 6], false));
    assert_eq!(page(6, 4, None).await, (vec![], false));
    assert_eq!(page(0, 1, Some("message")).await, (vec![1], true));
    assert_eq!(page(1, 1, Some("message")).await, (vec![6], false));
    assert_eq!(page(0, 9, Some("tool_call")).await, (vec![2], false));
    let all = world.store.session_events(world.path("work"), 5, 9, None).await.unwrap().unwrap();
    assert_eq!((all.head, all.events[0].idempotency_key.as_deref()), (6, Some("key")));
    // A page is bounded by its bytes too, and has one event however large.
    let large = "x".repeat(NewEvent::MOST_BYTES);
    appended(world.append("large", &vec![message(&large); 20]).await);
    let large = world.store.session_events(world.path("large"), 0, 100, None).await.unwrap().unwrap();
    assert_eq!((large.events.len(), large.more), (7, true));
}

#[tokio::test]
async fn sessions_are_listed_and_changed() {
    let world = World::start().await;
    for name in ["one", "two", "three"] {
        appended(world.append(name, &[message("hello")]).await);
    }
    let list = async |filter: &SessionFilter<'_>| {
        world.store.sessions(&world.tenant, &world.user, filter, 2).await.unwrap()
    };
    let first = list(&SessionFilter::default()).await;
    assert_eq!(first.iter().map(|session| session.name.as_str()).collect::<Vec<_>>(), ["three", "two"]);
    let after = Some((first[1].created_at, first[1].id));
    let rest = list(&SessionFilter { after, ..SessionFilter::default() }).await;
    assert_eq!((rest.len(), rest[0].name.as_str(), rest[0].head), (1, "one", 1));

    let merged = |patch: Value| {
        move |mut metadata: Value| {
            metadata["merged"] = patch;
            Ok::<_, ()>(metadata)
        }
    };
    let changed =
        world.store.update_session(world.path("two"), Some("paused"), merged(json!(1)), None).await.unwrap();
    let Once::Done(Some(Ok(changed))) = changed else { panic!("{changed:?}") };
    assert_eq!((changed.status.as_str(), changed.metadata), ("paused", json!({"merged": 1})));
    let refused =
        world.store.update_session(world.path("two"), Some("failed"), |_| Err::<Value, _>("no"), None).await;
    assert!(matches!(refused, Ok(Once::Done(Some(Err(_))))));
    let paused = list(&SessionFilter { status: Some("paused"), after: None }).await;
    assert_eq!(paused.len(), 1, "a change that was refused changed nothing");
    let unknown = world.store.update_session(world.path("none"), None, merged(json!(1)), None).await.unwrap();
    assert_eq!(unknown, Once::Done(None));
}
