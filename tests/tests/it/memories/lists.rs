//! Lists, page by page.

use serde_json::{Value, json};

use super::stage::{Stage, contents, id};

/// Many memories, stored second by second: 7 types in turn, every 5th of the session `chat`, every 50th no longer current.
async fn many(stage: &Stage, count: i32) {
    stage.say("chat", "Listen!").await;
    let insert = "insert into afterthought.memories
            (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from, valid_to,
             created_at)
        select gen_random_uuid(), 'default', u.user_id, s.id, case when n % 5 = 0 then 'session' else 'user' end,
               (array['summary', 'entity', 'action', 'sentiment', 'pattern', 'preference', 'fact'])[n % 7 + 1],
               'k' || n || u.user_id, 'memory ' || n, 0.5, 'test', 'test', now() - interval '1 day',
               case when n % 50 = 0 then now() end, now() - interval '1 day' + n * interval '1 second'
        from generate_series(1, $1::integer) as n
        cross join (values ('ada'), ('eve')) as u (user_id)
        cross join afterthought.sessions s
        where s.session = 'chat'";
    stage.owner.execute(insert, &[&count]).await.unwrap();
}

#[tokio::test]
async fn pages_hold_every_memory_once_whatever_is_written_meanwhile() {
    let stage = Stage::set().await;
    many(&stage, 60).await;
    let mut seen: Vec<String> = Vec::new();
    let mut after: Option<String> = None;
    for round in 0.. {
        let cursor = after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default();
        let page = stage.get(&format!("/memories?limit=7{cursor}")).await;
        seen.extend(contents(&page));
        stage.remember(json!({"type": "fact", "content": format!("Said in round {round}")})).await;
        if round == 2 {
            // The last of the page goes, and what comes changes.
            let last = page["memories"].as_array().unwrap().last().unwrap();
            assert_eq!(stage.ask("DELETE", &format!("/memories/{}", id(last, "id")), None).await.status, 204);
            let pin =
                "update afterthought.memories set pinned = true, version = version + 1, updated_at = now()";
            stage.owner.execute(pin, &[]).await.unwrap();
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    let expected: Vec<String> =
        (1..=60).rev().filter(|n| n % 50 != 0).map(|n| format!("memory {n}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_list_is_of_what_is_asked_for() {
    let stage = Stage::set().await;
    many(&stage, 60).await;
    assert_eq!(stage.listed("type=fact&limit=3").await, ["memory 55", "memory 48", "memory 41"]);
    assert_eq!(stage.listed("scope=session&type=fact").await, ["memory 55", "memory 20"]);
    assert_eq!(stage.listed("scope=session&limit=2").await, ["memory 60", "memory 55"]);
    assert_eq!(stage.listed("session=chat&limit=1").await, ["memory 60"]);
    assert_eq!(stage.listed("session=other").await, Vec::<String>::new());
    assert_eq!(stage.listed("status=superseded").await, ["memory 50"]);
    assert_eq!(stage.listed("pinned=true").await, Vec::<String>::new());
    let one = stage.only("type=summary&limit=1").await;
    let path = format!("/memories/{}", id(&one, "id"));
    let until = json!({"version": 1, "pinned": true, "expires_at": "2999-01-01T00:00:00Z"});
    assert_eq!(stage.ask("PATCH", &path, Some(&until)).await.body["version"], 2);
    assert_eq!(stage.ask("PATCH", &path, Some(&until)).await.status, 409, "another version by now");
    assert_eq!(stage.only("pinned=true").await["expires_at"], "2999-01-01T00:00:00Z");
    let good = json!({"version": 2, "expires_at": null});
    assert_eq!(stage.ask("PATCH", &path, Some(&good)).await.status, 200);
    let same = stage.ask("PATCH", &path, Some(&json!({"version": 3, "pinned": true}))).await;
    assert_eq!((&same.body["outcome"], &same.body["version"]), (&json!("unchanged"), &json!(3)));
    stage
        .owner
        .batch_execute("update afterthought.memories set expires_at = now() where pinned and user_id = 'ada'")
        .await
        .unwrap();
    assert_eq!(stage.listed("pinned=true").await, Vec::<String>::new());
    assert_eq!(stage.only("status=expired").await["status"], "expired");
    let first = stage.get("/memories?limit=1").await;
    assert_eq!(first["memories"][0]["status"], "active");
    assert!(first["next"].is_string());
}

#[tokio::test]
async fn what_is_said_again_after_its_time_holds_again() {
    let stage = Stage::set().await;
    let body = json!({"type": "fact", "key": "desk", "content": "Ada works at desk nine."});
    stage.remember(body.clone()).await;
    let over = "update afterthought.memories set expires_at = now() - interval '1 day'";
    stage.owner.batch_execute(over).await.unwrap();
    assert_eq!(stage.listed("status=active").await, Vec::<String>::new());
    assert_eq!(stage.remember(body.clone()).await["outcome"], "merged");
    assert_eq!(stage.only("status=active").await["expires_at"], Value::Null);
    let recalled = stage.get("/recall?query=where+is+the+desk").await;
    assert_eq!(recalled["memories"][0]["content"], "Ada works at desk nine.");
    // The time of one that still holds is what somebody wanted.
    let path = format!("/memories/{}", id(&stage.only("").await, "id"));
    let until = json!({"version": 2, "expires_at": "2999-01-01T00:00:00Z"});
    assert_eq!(stage.ask("PATCH", &path, Some(&until)).await.status, 200);
    stage.remember(body).await;
    assert_eq!(stage.only("").await["expires_at"], "2999-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_page_of_many_memories_is_read_by_its_index_under_row_level_security() {
    let stage = Stage::set().await;
    many(&stage, 20_000).await;
    stage.owner.batch_execute("vacuum analyze afterthought.memories").await.unwrap();
    let list = include_str!("../../../../shared/store/queries/list_memories.sql");
    let types = "array['summary','entity','action','sentiment','pattern','preference','fact']";
    stage
        .owner
        .batch_execute(&format!(
            "set role afterthought_agent; set plan_cache_mode = force_custom_plan; set jit = off;
             select set_config('afterthought.tenant', 'default', false);
             prepare list (text, text, text[], text, text, text[], timestamptz, boolean, timestamptz, uuid, bigint)
             as {list}"
        ))
        .await
        .unwrap();
    let middle = "now() - interval '20 hours', '00000000-0000-0000-0000-000000000000'";
    for (what, rest, most_blocks) in [
        ("the first page", "null, null, array['active'], null, null, null, null, 21", 400),
        (
            "a page in the middle",
            &format!("null, null, array['active'], null, null, {middle}, 21") as &str,
            400,
        ),
        (
            "as of a moment",
            "null, null, array['active'], now() - interval '1 hour', null, null, null, 21",
            400,
        ),
        ("one that hardly matches", "'session', null, array['deleted'], null, null, null, null, 21", 12_000),
    ] {
        let explain = format!(
            "explain (analyze, buffers, format json) execute list ('default', 'ada', {types}, {rest})"
        );
        let row = stage.owner.query_one(&explain, &[]).await.unwrap();
        let plan: Value = row.get(0);
        let (text, plan) = (plan.to_string(), &plan[0]["Plan"]);
        assert!(text.contains("memories_listed") && !text.contains("Seq Scan"), "{what}: {text}");
        let blocks =
            plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap();
        assert!(blocks < most_blocks, "{what}: {blocks} blocks, {text}");
    }
}

#[tokio::test]
async fn a_page_of_large_memories_ends_before_it_is_too_long_and_the_next_goes_on() {
    let stage = Stage::set().await;
    let insert = "insert into afterthought.memories
            (id, tenant, user_id, scope, type, key, content, data, confidence, agent, model, valid_from, created_at)
        select gen_random_uuid(), 'default', 'ada', 'user', 'fact', 'k' || n, 'memory ' || n,
               jsonb_build_object('text', repeat('x', 60000)), 0.5, 'test', 'test', now(),
               now() - interval '1 day' + n * interval '1 second'
        from generate_series(1, 100) as n";
    stage.owner.execute(insert, &[]).await.unwrap();
    let mut seen: Vec<String> = Vec::new();
    let mut after = String::new();
    loop {
        let page = stage.get(&format!("/memories?limit=100{after}")).await;
        let bytes = page.to_string().len();
        assert!(bytes < 3 * 1024 * 1024, "{bytes}");
        seen.extend(contents(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let expected: Vec<String> = (1..=100).rev().map(|n| format!("memory {n}")).collect();
    assert_eq!(seen, expected);

    let found = stage.get("/recall?query=memory&k=100").await;
    let bytes = found.to_string().len();
    assert!(bytes < 3 * 1024 * 1024, "{bytes}");
    let (answered, left_out) = (contents(&found).len(), found["left_out"].as_u64().unwrap());
    assert_eq!(answered as u64 + left_out, 100, "what there is no room for is counted");
    assert_eq!(stage.get("/recall?query=memory&k=3").await["left_out"], Value::Null);
}
