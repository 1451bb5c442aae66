//! Holds: what they reach, how they end, and who may see and make them.

use std::collections::BTreeSet;

use store::{Behind, Hold, HoldReason, SweepSpan};

use super::*;

const ALL: SweepSpan = SweepSpan::All { until: Timestamp::MAX };

fn names(behind: &[Behind]) -> BTreeSet<(String, SessionId)> {
    behind.iter().map(|behind| (behind.agent.clone(), behind.session)).collect()
}

impl Stage {
    async fn behind(&self) -> BTreeSet<(String, SessionId)> {
        let all = self.reader.sessions_behind(&AGENTS, ALL).await.unwrap();
        let recent = SweepSpan::Recent { since: Timestamp::UNIX_EPOCH, until: Timestamp::MAX };
        let recent = self.reader.sessions_behind(&AGENTS, recent).await.unwrap();
        assert_eq!(names(&all), names(&recent), "both sweeps leave the same out");
        names(&all)
    }

    /// Whether it is held, in whatever way one asks.
    async fn is_held(&self, tenant: &str, agent: &str, session: SessionId) -> bool {
        let id = TenantId::new(tenant).unwrap();
        let held = self.agent.claim(&claim(agent, &id, session)).await.unwrap().unwrap().held;
        assert_eq!(self.behind().await.contains(&(agent.to_owned(), session)), !held);
        assert_eq!(self.reader.caught_up(&[(agent, session, 1)]).await.unwrap(), [held]);
        held
    }
}

fn in_an_hour() -> Timestamp {
    "9000-01-01T00:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn a_pause_holds_exactly_its_target_until_it_is_resumed() {
    let stage = Stage::set().await;
    let mine = stage.insert("acme", "one", &["a"]).await;
    let twin = stage.insert("acme", "two", &["a"]).await;
    let foreign = stage.insert("default", "one", &["a"]).await;
    stage
        .owner
        .execute("insert into afterthought.messages (tenant, user_id, session, role, content) values ('acme', 'bob', 'one', 'user', 'a')", &[])
        .await
        .unwrap();
    let of_bob = stage
        .operator
        .find_session(&TenantId::new("acme").unwrap(), &UserId::new("bob").unwrap(), "one")
        .await
        .unwrap()
        .unwrap();
    let everything: Vec<(&str, &str, SessionId)> = AGENTS
        .iter()
        .flat_map(|agent| {
            [("acme", mine), ("acme", twin), ("acme", of_bob), ("default", foreign)]
                .map(|(t, s)| (t, *agent, s))
        })
        .collect();
    let ada = Some(UserId::new("ada").unwrap());
    let targets = [
        (Target::default(), 8),
        (of_tenant("acme"), 6),
        (Target { agent: Some("echo".into()), ..Target::default() }, 4),
        (Target { agent: Some("echo".into()), ..of_tenant("acme") }, 3),
        (Target { user: ada.clone(), ..of_tenant("acme") }, 4),
        (Target { user: ada.clone(), agent: Some("other".into()), ..of_tenant("acme") }, 2),
        (Target { user: ada, ..of_session("acme", mine) }, 2),
        (Target { agent: Some("echo".into()), ..of_session("acme", mine) }, 1),
        (of_session("default", mine), 0),
    ];
    for (target, expected) in targets {
        stage.operator.pause(&target, None).await.unwrap();
        let mut held = 0;
        for (tenant, agent, session) in &everything {
            held += usize::from(stage.is_held(tenant, agent, *session).await);
        }
        assert_eq!(held, expected, "{target:?}");
        let progress = stage.reader.progress(&AGENTS).await.unwrap();
        assert_eq!(progress.iter().map(|agent| agent.held).sum::<i64>(), i64::try_from(expected).unwrap());
        assert!(progress.iter().all(|agent| agent.sessions_behind == 4));
        assert!(
            progress.iter().all(|agent| agent.lag_seconds.is_none() == (agent.held == 4)),
            "{progress:?}"
        );

        let woken = stage.resume(&target, &AGENTS).await;
        assert_eq!(woken.len(), expected, "{target:?}");
        assert_eq!(stage.behind().await.len(), 8);
        assert_eq!(names(&stage.resume(&target, &AGENTS).await), names(&woken));
    }
}

#[tokio::test]
async fn a_resume_ends_no_wider_and_no_narrower_hold() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a"]).await;
    let narrow = of_session("acme", session);
    stage.operator.pause(&of_tenant("acme"), None).await.unwrap();
    stage.operator.pause(&narrow, None).await.unwrap();
    assert!(stage.resume(&narrow, &AGENTS).await.is_empty(), "the tenant is still held");
    stage.operator.pause(&narrow, None).await.unwrap();
    assert!(stage.resume(&of_tenant("acme"), &AGENTS).await.is_empty());
    assert_eq!(stage.resume(&narrow, &AGENTS).await.len(), 2);
    assert!(stage.operator.holds(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_held_run_that_had_begun_still_commits() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a"]).await;
    let claimed = stage.claim("acme", session).await;
    stage.operator.pause(&of_tenant("acme"), None).await.unwrap();
    assert!(matches!(stage.commit(&claimed).await, Committed::Done(_)));
    assert!(stage.resume(&of_tenant("acme"), &["echo"]).await.is_empty(), "nothing is behind");
}

#[tokio::test]
async fn holding_twice_or_from_many_at_once_is_one_hold_and_the_last_end_counts() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a"]).await;
    let hold = Hold {
        tenant: Some(TenantId::new("acme").unwrap()),
        agent: Some("echo".into()),
        user: None,
        session: Some(session),
        until: Some(Timestamp::UNIX_EPOCH),
        reason: HoldReason::Sleep,
    };
    for held in join_all((0..6).map(|_| stage.agent.hold(&hold))).await {
        held.unwrap();
    }
    let ended = stage.operator.holds(10).await.unwrap();
    assert_eq!((ended.len(), ended[0].reason, ended[0].session), (1, HoldReason::Sleep, Some(session)));
    assert!(!stage.is_held("acme", "echo", session).await, "it ended before it began");

    let a_second_later = Timestamp::from_second(1).unwrap();
    stage.agent.hold(&Hold { until: Some(a_second_later), ..hold.clone() }).await.unwrap();
    assert_eq!(
        stage.reader.delete_holds(&[ended[0].id]).await.unwrap(),
        0,
        "its successor is to be woken yet"
    );
    let longer = Hold { until: Some(in_an_hour()), ..hold.clone() };
    stage.agent.hold(&longer).await.unwrap();
    assert!(stage.is_held("acme", "echo", session).await);
    assert_eq!(stage.reader.delete_holds(&[ended[0].id]).await.unwrap(), 0, "it was renewed");
    let for_good = Hold { until: None, ..hold };
    stage.agent.hold(&for_good).await.unwrap();
    stage.agent.hold(&for_good).await.unwrap();
    let holds = stage.operator.holds(10).await.unwrap();
    assert_eq!((holds.len(), holds[0].until), (1, None));
}

#[tokio::test]
async fn an_ended_hold_wakes_what_nothing_else_holds_and_is_deleted_once() {
    let stage = Stage::set().await;
    let one = stage.insert("acme", "one", &["a"]).await;
    let two = stage.insert("acme", "two", &["a"]).await;
    let foreign = stage.insert("default", "one", &["a"]).await;
    stage.think("acme", two).await;
    let past = Some(Timestamp::UNIX_EPOCH);
    let elsewhere = Target { agent: Some("other".into()), ..of_session("acme", two) };
    for target in [of_tenant("acme"), of_session("acme", one)] {
        stage.operator.pause(&target, past).await.unwrap();
    }
    stage.operator.pause(&elsewhere, None).await.unwrap();

    let (ended, behind) = stage.reader.ended_holds(&AGENTS).await.unwrap();
    let expected = AGENTS.map(|agent| (agent.to_owned(), one)).into();
    assert_eq!(
        (ended.len(), names(&behind), behind.len()),
        (2, expected, 2),
        "each once, and `two` is done or held"
    );
    assert!(!names(&behind).iter().any(|(_, session)| *session == foreign));
    assert_eq!(stage.reader.ended_holds(&AGENTS).await.unwrap().0.len(), 2, "until they are deleted");
    assert_eq!(stage.reader.delete_holds(&ended).await.unwrap(), 2);
    assert_eq!(stage.reader.delete_holds(&ended).await.unwrap(), 0);
    assert_eq!(stage.reader.ended_holds(&AGENTS).await.unwrap(), (vec![], vec![]));

    stage.operator.pause(&Target::default(), past).await.unwrap();
    let (ended, behind) = stage.reader.ended_holds(&AGENTS).await.unwrap();
    assert_eq!((ended.len(), behind.len()), (1, 4));
    let held = stage.operator.holds(10).await.unwrap();
    assert_eq!(held.iter().filter(|hold| hold.until.is_none()).count(), 1);
}

#[tokio::test]
async fn what_reached_its_version_is_held_or_gone_is_no_longer_on_its_way() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b"]).await;
    let gone = SessionId(Uuid::nil());
    let ask = [("echo", session, 2), ("other", session, 2), ("echo", gone, 1), ("echo", session, 3)];
    assert_eq!(stage.reader.caught_up(&ask).await.unwrap(), [false, false, true, false]);
    stage.think("acme", session).await;
    assert_eq!(stage.reader.caught_up(&ask).await.unwrap(), [true, false, true, false]);
    assert!(stage.reader.caught_up(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_agent_holds_and_sees_only_what_is_its_tenants_or_everybodys() {
    let stage = Stage::set().await;
    stage.operator.pause(&of_tenant("default"), None).await.unwrap();
    stage.operator.pause(&Target { agent: Some("x".into()), ..Target::default() }, None).await.unwrap();
    let everybodys = Hold {
        tenant: None,
        agent: None,
        user: None,
        session: None,
        until: None,
        reason: HoldReason::Budget,
    };
    assert!(stage.agent.hold(&everybodys).await.unwrap_err().to_string().contains("42501"));

    let agent = stage.database.client().await.unwrap();
    agent.batch_execute("set role afterthought_agent; set afterthought.tenant = 'acme'").await.unwrap();
    let seen = agent.query("select tenant from afterthought.holds", &[]).await.unwrap();
    assert_eq!(seen.iter().map(|row| row.get::<_, Option<String>>(0)).collect::<Vec<_>>(), [None]);
    for refused in [
        "insert into afterthought.holds (tenant, reason) values ('default', 'pause')",
        "insert into afterthought.holds (reason) values ('pause')",
        "delete from afterthought.holds",
    ] {
        assert!(agent.batch_execute(refused).await.is_err(), "{refused}");
    }
    let renewed = agent.execute("update afterthought.holds set until = now()", &[]).await.unwrap();
    assert_eq!(renewed, 0, "neither another tenant's nor everybody's");
}

#[tokio::test]
async fn the_reader_ends_no_hold_that_has_time_left_and_the_operator_reads_no_content() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a"]).await;
    stage.think("acme", session).await;
    stage.operator.pause(&of_tenant("acme"), None).await.unwrap();
    let reader = stage.database.client().await.unwrap();
    reader.batch_execute("set role afterthought_reader").await.unwrap();
    assert_eq!(reader.execute("delete from afterthought.holds", &[]).await.unwrap(), 0);
    assert!(reader.batch_execute("insert into afterthought.holds (reason) values ('pause')").await.is_err());

    let operator = stage.database.client().await.unwrap();
    operator.batch_execute("set role afterthought_operator").await.unwrap();
    for refused in [
        "select content from afterthought.session_events",
        "select metadata from afterthought.sessions",
        "select content from afterthought.messages",
        "select content from afterthought.memories",
        "delete from afterthought.tenants",
        "delete from afterthought.agent_runs",
        "update afterthought.agent_runs set outcome = 'done'",
        "update afterthought.sessions set head_version = 0",
    ] {
        assert!(operator.batch_execute(refused).await.is_err(), "{refused}");
    }
}

#[tokio::test]
async fn a_hold_on_what_does_not_exist_is_refused() {
    let stage = Stage::set().await;
    assert!(stage.operator.pause(&of_tenant("acmee"), None).await.is_err());
    assert!(stage.operator.pause(&of_session("acme", SessionId(Uuid::nil())), None).await.is_err());
    let poison = Target { agent: Some("a\0b".into()), ..Target::default() };
    assert!(stage.operator.pause(&poison, None).await.is_err());
    let poison = Target { agent: Some(String::new()), ..Target::default() };
    assert!(stage.operator.pause(&poison, None).await.is_err());
    assert!(stage.operator.holds(10).await.unwrap().is_empty());
}
