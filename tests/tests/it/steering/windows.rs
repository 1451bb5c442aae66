//! Windows: claimed with what decides about them, set aside, tried again, called off, thought about anew.

use super::*;

#[tokio::test]
async fn a_claim_says_everything_that_decides() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b"]).await;
    let tenant = TenantId::new("acme").unwrap();
    let waiting = Claim { waits_for: Some("other"), ..claim("echo", &tenant, session) };

    let claimed = stage.agent.claim(&waiting).await.unwrap().unwrap();
    assert_eq!((claimed.window.through(), claimed.window.generation, claimed.window.head), (2, 0, 2));
    assert_eq!((claimed.awaited, claimed.held, claimed.redrives), (Some(0), false, None));
    assert_eq!(claimed.settings, domain::TenantSettings::default());
    assert_eq!(stage.claim("acme", session).await.awaited, None);

    let others = stage.agent.claim(&claim("other", &tenant, session)).await.unwrap().unwrap();
    stage.commit_as(&others, &run("other")).await;
    stage
        .owner
        .batch_execute(
            r#"update afterthought.tenants set settings = '{"model_tokens_per_day": 7}' where tenant = 'acme'"#,
        )
        .await
        .unwrap();
    let claimed = stage.agent.claim(&waiting).await.unwrap().unwrap();
    assert_eq!((claimed.awaited, claimed.settings.model_tokens_per_day), (Some(2), Some(7)));
}

#[tokio::test]
async fn settings_that_cannot_be_read_do_not_stop_a_tenant() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a"]).await;
    for settings in
        [r#"{"model_tokens_per_day": "many"}"#, r#"{"review": 5}"#, r#"{"when_exhausted": "sulk"}"#]
    {
        let set = format!("update afterthought.tenants set settings = '{settings}' where tenant = 'acme'");
        stage.owner.batch_execute(&set).await.unwrap();
        let claimed = stage.claim("acme", session).await;
        assert_eq!(claimed.settings, domain::TenantSettings::default(), "{settings}");
        assert_eq!(claimed.window.through(), 1);
    }
}

#[tokio::test]
async fn a_window_is_set_aside_once_and_the_next_begins_behind_it() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c"]).await;
    let window = stage.claim("acme", session).await.window.cut(1);
    let error = format!("bad\0{}", "é".repeat(2_000));
    let runs: Vec<Run> = (0..6).map(|_| run("echo")).collect();
    let tried = join_all(runs.iter().map(|run| stage.agent.quarantine(&window, run, &error))).await;
    assert_eq!(tried.iter().filter(|moved| *moved.as_ref().unwrap()).count(), 1);

    let open = stage.operator.quarantined(&store::RunFilter::default(), 10).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].after, open[0].through, open[0].session), (0, 1, session));
    assert_eq!(open[0].error.chars().count(), 500);
    assert!(open[0].error.starts_with("bad\u{fffd}é"));
    assert_eq!(stage.claim("acme", session).await.window.after, 1);
    let tenant = TenantId::new("acme").unwrap();
    let other = stage.agent.claim(&claim("other", &tenant, session)).await.unwrap().unwrap();
    assert_eq!(other.window.after, 0, "another agent's cursor stays");

    let nothing = other.window.cut(0);
    assert!(!stage.agent.quarantine(&nothing, &run("echo"), "empty").await.unwrap());
}

#[tokio::test]
async fn a_redrive_thinks_about_exactly_its_window_and_one_of_many_has_an_effect() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c"]).await;
    let aside = stage.set_aside("acme", session, "refused").await;
    stage.think("acme", session).await;
    assert_eq!(stage.memories().await, ["b:1", "c:1"]);

    let claimed = stage.redrive("acme", session, aside).await.unwrap();
    assert_eq!((claimed.window.after, claimed.window.through(), claimed.window.head), (0, 1, 1));
    assert_eq!(claimed.redrives, Some(aside));
    let runs: Vec<Run> = (0..6).map(|_| run("echo")).collect();
    let ended = join_all(runs.iter().map(|run| stage.commit_as(&claimed, run))).await;
    assert_eq!(ended.iter().filter(|ended| matches!(ended, Committed::Done(_))).count(), 1);

    assert_eq!(stage.memories().await, ["a:1", "b:1", "c:1"]);
    assert!(stage.redrive("acme", session, aside).await.is_none(), "it is closed");
    assert!(stage.operator.quarantined(&store::RunFilter::default(), 10).await.unwrap().is_empty());
    assert_eq!(stage.claim("acme", session).await.window.after, 3, "the cursor stays");
    let linked = "select count(*) from afterthought.agent_runs q join afterthought.agent_runs r
                  on r.id = q.redriven_by and r.redrives = q.id and r.outcome = 'done'";
    assert_eq!(stage.number(linked).await, 1);
}

#[tokio::test]
async fn a_redrive_that_fails_again_renews_the_run_and_leaves_the_cursor() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b"]).await;
    let aside = stage.set_aside("acme", session, "first").await;
    let first = stage.operator.quarantined(&store::RunFilter::default(), 10).await.unwrap();
    let claimed = stage.redrive("acme", session, aside).await.unwrap();
    let again = Run { redrives: Some(aside), input_tokens: 5, output_tokens: 2, ..run("echo") };
    assert!(stage.agent.quarantine(&claimed.window, &again, "second").await.unwrap());

    let open = stage.operator.quarantined(&store::RunFilter::default(), 10).await.unwrap();
    assert_eq!((open.len(), open[0].run, open[0].error.as_str()), (1, aside, "second"));
    assert!(open[0].at > first[0].at);
    assert_eq!(stage.claim("acme", session).await.window.after, 1);
    assert_eq!(
        stage.number("select sum(input_tokens + output_tokens)::bigint from afterthought.agent_runs").await,
        7
    );

    assert!(matches!(stage.commit(&claimed).await, Committed::Done(_)));
    assert!(!stage.agent.quarantine(&claimed.window, &again, "third").await.unwrap(), "it is closed");
}

#[tokio::test]
async fn only_an_open_run_of_this_agent_session_and_tenant_is_redriven() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a"]).await;
    let elsewhere = stage.insert("acme", "two", &["b"]).await;
    let foreign = stage.insert("default", "one", &["c"]).await;
    let aside = stage.set_aside("acme", session, "refused").await;
    let done = run("echo");
    let claimed = stage.claim("acme", elsewhere).await;
    stage.commit_as(&claimed, &done).await;

    assert!(stage.redrive("acme", elsewhere, aside).await.is_none());
    assert!(stage.redrive("default", session, aside).await.is_none());
    assert!(stage.redrive("default", foreign, aside).await.is_none());
    assert!(stage.redrive("acme", elsewhere, done.id).await.is_none(), "it was not set aside");
    assert!(stage.redrive("acme", session, Uuid::nil()).await.is_none());
    let tenant = TenantId::new("acme").unwrap();
    let others = Claim { redrives: Some(aside), ..claim("other", &tenant, session) };
    assert!(stage.agent.claim(&others).await.unwrap().is_none());
    // A part of the window does not close it.
    let cut =
        Claimed { window: stage.redrive("acme", session, aside).await.unwrap().window.cut(0), ..claimed };
    let redrive = Run { redrives: Some(aside), ..run("echo") };
    let ended = stage.agent.commit(&cut.window, &Effects::default(), &redrive).await.unwrap();
    assert_eq!(ended, Committed::LostRace);
}

#[tokio::test]
async fn what_is_cancelled_is_never_thought_about_and_says_so() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c"]).await;
    let untouched = stage.insert("default", "one", &["x"]).await;
    let running = stage.claim("acme", session).await;

    let cancelled = stage.operator.cancel(&of_tenant("acme"), &AGENTS, None).await.unwrap();
    let told: Vec<_> = cancelled.iter().map(|c| (c.agent.as_str(), c.session, c.after, c.through)).collect();
    assert_eq!(told, [("echo", session, 0, 3), ("other", session, 0, 3)]);
    assert_eq!(stage.commit(&running).await, Committed::LostRace, "a run that had begun loses");
    assert!(stage.operator.cancel(&of_tenant("acme"), &AGENTS, None).await.unwrap().is_empty());
    assert!(stage.claim("acme", session).await.window.is_empty());
    assert_eq!(stage.claim("default", untouched).await.window.through(), 1);
    assert_eq!(
        stage.number("select count(*) from afterthought.agent_runs where outcome = 'cancelled'").await,
        2
    );

    stage.insert("acme", "one", &["d"]).await;
    stage.think("acme", session).await;
    assert_eq!(stage.memories().await, ["d:1"]);
}

#[tokio::test]
async fn cancelling_what_came_before_a_moment_keeps_all_that_came_since() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c", "d"]).await;
    // The third was accepted before the second: its transaction began earlier and got its version later.
    let accepted = "update afterthought.session_events
                    set created_at = timestamptz '2026-01-01' + interval '1 day' * (array[1, 20, 2, 30])[version]";
    stage.owner.batch_execute(accepted).await.unwrap();
    let moment: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
    let one_agent = Target { agent: Some("echo".into()), ..of_session("acme", session) };
    let cancelled = stage.operator.cancel(&one_agent, &AGENTS, Some(moment)).await.unwrap();
    assert_eq!(cancelled.iter().map(|c| (c.after, c.through)).collect::<Vec<_>>(), [(0, 1)]);
    assert_eq!(stage.claim("acme", session).await.window.after, 1);
    let nobody = Target { agent: Some("nobody".into()), ..Target::default() };
    assert!(stage.operator.cancel(&nobody, &AGENTS, None).await.unwrap().is_empty());
    assert!(
        stage.operator.cancel(&Target::default(), &["echo"], Some(Timestamp::MIN)).await.unwrap().is_empty()
    );
}

#[tokio::test]
async fn cancelling_commits_and_replays_at_once_leave_every_version_to_one_of_them() {
    let stage = Stage::set().await;
    for round in 0..12 {
        let name = format!("s{round}");
        let session = stage.insert("acme", &name, &["a", "b", "c", "d"]).await;
        let claimed = stage.claim("acme", session).await;
        let part = Claimed { window: claimed.window.clone().cut(2), ..claimed.clone() };
        let target = of_session("acme", session);
        let (committed, first, second) = tokio::join!(
            stage.commit(&part),
            stage.operator.cancel(&target, &["echo"], None),
            stage.operator.cancel(&target, &["echo"], None),
        );
        let mut spans: Vec<(i64, i64)> =
            [first.unwrap(), second.unwrap()].concat().iter().map(|c| (c.after, c.through)).collect();
        if committed != Committed::LostRace {
            spans.push((0, 2));
        }
        spans.sort_unstable();
        assert!(spans == [(0, 4)] || spans == [(0, 2), (2, 4)], "{spans:?}");
        let told = format!(
            "select sum(through_version - after_version)::bigint from afterthought.agent_runs where session_id = '{session}'"
        );
        assert_eq!(stage.number(&told).await, 4);

        // Two replays at once send it back once.
        let from = ReplayFrom::Version(1);
        let (one, two) = tokio::join!(
            stage.operator.replay(&target, &["echo"], from),
            stage.operator.replay(&target, &["echo"], from),
        );
        assert_eq!(one.unwrap().sessions + two.unwrap().sessions, 1);
        let again = stage.claim("acme", session).await;
        assert_eq!((again.window.after, again.window.generation), (0, 1));
    }
}

#[tokio::test]
async fn thinking_again_leaves_every_memory_once_and_a_run_from_before_loses() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "new b", "c"]).await;
    let before = stage.claim("acme", session).await;
    stage.think("acme", session).await;
    let memories = stage.memories().await;
    let evidence = stage.number("select count(*) from afterthought.memory_evidence").await;

    let sent = stage.operator.replay(&of_tenant("acme"), &AGENTS, ReplayFrom::Version(1)).await.unwrap();
    assert_eq!(
        sent.first.iter().map(|b| (b.agent.as_str(), b.session, b.version)).collect::<Vec<_>>(),
        [("echo", session, 3)]
    );
    assert_eq!(stage.commit(&before).await, Committed::LostRace, "it claimed this very window, before");
    assert!(!stage.agent.quarantine(&before.window, &run("echo"), "failed").await.unwrap());
    let again = stage.think("acme", session).await;
    assert_eq!((again.window.after, again.window.through(), again.window.generation), (0, 3, 1));
    assert_eq!(stage.memories().await, memories);
    assert_eq!(stage.commit(&again).await, Committed::LostRace);

    // And once more: what the time before superseded is closed, and nothing is in the way.
    stage.operator.replay(&of_tenant("acme"), &AGENTS, ReplayFrom::Version(2)).await.unwrap();
    let again = stage.think("acme", session).await;
    assert_eq!((again.window.after, again.window.generation), (1, 2));
    assert_eq!(stage.memories().await, memories);
    assert_eq!(
        stage.number("select count(*) from afterthought.memory_evidence v join afterthought.memories m on m.id = v.memory_id where m.valid_to is null").await,
        evidence
    );
}

#[tokio::test]
async fn a_replay_covers_the_quarantined_windows_ahead_of_it_and_no_others() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c", "d"]).await;
    let behind = stage.set_aside("acme", session, "bad").await;
    let covered = stage.set_aside("acme", session, "bad").await;
    let foreign = stage.insert("default", "one", &["x"]).await;
    let foreign = (foreign, stage.set_aside("default", foreign, "bad").await);
    let begun = stage.redrive("acme", session, covered).await.unwrap();
    stage.think("acme", session).await;

    stage.operator.replay(&of_tenant("acme"), &AGENTS, ReplayFrom::Version(2)).await.unwrap();
    assert_eq!(stage.commit(&begun).await, Committed::LostRace, "a redrive that had begun loses");
    assert!(stage.redrive("acme", session, covered).await.is_none());
    assert!(stage.redrive("acme", session, behind).await.is_some());
    assert!(stage.redrive("default", foreign.0, foreign.1).await.is_some());
    stage.think("acme", session).await;
    assert_eq!(stage.memories().await, ["b:1", "c:1", "d:1"]);
}

#[tokio::test]
async fn setting_aside_and_sending_back_at_once_leave_no_open_run_ahead_of_the_cursor() {
    let stage = Stage::set().await;
    for round in 0..12 {
        let session = stage.insert("acme", &format!("s{round}"), &["a"]).await;
        stage.think("acme", session).await;
        stage.insert("acme", &format!("s{round}"), &["b"]).await;
        let window = stage.claim("acme", session).await.window;
        let (run, target) = (run("echo"), of_session("acme", session));
        let (aside, sent) = tokio::join!(
            stage.agent.quarantine(&window, &run, "bad"),
            stage.operator.replay(&target, &["echo"], ReplayFrom::Version(1)),
        );
        assert_eq!(sent.unwrap().sessions, 1);
        let told = stage.outcomes(session).await;
        assert_eq!(told, ["1 waiting", "2 waiting"], "set aside first: {}", aside.unwrap());
    }
    let open = stage.operator.quarantined(&store::RunFilter::default(), 10).await.unwrap();
    assert_eq!(open, []);
}

#[tokio::test]
async fn a_replay_never_goes_forward_and_takes_any_version() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c"]).await;
    let target = of_session("acme", session);
    let replay = async |from| stage.operator.replay(&target, &AGENTS, from).await.unwrap().sessions;
    assert_eq!(replay(ReplayFrom::Version(1)).await, 0, "nothing was thought about yet");
    stage.think("acme", session).await;
    for version in [4, 5, i64::MAX] {
        assert_eq!(replay(ReplayFrom::Version(version)).await, 0, "{version}");
    }
    assert_eq!(replay(ReplayFrom::Since(Timestamp::MAX)).await, 0);
    assert_eq!(stage.claim("acme", session).await.window.after, 3);
    assert_eq!(replay(ReplayFrom::Version(3)).await, 1);
    assert_eq!(stage.claim("acme", session).await.window.after, 2);
    assert_eq!(replay(ReplayFrom::Version(i64::MIN)).await, 1);
    assert_eq!(stage.claim("acme", session).await.window.after, 0);

    stage.think("acme", session).await;
    let accepted = "update afterthought.session_events
                    set created_at = timestamptz '2026-01-01' + interval '1 day' * (array[1, 20, 2])[version]";
    stage.owner.batch_execute(accepted).await.unwrap();
    let since = ReplayFrom::Since("2026-01-10T00:00:00Z".parse().unwrap());
    assert_eq!(replay(since).await, 1);
    assert_eq!(stage.claim("acme", session).await.window.after, 1);
}

#[tokio::test]
async fn a_window_that_begins_where_no_cursor_can_have_been_is_not_kept() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c"]).await;
    let claimed = stage.claim("acme", session).await;
    let (mut later, mut again) = (claimed.clone(), claimed);
    later.window.after = 1;
    later.window.events.remove(0);
    again.window.generation = 1;
    for odd in [later, again] {
        assert_eq!(stage.commit(&odd).await, Committed::LostRace);
        assert!(!stage.agent.quarantine(&odd.window, &run("echo"), "odd").await.unwrap());
    }
    assert_eq!(stage.number("select count(*) from afterthought.agent_cursors").await, 0);
}

#[tokio::test]
async fn what_replaces_a_memory_that_was_changed_meanwhile_is_thought_about_again() {
    let stage = Stage::set().await;
    let account = |claimed: &Claimed, content: &str, seen: &[domain::Memory]| Effects {
        thoughts: vec![Thought {
            key: "account".into(),
            kind: MemoryType::Summary,
            scope: Scope::Session,
            content: content.into(),
            on_conflict: OnConflict::Continue,
            ..thoughts(claimed).thoughts.remove(0)
        }],
        seen: seen.to_vec(),
        seen_all: vec![(Scope::Session, MemoryType::Summary)],
        ..Effects::default()
    };
    let session = stage.insert("acme", "one", &["a", "b"]).await;
    let aside = stage.set_aside("acme", session, "refused").await;
    let redriven = stage.redrive("acme", session, aside).await.unwrap();
    let ordinary = stage.claim("acme", session).await;
    let commit = async |claimed: &Claimed, content: &str, seen: &[domain::Memory]| {
        let run = Run { redrives: claimed.redrives, ..run("echo") };
        stage.agent.commit(&claimed.window, &account(claimed, content, seen), &run).await.unwrap()
    };
    let Committed::Done(first) = commit(&ordinary, "b", &[]).await else { panic!("nobody was first") };
    assert_eq!(commit(&redriven, "a", &[]).await, Committed::LostRace, "it would forget b");
    let open =
        "select count(*) from afterthought.agent_runs where outcome = 'quarantined' and redriven_by is null";
    assert_eq!(stage.number(open).await, 1, "and is still to be redriven");

    let seen = [first.changes[0].memory.clone()];
    let again = stage.redrive("acme", session, aside).await.unwrap();
    assert!(matches!(commit(&again, "b, and a", &seen).await, Committed::Done(_)));
    assert_eq!((stage.number(open).await, stage.memories().await), (0, vec!["b, and a:1".to_owned()]));
}
