//! What a tenant has set, what operators have set for it, and how much it may ask.

use std::num::NonZeroU32;

use api::{IngestQuota, Keyring, RateLimit};
use domain::{KeyScopes, TenantSettings};
use jiff::Timestamp;
use model::Embedder;
use recall::{Admin, Recall};
use serde_json::{Value, json};
use store::{DatabaseConfig, Role, Store};

use super::stage::{MEMORIES, NO_DATABASE, OPERATOR_KEY, Stage, requiring_keys, send, tenant};

#[tokio::test]
async fn a_tenant_changes_its_settings_and_operators_its_limits() {
    let stage = Stage::set().await;
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let patch = async |query: &str, body: Value| {
        send(&stage.recall, "PATCH", &format!("/v1/settings{query}"), Some(&admin), Some(body)).await
    };
    let shown = send(&stage.recall, "GET", "/v1/settings", Some(&admin), None).await;
    assert_eq!((shown.status, shown.header("etag")), (200, Some("\"1\"")), "{}", shown.body);
    let changed = patch("?version=1", json!({"confidence_floor": 0.5, "review": {"types": ["fact"]}})).await;
    assert_eq!((changed.status, &changed.body["version"]), (200, &json!(2)), "{}", changed.body);
    assert_eq!(changed.body["settings"]["confidence_floor"], 0.5);
    let stale = patch("?version=1", json!({"confidence_floor": 0.9})).await;
    assert_eq!((stale.status, &stale.body["current"]["version"]), (409, &json!(2)), "{}", stale.body);
    for (body, status, parameter) in [
        (json!({"colour": "red"}), 400, "colour"),
        (json!({"confidence_floor": 2}), 400, "confidence_floor"),
        (json!({"ingest_events_per_day": 5}), 403, "ingest_events_per_day"),
    ] {
        let refused = patch("", body.clone()).await;
        assert_eq!((refused.status, refused.parameter()), (status, parameter), "{body}: {}", refused.body);
    }
    let removed = patch("", json!({"confidence_floor": null})).await;
    assert_eq!(removed.body["settings"]["confidence_floor"], Value::Null);
    assert_eq!(removed.body["settings"]["review"]["types"], json!(["fact"]), "what is not given stays");

    let asked = json!({"settings": {"ingest_events_per_day": 5}});
    let put = send(&stage.recall, "PUT", "/v1/admin/tenants/acme", Some(OPERATOR_KEY), Some(asked)).await;
    assert_eq!(
        (put.status, &put.body["settings"]["ingest_events_per_day"]),
        (200, &json!(5)),
        "{}",
        put.body
    );
    // Where events come in, it is seen without Postgres.
    let away = Store::new(&DatabaseConfig::parse(NO_DATABASE).unwrap(), Role::Agent, 1).unwrap();
    let keyring = Keyring::new(away, stage.services.hot.clone());
    let settings = keyring.settings(&tenant("acme"), (stage.services.now)()).await.unwrap();
    assert_eq!(settings.ingest_events_per_day, Some(5));
}

#[tokio::test]
async fn operators_make_tenants_and_their_first_keys() {
    let stage = Stage::set().await;
    let put = async |name: &str, key: Option<&str>, body: Value| {
        send(&stage.recall, "PUT", &format!("/v1/admin/tenants/{name}"), key, Some(body)).await
    };
    assert_eq!(put("new", None, json!({})).await.status, 401);
    let (admin, _) = stage.key("acme", &["admin"]).await;
    assert_eq!(put("new", Some(&admin), json!({})).await.status, 401, "a tenant's key is no operator's");
    let wrong = put("new", Some(OPERATOR_KEY), json!({"settings": {"colour": 1}})).await;
    assert_eq!((wrong.status, wrong.parameter()), (400, "colour"));
    let get = async |name: &str| {
        send(&stage.recall, "GET", &format!("/v1/admin/tenants/{name}"), Some(OPERATOR_KEY), None).await
    };
    assert_eq!(get("new").await.status, 404, "nothing of a request that was wrong is done");
    assert_eq!(put("new", Some(OPERATOR_KEY), json!({})).await.status, 201);
    assert_eq!(put("new", Some(OPERATOR_KEY), json!({})).await.status, 200);
    assert_eq!(get("new").await.body["tenant"], "new");
    let (key, id) = stage.key("new", &["admin"]).await;
    assert_eq!(send(&stage.recall, "GET", "/v1/settings", Some(&key), None).await.status, 200);
    let listed =
        send(&stage.recall, "GET", "/v1/admin/tenants?after=acme&limit=2", Some(OPERATOR_KEY), None).await;
    let names: Vec<&Value> =
        listed.body["tenants"].as_array().unwrap().iter().map(|one| &one["tenant"]).collect();
    assert_eq!(names, ["default", "new"]);
    let keys = "/v1/admin/tenants/new/keys";
    let told = send(&stage.recall, "GET", keys, Some(OPERATOR_KEY), None).await;
    assert_eq!(told.body["keys"][0]["id"], id.as_str());
    let told = send(&stage.recall, "DELETE", &format!("{keys}/{id}"), Some(OPERATOR_KEY), None).await;
    assert_eq!(told.status, 204);
    assert_eq!(send(&stage.recall, "GET", "/v1/settings", Some(&key), None).await.status, 401);
    let nowhere = json!({"name": "x", "scopes": ["read"]});
    let told =
        send(&stage.recall, "POST", "/v1/admin/tenants/nowhere/keys", Some(OPERATOR_KEY), Some(nowhere))
            .await;
    assert_eq!(told.status, 404, "{}", told.body);

    // Where keys are required and operators have none, nobody is one.
    let closed = Recall::new(
        stage.services.store.clone(),
        stage.services.hot.clone(),
        Embedder::BuiltIn,
        stage.services.now,
    )
    .with_admin(Admin::from_services(&stage.services).unwrap())
    .with_guard(|guard| guard.with_keys_required(true));
    for key in [None, Some(OPERATOR_KEY)] {
        assert_eq!(send(&closed, "GET", "/v1/admin/tenants", key, None).await.status, 403);
    }
}

#[tokio::test]
async fn what_is_left_of_a_rate_is_told_with_every_answer() {
    let stage = Stage::set().await;
    let recall =
        requiring_keys(&stage.services, stage.services.store.clone(), stage.services.now).with_limit(60);
    let (key, _) = stage.key("acme", &["read"]).await;
    let first = send(&recall, "GET", MEMORIES, Some(&key), None).await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"requests\";q=60;w=60"));
    assert!(
        first.header("ratelimit").is_some_and(|left| left.starts_with("\"requests\";r=9;t=")),
        "{:?}",
        first.headers
    );
    let mut told = first;
    for _ in 0..30 {
        told = send(&recall, "GET", MEMORIES, Some(&key), None).await;
        if told.status == 429 {
            break;
        }
    }
    assert_eq!(told.status, 429);
    assert!(told.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait >= 1)));
    assert!(
        told.header("ratelimit").is_some_and(|left| left.starts_with("\"requests\";r=0;")),
        "{:?}",
        told.headers
    );
}

#[tokio::test]
async fn events_are_taken_in_up_to_the_quotas_and_refused_whole_beyond() {
    let stage = Stage::set().await;
    let hot = &stage.services.hot;
    let now = Timestamp::from_second(2_000_000_000).unwrap();
    let quota = IngestQuota { per_minute: 60, per_day: 100 };
    let own = TenantSettings::default();
    let admit = async |events: u32, now: Timestamp| {
        let events = NonZeroU32::new(events).unwrap();
        quota.admit(hot, &own, &tenant("acme"), events, now).await
    };
    let told = |limits: &[RateLimit]| {
        let mut headers = http::HeaderMap::new();
        for limit in limits {
            limit.tell(&mut headers);
        }
        let all = headers.get_all("ratelimit").iter().map(|value| value.to_str().unwrap().to_owned());
        all.collect::<Vec<_>>().join(", ")
    };
    let left = admit(50, now).await.unwrap();
    assert_eq!(told(&left), "\"events\";r=10;t=50, \"events-per-day\";r=50;t=73600");
    assert_eq!(admit(11, now).await.unwrap_err().status, 429);
    assert_eq!(told(&admit(10, now).await.unwrap()), "\"events\";r=0;t=60, \"events-per-day\";r=40;t=73600");
    assert_eq!(admit(61, now).await.unwrap_err().status, 422, "that many never come at once");
    let later = now.checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
    let refused = admit(41, later).await.unwrap_err();
    assert!(refused.status == 429 && refused.detail.contains("100 events a day"), "{}", refused.detail);
    let tomorrow = now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
    assert!(admit(41, tomorrow).await.is_ok());

    let own = TenantSettings { ingest_events_per_minute: Some(0), ingest_events_per_day: Some(0), ..own };
    let many = NonZeroU32::new(1_000_000).unwrap();
    let unlimited = quota.admit(hot, &own, &tenant("acme"), many, now).await.unwrap();
    assert_eq!(unlimited, [], "a tenant's own settings go first");
    assert!(KeyScopes::default().is_empty());
}
