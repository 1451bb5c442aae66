//! Rows that could be missed: no row is, or it is said that it will be.

use std::time::Duration;

use cdc_reader::Arrivals;
use serde_json::{Value, json};
use store::migrate::{self, Slot};
use store::{DatabaseConfig, Role};
use tokio_util::sync::CancellationToken;

use super::stage::Stage;
use super::{MESSAGES, messages};

const CHAT: &str = "00000000-0000-0000-0000-000000000007";
const LIMIT: Duration = Duration::from_secs(30);

fn say(relation: &str, body: &str) -> String {
    format!(
        "insert into {relation} (conversation_id, sender, body, created_at) values ('{CHAT}', 'customer', '{body}', now())"
    )
}

fn say_here(body: &str) -> String {
    say("public.messages", body)
}

/// Waits until a query counts one.
async fn until_one(stage: &Stage, sql: &str) {
    tokio::time::timeout(LIMIT, async {
        while stage.count(sql).await != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_or_else(|_elapsed| panic!("never one: {sql}"));
}

async fn until_broken(stage: &Stage, reason: &str) {
    stage
        .until(reason, async || {
            let broken = stage.adoption("public.messages").await.broken;
            broken.is_some_and(|broken| broken.contains(reason))
        })
        .await;
}

/// Adopts the table again; the next row tells the follower, which would look by itself a minute later.
async fn adopt_again(stage: &Stage, next: &str) {
    stage.adopt(messages()).await;
    stage.run(&say_here(next)).await;
}

#[tokio::test]
async fn a_migration_that_dies_while_its_slot_is_made_loses_no_row() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    stage.adopt(messages()).await;
    let following = stage.follow();
    stage.run(&say_here("one")).await;
    stage.until_followed("public.messages", 1).await;
    following.stopped().await;
    let slot = &stage.slot;
    let drop = format!(
        "select count(pg_drop_replication_slot(slot_name)) from pg_replication_slots where not active and slot_name = '{slot}'"
    );
    until_one(&stage, &drop).await;
    stage.run(&say_here("while there was no slot")).await;
    // A slot waits for every open transaction, and what that one says is in no stream.
    let writer = stage.database.client().await.unwrap();
    let last = say_here("while the slot was made");
    writer.batch_execute(&format!("set synchronous_commit = on; begin; {last}")).await.unwrap();
    let config = DatabaseConfig::parse(stage.database.url()).unwrap();
    let (of_run, name) = (config.clone(), stage.slot.clone());
    let run = tokio::spawn(async move { migrate::run(&of_run, Slot::Ensure(&name)).await });
    until_one(&stage, &format!("select count(*) from pg_replication_slots where slot_name = '{slot}'")).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    writer.batch_execute("commit").await.unwrap();
    let made = format!(
        "select count(*) from pg_replication_slots
         where slot_name = '{slot}' and not active and confirmed_flush_lsn is not null"
    );
    until_one(&stage, &made).await;
    // Whoever follows it reads everything; so it does when it had been through, and the next run hears of the last one.
    assert_eq!(stage.adoption("public.messages").await.backfilled_at, None);
    let following = stage.follow();
    stage.until_read("public.messages").await;
    assert_eq!(stage.contents(CHAT).await, ["one", "while there was no slot", "while the slot was made"]);
    let waits = "select count(*) from afterthought.adopted_tables where awaits_slot";
    assert_eq!(stage.count(waits).await, 1);
    let version = stage.adoption("public.messages").await.version;
    assert!(!migrate::run(&config, Slot::Ensure(slot)).await.unwrap().slot_created);
    assert_eq!(stage.count(waits).await, 0);
    assert_eq!(stage.adoption("public.messages").await.version, version + 1);
    // Once.
    assert!(!migrate::run(&config, Slot::Ensure(slot)).await.unwrap().slot_created);
    assert_eq!(stage.adoption("public.messages").await.version, version + 1);
    following.stopped().await;
}

#[tokio::test]
async fn row_security_that_comes_later_hides_no_row_or_the_table_is_broken() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    stage.adopt(messages()).await;
    let following = stage.follow();
    stage.run("alter table public.messages enable row level security").await;
    // One for somebody else hides nothing.
    stage
        .run(
            "create policy others on public.messages as restrictive to afterthought_operator using (false);
             create policy written on public.messages as restrictive for insert with check (body <> '')",
        )
        .await;
    stage.run(&say_here("one")).await;
    stage.until_followed("public.messages", 1).await;
    assert_eq!(stage.contents(CHAT).await, ["one"]);
    stage.run("create policy mine on public.messages as restrictive for select using (sender = 'me')").await;
    stage.run(&say_here("two")).await;
    until_broken(&stage, "the restrictive policy mine of public.messages may hide rows").await;
    let told = stage.refused(messages()).await;
    let expected = "field `relation` is messages, whose restrictive policy mine may hide rows";
    assert!(told.replace("public.", "").contains(expected), "{told}");
    stage.run("drop policy mine on public.messages").await;
    adopt_again(&stage, "three").await;
    stage.until_followed("public.messages", 3).await;
    stage.run("drop policy afterthought_adopter on public.messages").await;
    stage.run(&say_here("four")).await;
    until_broken(&stage, "row-level security of public.messages hides its rows").await;
    adopt_again(&stage, "five").await;
    stage.until_followed("public.messages", 5).await;
    assert_eq!(stage.contents(CHAT).await, ["one", "two", "three", "four", "five"]);
    following.stopped().await;
}

#[tokio::test]
async fn a_table_that_was_published_as_a_whole_is_published_by_its_key_and_read_from_its_beginning() {
    let stage = Stage::set().await;
    // Every column can be a part of a key, so that nothing but the number of them tells a whole row.
    stage
        .run("create table public.messages (id bigserial primary key, conversation_id uuid, sender text, body text)")
        .await;
    let mut entry = messages();
    entry.as_object_mut().unwrap().remove("occurred_at");
    let say_here = |body: &str| {
        format!(
            "insert into public.messages (conversation_id, sender, body) values ('{CHAT}', 'customer', '{body}')"
        )
    };
    let adopt_again = async |next: &str| {
        stage.adopt(entry.clone()).await;
        stage.run(&say_here(next)).await;
    };
    stage.run("alter publication afterthought add table public.messages").await;
    stage.run(&say_here("before")).await;
    stage.adopt(entry.clone()).await;
    let published = "select count(*) from pg_publication_tables
                     where pubname = 'afterthought' and schemaname = 'public' and attnames = array['id']::name[]";
    assert_eq!(stage.count(published).await, 1);
    let following = stage.follow();
    stage.until_read("public.messages").await;
    stage.run(&say_here("after")).await;
    stage.until_followed("public.messages", 1).await;
    assert_eq!(stage.contents(CHAT).await, ["before", "after"]);
    let adoption = stage.adoption("public.messages").await;
    // The row that came as a whole was not noted.
    assert_eq!((adoption.rows_backfilled, adoption.rows_followed, adoption.rows_refused), (1, 1, 0));
    // Somebody publishes all of it again: nothing of it is kept here.
    stage
        .run(
            "alter publication afterthought drop table public.messages;
             alter publication afterthought add table public.messages",
        )
        .await;
    stage.run(&say_here("meanwhile")).await;
    until_broken(&stage, "with its key alone: adopt it again").await;
    assert_eq!(stage.adoption("public.messages").await.waiting, 0);
    adopt_again("afterwards").await;
    assert_eq!(stage.count(published).await, 1);
    stage.until_read("public.messages").await;
    assert_eq!(stage.contents(CHAT).await, ["before", "after", "meanwhile", "afterwards"]);
    // Rows that do not come at all are missed as well.
    stage
        .run(
            "alter publication afterthought drop table public.messages;
             alter publication afterthought add table public.messages (id) where (id < 0)",
        )
        .await;
    stage.run(&say_here("filtered out")).await;
    adopt_again("last").await;
    stage.until_read("public.messages").await;
    let expected = ["before", "after", "meanwhile", "afterwards", "filtered out", "last"];
    assert_eq!(stage.contents(CHAT).await, expected);
    following.stopped().await;
}

const TAKE_OUT: &str = "alter publication afterthought drop table public.messages";
const PUT_BACK: &str = "alter publication afterthought add table public.messages (id)";

/// The two tables adopted and followed; a row of the second one has the follower look at both.
async fn adopt_two(stage: &Stage) {
    stage.run(MESSAGES).await;
    stage.run("create table public.others (like public.messages including all)").await;
    let mut others = messages();
    others["relation"] = json!("public.others");
    stage.adopt(messages()).await;
    stage.adopt(others).await;
}

#[tokio::test]
async fn a_table_that_was_out_of_the_publication_is_read_from_its_beginning_however_it_comes_back() {
    let stage = Stage::set().await;
    adopt_two(&stage).await;
    let following = stage.follow();
    let mut expected = vec!["one"];
    let said = async |bodies: &[&str]| {
        stage.until("all rows are read", async || stage.contents(CHAT).await.len() >= bodies.len()).await;
        assert_eq!(stage.contents(CHAT).await, bodies);
    };
    stage.run(&say_here("one")).await;
    said(&expected).await;
    // Before anybody looked.
    stage.run(TAKE_OUT).await;
    stage.run(&say_here("in no stream")).await;
    stage.run(PUT_BACK).await;
    stage.run(&say_here("two")).await;
    expected.extend(["in no stream", "two"]);
    said(&expected).await;
    // After it was told, with the entry again, which finds it published.
    let goes_missing = async |body: &str, look: i64| {
        stage.run(TAKE_OUT).await;
        stage.run(&say_here(body)).await;
        stage.run(&say("public.others", "look").replace(CHAT, "00000000-0000-0000-0000-000000000008")).await;
        stage.until_followed("public.others", look).await;
        until_broken(&stage, "not in the publication afterthought any more").await;
        stage.run(PUT_BACK).await;
    };
    goes_missing("missed", 1).await;
    assert_eq!(stage.adopt(messages()).await["backfilled_at"], Value::Null);
    stage.run(&say_here("three")).await;
    expected.extend(["missed", "three"]);
    said(&expected).await;
    // And without.
    goes_missing("missed again", 2).await;
    stage.run(&say_here("four")).await;
    expected.extend(["missed again", "four"]);
    said(&expected).await;
    stage.until_read("public.messages").await;
    assert_eq!(stage.adoption("public.messages").await.broken, None);
    // What was never out of it is not read again.
    let version = stage.adoption("public.messages").await.version;
    let read = stage.adoption("public.messages").await.rows_backfilled;
    assert!(stage.adopt(messages()).await["backfilled_at"].is_string());
    stage.run(&say_here("five")).await;
    expected.push("five");
    said(&expected).await;
    let adoption = stage.adoption("public.messages").await;
    assert_eq!((adoption.version, adoption.rows_backfilled), (version + 1, read));
    following.stopped().await;
}

#[tokio::test]
async fn a_table_that_is_put_back_is_read_when_those_who_were_writing_to_it_have_ended() {
    let stage = Stage::set().await;
    adopt_two(&stage).await;
    let following = stage.follow();
    stage.until_read("public.messages").await;
    stage.run(TAKE_OUT).await;
    let writer = stage.database.client().await.unwrap();
    writer.batch_execute(&format!("begin; {}", say_here("in no stream"))).await.unwrap();
    stage.run(PUT_BACK).await;
    stage.run(&say_here("next")).await;
    // The table is looked at before the other one, and each of these rows is read in a look of its own.
    for look in 1..=2 {
        stage.run(&say("public.others", "look").replace(CHAT, "00000000-0000-0000-0000-000000000008")).await;
        stage.until_followed("public.others", look).await;
    }
    let adoption = stage.adoption("public.messages").await;
    assert_eq!((adoption.version, adoption.waiting), (1, 1), "{adoption:?}");
    writer.batch_execute("commit").await.unwrap();
    stage.until("both are read", async || stage.contents(CHAT).await.len() >= 2).await;
    assert_eq!(stage.contents(CHAT).await, ["in no stream", "next"]);
    following.stopped().await;
}

#[tokio::test]
async fn a_table_that_is_locked_holds_up_no_other_and_is_read_when_it_is_free() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    for table in ["public.old", "public.others"] {
        stage.run(&format!("create table {table} (like public.messages including all)")).await;
    }
    let like = |relation: &str| -> Value {
        let mut entry = messages();
        entry["relation"] = json!(relation);
        entry
    };
    stage.adopt(messages()).await;
    let following = stage.follow();
    stage.until_read("public.messages").await;
    following.stopped().await;
    // One has a row that waits, one has its old rows to be read, and one is free.
    stage.run(&say("public.old", "old")).await;
    stage.adopt(like("public.old")).await;
    stage.adopt(like("public.others")).await;
    stage.run(&say_here("new")).await;
    let locker = stage.database.client().await.unwrap();
    let lock = "begin; lock table public.messages, public.old in access exclusive mode";
    locker.batch_execute(lock).await.unwrap();
    let following = stage.follow();
    stage.until_read("public.others").await;
    stage.run(&say("public.others", "of another table")).await;
    stage.until_followed("public.others", 1).await;
    assert_eq!(stage.contents(CHAT).await, ["of another table"]);
    for relation in ["public.messages", "public.old"] {
        let adoption = stage.adoption(relation).await;
        assert_eq!((adoption.broken, adoption.rows_followed, adoption.rows_backfilled), (None, 0, 0));
    }
    locker.batch_execute("commit").await.unwrap();
    stage.until_followed("public.messages", 1).await;
    stage.until_read("public.old").await;
    let mut contents = stage.contents(CHAT).await;
    contents.sort_unstable();
    assert_eq!(contents, ["new", "of another table", "old"]);
    following.stopped().await;
}

#[tokio::test]
async fn a_run_that_drains_ends_when_it_is_told_to_and_leaves_the_rest() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    stage
        .run(
            "insert into public.messages (conversation_id, sender, body, created_at)
             select md5(n::text)::uuid, 'customer', n::text, now() from generate_series(1, 1100) n",
        )
        .await;
    stage.adopt(messages()).await;
    let mut follower = stage.follower(&Arrivals::new(stage.store(Role::Reader)));
    let stop = CancellationToken::new();
    // Nobody takes anything out of the queue, so it waits for good.
    let half_way = "select count(*) from afterthought.adopted_tables where rows_backfilled = 1000";
    let stops = async {
        until_one(&stage, half_way).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(tokio::time::timeout(LIMIT, follower.finish(&stop)), stops);
    ended.expect("it does not end");
    assert_eq!(stage.adoption("public.messages").await.backfilled_at, None);
}
