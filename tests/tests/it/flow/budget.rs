//! What a model may cost: no answer is paid for twice, and limits put off what they do not allow.

use std::time::Duration;

use domain::TenantId;
use serde_json::json;
use uuid::Uuid;

use super::stage::{NAME, Scripted, Stage, asked, provider};

#[tokio::test]
async fn a_crash_after_the_models_answer_never_pays_for_it_twice() {
    let server = provider("seven").await;
    let url = format!("{}/v1", server.uri());
    let stage = Stage::with(&[("MODEL_URL", &url), ("MODEL_NAME", "tiny")]).await;
    let agent = Scripted::asking(&stage);
    let session = stage.insert("one", &["ask and die"]).await;
    assert!(!stage.wake(&agent, session, 1).await);
    assert_eq!(asked(&server).await, 1);

    // Meanwhile the session goes on: the window must stay what it was for the answer to fit.
    stage.insert("one", &["more"]).await;
    agent.mend();
    assert!(stage.wake(&agent, session, 2).await);
    assert_eq!(stage.runs().await, ["0 1 done", "1 2 done"]);
    assert_eq!(stage.contents().await, ["seven", "more"]);
    assert_eq!(asked(&server).await, 1, "the answer was remembered");
    let tokens = "select sum(input_tokens + output_tokens)::bigint from afterthought.agent_runs";
    assert_eq!(stage.owner.query_one(tokens, &[]).await.unwrap().get::<_, i64>(0), 40, "and counted once");
}

#[tokio::test]
async fn an_answer_that_is_of_no_use_is_asked_for_again() {
    let server = provider("").await;
    let url = format!("{}/v1", server.uri());
    let stage = Stage::with(&[("MODEL_URL", &url), ("MODEL_NAME", "tiny")]).await;
    let agent = Scripted::asking(&stage);
    let session = stage.insert("one", &["ask"]).await;
    for _attempt in 0..2 {
        assert!(!stage.wake(&agent, session, 1).await);
    }
    assert_eq!(asked(&server).await, 2, "it was not remembered");
}

#[tokio::test]
async fn over_the_rate_a_wake_up_is_put_off_and_loses_nothing() {
    let server = provider("seven").await;
    let url = format!("{}/v1", server.uri());
    let stage = Stage::with(&[("MODEL_URL", &url), ("MODEL_NAME", "tiny")]).await;
    stage.settings(json!({ "model_requests_per_minute": 1, "model_burst": 2 })).await;
    let agent = Scripted::asking(&stage);
    for name in ["one", "two", "three", "four"] {
        let session = stage.insert(name, &["ask"]).await;
        assert!(stage.wake(&agent, session, 1).await);
    }
    assert_eq!((asked(&server).await, stage.contents().await.len()), (2, 2), "the burst");
    assert_eq!(stage.delayed().await, 2, "the others come again when it is their time");
    assert!(stage.letters().await.is_empty());
}

#[tokio::test]
async fn when_the_tokens_of_the_day_are_used_up_the_built_in_model_thinks_or_nobody() {
    let server = provider("seven").await;
    let url = format!("{}/v1", server.uri());
    let stage = Stage::with(&[("MODEL_URL", &url), ("MODEL_NAME", "tiny")]).await;
    stage.settings(json!({ "model_tokens_per_day": 1050 })).await;
    let agent = Scripted::asking(&stage);
    let first = stage.insert("one", &["ask"]).await;
    assert!(stage.wake(&agent, first, 1).await);
    assert_eq!((asked(&server).await, stage.contents().await), (1, vec!["seven".to_owned()]));
    let second = stage.insert("two", &["ask"]).await;
    assert!(stage.wake(&agent, second, 1).await);
    assert_eq!(asked(&server).await, 1, "an answer may take 1024 tokens, and 40 of 1050 are spent");
    assert_eq!(stage.contents().await, ["seven", "built-in"]);
    let degraded = "select error from afterthought.agent_runs where outcome = 'degraded'";
    assert_eq!(stage.owner.query_one(degraded, &[]).await.unwrap().get::<_, String>(0), "budget_exhausted");

    stage.settings(json!({ "model_tokens_per_day": 1050, "when_exhausted": "pause" })).await;
    let third = stage.insert("three", &["ask"]).await;
    assert!(stage.wake(&agent, third, 1).await);
    assert_eq!(stage.holds().await, [(Some(NAME.to_owned()), "budget".to_owned())]);
    assert_eq!(stage.contents().await.len(), 2, "it waits for tomorrow");
}

#[tokio::test]
async fn a_lost_budget_is_read_off_the_runs_of_the_day() {
    let server = provider("seven").await;
    let url = format!("{}/v1", server.uri());
    let stage =
        Stage::with(&[("MODEL_URL", &url), ("MODEL_NAME", "tiny"), ("MODEL_TOKENS_PER_DAY", "1100")]).await;
    let spent = "insert into afterthought.agent_runs (id, tenant, agent, session_id, after_version, through_version,
                     outcome, model, input_tokens, first_sent_at, started_at)
                 values (gen_random_uuid(), 'default', 'other', $1, 0, 1, 'done', 'tiny/1', 500, now(), now())";
    let session = stage.insert("one", &["ask"]).await;
    stage.owner.execute(spent, &[&session.0]).await.unwrap();
    let agent = Scripted::asking(&stage);
    assert!(stage.wake(&agent, session, 1).await);
    assert_eq!((asked(&server).await, stage.contents().await), (0, vec!["built-in".to_owned()]));
}

#[tokio::test]
async fn a_tenants_slots_bound_what_is_thought_about_at_once() {
    let stage = Stage::set().await;
    stage.settings(json!({ "agent_concurrency": 1 })).await;
    let agent = Scripted::new();
    let session = stage.insert("one", &["a"]).await;
    let (hot, now) = (&stage.services.hot, (stage.services.now)());
    let tenant = TenantId::new("default").unwrap();
    let minute = Duration::from_mins(1);
    let taken = hot.acquire_slot(NAME, &tenant, 1, Uuid::nil(), minute, now).await.unwrap().unwrap();
    assert!(stage.wake(&agent, session, 1).await);
    assert_eq!((stage.delayed().await, stage.runs().await.len()), (1, 0));
    hot.release_slot(&taken).await.unwrap();
    assert!(stage.wake(&agent, session, 1).await);
    assert_eq!(stage.runs().await, ["0 1 done"]);
    assert!(
        hot.acquire_slot(NAME, &tenant, 1, Uuid::max(), minute, now).await.unwrap().is_some(),
        "given back"
    );
}
