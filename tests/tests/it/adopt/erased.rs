//! What is noted of rows of somebody who is erased: their keys may name them.

use std::time::Duration;

use domain::{TenantId, UserId};
use serde_json::{Value, json};
use store::{Erasing, OpenErasure, Role};
use tokio_postgres::Client;

use super::stage::Stage;

const SAID: &str =
    "create table public.said (customer text, place int, body text, primary key (customer, place))";
/// Tells the erasures of a user from those of others, as `begin_erasure` does.
const LOCK: &str = "select pg_advisory_xact_lock(hashtextextended('acme' || e'\\x1f' || 'ada', 15))";
const ERASE: &str =
    "insert into afterthought.erasures (id, tenant, subject, user_digest, subject_digest, names, counts)
     select gen_random_uuid(), 'acme', 'user', digest, digest, '{\"user\": \"ada\"}', '{}'
     from afterthought.subject_digest('acme', 'ada') as digest";
const REFUSE: &str = "select afterthought.record_refusals(
                          a.id, array['[\"ada\", \"7\"]'::jsonb], array['it says nothing'], array['acme'], array['ada'],
                          array[now() - interval '1 minute'])
                      from afterthought.adopted_tables a";
const REFUSALS: &str = "select count(*) from afterthought.adopted_refusals where key::text like '%ada%'";

fn said() -> Value {
    json!({"relation": "public.said", "tenant": {"value": "acme"}, "user": "/customer", "session": {"value": "chat"},
           "content": "/body"})
}

async fn verified(stage: &Stage) -> Vec<(String, i64)> {
    let verify = "select layer, remaining from afterthought.verify_erasure('acme', 'ada') order by layer";
    stage.owner.query(verify, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn open(stage: &Stage) -> Vec<OpenErasure> {
    let keeper = stage.store(Role::Keeper);
    keeper.open_erasures(&TenantId::new("acme").unwrap(), None, 10).await.unwrap()
}

#[tokio::test]
async fn an_erasure_stays_open_while_rows_wait_that_may_be_of_it() {
    let stage = Stage::set().await;
    stage.run(SAID).await;
    stage.adopt(said()).await;
    let following = stage.follow();
    stage.run("insert into public.said values ('ada', 1, 'one'), ('ada', 2, null), ('ben', 1, 'one')").await;
    stage.until_followed("public.said", 3).await;
    assert_eq!(stage.count(REFUSALS).await, 1);
    // Nobody can read what comes now.
    stage.run("alter table public.said rename column body to words").await;
    stage
        .run("insert into public.said values ('ada', 3, 'three'), ('ada', 4, null), ('ben', 2, 'two')")
        .await;
    stage.until("they wait", async || stage.adoption("public.said").await.waiting == 3).await;

    let (tenant, user) = (TenantId::new("acme").unwrap(), UserId::new("ada").unwrap());
    let keeper = stage.store(Role::Keeper);
    let erased = keeper.erase(&tenant, &user, Erasing::User, &[]).await.unwrap().unwrap();
    assert!(keeper.purge_erased(&tenant, erased.receipt.id, 100).await.unwrap().is_done);
    assert_eq!(stage.count(REFUSALS).await, 0);
    assert!(!keeper.is_erasure_alone(&tenant, erased.receipt.id).await.unwrap());
    let left = keeper.complete_erasure(&open(&stage).await[0]).await.unwrap();
    assert_eq!(left.0, [("adopted_arrivals".to_owned(), 3)].into());
    let waiting = [("adopted_arrivals".to_owned(), 3), ("erasure without an end".to_owned(), 1)];
    assert_eq!(verified(&stage).await, waiting);

    // What was there is dropped when it is read, and nothing is noted of it. What comes now is a new life.
    let mut mended = said();
    mended["content"] = "/words".into();
    stage.adopt(mended).await;
    stage.run("insert into public.said values ('ada', 5, 'five')").await;
    stage.until_followed("public.said", 7).await;
    let logged = stage.logged("acme").await;
    let mut contents: Vec<&str> = logged["chat"].iter().map(|(_, content)| content.as_str()).collect();
    contents.sort_unstable();
    assert_eq!(contents, ["five", "one", "two"]);
    assert_eq!(stage.count(REFUSALS).await, 0);
    assert!(keeper.is_erasure_alone(&tenant, erased.receipt.id).await.unwrap());
    assert!(keeper.complete_erasure(&open(&stage).await[0]).await.unwrap().is_nothing());
    assert_eq!((verified(&stage).await, open(&stage).await), (vec![], vec![]));
    following.stopped().await;
}

#[tokio::test]
async fn a_table_of_another_tenant_holds_no_erasure_up() {
    let stage = Stage::set().await;
    stage.run("insert into afterthought.tenants (tenant) values ('other')").await;
    stage.run(SAID).await;
    let mut others = said();
    others["tenant"]["value"] = "other".into();
    stage.adopt(others).await;
    let wait = "insert into afterthought.adopted_arrivals (adoption_id, key, written_at)
                select id, '[\"ada\", \"1\"]', now() - interval '1 minute' from afterthought.adopted_tables";
    stage.run(wait).await;
    stage.run(ERASE).await;
    let erasure = open(&stage).await.remove(0);
    assert!(stage.store(Role::Keeper).is_erasure_alone(&erasure.tenant, erasure.id).await.unwrap());
    // A refusal that was left is named.
    stage
        .run(
            "insert into afterthought.adopted_refusals (adoption_id, key, reason, user_digest, refused_at)
             select id, '[\"ada\", \"2\"]', 'left', afterthought.subject_digest('acme', 'ada'), now() - interval '1 minute'
             from afterthought.adopted_tables",
        )
        .await;
    let named = [("adopted_refusals".to_owned(), 1), ("erasure without an end".to_owned(), 1)];
    assert_eq!(verified(&stage).await, named);
}

/// Waits until somebody waits for a lock.
async fn until_waiting(stage: &Stage) {
    let waits = "select count(*) from pg_locks where not granted and locktype = 'advisory'
                 and database = (select oid from pg_database where datname = current_database())";
    tokio::time::timeout(Duration::from_secs(30), async {
        while stage.count(waits).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("nobody waits");
}

async fn client(stage: &Stage) -> Client {
    stage.database.client().await.unwrap()
}

#[tokio::test]
async fn an_erasure_and_the_note_of_a_refused_row_see_each_other() {
    let stage = Stage::set().await;
    stage.run(SAID).await;
    stage.adopt(said()).await;
    let (one, other) = (client(&stage).await, client(&stage).await);
    let note = async |client: &Client| client.batch_execute(REFUSE).await.unwrap();
    let erase = async |client: &Client| client.batch_execute(&format!("{LOCK}; {ERASE}")).await.unwrap();
    // The note first: the erasure waits for it, and takes it along.
    one.batch_execute("begin").await.unwrap();
    other.batch_execute("begin").await.unwrap();
    note(&one).await;
    let end = async |client: &Client| {
        until_waiting(&stage).await;
        client.batch_execute("commit").await.unwrap();
    };
    tokio::join!(erase(&other), end(&one));
    other.batch_execute("commit").await.unwrap();
    assert_eq!(stage.count(REFUSALS).await, 0);
    // The erasure first: the row was there before, and nothing is noted.
    one.batch_execute("begin").await.unwrap();
    erase(&one).await;
    tokio::join!(note(&other), end(&one));
    assert_eq!(stage.count(REFUSALS).await, 0);
}
