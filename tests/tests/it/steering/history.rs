//! What became of every event, and the lists of runs.

use jiff::civil::date;
use store::{EventOutcome, EventState, RunFilter};

use super::*;

impl Stage {
    /// `version state outcome…` at the agent `echo`.
    pub(super) async fn outcomes(&self, session: SessionId) -> Vec<String> {
        let tenant = TenantId::new("acme").unwrap();
        let all = self.operator.event_outcomes(&tenant, session, 1, i64::MAX, &["echo"]).await.unwrap();
        let same = self.agent.event_outcomes(&tenant, session, 1, i64::MAX, &["echo"]).await.unwrap();
        assert_eq!(all, same, "the tenant's own functions see the same");
        all.iter().map(line).collect()
    }

    async fn pages(&self, filter: &RunFilter) -> Vec<Uuid> {
        let (mut all, mut filter): (Vec<Uuid>, RunFilter) = (Vec::new(), filter.clone());
        loop {
            let page = self.operator.runs(&filter, 2).await.unwrap();
            all.extend(page.iter().map(|run| run.run));
            match page.last() {
                Some(last) if page.len() == 2 => filter.before = Some(last.run),
                _ => return all,
            }
        }
    }
}

fn line(outcome: &EventOutcome) -> String {
    let state = serde_json::to_value(outcome.state).unwrap();
    let mut parts = vec![outcome.version.to_string(), state.as_str().unwrap().to_owned()];
    for thought in &outcome.thoughts {
        assert_eq!(thought.memory.is_none(), thought.outcome == "dropped");
        let reason = thought.reason.as_deref().map(|reason| format!(":{reason}")).unwrap_or_default();
        parts.push(format!("{}{reason}", thought.outcome));
    }
    parts.extend(outcome.reason.as_deref().map(|reason| format!("({reason})")));
    parts.join(" ")
}

#[tokio::test]
async fn every_event_says_what_became_of_it() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a"]).await;
    assert_eq!(stage.outcomes(session).await, ["1 waiting"]);
    stage.think("acme", session).await;
    stage.insert("acme", "one", &["a", "new a", "nothing"]).await;
    stage.think("acme", session).await;

    stage.insert("acme", "one", &["new a"]).await;
    let claimed = stage.claim("acme", session).await;
    let mut effects = thoughts(&claimed);
    effects.thoughts.push(Thought { evidence: vec![99], ..effects.thoughts[0].clone() });
    let degraded = Run {
        outcome: RunOutcome::Degraded,
        reason: Some("entity-extractor was late".into()),
        ..run("echo")
    };
    stage.agent.commit(&claimed.window, &effects, &degraded).await.unwrap();

    stage.insert("acme", "one", &["b", "c", "d", "e"]).await;
    let aside = stage.set_aside("acme", session, "refused").await;
    let one_agent = Target { agent: Some("echo".into()), ..of_session("acme", session) };
    let later =
        "update afterthought.session_events set created_at = now() + interval '1 day' where version > 7";
    stage.owner.batch_execute(later).await.unwrap();
    let soon = stage.owner.query_one("select now() + interval '1 hour'", &[]).await.unwrap().get(0);
    stage.operator.cancel(&one_agent, &AGENTS, Some(soon)).await.unwrap();
    stage.operator.pause(&one_agent, None).await.unwrap();
    let told = [
        "1 done stored",
        "2 done merged",
        "3 done stored",
        "4 done",
        "5 degraded superseded dropped:evidence_outside_window (entity-extractor was late)",
        "6 quarantined (refused)",
        "7 cancelled",
        "8 held",
        "9 held",
    ];
    assert_eq!(stage.outcomes(session).await, told);

    stage.resume(&one_agent, &AGENTS).await;
    let claimed = stage.redrive("acme", session, aside).await.unwrap();
    stage.commit(&claimed).await;
    let told = stage.outcomes(session).await;
    assert_eq!(told[5..], ["6 done stored", "7 cancelled", "8 waiting", "9 waiting"]);
    stage.operator.replay(&one_agent, &AGENTS, ReplayFrom::Version(5)).await.unwrap();
    assert_eq!(stage.outcomes(session).await[3..5], ["4 done", "5 waiting"]);
    stage.think("acme", session).await;
    let told = stage.outcomes(session).await;
    assert_eq!(
        told[4..],
        ["5 done merged", "6 done merged", "7 done stored", "8 done stored", "9 done stored"]
    );
}

#[tokio::test]
async fn outcomes_are_of_the_versions_agents_and_tenant_asked_for() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c"]).await;
    let (acme, other) = (TenantId::new("acme").unwrap(), TenantId::new("default").unwrap());
    let ask = async |tenant: &TenantId, from, to, agents: &[&str]| {
        let outcomes = stage.operator.event_outcomes(tenant, session, from, to, agents).await.unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.state == EventState::Waiting && outcome.run.is_none()));
        outcomes.iter().map(|outcome| (outcome.version, outcome.agent.clone())).collect::<Vec<_>>()
    };
    let both: Vec<_> =
        [2, 3].into_iter().flat_map(|version| AGENTS.map(|agent| (version, agent.to_owned()))).collect();
    assert_eq!(ask(&acme, 2, 9, &AGENTS).await, both);
    assert_eq!(ask(&acme, i64::MIN, i64::MAX, &["echo"]).await.len(), 3);
    assert_eq!(ask(&acme, 3, 2, &AGENTS).await, []);
    assert_eq!(ask(&acme, 1, 3, &[]).await, []);
    assert_eq!(ask(&other, 1, 3, &AGENTS).await, [], "it is not this tenant's");
}

#[tokio::test]
async fn runs_are_listed_page_by_page_and_by_what_they_match() {
    let stage = Stage::set().await;
    let session = stage.insert("acme", "one", &["a", "b", "c", "d"]).await;
    let foreign = stage.insert("default", "two", &["x"]).await;
    let first = stage.set_aside("acme", session, "the model Refused: 100%").await;
    let second = stage.set_aside("acme", session, "too long").await;
    stage.think("acme", session).await;
    let third = stage.set_aside("default", foreign, "refused").await;
    stage.operator.cancel(&Target::default(), &["other"], None).await.unwrap();

    let all = RunFilter::default();
    let listed = stage.pages(&all).await;
    assert_eq!(listed.len(), 6);
    assert_eq!(listed.iter().collect::<std::collections::BTreeSet<_>>().len(), 6, "each once");
    assert_eq!(listed[5], first, "the latest first");
    let of = |outcome: &str| RunFilter { outcome: Some(outcome.into()), ..RunFilter::default() };
    assert_eq!(stage.pages(&of("done")).await.len(), 1);
    assert_eq!(stage.pages(&of("cancelled")).await.len(), 2);
    assert_eq!(stage.pages(&of("nonsense")).await.len(), 0);
    assert_eq!(stage.pages(&RunFilter { target: of_tenant("default"), ..all.clone() }).await.len(), 2);
    let user = |name| Target { user: Some(UserId::new(name).unwrap()), ..Target::default() };
    assert_eq!(stage.pages(&RunFilter { target: user("ada"), ..all.clone() }).await.len(), 6);
    assert_eq!(stage.pages(&RunFilter { target: user("bob"), ..all.clone() }).await.len(), 0);
    assert_eq!(
        stage.pages(&RunFilter { target: of_session("acme", session), ..of("quarantined") }).await,
        [second, first]
    );

    let open = async |filter: RunFilter| {
        let open = stage.operator.quarantined(&filter, 10).await.unwrap();
        open.iter().map(|open| open.run).collect::<Vec<_>>()
    };
    let about = |reason: &str| RunFilter { reason: Some(reason.into()), ..RunFilter::default() };
    assert_eq!(open(all.clone()).await, [third, second, first]);
    assert_eq!(open(RunFilter { before: Some(second), ..all.clone() }).await, [first]);
    assert_eq!(open(about("REFUSED")).await, [third, first]);
    assert_eq!(open(about("0%")).await, [first], "a text, not a pattern");
    assert_eq!(open(about("%")).await, [first]);
    assert!(open(about("\0")).await.is_empty(), "what no error can hold");
    let agent = |name: &str| Target { agent: Some(name.into()), ..Target::default() };
    assert!(open(RunFilter { target: agent("other"), ..all.clone() }).await.is_empty());
    assert_eq!(
        open(RunFilter { target: Target { user: user("ada").user, ..of_tenant("acme") }, ..all.clone() })
            .await
            .len(),
        2
    );
    let at = stage.operator.quarantined(&all, 10).await.unwrap()[1].at;
    assert_eq!(open(RunFilter { since: Some(at), ..all.clone() }).await, [third, second]);
    assert_eq!(open(RunFilter { until: Some(at), ..all.clone() }).await, [first]);
    assert_eq!(stage.operator.quarantined(&all, 1).await.unwrap().len(), 1);

    let record = stage.operator.runs(&of("quarantined"), 1).await.unwrap().remove(0);
    assert_eq!(
        (record.user.as_str(), record.session_name.as_str(), record.model.as_str()),
        ("ada", "two", "echo/1")
    );
    assert_eq!((record.after, record.through, record.reason.as_deref()), (0, 1, Some("refused")));
}

#[tokio::test]
async fn the_tokens_of_a_day_are_the_tenants_own() {
    let stage = Stage::set().await;
    let acme = TenantId::new("acme").unwrap();
    let day = date(2026, 2, 28);
    assert_eq!(stage.agent.tokens_of_day(&acme, day).await.unwrap(), 0);
    for (tenant, input, output, at) in [
        ("acme", 10, 5, "2026-02-28T00:00:00Z"),
        ("acme", 100, 0, "2026-02-28T23:59:59.999999Z"),
        ("acme", 1_000, 0, "2026-03-01T00:00:00Z"),
        ("acme", 1_000, 0, "2026-02-27T23:59:59Z"),
        ("default", 1_000, 0, "2026-02-28T12:00:00Z"),
    ] {
        let session = stage.insert(tenant, at, &["nothing"]).await;
        let claimed = stage.claim(tenant, session).await;
        let spent = Run { input_tokens: input, output_tokens: output, ..run("echo") };
        stage.commit_as(&claimed, &spent).await;
        let at: Timestamp = at.parse().unwrap();
        stage
            .owner
            .execute("update afterthought.agent_runs set finished_at = $1 where id = $2", &[&at, &spent.id])
            .await
            .unwrap();
    }
    assert_eq!(stage.agent.tokens_of_day(&acme, day).await.unwrap(), 115);
    assert_eq!(stage.operator.tokens_of_day(&acme, day).await.unwrap(), 115);
    for extreme in [jiff::civil::Date::MIN, jiff::civil::Date::MAX] {
        assert_eq!(stage.agent.tokens_of_day(&acme, extreme).await.unwrap(), 0);
    }

    stage
        .owner
        .batch_execute("update afterthought.agent_runs set input_tokens = 9223372036854775807")
        .await
        .unwrap();
    assert_eq!(stage.agent.tokens_of_day(&acme, day).await.unwrap(), u64::try_from(i64::MAX).unwrap());
}
