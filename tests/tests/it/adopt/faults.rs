//! What goes wrong, what changes, and who is erased.

use serde_json::json;
use store::migrate::{self, Slot};
use store::{DatabaseConfig, Role};

use super::stage::Stage;
use super::{MESSAGES, messages};

/// The name of a conversation.
const CHAT: &str = "00000000-0000-0000-0000-000000000007";

fn say(body: &str) -> String {
    format!(
        "insert into public.messages (conversation_id, sender, body, created_at) values ('{CHAT}', 'customer', '{body}', now())"
    )
}

#[tokio::test]
async fn a_table_that_cannot_be_read_says_why_and_holds_up_no_other() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    stage.run("create table public.others (like public.messages including all)").await;
    let mut others = messages();
    others["relation"] = "public.others".into();
    stage.adopt(messages()).await;
    stage.adopt(others.clone()).await;
    let following = stage.follow();
    stage.run(&say("one")).await;
    stage.until_followed("public.messages", 1).await;
    stage.run("alter table public.messages rename column body to words").await;
    stage.run(&say("two").replace("body", "words")).await;
    stage.until("it is broken", async || stage.adoption("public.messages").await.broken.is_some()).await;
    let broken = stage.adoption("public.messages").await;
    assert!(broken.broken.as_deref().unwrap().contains("column t.body does not exist"), "{broken:?}");
    assert_eq!((broken.waiting, broken.broken_at.is_some()), (1, true));
    // The other one is followed, and so is this one when it is told what is where now.
    stage.run(&say("three").replace("public.messages", "public.others")).await;
    stage.until_followed("public.others", 1).await;
    let mut renamed = messages();
    renamed["content"] = "/words".into();
    assert_eq!(stage.adopt(renamed.clone()).await["version"], 2);
    stage.run(&say("four").replace("body", "words")).await;
    stage.until_followed("public.messages", 3).await;
    assert_eq!(stage.adoption("public.messages").await.broken, None);
    assert_eq!(stage.contents(CHAT).await, ["one", "three", "two", "four"]);
    // A table that is gone is named too, and the adoption can be ended.
    stage.run("drop table public.others").await;
    stage.run(&say("five").replace("body", "words")).await;
    stage.until_followed("public.messages", 4).await;
    stage.until("the other is broken", async || stage.adoption("public.others").await.broken.is_some()).await;
    let broken = stage.adoption("public.others").await.broken.unwrap();
    assert!(broken.contains("the table public.others is not there any more"), "{broken}");
    let login = stage.store(Role::Login);
    assert!(login.end_adoption("public.others").await.unwrap());
    // The end of an adoption ends its stream; what is stored stays.
    assert!(login.end_adoption("public.messages").await.unwrap());
    assert!(!login.end_adoption("public.messages").await.unwrap());
    stage.run(&say("after the end").replace("body", "words")).await;
    stage.adopt(renamed).await;
    stage.until_read("public.messages").await;
    let expected = ["one", "three", "two", "four", "five", "after the end"];
    assert_eq!(stage.contents(CHAT).await, expected, "adopted again, what is stored is not stored twice");
    assert_eq!(stage.dead_letters().await, 0);
    following.stopped().await;
}

#[tokio::test]
async fn a_slot_that_was_lost_loses_no_row_and_a_row_that_was_changed_is_not_said_twice() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    stage.adopt(messages()).await;
    let following = stage.follow();
    stage.run(&say("one")).await;
    stage.run(&say("two")).await;
    stage.until_followed("public.messages", 2).await;
    following.stopped().await;
    // The server takes a moment to see that the reader is gone.
    let drop = "select count(pg_drop_replication_slot(slot_name)) from pg_replication_slots where not active and slot_name = $1";
    while stage.owner.query_one(drop, &[&stage.slot]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stage.run(&say("while there was no slot")).await;
    stage.run("update public.messages set body = 'two, corrected' where body = 'two'").await;
    stage.run("delete from public.messages where body = 'one'").await;
    let config = DatabaseConfig::parse(stage.database.url()).unwrap();
    assert!(migrate::run(&config, Slot::Ensure(&stage.slot)).await.unwrap().slot_created);
    assert_eq!(stage.adoption("public.messages").await.backfilled_at, None);
    let following = stage.follow();
    stage.until_read("public.messages").await;
    assert_eq!(stage.contents(CHAT).await, ["one", "two", "while there was no slot"]);
    assert_eq!(stage.dead_letters().await, 0);
    following.stopped().await;
}

#[tokio::test]
async fn what_had_been_there_when_its_user_was_erased_does_not_come_back_and_what_is_said_after_does() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    // The same table told by two entries, one of which does not say when a row was written.
    stage.run("create table public.untimed (like public.messages including all)").await;
    let erase =
        "insert into afterthought.erasures (id, tenant, subject, user_digest, subject_digest, names, counts)
                 select gen_random_uuid(), 'acme', 'user', digest, digest, '{}', '{}'
                 from afterthought.subject_digest('acme', '00000000-0000-0000-0000-000000000007') as digest";
    let of_untimed = |body: &str| say(body).replace("public.messages", "public.untimed");
    stage.run(&say("before")).await;
    stage.run(&of_untimed("before, untimed")).await;
    stage.run(erase).await;
    stage.run(&say("after, and before the adoption")).await;
    stage.run(&of_untimed("after, untimed, and before the adoption")).await;
    stage.adopt(messages()).await;
    let untimed = json!({
        "relation": "public.untimed", "tenant": {"value": "acme"}, "user": "/conversation_id",
        "session": "/conversation_id", "content": "/body",
    });
    stage.adopt(untimed).await;
    let following = stage.follow();
    stage.until_read("public.messages").await;
    stage.until_read("public.untimed").await;
    assert_eq!(stage.contents(CHAT).await, ["after, and before the adoption"]);
    stage.run(&say("followed")).await;
    stage.run("insert into public.messages (conversation_id, sender) values ('00000000-0000-0000-0000-000000000007', 'nobody')").await;
    stage.run(&of_untimed("followed, untimed")).await;
    stage.until_followed("public.messages", 2).await;
    stage.until_followed("public.untimed", 1).await;
    assert_eq!(
        stage.contents(CHAT).await,
        ["after, and before the adoption", "followed", "followed, untimed"]
    );
    // A row that became no event names its key; with its user that goes too.
    let refusals = "select count(*) from afterthought.adopted_refusals";
    assert_eq!(stage.count(refusals).await, 1);
    stage.run(erase).await;
    assert_eq!(stage.count(refusals).await, 0);
    following.stopped().await;
}

#[tokio::test]
async fn rows_wait_for_a_queue_that_takes_nothing_and_the_slot_does_not() {
    let mut stage = Stage::set().await;
    stage.run(MESSAGES).await;
    stage.adopt(messages()).await;
    let following = stage.follow();
    stage.until_read("public.messages").await;
    following.stopped().await;
    let queue = std::mem::replace(&mut stage.queue, "http://127.0.0.1:9/000000000000/gone.fifo".to_owned());
    let following = stage.follow();
    stage.run(&say("one")).await;
    stage.run(&say("two")).await;
    let confirmed = format!(
        "select count(*) from pg_replication_slots where slot_name = '{}' and confirmed_flush_lsn >= $1",
        stage.slot
    );
    let end: tokio_postgres::types::PgLsn =
        stage.owner.query_one("select pg_current_wal_lsn()", &[]).await.unwrap().get(0);
    let is_confirmed =
        async || stage.owner.query_one(&confirmed, &[&end]).await.unwrap().get::<_, i64>(0) == 1;
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while !is_confirmed().await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the slot waits for the queue");
    assert_eq!(stage.adoption("public.messages").await.waiting, 2);
    following.killed().await;
    stage.queue = queue;
    let following = stage.follow();
    stage.until_followed("public.messages", 2).await;
    assert_eq!(stage.contents(CHAT).await, ["one", "two"]);
    following.stopped().await;
}
