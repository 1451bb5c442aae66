//! What waits for a person: proposed by commits, decided over HTTP, with real Postgres and the real protocols.

mod stage;

use domain::{Dropped, MemoryType, OnConflict, Outcome, Thought};
use serde_json::{Value, json};
use uuid::Uuid;

use self::stage::{AGENT, Stage, account, entity, sure};

fn doubting() -> Value {
    json!({"below_confidence": 0.6})
}

#[tokio::test]
async fn a_doubtful_memory_is_seen_by_nobody_until_a_person_approves_it() {
    let stage = Stage::set(&doubting()).await;
    let known = stage.think("chat", sure(entity("porto", "Porto city"))).await;
    assert_eq!(known.outcome, Outcome::Stored);
    let entry = stage.think("chat", entity("lisbon", "Lisbon city")).await;
    assert_eq!(entry.outcome, Outcome::Pending);
    let session = stage.say("default", "ada", "chat", "and more of it").await;

    let (contents, rest) = stage.shown_to_application("chat").await;
    assert_eq!(contents, ["Porto city"]);
    assert!(!rest.contains("Lisbon"), "{rest}");
    assert_eq!(stage.shown_to_agents(session, MemoryType::Entity).await, ["Porto city"]);
    assert_eq!(stage.number("select count(*) from afterthought.ledger where outcome = 'pending'").await, 1);

    let id = stage.only().await;
    let (status, review) = stage.get("default", &format!("/v1/reviews/{id}"), "").await;
    assert_eq!(status, 200, "{review}");
    assert_eq!(review["evidence"][0]["content"], "about Lisbon city");
    assert_eq!(
        json!([review["evidence"][0]["session"], review["evidence"][0]["version"], review["evidence_count"]]),
        json!(["chat", 2, 1])
    );
    assert_eq!(
        json!([review["reason"], review["agent"], review["user"], review["current"], review["decision"]]),
        json!(["low_confidence", AGENT, "ada", null, null])
    );

    let answer =
        stage.decide(&id, json!({"decision": "approve", "reviewer": "grace", "note": "so it is"})).await;
    assert_eq!((&answer["decision"], &answer["memory"]), (&json!("approved"), &json!(id)));
    assert_eq!(stage.index().await, 1, "the indexer is told");
    let (contents, _) = stage.shown_to_application("chat").await;
    assert_eq!(contents, ["Lisbon city", "Porto city"]);
    let context = stage.context("chat").await.unwrap();
    assert!(context.active_entities.iter().any(|memory| memory.content == "Lisbon city"));
    assert_eq!(stage.number("select count(*) from afterthought.memories where embedding is null").await, 0);
    assert_eq!(stage.shown_to_agents(session, MemoryType::Entity).await.len(), 2);
    assert!(stage.waiting().await.is_empty());

    let (_, review) = stage.get("default", &format!("/v1/reviews/{id}"), "").await;
    assert_eq!(review["decision"]["reviewer"], "grace");
    assert_eq!(stage.decide(&id, json!({"decision": "approve"})).await, answer, "the same again");
    assert_eq!(stage.index().await, 1, "and the indexer is told again: the first telling may have been lost");
    let (status, problem) = stage.post("default", &id, &json!({"decision": "reject"})).await;
    assert_eq!((status, &problem["parameter"]), (409, &json!("decision")), "{problem}");
}

#[tokio::test]
async fn a_rejected_thing_is_not_proposed_again_and_seen_by_nobody() {
    let stage = Stage::set(&doubting()).await;
    stage.think("chat", entity("lisbon", "Lisbon city")).await;
    let id = stage.only().await;
    let answer = stage.decide(&id, json!({"decision": "reject"})).await;
    assert_eq!((&answer["decision"], &answer["memory"]), (&json!("rejected"), &Value::Null));
    assert_eq!(stage.index().await, 0);

    for thought in [entity("lisbon", "Lisbon, the city"), sure(entity("lisbon", "Lisbon city"))] {
        let entry = stage.think("chat", thought).await;
        assert_eq!((entry.outcome, entry.reason), (Outcome::Dropped, Some(Dropped::RejectedBefore)));
    }
    assert_eq!(stage.texts("select status from afterthought.memories").await, ["rejected"]);
    let session = stage.say("default", "ada", "chat", "and more of it").await;
    let (contents, rest) = stage.shown_to_application("chat").await;
    assert!(contents.is_empty() && !rest.contains("Lisbon"), "{rest}");
    assert!(stage.shown_to_agents(session, MemoryType::Entity).await.is_empty());
}

#[tokio::test]
async fn a_rejected_account_comes_back_only_in_other_words() {
    let stage = Stage::set(&json!({"types": ["fact"]})).await;
    stage.think("chat", sure(account("Ada is angry"))).await;
    stage.decide(&stage.only().await, json!({"decision": "reject"})).await;
    assert_eq!(stage.think("chat", sure(account("ada  is ANGRY"))).await.outcome, Outcome::Dropped);
    assert_eq!(stage.think("chat", sure(account("Ada is glad"))).await.outcome, Outcome::Pending);
    assert_eq!(stage.waiting().await[0]["reason"], "type");
}

#[tokio::test]
async fn an_edit_is_remembered_as_given_and_its_first_words_are_taken_for_it() {
    let stage = Stage::set(&doubting()).await;
    stage.think("chat", entity("lisbon", "Lisbon city")).await;
    let id = stage.only().await;
    let edit = json!({"decision": "edit", "content": "Lisbon, a city in Portugal"});
    let answer = stage.decide(&id, edit.clone()).await;
    assert_eq!((&answer["decision"], &answer["content"]), (&json!("edited"), &edit["content"]));
    stage.index().await;
    let (contents, _) = stage.shown_to_application("chat").await;
    assert_eq!(contents, ["Lisbon, a city in Portugal"]);

    let again = stage.think("other", entity("lisbon", "LISBON city")).await;
    assert_eq!(again.outcome, Outcome::Pending, "a name that was not there");
    let same = Thought { data: json!({"names": ["Lisbon city"]}), ..entity("lisbon", "lisbon City") };
    let entry = stage.think("third", same).await;
    assert_eq!(
        (entry.outcome, entry.memory.map(|memory| memory.to_string())),
        (Outcome::Merged, Some(id.clone()))
    );
    assert_eq!(stage.waiting().await[0]["content"], "Lisbon, a city in Portugal");
    let evidence = format!("select count(*) from afterthought.memory_evidence where memory_id = '{id}'");
    assert_eq!(stage.number(&evidence).await, 2);

    assert_eq!(stage.decide(&id, edit).await, answer, "the same again");
    let otherwise = json!({"decision": "edit", "content": "Lisbon, a town"});
    let (status, problem) = stage.post("default", &id, &otherwise).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("edited otherwise"), "{problem}");
}

#[tokio::test]
async fn an_approved_thing_is_merged_into_the_one_that_is_known_meanwhile() {
    let stage = Stage::set(&doubting()).await;
    stage.think("chat", entity("lisbon", "Lisbon city")).await;
    let id = stage.only().await;
    let known = stage.think("other", sure(entity("lisbon", "Lisbon"))).await;
    assert_eq!(known.outcome, Outcome::Stored, "what waits is in nobody's way");
    let current = known.memory.unwrap().to_string();
    let (_, review) = stage.get("default", &format!("/v1/reviews/{id}"), "").await;
    assert_eq!(review["current"]["id"], json!(current));

    let answer = stage.decide(&id, json!({"decision": "approve"})).await;
    assert_eq!(answer["memory"], json!(current));
    assert_eq!(stage.index().await, 2, "both sessions have something new");
    let rows = stage
        .texts(
            "select concat_ws(' ', content, data ->> 'names', status, valid_to is null, superseded_by is not null)
             from afterthought.memories order by valid_to nulls first",
        )
        .await;
    let expected =
        [r#"Lisbon ["Lisbon city", "Lisbon"] active t f"#, r#"Lisbon city ["Lisbon city"] active f t"#];
    assert_eq!(rows, expected);
    let evidence = format!("select count(*) from afterthought.memory_evidence where memory_id = '{current}'");
    assert_eq!(stage.number(&evidence).await, 2);
    assert_eq!(stage.shown_to_application("chat").await.0, ["Lisbon"]);
    assert_eq!(stage.decide(&id, json!({"decision": "approve"})).await, answer);
}

#[tokio::test]
async fn an_approved_account_closes_the_current_one_and_inherits_its_evidence() {
    let stage = Stage::set(&doubting()).await;
    let old = stage.think("chat", sure(account("Ada likes coffee"))).await.memory.unwrap().0;
    assert_eq!(stage.think("chat", account("Ada likes tea")).await.outcome, Outcome::Pending);
    let session = stage.say("default", "ada", "chat", "and more of it").await;
    assert_eq!(stage.shown_to_agents(session, MemoryType::Fact).await, ["Ada likes coffee"]);
    let id = stage.only().await;
    stage.decide(&id, json!({"decision": "approve"})).await;
    stage.index().await;
    assert_eq!(stage.shown_to_application("chat").await.0, ["Ada likes tea"]);
    let row = stage
        .owner
        .query_one("select superseded_by, valid_to is null from afterthought.memories where id = $1", &[&old])
        .await
        .unwrap();
    assert_eq!((row.get::<_, Option<Uuid>>(0), row.get(1)), (id.parse().ok(), false));
    let evidence = format!("select count(*) from afterthought.memory_evidence where memory_id = '{id}'");
    assert_eq!(stage.number(&evidence).await, 2);
}

#[tokio::test]
async fn of_many_decisions_at_once_one_counts_and_all_hear_of_it() {
    let stage = Stage::set(&doubting()).await;
    for round in 0..5 {
        let content = format!("city number{round}");
        stage.think("chat", entity(&content, &content)).await;
        let id = stage.only().await;
        let decisions = [
            json!({"decision": "approve"}),
            json!({"decision": "reject"}),
            json!({"decision": "edit", "content": "another city"}),
            json!({"decision": "approve"}),
        ];
        let answers =
            futures::future::join_all(decisions.iter().map(|decision| stage.post("default", &id, decision)))
                .await;
        let row = stage
            .owner
            .query_one(
                "select decision from afterthought.reviews where memory_id = $1",
                &[&id.parse::<Uuid>().unwrap()],
            )
            .await
            .unwrap();
        let decided: String = row.get(0);
        for ((status, answer), decision) in answers.iter().zip(&decisions) {
            let verb = decision["decision"].as_str().unwrap();
            let is_same = decided.starts_with(verb.trim_end_matches('e'));
            assert_eq!(*status, if is_same { 200 } else { 409 }, "{verb} where it was {decided}: {answer}");
        }
        assert!(stage.waiting().await.is_empty());
    }
}

#[tokio::test]
async fn sessions_that_propose_the_same_at_once_share_one_proposal() {
    let stage = Stage::set(&doubting()).await;
    let mut sessions = Vec::new();
    for number in 0..8 {
        sessions.push(stage.say("default", "ada", &format!("s{number}"), "Lisbon!").await);
    }
    let ended = futures::future::join_all(sessions.iter().zip(0..).map(|(session, number)| {
        stage.commit("default", *session, entity("lisbon", &format!("Lisbon {number}")))
    }))
    .await;
    assert!(ended.iter().all(|entry| entry.outcome == Outcome::Pending && entry.memory == ended[0].memory));
    let waiting = stage.waiting().await;
    assert_eq!((waiting.len(), waiting[0]["data"]["names"].as_array().unwrap().len()), (1, 8));
    let (_, review) = stage.get("default", &format!("/v1/reviews/{}", stage.only().await), "").await;
    assert_eq!(review["evidence_count"], 8);
}

#[tokio::test]
async fn rejected_while_others_are_proposing_it_it_is_not_proposed_again() {
    let stage = Stage::set(&doubting()).await;
    for round in 0..6 {
        let key = format!("city{round}");
        let mut sessions = Vec::new();
        for number in 0..8 {
            sessions.push(stage.say("default", "ada", &format!("{key} {number}"), "a city").await);
        }
        let propose = futures::future::join_all(
            sessions.iter().map(|session| stage.commit("default", *session, entity(&key, "A city"))),
        );
        let reject = async {
            loop {
                if let Some(review) = stage.waiting().await.first() {
                    stage.decide(review["id"].as_str().unwrap(), json!({"decision": "reject"})).await;
                    return;
                }
            }
        };
        let (ended, ()) = futures::join!(propose, reject);
        let dropped = ended.iter().filter(|entry| entry.reason == Some(Dropped::RejectedBefore)).count();
        let pending = ended.iter().filter(|entry| entry.outcome == Outcome::Pending).count();
        assert_eq!((dropped + pending, stage.waiting().await.len()), (8, 0));
        let rows = format!("select count(*) from afterthought.memories where key = '{key}'");
        assert_eq!(stage.number(&rows).await, 1);
    }
}

#[tokio::test]
async fn another_tenants_reviews_do_not_exist() {
    let stage = Stage::set(&doubting()).await;
    stage.think("chat", entity("lisbon", "Lisbon city")).await;
    let id = stage.only().await;
    let (status, listed) = stage.get("acme", "/v1/reviews", "").await;
    assert_eq!((status, &listed["reviews"]), (200, &json!([])));
    let (status, _) = stage.get("acme", &format!("/v1/reviews/{id}"), "").await;
    assert_eq!(status, 404);
    let (status, _) = stage.post("acme", &id, &json!({"decision": "reject"})).await;
    assert_eq!(status, 404);
    let (status, problem) = stage.get("acme", "/v1/reviews", &format!("after={id}")).await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("after")));

    // A rejection of one tenant says nothing to another, and neither does its policy.
    stage.decide(&id, json!({"decision": "reject"})).await;
    let session = stage.say("acme", "ada", "chat", "Lisbon city").await;
    assert_eq!(stage.commit("acme", session, entity("lisbon", "Lisbon city")).await.outcome, Outcome::Stored);
    let (status, _) = stage.get("acme", &format!("/v1/reviews/{id}"), "").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_waits_is_listed_by_user_type_and_agent_page_by_page() {
    let stage = Stage::set(&json!({"agents": [AGENT]})).await;
    for number in 0..5 {
        stage.think("chat", sure(entity(&format!("e{number}"), &format!("city {number}")))).await;
    }
    stage.think("chat", sure(account("Ada likes tea"))).await;
    let eve = stage.say("default", "eve", "chat", "Porto!").await;
    stage.commit("default", eve, sure(entity("porto", "Porto"))).await;

    let page = async |query_string: String| {
        let (status, body) = stage.get("default", "/v1/reviews", &query_string).await;
        assert_eq!(status, 200, "{body}");
        let contents: Vec<String> = body["reviews"]
            .as_array()
            .unwrap()
            .iter()
            .map(|review| review["content"].as_str().unwrap().to_owned())
            .collect();
        (contents, body["next"].as_str().map(str::to_owned))
    };
    let (first, next) = page("user=ada&type=entity&limit=2".into()).await;
    assert_eq!(first, ["city 0", "city 1"]);
    // What was the last of a page may be decided before the next one is asked for.
    let next = next.unwrap();
    stage.decide(&next, json!({"decision": "approve"})).await;
    let (second, next) = page(format!("user=ada&type=entity&limit=3&after={next}")).await;
    assert_eq!((second.len(), next), (3, None));
    assert_eq!(page("type=fact".into()).await.0, ["Ada likes tea"]);
    assert_eq!(page("user=eve".into()).await.0, ["Porto"]);
    assert_eq!(page("agent=summarizer".into()).await.0, Vec::<String>::new());
    assert_eq!(page(format!("agent={AGENT}")).await.0.len(), 6);
}

#[tokio::test]
async fn a_decision_about_what_was_not_seen_unknown_or_malformed_is_refused() {
    let stage = Stage::set(&doubting()).await;
    let known = stage.think("chat", sure(entity("porto", "Porto"))).await.memory.unwrap().to_string();
    stage.think("chat", entity("lisbon", "Lisbon city")).await;
    let id = stage.only().await;
    let seen = stage.waiting().await[0]["version"].clone();
    stage.think("chat", entity("lisbon", "Lisbon town")).await;
    let (status, problem) =
        stage.post("default", &id, &json!({"decision": "approve", "version": seen})).await;
    assert_eq!((status, &problem["parameter"]), (409, &json!("version")), "{problem}");
    for (id, body, status, parameter) in [
        (id.as_str(), json!({"decision": "maybe"}), 400, json!("decision")),
        (id.as_str(), json!({"decision": "edit", "data": 7}), 400, json!("data")),
        (known.as_str(), json!({"decision": "approve"}), 404, Value::Null),
        ("00000000-0000-0000-0000-000000000001", json!({"decision": "approve"}), 404, Value::Null),
    ] {
        let (got, problem) = stage.post("default", id, &body).await;
        assert_eq!((got, &problem["parameter"]), (status, &parameter), "{problem}");
    }
    let seen = stage.waiting().await[0]["version"].clone();
    stage.decide(&id, json!({"decision": "approve", "version": seen})).await;
}

#[tokio::test]
async fn an_agent_may_ask_for_review_whatever_the_tenant_wants() {
    let stage = Stage::set(&json!({})).await;
    let asking =
        Thought { review: true, on_conflict: OnConflict::Supersede, ..sure(account("Ada likes tea")) };
    assert_eq!(stage.think("chat", asking).await.outcome, Outcome::Pending);
    assert_eq!(stage.waiting().await[0]["reason"], "agent_asked");
    assert_eq!(stage.think("chat", entity("lisbon", "Lisbon city")).await.outcome, Outcome::Stored);
}
