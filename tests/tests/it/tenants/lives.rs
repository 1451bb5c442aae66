//! How long hot state keeps what is a tenant's, and when a change of that is seen.

use std::sync::atomic::{AtomicI64, Ordering};

use api::Keyring;
use domain::{HotLifetimes, SessionId, TenantId, TenantSettings, UserId, WakeUp};
use hot::Read;
use indexer::Indexer;
use jiff::{SignedDuration, Timestamp};
use model::Embedder;
use recall::{Admin, Recall};
use serde_json::{Value, json};

use super::stage::{NO_DATABASE, Stage, Told, send, send_as, tenant};
use crate::delivery::deliver;

const BEGAN: i64 = 2_000_000_000;
const CHAT: &str = "/v1/users/ada/sessions/chat/working-memory";
const SEARCH: &str = "/v1/users/ada/sessions/chat/tools/search";

/// A function of a process of its own, in which no key is required.
fn process(stage: &Stage, now: fn() -> Timestamp) -> Recall {
    Recall::new(stage.services.store.clone(), stage.services.hot.clone(), Embedder::BuiltIn, now)
        .with_admin(Admin::from_services(&stage.services).unwrap())
        .with_models(["eu", "large"].into_iter())
}

async fn ask(recall: &Recall, method: &str, path: &str, of: &str, body: Option<Value>) -> Told {
    send_as(recall, method, path, &[("afterthought-tenant", of)], body).await
}

/// What makes every document that is put another.
static CHANGES: AtomicI64 = AtomicI64::new(0);

/// Changes a document of a tenant; for how many seconds it lives from `now`.
async fn lives(recall: &Recall, path: &str, of: &str, now: Timestamp) -> i64 {
    let value = json!({"a": CHANGES.fetch_add(1, Ordering::Relaxed)});
    assert_eq!(ask(recall, "PUT", path, of, Some(value)).await.status, 200);
    let shown = ask(recall, "GET", path, of, None).await.body;
    let expires_at: Timestamp = shown["expires_at"].as_str().unwrap().parse().unwrap();
    expires_at.as_second() - now.as_second()
}

static CLOCK: AtomicI64 = AtomicI64::new(BEGAN);

fn clock() -> Timestamp {
    Timestamp::from_second(CLOCK.load(Ordering::Relaxed)).unwrap()
}

#[tokio::test]
async fn what_an_application_keeps_lives_as_long_as_its_tenant_wants() {
    let stage = Stage::set().await;
    let (here, elsewhere) = (process(&stage, clock), process(&stage, clock));
    for recall in [&here, &elsewhere] {
        assert_eq!(lives(recall, CHAT, "acme", clock()).await, 7200, "the deployment's");
    }
    let own = json!({"lifetimes": {"working_memory_seconds": 600, "tool_state_seconds": 60}});
    let changed = ask(&here, "PATCH", "/v1/settings", "acme", Some(own)).await;
    let shown = &changed.body["settings"]["lifetimes"];
    assert_eq!((changed.status, &shown["working_memory_seconds"]), (200, &json!(600)), "{}", changed.body);
    assert_eq!(shown["session_context_seconds"], Value::Null);
    let of = async |recall, tenant| {
        (lives(recall, CHAT, tenant, clock()).await, lives(recall, SEARCH, tenant, clock()).await)
    };
    assert_eq!((of(&here, "acme").await, of(&here, "other").await), ((600, 60), (7200, 1800)));
    // Another process has seen it once what it believed is half a minute old.
    CLOCK.fetch_add(30, Ordering::Relaxed);
    assert_eq!((of(&elsewhere, "acme").await, of(&elsewhere, "other").await), ((600, 60), (7200, 1800)));
    // Reading is activity, for as long as the tenant wants too.
    CLOCK.fetch_add(59, Ordering::Relaxed);
    assert_eq!(ask(&here, "GET", SEARCH, "acme", None).await.status, 200);
    CLOCK.fetch_add(59, Ordering::Relaxed);
    assert_eq!(ask(&here, "GET", SEARCH, "acme", None).await.status, 200);
    CLOCK.fetch_add(60, Ordering::Relaxed);
    assert_eq!(ask(&here, "GET", SEARCH, "acme", None).await.status, 404);
    assert_eq!(ask(&here, "GET", SEARCH, "other", None).await.status, 200);
    // Null is the deployment's again.
    let none = ask(&here, "PATCH", "/v1/settings", "acme", Some(json!({"lifetimes": null}))).await;
    assert_eq!(none.status, 200, "{}", none.body);
    assert_eq!(of(&here, "acme").await, (7200, 1800));
}

#[tokio::test]
async fn a_wrong_setting_is_named_and_nothing_of_its_request_is_done() {
    let stage = Stage::set().await;
    let recall = process(&stage, stage.services.now);
    let before = ask(&recall, "GET", "/v1/settings", "acme", None).await.body;
    assert_eq!(before["models"], json!(["eu", "large"]), "what `model` may be");
    for (wrong, parameter) in [
        (json!({"lifetimes": {"tool_state_seconds": 59}}), "lifetimes.tool_state_seconds"),
        (json!({"lifetimes": {"session_context_seconds": 2_592_001}}), "lifetimes.session_context_seconds"),
        (json!({"lifetimes": {"working_memory_seconds": "600"}}), "lifetimes.working_memory_seconds"),
        (json!({"lifetimes": {"colour": 60}}), "colour"),
        (json!({"model": "https://models.example/v1"}), "model"),
        (json!({"model": {"url": "https://models.example/v1"}}), "model"),
    ] {
        let mut asked = wrong.clone();
        asked["confidence_floor"] = json!(0.9);
        let refused = ask(&recall, "PATCH", "/v1/settings", "acme", Some(asked.clone())).await;
        assert_eq!((refused.status, refused.parameter()), (400, parameter), "{wrong}: {}", refused.body);
        let asked = json!({"settings": asked});
        let refused = send(&recall, "PUT", "/v1/admin/tenants/new", None, Some(asked)).await;
        let named = refused.parameter().strip_prefix("settings.").unwrap_or(refused.parameter());
        assert_eq!((refused.status, named), (400, parameter), "{wrong}: {}", refused.body);
    }
    assert_eq!(ask(&recall, "GET", "/v1/settings", "acme", None).await.body, before);
    assert_eq!(send(&recall, "GET", "/v1/admin/tenants/new", None, None).await.status, 404);
    for model in ["eu", "built-in"] {
        let chosen = ask(&recall, "PATCH", "/v1/settings", "acme", Some(json!({"model": model}))).await;
        assert_eq!(
            (chosen.status, &chosen.body["settings"]["model"]),
            (200, &json!(model)),
            "{}",
            chosen.body
        );
    }
}

#[tokio::test]
async fn a_sessions_context_lives_as_long_as_its_tenant_wants() {
    let stage = Stage::set().await;
    let own = r#"update afterthought.tenants set settings = '{"lifetimes": {"session_context_seconds": 600}}'
                 where tenant = 'acme'"#;
    stage.owner.batch_execute(own).await.unwrap();
    let (store, hot) = (stage.services.store.clone(), stage.services.hot.clone());
    let indexer = Indexer::new(Embedder::BuiltIn, store, hot, stage.services.now);
    let user = UserId::new("ada").unwrap();
    let began = (stage.services.now)();
    let is_warm = async |of: &TenantId, seconds: i64| {
        let at = began.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let hot = &stage.services.hot;
        let context = hot.get_context(of, &user, "chat", at).await.unwrap();
        let latest = hot.latest_session(of, &user, at).await.unwrap();
        (matches!(context, Read::Present(_)), matches!(latest, Read::Present(_)))
    };
    for name in ["acme", "other"] {
        let insert = "insert into afterthought.messages (tenant, user_id, session, role, content)
                      values ($1, 'ada', 'chat', 'user', 'I sail.') returning session_id";
        let session = SessionId(stage.owner.query_one(insert, &[&name]).await.unwrap().get(0));
        let wake_up = WakeUp::Session { tenant: tenant(name), session, version: 1 };
        assert!(deliver(&stage.services, &indexer, wake_up).await);
    }
    let (acme, other) = (tenant("acme"), tenant("other"));
    assert_eq!((is_warm(&acme, 500).await, is_warm(&other, 500).await), ((true, true), (true, true)));
    assert_eq!((is_warm(&acme, 900).await, is_warm(&other, 900).await), ((false, false), (true, true)));
    // What recall puts back of a session that was lost lives as long, and a session that was quiet for longer has expired.
    stage.services.hot.erase_user(&acme, &user).await.unwrap();
    let hydrate = "/v1/users/ada/hydrate?session=chat";
    let recall = process(&stage, stage.services.now);
    assert_eq!(ask(&recall, "GET", hydrate, "acme", None).await.body["state"], "lost");
    assert_eq!((is_warm(&acme, 500).await, is_warm(&acme, 900).await), ((true, true), (false, false)));
    stage.services.hot.erase_user(&other, &user).await.unwrap();
    let in_a_quarter = process(&stage, a_quarter_of_an_hour_later);
    assert_eq!(ask(&in_a_quarter, "GET", hydrate, "acme", None).await.body["state"], "expired");
    assert_eq!(ask(&in_a_quarter, "GET", hydrate, "other", None).await.body["state"], "lost");
}

#[expect(clippy::disallowed_methods, reason = "beside the clock of the services, which is the process's")]
fn a_quarter_of_an_hour_later() -> Timestamp {
    Timestamp::now().checked_add(SignedDuration::from_mins(15)).unwrap()
}

#[tokio::test]
async fn a_change_by_sql_is_seen_when_the_copy_is_fresh_no_more() {
    let stage = Stage::set().await;
    let at = |seconds: i64| Timestamp::from_second(BEGAN + seconds).unwrap();
    let keyring = || Keyring::new(stage.services.store.clone(), stage.services.hot.clone());
    let (edge, beside) = (keyring(), keyring().with_settings_fresh_for(SignedDuration::from_secs(30)));
    let acme = tenant("acme");
    let seconds = |settings: TenantSettings| settings.lifetimes.tool_state_seconds;
    assert_eq!(seconds(edge.settings(&acme, at(0)).await.unwrap()), None);
    let change = async |seconds: u32| {
        let own = json!({"lifetimes": {"tool_state_seconds": seconds}});
        let set = "update afterthought.tenants set settings = $1 where tenant = 'acme'";
        stage.owner.execute(set, &[&own]).await.unwrap();
    };
    change(90).await;
    assert_eq!(seconds(edge.settings(&acme, at(3599)).await.unwrap()), None);
    assert_eq!(
        seconds(keyring().settings(&acme, at(3600)).await.unwrap()),
        Some(90),
        "an hour, in any process"
    );
    assert_eq!(seconds(edge.settings_if_known(&acme, at(3599 + 30)).await), Some(90), "by the copy it left");

    change(120).await;
    assert_eq!(seconds(beside.settings_if_known(&acme, at(3629)).await), Some(90), "the copy is 29 s old");
    assert_eq!(
        seconds(beside.settings_if_known(&acme, at(3659)).await),
        Some(120),
        "a minute later at the latest"
    );
    assert_eq!(seconds(edge.settings_if_known(&acme, at(3660)).await), Some(120), "for everybody");
}

#[tokio::test]
async fn settings_that_nobody_can_tell_are_asked_for_once_in_a_while() {
    let stage = Stage::set().await;
    let at = |seconds: i64| Timestamp::from_second(BEGAN + seconds).unwrap();
    let away = store::DatabaseConfig::parse(NO_DATABASE).unwrap();
    let away = store::Store::new(&away, store::Role::Agent, 1).unwrap();
    let keyring = Keyring::new(away, stage.services.hot.clone());
    let (acme, none) = (tenant("acme"), TenantSettings::default());
    assert!(keyring.settings(&acme, at(0)).await.is_err(), "whoever needs them is told");
    assert_eq!(keyring.settings_if_known(&acme, at(0)).await, none);
    let lifetimes = HotLifetimes { tool_state_seconds: Some(90), ..HotLifetimes::default() };
    let own = TenantSettings { lifetimes, ..none.clone() };
    let copy = hot::VersionedSettings { version: 2, settings: own.clone() };
    stage.services.hot.put_settings(&acme, &copy, at(1)).await.unwrap();
    assert_eq!(keyring.settings_if_known(&acme, at(9)).await, none, "not yet again");
    assert_eq!(keyring.settings_if_known(&acme, at(10)).await, own);
    // Where keys are not required, an application's settings hold without Postgres.
    let told = send(&process(&stage, clock), "GET", "/v1/settings", None, None).await;
    assert_eq!(told.status, 200, "{}", told.body);
}
