//! Objects that no row names.

use std::fs;

use domain::{Retention, SessionId};
use janitor::{Janitor, Worked};
use jiff::{SignedDuration, Timestamp};
use store::{Swept, orphaned_before};
use uuid::Uuid;

use super::damage::{allow, forbid};
use super::stage::{Kept, Stage};

#[expect(clippy::disallowed_methods, reason = "objects are stamped by the real clock")]
fn in_six_days() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(6 * 24)
}

fn in_eight_days() -> Timestamp {
    in_six_days() + SignedDuration::from_hours(2 * 24)
}

/// How many objects no row names and would be deleted, and how many keys there are.
async fn orphans(stage: &Stage, now: fn() -> Timestamp) -> (u64, usize) {
    let archive =
        archive::Archive::open(&stage.services.config.variables["ARCHIVE_URL"], &stage.services.aws).unwrap();
    let keys = archive.list(&Stage::tenant(), None, 1_000).await.unwrap().objects.len();
    let before = orphaned_before(Retention::default().over(Retention::default()), now()).unwrap();
    (stage.keeper.count_orphans(&Stage::tenant(), before, 1_000).await.unwrap(), keys)
}

async fn tick(stage: &Stage, now: fn() -> Timestamp) {
    stage.owner.batch_execute("update afterthought.tenants set tidied_at = null").await.unwrap();
    let janitor = Janitor::from_services(&stage.services).unwrap().with_clock(now);
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
}

/// Whoever archives a session is killed when the object is there and nothing stands in it, and then its row is lost.
async fn lose(stage: &Stage, session: &str) {
    let idle =
        stage.keeper.sessions_to_archive(&Stage::tenant(), (stage.services.now)(), None, 10).await.unwrap();
    let idle = idle.into_iter().find(|idle| idle.name == session).unwrap();
    forbid(stage, "update").await;
    stage.keeper.archive_next(&Stage::tenant(), &idle, (stage.services.now)(), 0).await.unwrap_err();
    allow(stage).await;
    stage
        .owner
        .batch_execute("delete from afterthought.archive_objects where status = 'writing'")
        .await
        .unwrap();
}

async fn goes_after_its_time(kept: Kept) {
    let stage = Stage::set(kept).await;
    for session in ["whole", "old", "young"] {
        stage.talk(session).await;
    }
    let before = stage.exported().await;
    stage.age().await;
    lose(&stage, "old").await;
    lose(&stage, "old").await;
    assert_eq!((orphans(&stage, in_six_days).await, orphans(&stage, in_eight_days).await), ((0, 2), (2, 2)));
    // What was said goes to the archive once more, in objects of its own.
    tick(&stage, in_six_days).await;
    assert_eq!((stage.objects().await, orphans(&stage, in_eight_days).await), ((3, 3), (2, 5)));
    // A look that ends after each key goes on with the next.
    let sweep = async || stage.keeper.sweep_orphans(&Stage::tenant(), in_eight_days(), 2).await.unwrap();
    let looks = [sweep().await, sweep().await, sweep().await];
    assert_eq!(looks.map(|swept| swept.deleted).iter().sum::<u64>(), 2, "{looks:?}");
    assert_eq!(looks.map(|swept| swept.is_done), [false, false, true]);
    assert_eq!(orphans(&stage, in_eight_days).await, (0, 3));
    assert_eq!(stage.exported().await, before);
    // Another one is found by the janitor, which begins anew.
    let restored = stage.done("POST", "/sessions/old/restore").await;
    assert_eq!(restored["restored_events"], 5);
    stage.age().await;
    lose(&stage, "old").await;
    assert_eq!(orphans(&stage, in_eight_days).await, (1, 3));
    tick(&stage, in_eight_days).await;
    assert_eq!((stage.objects().await, orphans(&stage, in_eight_days).await), ((3, 3), (0, 3)));
    assert_eq!(stage.exported().await, before);
}

#[tokio::test]
async fn an_object_that_no_row_names_goes_after_its_time_from_a_directory() {
    goes_after_its_time(Kept::InDirectory).await;
}

#[tokio::test]
async fn an_object_that_no_row_names_goes_after_its_time_from_s3() {
    goes_after_its_time(Kept::InBucket).await;
}

#[tokio::test]
async fn what_may_be_the_last_copy_or_somebody_elses_stays() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    stage.age().await;
    lose(&stage, "old").await;
    let orphan = stage.files().remove(0);
    stage.tick().await;
    let named = stage.files().into_iter().find(|file| *file != orphan).unwrap();
    // Of a session that is in no table of this database.
    let session = SessionId(Uuid::from_u128(7)).to_string();
    let strange = orphan.parent().unwrap().with_file_name(session).join(orphan.file_name().unwrap());
    fs::create_dir_all(strange.parent().unwrap()).unwrap();
    fs::copy(&orphan, &strange).unwrap();
    // The object that stands for the events is damaged.
    let whole = fs::read(&named).unwrap();
    fs::write(&named, "damaged").unwrap();
    let sweep = async || stage.keeper.sweep_orphans(&Stage::tenant(), in_eight_days(), 100).await.unwrap();
    assert_eq!(sweep().await, Swept { deleted: 0, is_done: true });
    // Its row is lost.
    stage
        .owner
        .batch_execute("create table public.lost as select * from afterthought.archive_objects")
        .await
        .unwrap();
    stage.owner.batch_execute("delete from afterthought.archive_objects").await.unwrap();
    fs::write(&named, whole).unwrap();
    assert_eq!(sweep().await, Swept { deleted: 0, is_done: true });
    stage
        .owner
        .batch_execute("insert into afterthought.archive_objects select * from public.lost")
        .await
        .unwrap();
    assert_eq!(sweep().await, Swept { deleted: 1, is_done: true });
    assert!(!orphan.exists() && named.exists() && strange.exists());
    // Kept for ever.
    let never = r#"update afterthought.tenants set settings = '{"retention": {"orphans_days": 0}}'"#;
    stage.owner.batch_execute(never).await.unwrap();
    stage.done("POST", "/sessions/old/restore").await;
    stage.age().await;
    lose(&stage, "old").await;
    tick(&stage, in_eight_days).await;
    assert_eq!(stage.files().len(), 3);
}
