//! Another entry for a table that is followed, and another table under its name.

use cdc_reader::Arrivals;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{AdoptedTable, ArrivedRow, RefusedRow, Role};
use tokio_util::sync::CancellationToken;

use super::stage::Stage;
use super::{MESSAGES, messages};

/// A table that says in one column who speaks, and in another later on.
const ACCOUNTS: &str = "create table public.messages (
    id bigserial primary key, customer_id text, account_id text, conversation_id text, body text)";
/// The name of a conversation.
const CHAT: &str = "00000000-0000-0000-0000-000000000007";

/// Whose a row is by one of two columns; the other one says who speaks.
fn by(user: &str, speaker: &str) -> Value {
    json!({"relation": "public.messages", "tenant": {"value": "acme"}, "user": user, "speaker": speaker,
           "session": "/conversation_id", "content": "/body"})
}

fn say(relation: &str, body: &str) -> String {
    format!(
        "insert into {relation} (conversation_id, sender, body, created_at) values ('{CHAT}', 'customer', '{body}', now())"
    )
}

fn moment() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

/// The first three rows of a table that has them all by account, noted as the stream would have brought them.
async fn three_rows_wait(stage: &Stage) {
    stage
        .run(
            "insert into public.messages (account_id, conversation_id, body)
             select 'ada', 'trip', n::text from generate_series(1, 3) n",
        )
        .await;
    let relid: u32 =
        stage.owner.query_one("select 'public.messages'::regclass::oid", &[]).await.unwrap().get(0);
    let row = |id: i32| ArrivedRow { relid, key: vec![id.to_string()], written_at: moment() };
    stage.store(Role::Reader).note_arrivals(&[row(1), row(2), row(3)]).await.unwrap();
}

async fn listed(stage: &Stage) -> AdoptedTable {
    stage.store(Role::Reader).adopted_tables().await.unwrap().remove(0)
}

#[tokio::test]
async fn a_new_entry_holds_for_rows_that_are_being_read_when_it_is_given() {
    let stage = Stage::set().await;
    stage.run(ACCOUNTS).await;
    stage.adopt(by("/customer_id", "/account_id")).await;
    let mut follower = stage.follower(&Arrivals::new(stage.store(Role::Reader)));
    let stop = CancellationToken::new();
    follower.finish(&stop).await;
    assert!(stage.adoption("public.messages").await.backfilled_at.is_some());
    three_rows_wait(&stage).await;
    // The follower knows the entry as it was, and waits for the table while it gets another one.
    let changer = stage.database.client().await.unwrap();
    let entry = by("/account_id", "/customer_id");
    let change = format!(
        "begin; lock table public.messages in access exclusive mode; select afterthought.adopt('{entry}')"
    );
    changer.batch_execute(&change).await.unwrap();
    let commits = async {
        let waits =
            "select count(*) from pg_locks where relation = 'public.messages'::regclass and not granted";
        while stage.count(waits).await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        changer.batch_execute("commit").await.unwrap();
    };
    let both = async { tokio::join!(follower.finish(&stop), commits) };
    tokio::time::timeout(std::time::Duration::from_secs(30), both).await.expect("nobody reads the table");
    stage.ingest().await;
    assert_eq!(stage.contents("trip").await, ["1", "2", "3"]);
    let of_account = "select count(*) from afterthought.session_events where user_id = 'ada'";
    assert_eq!(stage.count(of_account).await, 3);
    let adoption = stage.adoption("public.messages").await;
    assert_eq!((adoption.rows_followed, adoption.rows_refused, adoption.waiting), (3, 0, 0), "{adoption:?}");
    assert_eq!((adoption.refusals, adoption.broken), (json!([]), None));
}

#[tokio::test]
async fn what_was_read_by_an_entry_that_is_not_there_any_more_is_neither_settled_nor_refused() {
    let stage = Stage::set().await;
    stage.run(ACCOUNTS).await;
    stage.adopt(by("/customer_id", "/account_id")).await;
    three_rows_wait(&stage).await;
    let (reader, adopter) = (stage.store(Role::Reader), stage.store(Role::Adopter));
    let before = listed(&stage).await;
    let keys = json!([["1"], ["2"], ["3"]]);
    assert_eq!(adopter.read_adopted(&before, &keys, 1024, 4096).await.unwrap().len(), 3);
    stage.adopt(by("/account_id", "/customer_id")).await;
    // Nothing is read by the one entry and understood by the other.
    assert_eq!(adopter.read_adopted(&before, &keys, 1024, 4096).await.unwrap(), []);
    let waiting = reader.arrivals(before.id, 10).await.unwrap();
    let positions: Vec<i64> = waiting.iter().map(|row| row.position).collect();
    let refused = [RefusedRow {
        key: json!(["1"]),
        reason: "`user` is null".to_owned(),
        of: None,
        written_at: moment(),
    }];
    let through = json!({"order": null, "key": ["1"]});
    assert!(!reader.settle_arrivals(&before, &positions, 2, &refused).await.unwrap());
    assert!(!reader.advance_backfill(&before, Some(&through), 2, &refused).await.unwrap());
    assert!(!reader.advance_backfill(&before, None, 0, &[]).await.unwrap());
    reader.mark_broken(&before, "column customer_id is not there any more").await.unwrap();
    let adoption = stage.adoption("public.messages").await;
    assert_eq!((adoption.waiting, adoption.rows_followed, adoption.rows_refused), (3, 0, 0));
    assert_eq!((adoption.refusals, adoption.broken, adoption.backfilled_at), (json!([]), None, None));
    // By the entry that holds, all of it is.
    let after = listed(&stage).await;
    assert_eq!(adopter.read_adopted(&after, &keys, 1024, 4096).await.unwrap().len(), 3);
    assert!(reader.advance_backfill(&after, None, 2, &refused).await.unwrap());
    assert!(reader.settle_arrivals(&after, &positions, 2, &refused).await.unwrap());
    let adoption = stage.adoption("public.messages").await;
    assert_eq!((adoption.waiting, adoption.rows_backfilled, adoption.rows_followed), (0, 2, 2));
    assert_eq!((adoption.rows_refused, adoption.refusals.as_array().unwrap().len()), (2, 1));
}

#[tokio::test]
async fn a_new_table_under_the_name_of_one_that_is_followed_takes_nothing_from_it() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    stage.adopt(messages()).await;
    let following = stage.follow();
    stage.run(&say("public.messages", "one")).await;
    stage.until_followed("public.messages", 1).await;
    stage
        .run(
            "alter table public.messages rename to messages_old;
             create table public.messages (like public.messages_old including all)",
        )
        .await;
    let told = stage.refused(messages()).await;
    let expected = "field `relation` is public.messages, under which name public.messages_old is followed: end that adoption \
                    first, with afterthought.end_adoption('public.messages')";
    assert!(told.contains(expected), "{told}");
    stage.run(&say("public.messages_old", "two")).await;
    stage.until_followed("public.messages", 2).await;
    assert_eq!(stage.contents(CHAT).await, ["one", "two"]);
    // As it was told: then the new one is followed, and the old one no more.
    let login = stage.store(Role::Login);
    assert!(login.end_adoption("public.messages").await.unwrap());
    stage.run(&say("public.messages_old", "of nobody")).await;
    stage.run(&say("public.messages", "three")).await;
    assert_eq!(stage.adopt(messages()).await["version"], 1);
    stage.until_read("public.messages").await;
    assert_eq!(stage.contents(CHAT).await, ["one", "two", "three"]);
    // A table that is there no more has nothing to lose; what its copy says under the same keys has been said.
    stage
        .run(
            "create table public.copied (like public.messages including all);
             insert into public.copied table public.messages;
             drop table public.messages; alter table public.copied rename to messages",
        )
        .await;
    assert_eq!(stage.adopt(messages()).await["version"], 2);
    stage.run(&say("public.messages", "four")).await;
    stage.until("the copy is read", async || stage.contents(CHAT).await.len() >= 4).await;
    assert_eq!(stage.contents(CHAT).await, ["one", "two", "three", "four"]);
    following.stopped().await;
}

#[tokio::test]
async fn two_tables_that_changed_names_are_told_apart() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    stage.run("create table public.fresh (like public.messages including all)").await;
    let mut fresh = messages();
    fresh["relation"] = "public.fresh".into();
    stage.adopt(messages()).await;
    stage.adopt(fresh).await;
    stage
        .run(
            "alter table public.messages rename to messages_old;
             alter table public.fresh rename to messages",
        )
        .await;
    let adopted = stage.adopt(messages()).await;
    assert_eq!((&adopted["relation"], &adopted["version"]), (&json!("public.fresh"), &json!(2)));
    assert_eq!(stage.adoption("public.messages").await.version, 1);
    let following = stage.follow();
    stage.until_read("public.messages").await;
    stage.until_read("public.fresh").await;
    stage.run(&say("public.messages_old", "one")).await;
    stage.until_followed("public.messages", 1).await;
    stage.run(&say("public.messages", "two")).await;
    stage.until_followed("public.fresh", 1).await;
    assert_eq!(stage.contents(CHAT).await, ["one", "two"]);
    // The list calls them by the names they were adopted under, and so does whoever ends one.
    assert!(stage.store(Role::Login).end_adoption("public.messages").await.unwrap());
    stage.run(&say("public.messages_old", "of nobody")).await;
    stage.run(&say("public.messages", "three")).await;
    stage.until_followed("public.fresh", 2).await;
    assert_eq!(stage.contents(CHAT).await, ["one", "two", "three"]);
    following.stopped().await;
}
