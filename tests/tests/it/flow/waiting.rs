//! Thinking later: after another agent, after a sleep.

use std::time::Duration;

use runtime::WaitFor;

use super::stage::{NAME, Scripted, Stage};

#[tokio::test]
async fn an_agent_waits_for_another_and_goes_on_degraded_without_it() {
    let stage = Stage::set().await;
    let patient = WaitFor { agent: "other", timeout: Duration::from_hours(1) };
    let agent = Scripted::waiting(Some(patient));
    let session = stage.insert("one", &["a", "b"]).await;
    assert!(stage.wake(&agent, session, 2).await);
    assert_eq!((stage.delayed().await, stage.runs().await.len()), (1, 0));
    assert_eq!(agent.told(), ["wait agent"]);

    let advance = "insert into afterthought.agent_cursors (session_id, agent, tenant, through)
                   values ($1, 'other', 'default', 2)";
    stage.owner.execute(advance, &[&session.0]).await.unwrap();
    assert!(stage.wake(&agent, session, 2).await);
    assert_eq!(
        stage.runs().await,
        ["0 2 done"],
        "the condition is a state: what came before the wait counts"
    );

    let impatient = Scripted::waiting(Some(WaitFor { timeout: Duration::ZERO, ..patient }));
    stage.insert("one", &["c"]).await;
    assert!(stage.wake(&impatient, session, 3).await);
    assert_eq!(stage.runs().await, ["0 2 done", "2 3 degraded"]);
    assert_eq!(impatient.told(), ["start 2 3", "success 2 3 waited_in_vain"]);
}

#[tokio::test]
async fn a_long_sleep_is_a_hold_that_nothing_wakes_before_its_time() {
    let stage = Stage::set().await;
    let agent = Scripted::new();
    let session = stage.insert("one", &["tomorrow"]).await;
    assert!(stage.wake(&agent, session, 1).await);
    assert_eq!(stage.holds().await, [(Some(NAME.to_owned()), "sleep".to_owned())]);
    assert!(stage.wake(&agent, session, 1).await);
    assert_eq!(agent.windows(), [(0, 1)], "held: not thought about again");
    assert_eq!(agent.told(), ["start 0 1", "wait until"]);
    let other = stage.insert("two", &["a"]).await;
    assert!(stage.wake(&agent, other, 1).await);
    assert_eq!(stage.contents().await, ["a"], "only that session sleeps");

    stage.owner.execute("update afterthought.holds set until = now() - interval '1 s'", &[]).await.unwrap();
    agent.mend();
    assert!(stage.wake(&agent, session, 1).await);
    assert_eq!(stage.contents().await, ["tomorrow", "a"]);
}
