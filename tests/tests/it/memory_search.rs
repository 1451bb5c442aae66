//! The search of memories and the counting of what it hands out, in real Postgres.

mod filters;
mod graph;
mod stage;

use domain::{MemoryId, TenantId, UserId};
use store::migrate::{self, Slot};
use store::{Access, DatabaseConfig};
use uuid::Uuid;

use self::stage::{Stage, ids, time, words};

#[tokio::test]
async fn the_index_follows_the_memories_through_whatever_happens_to_them() {
    let stage = Stage::set().await;
    stage.fill("default", "ada", 60).await;
    stage.fill("default", "bob", 20).await;
    assert_eq!(stage.number("select count(*) from afterthought.memory_index").await, 80);
    assert_eq!(stage.differences().await, 0);
    for change in [
        "update afterthought.memories set content = 'other words entirely', version = version + 1 where key::int % 5 = 0",
        "update afterthought.memories set valid_to = now() + interval '1 day' where key::int % 7 = 0",
        "update afterthought.memories set valid_to = null where key::int % 14 = 0",
        "update afterthought.memories set status = 'rejected' where key::int % 11 = 0",
        "update afterthought.memories set type = 'action', data = '{\"status\": \"answered\"}' where key::int % 13 = 0",
        "update afterthought.memories set data = '{\"status\": \"open\"}' where key::int % 26 = 0",
        "update afterthought.memories set embedding = null, embedding_model = null where key::int % 3 = 0",
        "update afterthought.memories set embedding_model = 'b', expires_at = now() + interval '1 day',
             valid_from = now() - interval '1 day' where key::int % 2 = 0 and embedding is not null",
        "update afterthought.memories set embedding = array_fill(0.5::real, array[1024])::vector::halfvec,
             embedding_model = 'long' where key::int % 4 = 0",
        "delete from afterthought.memories where key::int % 17 = 0",
        "update afterthought.memories set pinned = true, confidence = 0.9, version = version + 1",
    ] {
        stage.owner.batch_execute(change).await.unwrap();
        assert_eq!(stage.differences().await, 0, "{change}");
    }
    // What was there before the index is put into it, and a repeat changes nothing.
    stage
        .owner
        .batch_execute(
            "delete from afterthought.memory_words; delete from afterthought.memory_index; delete from afterthought.memory_totals;
             delete from afterthought.upkeep",
        )
        .await
        .unwrap();
    let config = DatabaseConfig::parse(stage.database.url()).unwrap();
    for _again in 0..2 {
        migrate::run(&config, Slot::Untouched).await.unwrap();
        assert_eq!(stage.differences().await, 0);
    }
    // Once it has been done it is not looked for again.
    stage
        .owner
        .batch_execute("delete from afterthought.memory_index where memory_id in (select memory_id from afterthought.memory_index limit 1)")
        .await
        .unwrap();
    migrate::run(&config, Slot::Untouched).await.unwrap();
    assert_eq!(stage.differences().await, 1);
}

#[tokio::test]
async fn what_has_expired_takes_no_place_among_the_best_by_words() {
    let stage = Stage::set().await;
    for _expired in 0..50 {
        stage.remember(("default", "ada", "first"), ("user", "fact", "sailing"), ("2026-01-01", None)).await;
    }
    stage
        .owner
        .batch_execute("update afterthought.memories set expires_at = now() - interval '1 day'")
        .await
        .unwrap();
    for _other in 0..50 {
        stage.remember(("default", "ada", "first"), ("user", "fact", "knitting"), ("2026-02-01", None)).await;
    }
    let alive = ("user", "fact", "sailing with a crew of seven on the old wooden boat");
    let alive = stage.remember(("default", "ada", "first"), alive, ("2026-01-01", None)).await;
    assert!(ids(&stage.found("default", "ada", &words("sailing")).await).contains(&alive));
}

#[tokio::test]
async fn handing_out_is_counted_without_changing_the_memory_or_anothers_counts() {
    let stage = Stage::set().await;
    let mine =
        stage.remember(("default", "ada", "first"), ("user", "fact", "sailing"), ("2026-01-01", None)).await;
    let other =
        stage.remember(("acme", "ada", "first"), ("user", "fact", "sailing"), ("2026-01-01", None)).await;
    let tenant = TenantId::new("default").unwrap();
    let access = |memory, count, at| Access { memory: MemoryId(memory), count, last_at: time(at) };
    let batch = [
        access(mine, 2, "2026-05-02T00:00:00Z"),
        access(other, 5, "2026-05-02T00:00:00Z"),
        access(Uuid::nil(), 1, "2026-05-02T00:00:00Z"),
    ];
    assert_eq!(stage.store.count_accesses(&tenant, &batch).await.unwrap(), 1);
    let late = [access(mine, 1, "2026-05-01T00:00:00Z")];
    assert_eq!(stage.store.count_accesses(&tenant, &late).await.unwrap(), 1);

    let rows = stage.number("select count(*) from afterthought.memory_access").await;
    assert_eq!(rows, 1);
    let user = UserId::new("ada").unwrap();
    let known = stage.store.user_memories(&tenant, &user, 10).await.unwrap();
    assert_eq!((known[0].version, known[0].access_count), (1, 3));
    assert_eq!(known[0].last_accessed_at, Some(time("2026-05-02T00:00:00Z")));
    let found = stage.found("default", "ada", &words("sailing")).await;
    assert_eq!((found.candidates[0].item.accesses, found.candidates[0].item.pinned), (3, false));
}
