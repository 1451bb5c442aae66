//! Ends in the middle, two at once, and objects that are not what was written.

use std::fs;

use janitor::{Janitor, Worked};
use jiff::Timestamp;
use serde_json::Value;
use store::{Archived, Error};

use super::stage::{Kept, Stage};

/// Whatever is done to a table fails from here on, until it is allowed again.
pub(super) async fn forbid(stage: &Stage, what: &str) {
    let forbid = format!(
        "create function afterthought.forbid() returns trigger language plpgsql as $$
         begin raise exception 'killed'; end $$;
         create trigger forbidden before {what} on afterthought.archive_objects
         for each row execute function afterthought.forbid()"
    );
    stage.owner.batch_execute(&forbid).await.unwrap();
}

pub(super) async fn allow(stage: &Stage) {
    stage.owner.batch_execute("drop function afterthought.forbid cascade").await.unwrap();
}

/// Whoever was at it has ended long ago.
async fn wait(stage: &Stage) {
    let wait = "update afterthought.archive_objects set created_at = created_at - interval '1 hour'";
    stage.owner.batch_execute(wait).await.unwrap();
}

#[tokio::test]
async fn killed_between_the_object_and_the_rows_nothing_is_lost_double_or_left() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    let before = stage.seen("old").await;
    stage.age().await;
    let since = (stage.services.now)();
    let idle = stage.keeper.sessions_to_archive(&Stage::tenant(), since, None, 10).await.unwrap();

    // The object is there, and nothing stands in it.
    forbid(&stage, "update").await;
    stage.keeper.archive_next(&Stage::tenant(), &idle[0], since, 0).await.unwrap_err();
    allow(&stage).await;
    assert_eq!((stage.archived().await, stage.objects().await), (0, (0, 1)));
    let orphan = stage.files();
    assert_eq!(orphan.len(), 1);

    // While it may still be written, nobody else writes the same; then it goes, and the events go anew.
    let taken = stage.keeper.archive_next(&Stage::tenant(), &idle[0], since, 0).await.unwrap();
    assert_eq!(taken, Archived::Taken);
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.files()), (0, orphan.clone()));
    wait(&stage).await;
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await, stage.files().len()), (5, (1, 1), 1));
    assert_ne!(stage.files(), orphan);
    assert_eq!(stage.seen("old").await, before);

    // The words are back, and the object is still there.
    forbid(&stage, "delete").await;
    let restored = stage.done("POST", "/sessions/old/restore").await;
    assert_eq!(restored["restored_events"], 5);
    allow(&stage).await;
    assert_eq!((stage.archived().await, stage.objects().await), (0, (0, 1)));
    assert_eq!(stage.seen("old").await, before);
    stage.tick().await;
    assert_eq!((stage.objects().await, stage.files()), ((0, 0), vec![]));
}

#[tokio::test]
async fn a_row_whose_object_was_never_written_is_cleared_and_one_that_changed_meanwhile_is_not_taken() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    stage.age().await;
    let row = "insert into afterthought.archive_objects
                   (id, tenant, user_id, session_id, first_version, last_version, events, bytes, checksum)
               select gen_random_uuid(), tenant, user_id, id, 1, 5, 5, 1, sha256('x') from afterthought.sessions";
    stage.owner.batch_execute(row).await.unwrap();
    wait(&stage).await;
    // Somebody changes an event while its object is written: what is in the object is not what would be taken.
    let meddle = "create function afterthought.forbid() returns trigger language plpgsql as $$
                  begin update afterthought.session_events set content = 'changed' where version = 2; return new; end $$;
                  create trigger forbidden after insert on afterthought.archive_objects
                  for each row execute function afterthought.forbid()";
    let meddle = meddle.replace("language plpgsql", "language plpgsql security definer");
    stage.owner.batch_execute(&meddle).await.unwrap();
    stage.tick().await;
    allow(&stage).await;
    assert_eq!((stage.archived().await, stage.objects().await), (0, (0, 1)));
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await, stage.files().len()), (5, (1, 1), 1));
    let events = stage.done("GET", "/sessions/old/events").await;
    assert_eq!(events["events"][1]["content"], "changed");
}

#[tokio::test]
async fn two_janitors_at_once_archive_every_event_once() {
    let stage = Stage::set(Kept::InDirectory).await;
    for place in 0..12 {
        stage.talk(&format!("session-{place}")).await;
    }
    let before = stage.exported().await;
    stage.age().await;
    let janitors = [(); 3].map(|()| Janitor::from_services(&stage.services).unwrap());
    let [first, second, third] = &janitors;
    let until = Timestamp::MAX;
    let worked = tokio::join!(first.work(until), second.work(until), third.work(until));
    assert!([worked.0, worked.1, worked.2].into_iter().all(|worked| worked.unwrap() == Worked::Done));
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await, stage.files().len()), (60, (12, 12), 12));
    assert_eq!(stage.exported().await, before);
    // And bring it back at once: each event once.
    let path = "/sessions/session-3/restore";
    let restored = tokio::join!(stage.done("POST", path), stage.done("POST", path));
    let events = |answer: &Value| answer["restored_events"].as_i64().unwrap();
    assert_eq!(events(&restored.0) + events(&restored.1), 5);
    assert_eq!(stage.exported().await, before);
}

#[tokio::test]
async fn what_is_damaged_or_missing_is_an_error_and_never_an_empty_history() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    let before = stage.seen("old").await;
    stage.age().await;
    stage.tick().await;
    let file = stage.files().remove(0);
    let whole = fs::read(&file).unwrap();
    let mut changed = whole.clone();
    changed[20] ^= 1;
    for damaged in [Some(changed), Some(Vec::new()), None] {
        match damaged {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        for path in [
            "/sessions/old/events",
            "/sessions/old/state?version=2",
            "/export",
            "/sessions/old/events?after=4",
        ] {
            let (status, problem) = stage.ask("GET", path, Value::Null).await;
            assert!(
                status == 503 && problem["detail"].to_string().contains("archive"),
                "{path}: {status} {problem}"
            );
        }
        assert_eq!(stage.ask("POST", "/sessions/old/restore", Value::Null).await.0, 503);
        assert_eq!(stage.done("GET", "/sessions/old/state").await, before["last"], "the last state is kept");
        let session = stage.session("old").await;
        let read = stage.services.store.messages_up_to(&Stage::tenant(), session, 5, 10).await;
        assert!(matches!(read, Err(Error::Archive(error)) if error.is_loss()));
        assert_eq!((stage.archived().await, stage.objects().await), (5, (1, 1)), "nothing is given up");
    }
    // What somebody said since is taken in, and the janitor goes on with the rest.
    stage.say("old", "Hello again.").await;
    stage.talk("other").await;
    let age =
        "update afterthought.sessions set last_event_at = now() - interval '91 days' where session = 'other'";
    stage.owner.batch_execute(age).await.unwrap();
    stage.tick().await;
    assert_eq!(stage.done("GET", "/sessions/other").await["archived_through"], 5);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, whole).unwrap();
    stage.tick().await;
    assert_eq!(stage.done("GET", "/sessions/old").await["archived_through"], 0);
    let events = stage.done("GET", "/sessions/old/events").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 6);
    assert_eq!(events["events"][0], before["events"]["events"][0]);
}

#[tokio::test]
async fn a_writer_that_was_taken_for_ended_and_was_quicker_keeps_its_object() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    stage.age().await;
    let since = (stage.services.now)();
    let idle = stage.keeper.sessions_to_archive(&Stage::tenant(), since, None, 10).await.unwrap();
    forbid(&stage, "update").await;
    stage.keeper.archive_next(&Stage::tenant(), &idle[0], since, 0).await.unwrap_err();
    allow(&stage).await;
    wait(&stage).await;
    let writer = stage.database.client().await.unwrap();
    writer.batch_execute("begin; update afterthought.archive_objects set status = 'stored'").await.unwrap();
    let commit = async {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        while stage.number(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        writer.batch_execute("commit").await.unwrap();
    };
    let tenant = Stage::tenant();
    let (cleared, ()) = tokio::join!(stage.keeper.clear_archive(&tenant, since, 20), commit);
    assert_eq!((cleared.unwrap(), stage.objects().await, stage.files().len()), (0, (1, 1), 1));
}

#[tokio::test]
async fn a_session_whose_last_state_needs_a_lost_object_keeps_nobody_elses_from_the_archive() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    stage.age().await;
    stage.tick().await;
    fs::remove_file(stage.files().remove(0)).unwrap();
    stage.owner.batch_execute("delete from afterthought.snapshots").await.unwrap();
    stage.say("old", "Hello again.").await;
    for place in 0..4 {
        stage.talk(&format!("other-{place}")).await;
    }
    stage.age().await;
    stage.tick().await;
    let archived =
        "select count(*) from afterthought.sessions where archived_through = 5 and session like 'other-%'";
    assert_eq!(stage.number(archived).await, 4);
    let spoken = "select count(*) from afterthought.session_events where content = 'Hello again.'";
    assert_eq!(stage.number(spoken).await, 1, "it is left as it is");
}
