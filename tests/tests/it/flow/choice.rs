//! Which model thinks for a tenant: the deployment's, one that it offers, or none.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Envelope, SessionId, TenantId, WakeUp};
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::MockServer;

use super::stage::{Scripted, Stage, asked, provider};

impl Stage {
    async fn tenant(&self, name: &str, settings: Value) {
        let put = "insert into afterthought.tenants (tenant, settings) values ($1, $2)
                   on conflict (tenant) do update set settings = excluded.settings";
        self.owner.execute(put, &[&name, &settings]).await.unwrap();
    }

    async fn ask_in(&self, tenant: &str, session: &str) -> SessionId {
        let insert = "insert into afterthought.messages (tenant, user_id, session, role, content)
                      values ($1, 'ada', $2, 'user', 'ask') returning session_id";
        SessionId(self.owner.query_one(insert, &[&tenant, &session]).await.unwrap().get(0))
    }

    async fn wake_in(&self, agent: &Scripted, tenant: &str, session: SessionId) -> bool {
        let wake_up = WakeUp::Session { tenant: TenantId::new(tenant).unwrap(), session, version: 1 };
        self.deliver(agent, Envelope::first(wake_up, Timestamp::UNIX_EPOCH).to_body(), 1).await
    }

    /// What thought for a tenant, in order.
    async fn thought_by(&self, tenant: &str) -> Vec<String> {
        let read = "select format('%s %s', outcome, model) from afterthought.agent_runs where tenant = $1 order by id";
        self.owner.query(read, &[&tenant]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

/// The keys and the models of all questions so far.
async fn asked_as(server: &MockServer) -> Vec<(String, String)> {
    let requests = server.received_requests().await.unwrap();
    let told = requests.iter().map(|request| {
        let body: Value = request.body_json().unwrap();
        let key = request.headers["authorization"].to_str().unwrap().to_owned();
        (key, body["model"].as_str().unwrap().to_owned())
    });
    told.collect()
}

#[tokio::test]
async fn every_tenant_is_thought_about_by_what_it_chose_and_nobody_else_is_asked() {
    let (usual, eu) = (provider("usual").await, provider("european").await);
    let (url, choices) = (
        format!("{}/v1", usual.uri()),
        json!({"eu": {"url": format!("{}/v1", eu.uri()), "model": "other"}, "large": {}}),
    );
    let stage = Stage::with(&[
        ("MODEL_URL", &url),
        ("MODEL_NAME", "tiny"),
        ("MODEL_API_KEY", r#"{"default": "sk-usual", "eu": "sk-eu"}"#),
        ("MODEL_CHOICES", &choices.to_string()),
    ])
    .await;
    let agent = Scripted::asking(&stage);
    for (tenant, settings) in [
        ("silent", json!({"model": "built-in"})),
        ("garbled", json!({"model": ["eu"]})),
        ("abroad", json!({"model": "eu"})),
        ("demanding", json!({"model": "large"})),
        ("indifferent", json!({})),
    ] {
        stage.tenant(tenant, settings).await;
        let session = stage.ask_in(tenant, "one").await;
        assert!(stage.wake_in(&agent, tenant, session).await, "{tenant}");
    }
    for tenant in ["silent", "garbled"] {
        assert_eq!(stage.thought_by(tenant).await, ["done built-in/1"], "{tenant} lacks nothing");
    }
    assert_eq!(stage.thought_by("abroad").await, ["done other/word-1"]);
    assert_eq!(stage.thought_by("demanding").await, ["done large/word-1"]);
    assert_eq!(stage.thought_by("indifferent").await, ["done tiny/word-1"]);
    let told = |key: &str, model: &str| (format!("Bearer {key}"), model.to_owned());
    assert_eq!(asked_as(&eu).await, [told("sk-eu", "other")]);
    assert_eq!(asked_as(&usual).await, [told("sk-usual", "large"), told("sk-usual", "tiny")]);

    // A change holds from the next window on.
    stage.tenant("silent", json!({})).await;
    stage.tenant("indifferent", json!({"model": "built-in"})).await;
    for tenant in ["silent", "indifferent"] {
        let session = stage.ask_in(tenant, "two").await;
        assert!(stage.wake_in(&agent, tenant, session).await);
    }
    assert_eq!(stage.thought_by("silent").await, ["done built-in/1", "done tiny/word-1"]);
    assert_eq!(stage.thought_by("indifferent").await, ["done tiny/word-1", "done built-in/1"]);
}

#[tokio::test]
async fn a_choice_that_is_offered_no_more_waits_and_nobody_else_is_asked() {
    let usual = provider("usual").await;
    let url = format!("{}/v1", usual.uri());
    let stage = Stage::with(&[("MODEL_URL", &url), ("MODEL_NAME", "tiny")]).await;
    let agent = Scripted::asking(&stage);
    stage.tenant("abroad", json!({"model": "eu"})).await;
    let session = stage.ask_in("abroad", "one").await;
    assert!(!stage.wake_in(&agent, "abroad", session).await, "it is delivered again");
    assert_eq!((asked(&usual).await, stage.thought_by("abroad").await), (0, vec![]));
    stage.tenant("abroad", json!({"model": "built-in"})).await;
    assert!(stage.wake_in(&agent, "abroad", session).await);
    assert_eq!(
        (asked(&usual).await, stage.thought_by("abroad").await),
        (0, vec!["done built-in/1".to_owned()])
    );
}

#[tokio::test]
async fn an_answer_is_kept_for_as_long_as_its_tenant_wants() {
    let usual = provider("usual").await;
    let url = format!("{}/v1", usual.uri());
    let stage = Stage::with(&[("MODEL_URL", &url), ("MODEL_NAME", "tiny")]).await;
    let agent = Scripted::asking(&stage);
    stage.tenant("brief", json!({"lifetimes": {"step_result_seconds": 60}})).await;
    let began = (stage.services.now)().as_second();
    for tenant in ["brief", "default"] {
        let session = stage.ask_in(tenant, "one").await;
        assert!(stage.wake_in(&agent, tenant, session).await);
    }
    let took = (stage.services.now)().as_second() - began;
    let items =
        stage.aws.dynamodb().scan().table_name(&stage.services.config.hot_table).send().await.unwrap();
    let number = |value: &AttributeValue| value.as_n().unwrap().parse::<i64>().unwrap();
    let mut lives: Vec<i64> = items
        .items()
        .iter()
        .filter(|item| item.contains_key("result"))
        .map(|item| number(&item["expires_at"]) - began)
        .collect();
    lives.sort_unstable();
    assert_eq!(lives.len(), 2, "{lives:?}");
    assert!((60..=60 + took).contains(&lives[0]) && (3600..=3600 + took).contains(&lives[1]), "{lives:?}");
}
