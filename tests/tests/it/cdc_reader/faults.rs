//! What goes wrong while a reader works: readers that are killed, connections that break, queues that take nothing.

use std::time::Duration;

use cdc_reader::{Error, FlushPolicy, Reader, Source};
use local::Environment;
use local::cache::Cache;
use local::guard::Post;
use local::postgres::{self, Durability};
use store::DatabaseConfig;
use testkit::TestDatabase;

use super::stage::{Place, Working, accepted, gate, now, run, versions, within};

#[tokio::test]
async fn nothing_is_confirmed_before_it_was_accepted_and_the_connection_outlives_the_wait() {
    let place = Place::create().await;
    let (open, sink, mut wakes) = gate(false);
    let mut reader = Working::start(place.reader(sink), run());
    reader.holds_the_slot().await;
    let before = place.confirmed().await;
    place.say(&["one", "one"]).await;
    let end = place.wal_end().await;
    // The server asks a quiet reader for a sign of life; this one answers while it cannot publish.
    place.hears_from_the_reader().await;
    place.hears_from_the_reader().await;
    assert!(*reader.holding.borrow());
    let confirmed = place.confirmed().await;
    assert!(confirmed < end, "{before} {confirmed} {end}");
    assert!(wakes.try_recv().is_err());

    open.send_replace(true);
    reader.has_confirmed(end).await;
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 2)]));
    reader.stopped().await;
    assert!(place.confirmed().await >= end);
}

#[tokio::test]
async fn a_reader_that_is_killed_before_its_wake_ups_were_accepted_is_followed_by_one_that_sends_them() {
    let place = Place::create().await;
    let (_closed, sink, mut lost) = gate(false);
    let mut first = Working::start(place.reader(sink), run());
    first.holds_the_slot().await;
    place.say(&["one", "two", "one"]).await;

    let (_open, sink, mut wakes) = gate(true);
    let mut second = Working::start(place.reader(sink), run());
    first.killed().await;
    second.holds_the_slot().await;
    place.say(&["one"]).await;
    second.has_confirmed(place.wal_end().await).await;
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 3), ("two", 1)]));
    assert!(lost.try_recv().is_err());
    second.stopped().await;
}

#[tokio::test]
async fn what_was_accepted_and_not_reported_is_sent_again_and_nothing_is_missing() {
    let place = Place::create().await;
    let (_open, sink, mut wakes) = gate(true);
    let mut first = Working::start(place.reader(sink), run());
    first.holds_the_slot().await;
    place.say(&["one"]).await;
    // Accepted, but killed before the position could be reported.
    let one = within(wakes.recv()).await.unwrap();
    first.killed().await;

    let (_open, sink, mut wakes) = gate(true);
    let mut second = Working::start(place.reader(sink), run());
    second.has_confirmed(place.wal_end().await).await;
    if let Ok(again) = wakes.try_recv() {
        assert_eq!(again.sessions, one.sessions);
    }
    second.stopped().await;
}

#[tokio::test]
async fn a_broken_connection_is_made_anew_and_nothing_is_missing() {
    let place = Place::create().await;
    let (_open, sink, mut wakes) = gate(true);
    let mut reader = Working::start(place.reader(sink), run());
    for turn in 0..3 {
        reader.holds_the_slot().await;
        place.say(&["one", "two"]).await;
        let cut = "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1";
        place.client.execute(cut, &[&place.slot]).await.unwrap();
        within(reader.holding.wait_for(|holding| !*holding)).await.unwrap_or_else(|_| panic!("turn {turn}"));
    }
    reader.holds_the_slot().await;
    reader.has_confirmed(place.wal_end().await).await;
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 3), ("two", 3)]));
    reader.stopped().await;
}

#[tokio::test]
async fn memory_is_bounded_while_nothing_is_accepted() {
    let place = Place::create().await;
    let (open, sink, mut wakes) = gate(false);
    let policy = FlushPolicy { wake_ups: 10, longest_backlog: 50, ..FlushPolicy::default() };
    let mut reader = Working::start(Reader::new(place.source(), sink, policy, now), run());
    reader.holds_the_slot().await;
    place
        .client
        .batch_execute(
            "insert into afterthought.messages (user_id, session, role, content) \
             select 'ada', 'session ' || n, 'user', 'hello' from generate_series(1, 1000) n",
        )
        .await
        .unwrap();
    let end = place.wal_end().await;
    open.send_replace(true);
    reader.has_confirmed(end).await;
    reader.stopped().await;
    let mut sessions = 0;
    while let Ok(wakes) = wakes.try_recv() {
        assert!(wakes.len() <= 50, "{} wake-ups at once", wakes.len());
        sessions += wakes.len();
    }
    assert_eq!(sessions, 1000);
}

#[tokio::test]
async fn what_has_to_be_put_right_first_is_an_error_with_the_way_out() {
    let place = Place::create().await;
    let told = async |url: &str, slot: &str, publication: &str| {
        let source = Source::new(&DatabaseConfig::parse(url).unwrap(), slot, publication).unwrap();
        let (_open, sink, _wakes) = gate(true);
        let reader = Reader::new(source, sink, FlushPolicy::default(), now);
        Working::start(reader, run()).ended().await.unwrap_err().to_string()
    };
    let url = place.database.url();
    let error = told(url, "no_such_slot", "afterthought").await;
    assert!(
        error.starts_with("the replication slot no_such_slot does not exist: run the migrations"),
        "{error}"
    );
    let error = told(url, &place.slot, "no_such_publication").await;
    assert!(error.starts_with("the publication no_such_publication does not exist"), "{error}");

    let role = place.slot.replace("afterthought_test", "reader");
    place.client.batch_execute(&format!("create role {role} login password 'x'")).await.unwrap();
    let mut other = place.database.url().to_owned();
    let rest = other.split_off(other.rfind('@').unwrap());
    let error = told(&format!("postgres://{role}:x{rest}"), &place.slot, "afterthought").await;
    assert!(error.contains(&format!("alter role \"{role}\" replication")), "{error}");
    place.client.batch_execute(&format!("drop role {role}")).await.unwrap();

    let physical = format!("{}_p", place.slot);
    place.client.execute("select pg_create_physical_replication_slot($1)", &[&physical]).await.unwrap();
    let error = told(url, &physical, "afterthought").await;
    place.client.execute("select pg_drop_replication_slot($1)", &[&physical]).await.unwrap();
    assert!(error.contains("is a physical one"), "{error}");

    let elsewhere = TestDatabase::create().await.unwrap();
    let error = told(elsewhere.url(), &place.slot, "afterthought").await;
    assert!(error.contains("belongs to another database"), "{error}");
}

#[tokio::test]
async fn a_slot_the_server_has_given_up_is_an_error_with_the_way_out() {
    // A server of its own: what loses one slot would lose everybody's.
    let environment = Environment::read();
    let cache = Cache::open(&environment).unwrap();
    let folder = tempfile::tempdir_in(cache.root()).unwrap();
    let post = Post::new(folder.path(), "postgres", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let programs = postgres::programs(&cache, environment.path.as_deref()).unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let (_guarded, server) = postgres::start(&post, &programs, &data, &log, Durability::None).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("create publication afterthought").await.unwrap();
    client
        .batch_execute("select pg_create_logical_replication_slot('afterthought', 'pgoutput')")
        .await
        .unwrap();
    client.batch_execute("alter system set max_slot_wal_keep_size = '1MB'").await.unwrap();
    client.batch_execute("select pg_reload_conf()").await.unwrap();
    for _ in 0..4 {
        client.batch_execute("create table noise (); drop table noise").await.unwrap();
        client.batch_execute("select pg_switch_wal()").await.unwrap();
        client.batch_execute("checkpoint").await.unwrap();
    }
    let source =
        Source::new(&DatabaseConfig::parse(&server.url).unwrap(), "afterthought", "afterthought").unwrap();
    let (_open, sink, _wakes) = gate(true);
    let error = Working::start(Reader::new(source, sink, FlushPolicy::default(), now), run())
        .ended()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::LostSlot { .. }), "{error}");
    assert!(
        error.to_string().contains("select pg_drop_replication_slot('afterthought') and run the migrations")
    );
}
