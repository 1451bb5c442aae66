//! Erasures that take longer than an invocation has time: each tick takes them further, and whatever else is to be done is done.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;

use domain::{TenantId, UserId};
use hot::Leased;
use janitor::{Janitor, Worked};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::Erasing;
use uuid::Uuid;

use super::stage::{Stage, VICTIM};
use crate::asking::ask;

thread_local! {
    /// What the clock of this test's janitor says, in seconds.
    static CLOCK: Cell<i64> = const { Cell::new(0) };
}

/// A clock that is a second further whenever somebody looks at it.
fn clock() -> Timestamp {
    CLOCK.set(CLOCK.get() + 1);
    Timestamp::from_second(CLOCK.get()).unwrap()
}

/// A janitor by that clock, to which every erasure has settled.
fn janitor(stage: &Stage) -> Janitor {
    CLOCK.set((stage.services.now)().as_second() + 3600);
    Janitor::from_services(&stage.services).unwrap().with_clock(clock)
}

/// A tick of so many seconds.
async fn tick(janitor: &Janitor, seconds: i64) -> Worked {
    janitor.work(Timestamp::from_second(CLOCK.get() + seconds).unwrap()).await.unwrap()
}

async fn erase(stage: &Stage, user: &str) -> Uuid {
    let user = UserId::new(user).unwrap();
    let erased = stage.keeper.erase(&Stage::tenant(), &user, Erasing::User, &[]).await.unwrap().unwrap();
    erased.receipt.id
}

async fn open(stage: &Stage) -> i64 {
    stage.number("select count(*) from afterthought.erasures where completed_at is null").await
}

#[tokio::test]
async fn more_erasures_than_there_is_time_for_are_completed_part_by_part_and_what_is_old_goes_meanwhile() {
    let stage = Stage::set().await;
    for user in 0..60 {
        erase(&stage, &format!("user {user}")).await;
    }
    let janitor = janitor(&stage);
    assert_eq!(tick(&janitor, 800).await, Worked::OutOfTime);
    let left = open(&stage).await;
    assert!((1..60).contains(&left), "{left} are open");
    let untidy = stage.number("select count(*) from afterthought.tenants where tidied_at is null").await;
    assert_eq!(untidy, 0, "erasures have half of the time");
    let mut ticks = 1;
    while tick(&janitor, 800).await != Worked::Done {
        ticks += 1;
        assert!(ticks < 10, "{} are open", open(&stage).await);
    }
    assert_eq!(open(&stage).await, 0);
}

#[tokio::test]
async fn an_erasure_of_many_sessions_goes_on_where_it_ended_and_leaves_time_to_others() {
    let stage = Stage::set().await;
    let janitor = janitor(&stage);
    assert_eq!(tick(&janitor, 800).await, Worked::Done);
    let large = erase(&stage, VICTIM).await;
    let small = erase(&stage, "ada").await;
    let gone = "insert into afterthought.erased_sessions (erasure_id, session_id, tenant, is_purged)
                select $1, gen_random_uuid(), 'acme', true from generate_series(1, 2000)";
    stage.owner.execute(gone, &[&large]).await.unwrap();
    let swept = "select count(*) from afterthought.erased_sessions where swept_for is not null";
    assert_eq!(tick(&janitor, 100).await, Worked::OutOfTime);
    let first = stage.number(swept).await;
    assert!((100..2000).contains(&first), "{first} sessions are swept");
    let receipt = async |erasure| {
        let user = UserId::new(if erasure == large { VICTIM } else { "ada" }).unwrap();
        stage.keeper.erasure(&Stage::tenant(), &user, erasure).await.unwrap().unwrap()
    };
    assert!(receipt(small).await.completed_at.is_some(), "it had time of its own");
    assert_eq!(receipt(large).await.completed_at, None);
    // Asked for once more, every session has to be looked at again.
    let again = "update afterthought.erasures set erased_at = erased_at + interval '1 second' where id = $1";
    stage.owner.execute(again, &[&large]).await.unwrap();
    let listed = stage.keeper.open_erasures(&Stage::tenant(), None, 1).await.unwrap().remove(0);
    assert_eq!(stage.keeper.sessions_to_sweep(&listed, None, 5000).await.unwrap().len(), 2000);
    let back = "update afterthought.erasures set erased_at = erased_at - interval '1 second' where id = $1";
    stage.owner.execute(back, &[&large]).await.unwrap();

    // No tick has time for all of them.
    let mut ticks = 1;
    while tick(&janitor, 100).await != Worked::Done {
        ticks += 1;
        assert!(ticks < 10, "{} sessions are swept", stage.number(swept).await);
    }
    assert!(receipt(large).await.completed_at.is_some());
}

#[tokio::test]
async fn the_space_of_what_was_erased_is_freed_as_far_as_there_is_time() {
    let stage = Stage::set().await;
    let freed = "select coalesce(string_agg(relname, ' ' order by relname), '') from pg_stat_user_tables where vacuum_count > 0";
    let freed = async || -> String { stage.owner.query_one(freed, &[]).await.unwrap().get(0) };
    let layers = HashSet::from(["profiles".to_owned()]);
    assert!(!stage.keeper.vacuum_erased(&layers, Duration::ZERO).await.unwrap());
    assert_eq!(freed().await, "");
    assert!(stage.keeper.vacuum_erased(&layers, Duration::from_mins(1)).await.unwrap());
    assert_eq!(freed().await, "adopted_arrivals adopted_refusals erased_sessions erasures profiles");
    // Whoever cannot be waited for ends the vacuum, and not the erasure.
    erase(&stage, VICTIM).await;
    let janitor = janitor(&stage);
    while open(&stage).await > 0 {
        tick(&janitor, 60).await;
    }
}

#[tokio::test]
async fn the_lease_of_a_user_as_a_whole_goes_with_the_user() {
    let stage = Stage::set().await;
    let (tenant, user) = (Stage::tenant(), UserId::new(VICTIM).unwrap());
    stage.import(VICTIM, 0).await;
    let whole = runtime::user_as_a_whole(&tenant, &user);
    let (now, term) = ((stage.services.now)(), Duration::from_mins(1));
    let hot = &stage.services.hot;
    let leased = hot.acquire_lease("memory-curator", whole, Uuid::nil(), 0, 0, term, now).await.unwrap();
    assert!(matches!(leased, Leased::Taken(_)), "{leased:?}");
    let marks = [whole.to_string()];
    assert_eq!(super::scan::items(&stage.aws, &stage.hot_table, &marks).await.len(), 1);
    erase(&stage, VICTIM).await;
    assert_eq!(tick(&janitor(&stage), 800).await, Worked::Done);
    assert_eq!(super::scan::items(&stage.aws, &stage.hot_table, &marks).await, Vec::<String>::new());
}

#[tokio::test]
async fn rows_that_an_erasure_has_left_are_counted_in_a_dry_run_and_go_in_bounded_steps() {
    let stage = Stage::set().await;
    stage.import(VICTIM, 0).await;
    let evidence = "insert into afterthought.memories
                        (id, tenant, user_id, scope, type, key, content, confidence, agent, model, valid_from)
                    select gen_random_uuid(), 'acme', 'ada', 'user', 'fact', n::text, n::text, 1, 'test', 'test', now()
                    from generate_series(1, 10) n";
    stage.owner.batch_execute(evidence).await.unwrap();
    let id = erase(&stage, VICTIM).await;
    // Written by somebody who had begun before.
    let late = "insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
                select m.id, d.session_id, 1, 'acme' from afterthought.memories m, afterthought.erased_sessions d";
    stage.owner.batch_execute(late).await.unwrap();
    let (tenant, now) = (Stage::tenant(), (stage.services.now)());
    let counted =
        stage.keeper.count_to_clear(&tenant, domain::Retention::default(), now, 1000).await.unwrap();
    assert!(counted.contains(&("erased_rows".to_owned(), 14)), "{counted:?}");
    let target = format!("/v1/admin/janitor/dry-run?tenant={tenant}");
    let shown = ask(&stage.recall, "GET", &target, &[], None).await;
    assert_eq!((shown.status, &shown.json()["counts"]["erased_rows"]), (200, &json!(14)), "{}", shown.text);
    let purged = stage.keeper.purge_erased(&tenant, id, 3).await.unwrap();
    assert!(purged.rows <= 2 * 3 && !purged.is_done, "{purged:?}");
    while !stage.keeper.purge_erased(&tenant, id, 3).await.unwrap().is_done {}
    let counted =
        stage.keeper.count_to_clear(&tenant, domain::Retention::default(), now, 1000).await.unwrap();
    assert!(counted.contains(&("erased_rows".to_owned(), 0)), "{counted:?}");
}

#[tokio::test]
async fn an_erasure_waits_for_a_transaction_that_is_prepared() {
    let stage = Stage::set().await;
    let prepared = stage.database.client().await.unwrap();
    prepared.batch_execute("begin").await.unwrap();
    stage.insert(&prepared, VICTIM, 9).await;
    let name = stage.database.name().to_owned();
    prepared.batch_execute(&format!("prepare transaction '{name}'")).await.unwrap();
    let id = erase(&stage, VICTIM).await;
    let janitor = janitor(&stage);
    let soon = Worked::Settling(SignedDuration::from_mins(15));
    assert_eq!(tick(&janitor, 800).await, soon);
    let waits = stage.keeper.erasure_waits_for(&Stage::tenant(), id).await.unwrap();
    assert_eq!(waits.iter().map(ToString::to_string).collect::<Vec<_>>(), ["transactions"]);
    // Of another tenant's erasures nothing is told.
    let other = TenantId::new("default").unwrap();
    assert_eq!(stage.keeper.erasure_waits_for(&other, id).await.unwrap(), []);
    prepared.batch_execute(&format!("commit prepared '{name}'")).await.unwrap();
    assert_eq!(tick(&janitor, 800).await, Worked::Done);
    assert_eq!(stage.sessions_of(VICTIM).await, [], "what it wrote went with the last look");
}
