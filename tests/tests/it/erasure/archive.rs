//! What was said in sessions that are in the archive is erased with them.

use domain::UserId;
use runtime::{Config, Services};
use serde_json::{Value, json};
use store::{Erasing, Role};

use super::stage::{Stage, VICTIM};
use super::{scan, verified};

const FIRST: &str = "quagga-rider part 0";

/// Two sessions, the first of which is in the archive, and two memories that come from both: one that quotes the first, and one
/// that quotes none.
async fn shared() -> Stage {
    let stage = Stage::set().await;
    stage.import(VICTIM, 0).await;
    stage.import(VICTIM, 1).await;
    stage
        .owner
        .batch_execute(
            "insert into afterthought.memories
                 (id, tenant, user_id, scope, type, key, content, confidence, agent, model, valid_from)
             select gen_random_uuid(), 'acme', 'quagga-rider', 'user', 'fact', content, content, 1, 'test', 'test', now()
             from (values ('Noted: I am quagga-rider and I live in Basel since part 0.'), ('Prefers the mountains')) as m (content);
             insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
             select m.id, s.id, 1, 'acme' from afterthought.memories m, afterthought.sessions s",
        )
        .await
        .unwrap();
    stage.archive(FIRST).await;
    stage
}

/// What is left of the two.
async fn known(stage: &Stage) -> Vec<Value> {
    let listed = stage.done("GET", VICTIM, "/memories", Value::Null).await;
    listed["memories"].as_array().unwrap().iter().map(|memory| memory["content"].clone()).collect()
}

async fn erase_first(stage: &Stage) {
    let erased =
        stage.done("POST", VICTIM, "/erasures", json!({"subject": "session", "session": FIRST})).await;
    assert_eq!(erased["counts"]["sessions"], 1, "{erased}");
    stage.finish().await;
    assert_eq!(stage.objects(), Vec::<std::path::PathBuf>::new());
    assert_eq!(verified(stage, Some(FIRST)).await, []);
    let marks = ["Nora0".to_owned(), "since part 0".to_owned()];
    assert_eq!(scan::rows(&stage.owner, &marks).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_quotes_an_archived_session_goes_and_what_does_not_stays() {
    let stage = shared().await;
    erase_first(&stage).await;
    assert_eq!(known(&stage).await, ["Prefers the mountains"]);
}

#[tokio::test]
async fn a_session_whose_object_is_damaged_is_erased_and_what_may_quote_it_goes_too() {
    let stage = shared().await;
    for object in stage.objects() {
        std::fs::write(object, "damaged").unwrap();
    }
    erase_first(&stage).await;
    assert_eq!(known(&stage).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_session_is_erased_while_its_object_cannot_be_had_and_what_may_quote_it_goes_too() {
    let stage = shared().await;
    for object in stage.objects() {
        // Opening it fails, and says nothing of whether it is there.
        std::fs::remove_file(&object).unwrap();
        std::os::unix::fs::symlink(&object, &object).unwrap();
    }
    erase_first(&stage).await;
    assert_eq!(known(&stage).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_session_is_erased_where_the_archive_is_gone_and_the_erasure_stays_open() {
    let stage = shared().await;
    let mut variables = stage.services.config.variables.clone();
    variables.insert("DATABASE_URL".to_owned(), stage.database.url().to_owned());
    variables.remove("ARCHIVE_URL");
    let config = Config::from_map(&variables).unwrap();
    let without = Services::with_aws(&config, stage.aws.config().clone()).await.unwrap();
    let keeper = without.store.acting_as(Role::Keeper, 2).unwrap();
    let user = UserId::new(VICTIM).unwrap();
    let erased = keeper.erase(&Stage::tenant(), &user, Erasing::Session(FIRST), &[]).await.unwrap().unwrap();
    assert_eq!(erased.sessions.len(), 1);
    assert_eq!(known(&stage).await, Vec::<Value>::new(), "nobody sees what may quote it");
    keeper.purge_erased(&Stage::tenant(), erased.receipt.id, 10).await.unwrap();
    let open = keeper.erasure(&Stage::tenant(), &user, erased.receipt.id).await.unwrap().unwrap();
    assert!(open.completed_at.is_none() && !stage.objects().is_empty(), "{open:?}");
}

#[tokio::test]
async fn an_object_that_is_left_is_named_and_the_erasure_stays_open() {
    let stage = shared().await;
    let object = stage.objects().remove(0);
    let erased = stage.done("POST", VICTIM, "/erasures", json!({"subject": "user"})).await;
    assert_eq!(erased["status"], "purged", "{erased}");
    assert_eq!(erased["counts"]["archive_objects"], 1, "{erased}");
    assert!(!object.exists());
    // A row of which the object could not be deleted.
    let left = "insert into afterthought.archive_objects
                    (id, tenant, user_id, session_id, first_version, last_version, events, bytes, checksum, status, created_at)
                select gen_random_uuid(), 'acme', 'quagga-rider', session_id, 1, 4, 4, 1, sha256('x'), 'stored', now() - interval '1 hour'
                from afterthought.erased_sessions limit 1";
    stage.owner.batch_execute(left).await.unwrap();
    let named = verified(&stage, None).await;
    assert!(named.contains(&("archive_objects".to_owned(), 2)), "{named:?}");
    stage.finish().await;
    assert_eq!(verified(&stage, None).await, []);
}

#[tokio::test]
async fn what_an_erasure_that_failed_has_brought_back_is_indexed_again() {
    let stage = shared().await;
    let read = "insert into afterthought.agent_cursors (session_id, agent, tenant, through)
                select id, 'indexer', tenant, head_version from afterthought.sessions";
    stage.owner.batch_execute(read).await.unwrap();
    let forbid = "create function afterthought.forbid() returns trigger language plpgsql as $$
                  begin raise exception 'killed'; end $$;
                  create trigger forbidden before insert on afterthought.erasures
                  for each row execute function afterthought.forbid()";
    stage.owner.batch_execute(forbid).await.unwrap();
    let asked = json!({"subject": "session", "session": FIRST});
    let (status, answer) = stage.ask("POST", VICTIM, "/erasures", asked).await;
    assert!(status >= 500, "{status} {answer}");
    assert_eq!(stage.objects(), Vec::<std::path::PathBuf>::new(), "it had to be read");
    let begins = "select c.through from afterthought.agent_cursors c join afterthought.sessions s on s.id = c.session_id
                  where s.session = $1 and c.agent = 'indexer'";
    let through: i64 = stage.owner.query_one(begins, &[&FIRST]).await.unwrap().get(0);
    assert_eq!(through, 0);
    stage.owner.batch_execute("drop function afterthought.forbid cascade").await.unwrap();
    erase_first(&stage).await;
}
