//! The loop every agent shares, with real Postgres, SQS and DynamoDB protocols: whatever happens to a wake-up, its
//! effects are there once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use domain::{
    Debounce, Envelope, MemoryType, OnConflict, Scope, SessionId, TenantId, Thought, WakeUp, Window,
};
use jiff::{SignedDuration, Timestamp};
use queue::{SqsBatchResponse, SqsEvent};
use runtime::{Agent, AgentSpec, Config, Context, Invocation, Services, ThinkError, Thoughts, handle};
use serde_json::json;
use testkit::{TestAws, TestDatabase};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, Semaphore};
use tokio_postgres::Client;
use uuid::Uuid;

/// Remembers every message as an entity named after its content; panics on "panic" and fails on "fail".
struct Echo {
    spec: AgentSpec,
    windows: Mutex<Vec<(i64, i64)>>,
    /// Of each window whether it was the last of its user.
    ends: Mutex<Vec<bool>>,
}

impl Echo {
    fn new(debounce: Option<Debounce>, window_limit: u16) -> Self {
        let spec = AgentSpec { name: "echo", debounce, window_limit, context: &[], waits_for: None };
        Self { spec, windows: Mutex::default(), ends: Mutex::default() }
    }

    fn windows(&self) -> Vec<(i64, i64)> {
        self.windows.lock().unwrap().clone()
    }
}

impl Agent for Echo {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        self.windows.lock().unwrap().push((window.after, window.through()));
        self.ends.lock().unwrap().push(context.ends_user);
        tokio::task::yield_now().await;
        let mut thoughts = Vec::new();
        for event in &window.events {
            match event.content.as_str() {
                "panic" => panic!("asked to"),
                "fail" => return Err(model::Error::Transient("asked to".into()).into()),
                "limited" => {
                    return Err(
                        model::Error::RateLimited { retry_after: Some(Duration::from_secs(90)) }.into()
                    );
                }
                name => thoughts.push(Thought {
                    kind: MemoryType::Entity,
                    scope: Scope::User,
                    key: name.into(),
                    content: name.into(),
                    data: json!({"seen": [format!("{}:{}", window.session_name, event.version)]}),
                    confidence: 1.0,
                    evidence: vec![event.version],
                    on_conflict: OnConflict::Merge,
                    review: false,
                    elsewhere: Vec::new(),
                    since: None,
                }),
            }
        }
        let usage = model::Usage { model: "echo/1".into(), ..Default::default() };
        Ok(Thoughts { thoughts, usage, ..Default::default() })
    }
}

struct Stage {
    services: Services,
    database: TestDatabase,
    aws: TestAws,
    owner: Client,
    queue_url: String,
}

impl Stage {
    async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let aws = TestAws::create().await.unwrap();
        let queue_url = aws.create_queue("echo").await.unwrap();
        let hot_table = aws.create_hot_table().await.unwrap();
        let variables: HashMap<String, String> = [
            ("DATABASE_URL", database.url()),
            ("HOT_TABLE", &hot_table),
            ("WAKE_UP_QUEUES", &format!("echo={queue_url}")),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_map(&variables).unwrap();
        let services = Services::with_aws(&config, aws.config().clone()).await.unwrap();
        let owner = database.client().await.unwrap();
        Self { services, database, aws, owner, queue_url }
    }

    async fn insert(&self, session: &str, contents: &[&str]) -> SessionId {
        let row = self
            .owner
            .query(
                "insert into afterthought.messages (user_id, session, role, content)
                 select 'ada', $1, 'user', content from unnest($2::text[]) as content returning session_id",
                &[&session, &contents],
            )
            .await
            .unwrap();
        SessionId(row[0].get(0))
    }

    async fn deliver(&self, agent: &Echo, bodies: &[(&str, String)]) -> Vec<String> {
        failures(&handle(&self.services, agent, event(bodies), &soon()).await)
    }

    async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// What was sent to the agent's queue.
    async fn sent(&self) -> Vec<WakeUp> {
        let sent = self.aws.drain(&self.queue_url).await.unwrap();
        sent.iter().map(|message| Envelope::parse(message.body().unwrap()).unwrap().wake_up).collect()
    }

    async fn woken_users(&self) -> Vec<String> {
        let user = |wake_up| match wake_up {
            WakeUp::User { user, .. } => user.as_str().to_owned(),
            other => panic!("a wake-up of a user was expected, not {other:?}"),
        };
        let mut users: Vec<String> = self.sent().await.into_iter().map(user).collect();
        users.sort();
        users
    }

    async fn memories(&self) -> Vec<String> {
        let rows = self
            .owner
            .query("select content from afterthought.memories order by content", &[])
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn soon() -> Invocation {
    let now = Timestamp::from_second(4_000_000_000).unwrap();
    Invocation::at(now, 0)
}

fn claim(tenant: &TenantId, session: SessionId) -> store::Claim<'_> {
    store::Claim {
        agent: "echo",
        tenant,
        session,
        limit: 10,
        context: &[],
        waits_for: None,
        redrives: None,
        recalled: true,
    }
}

fn wake_up(session: SessionId, version: i64) -> String {
    let wake_up = WakeUp::Session { tenant: TenantId::new("default").unwrap(), session, version };
    Envelope::first(wake_up, Timestamp::UNIX_EPOCH).to_body()
}

fn event(bodies: &[(&str, String)]) -> SqsEvent {
    let records: Vec<_> = bodies
        .iter()
        .map(|(id, body)| {
            json!({"messageId": id, "body": body, "attributes": {"ApproximateReceiveCount": "1"},
                   "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:echo", "awsRegion": "us-east-1"})
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

fn failures(response: &SqsBatchResponse) -> Vec<String> {
    let mut ids: Vec<String> =
        response.batch_item_failures.iter().map(|failure| failure.item_identifier.clone()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_window_becomes_memories_with_evidence_a_ledger_a_run_and_a_cursor() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let session = stage.insert("one", &["lisbon", "porto", "lisbon", " "]).await;
    assert!(stage.deliver(&agent, &[("m", wake_up(session, 4))]).await.is_empty());

    assert_eq!(stage.memories().await, ["lisbon", "porto"]);
    assert_eq!(stage.number("select count(*) from afterthought.memory_evidence").await, 3);
    assert_eq!(stage.number("select through from afterthought.agent_cursors where agent = 'echo'").await, 4);
    let ledger = stage
        .owner
        .query("select outcome, reason, evidence from afterthought.ledger order by position", &[])
        .await
        .unwrap();
    let ledger: Vec<(String, Option<String>, Vec<i64>)> =
        ledger.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(
        ledger,
        [
            ("stored".into(), None, vec![1]),
            ("stored".into(), None, vec![2]),
            ("merged".into(), None, vec![3]),
            ("dropped".into(), Some("empty_content".into()), vec![]),
        ]
    );
    assert_eq!(stage.number("select count(*) from afterthought.agent_runs where model = 'echo/1'").await, 1);
}

#[tokio::test]
async fn duplicates_and_wake_ups_out_of_order_change_nothing() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let session = stage.insert("one", &["a", "b", "c"]).await;
    let bodies = [("3", wake_up(session, 3)), ("1", wake_up(session, 1)), ("3 again", wake_up(session, 3))];
    assert!(stage.deliver(&agent, &bodies).await.is_empty());
    assert!(stage.deliver(&agent, &[("2", wake_up(session, 2))]).await.is_empty());
    assert!(stage.deliver(&agent, &[("3", wake_up(session, 3))]).await.is_empty());
    assert_eq!(agent.windows(), [(0, 3)]);

    stage.insert("one", &["d"]).await;
    assert!(stage.deliver(&agent, &[("2", wake_up(session, 2))]).await.is_empty());
    assert_eq!(agent.windows(), [(0, 3)], "a late wake-up is behind the cursor");
    stage.deliver(&agent, &[("4", wake_up(session, 4))]).await;
    assert_eq!(agent.windows(), [(0, 3), (3, 4)]);
    assert_eq!(stage.number("select count(*) from afterthought.ledger").await, 4);
}

#[tokio::test]
async fn a_message_fails_alone_whatever_happens_to_it() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let good = stage.insert("good", &["a"]).await;
    let panics = stage.insert("panics", &["panic"]).await;
    let fails = stage.insert("fails", &["fail"]).await;
    let later = wake_up(good, 1).replace(r#""format":1"#, r#""format":9"#);
    let bodies = [
        ("panics", wake_up(panics, 1)),
        ("good", wake_up(good, 1)),
        ("malformed", "not json".to_owned()),
        ("fails", wake_up(fails, 1)),
        ("later format", later),
    ];
    assert_eq!(stage.deliver(&agent, &bodies).await, ["fails", "later format", "panics"]);
    assert_eq!(stage.memories().await, ["a"]);
    assert_eq!(stage.number("select count(*) from afterthought.agent_cursors").await, 1);
    assert_eq!(
        stage.deliver(&agent, &[("panics", wake_up(panics, 1))]).await,
        ["panics"],
        "the lease was given back"
    );
}

#[tokio::test]
async fn an_unknown_session_or_another_tenants_is_acknowledged_and_nothing_is_read() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    stage.owner.batch_execute("insert into afterthought.tenants (tenant) values ('other')").await.unwrap();
    let session = stage.insert("one", &["a"]).await;
    let foreign = wake_up(session, 1).replace("default", "other");
    let unknown = wake_up(SessionId(Uuid::nil()), 1);
    assert!(stage.deliver(&agent, &[("foreign", foreign), ("unknown", unknown)]).await.is_empty());
    assert!(agent.windows().is_empty());
}

#[tokio::test]
async fn of_many_racing_runs_over_one_window_one_has_an_effect() {
    let stage = Stage::set().await;
    let session = stage.insert("one", &["a", "b"]).await;
    let window = stage.services.store.claim(&claim(&TenantId::new("default").unwrap(), session)).await;
    let window = window.unwrap().unwrap().window;
    let agent = Echo::new(None, 100);
    let context = Context::new(Vec::new(), Timestamp::UNIX_EPOCH);
    let thoughts = agent.think(&window, &context).await.unwrap().thoughts;
    let effects = store::Effects { thoughts, ..Default::default() };
    let runs = (0..8_u128).map(|number| {
        let run = store::Run {
            id: Uuid::from_u128(number),
            agent: "echo",
            model: "echo/1".into(),
            ..store::Run::default()
        };
        let (services, window, effects) = (&stage.services, &window, &effects);
        async move { services.store.commit(window, effects, &run).await.unwrap() }
    });
    let ended = futures::future::join_all(runs).await;
    let won = ended.iter().filter(|ended| matches!(ended, store::Committed::Done(_))).count();
    assert_eq!((won, ended.len()), (1, 8));
    assert_eq!(stage.number("select count(*) from afterthought.ledger").await, 2);
}

#[tokio::test]
async fn sessions_that_learn_the_same_at_once_share_one_memory() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let mut bodies = Vec::new();
    let names: Vec<String> = (0..10).map(|number| format!("s{number}")).collect();
    for name in &names {
        let session = stage.insert(name, &["x", "y", "z"]).await;
        bodies.push((name.as_str(), wake_up(session, 3)));
    }
    assert!(stage.deliver(&agent, &bodies).await.is_empty());
    assert_eq!(stage.memories().await, ["x", "y", "z"]);
    assert_eq!(stage.number("select count(*) from afterthought.memory_evidence").await, 30);
    assert_eq!(stage.number("select count(*) from afterthought.ledger where outcome = 'stored'").await, 3);
    let seen = stage
        .number("select min(jsonb_array_length(data -> 'seen'))::bigint from afterthought.memories")
        .await;
    assert_eq!(seen, 10);
}

#[tokio::test]
async fn a_long_backlog_is_several_windows_in_order_within_one_wake_up() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 4);
    let session = stage.insert("one", &["a", "b", "c", "d", "e", "f", "g", "h", "i"]).await;
    stage.deliver(&agent, &[("m", wake_up(session, 9))]).await;
    assert_eq!(agent.windows(), [(0, 4), (4, 8), (8, 9)]);
}

#[tokio::test]
async fn out_of_time_the_rest_of_a_backlog_is_sent_again() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 4);
    let session = stage.insert("one", &["a", "b", "c", "d", "e"]).await;
    let over = Invocation::at(Timestamp::UNIX_EPOCH, 1);
    let response = handle(&stage.services, &agent, event(&[("m", wake_up(session, 5))]), &over).await;
    assert!(failures(&response).is_empty());
    assert_eq!(agent.windows(), [(0, 4)]);
    let sent = stage.aws.drain(&stage.queue_url).await.unwrap();
    let rest = Envelope::parse(sent[0].body().unwrap()).unwrap();
    assert!(matches!(rest.wake_up, WakeUp::Session { version: 5, .. }));
}

#[tokio::test]
async fn a_busy_session_is_left_until_it_is_quiet_or_has_waited_long_enough() {
    let stage = Stage::set().await;
    let patient = Echo::new(Some(Debounce { max_wait: Duration::from_hours(1) }), 100);
    let session = stage.insert("one", &["a", "b", "c"]).await;
    stage.deliver(&patient, &[("1", wake_up(session, 1))]).await;
    assert!(patient.windows().is_empty(), "two newer events have wake-ups of their own");
    stage.deliver(&patient, &[("3", wake_up(session, 3))]).await;
    assert_eq!(patient.windows(), [(0, 3)]);

    let impatient = Echo::new(Some(Debounce { max_wait: Duration::ZERO }), 100);
    stage.insert("one", &["d", "e"]).await;
    stage.deliver(&impatient, &[("4", wake_up(session, 4))]).await;
    assert_eq!(impatient.windows(), [(3, 5)], "all events of the burst, once");
}

#[tokio::test]
async fn a_limited_rate_or_a_session_in_other_hands_puts_the_wake_up_off() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let limited = stage.insert("limited", &["limited"]).await;
    assert!(stage.deliver(&agent, &[("m", wake_up(limited, 1))]).await.is_empty());

    let held = stage.insert("held", &["a"]).await;
    let now = (stage.services.now)();
    let lease = stage
        .services
        .hot
        .acquire_lease("echo", held, Uuid::nil(), 0, 1, Duration::from_mins(1), now)
        .await
        .unwrap();
    assert!(matches!(lease, hot::Leased::Taken(_)));
    assert!(stage.deliver(&agent, &[("m", wake_up(held, 1))]).await.is_empty());
    assert_eq!(agent.windows(), [(0, 1)], "only the limited one was tried");

    let attributes = stage
        .aws
        .sqs()
        .get_queue_attributes()
        .queue_url(&stage.queue_url)
        .attribute_names(aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesDelayed)
        .send()
        .await
        .unwrap();
    let delayed: Vec<&String> = attributes.attributes().unwrap().values().collect();
    assert_eq!(delayed, ["2"]);

    let later = now.saturating_add(SignedDuration::from_secs(61)).unwrap();
    let taken = stage
        .services
        .hot
        .acquire_lease("echo", held, Uuid::max(), 0, 1, Duration::from_mins(1), later)
        .await
        .unwrap();
    assert!(matches!(taken, hot::Leased::Taken(_)), "a lease ends by itself");
}

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
async fn what_is_read_at_once_is_bounded_in_bytes_too() {
    let stage = Stage::set().await;
    let say = "insert into afterthought.messages (user_id, session, role, content)
               select 'ada', 'long', 'user', repeat('x', 262144) from generate_series(1, 20) returning session_id";
    let session = SessionId(stage.owner.query(say, &[]).await.unwrap()[0].get(0));
    let tenant = TenantId::new("default").unwrap();
    let claim = store::Claim { limit: 100, ..claim(&tenant, session) };
    let claimed = stage.services.store.claim(&claim).await.unwrap().unwrap();
    // 4 MiB, the braces of empty metadata included.
    assert_eq!((claimed.window.events.len(), claimed.window.head), (15, 20));
    let remember = "insert into afterthought.memories
            (id, tenant, user_id, scope, type, key, content, data, confidence, agent, model, valid_from)
        select gen_random_uuid(), 'default', 'ada', 'user', 'fact', 'k' || n, 'x',
               jsonb_build_object('text', repeat('x', 65536)), 0.5, 'test', 'test', now()
        from generate_series(1, 200) as n";
    stage.owner.execute(remember, &[]).await.unwrap();
    let user = domain::UserId::new("ada").unwrap();
    let memories = stage.services.store.user_memories(&tenant, &user, 10_000).await.unwrap();
    assert_eq!(memories.len(), 127, "8 MiB");
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

#[tokio::test]
async fn what_recall_handed_out_is_not_thought_about_again() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let session = stage.insert("one", &["Ada has lived in Lisbon since May."]).await;
    stage.deliver(&agent, &[("m", wake_up(session, 1))]).await;
    let repeat = "insert into afterthought.messages (user_id, session, role, content)
                  values ('ada', 'one', 'assistant', 'Ada has lived in Lisbon since May.')";
    stage.owner.batch_execute(repeat).await.unwrap();
    stage.deliver(&agent, &[("m", wake_up(session, 2))]).await;
    assert_eq!(stage.number("select count(*) from afterthought.memory_evidence").await, 1);
    let line = "select concat_ws(' ', outcome, type, reason, evidence::text) from afterthought.ledger
                where reason = 'recalled'";
    let line: String = stage.owner.query_one(line, &[]).await.unwrap().get(0);
    assert_eq!(line, "dropped recalled {2}");
}

#[tokio::test]
async fn postgres_gone_for_a_moment_fails_the_wake_up_and_the_next_delivery_succeeds() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let session = stage.insert("one", &["a"]).await;
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()";
    stage.services.store.claim(&claim(&TenantId::new("default").unwrap(), session)).await.unwrap();
    assert!(stage.number(kill).await >= 1, "the agent's pooled connection is gone");
    let mut left = vec![("m", wake_up(session, 1))];
    for _attempt in 0..3 {
        if stage.deliver(&agent, &left).await.is_empty() {
            left.clear();
            break;
        }
    }
    assert!(left.is_empty());
    assert_eq!(stage.memories().await, ["a"]);
    assert!(stage.database.url().starts_with("postgres"));
}
