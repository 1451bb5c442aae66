//! Many hands on one memory: one winner for each version, nothing lost, never two that hold.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use super::stage::{Answered, Stage, id};

async fn home(stage: &Stage) -> String {
    let body =
        json!({"type": "fact", "key": "home", "content": "Ada lives in Bern", "data": {"city": "Bern"}});
    id(&stage.remember(body).await, "memory")
}

/// What holds under the key `home`.
const HOLDS: &str = "select content from afterthought.memories
                     where key = 'home' and valid_to is null and status = 'active' order by content";

#[tokio::test]
async fn of_many_corrections_of_one_version_one_counts_and_the_others_see_it() {
    let stage = Stage::set().await;
    let memory = home(&stage).await;
    let corrections = (0..6).map(|n| {
        let body = json!({"version": 1, "content": format!("Ada lives in city {n}")});
        let (stage, memory) = (&stage, &memory);
        async move { stage.correct(memory, body).await }
    });
    let answers: Vec<Answered> = join_all(corrections).await;
    let won: Vec<&Answered> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let current = &won[0].body["memory"];
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!((lost.status, &lost.body["current"]["id"]), (409, current), "{}", lost.body);
    }
    assert_eq!(stage.texts(HOLDS).await.len(), 1);
    let events = "select count(*) from afterthought.session_events where metadata->'afterthought'->>'operation' = 'correct'";
    assert_eq!(stage.number(events).await, 1, "a correction that lost leaves nothing");
}

#[tokio::test]
async fn corrections_that_merge_all_count() {
    let stage = Stage::set().await;
    let memory = home(&stage).await;
    let corrections = (0..4).map(|n| {
        let mut data = json!({"city": "Bern"});
        data[format!("note{n}")] = n.into();
        let body = json!({"version": 1, "content": "Ada lives in Bern", "data": data, "merge": true});
        let (stage, memory) = (&stage, &memory);
        async move { stage.correct(memory, body).await }
    });
    for answer in join_all(corrections).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let holds = stage.only("").await;
    assert_eq!(holds["data"], json!({"city": "Bern", "note0": 0, "note1": 1, "note2": 2, "note3": 3}));
    let shown = stage.get(&format!("/memories/{}", id(&holds, "id"))).await;
    assert_eq!(shown["supersedes"].as_array().unwrap().len(), 4, "one after the other");
}

#[tokio::test]
async fn a_correction_is_merged_with_what_was_learned_in_place_since() {
    let stage = Stage::set().await;
    let entity = |data: Value| json!({"type": "entity", "key": "e", "content": "Caroline", "data": data, "confidence": 0.5});
    let made = stage.remember(entity(json!({"kind": "person", "aliases": ["C"]}))).await;
    let added = stage.remember(entity(json!({"aliases": ["Caro"], "age": 7}))).await;
    assert_eq!((&added["memory"], &added["version"]), (&made["memory"], &json!(2)));
    let body = json!({"version": 1, "content": "Carolin", "data": {"kind": "person", "aliases": ["Lina"]}});
    let memory = id(&made, "memory");
    let stale = stage.correct(&memory, body.clone()).await;
    assert_eq!((stale.status, &stale.body["current"]["version"]), (409, &json!(2)), "{}", stale.body);
    let mut merging = body;
    merging["merge"] = true.into();
    let merged = stage.correct(&memory, merging).await;
    assert_eq!(merged.status, 200, "{}", merged.body);
    let holds = stage.only("").await;
    assert_eq!(
        (&holds["content"], &holds["data"]),
        (&json!("Carolin"), &json!({"kind": "person", "aliases": ["Lina", "Caro"], "age": 7})),
        "from what the caller saw, neither the alias it took out nor what was learned since is lost"
    );
}

#[tokio::test]
async fn a_correction_and_a_deletion_at_once_have_one_winner() {
    let stage = Stage::set().await;
    for round in 0..4 {
        let memory = home(&stage).await;
        let path = format!("/memories/{memory}?version=1");
        let body = json!({"version": 1, "content": format!("Ada lives in city {round}")});
        let (corrected, deleted) =
            tokio::join!(stage.correct(&memory, body), stage.ask("DELETE", &path, None));
        match (corrected.status, deleted.status) {
            (200, 409) => {
                assert_eq!(stage.texts(HOLDS).await, [format!("Ada lives in city {round}")]);
                let path = format!("/memories/{}", id(&corrected.body, "memory"));
                assert_eq!(deleted.body["current"]["id"], corrected.body["memory"]);
                assert_eq!(stage.ask("DELETE", &path, None).await.status, 204);
            }
            (409, 204) => assert_eq!(stage.texts(HOLDS).await, Vec::<String>::new()),
            other => panic!("{other:?}: {} {}", corrected.body, deleted.body),
        }
    }
}

#[tokio::test]
async fn a_repeat_with_the_same_key_after_a_lost_answer_has_one_effect() {
    let stage = Stage::set().await;
    let whose = ("default", "ada");
    let new = json!({"type": "fact", "key": "home", "content": "Ada lives in Bern"});
    let create = async || stage.ask_as(whose, "POST", "/memories", Some(&new), Some("create")).await;
    let (first, second) = tokio::join!(create(), create());
    assert_eq!((first.status, &first), (201, &second), "{}", first.body);
    let memory = id(&first.body, "memory");
    assert_eq!(stage.number("select count(*) from afterthought.session_events").await, 1);

    let path = format!("/memories/{memory}/correct");
    let body = json!({"version": 1, "content": "Ada lives in Basel"});
    let correct = async || stage.ask_as(whose, "POST", &path, Some(&body), Some("correct")).await;
    let answers = join_all((0..4).map(|_| correct())).await;
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.status == 200), "{answers:?}");
    assert_eq!(stage.texts(HOLDS).await, ["Ada lives in Basel"]);
    assert_eq!(stage.number("select count(*) from afterthought.memories").await, 2);

    let other = json!({"version": 1, "content": "Ada lives in Chur"});
    let other = stage.ask_as(whose, "POST", &path, Some(&other), Some("correct")).await;
    assert_eq!((other.status, &other.body["parameter"]), (422, &json!("idempotency-key")), "{}", other.body);
    let stale = stage.ask_as(whose, "POST", &path, Some(&body), None).await;
    assert_eq!(stale.status, 409, "without the key it is another request");
}

#[tokio::test]
async fn an_answer_is_kept_also_when_there_was_nothing_to_do() {
    let stage = Stage::set().await;
    let memory = home(&stage).await;
    let path = format!("/memories/{memory}");
    let ask = async |method: &str, path: &str, body: Option<Value>, key: &str| {
        stage.ask_as(("default", "ada"), method, path, body.as_ref(), Some(key)).await
    };
    let words = stage.get(&path).await["content"].clone();
    let correct = async |version: i64, content: &Value, key: &str| {
        let body = json!({"version": version, "content": content});
        ask("POST", &format!("{path}/correct"), Some(body), key).await
    };
    let events = "select count(*) from afterthought.session_events";
    let before = stage.number(events).await;
    let same = correct(1, &words, "same").await;
    assert_eq!((same.status, &same.body["outcome"]), (200, &json!("unchanged")), "{}", same.body);
    let unpinned = json!({"version": 1, "pinned": false});
    let as_it_is = ask("PATCH", &path, Some(unpinned.clone()), "unpin").await;
    assert_eq!((as_it_is.status, &as_it_is.body["outcome"]), (200, &json!("unchanged")), "{}", as_it_is.body);
    assert_eq!(stage.number(events).await, before, "nothing is written down of what changed nothing");

    let pinned = stage.ask("PATCH", &path, Some(&json!({"version": 1, "pinned": true}))).await;
    assert_eq!(pinned.status, 200, "{}", pinned.body);
    assert_eq!(ask("PATCH", &path, Some(unpinned), "unpin").await, as_it_is);
    assert_eq!(correct(1, &words, "same").await, same);
    let shown = stage.get(&path).await;
    assert_eq!((&shown["pinned"], &shown["version"]), (&json!(true), &json!(2)));
    let other = correct(2, &json!("Ada lives elsewhere"), "same").await;
    assert_eq!((other.status, &other.body["parameter"]), (422, &json!("idempotency-key")), "{}", other.body);

    for key in ["delete", "delete again"] {
        assert_eq!(ask("DELETE", &path, None, key).await.status, 204);
    }
    let back = stage.ask("PATCH", &path, Some(&json!({"version": 3, "status": "active"}))).await;
    assert_eq!(back.status, 200, "{}", back.body);
    for key in ["delete", "delete again"] {
        assert_eq!(ask("DELETE", &path, None, key).await.status, 204);
    }
    assert_eq!(stage.get(&path).await["status"], "active", "a repeat has no effect of its own");
}

#[tokio::test]
async fn a_correction_and_an_agent_at_once_leave_the_one_that_was_said_last() {
    let stage = Stage::set().await;
    for round in 0..3 {
        let session = stage.told(&format!("chat{round}"), "I live in Berlin.").await;
        let before = stage.only("type=fact").await;
        stage.say(&format!("chat{round}"), "I live in Lisbon.").await;
        let right = before["content"].as_str().unwrap().replace("Berlin", "Potsdam");
        let body = json!({"version": before["version"], "content": right});
        let memory = id(&before, "id");
        let (corrected, ()) = tokio::join!(stage.correct(&memory, body.clone()), stage.think(session));
        let holds = stage.only("type=fact").await;
        if corrected.status == 200 {
            // What was said before the correction, be it a moment, does not take its place.
            assert_eq!((&holds["content"], &holds["id"]), (&json!(right), &corrected.body["memory"]));
        } else {
            assert_eq!((corrected.status, &corrected.body["current"]["id"]), (409, &holds["id"]));
            assert!(holds["content"].as_str().unwrap().contains("Lisbon"));
        }
        assert_eq!(stage.ask("DELETE", &format!("/memories/{}", id(&holds, "id")), None).await.status, 204);
    }
}

#[tokio::test]
async fn a_correction_that_waits_while_what_holds_is_replaced_merges_with_what_took_its_place() {
    let stage = Stage::set().await;
    let first = home(&stage).await;
    let data = json!({"city": "Bern", "zip": 3000});
    let second =
        stage.correct(&first, json!({"version": 1, "content": "Ada lives in Bern", "data": data})).await;
    let second = id(&second.body, "memory");
    // An agent that replaces what holds, and is slow to commit.
    let mut agent = stage.database.client().await.unwrap();
    let agent = agent.transaction().await.unwrap();
    let third: String = agent
        .query_one(
            "with closed as (
                 update afterthought.memories
                 set valid_to = now(), superseded_by = gen_random_uuid(), version = version + 1
                 where id::text = $1
                 returning *
             )
             select superseded_by::text from closed",
            &[&second],
        )
        .await
        .unwrap()
        .get(0);
    let insert = "insert into afterthought.memories
            (id, tenant, user_id, session_id, scope, type, key, content, data, confidence, agent, model, valid_from)
        select $2::text::uuid, tenant, user_id, session_id, scope, type, key, content, data || '{\"street\": \"Ring\"}',
               confidence, 'test', 'test', now()
        from afterthought.memories where id::text = $1";
    assert_eq!(agent.execute(insert, &[&second, &third]).await.unwrap(), 1);
    let waiting = "select count(*) from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock'";
    let body = json!({
        "version": 1, "content": "Ada lives in Bern", "merge": true, "data": {"city": "Bern", "canton": "BE"},
    });
    let committing = async {
        while stage.number(waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        agent.commit().await.unwrap();
    };
    let (corrected, ()) = tokio::join!(stage.correct(&first, body), committing);
    assert_eq!((corrected.status, &corrected.body["supersedes"]), (200, &json!(third)), "{}", corrected.body);
    let holds = stage.only("").await;
    assert_eq!(holds["data"], json!({"city": "Bern", "zip": 3000, "street": "Ring", "canton": "BE"}));
}

/// Rounds of everything at once on one key, drawn from a fixed sequence: whatever meets whatever, at most one memory holds,
/// every correction that was answered with 200 is in the history, and of each version at most one change was made.
#[tokio::test]
async fn whatever_meets_whatever_one_memory_holds_and_no_correction_is_lost() {
    let stage = Stage::set().await;
    let mut seed: u32 = 7;
    let mut draw = |most: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % most
    };
    let mut stands: BTreeSet<String> = BTreeSet::new();
    home(&stage).await;
    for round in 0..12 {
        let rows = stage
            .owner
            .query("select id::text, version, status from afterthought.memories where key = 'home' order by created_at desc", &[])
            .await
            .unwrap();
        let newest = rows.get(usize::from(draw(2) == 1)).unwrap_or(&rows[0]);
        let (memory, version, status): (String, i64, String) = (newest.get(0), newest.get(1), newest.get(2));
        let path = format!("/memories/{memory}");
        let operations = (0..4).map(|hand| {
            let content = format!("Ada lives in city {round}.{hand}");
            let (stage, path, merge) = (&stage, &path, draw(2) == 0);
            let (kind, status) = (draw(5), status.clone());
            async move {
                let (method, path, body) = match kind {
                    0 => ("DELETE", format!("{path}?version={version}"), None),
                    1 if status == "deleted" => {
                        ("PATCH", path.clone(), Some(json!({"version": version, "status": "active"})))
                    }
                    2 => (
                        "POST",
                        "/memories".to_owned(),
                        Some(json!({"type": "fact", "key": "home", "content": content})),
                    ),
                    _ => {
                        let body = json!({"version": version, "content": content, "merge": merge});
                        ("POST", format!("{path}/correct"), Some(body))
                    }
                };
                let answer = stage.ask(method, &path, body.as_ref()).await;
                assert!(answer.status < 500, "{method} {path}: {}", answer.body);
                (path.ends_with("/correct") && answer.status == 200, merge, content)
            }
        });
        let answers = join_all(operations).await;
        let exact = answers.iter().filter(|(stands, merge, _)| *stands && !merge).count();
        assert!(exact <= 1, "of one version one correction counts: {answers:?}");
        stands.extend(answers.into_iter().filter(|(stands, ..)| *stands).map(|(.., content)| content));
        assert!(stage.texts(HOLDS).await.len() <= 1, "round {round}");
    }
    let history: BTreeSet<String> = stage
        .texts("select content from afterthought.memories where key = 'home'")
        .await
        .into_iter()
        .collect();
    assert!(stands.is_subset(&history), "{:?}", stands.difference(&history));
    assert!(!stands.is_empty());
    let open = "select count(*) from afterthought.memories m
                where key = 'home' and valid_to is not null and superseded_by is null";
    assert_eq!(stage.number(open).await, 0, "what does not hold any more says what took its place");
}
