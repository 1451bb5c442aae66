//! Sessions that go on while they are archived.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{Archived, IdleSession};

use super::damage::allow;
use super::stage::{Kept, Stage};

fn since(stage: &Stage) -> Timestamp {
    (stage.services.now)() - SignedDuration::from_hours(90 * 24)
}

/// What a janitor has listed before something happens.
async fn listed(stage: &Stage, session: &str) -> IdleSession {
    let idle = stage.keeper.sessions_to_archive(&Stage::tenant(), since(stage), None, 10).await.unwrap();
    idle.into_iter().find(|idle| idle.name == session).unwrap()
}

async fn next(stage: &Stage, session: &IdleSession, after: i64) -> Archived {
    stage.keeper.archive_next(&Stage::tenant(), session, since(stage), after).await.unwrap()
}

#[tokio::test]
async fn a_session_that_goes_on_while_it_is_archived_is_left_and_what_went_comes_back() {
    let stage = Stage::set(Kept::InDirectory).await;
    for _ in 0..20 {
        stage.say("long", &"x".repeat(250_000)).await;
    }
    stage.age().await;
    let long = listed(&stage, "long").await;
    let Archived::Some { through, .. } = next(&stage, &long, 0).await else { panic!("nothing went") };
    assert!(through < 20);
    stage.say("long", "Hello again.").await;
    assert_eq!(next(&stage, &long, through).await, Archived::Taken);
    assert_eq!((stage.archived().await, stage.objects().await), (through, (1, 1)));
    // Not when nothing of it would go either: what says how far it came is not moved.
    assert_eq!(next(&stage, &long, 21).await, Archived::Taken);
    assert_eq!(stage.done("GET", "/sessions/long").await["archived_through"], through);
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await), (0, (0, 0)));
    let whole = "select count(*) from afterthought.session_events where content = repeat('x', 250000) or version = 21";
    assert_eq!(stage.number(whole).await, 21);
}

#[tokio::test]
async fn what_is_said_while_an_object_is_written_keeps_all_of_the_session() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    stage.age().await;
    let meddle =
        "create function afterthought.forbid() returns trigger language plpgsql security definer as $$
                  begin
                      insert into afterthought.messages (user_id, session, role, content)
                      values ('Ada Lovelace', 'old', 'user', 'Hello again.');
                      return new;
                  end $$;
                  create trigger forbidden after insert on afterthought.archive_objects
                  for each row execute function afterthought.forbid()";
    stage.owner.batch_execute(meddle).await.unwrap();
    stage.tick().await;
    allow(&stage).await;
    assert_eq!((stage.archived().await, stage.objects().await), (0, (0, 1)), "it is given up");
    assert_eq!(stage.exported().await.len(), 6);
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await, stage.files()), (0, (0, 0), vec![]));
}

#[tokio::test]
async fn a_session_that_is_brought_back_by_hand_while_it_is_archived_stays() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    stage.age().await;
    let old = listed(&stage, "old").await;
    assert_eq!(next(&stage, &old, 0).await, Archived::Some { events: 5, through: 5 });
    let restored = stage.done("POST", "/sessions/old/restore").await;
    assert_eq!(restored, json!({"restored_events": 5, "more": false}));
    for after in [0, 5] {
        assert_eq!(next(&stage, &old, after).await, Archived::Taken);
    }
    assert_eq!((stage.archived().await, stage.objects().await), (0, (0, 0)));
    assert_eq!(stage.done("GET", "/sessions/old").await["archived_through"], 0);
}

#[tokio::test]
async fn what_a_transaction_says_that_began_before_the_session_went_brings_it_back() {
    let stage = Stage::set(Kept::InDirectory).await;
    stage.talk("old").await;
    stage.age().await;
    let long = stage.database.client().await.unwrap();
    long.batch_execute("begin; select now()").await.unwrap();
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await), (5, (1, 1)));
    let say = "insert into afterthought.messages (user_id, session, role, content)
               values ('Ada Lovelace', 'old', 'user', 'Hello again.'); commit";
    long.batch_execute(say).await.unwrap();
    let is_earlier = "select count(*) from afterthought.sessions s join afterthought.archive_objects o on o.session_id = s.id
                      where s.last_event_at < o.created_at";
    assert_eq!(stage.number(is_earlier).await, 1);
    stage.tick().await;
    assert_eq!((stage.archived().await, stage.objects().await), (0, (0, 0)));
}
