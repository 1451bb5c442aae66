//! One of a hundred users is erased during an import, with redrives: no trace of them is left, nobody is told of them any more, and
//! what the others have, and what is told of them, is as where that user never was.

use std::path::PathBuf;

use domain::{SessionId, UserId, WakeUp};
use entity_extractor::EntityExtractor;
use pattern_finder::PatternFinder;
use sentiment_analyzer::SentimentAnalyzer;
use serde_json::{Value, json};
use summarizer::Summarizer;
use tokio_postgres::Client;

use super::mouths::Waking;
use super::sameness::{Kept, archived};
use super::scan::{self, Log};
use super::stage::{AT_ONCE, MARK, SCHEDULED, Stage, VICTIM, WHEN_QUIET};
use super::told::{TOLD_OF, day};
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

/// How many days ago each session was.
const EARLIER: i64 = 16;
const FIRST: i64 = 12;
const SECOND: i64 = 8;

fn first(user: &str) -> Vec<String> {
    vec![
        format!("I am {user} and I live in Basel."),
        format!("My sister Nora works for Roche and likes the {user} song."),
        format!("I like {user} tea, it is wonderful!"),
    ]
}

fn second(user: &str) -> Vec<String> {
    vec![
        format!("I have to send the {user} report to Tom by 3 March 2027."),
        format!("My favourite tea is {user} oolong."),
        format!("I really like {user} tea, what a terrible day it was without!"),
    ]
}

fn letter(user: &str) -> Vec<String> {
    vec![format!("{LETTER} I prefer the {user} train, and I like {user} tea.")]
}

/// A session arrives in a transaction of its own, which is not ended here.
async fn insert(client: &Client, user: &str, session: &str, days_ago: i64, lines: &[String]) {
    let insert =
        "insert into afterthought.messages (tenant, user_id, session, role, speaker, content, occurred_at)
                  select 'acme', $1, $2, 'user', $1, said, $4::timestamptz + place * interval '1 minute'
                  from unnest($3::text[]) with ordinality as l (said, place)";
    client.execute(insert, &[&user, &session, &lines, &day(days_ago)]).await.unwrap();
}

async fn import(stage: &Stage, user: &str, session: &str, days_ago: i64, lines: &[String]) {
    insert(&stage.owner, user, session, days_ago, lines).await;
}

/// What there is before: a session of everybody, thought about by every agent, and one of them in the archive; rows of an
/// application's table, some of which wait to be read, and one of which says nothing; dead letters; what was accepted and waits in
/// its queue; and an endpoint that was told of every summary, while what is to be told of tones and patterns waits. Answers what it
/// was told.
async fn begin(stage: &Stage, with: &[String]) -> Vec<Value> {
    let also = |users: Vec<String>| [users, with.to_vec()].concat();
    stage.open_endpoint().await;
    for user in with {
        import(stage, user, "earlier", EARLIER, &second(user)).await;
    }
    for user in also(others()) {
        import(stage, &user, "first", FIRST, &first(&user)).await;
    }
    stage.wake(&AT_ONCE, Waking::Behind).await;
    stage.wake(&[Summarizer::NAME], Waking::Behind).await;
    let told = stage.notify().await;
    stage.wake(&[SentimentAnalyzer::NAME], Waking::Behind).await;
    stage.find_patterns().await;
    let age = "update afterthought.sessions set last_event_at = '2026-01-04'
               where session = 'first' and user_id = any($1)";
    let archived = also(some(OTHERS, 0));
    assert_eq!(stage.owner.execute(age, &[&archived]).await.unwrap(), archived.len() as u64);
    stage.tidy().await;
    assert_eq!(stage.objects().len(), archived.len());

    stage.refuse(Some(LETTER)).await;
    for user in also(some(4, 3)) {
        stage.say(&user, "letter", SECOND, &letter(&user)).await;
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
        stage.say(&user, "second", SECOND, &second(&user)).await;
    }
    told
}

/// The rest of the import, while what is in queues and tables is stored, and everything is thought about that nobody waits with.
async fn go_on(stage: &Stage) {
    let import = async {
        for user in some(4, 0) {
            import(stage, &user, "second", SECOND, &second(&user)).await;
        }
    };
    let store = async {
        stage.ingest().await;
        stage.follow().await;
        stage.ingest().await;
    };
    tokio::join!(import, store, stage.wake(&AT_ONCE, Waking::Behind));
}

/// What is left is sent again, and everybody comes to rest.
async fn settle(stage: &Stage) {
    while stage.redrive_letters(10).await > 0 {}
    stage.ingest().await;
    stage.wake(&AT_ONCE, Waking::Behind).await;
    stage.redrive_wake_ups().await;
    stage.wake(&WHEN_QUIET, Waking::Behind).await;
    stage.find_patterns().await;
}

#[tokio::test]
async fn one_of_a_hundred_users_is_erased_during_an_import_with_redrives() {
    let (log, _logging) = Log::keep();
    let (stage, undisturbed) = tokio::join!(Stage::set(), Stage::set());
    let began = (stage.services.now)();
    let undisturbed_run = async {
        let mut told = begin(&undisturbed, &[]).await;
        go_on(&undisturbed).await;
        settle(&undisturbed).await;
        told.extend(undisturbed.notify().await);
        let mut kept = Kept::read(&undisturbed, began).await;
        for message in &told {
            kept.add("told", message.clone());
        }
        (kept, told)
    };
    let disturbed_run = disturbed(&stage, began);
    let ((there, told), (here, before)) = tokio::join!(undisturbed_run, disturbed_run);

    assert!(there.len() > 40 * OTHERS, "{} lines", there.len());
    for kind in TOLD_OF {
        let of_kind = told.iter().filter(|message| message["data"]["type"] == kind).count();
        assert!(of_kind > OTHERS / 4, "{of_kind} messages tell of a {kind}");
    }
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

/// The run in which somebody is erased: what is left of it and of what was told, and what somebody who looks for them might look
/// for.
async fn disturbed(stage: &Stage, began: jiff::Timestamp) -> (Kept, Vec<String>) {
    let mut told = begin(stage, &[VICTIM.to_owned()]).await;
    let gone: Vec<SessionId> = stage.sessions_of(VICTIM).await;
    let of_user = || WakeUp::User { tenant: Stage::tenant(), user: UserId::new(VICTIM).unwrap() };
    let of_session = |session| WakeUp::Session { tenant: Stage::tenant(), session, version: 3 };
    let late = async |times: usize| {
        for session in &gone {
            for agent in [EntityExtractor::NAME, Summarizer::NAME, SentimentAnalyzer::NAME] {
                for _ in 0..times {
                    stage.bury(agent, of_session(*session)).await;
                }
            }
        }
        for agent in SCHEDULED {
            stage.bury(agent, of_user()).await;
        }
    };
    late(2).await;
    for user in some(9, 0) {
        let session = stage.sessions_of(&user).await[0];
        stage.bury(EntityExtractor::NAME, of_session(session)).await;
    }
    let before = marks(stage).await;
    assert!(scan::rows(&stage.owner, &before).await.len() > 20, "there is something to erase");
    let waits = "select count(*) from afterthought.adopted_arrivals where key::text like '%quagga%'";
    assert_eq!(stage.number(waits).await, 2, "rows of theirs wait to be read");
    let kinds = "select count(distinct type) from afterthought.memories
                 where user_id = 'quagga-rider' and type in ('summary', 'sentiment', 'pattern')";
    assert_eq!(stage.number(kinds).await, 3, "every agent has thought of them");
    let waits = "select count(*) from afterthought.webhook_deliveries where user_id = 'quagga-rider' and status = 'pending'";
    assert!(stage.number(waits).await > 2, "somebody is to be told of them");
    let has_mark = |message: &Value| {
        let text = message.to_string();
        before.iter().any(|mark| text.contains(mark))
    };
    assert!(told.iter().any(has_mark), "somebody was told of them");
    told.retain(|message| !has_mark(message));

    // A transaction of theirs is open in a session of which nobody knows.
    let open = stage.database.client().await.unwrap();
    open.batch_execute("begin").await.unwrap();
    insert(&open, VICTIM, "open", SECOND, &second(VICTIM)).await;
    let redrive = async {
        assert!(stage.redrive_letters(10).await > 0 && stage.redrive_wake_ups().await > 0);
        stage.ingest().await;
    };
    // They have fallen quiet and a day is over, just then.
    let think = async {
        for session in &gone {
            for agent in WHEN_QUIET {
                stage.deliver(agent, of_session(*session)).await;
            }
        }
        stage.deliver(PatternFinder::NAME, of_user()).await;
    };
    // The notifier is at it: what it says of them until the answer is there is said, and nothing afterwards.
    let erase = async {
        let answer = stage.ask("POST", VICTIM, "/erasures", json!({"subject": "user"})).await;
        (answer, stage.told())
    };
    let end = async {
        tokio::task::yield_now().await;
        open.batch_execute("commit").await.unwrap();
    };
    let (((status, erased), told_meanwhile), (), (), (), (), ()) =
        tokio::join!(erase, stage.send_waiting(), go_on(stage), redrive, think, end);
    assert_eq!(status, 202, "{erased}");
    assert_eq!(erased["counts"]["archive_objects"], 1, "{erased}");

    settle(stage).await;
    // Everybody is woken once more, and late.
    stage.wake(&[&AT_ONCE[..], &WHEN_QUIET].concat(), Waking::All).await;
    stage.finish().await;
    // Late wake-ups, after nobody knows any more whose they were.
    late(1).await;
    stage.redrive_wake_ups().await;
    stage.deliver_waiting().await;
    let receipt = format!("/erasures/{}", erased["id"].as_str().unwrap());
    let receipt = stage.done("GET", VICTIM, &receipt, Value::Null).await;
    assert_eq!(receipt["status"], "complete", "{receipt}");
    let told_after = stage.notify().await;
    assert_eq!(
        told_after.iter().filter(|message| has_mark(message)).collect::<Vec<_>>(),
        Vec::<&Value>::new()
    );
    let mut kept = Kept::read(stage, began).await;
    told.extend(told_meanwhile.into_iter().filter(|message| !has_mark(message)));
    for message in told.iter().chain(&told_after) {
        kept.add("told", message.clone());
    }
    (kept, before)
}
