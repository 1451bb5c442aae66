//! An erasure that stays open says what it waits for, is measured, and is looked at again.

use std::collections::HashMap;

use domain::WakeUp;
use janitor::{Janitor, Worked};
use jiff::{SignedDuration, Timestamp};
use runtime::{Config, Services};
use serde_json::{Value, json};

use super::stage::{Stage, VICTIM};
use crate::asking::ask;

/// What a receipt says that the victim's erasure waits for.
async fn waits_for(stage: &Stage, id: &str) -> Value {
    let receipt = stage.done("GET", VICTIM, &format!("/erasures/{id}"), Value::Null).await;
    let listed = stage.keeper.open_erasures(&Stage::tenant(), None, 10).await.unwrap();
    assert_eq!(receipt["status"] == "complete", listed.is_empty(), "{receipt}");
    receipt["waits_for"].clone()
}

/// A janitor of a deployment that says this beside what the stage's says; an empty value for nothing.
async fn janitor(stage: &Stage, variable: &str, value: &str) -> Janitor {
    let mut variables: HashMap<String, String> = stage.services.config.variables.clone();
    variables.insert("DATABASE_URL".to_owned(), stage.database.url().to_owned());
    variables.insert(variable.to_owned(), value.to_owned());
    let config = Config::from_map(&variables).unwrap();
    Janitor::from_services(&Services::with_aws(&config, stage.aws.config().clone()).await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_open_erasure_says_what_it_waits_for() {
    let stage = Stage::set().await;
    stage.import(VICTIM, 0).await;
    let table = "create schema application;
                 create table application.said (customer text, body text, id bigint primary key)";
    stage.owner.batch_execute(table).await.unwrap();
    let entry = json!({"relation": "application.said", "tenant": {"value": "acme"}, "user": "/customer",
                       "session": {"value": "said"}, "content": "/body"});
    stage.owner.query("select afterthought.adopt($1)", &[&entry]).await.unwrap();
    let unread = "insert into afterthought.adopted_arrivals (adoption_id, key, written_at)
                  select id, '[\"1\"]', now() - interval '1 hour' from afterthought.adopted_tables";
    stage.owner.batch_execute(unread).await.unwrap();
    let open = stage.database.client().await.unwrap();
    open.batch_execute("begin").await.unwrap();
    stage.insert(&open, VICTIM, 9).await;

    let erased = stage.done("POST", VICTIM, "/erasures", json!({"subject": "user"})).await;
    let id = erased["id"].as_str().unwrap();
    let both = json!([{"reason": "transactions"},
                      {"reason": "adopted_table", "table": "application.said", "state": "unread"}]);
    assert_eq!(erased["waits_for"], both, "{erased}");
    let janitor = janitor(&stage, "ERASURE_SETTLE_SECONDS", "0").await;
    let soon = Worked::Settling(SignedDuration::from_mins(15));
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), soon);
    open.batch_execute("commit").await.unwrap();
    let breaks = "update afterthought.adopted_tables set broken = 'column body is not there any more', broken_at = now()";
    stage.owner.batch_execute(breaks).await.unwrap();
    let broken = json!([{"reason": "adopted_table", "table": "application.said", "state": "broken"}]);
    assert_eq!(waits_for(&stage, id).await, broken);
    let (_, listed) = stage.ask_for_text("GET", "/v1/erasures?open=true", Value::Null).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["erasures"][0]["waits_for"], broken, "{listed}");
    let counted = stage.keeper.count_open_erasures().await.unwrap();
    assert_eq!(
        counted.iter().map(|open| (open.tenant.as_str(), open.count)).collect::<Vec<_>>(),
        [("acme", 1)]
    );

    // Of another tenant it is nothing at all.
    let other = domain::TenantId::new("default").unwrap();
    let of_other = stage.keeper.erasure_waits_for(&other, id.parse().unwrap()).await.unwrap();
    assert_eq!(of_other, []);

    stage.owner.batch_execute("select afterthought.end_adoption('application.said')").await.unwrap();
    assert_eq!(waits_for(&stage, id).await, json!([{"reason": "last_look"}]));
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    assert_eq!(waits_for(&stage, id).await, json!([]));
    assert_eq!(stage.keeper.count_open_erasures().await.unwrap(), []);
}

#[tokio::test]
async fn an_erasure_stays_open_while_somebody_else_has_dead_letters() {
    let stage = Stage::set().await;
    stage.import(VICTIM, 0).await;
    let wake_up = WakeUp::User { tenant: Stage::tenant(), user: domain::UserId::new(VICTIM).unwrap() };
    stage.bury("memory-curator", wake_up).await;
    let letters = stage.services.config.routes.dead_letters("memory-curator").unwrap();
    stage.done("POST", VICTIM, "/erasures", json!({"subject": "user"})).await;
    // An operator is looking at them.
    let sqs = stage.aws.sqs();
    let looked = sqs.receive_message().queue_url(&letters).visibility_timeout(600).send().await.unwrap();
    let janitor = janitor(&stage, "ERASURE_SETTLE_SECONDS", "0").await;
    let soon = Worked::Settling(SignedDuration::from_mins(15));
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), soon);
    assert_eq!(stage.keeper.open_erasures(&Stage::tenant(), None, 10).await.unwrap().len(), 1);
    let verified = "/v1/admin/erasures/verification?tenant=acme&user=quagga-rider";
    let answer = ask(&stage.recall, "GET", verified, &[], None).await;
    assert_eq!((answer.status, &answer.json()["cut"]), (200, &json!(["dead_letters"])), "{}", answer.text);

    let receipt = looked.messages()[0].receipt_handle().unwrap();
    let back = sqs.change_message_visibility().queue_url(&letters).receipt_handle(receipt);
    back.visibility_timeout(0).send().await.unwrap();
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    assert_eq!(stage.aws.drain(&letters).await.unwrap(), []);
}

#[tokio::test]
async fn an_erasure_that_fails_is_looked_at_again_soon_and_holds_up_no_other() {
    let stage = Stage::set().await;
    for user in [VICTIM, "ada"] {
        stage.import(user, 0).await;
    }
    stage.archive("quagga-rider part 0").await;
    // Whoever is asked ends once Postgres has committed, and the archive is not there.
    let mut erased = Vec::new();
    for user in [VICTIM, "ada"] {
        let user = domain::UserId::new(user).unwrap();
        let tenant = Stage::tenant();
        let made = stage.keeper.erase(&tenant, &user, store::Erasing::User, &[]).await.unwrap().unwrap();
        erased.push(made.receipt.id.to_string());
    }
    let reasons = json!([{"reason": "hot_state"}, {"reason": "archive"}, {"reason": "rows"}]);
    assert_eq!(waits_for(&stage, &erased[0]).await, reasons);
    let soon = Worked::Settling(SignedDuration::from_mins(15));
    let without = janitor(&stage, "ARCHIVE_URL", "").await;
    assert_eq!(without.work(Timestamp::MAX).await.unwrap(), soon);
    assert_eq!(waits_for(&stage, &erased[0]).await, json!([{"reason": "archive"}, {"reason": "rows"}]));
    let ada = stage.done("GET", "ada", &format!("/erasures/{}", erased[1]), Value::Null).await;
    assert_eq!(ada["status"], "complete", "{ada}");
    let again = janitor(&stage, "ERASURE_SETTLE_SECONDS", "0").await;
    assert_eq!(again.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    assert_eq!(waits_for(&stage, &erased[0]).await, json!([]));
}
