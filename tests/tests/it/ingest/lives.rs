//! How long what waits for the log is shown: as long as its tenant wants.

use domain::{TenantId, UserId};
use hot::Read;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::stage::{Stage, event};

/// How many turns of a tenant are shown as pending so many seconds after `began`, and whether its user's latest session is
/// known then.
async fn shown(stage: &Stage, tenant: &str, began: Timestamp, seconds: i64) -> (usize, bool) {
    let (tenant, user) = (TenantId::new(tenant).unwrap(), UserId::new("ada").unwrap());
    let at = began.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    let turns = stage.hot.pending_turns(&tenant, &user, "chat", at).await.unwrap();
    let latest = stage.hot.latest_session(&tenant, &user, at).await.unwrap();
    (turns.len(), matches!(latest, Read::Present(_)))
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "beside the clock of the functions, which is the process's")]
async fn what_waits_is_shown_for_as_long_as_its_tenant_wants() {
    let stage = Stage::set().await;
    let own = r#"update afterthought.tenants set settings = '{"lifetimes": {"session_context_seconds": 120}}'
                 where tenant = 'acme'"#;
    stage.owner.batch_execute(own).await.unwrap();
    let began = Timestamp::now();
    let said = json!({"events": [event("ada", "chat", "hello")]}).to_string();
    for tenant in ["acme", "default"] {
        let (status, told) = stage.post("/v1/events", &[("afterthought-tenant", tenant)], &said).await;
        assert_eq!(status, 202, "{told}");
    }
    let (hour, day) = (3600, 86_400);
    for (tenant, seconds, expected) in [
        ("acme", 100, (1, true)),
        ("acme", 300, (0, false)),
        ("default", 300, (1, true)),
        ("default", hour, (1, true)),
        ("default", day + 180, (0, false)),
    ] {
        assert_eq!(shown(&stage, tenant, began, seconds).await, expected, "{tenant} after {seconds} s");
    }
    // Whoever stores the events cannot: hot state tells what Postgres does not.
    stage.stop_postgres();
    let messages = stage.receive().await;
    assert_eq!(stage.hand_over(&messages).await.len(), 2, "they are delivered again");
    for (tenant, seconds, expected) in [
        ("acme", 100, (1, true)),
        ("acme", 300, (0, false)),
        ("default", hour, (1, true)),
        ("default", day + 180, (0, false)),
    ] {
        assert_eq!(shown(&stage, tenant, began, seconds).await, expected, "{tenant} after {seconds} s, kept");
    }
    stage.start_postgres();
    stage.give_back(&messages).await;
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["hello"]);
    assert_eq!(shown(&stage, "default", began, 100).await.0, 0);
}
