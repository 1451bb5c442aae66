//! Agents with a schedule: a user is thought about as a whole, session after session.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::{Envelope, TenantId, WakeUp, Window};
use jiff::Timestamp;
use runtime::{Agent, AgentSpec, Context, Invocation, ThinkError, Thoughts, handle};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, Semaphore};

use super::stage::{Echo, Stage, event, failures, soon, wake_up};

#[tokio::test]
async fn a_tick_wakes_the_agent_once_for_each_user_who_has_something_new() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let done = stage.insert("done", &["a"]).await;
    stage.insert("behind", &["b", "c"]).await;
    stage.insert("behind too", &["d"]).await;
    let others = "insert into afterthought.messages (user_id, session, role, content)
                  select 'user ' || lpad(n::text, 4, '0'), 's', 'user', 'x' from generate_series(1, 250) n";
    stage.owner.batch_execute(others).await.unwrap();
    stage.deliver(&agent, &[("m", wake_up(done, 1))]).await;
    let tick = Envelope::first(WakeUp::Tick, Timestamp::UNIX_EPOCH).to_body();
    assert!(stage.deliver(&agent, &[("tick", tick)]).await.is_empty());
    let woken = stage.woken_users().await;
    assert_eq!(woken.len(), 251, "every user once, over more than one page");
    assert_eq!((woken[0].as_str(), woken[250].as_str()), ("ada", "user 0250"));

    let over = Invocation::at(Timestamp::UNIX_EPOCH, 1);
    let tick = Envelope::first(WakeUp::Tick, Timestamp::UNIX_EPOCH).to_body();
    handle(&stage.services, &agent, event(&[("tick", tick)]), &over).await;
    let (first, rest) = stage
        .sent()
        .await
        .into_iter()
        .partition::<Vec<_>, _>(|wake_up| matches!(wake_up, WakeUp::User { .. }));
    assert_eq!(first.len(), 200);
    let [rest] = rest.as_slice() else { panic!("out of time, the rest of the tick is sent on") };
    let rest = Envelope::first(rest.clone(), Timestamp::UNIX_EPOCH).to_body();
    assert!(stage.deliver(&agent, &[("rest", rest)]).await.is_empty());
    assert_eq!(stage.woken_users().await.len(), 51);
}

#[tokio::test]
async fn a_user_is_thought_about_session_after_session_and_one_that_fails_comes_again() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    stage.insert("one", &["a", "b"]).await;
    stage.insert("two", &["fail"]).await;
    stage.insert("three", &["c"]).await;
    let user =
        WakeUp::User { tenant: TenantId::new("default").unwrap(), user: domain::UserId::new("ada").unwrap() };
    let body = Envelope::first(user, Timestamp::UNIX_EPOCH).to_body();
    assert_eq!(stage.deliver(&agent, &[("user", body.clone())]).await, ["user"]);
    assert_eq!(stage.memories().await, ["a", "b"]);
    stage
        .owner
        .batch_execute("update afterthought.session_events set content = 'mended' where content = 'fail'")
        .await
        .unwrap();
    assert!(stage.deliver(&agent, &[("user", body.clone())]).await.is_empty());
    assert_eq!(stage.memories().await, ["a", "b", "c", "mended"]);
    let windows = agent.windows().len();
    assert!(stage.deliver(&agent, &[("user", body)]).await.is_empty());
    assert_eq!(agent.windows().len(), windows, "nothing is thought about twice");
}

#[tokio::test]
async fn the_last_window_of_a_users_last_session_ends_the_user() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 2);
    let one = stage.insert("one", &["a", "b", "c"]).await;
    stage.insert("two", &["d"]).await;
    stage.insert("three", &["e", "f", "g"]).await;
    let user =
        WakeUp::User { tenant: TenantId::new("default").unwrap(), user: domain::UserId::new("ada").unwrap() };
    let body = Envelope::first(user, Timestamp::UNIX_EPOCH).to_body();
    assert!(stage.deliver(&agent, &[("user", body)]).await.is_empty());
    assert_eq!(agent.windows(), [(0, 2), (2, 3), (0, 1), (0, 2), (2, 3)]);
    assert_eq!(*agent.ends.lock().unwrap(), [false, false, false, false, true]);
    stage.insert("one", &["h"]).await;
    stage.deliver(&agent, &[("alone", wake_up(one, 4))]).await;
    assert_eq!(agent.ends.lock().unwrap().last(), Some(&true), "a session woken alone ends its user");
}

/// Thinks nothing, and about a session only once it may.
struct Gated {
    spec: AgentSpec,
    ends: Mutex<Vec<bool>>,
    begun: UnboundedSender<String>,
    gates: HashMap<&'static str, Semaphore>,
}

impl Agent for Gated {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        self.ends.lock().unwrap().push(context.ends_user);
        self.begun.send(window.session_name.clone()).unwrap();
        self.gates[window.session_name.as_str()].acquire().await.unwrap().forget();
        Ok(Thoughts::default())
    }
}

#[tokio::test]
async fn two_wake_ups_for_a_user_at_once_do_not_leave_the_end_to_each_other() {
    let stage = Stage::set().await;
    stage.insert("first", &["a"]).await;
    stage.insert("second", &["b"]).await;
    let (begun, mut thinking) = tokio::sync::mpsc::unbounded_channel();
    let gates = ["first", "second"].map(|session| (session, Semaphore::new(0))).into();
    let spec = AgentSpec { name: "echo", debounce: None, window_limit: 10, context: &[], waits_for: None };
    let agent = Gated { spec, ends: Mutex::default(), begun, gates };
    let (other_may_come, other_is_over, one_is_over) = (Notify::new(), Notify::new(), Notify::new());
    let user =
        WakeUp::User { tenant: TenantId::new("default").unwrap(), user: domain::UserId::new("ada").unwrap() };
    let body = Envelope::first(user, Timestamp::UNIX_EPOCH).to_body();
    let invocation = soon();
    let walk = async |id: &str| {
        failures(&handle(&stage.services, &agent, event(&[(id, body.clone())]), &invocation).await)
    };
    let one = async {
        assert!(walk("one").await.is_empty());
        one_is_over.notify_one();
    };
    let other = async {
        other_may_come.notified().await;
        assert!(walk("other").await.is_empty());
        other_is_over.notify_one();
    };
    let direct = async {
        assert_eq!(thinking.recv().await.unwrap(), "first");
        // To the other the session that the one is at comes last.
        stage.insert("first", &["c"]).await;
        other_may_come.notify_one();
        tokio::select! {
            _ = thinking.recv() => {}
            () = other_is_over.notified() => {}
        }
        agent.gates["first"].add_permits(9);
        tokio::select! {
            () = async { while thinking.recv().await.unwrap() != "second" {} } => {}
            () = one_is_over.notified() => {}
        }
        agent.gates["second"].add_permits(9);
    };
    tokio::join!(one, other, direct);
    assert_eq!(agent.ends.lock().unwrap().last(), Some(&true), "{:?}", agent.ends);
}

#[tokio::test]
async fn a_user_of_exactly_as_many_sessions_as_one_wake_up_takes_ends_too() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 10);
    let insert = "insert into afterthought.messages (user_id, session, role, content)
                  select 'ada', 's' || n, 'user', 'x' || n from generate_series(1, 100) n";
    stage.owner.batch_execute(insert).await.unwrap();
    let user =
        WakeUp::User { tenant: TenantId::new("default").unwrap(), user: domain::UserId::new("ada").unwrap() };
    let body = Envelope::first(user, Timestamp::UNIX_EPOCH).to_body();
    assert!(stage.deliver(&agent, &[("user", body.clone())]).await.is_empty());
    let ends: Vec<bool> = agent.ends.lock().unwrap().clone();
    assert_eq!((ends.len(), ends.iter().filter(|ends| **ends).count(), ends.last()), (100, 1, Some(&true)));
    assert_eq!(stage.sent().await, []);

    stage.owner.batch_execute(&format!("{insert}; {insert}").replace("'s'", "'t'")).await.unwrap();
    stage.insert("one more", &["y"]).await;
    assert!(stage.deliver(&agent, &[("user", body.clone())]).await.is_empty());
    assert_eq!(agent.ends.lock().unwrap().iter().filter(|ends| **ends).count(), 1, "one session is left");
    assert_eq!(stage.woken_users().await, ["ada"]);
    assert!(stage.deliver(&agent, &[("user", body)]).await.is_empty());
    assert_eq!(agent.ends.lock().unwrap().iter().filter(|ends| **ends).count(), 2);
}
