//! A user, a session or a memory is erased: nothing of it is left anywhere, nothing of anybody else is changed, and nothing
//! brings it back.

mod again;
mod archive;
mod belongings;
mod export;
mod hundred;
mod many;
mod meanwhile;
mod mouths;
mod open;
mod sameness;
mod scan;
mod shared;
mod stage;
mod told;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use local::chaos::compare::{Snapshot, differences};
use serde_json::{Value, json};
use store::Erasing;

use self::scan::Log;
use self::stage::{MARK, OTHERS, Stage, VICTIM};

/// In so many parts do the others' conversations come.
const PARTS: usize = 4;

/// What somebody might look for: the mark, and the identifiers of sessions and memories.
async fn marks(stage: &Stage) -> Vec<String> {
    let read = "select id::text from afterthought.sessions where user_id = $1
                union select id::text from afterthought.memories where user_id = $1
                union select id::text from afterthought.agent_runs r
                      where session_id in (select id from afterthought.sessions where user_id = $1)";
    let rows = stage.owner.query(read, &[&VICTIM]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).chain([MARK.to_owned()]).collect()
}

/// What is verified with the query that is documented.
async fn verified(stage: &Stage, session: Option<&str>) -> Vec<(String, i64)> {
    let verify = "select layer, remaining from afterthought.verify_erasure('acme', $1, $2)";
    let rows = stage.owner.query(verify, &[&VICTIM, &session]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn one_of_several_users_is_erased_while_everything_goes_on() {
    let (log, _logging) = Log::keep();
    let (stage, undisturbed) = tokio::join!(Stage::set(), Stage::set());
    for part in 0..PARTS {
        for user in OTHERS {
            undisturbed.import(user, part).await;
        }
        undisturbed.think().await;
    }
    undisturbed.settle().await;
    undisturbed
        .owner
        .batch_execute(
            "insert into afterthought.profiles (tenant, user_id, preferences) values ('acme', 'ada', '{\"pet\": \"cat\"}')",
        )
        .await
        .unwrap();

    // The victim talks among the others, and has one of everything.
    for user in OTHERS.iter().chain([&VICTIM]) {
        stage.import(user, 0).await;
    }
    stage.think().await;
    stage.decorate().await;
    stage.import(VICTIM, 7).await;
    stage.think().await;
    // What was said in a session of the victim's is in the archive, and so is a part of an object that nobody knows of.
    stage.archive("quagga-rider part 7").await;
    let objects = stage.objects();
    let unknown = objects[0].with_file_name("unknown.jsonl.gz");
    std::fs::copy(&objects[0], unknown).unwrap();
    let before = marks(&stage).await;
    assert!(
        before.len() > 10 && scan::rows(&stage.owner, &before).await.len() > 50,
        "there is something to erase"
    );
    let dry = stage.done("POST", VICTIM, "/erasures", json!({"subject": "user", "dry_run": true})).await;
    assert_eq!(dry["status"], "dry_run");
    for layer in [
        "sessions", "events", "memories", "event_index", "event_passages", "memory_index", "memory_words",
        "memory_marks", "memory_versions", "memory_access", "webhook_deliveries", "reviews", "retractions",
        "evidence", "cursors", "runs", "ledger", "snapshots", "checkpoints", "operations", "holds",
        "profiles", "requests", "hot_items", "archive_objects",
    ] {
        assert!(dry["counts"][layer].as_i64().is_some_and(|rows| rows > 0), "{layer} of {dry}");
    }
    assert_eq!(marks(&stage).await, before, "a dry run changes nothing");

    // Two transactions of the victim's are open when the erasure comes: one in a session that is there, for which it
    // waits, and one that makes a session of which nobody knows.
    let (known, unknown) = tokio::join!(stage.database.client(), stage.database.client());
    let (known, unknown) = (known.unwrap(), unknown.unwrap());
    known.batch_execute("begin").await.unwrap();
    stage.insert(&known, VICTIM, 0).await;
    unknown.batch_execute("begin").await.unwrap();
    stage.insert(&unknown, VICTIM, 9).await;
    let erase = stage.ask("POST", VICTIM, "/erasures", json!({"subject": "user"}));
    let import = async {
        for part in 1..PARTS {
            for user in OTHERS {
                stage.import(user, part).await;
            }
        }
    };
    let think = async {
        for _ in 0..3 {
            stage.think().await;
        }
    };
    let end = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        known.batch_execute("commit").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        unknown.batch_execute("commit").await.unwrap();
    };
    let ((status, erased), (), (), ()) = tokio::join!(erase, import, think, end);
    assert_eq!(status, 202, "{erased}");
    assert_eq!(erased["status"], "purged", "{erased}");
    assert_eq!(
        erased["counts"]["events"],
        dry["counts"]["events"].as_i64().unwrap() + 4,
        "what it waited for counts"
    );
    stage.think().await;

    stage.finish().await;
    stage.settle().await;
    stage.deliver_waiting().await;
    let receipt = stage
        .done("GET", VICTIM, &format!("/erasures/{}", erased["id"].as_str().unwrap()), Value::Null)
        .await;
    assert_eq!(receipt["status"], "complete", "{receipt}");
    assert_eq!(receipt["counts"]["archive_objects"], 2, "{receipt}");
    assert_eq!(stage.objects(), Vec::<PathBuf>::new());
    assert_eq!(verified(&stage, None).await, []);
    assert_eq!(scan::rows(&stage.owner, &before).await, Vec::<String>::new());
    assert_eq!(scan::items(&stage.aws, &stage.hot_table, &before).await, Vec::<String>::new());
    assert_eq!(scan::messages(&stage.aws, &before).await, Vec::<String>::new());
    // Identifiers of sessions and runs are in the log, by which nobody is known; no name and no word is.
    assert_eq!(log.lines(&[MARK.to_owned()]), Vec::<String>::new());

    let agents: Vec<String> = Vec::new();
    let (here, there) = tokio::join!(
        Snapshot::read(&stage.owner, &agents, &[]),
        Snapshot::read(&undisturbed.owner, &agents, &[]),
    );
    let (here, there) = (here.unwrap(), there.unwrap());
    assert!(
        there.counts().values().all(|rows| *rows > 0) || there.counts().len() > 5,
        "{:?}",
        there.counts()
    );
    let differences: Vec<String> = differences(&here, &there).iter().map(ToString::to_string).collect();
    assert_eq!(differences, Vec::<String>::new());

    // What comes now is a new life, and the old one is not part of it.
    stage.import(VICTIM, 1).await;
    stage.think().await;
    let listed = stage.done("GET", VICTIM, "/memories", Value::Null).await;
    assert!(!listed["memories"].as_array().unwrap().is_empty());
    assert_eq!(verified(&stage, None).await, [], "what came after the erasure is not left over");
}

#[tokio::test]
async fn a_session_goes_with_what_was_learned_from_it_alone() {
    let stage = Stage::set().await;
    for part in 0..2 {
        stage.import(VICTIM, part).await;
    }
    stage.think().await;
    stage.decorate().await;
    stage.think().await;
    let session = "quagga-rider part 0";
    let id = stage.sessions_of(VICTIM).await[1].0;
    let marks = [id.to_string(), session.to_owned(), "Nora0".to_owned(), "quagga-finder".to_owned()];
    assert!(scan::rows(&stage.owner, &marks).await.len() > 20);
    let shared = format!(
        "select count(distinct e.memory_id) from afterthought.memory_evidence e
         where e.session_id <> '{id}' and exists (
             select from afterthought.memory_evidence o where o.memory_id = e.memory_id and o.session_id = '{id}')"
    );
    assert!(stage.number(&shared).await > 0, "something was said in both");
    let kept = "select count(*) from afterthought.memories
                where user_id = 'quagga-rider' and valid_to is null and status = 'active'";
    let erased =
        stage.done("POST", VICTIM, "/erasures", json!({"subject": "session", "session": session})).await;
    assert_eq!(erased["counts"]["sessions"], 1, "{erased}");
    assert_eq!(stage.number(&shared).await, 0);
    let (status, _) = stage.ask("GET", VICTIM, &format!("/sessions/{session}"), Value::Null).await;
    assert_eq!(status, 404);

    stage.finish().await;
    assert_eq!(verified(&stage, Some(session)).await, []);
    // What quoted the session is learned anew from the others, by the agents that were sent back there.
    stage.think().await;
    let anew = stage.number(kept).await;
    stage.replay().await;
    assert_eq!(stage.number(kept).await, anew, "a replay learns neither more nor less");
    assert_eq!(scan::rows(&stage.owner, &marks).await, Vec::<String>::new());
    assert_eq!(scan::items(&stage.aws, &stage.hot_table, &marks).await, Vec::<String>::new());
    let spoken_of = "select count(*) from afterthought.memories
                     where user_id = 'quagga-rider' and key = 'name:zurich' and valid_to is null and status = 'active'
                       and content like '%Nora1%'";
    assert_eq!(stage.number(spoken_of).await, 1, "what was said elsewhere too is known from there");
    let listed = stage.done("GET", VICTIM, "/sessions", Value::Null).await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 2, "{listed}");
    // A session of that name may begin anew.
    stage.import(VICTIM, 0).await;
    stage.think().await;
    assert!(!scan::rows(&stage.owner, &[String::from("Nora0")]).await.is_empty());
    assert_eq!(verified(&stage, Some(session)).await, []);
}

#[tokio::test]
async fn what_was_remembered_of_an_event_leaves_no_words_in_the_log() {
    let stage = Stage::set().await;
    let said = json!({"type": "fact", "content": "There is a stable", "key": "stable"});
    stage.done("POST", VICTIM, "/memories", said).await;
    let evidence = json!([{"session": "memories", "version": 1}]);
    let napping = json!({"type": "fact", "content": "The quokka naps at noon", "key": "quokka", "data": {"who": "quokka"}, "evidence": evidence});
    let made = stage.done("POST", VICTIM, "/memories", napping).await;
    let asked = json!({"subject": "memory", "memory": made["memory"]});
    stage.done("POST", VICTIM, "/erasures", asked).await;
    let left =
        "select count(*) filter (where e::text like '%quokka%'), count(*) from afterthought.session_events e";
    let left = stage.owner.query_one(left, &[]).await.unwrap();
    assert_eq!((left.get::<_, i64>(0), left.get::<_, i64>(1)), (0, 2));
}

#[tokio::test]
async fn a_memory_goes_with_its_past_and_with_what_quotes_it_and_is_not_learned_again() {
    let stage = Stage::set().await;
    stage.import(VICTIM, 0).await;
    stage.think().await;
    let remember = async |content: &str, key: &str| {
        let body = json!({"type": "fact", "content": content, "key": key});
        let made = stage.done("POST", VICTIM, "/memories", body).await;
        made["memory"].as_str().unwrap().to_owned()
    };
    let wrong = remember("The quagga sleeps in the northern stable", "stable").await;
    let body = json!({"version": 1, "content": "The quagga sleeps in the southern stable"});
    let right = stage.done("POST", VICTIM, &format!("/memories/{wrong}/correct"), body).await;
    let right = right["memory"].as_str().unwrap().to_owned();
    let quoting = remember("They said: the quagga sleeps in the southern stable! Really.", "gossip").await;
    let apart = remember("There is a southern stable", "stables").await;
    stage.think().await;
    let learned = "select id::text, type, key from afterthought.memories
                   where user_id = 'quagga-rider' and content like '%lives in Lugano%' and type <> 'entity' and valid_to is null
                   order by id limit 1";
    let learned = stage.owner.query_one(learned, &[]).await.unwrap();
    let (learned, kind, key): (String, String, String) = (learned.get(0), learned.get(1), learned.get(2));

    for memory in [&right, &learned] {
        let asked = json!({"subject": "memory", "memory": memory, "dry_run": true});
        let dry = stage.done("POST", VICTIM, "/erasures", asked).await;
        let (status, _) = stage.ask("GET", VICTIM, &format!("/memories/{memory}"), Value::Null).await;
        assert_eq!((status, dry["status"].as_str()), (200, Some("dry_run")));
        let asked = json!({"subject": "memory", "memory": memory});
        let erased = stage.done("POST", VICTIM, "/erasures", asked.clone()).await;
        assert_eq!(erased["counts"]["memories"], dry["counts"]["memories"]);
        let again = stage.done("POST", VICTIM, "/erasures", asked).await;
        assert_eq!(again["id"], erased["id"], "a repeat has the same receipt");
        let (status, _) = stage
            .ask("GET", "ada", &format!("/erasures/{}", erased["id"].as_str().unwrap()), Value::Null)
            .await;
        assert_eq!(status, 404, "a receipt is for whom it was asked of");
    }
    for (memory, expected) in [(&wrong, 404), (&right, 404), (&quoting, 404), (&learned, 404), (&apart, 200)]
    {
        let (status, _) = stage.ask("GET", VICTIM, &format!("/memories/{memory}"), Value::Null).await;
        assert_eq!(status, expected, "{memory}");
    }
    stage.finish().await;
    let words = ["northern stable".to_owned(), "sleeps in the southern".to_owned()];
    assert_eq!(
        scan::rows(&stage.owner, &words).await,
        Vec::<String>::new(),
        "not in the events either that made it"
    );
    stage.replay().await;
    let back = "select count(*) from afterthought.memories where user_id = 'quagga-rider' and type = $1 and key = $2";
    let back: i64 = stage.owner.query_one(back, &[&kind, &key]).await.unwrap().get(0);
    assert_eq!(back, 0, "what had been said by then does not teach it again");
    let rejected =
        stage.number("select count(*) from afterthought.ledger where reason = 'rejected_before'").await;
    assert!(rejected > 0);
    let unknown = json!({"subject": "memory", "memory": uuid::Uuid::now_v7()});
    assert_eq!(stage.ask("POST", VICTIM, "/erasures", unknown).await.0, 404);
}

#[tokio::test]
async fn an_erasure_that_was_killed_in_the_middle_is_finished_by_the_janitor() {
    let stage = Stage::set().await;
    for user in [VICTIM, "ada"] {
        stage.import(user, 0).await;
    }
    stage.think().await;
    stage.decorate().await;
    let before = marks(&stage).await;
    let (tenant, user) = (Stage::tenant(), domain::UserId::new(VICTIM).unwrap());
    // The function is killed once Postgres has committed: hot state was not reached, and nobody told the janitor.
    let erased = stage.keeper.erase(&tenant, &user, Erasing::User, &[]).await.unwrap().unwrap();
    assert!(!scan::items(&stage.aws, &stage.hot_table, &before).await.is_empty());
    let purged = stage.keeper.purge_erased(&tenant, erased.receipt.id, 2).await.unwrap();
    assert!(purged.rows > 0 && !purged.is_done, "{purged:?}");
    // So is a janitor, before it has done anything.
    let tick = r#"{"format":1,"type":"tick"}"#;
    stage.tick(tick, Timestamp::UNIX_EPOCH).await;
    assert_eq!(stage.keeper.open_erasures(&tenant, None, 10).await.unwrap().len(), 1);
    stage.finish().await;
    stage.deliver_waiting().await;
    assert_eq!(verified(&stage, None).await, []);
    assert_eq!(scan::rows(&stage.owner, &before).await, Vec::<String>::new());
    assert_eq!(scan::items(&stage.aws, &stage.hot_table, &before).await, Vec::<String>::new());
    assert_eq!(scan::messages(&stage.aws, &before).await, Vec::<String>::new());
    assert!(stage.number("select count(*) from afterthought.memories where user_id = 'ada'").await > 0);
    assert_eq!(
        stage.keeper.purge_erased(&tenant, erased.receipt.id, 2).await.unwrap().rows,
        0,
        "and no more"
    );
}
