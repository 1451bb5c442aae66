//! What may be remembered, in real Postgres: nothing that recall handed out, nothing twice, nothing beyond the user's
//! room; and what an agent may close.

mod closings;
mod latest;
mod stage;

use std::collections::BTreeMap;

use domain::{ClosedBecause, MemoryType, Scope, SessionId, Thought, UserId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{Claim, Committed, Effects};
use uuid::Uuid;

use self::stage::{Stage, closing, fact, home, known, tenant, thought};

#[tokio::test]
async fn sentences_that_memories_said_are_taken_out_of_what_is_thought_about() {
    let stage = Stage::set().await;
    stage
        .learn("one", fact("home", "Ada has lived in Lisbon since May. She works on solar boats there!"))
        .await;
    let told = "Of course.  ada has lived in LISBON, since May. Shall we look for a flat?";
    let session = stage.say("two", "assistant", told).await;
    stage
        .say("two", "assistant", "Ada has lived in Lisbon since May.\nShe works on solar boats there.")
        .await;
    stage.say("two", "user", "I have lived in Lisbon since May.").await;
    let claimed = stage.claim("gate", session).await;
    assert_eq!(claimed.recalled.keys().copied().collect::<Vec<_>>(), [1, 2]);
    let (window, repeats) = claimed.window.clone().without_recalled(&claimed.recalled);
    let texts: Vec<&str> = window.events.iter().map(|event| event.content.as_str()).collect();
    assert_eq!(texts, ["Of course.    Shall we look for a flat?", "", "I have lived in Lisbon since May."]);
    assert_eq!(repeats, [2].into());

    let thoughts = vec![
        Thought { evidence: vec![2], ..fact("again", "Lisbon again") },
        Thought { evidence: vec![2, 3], ..fact("home", "Ada lives there") },
    ];
    let effects = Effects { thoughts, recalled: repeats, ..Effects::default() };
    assert!(matches!(stage.commit(&claimed, &effects).await, Committed::Done(_)));
    assert_eq!(
        stage.ledger().await[1..],
        ["dropped fact recalled {}", "merged fact {3}", "dropped recalled {2}"]
    );
    let nobody = Claim {
        recalled: false,
        agent: "other",
        tenant: &tenant(),
        session,
        limit: 9,
        context: &[],
        waits_for: None,
        redrives: None,
    };
    assert_eq!(stage.store.claim(&nobody).await.unwrap().unwrap().recalled, BTreeMap::new());
}

#[tokio::test]
async fn what_was_said_before_it_was_remembered_is_not_recalled_and_no_user_hears_of_another() {
    let stage = Stage::set().await;
    let first = stage.say("one", "user", "Ada has lived in Lisbon since May.").await;
    stage.learn("two", fact("home", "Ada has lived in Lisbon since May.")).await;
    assert_eq!(stage.claim("late", first).await.recalled, BTreeMap::new(), "it was said before");
    let insert = "insert into afterthought.messages (user_id, session, role, content)
                  values ('bob', 's', 'assistant', 'Ada has lived in Lisbon since May.') returning session_id";
    let other = SessionId(stage.owner.query_one(insert, &[]).await.unwrap().get(0));
    assert_eq!(stage.claim("gate", other).await.recalled, BTreeMap::new(), "another user's memory");
    let words = "update afterthought.memories set content = 'Ada has moved to Porto for good.'";
    stage.owner.batch_execute(words).await.unwrap();
    let old = stage.say("three", "assistant", "Ada has lived in Lisbon since May.").await;
    assert_eq!(stage.claim("gate", old).await.recalled, BTreeMap::new(), "marks follow the content");
    let new = stage.say("four", "assistant", "Ada has moved to Porto for good.").await;
    assert_eq!(stage.claim("gate", new).await.recalled.len(), 1);
}

#[tokio::test]
async fn a_person_may_say_what_a_summary_quotes_and_the_assistant_may_not() {
    let stage = Stage::set().await;
    let summary = thought(MemoryType::Summary, "session", "Ada: I'll call you again tomorrow morning.");
    let quoting =
        Thought { content: format!("{} I'll bring the cake to the party.", summary.content), ..summary };
    stage.learn("one", quoting).await;
    let session = stage.say("two", "user", "I'll bring the cake to the party.").await;
    stage.say("two", "assistant", "I'll bring the cake to the party.").await;
    assert_eq!(stage.claim("gate", session).await.recalled.keys().copied().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_question_is_never_taken_out_and_a_proposal_was_never_handed_out() {
    let stage = Stage::set().await;
    let asked = "Did you take your medicine this morning? Ada takes two pills every single morning.";
    stage.learn("one", fact("medicine", asked)).await;
    let session = stage.say("two", "assistant", "Did you take your medicine this morning?").await;
    stage.say("two", "assistant", "Ada takes two pills every single morning.").await;
    assert_eq!(stage.claim("gate", session).await.recalled.keys().copied().collect::<Vec<_>>(), [2]);
    let propose = "update afterthought.memories
                   set status = 'pending_review', on_conflict = 'merge', review_reason = 'type'";
    stage.owner.batch_execute(propose).await.unwrap();
    assert_eq!(stage.claim("gate", session).await.recalled, BTreeMap::new());
}

#[tokio::test]
async fn what_is_closed_takes_nothing_in_that_the_same_commit_says() {
    let stage = Stage::set().await;
    stage.learn("one", thought(MemoryType::Pattern, "theme:old", "Ada often talks about boats.")).await;
    let old = known(&stage).await.remove("Ada often talks about boats.").unwrap();
    let session = stage.say("two", "user", "boats").await;
    let claimed = stage.claim("gate", session).await;
    let effects = Effects {
        thoughts: vec![thought(MemoryType::Pattern, "theme:new", "Ada often talks about boats.")],
        closings: vec![closing(&old, ClosedBecause::Faded, None)],
        ..Effects::default()
    };
    assert!(matches!(stage.commit(&claimed, &effects).await, Committed::Done(_)));
    assert_eq!(stage.current().await, ["Ada often talks about boats.:1"]);
    let key = "select key from afterthought.memories where valid_to is null";
    assert_eq!(stage.owner.query_one(key, &[]).await.unwrap().get::<_, String>(0), "theme:new");
}

#[tokio::test]
async fn who_waited_for_a_lock_knows_what_was_said_meanwhile() {
    let stage = Stage::set().await;
    let mut told = Vec::new();
    for (session, city, day) in
        [("one", "Lisbon", "2026-03-01"), ("two", "Berlin", "2026-03-02"), ("three", "Lisbon", "2026-03-03")]
    {
        let id = stage.say(session, "user", city).await;
        let at =
            format!("update afterthought.session_events set occurred_at = '{day}' where session_id = '{id}'");
        stage.owner.batch_execute(&at).await.unwrap();
        told.push((
            stage.claim("gate", id).await,
            Effects { thoughts: vec![home(city)], ..Effects::default() },
        ));
    }
    assert!(matches!(stage.commit(&told[0].0, &told[0].1).await, Committed::Done(_)));
    // Another session adds Lisbon's third day, and is slow to commit.
    let lisbon: Uuid =
        stage.owner.query_one("select id from afterthought.memories", &[]).await.unwrap().get(0);
    let mut slow = stage.database.client().await.unwrap();
    let slow = slow.transaction().await.unwrap();
    slow.execute("update afterthought.memories set updated_at = now() where id = $1", &[&lisbon])
        .await
        .unwrap();
    let third = told[2].0.window.session.0;
    let add = "insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
               values ($1, $2, 1, 'default')";
    slow.execute(add, &[&lisbon, &third]).await.unwrap();
    let berlin = stage.commit(&told[1].0, &told[1].1);
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        slow.commit().await.unwrap();
    };
    let (committed, ()) = futures::join!(berlin, release);
    assert!(matches!(committed, Committed::Done(_)));
    assert_eq!(stage.current().await, ["Ada lives in Lisbon.:2"]);
}

#[tokio::test]
async fn the_same_words_are_one_memory_whatever_the_key() {
    let stage = Stage::set().await;
    stage.learn("one", fact("home", "Ada lives in Lisbon.")).await;
    stage.learn("two", fact("residence", "Ada lives in  Lisbon.")).await;
    stage.learn("three", thought(MemoryType::Preference, "residence", "Ada lives in Lisbon.")).await;
    assert_eq!(stage.current().await, ["Ada lives in Lisbon.:1", "Ada lives in Lisbon.:2"]);
    assert_eq!(stage.ledger().await, ["stored fact {1}", "merged fact {1}", "stored preference {1}"]);
}

#[tokio::test]
async fn a_tenants_floor_and_room_hold() {
    let stage = Stage::set().await;
    let settings = json!({"confidence_floor": 0.95, "memories_per_user": 1});
    stage.owner.execute("update afterthought.tenants set settings = $1", &[&settings]).await.unwrap();
    stage.learn("one", fact("a", "Unsure.")).await;
    let sure = |key: &str, content: &str| Thought { confidence: 1.0, ..fact(key, content) };
    stage.learn("two", sure("b", "Sure.")).await;
    stage.learn("three", sure("c", "One too many.")).await;
    stage.learn("four", sure("b", "Sure, and more.")).await;
    stage.learn("six", Thought { confidence: 0.1, ..fact("b", "Sure, says somebody unsure.") }).await;
    stage.learn("five", Thought { scope: Scope::Session, ..sure("d", "Of one session.") }).await;
    assert_eq!(
        stage.ledger().await,
        [
            "dropped fact low_confidence {1}",
            "stored fact {1}",
            "dropped fact no_room {1}",
            "merged fact {1}",
            "merged fact {1}",
            "stored fact {1}"
        ]
    );
}

#[tokio::test]
async fn a_users_events_come_from_every_session_and_from_nobody_else() {
    let stage = Stage::set().await;
    let one = stage.say("one", "user", "first").await;
    stage.say("one", "tool", "not said").await;
    let two = stage.say("two", "assistant", "second").await;
    let other = "insert into afterthought.messages (user_id, session, role, content) values ('bob', 's', 'user', 'x')";
    stage.owner.batch_execute(other).await.unwrap();
    let ada = UserId::new("ada").unwrap();
    let since: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    let events = stage.store.user_events(&tenant(), &ada, since, 10).await.unwrap();
    let mut said: Vec<(SessionId, &str, &str)> = events
        .iter()
        .map(|said| (said.session, said.session_name.as_str(), said.event.content.as_str()))
        .collect();
    said.sort_by_key(|said| said.2);
    assert_eq!(said, [(one, "one", "first"), (two, "two", "second")]);
    let later = since.saturating_add(SignedDuration::from_hours(24 * 40)).unwrap();
    assert_eq!(stage.store.user_events(&tenant(), &ada, later, 10).await.unwrap(), []);
    assert_eq!(stage.store.user_events(&tenant(), &ada, since, 1).await.unwrap().len(), 1);
}
