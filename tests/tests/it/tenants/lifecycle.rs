//! A key from its making to its end: shown once, rotated, revoked, and known without Postgres.

use std::sync::atomic::{AtomicI64, Ordering};

use api::Keyring;
use domain::{ApiKey, TenantSettings};
use hot::{Hot, Put};
use jiff::Timestamp;
use serde_json::json;
use store::{DatabaseConfig, Role, Store};

use super::stage::{MEMORIES, NO_DATABASE, Stage, requiring_keys, send, tenant};

#[tokio::test]
async fn a_key_is_shown_once_and_known_by_its_hash_alone() {
    let stage = Stage::set().await;
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let asked = json!({"name": "ci", "scopes": ["read"]});
    let made = send(&stage.recall, "POST", "/v1/keys", Some(&admin), Some(asked)).await;
    let key = made.body["key"].as_str().unwrap().to_owned();
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let listed = send(&stage.recall, "GET", "/v1/keys", Some(&admin), None).await;
    assert_eq!(listed.body["keys"].as_array().map(Vec::len), Some(2), "{}", listed.body);
    assert_eq!(listed.body["keys"][0]["name"], "ci");
    assert!(
        !listed.body.to_string().contains(&key)
            && key.starts_with(listed.body["keys"][0]["hint"].as_str().unwrap())
    );
    let stored = stage.owner.query("select k::text from afterthought.api_keys k", &[]).await.unwrap();
    assert!(stored.iter().all(|row| !row.get::<_, String>(0).contains(&key)));
    // The use is noted apart from the answer.
    assert_eq!(send(&stage.recall, "GET", MEMORIES, Some(&key), None).await.status, 200);
    stage.recall.note_key_uses().await;
    let listed = send(&stage.recall, "GET", "/v1/keys", Some(&admin), None).await;
    assert!(listed.body["keys"][0]["last_used_at"].is_string(), "{}", listed.body);
}

static REVOCATION_CLOCK: AtomicI64 = AtomicI64::new(2_000_000_000);

fn revocation_clock() -> Timestamp {
    Timestamp::from_second(REVOCATION_CLOCK.load(Ordering::Relaxed)).unwrap()
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_here_and_soon_everywhere() {
    let stage = Stage::set().await;
    let here = requiring_keys(&stage.services, stage.services.store.clone(), revocation_clock);
    let elsewhere = requiring_keys(&stage.services, stage.services.store.clone(), revocation_clock);
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let (key, id) = stage.key("acme", &["read"]).await;
    for recall in [&here, &elsewhere] {
        assert_eq!(send(recall, "GET", MEMORIES, Some(&key), None).await.status, 200);
    }
    let path = format!("/v1/keys/{id}");
    for _repeat in 0..2 {
        assert_eq!(send(&here, "DELETE", &path, Some(&admin), None).await.status, 204);
        assert_eq!(send(&here, "GET", MEMORIES, Some(&key), None).await.status, 401);
    }
    REVOCATION_CLOCK.fetch_add(31, Ordering::Relaxed);
    assert_eq!(send(&elsewhere, "GET", MEMORIES, Some(&key), None).await.status, 401);
    let (other, _) = stage.key("other", &["admin"]).await;
    assert_eq!(send(&here, "DELETE", &path, Some(&other), None).await.status, 404, "it is another tenant's");

    // A copy that is made late, of what was read before the revocation, changes nothing.
    let parsed = ApiKey::parse(&key).unwrap();
    let grant = stage.services.store.key_grant(&parsed.hash()).await.unwrap().unwrap();
    let late = domain::KeyGrant { valid_until: None, ..grant };
    let put = stage.services.hot.put_key(&parsed.hash(), &late, revocation_clock()).await.unwrap();
    assert_eq!(put, Put::Outdated);
    REVOCATION_CLOCK.fetch_add(31, Ordering::Relaxed);
    assert_eq!(send(&elsewhere, "GET", MEMORIES, Some(&key), None).await.status, 401);
}

static ROTATION_CLOCK: AtomicI64 = AtomicI64::new(2_000_000_000);

fn rotation_clock() -> Timestamp {
    Timestamp::from_second(ROTATION_CLOCK.load(Ordering::Relaxed)).unwrap()
}

#[tokio::test]
async fn a_rotated_key_goes_on_for_the_overlap() {
    let stage = Stage::set().await;
    let recall = requiring_keys(&stage.services, stage.services.store.clone(), rotation_clock);
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let (old, id) = stage.key("acme", &["read"]).await;
    let path = format!("/v1/keys/{id}/rotate");
    let rotated = send(&recall, "POST", &path, Some(&admin), Some(json!({"overlap_seconds": 600}))).await;
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    assert_eq!(rotated.body["scopes"], json!(["read"]));
    assert_eq!((&rotated.body["replaces"], &rotated.body["replaced"]["id"]), (&json!(id), &json!(id)));
    let new = rotated.body["key"].as_str().unwrap();
    let statuses = async || {
        let of = async |key| send(&recall, "GET", MEMORIES, Some(key), None).await.status;
        (of(&old).await, of(new).await)
    };
    assert_eq!(statuses().await, (200, 200));
    ROTATION_CLOCK.fetch_add(600, Ordering::Relaxed);
    assert_eq!(statuses().await, (401, 200));
    let again = send(&recall, "POST", &path, Some(&admin), Some(json!({}))).await;
    assert_eq!(again.status, 409, "{}", again.body);
    let unknown = format!("/v1/keys/{}/rotate", uuid::Uuid::nil());
    assert_eq!(send(&recall, "POST", &unknown, Some(&admin), Some(json!({}))).await.status, 404);
}

#[tokio::test]
async fn without_postgres_known_keys_go_on_and_others_are_not_called_wrong() {
    let stage = Stage::set().await;
    let (key, _) = stage.key("acme", &["read"]).await;
    let away = Store::new(&DatabaseConfig::parse(NO_DATABASE).unwrap(), Role::Agent, 1).unwrap();
    let recall = requiring_keys(&stage.services, away.clone(), stage.services.now);
    let hot_only = "/v1/users/ada/sessions/chat/working-memory";
    assert!(matches!(send(&recall, "GET", hot_only, Some(&key), None).await.status, 200 | 404));
    let unknown = ApiKey::from_random([7; 32]);
    let told = send(&recall, "GET", hot_only, Some(unknown.expose()), None).await;
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "{}", told.body);

    // A copy that is a day old is made again where that is possible, and does where it is not.
    let later = (stage.services.now)().checked_add(jiff::SignedDuration::from_hours(30)).unwrap();
    let keyring = Keyring::new(away, stage.services.hot.clone());
    stage.services.store.tenant(&tenant("acme")).await.unwrap();
    let with_postgres = Keyring::new(stage.services.store.clone(), stage.services.hot.clone());
    with_postgres.settings(&tenant("acme"), (stage.services.now)()).await.unwrap();
    assert_eq!(keyring.settings(&tenant("acme"), later).await.unwrap(), TenantSettings::default());
    assert!(keyring.settings(&tenant("other"), later).await.is_err(), "nothing is known of it");
}

#[tokio::test]
async fn a_rotation_that_hot_state_was_not_told_of_says_what_is_left_to_do() {
    let mut stage = Stage::set().await;
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let (old, id) = stage.key("acme", &["read"]).await;
    assert_eq!(send(&stage.recall, "GET", MEMORIES, Some(&old), None).await.status, 200);
    let deaf = {
        let nowhere = Hot::new(stage.aws.dynamodb(), "nowhere".to_owned());
        let hot = std::mem::replace(&mut stage.services.hot, nowhere);
        let deaf = requiring_keys(&stage.services, stage.services.store.clone(), stage.services.now);
        stage.services.hot = hot;
        deaf
    };
    let rotate = |id: &str| format!("/v1/keys/{id}/rotate");
    let asked = json!({"overlap_seconds": 0});
    let rotated = send(&deaf, "POST", &rotate(&id), Some(&admin), Some(asked.clone())).await;
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    assert!(
        rotated.body["note"].as_str().is_some_and(|note| note.ends_with("revoke it")),
        "{}",
        rotated.body
    );
    assert_eq!(
        send(&stage.recall, "DELETE", &format!("/v1/keys/{id}"), Some(&admin), None).await.status,
        204
    );
    assert_eq!(send(&stage.recall, "GET", MEMORIES, Some(&old), None).await.status, 401);
    let new = rotated.body["id"].as_str().unwrap();
    let again = send(&stage.recall, "POST", &rotate(new), Some(&admin), Some(asked)).await;
    assert_eq!((again.status, again.body.get("note")), (201, None), "{}", again.body);
}
