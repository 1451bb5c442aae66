//! The admin API from request to effect: real Postgres, SQS and DynamoDB protocols, and an agent that runs between.

use std::collections::HashMap;
use std::time::Duration;

use domain::{Envelope, MemoryType, OnConflict, Scope, SessionId, TenantId, Thought, WakeUp, Window};
use hot::Leased;
use jiff::Timestamp;
use lambda_http::Body;
use model::Embedder;
use queue::SqsEvent;
use recall::{Admin, Recall};
use runtime::{Agent, AgentSpec, Config, Context, Invocation, Services, ThinkError, Thoughts, handle};
use serde_json::{Value, json};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;
use uuid::Uuid;

/// Remembers every message as an entity, but nothing of "nothing"; refuses "refused" until it is patient.
struct Echo {
    spec: AgentSpec,
    patient: bool,
}

impl Echo {
    const fn new(patient: bool) -> Self {
        let spec =
            AgentSpec { name: "echo", debounce: None, window_limit: 100, context: &[], waits_for: None };
        Self { spec, patient }
    }
}

impl Agent for Echo {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, window: &Window, _context: &Context) -> Result<Thoughts, ThinkError> {
        let mut thoughts = Vec::new();
        for event in &window.events {
            match event.content.as_str() {
                "refused" if !self.patient => return Err(model::Error::Refused.into()),
                "nothing" => {}
                name => thoughts.push(Thought {
                    kind: MemoryType::Entity,
                    scope: Scope::User,
                    key: name.into(),
                    content: name.into(),
                    data: json!({}),
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
    recall: Recall,
    aws: TestAws,
    owner: Client,
    echo: String,
    other: String,
    _database: TestDatabase,
}

impl Stage {
    async fn set() -> Self {
        Self::with("true").await
    }

    async fn with(admin_api: &str) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let aws = TestAws::create().await.unwrap();
        let echo = aws.create_queue("echo").await.unwrap();
        let other = aws.create_queue("other").await.unwrap();
        let hot_table = aws.create_hot_table().await.unwrap();
        let variables: HashMap<String, String> = [
            ("DATABASE_URL", database.url()),
            ("HOT_TABLE", &hot_table),
            ("WAKE_UP_QUEUES", &format!("echo={echo},other={other}")),
            ("ADMIN_API", admin_api),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_map(&variables).unwrap();
        let mut services = Services::with_aws(&config, aws.config().clone()).await.unwrap();
        services.publisher =
            services.publisher.with_retries(backon::ExponentialBuilder::default().with_max_times(0));
        let owner = database.client().await.unwrap();
        owner.batch_execute("insert into afterthought.tenants (tenant) values ('acme')").await.unwrap();
        let recall =
            Recall::new(services.store.clone(), services.hot.clone(), Embedder::BuiltIn, services.now)
                .with_admin(Admin::from_services(&services).unwrap());
        Self { services, recall, aws, owner, echo, other, _database: database }
    }

    /// Inserts messages of ada's session `chat`.
    async fn say(&self, tenant: &str, contents: &[&str]) -> SessionId {
        let rows = self
            .owner
            .query(
                "insert into afterthought.messages (tenant, user_id, session, role, content)
                 select $1, 'ada', 'chat', 'user', content from unnest($2::text[]) as content
                 returning session_id",
                &[&tenant, &contents],
            )
            .await
            .unwrap();
        SessionId(rows[0].get(0))
    }

    /// Gives the echo its wake-up for a session, as its queue would.
    async fn think(&self, tenant: &str, session: SessionId, version: i64) {
        let wake_up = WakeUp::Session { tenant: TenantId::new(tenant).unwrap(), session, version };
        let body = Envelope::first(wake_up, Timestamp::UNIX_EPOCH).to_body();
        self.deliver(&Echo::new(false), vec![body]).await;
    }

    async fn deliver(&self, agent: &Echo, bodies: Vec<String>) {
        let records: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(id, body)| {
                json!({"messageId": id.to_string(), "body": body,
                       "attributes": {"ApproximateReceiveCount": "1"},
                       "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:echo", "awsRegion": "us-east-1"})
            })
            .collect();
        let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let invocation = Invocation::at(Timestamp::from_second(4_000_000_000).unwrap(), 0);
        let response = handle(&self.services, agent, event, &invocation).await;
        assert!(response.batch_item_failures.is_empty());
    }

    /// Takes what is in a queue.
    async fn taken(&self, queue_url: &str) -> Vec<Envelope> {
        let messages = self.aws.drain(queue_url).await.unwrap();
        messages.iter().map(|message| Envelope::parse(message.body().unwrap()).unwrap()).collect()
    }

    async fn ask(&self, method: &str, path: &str, query_string: &str, body: Option<&Value>) -> (u16, Value) {
        let mut event: Value = serde_json::from_str(include_str!("../../events/recall.json")).unwrap();
        event["rawPath"] = path.into();
        event["rawQueryString"] = query_string.into();
        event["headers"].as_object_mut().unwrap().remove("afterthought-tenant");
        event["requestContext"]["http"]["method"] = method.into();
        if let Some(body) = body {
            event["body"] = body.to_string().into();
            event["isBase64Encoded"] = false.into();
        }
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        let response = self.recall.handle(request).await;
        let status = response.status().as_u16();
        let Body::Text(body) = response.into_body() else { panic!("the body is text") };
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn get(&self, name: &str, query_string: &str) -> Value {
        let (status, answer) = self.ask("GET", &format!("/v1/admin/{name}"), query_string, None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn post(&self, name: &str, body: Value) -> Value {
        let (status, answer) = self.ask("POST", &format!("/v1/admin/{name}"), "", Some(&body)).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn refused(&self, name: &str, body: Value) -> (u16, String) {
        let (status, problem) = self.ask("POST", &format!("/v1/admin/{name}"), "", Some(&body)).await;
        (status, problem["detail"].as_str().unwrap().to_owned())
    }

    /// What became of each event of ada's chat at the echo: the state, or the outcomes of what was thought.
    async fn became(&self, tenant: &str) -> Vec<String> {
        let answer = self.get("events", &format!("tenant={tenant}&user=ada&session=chat&agent=echo")).await;
        let events = answer["events"].as_array().unwrap().clone();
        let became = |event: &Value| {
            let agent = &event["agents"][0];
            match agent["thoughts"].as_array().unwrap().first() {
                Some(thought) if agent["state"] == "thought" => thought["outcome"].clone(),
                _ => agent["state"].clone(),
            }
        };
        events.iter().map(|event| became(event).as_str().unwrap().to_owned()).collect()
    }

    async fn cursor(&self, session: SessionId) -> i64 {
        let sql = "select coalesce(max(through), 0) from afterthought.agent_cursors where session_id = $1 and agent = 'echo'";
        self.owner.query_one(sql, &[&session.0]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn where_the_api_is_off_its_paths_do_not_exist() {
    let stage = Stage::with("false").await;
    let unknown = stage.ask("GET", "/v1/nowhere", "", None).await;
    for (method, name) in [("GET", "status"), ("GET", "runs"), ("POST", "cancel"), ("POST", "nonsense")] {
        let answer = stage.ask(method, &format!("/v1/admin/{name}"), "", Some(&json!({"all": true}))).await;
        assert_eq!((answer.0, &answer), (404, &unknown));
    }
}

#[tokio::test]
async fn an_event_is_followed_from_waiting_to_what_it_became() {
    let stage = Stage::set().await;
    let chat = stage.say("acme", &["lisbon", "nothing", "lisbon"]).await;
    assert_eq!(stage.became("acme").await, ["waiting", "waiting", "waiting"]);
    let status = stage.get("status", "").await;
    assert_eq!(status["agents"][0]["agent"], "echo");
    assert_eq!(status["adopted_tables"], json!([]));
    assert_eq!(
        (&status["agents"][0]["events"], &status["agents"][0]["events_behind"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(
        status["slot"],
        json!({"name": "afterthought", "exists": false, "lost": true,
                                      "reason": null, "lag_bytes": null, "reader": null})
    );

    let now = (stage.services.now)();
    let holder = Uuid::from_u128(1);
    let leased = stage
        .services
        .hot
        .acquire_lease("echo", chat, holder, 0, 3, Duration::from_mins(5), now)
        .await
        .unwrap();
    let Leased::Taken(lease) = leased else { panic!("the lease is free") };
    assert_eq!(stage.became("acme").await, ["thinking", "thinking", "thinking"]);
    stage.services.hot.release_lease(&lease).await.unwrap();

    stage.think("acme", chat, 3).await;
    assert_eq!(stage.became("acme").await, ["stored", "nothing", "merged"]);
    let answer = stage.get("events", "tenant=acme&user=ada&session=chat&from=2&to=2").await;
    let [event] = answer["events"].as_array().unwrap().as_slice() else { panic!("one event") };
    assert_eq!((&event["version"], &answer["next"]), (&json!(2), &json!(3)));
    assert_eq!(event["agents"][1], json!({"agent": "other", "state": "waiting", "thoughts": []}));

    let runs = stage.get("runs", "tenant=acme").await;
    let [run] = runs["runs"].as_array().unwrap().as_slice() else { panic!("one run: {runs}") };
    assert_eq!(
        (&run["agent"], &run["user"], &run["session"], &run["outcome"], &run["model"]),
        (&json!("echo"), &json!("ada"), &json!("chat"), &json!("done"), &json!("echo/1"))
    );
    assert_eq!((&run["after"], &run["through"]), (&json!(0), &json!(3)));
    assert_eq!(stage.get("status", "").await["agents"][0]["events_behind"], 0);
}

#[tokio::test]
async fn runs_are_chosen_and_paged_newest_first() {
    let stage = Stage::set().await;
    let mut chat = stage.say("acme", &["one"]).await;
    for version in 1..=5 {
        stage.think("acme", chat, version).await;
        chat = stage.say("acme", &["one more"]).await;
    }
    stage.say("default", &["mine"]).await;
    let mut through: Vec<i64> = Vec::new();
    let mut page = stage.get("runs", "limit=2").await;
    loop {
        through.extend(page["runs"].as_array().unwrap().iter().map(|run| run["through"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        page = stage.get("runs", &format!("limit=2&before={next}")).await;
    }
    assert_eq!(through, [5, 4, 3, 2, 1]);
    for none in [
        "tenant=default",
        "agent=other",
        "outcome=quarantined",
        "until=1h",
        "tenant=acme&user=bob",
        "since=2100-01-01T00:00:00Z",
    ] {
        assert_eq!(stage.get("runs", none).await["runs"], json!([]), "{none}");
    }
    assert_eq!(
        stage.get("runs", "tenant=acme&user=ada&session=chat&since=1h").await["runs"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

#[tokio::test]
async fn what_is_paused_waits_until_it_is_resumed_and_others_go_on() {
    let stage = Stage::set().await;
    let (theirs, ours) = (stage.say("acme", &["lisbon"]).await, stage.say("default", &["porto"]).await);
    for _twice in 0..2 {
        let answer = stage.post("pause", json!({"tenant": "acme", "agent": "echo"})).await;
        assert_eq!((&answer["holds"], &answer["affected"][0]["tenant"]), (&json!(1), &json!("acme")));
    }
    let status = stage.get("status", "").await;
    let [hold] = status["holds"].as_array().unwrap().as_slice() else { panic!("one hold: {status}") };
    assert_eq!(
        (&hold["agent"], &hold["reason"], &hold["until"]),
        (&json!("echo"), &json!("pause"), &json!(null))
    );
    assert_eq!((&status["agents"][0]["held"], &status["agents"][1]["held"]), (&json!(1), &json!(0)));

    stage.think("acme", theirs, 1).await;
    stage.think("default", ours, 1).await;
    assert_eq!(stage.became("acme").await, ["held"]);
    assert_eq!(stage.became("default").await, ["stored"]);

    // Another target's resume ends nothing.
    stage.post("resume", json!({"tenant": "acme"})).await;
    assert_eq!(stage.became("acme").await, ["held"]);
    assert_eq!(stage.taken(&stage.echo).await.len(), 0, "what is held is not woken");
    stage.taken(&stage.other).await;

    for _twice in 0..2 {
        let answer = stage.post("resume", json!({"tenant": "acme", "agent": "echo"})).await;
        assert_eq!((&answer["sessions"], &answer["woken"]), (&json!(1), &json!(1)));
        let affected = &answer["affected"][0];
        assert_eq!((&affected["user"], &affected["session"]), (&json!("ada"), &json!("chat")));
    }
    let woken = stage.taken(&stage.echo).await;
    assert_eq!(woken.len(), 2, "once for each request");
    assert_eq!(stage.taken(&stage.other).await.len(), 0);
    stage.deliver(&Echo::new(false), woken.iter().map(Envelope::to_body).collect()).await;
    assert_eq!(stage.became("acme").await, ["stored"]);
    assert_eq!(stage.post("resume", json!({"tenant": "acme", "agent": "echo"})).await["sessions"], 0);
}

#[tokio::test]
async fn one_session_is_paused_by_its_name_until_a_moment() {
    let stage = Stage::set().await;
    stage.say("acme", &["lisbon"]).await;
    let answer =
        stage.post("pause", json!({"tenant": "acme", "user": "ada", "session": "chat", "until": "2h"})).await;
    let status = stage.get("status", "").await;
    let hold = &status["holds"][0];
    assert_eq!(
        (&hold["user"], &hold["session"], &hold["until"]),
        (&json!("ada"), &json!("chat"), &answer["until"])
    );
    assert_eq!(stage.became("acme").await, ["held"]);

    for unknown in [
        json!({"tenant": "nobody"}),
        json!({"tenant": "acme", "user": "ada", "session": "other"}),
        json!({"tenant": "default", "user": "ada", "session": "chat"}),
    ] {
        assert_eq!(stage.refused("pause", unknown).await.0, 404);
    }
}

#[tokio::test]
async fn what_is_cancelled_is_passed_over_and_says_so() {
    let stage = Stage::set().await;
    let (theirs, ours) = (stage.say("acme", &["a", "b"]).await, stage.say("default", &["c"]).await);
    let (status, detail) = stage.refused("cancel", json!({})).await;
    assert!(status == 400 && detail.contains("`all`"), "{detail}");
    assert_eq!((stage.cursor(theirs).await, stage.cursor(ours).await), (0, 0));

    let answer = stage.post("cancel", json!({"tenant": "acme", "before": "1h"})).await;
    assert_eq!(answer, json!({"sessions": 0, "events": 0, "affected": []}));
    let answer = stage.post("cancel", json!({"tenant": "acme", "agent": "echo"})).await;
    assert_eq!((&answer["sessions"], &answer["events"]), (&json!(1), &json!(2)));
    let affected = &answer["affected"][0];
    assert_eq!(
        (&affected["after"], &affected["through"], &affected["session"]),
        (&json!(0), &json!(2), &json!("chat"))
    );
    assert_eq!(stage.post("cancel", json!({"tenant": "acme", "agent": "echo"})).await["sessions"], 0);

    stage.think("acme", theirs, 2).await;
    assert_eq!(stage.became("acme").await, ["cancelled", "cancelled"]);
    assert_eq!(stage.became("default").await, ["waiting"]);
    assert_eq!(stage.get("runs", "outcome=cancelled").await["runs"].as_array().unwrap().len(), 1);
    assert_eq!(stage.post("cancel", json!({"all": true})).await["sessions"], 3, "the others of both agents");
}

#[tokio::test]
async fn what_is_replayed_is_thought_about_again_from_there_on() {
    let stage = Stage::set().await;
    let (theirs, ours) = (stage.say("acme", &["a", "b", "c"]).await, stage.say("default", &["d"]).await);
    stage.think("acme", theirs, 3).await;
    stage.think("default", ours, 1).await;

    let answer = stage.post("replay", json!({"tenant": "acme", "version": 2})).await;
    assert_eq!((&answer["sessions"], &answer["woken"]), (&json!(1), &json!(1)));
    assert_eq!(answer["affected"][0]["version"], 3);
    assert_eq!((stage.cursor(theirs).await, stage.cursor(ours).await), (1, 1));
    assert_eq!(stage.became("acme").await, ["stored", "waiting", "waiting"]);
    assert_eq!(stage.post("replay", json!({"tenant": "acme", "version": 2})).await["sessions"], 0);

    let woken = stage.taken(&stage.echo).await;
    assert_eq!(woken.len(), 1);
    stage.deliver(&Echo::new(false), woken.iter().map(Envelope::to_body).collect()).await;
    assert_eq!(stage.became("acme").await, ["stored", "merged", "merged"]);
    assert_eq!(stage.get("runs", "tenant=acme").await["runs"].as_array().unwrap().len(), 2);

    let answer = stage.post("replay", json!({"agent": "echo", "since": "1h"})).await;
    assert_eq!(answer["sessions"], 2);
    assert_eq!((stage.cursor(theirs).await, stage.cursor(ours).await), (0, 0));
}

#[tokio::test]
async fn a_wake_up_that_is_not_accepted_is_told() {
    let stage = Stage::set().await;
    let chat = stage.say("acme", &["a"]).await;
    stage.think("acme", chat, 1).await;
    stage.aws.sqs().delete_queue().queue_url(&stage.echo).send().await.unwrap();
    let answer = stage.post("replay", json!({"tenant": "acme", "version": 1})).await;
    assert_eq!((&answer["sessions"], &answer["woken"]), (&json!(1), &json!(0)));
    assert!(answer["note"].as_str().unwrap().contains("sweep"), "{answer}");
    assert_eq!(stage.cursor(chat).await, 0);
}

#[tokio::test]
async fn what_was_set_aside_is_tried_again_and_its_dead_letter_goes() {
    let stage = Stage::set().await;
    let dead = format!("{}-dlq", stage.echo);
    let (theirs, ours) =
        (stage.say("acme", &["a", "refused", "b"]).await, stage.say("default", &["refused"]).await);
    for (tenant, session, version) in [("acme", theirs, 3), ("default", ours, 1)] {
        stage.think(tenant, session, version).await;
        let woken = stage.taken(&stage.echo).await;
        stage.deliver(&Echo::new(false), woken.iter().map(Envelope::to_body).collect()).await;
    }
    assert_eq!(stage.became("acme").await, ["stored", "quarantined", "stored"]);
    assert_eq!(stage.get("status", "").await["agents"][0]["quarantined"], 2);

    let answer = stage.post("redrive", json!({"tenant": "acme", "reason": "no such reason"})).await;
    assert_eq!((&answer["windows"], &answer["dead_letters_deleted"]), (&json!(0), &json!(0)));
    let answer = stage.post("redrive", json!({"tenant": "acme"})).await;
    assert_eq!((&answer["windows"], &answer["woken"]), (&json!(1), &json!(1)), "{answer}");
    assert_eq!(answer["dead_letters_deleted"], 1);
    let window = &answer["affected"][0];
    assert_eq!(
        (&window["after"], &window["through"], &window["session"]),
        (&json!(1), &json!(2), &json!("chat"))
    );
    let left = stage.taken(&dead).await;
    let [Envelope { wake_up: WakeUp::Window { session, .. }, .. }] = left.as_slice() else {
        panic!("one dead letter is left: {left:?}")
    };
    assert_eq!(*session, ours);

    let woken = stage.taken(&stage.echo).await;
    assert!(matches!(
        woken.as_slice(),
        [Envelope { wake_up: WakeUp::Window { after: 1, through: 2, .. }, .. }]
    ));
    stage.deliver(&Echo::new(true), woken.iter().map(Envelope::to_body).collect()).await;
    assert_eq!(stage.became("acme").await, ["stored", "stored", "stored"]);
    let runs = stage.get("runs", "tenant=acme&outcome=quarantined").await;
    assert!(runs["runs"][0]["redriven_by"].is_string(), "{runs}");
    assert_eq!(stage.post("redrive", json!({"tenant": "acme"})).await["windows"], 0);
    assert_eq!(stage.became("default").await, ["quarantined"]);
}

#[tokio::test]
async fn a_dead_letter_left_behind_by_a_redrive_goes_with_the_next() {
    let stage = Stage::set().await;
    let dead = format!("{}-dlq", stage.echo);
    let chat = stage.say("acme", &["refused"]).await;
    stage.think("acme", chat, 1).await;
    // Moved back by SQS's own redrive, which a copy in the dead-letter queue outlives.
    let [letter] = stage.taken(&dead).await.try_into().unwrap();
    stage.services.publisher.publish(&dead, std::slice::from_ref(&letter)).await.unwrap();
    let foreign = Envelope::first(WakeUp::Tick, Timestamp::UNIX_EPOCH);
    stage.services.publisher.publish(&dead, std::slice::from_ref(&foreign)).await.unwrap();
    stage.deliver(&Echo::new(true), vec![letter.to_body()]).await;
    assert_eq!(stage.became("acme").await, ["stored"]);

    let answer = stage.post("redrive", json!({})).await;
    assert_eq!((&answer["windows"], &answer["dead_letters_deleted"]), (&json!(0), &json!(1)));
    assert_eq!(
        stage.taken(&dead).await,
        [foreign],
        "what it is not about stays, and can be received at once"
    );
}

#[tokio::test]
async fn a_request_that_would_mean_something_else_is_refused() {
    let stage = Stage::set().await;
    let mut event: Value = serde_json::from_str(include_str!("../../events/recall.json")).unwrap();
    event["rawPath"] = "/v1/admin/status".into();
    event["rawQueryString"] = "".into();
    event["headers"]["afterthought-tenant"] = "acme".into();
    let response = stage.recall.handle(lambda_http::request::from_str(&event.to_string()).unwrap()).await;
    assert_eq!(response.status().as_u16(), 400);
    let Body::Text(body) = response.into_body() else { panic!("the body is text") };
    assert!(body.contains("`tenant` says whose sessions are meant"), "{body}");

    for (name, body, named) in [
        ("pause", json!({"agent": "echoo"}), "echo, other"),
        ("replay", json!({"tenant": "acme"}), "`version` is missing"),
        ("redrive", json!({"reason": 5}), "`reason`: invalid type: integer `5`"),
    ] {
        let (status, detail) = stage.refused(name, body).await;
        assert!(status == 400 && detail.contains(named), "{status} {detail}");
    }
    assert_eq!(stage.ask("POST", "/v1/admin/status", "", Some(&json!({}))).await.0, 405);
    assert_eq!(stage.ask("GET", "/v1/admin/nothing", "", None).await.0, 404);
}
