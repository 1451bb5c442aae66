//! Memories as applications handle them over HTTP, with the agents that learn beside them, real Postgres and the real
//! protocols.

mod bounds;
mod lists;
mod locking;
mod promotion;
mod stage;

use serde_json::{Value, json};

use self::stage::{Stage, id};

#[tokio::test]
async fn what_an_application_says_is_remembered_by_the_rules_of_thoughts() {
    let stage = Stage::set().await;
    let fact = json!({"type": "fact", "content": "Ada plays the oboe", "data": {"plays": "oboe"}});
    let stored = stage.remember(fact.clone()).await;
    assert_eq!(
        json!([stored["outcome"], stored["version"], stored["supersedes"], stored["event"]]),
        json!(["stored", 1, null, {"session": "memories", "version": 1}])
    );
    let oboe = id(&stored, "memory");

    let again = stage
        .remember(json!({"type": "fact", "content": "ada plays  the OBOE", "data": {"plays": "oboe"}}))
        .await;
    assert_eq!(
        (&again["outcome"], &again["memory"]),
        (&json!("merged"), &stored["memory"]),
        "the same words"
    );

    let shown = stage.ask("GET", &format!("/memories/{oboe}"), None).await;
    assert_eq!((shown.status, shown.etag.as_deref()), (200, Some("\"2\"")), "{}", shown.body);
    assert_eq!(
        shown.body["evidence"],
        json!([{"session": "memories", "version": 1}, {"session": "memories", "version": 2}])
    );
    assert_eq!(
        json!([shown.body["agent"], shown.body["scope"], shown.body["status"], shown.body["evidence_count"]]),
        json!(["application", "user", "active", 2])
    );

    let home = stage.remember(json!({"type": "fact", "key": "home", "content": "Ada lives in Bern"})).await;
    let pin = json!({"version": 1, "pinned": true});
    let pinned = stage.ask("PATCH", &format!("/memories/{}", id(&home, "memory")), Some(&pin)).await;
    assert_eq!((pinned.status, pinned.etag.as_deref()), (200, Some("\"2\"")), "{}", pinned.body);
    let moved = stage.remember(json!({"type": "fact", "key": "home", "content": "Ada lives in Basel"})).await;
    assert_eq!((&moved["outcome"], &moved["supersedes"]), (&json!("superseded"), &home["memory"]));
    let shown = stage.get(&format!("/memories/{}", id(&moved, "memory"))).await;
    assert_eq!(
        (&shown["pinned"], &shown["supersedes"][0]["content"]),
        (&json!(true), &json!("Ada lives in Bern")),
        "a pin passes on"
    );
    let before = stage.get(&format!("/memories/{}", id(&home, "memory"))).await;
    assert_eq!((&before["status"], &before["superseded"][0]["id"]), (&json!("superseded"), &moved["memory"]));

    let runs = "select count(*) from afterthought.agent_runs r join afterthought.ledger l on l.run_id = r.id
                where r.agent = 'application' and r.outcome = 'done'";
    assert_eq!(stage.number(runs).await, 4);
    assert_eq!(stage.index().await, 4, "the indexer is told of each");
    let found = stage.get("/recall?query=oboe").await;
    assert_eq!(found["memories"][0]["content"], "Ada plays the oboe");
}

#[tokio::test]
async fn evidence_of_its_own_is_the_users_own() {
    let stage = Stage::set().await;
    stage.say("chat", "I play the oboe on Sundays, did I say so?").await;
    stage
        .owner
        .batch_execute(
            "insert into afterthought.messages (user_id, session, role, content) values ('eve', 'hers', 'user', 'hi')",
        )
        .await
        .unwrap();
    let with = |session: &str, version: i64| {
        let events = [("chat", 1), (session, version)].map(|(s, v)| json!({"session": s, "version": v}));
        json!({"type": "fact", "content": "Ada plays the oboe", "evidence": events})
    };
    for (session, version) in [("hers", 1), ("nowhere", 1), ("chat", 2), ("chat", 0), ("chat", -1)] {
        let refused = stage.ask("POST", "/memories", Some(&with(session, version))).await;
        assert_eq!(
            (refused.status, &refused.body["parameter"]),
            (422, &json!("evidence[1]")),
            "{session} {version}: {}",
            refused.body
        );
    }
    let unknown = json!({"type": "fact", "content": "x y", "session": "hers"});
    let refused = stage.ask("POST", "/memories", Some(&unknown)).await;
    assert_eq!((refused.status, &refused.body["parameter"]), (422, &json!("session")));
    assert_eq!(
        stage.number("select count(*) from afterthought.session_events").await,
        2,
        "nothing is half done"
    );

    let stored = stage.remember(with("chat", 1)).await;
    let shown = stage.get(&format!("/memories/{}", id(&stored, "memory"))).await;
    assert_eq!(shown["evidence"], json!([{"session": "chat", "version": 1}]));
}

#[tokio::test]
async fn a_refused_memory_says_why_and_leaves_nothing() {
    let stage = Stage::set().await;
    stage
        .owner
        .batch_execute(
            r#"update afterthought.tenants set settings = '{"confidence_floor": 0.5, "memories_per_user": 1}'
               where tenant = 'default'"#,
        )
        .await
        .unwrap();
    let unsure = json!({"type": "fact", "content": "Ada likes tea", "confidence": 0.4});
    let refused = stage.ask("POST", "/memories", Some(&unsure)).await;
    assert_eq!((refused.status, &refused.body["parameter"]), (422, &json!("confidence")), "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("low_confidence"), "{}", refused.body);
    stage.remember(json!({"type": "fact", "content": "Ada likes tea"})).await;
    let more =
        stage.ask("POST", "/memories", Some(&json!({"type": "fact", "content": "Ada likes milk"}))).await;
    assert!(more.status == 422 && more.body["detail"].as_str().unwrap().contains("no_room"), "{}", more.body);
    assert_eq!(stage.number("select count(*) from afterthought.session_events").await, 1);
}

#[tokio::test]
async fn a_correction_stands_when_the_agents_think_again() {
    let stage = Stage::set().await;
    let session = stage.told("chat", "I live in Berlin.").await;
    let wrong = stage.only("type=fact").await;
    let content = wrong["content"].as_str().unwrap();
    let right = content.replace("Berlin", "Potsdam");
    let body = json!({"version": wrong["version"], "content": right});
    let corrected = stage.correct(&id(&wrong, "id"), body.clone()).await;
    assert_eq!((corrected.status, &corrected.body["supersedes"]), (200, &wrong["id"]), "{}", corrected.body);

    let holds = stage.only("type=fact").await;
    assert_eq!(
        json!([holds["content"], holds["data"]["value"], holds["data"]["speaker"], holds["confidence"]]),
        json!([right, "Potsdam", wrong["data"]["speaker"], 1.0])
    );
    assert_eq!(
        stage.number("select count(*) from afterthought.retractions where reason = 'corrected'").await,
        1
    );

    stage.replay(session).await;
    assert_eq!(stage.listed("type=fact").await, std::slice::from_ref(&right));
    assert_eq!(stage.listed("type=fact&status=active,superseded").await.len(), 2, "nor as history again");
    let dropped = "select count(*) from afterthought.ledger where reason = 'rejected_before'";
    assert_eq!(stage.number(dropped).await, 1);
    let hydrated = stage.get("/hydrate").await;
    assert_eq!(hydrated["session"], "chat", "nobody is in the session of corrections");
    assert!(hydrated["profile"].to_string().contains("Potsdam") && !hydrated.to_string().contains(content));

    let stale = stage.correct(&id(&wrong, "id"), body).await;
    assert_eq!((stale.status, &stale.body["current"]["id"]), (409, &holds["id"]), "{}", stale.body);

    stage.told("later", "I live in Berlin.").await;
    assert_eq!(
        stage.listed("type=fact").await,
        [content],
        "said again after the correction, it is learned again"
    );
}

#[tokio::test]
async fn a_deleted_memory_is_seen_by_nobody_and_not_learned_again_until_it_is_taken_back() {
    let stage = Stage::set().await;
    let session = stage.told("chat", "I met Caroline Smith in Lisbon.").await;
    let all = stage.get("/memories?type=entity").await;
    let is_caroline =
        |memory: &&Value| memory["content"].as_str().unwrap().contains("Caroline Smith (person)");
    let caroline = all["memories"].as_array().unwrap().iter().find(is_caroline);
    let caroline = id(caroline.unwrap(), "id");
    stage.index().await;
    let path = format!("/memories/{caroline}");
    for _ in 0..2 {
        let deleted = stage.ask("DELETE", &path, None).await;
        assert_eq!((deleted.status, deleted.body), (204, Value::Null));
    }
    assert_eq!(stage.number("select count(*) from afterthought.ledger where reason = 'deleted'").await, 1);
    stage.index().await;

    let nowhere = async || {
        let found = stage.get("/recall?query=Caroline").await;
        let hydrated = stage.get("/hydrate?session=chat").await;
        let shown = json!([found["memories"], hydrated["active_entities"], hydrated["memories"]]).to_string();
        assert!(!shown.contains("Caroline Smith (person)"), "{shown}");
        assert!(
            stage
                .context("chat")
                .await
                .active_entities
                .iter()
                .all(|e| !e.content.contains("Caroline Smith (person)"))
        );
        assert!(
            !stage
                .listed("limit=100")
                .await
                .iter()
                .any(|content| content.contains("Caroline Smith (person)"))
        );
    };
    nowhere().await;
    stage.replay(session).await;
    nowhere().await;

    let shown = stage.get(&path).await;
    assert_eq!(shown["status"], "deleted");
    let version = &shown["version"];
    let stale = stage.correct(&caroline, json!({"version": version, "content": "Carol"})).await;
    assert!(
        stale.status == 409 && stale.body["detail"].as_str().unwrap().contains("deleted"),
        "{}",
        stale.body
    );
    let pin = stage.ask("PATCH", &path, Some(&json!({"version": version, "pinned": true}))).await;
    assert_eq!(pin.status, 409);

    let back = json!({"version": version, "status": "active"});
    assert_eq!(stage.ask("PATCH", &path, Some(&back)).await.status, 200);
    stage.index().await;
    assert!(
        stage.listed("limit=100").await.iter().any(|content| content.contains("Caroline Smith (person)"))
    );
    assert!(
        stage
            .context("chat")
            .await
            .active_entities
            .iter()
            .any(|e| e.content.contains("Caroline Smith (person)"))
    );
    assert_eq!(stage.number("select count(*) from afterthought.retractions").await, 0);
}

#[tokio::test]
async fn a_deleted_memory_does_not_come_back_where_another_holds() {
    let stage = Stage::set().await;
    let first = stage.remember(json!({"type": "fact", "key": "home", "content": "Ada lives in Bern"})).await;
    let path = format!("/memories/{}", id(&first, "memory"));
    assert_eq!(stage.ask("DELETE", &format!("{path}?version=7"), None).await.status, 409, "another version");
    assert_eq!(stage.ask("DELETE", &format!("{path}?version=1"), None).await.status, 204);
    let second =
        stage.remember(json!({"type": "fact", "key": "home", "content": "Ada lives in Basel"})).await;
    assert_eq!(second["outcome"], "stored", "said by the application once more");
    let back = stage.ask("PATCH", &path, Some(&json!({"version": 2, "status": "active"}))).await;
    assert_eq!((back.status, &back.body["current"]["id"]), (409, &second["memory"]), "{}", back.body);
}

#[tokio::test]
async fn what_is_taken_out_of_the_history_leaves_what_holds_to_go_on() {
    let stage = Stage::set().await;
    let first = stage.told("first", "I live in Berlin.").await;
    stage.told("second", "I live in Potsdam.").await;
    let gone = stage.only("type=fact&status=superseded").await;
    assert!(gone["content"].as_str().unwrap().contains("Berlin"), "{gone}");
    let said = stage.say("third", "I live in Hamburg.").await;
    let path = format!("/memories/{}", id(&gone, "id"));
    assert_eq!(stage.ask("DELETE", &path, None).await.status, 204);
    stage.think(said).await;
    let holds = stage.only("type=fact").await;
    assert!(
        holds["content"].as_str().unwrap().contains("Hamburg"),
        "accepted before, thought about after: {holds}"
    );
    stage.replay(first).await;
    let history = stage.listed("type=fact&status=active,superseded").await;
    assert!(history.iter().all(|content| !content.contains("Berlin")), "{history:?}");

    let back = json!({"version": gone["version"].as_i64().unwrap() + 1, "status": "active"});
    let back = stage.ask("PATCH", &path, Some(&back)).await;
    assert_eq!(back.status, 200, "{}", back.body);
    assert_eq!(stage.get(&path).await["status"], "superseded", "it is history again");
    assert_eq!(stage.number("select count(*) from afterthought.retractions").await, 0);

    // One that was corrected stays corrected, whatever becomes of it in the history.
    let wrong = stage.only("type=fact").await;
    let right = wrong["content"].as_str().unwrap().replace("Hamburg", "Kiel");
    let corrected =
        stage.correct(&id(&wrong, "id"), json!({"version": wrong["version"], "content": right})).await;
    assert_eq!(corrected.status, 200, "{}", corrected.body);
    let path = format!("/memories/{}", id(&wrong, "id"));
    assert_eq!(stage.ask("DELETE", &path, None).await.status, 204);
    let version = stage.get(&path).await["version"].clone();
    assert_eq!(
        stage.ask("PATCH", &path, Some(&json!({"version": version, "status": "active"}))).await.status,
        200
    );
    let corrected = "select count(*) from afterthought.retractions where reason = 'corrected' and held";
    assert_eq!(stage.number(corrected).await, 1);
}

#[tokio::test]
async fn what_has_faded_holds_again_when_an_application_wants_it() {
    let stage = Stage::set().await;
    let bees = json!({"type": "pattern", "key": "bees", "content": "Ada talks of bees in spring"});
    let faded = stage.remember(bees.clone()).await;
    let path = format!("/memories/{}", id(&faded, "memory"));
    // As the memory-curator closes it.
    stage
        .owner
        .batch_execute(
            "update afterthought.memories set valid_to = now(), version = version + 1 where key = 'bees'",
        )
        .await
        .unwrap();
    assert_eq!(stage.listed("type=pattern").await, Vec::<String>::new());
    let pin = stage.ask("PATCH", &path, Some(&json!({"version": 2, "pinned": true}))).await;
    assert!(
        pin.status == 409 && pin.body["detail"].as_str().unwrap().contains("`status` active"),
        "{}",
        pin.body
    );
    let stale = stage.ask("PATCH", &path, Some(&json!({"version": 1, "status": "active"}))).await;
    assert_eq!(stale.status, 409, "another version");

    let back = json!({"version": 2, "status": "active", "pinned": true});
    let back = stage.ask("PATCH", &path, Some(&back)).await;
    assert_eq!((back.status, &back.body["outcome"]), (200, &json!("changed")), "{}", back.body);
    let shown = stage.get(&path).await;
    assert_eq!(
        json!([shown["status"], shown["pinned"], shown["valid_to"], shown["access_count"]]),
        json!(["active", true, null, 1]),
        "it was asked for, and does not fade again at once"
    );
    let found = stage.get("/recall?query=bees+in+spring").await;
    assert_eq!(found["memories"][0]["content"], "Ada talks of bees in spring");

    stage
        .owner
        .batch_execute(
            "update afterthought.memories set valid_to = now(), version = version + 1 where key = 'bees'",
        )
        .await
        .unwrap();
    let anew = stage.remember(bees).await;
    let version = stage.get(&path).await["version"].clone();
    let taken = stage.ask("PATCH", &path, Some(&json!({"version": version, "status": "active"}))).await;
    assert_eq!((taken.status, &taken.body["current"]["id"]), (409, &anew["memory"]), "{}", taken.body);
}

#[tokio::test]
async fn a_correction_may_say_since_when_and_history_says_so_too() {
    let stage = Stage::set().await;
    let wrong = stage.remember(json!({"type": "fact", "key": "home", "content": "Ada lives in Bern"})).await;
    let body = json!({"version": 1, "content": "Ada lives in Basel", "valid_from": "2020-01-01T00:00:00Z"});
    let right = stage.correct(&id(&wrong, "memory"), body).await;
    assert_eq!(right.status, 200, "{}", right.body);
    assert_eq!(stage.listed("as_of=2021-01-01T00:00:00Z").await, ["Ada lives in Basel"]);
    assert_eq!(stage.listed("as_of=2019-01-01T00:00:00Z").await, Vec::<String>::new());
    let later = json!({"version": 1, "content": "Ada lives in Chur", "valid_from": "2999-01-01T00:00:00Z"});
    let refused = stage.correct(&id(&right.body, "memory"), later).await;
    assert_eq!((refused.status, &refused.body["parameter"]), (422, &json!("valid_from")), "{}", refused.body);
    let same = json!({"version": 1, "content": "Ada lives in Basel"});
    let same = stage.correct(&id(&right.body, "memory"), same).await;
    assert_eq!(
        (same.status, &same.body["outcome"], &same.body["event"]),
        (200, &json!("unchanged"), &Value::Null)
    );
}
