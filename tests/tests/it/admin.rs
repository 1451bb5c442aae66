//! The admin API from request to effect: real Postgres, SQS and DynamoDB protocols, and an agent that runs between.

mod orders;
mod stage;

use std::time::Duration;

use hot::Leased;
use serde_json::json;
use uuid::Uuid;

use self::stage::Stage;
use crate::asking::ask;

#[tokio::test]
async fn where_the_api_is_off_its_paths_do_not_exist() {
    let stage = Stage::with("false").await;
    let unknown = stage.ask("GET", "/v1/nowhere", "", None).await;
    for (method, name) in [("GET", "status"), ("GET", "runs"), ("POST", "cancel"), ("POST", "nonsense")] {
        let answer = stage.ask(method, &format!("/v1/admin/{name}"), "", Some(&json!({"all": true}))).await;
        assert_eq!((answer.0, &answer), (404, &unknown));
    }
}

#[tokio::test]
async fn an_event_is_followed_from_waiting_to_what_it_became() {
    let stage = Stage::set().await;
    let chat = stage.say("acme", &["lisbon", "nothing", "lisbon"]).await;
    assert_eq!(stage.became("acme").await, ["waiting", "waiting", "waiting"]);
    let status = stage.get("status", "").await;
    assert_eq!(status["agents"][0]["agent"], "echo");
    assert_eq!(status["adopted_tables"], json!([]));
    assert_eq!(
        (&status["agents"][0]["events"], &status["agents"][0]["events_behind"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(
        status["slot"],
        json!({"name": "afterthought", "exists": false, "lost": true,
                                      "reason": null, "lag_bytes": null, "reader": null})
    );

    let now = (stage.services.now)();
    let holder = Uuid::from_u128(1);
    let leased = stage
        .services
        .hot
        .acquire_lease("echo", chat, holder, 0, 3, Duration::from_mins(5), now)
        .await
        .unwrap();
    let Leased::Taken(lease) = leased else { panic!("the lease is free") };
    assert_eq!(stage.became("acme").await, ["thinking", "thinking", "thinking"]);
    stage.services.hot.release_lease(&lease).await.unwrap();

    stage.think("acme", chat, 3).await;
    assert_eq!(stage.became("acme").await, ["stored", "nothing", "merged"]);
    let answer = stage.get("events", "tenant=acme&user=ada&session=chat&from=2&to=2").await;
    let [event] = answer["events"].as_array().unwrap().as_slice() else { panic!("one event") };
    assert_eq!((&event["version"], &answer["next"]), (&json!(2), &json!(3)));
    assert_eq!(event["agents"][1], json!({"agent": "other", "state": "waiting", "thoughts": []}));

    let runs = stage.get("runs", "tenant=acme").await;
    let [run] = runs["runs"].as_array().unwrap().as_slice() else { panic!("one run: {runs}") };
    assert_eq!(
        (&run["agent"], &run["user"], &run["session"], &run["outcome"], &run["model"]),
        (&json!("echo"), &json!("ada"), &json!("chat"), &json!("done"), &json!("echo/1"))
    );
    assert_eq!((&run["after"], &run["through"]), (&json!(0), &json!(3)));
    assert_eq!(stage.get("status", "").await["agents"][0]["events_behind"], 0);
}

#[tokio::test]
async fn runs_are_chosen_and_paged_newest_first() {
    let stage = Stage::set().await;
    let mut chat = stage.say("acme", &["one"]).await;
    for version in 1..=5 {
        stage.think("acme", chat, version).await;
        chat = stage.say("acme", &["one more"]).await;
    }
    stage.say("default", &["mine"]).await;
    let mut through: Vec<i64> = Vec::new();
    let mut page = stage.get("runs", "limit=2").await;
    loop {
        through.extend(page["runs"].as_array().unwrap().iter().map(|run| run["through"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        page = stage.get("runs", &format!("limit=2&before={next}")).await;
    }
    assert_eq!(through, [5, 4, 3, 2, 1]);
    for none in [
        "tenant=default",
        "agent=other",
        "outcome=quarantined",
        "until=1h",
        "tenant=acme&user=bob",
        "since=2100-01-01T00:00:00Z",
    ] {
        assert_eq!(stage.get("runs", none).await["runs"], json!([]), "{none}");
    }
    assert_eq!(
        stage.get("runs", "tenant=acme&user=ada&session=chat&since=1h").await["runs"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

#[tokio::test]
async fn a_request_that_would_mean_something_else_is_refused() {
    let stage = Stage::set().await;
    let headers = [("afterthought-tenant", "acme")];
    let answered = ask(&stage.recall, "GET", "/v1/admin/status", &headers, None).await;
    assert_eq!(answered.status, 400);
    assert!(answered.text.contains("`tenant` says whose sessions are meant"), "{}", answered.text);

    for (name, body, named) in [
        ("pause", json!({"agent": "echoo"}), "echo, other"),
        ("replay", json!({"tenant": "acme"}), "`version` is missing"),
        ("redrive", json!({"reason": 5}), "`reason`: invalid type: integer `5`"),
    ] {
        let (status, detail) = stage.refused(name, body).await;
        assert!(status == 400 && detail.contains(named), "{status} {detail}");
    }
    assert_eq!(stage.ask("POST", "/v1/admin/status", "", Some(&json!({}))).await.0, 405);
    assert_eq!(stage.ask("GET", "/v1/admin/nothing", "", None).await.0, 404);
}
