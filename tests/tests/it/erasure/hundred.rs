//! One of a hundred users is erased during an import, with redrives: no trace of them is left, and what the others have is what
//! they have where that user never was.

use std::path::PathBuf;

use domain::{SessionId, WakeUp};
use entity_extractor::EntityExtractor;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::mouths::Waking;
use super::sameness::{Kept, archived};
use super::scan::{self, Log};
use super::stage::{MARK, Stage, VICTIM};
use super::{marks, verified};

/// Beside the one who is erased.
const OTHERS: usize = 99;
/// What Postgres refuses for a while begins with this.
const LETTER: &str = "P.S.";

fn others() -> Vec<String> {
    (0..OTHERS).map(|place| format!("rider {place:02}")).collect()
}

/// Every so many of the others, beginning at one of them.
fn some(of: usize, from: usize) -> Vec<String> {
    others().into_iter().skip(from).step_by(of).collect()
}

fn first(user: &str) -> Vec<String> {
    vec![
        format!("I am {user} and I live in Basel."),
        format!("My sister Nora works for Roche and likes the {user} song."),
    ]
}

fn second(user: &str) -> Vec<String> {
    vec![
        format!("I have to send the {user} report to Tom by 3 March 2027."),
        format!("My favourite tea is {user} oolong."),
    ]
}

fn letter(user: &str) -> Vec<String> {
    vec![format!("{LETTER} I prefer the {user} train.")]
}

/// A session arrives in a transaction of its own, which is not ended here.
async fn insert(client: &Client, user: &str, session: &str, lines: &[String]) {
    let insert = "insert into afterthought.messages (tenant, user_id, session, role, speaker, content, occurred_at)
                  select 'acme', $1, $2, 'user', $1, said, timestamptz '2027-01-01' + place * interval '1 minute'
                  from unnest($3::text[]) with ordinality as l (said, place)";
    client.execute(insert, &[&user, &session, &lines]).await.unwrap();
}

async fn import(stage: &Stage, user: &str, session: &str, lines: &[String]) {
    insert(&stage.owner, user, session, lines).await;
}

/// What there is before: a session of everybody, thought about, and one of them in the archive; rows of an application's table, some
/// of which wait to be read, and one of which says nothing; dead letters; and what was accepted and waits in its queue.
async fn begin(stage: &Stage, with: &[String]) {
    let also = |users: Vec<String>| [users, with.to_vec()].concat();
    for user in also(others()) {
        import(stage, &user, "first", &first(&user)).await;
    }
    stage.wake(Waking::Behind).await;
    let age = "update afterthought.sessions set last_event_at = '2026-01-04'
               where session = 'first' and user_id = any($1)";
    let archived = also(some(OTHERS, 0));
    assert_eq!(stage.owner.execute(age, &[&archived]).await.unwrap(), archived.len() as u64);
    stage.tidy().await;
    assert_eq!(stage.objects().len(), archived.len());

    stage.refuse(Some(LETTER)).await;
    for user in also(some(4, 3)) {
        stage.say(&user, "letter", &letter(&user)).await;
    }
    stage.ingest().await;
    stage.refuse(None).await;

    stage.adopt(&also(some(8, 2))).await;
    stage.follow().await;
    for user in also(some(8, 6)) {
        stage.write_and_note(&user, 1, Some(&format!("My boat is called {user} the Brave."))).await;
    }
    for user in also(some(OTHERS, 7)) {
        stage.write_and_note(&user, 2, None).await;
    }
    for user in also(some(4, 1)) {
        stage.say(&user, "second", &second(&user)).await;
    }
}

/// The rest of the import, while what is in queues and tables is stored, and everything is thought about.
async fn go_on(stage: &Stage) {
    let import = async {
        for user in some(4, 0) {
            import(stage, &user, "second", &second(&user)).await;
        }
    };
    let store = async {
        stage.ingest().await;
        stage.follow().await;
        stage.ingest().await;
    };
    tokio::join!(import, store, stage.wake(Waking::Behind));
}

/// What is left is sent again, and everybody comes to rest.
async fn settle(stage: &Stage) {
    while stage.redrive_letters(10).await > 0 {}
    stage.ingest().await;
    stage.wake(Waking::Behind).await;
    stage.redrive_wake_ups().await;
}

#[tokio::test]
async fn one_of_a_hundred_users_is_erased_during_an_import_with_redrives() {
    let (log, _logging) = Log::keep();
    let (stage, undisturbed) = tokio::join!(Stage::set(), Stage::set());
    let began = (stage.services.now)();
    let undisturbed_run = async {
        begin(&undisturbed, &[]).await;
        go_on(&undisturbed).await;
        settle(&undisturbed).await;
        Kept::read(&undisturbed, began).await
    };
    let disturbed_run = disturbed(&stage, began);
    let (there, (here, before)) = tokio::join!(undisturbed_run, disturbed_run);

    assert!(there.len() > 20 * OTHERS, "{} lines", there.len());
    let differences = here.differences(&there);
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));

    assert_eq!(verified(&stage, None).await, []);
    assert_eq!(scan::rows(&stage.owner, &before).await, Vec::<String>::new());
    assert_eq!(scan::items(&stage.aws, &stage.hot_table, &before).await, Vec::<String>::new());
    assert_eq!(scan::messages(&stage.aws, &before).await, Vec::<String>::new());
    let has_mark = |line: &String| before.iter().any(|mark| line.contains(mark));
    assert_eq!(archived(&stage).into_iter().filter(has_mark).collect::<Vec<_>>(), Vec::<String>::new());
    let named = |path: &PathBuf| has_mark(&path.to_string_lossy().into_owned());
    assert_eq!(stage.objects().into_iter().filter(named).collect::<Vec<_>>(), Vec::<PathBuf>::new());
    assert_eq!(
        log.lines(&[MARK.to_owned()]),
        Vec::<String>::new(),
        "no line of any function has a name or a word"
    );
}

/// The run in which somebody is erased: what is left of it, and what somebody who looks for them might look for.
async fn disturbed(stage: &Stage, began: jiff::Timestamp) -> (Kept, Vec<String>) {
    begin(stage, &[VICTIM.to_owned()]).await;
    let gone: Vec<SessionId> = stage.sessions_of(VICTIM).await;
    let late = async |times: usize| {
        for session in &gone {
            let wake_up = WakeUp::Session { tenant: Stage::tenant(), session: *session, version: 2 };
            for _ in 0..times {
                stage.bury(EntityExtractor::NAME, wake_up.clone()).await;
            }
        }
        let tenant = Stage::tenant();
        let user = domain::UserId::new(VICTIM).unwrap();
        stage.bury(memory_curator::MemoryCurator::NAME, WakeUp::User { tenant, user }).await;
    };
    late(2).await;
    for user in some(9, 0) {
        let session = stage.sessions_of(&user).await[0];
        let wake_up = WakeUp::Session { tenant: Stage::tenant(), session, version: 2 };
        stage.bury(EntityExtractor::NAME, wake_up).await;
    }
    let before = marks(stage).await;
    assert!(scan::rows(&stage.owner, &before).await.len() > 20, "there is something to erase");
    let waits = "select count(*) from afterthought.adopted_arrivals where key::text like '%quagga%'";
    assert_eq!(stage.number(waits).await, 2, "rows of theirs wait to be read");

    // A transaction of theirs is open in a session of which nobody knows.
    let open = stage.database.client().await.unwrap();
    open.batch_execute("begin").await.unwrap();
    insert(&open, VICTIM, "open", &second(VICTIM)).await;
    let redrive = async {
        assert!(stage.redrive_letters(10).await > 0 && stage.redrive_wake_ups().await > 0);
        stage.ingest().await;
    };
    let erase = stage.ask("POST", VICTIM, "/erasures", json!({"subject": "user"}));
    let end = async {
        tokio::task::yield_now().await;
        open.batch_execute("commit").await.unwrap();
    };
    let ((status, erased), (), (), ()) = tokio::join!(erase, go_on(stage), redrive, end);
    assert_eq!(status, 202, "{erased}");
    assert_eq!(erased["counts"]["archive_objects"], 1, "{erased}");

    settle(stage).await;
    // Everybody is woken once more, and late.
    stage.wake(Waking::All).await;
    stage.finish().await;
    // Late wake-ups, after nobody knows any more whose they were.
    late(1).await;
    stage.redrive_wake_ups().await;
    stage.deliver_waiting().await;
    let receipt = format!("/erasures/{}", erased["id"].as_str().unwrap());
    let receipt = stage.done("GET", VICTIM, &receipt, Value::Null).await;
    assert_eq!(receipt["status"], "complete", "{receipt}");
    (Kept::read(stage, began).await, before)
}
