//! What waits while an erasure is under way, and begins anew when it is through, is a new life.

use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Stage, VICTIM};
use super::verified;

const SESSION: &str = "quagga-rider part 0";

/// Asks for an erasure that takes as long as something else does, which begins once it has locked what is to go.
async fn erase_during(stage: &Stage, subject: Value, meanwhile: impl Future<Output = ()>) {
    let blocker = stage.database.client().await.unwrap();
    blocker
        .batch_execute(
            "begin; select from afterthought.memories where user_id = 'quagga-rider' order by id for update",
        )
        .await
        .unwrap();
    let pause = || tokio::time::sleep(Duration::from_millis(500));
    let later = async {
        pause().await;
        meanwhile.await;
    };
    let end = async {
        pause().await;
        pause().await;
        blocker.batch_execute("rollback").await.unwrap();
    };
    let ((status, erased), (), ()) =
        tokio::join!(stage.ask("POST", VICTIM, "/erasures", subject), later, end);
    assert_eq!((status, &erased["counts"]["sessions"]), (202, &json!(1)), "{erased}");
}

#[tokio::test]
async fn a_session_that_is_made_anew_by_who_has_waited_is_not_erased_by_the_last_look() {
    let stage = Stage::set().await;
    stage.import(VICTIM, 0).await;
    stage.think().await;
    let waiting = stage.database.client().await.unwrap();
    let insert = async {
        // Two rows in one statement, and one in another.
        let said = "begin;
                    insert into afterthought.messages (tenant, user_id, session, role, content) values
                        ('acme', 'quagga-rider', 'quagga-rider part 0', 'user', 'Hello again.'),
                        ('acme', 'quagga-rider', 'quagga-rider part 0', 'user', 'It is me.');
                    insert into afterthought.messages (tenant, user_id, session, role, content) values
                        ('acme', 'quagga-rider', 'quagga-rider part 0', 'user', 'How are you?');
                    commit";
        waiting.batch_execute(said).await.unwrap();
    };
    erase_during(&stage, json!({"subject": "session", "session": SESSION}), insert).await;
    assert_eq!(verified(&stage, Some(SESSION)).await, [("erasure without an end".to_owned(), 1)]);
    stage.finish().await;
    let kept = "select count(*) from afterthought.session_events e join afterthought.sessions s on s.id = e.session_id
                where s.session = 'quagga-rider part 0' and e.created_at >= s.created_at and s.last_event_at >= s.created_at";
    assert_eq!(stage.number(kept).await, 3);
    assert_eq!(verified(&stage, Some(SESSION)).await, []);
}

#[tokio::test]
async fn a_memory_that_is_made_by_who_has_waited_is_not_erased_by_the_last_look() {
    let stage = Stage::set().await;
    let memory = |content: &str| json!({"type": "fact", "content": content});
    stage.done("POST", VICTIM, "/memories", memory("The quagga trots")).await;
    let remember = async {
        stage.done("POST", VICTIM, "/memories", memory("The quagga sleeps")).await;
    };
    erase_during(&stage, json!({"subject": "user"}), remember).await;
    stage.finish().await;
    let listed = stage.done("GET", VICTIM, "/memories", Value::Null).await;
    let contents: Vec<&Value> =
        listed["memories"].as_array().unwrap().iter().map(|memory| &memory["content"]).collect();
    assert_eq!(contents, ["The quagga sleeps"]);
    assert_eq!(verified(&stage, None).await, []);
}
