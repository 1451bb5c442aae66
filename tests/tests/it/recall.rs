//! The indexer and the recall function together, with real Postgres and the real DynamoDB protocol.

mod hydrate;
mod stalled;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{SessionId, TenantId, UserId, WakeUp};
use hot::{Hot, Read};
use indexer::Indexer;
use lambda_http::Body;
use model::Embedder;
use recall::Recall;
use runtime::{Config, Services};
use serde_json::{Value, json};
use store::{DatabaseConfig, ReplayFrom, Role, Store, Target};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::delivery::deliver;

const HOT_TABLE: &str = "afterthought-hot";

struct Stage {
    services: Services,
    indexer: Indexer,
    recall: Recall,
    aws: TestAws,
    owner: Client,
    database: TestDatabase,
}

impl Stage {
    async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let aws = TestAws::create().await.unwrap();
        let queue_url = aws.create_queue("indexer").await.unwrap();
        let hot_table = aws.create_hot_table().await.unwrap();
        let variables: HashMap<String, String> = [
            ("DATABASE_URL", database.url()),
            ("HOT_TABLE", &hot_table),
            ("WAKE_UP_QUEUES", &format!("indexer={queue_url}")),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_map(&variables).unwrap();
        let services = Services::with_aws(&config, aws.config().clone()).await.unwrap();
        let owner = database.client().await.unwrap();
        owner.batch_execute("insert into afterthought.tenants (tenant) values ('acme')").await.unwrap();
        let indexer =
            Indexer::new(Embedder::BuiltIn, services.store.clone(), services.hot.clone(), services.now);
        let recall =
            Recall::new(services.store.clone(), services.hot.clone(), Embedder::BuiltIn, services.now);
        Self { services, indexer, recall, aws, owner, database }
    }

    /// Inserts messages of "Speaker: text" and answers their session.
    async fn say(&self, tenant: &str, user: &str, session: &str, lines: &[&str]) -> SessionId {
        let (speakers, contents): (Vec<&str>, Vec<&str>) =
            lines.iter().map(|line| line.split_once(": ").unwrap()).unzip();
        let rows = self
            .owner
            .query(
                "insert into afterthought.messages (tenant, user_id, session, role, speaker, content)
                 select $1, $2, $3, 'user', line.* from unnest($4::text[], $5::text[]) as line
                 returning session_id",
                &[&tenant, &user, &session, &speakers, &contents],
            )
            .await
            .unwrap();
        SessionId(rows[0].get(0))
    }

    /// Inserts messages and has them indexed.
    async fn indexed(&self, tenant: &str, user: &str, session: &str, lines: &[&str]) -> SessionId {
        let id = self.say(tenant, user, session, lines).await;
        self.wake(tenant, id).await;
        id
    }

    async fn wake(&self, tenant: &str, session: SessionId) {
        let head: i64 = self
            .owner
            .query_one("select head_version from afterthought.sessions where id = $1", &[&session.0])
            .await
            .unwrap()
            .get(0);
        let tenant = TenantId::new(tenant).unwrap();
        self.deliver(WakeUp::Session { tenant, session, version: head }).await;
    }

    async fn deliver(&self, wake_up: WakeUp) {
        assert!(deliver(&self.services, &self.indexer, wake_up).await);
    }

    /// Adds a memory of the user with one event as its evidence.
    async fn remember(
        &self,
        session: SessionId,
        scope: &str,
        kind: &str,
        content: &str,
        version: i64,
    ) -> Uuid {
        self.owner
            .query_one(
                "with made as (
                     insert into afterthought.memories
                         (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from)
                     select gen_random_uuid(), tenant, case when $2 <> 'global' then user_id end, id, $2, $3, $4, $4,
                            0.8, 'test', 'test', now()
                     from afterthought.sessions where id = $1
                     returning id, tenant
                 ), evidence as (
                     insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
                     select id, $1, $5, tenant from made
                 )
                 select id from made",
                &[&session.0, &scope, &kind, &content, &version],
            )
            .await
            .unwrap()
            .get(0)
    }

    async fn memories_added(&self, tenant: &str, session: SessionId) {
        self.deliver(WakeUp::Memories { tenant: TenantId::new(tenant).unwrap(), session }).await;
    }

    async fn get(&self, tenant: &str, path: &str, query_string: &str) -> (u16, Value) {
        get(&self.recall, tenant, path, query_string).await
    }

    async fn ok(&self, tenant: &str, path: &str, query_string: &str) -> Value {
        let (status, body) = self.get(tenant, path, query_string).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// How many vectors of each session come from which embedder.
    async fn embedders(&self) -> Vec<(String, String, i64)> {
        let rows = self
            .owner
            .query(
                "select s.session, e.embedding_model, count(*)
                 from (select session_id, embedding_model from afterthought.event_index
                       union all select session_id, embedding_model from afterthought.memories) e
                 join afterthought.sessions s on s.id = e.session_id
                 group by 1, 2 order by 1, 2",
                &[],
            )
            .await
            .unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    async fn forget_context(&self, tenant: &str, user: &str, session: &str) {
        let key = |text: String| AttributeValue::S(text);
        self.aws
            .dynamodb()
            .delete_item()
            .table_name(HOT_TABLE)
            .key("pk", key(format!("user#{tenant}#{user}")))
            .key("sk", key(format!("context#{session}")))
            .send()
            .await
            .unwrap();
    }

    async fn context(&self, user: &str, session: &str) -> hot::SessionContext {
        let (tenant, user) = (TenantId::new("default").unwrap(), UserId::new(user).unwrap());
        match self.services.hot.get_context(&tenant, &user, session, (self.services.now)()).await.unwrap() {
            Read::Present(context) => context,
            other => panic!("expected a live context, got {other:?}"),
        }
    }
}

async fn get(recall: &Recall, tenant: &str, path: &str, query_string: &str) -> (u16, Value) {
    let mut event: Value = serde_json::from_str(include_str!("../../events/recall.json")).unwrap();
    event["rawPath"] = path.into();
    event["rawQueryString"] = query_string.into();
    event["headers"]["afterthought-tenant"] = tenant.into();
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let response = recall.handle(request).await;
    let status = response.status().as_u16();
    let kind = if status == 200 { "application/json" } else { "application/problem+json" };
    assert_eq!(response.headers()["content-type"], kind);
    let Body::Text(body) = response.into_body() else { panic!("the body is text") };
    (status, serde_json::from_str(&body).unwrap())
}

fn owned((session, embedder, count): (&str, &str, i64)) -> (String, String, i64) {
    (session.to_owned(), embedder.to_owned(), count)
}

fn texts<'a>(answer: &'a Value, list: &str) -> Vec<&'a str> {
    answer[list].as_array().unwrap().iter().map(|item| item["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_question_is_answered_with_events_and_memories_their_scores_and_their_evidence() {
    let stage = Stage::set().await;
    let chat = stage
        .indexed(
            "default",
            "ada",
            "chat",
            &[
                "Ada: I moved to Lisbon last spring.",
                "Bob: How lovely! I still live in Porto.",
                "Ada: What do you do on weekends?",
                "Bob: Mostly sailing, and I bake bread.",
            ],
        )
        .await;
    stage.remember(chat, "user", "entity", "Lisbon", 1).await;
    stage.remember(chat, "user", "entity", "sailing", 4).await;
    stage.memories_added("default", chat).await;

    let answer = stage.ok("default", "/v1/users/ada/recall", "query=Did+Bob+like+sailing%3F&k=2").await;
    assert_eq!(answer["query"], "Did Bob like sailing?");
    assert_eq!(answer["degraded"], false);
    assert_eq!(texts(&answer, "memories"), ["sailing", "Lisbon"]);
    assert_eq!(answer["memories"][0]["evidence"], json!([{"session": "chat", "version": 4}]));
    assert_eq!(texts(&answer, "events")[0], "Mostly sailing, and I bake bread.");
    let event = &answer["events"][0];
    assert_eq!(event["evidence"], json!([{"session": "chat", "version": 4}]));
    assert_eq!((&event["speaker"], &event["role"]), (&json!("Bob"), &json!("user")));
    let score = event["score"].as_object().unwrap();
    let total = score["total"].as_f64().unwrap();
    let sum: f64 =
        score.iter().filter(|(part, _)| *part != "total").map(|(_, value)| value.as_f64().unwrap()).sum();
    assert!((total - sum).abs() < 0.001, "{score:?}");
    assert_eq!(score["speaker"], 0.4);
    assert!(answer["events"][1]["score"]["total"].as_f64().unwrap() <= total);
}

#[tokio::test]
async fn k_results_come_back_when_there_are_k_however_little_they_have_to_do_with_the_question() {
    let stage = Stage::set().await;
    let lines: Vec<String> = (0..130).map(|number| format!("Ada: line number{number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    stage.indexed("default", "ada", "long", &lines).await;
    stage.indexed("default", "bob", "long", &lines).await;
    for (k, query) in
        [(1, "number7"), (100, "number7"), (100, "zzz"), (10, "the"), (50, "%27+%26+%7C+%21%3A*+%5C%28")]
    {
        let answer = stage.ok("default", "/v1/users/ada/recall", &format!("query={query}&k={k}")).await;
        assert_eq!(answer["events"].as_array().unwrap().len(), k, "{query}");
        let versions: std::collections::BTreeSet<i64> = answer["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["version"].as_i64().unwrap())
            .collect();
        assert_eq!(versions.len(), k, "{query}");
    }
    let best = stage.ok("default", "/v1/users/ada/recall", "query=number7").await;
    assert_eq!(texts(&best, "events")[0], "line number7");
}

#[tokio::test]
async fn what_was_said_in_a_time_the_question_names_is_found_among_everything_that_says_as_much() {
    let stage = Stage::set().await;
    // All say the same, so by words and by meaning the newest are picked.
    let lines = vec!["Ada: Rain again, rain all day, and the weather stays like that."; 300];
    let session = stage.say("default", "ada", "weather", &lines).await;
    stage
        .owner
        .execute(
            "update afterthought.session_events
             set occurred_at = timestamptz '2023-05-10 12:00Z' + (version - 2) * interval '200 days' where session_id = $1",
            &[&session.0],
        )
        .await
        .unwrap();
    stage.wake("default", session).await;
    let query = "query=How+was+the+weather+with+the+rain+in+May+2023%3F&k=1";
    for known in ["occurred_at", "null"] {
        // What was indexed before the index knew times is found by those of the log.
        stage
            .owner
            .batch_execute(&format!("update afterthought.event_index set occurred_at = {known}"))
            .await
            .unwrap();
        let answer = stage.ok("default", "/v1/users/ada/recall", query).await;
        assert_eq!(answer["events"][0]["version"], 2, "{answer}");
        assert_eq!(answer["events"][0]["score"]["date"], 1.0);
    }
}

#[tokio::test]
async fn nobody_ever_sees_what_is_another_users_or_another_tenants() {
    let stage = Stage::set().await;
    let secret = "Ada: The secret is a blue elephant.";
    for (tenant, user) in [("default", "ada"), ("acme", "ada"), ("default", "eve")] {
        let line = format!("{secret} {tenant} {user}");
        let session = stage.indexed(tenant, user, "chat", &[&line]).await;
        stage.remember(session, "user", "fact", &format!("blue elephant {tenant} {user}"), 1).await;
        stage.remember(session, "global", "fact", &format!("elephants for all of {tenant} {user}"), 1).await;
        stage.memories_added(tenant, session).await;
    }
    for (tenant, user) in [("default", "ada"), ("acme", "ada"), ("default", "eve")] {
        let answer = stage.ok(tenant, &format!("/v1/users/{user}/recall"), "query=blue+elephant&k=100").await;
        assert_eq!(texts(&answer, "events"), [format!("The secret is a blue elephant. {tenant} {user}")]);
        let own = format!("blue elephant {tenant} {user}");
        assert!(texts(&answer, "memories").contains(&own.as_str()));
        for memory in answer["memories"].as_array().unwrap() {
            let content = memory["content"].as_str().unwrap();
            assert!(content.contains(tenant), "{content}");
            assert!(content == own || memory["scope"] == "global", "{content}");
            let is_own = content.ends_with(&format!("{tenant} {user}"));
            assert_eq!(memory["evidence"].as_array().unwrap().len(), usize::from(is_own), "{content}");
        }
        let hydrated = stage.ok(tenant, &format!("/v1/users/{user}/hydrate"), "query=elephant").await;
        assert_eq!(
            texts(&hydrated, "recent_messages"),
            [format!("The secret is a blue elephant. {tenant} {user}")]
        );
    }
    let nobody = stage.ok("nobody", "/v1/users/ada/recall", "query=elephant").await;
    assert_eq!((texts(&nobody, "events").len(), texts(&nobody, "memories").len()), (0, 0));
}

#[tokio::test]
async fn a_memory_that_was_replaced_rejected_or_has_expired_is_not_recalled() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: I live in Porto, no, in Lisbon."]).await;
    for (content, change) in [
        ("lives in Porto", "valid_to = now()"),
        ("lives in Faro", "status = 'rejected'"),
        ("lives in Braga", "expires_at = now() - interval '1 second'"),
        ("lives in Lisbon", "expires_at = now() + interval '1 hour'"),
    ] {
        let id = stage.remember(chat, "user", "fact", content, 1).await;
        stage
            .owner
            .execute(&format!("update afterthought.memories set {change} where id = $1"), &[&id])
            .await
            .unwrap();
    }
    stage.memories_added("default", chat).await;
    let answer = stage.ok("default", "/v1/users/ada/recall", "query=Where+does+she+live%3F").await;
    assert_eq!(texts(&answer, "memories"), ["lives in Lisbon"]);
    let hydrated = stage.ok("default", "/v1/users/ada/hydrate", "").await;
    assert_eq!(texts(&hydrated, "memories"), ["lives in Lisbon"]);
}

#[tokio::test]
async fn what_another_embedder_has_indexed_is_found_by_its_words() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: apples", "Ada: pears", "Ada: plums"]).await;
    stage.remember(chat, "user", "fact", "likes pears", 2).await;
    stage
        .owner
        .batch_execute(
            "update afterthought.event_index set embedding = '[1,0]', embedding_model = 'older';
             update afterthought.memories set embedding = '[1,0]', embedding_model = 'older'",
        )
        .await
        .unwrap();
    let answer = stage.ok("default", "/v1/users/ada/recall", "query=pears&k=3").await;
    assert_eq!(answer["events"].as_array().unwrap().len(), 3);
    assert_eq!(texts(&answer, "events")[0], "pears");
    assert_eq!(answer["events"][0]["score"]["similarity"], 0.0);
    assert_eq!(texts(&answer, "memories"), ["likes pears"]);
}

#[tokio::test]
async fn replaying_the_indexer_embeds_anew_what_another_embedder_has_embedded() {
    let stage = Stage::set().await;
    let (old, new) = ("older", Embedder::BuiltIn.name());
    let mut chats = Vec::new();
    for chat in ["one", "two"] {
        let session = stage.indexed("default", "ada", chat, &["Ada: apples", "Ada: pears"]).await;
        stage.remember(session, "user", "fact", &format!("likes pears of {chat}"), 2).await;
        stage.memories_added("default", session).await;
        chats.push(session);
    }
    let made_by_another =
        "update afterthought.event_index set embedding = '[1,0]', embedding_model = 'older';
         update afterthought.memories set embedding = '[1,0]', embedding_model = 'older'";
    stage.owner.batch_execute(made_by_another).await.unwrap();
    assert_eq!(stage.embedders().await, [("one", old, 3), ("two", old, 3)].map(owned));

    // A later event leaves what is there already, but for the memories of its session.
    stage.indexed("default", "ada", "one", &["Ada: plums"]).await;
    let expected = [("one", new, 2), ("one", old, 2), ("two", old, 3)].map(owned);
    assert_eq!(stage.embedders().await, expected);

    let operator = Store::new(&stage.services.database, Role::Operator, 1).unwrap();
    let everything = Target::default();
    operator.replay(&everything, &[indexer::NAME], ReplayFrom::Version(1)).await.unwrap();
    for session in chats {
        stage.wake("default", session).await;
    }
    assert_eq!(stage.embedders().await, [("one", new, 4), ("two", new, 3)].map(owned));
    let answer = stage.ok("default", "/v1/users/ada/recall", "query=pears").await;
    assert!(answer["memories"][1]["score"]["similarity"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn hydrate_says_whether_a_session_is_warm_new_expired_or_lost() {
    let stage = Stage::set().await;
    let path = "/v1/users/ada/hydrate";
    let nothing = stage.ok("default", path, "").await;
    assert_eq!((&nothing["state"], &nothing["session"]), (&json!("new"), &Value::Null));
    assert_eq!(nothing["recent_messages"], json!([]));

    let chat = stage.say("default", "ada", "chat", &["Ada: hello"]).await;
    let unindexed = stage.ok("default", path, "session=chat").await;
    assert_eq!(unindexed["state"], "new", "nothing of it has been in hot state");
    assert_eq!(texts(&unindexed, "recent_messages"), ["hello"]);

    stage.wake("default", chat).await;
    assert_eq!(stage.ok("default", path, "").await["state"], "warm");
    stage.say("default", "ada", "chat", &["Ada: again"]).await;
    let ahead = stage.ok("default", path, "session=chat").await;
    assert_eq!((&ahead["state"], &ahead["version"]), (&json!("warm"), &json!(2)));
    assert_eq!(texts(&ahead, "recent_messages"), ["hello", "again"], "the log tops hot state up");

    stage.forget_context("default", "ada", "chat").await;
    let lost = stage.ok("default", path, "session=chat").await;
    assert_eq!((&lost["state"], &lost["degraded"]), (&json!("lost"), &json!(false)));
    assert_eq!(texts(&lost, "recent_messages"), ["hello", "again"]);
    assert_eq!(stage.ok("default", path, "session=chat").await["state"], "warm", "it was put back");

    stage.forget_context("default", "ada", "chat").await;
    stage
        .owner
        .batch_execute("update afterthought.sessions set last_event_at = now() - interval '25 hours'")
        .await
        .unwrap();
    let expired = stage.ok("default", path, "session=chat").await;
    assert_eq!(expired["state"], "expired");
    assert_eq!(texts(&expired, "recent_messages"), ["hello", "again"]);
}

#[tokio::test]
async fn hydrate_brings_what_it_takes_to_go_on() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "old", &["Ada: I like tea."]).await;
    let chat =
        stage.indexed("default", "ada", "chat", &["Ada: Book me flights to Lisbon.", "Bob: Will do."]).await;
    stage.remember(chat, "session", "summary", "Ada wants flights to Lisbon.", 1).await;
    stage.remember(chat, "user", "entity", "Lisbon", 1).await;
    stage.remember(chat, "user", "action", "book flights", 1).await;
    stage.remember(chat, "session", "action", "pack", 1).await;
    // Said so long ago that none of the last events is evidence of it.
    let promise = stage.remember(chat, "session", "action", "old promise", 1).await;
    stage
        .owner
        .execute("delete from afterthought.memory_evidence where memory_id = $1", &[&promise])
        .await
        .unwrap();
    stage
        .owner
        .execute(
            r#"update afterthought.memories set data = '{"status": "done"}' where content = 'pack'"#,
            &[],
        )
        .await
        .unwrap();
    stage.remember(chat, "user", "preference", "likes tea", 1).await;
    stage
        .owner
        .batch_execute(
            r#"insert into afterthought.profiles (tenant, user_id, preferences, learned_facts)
               values ('default', 'ada', '{"language": "en"}', '["is a pilot"]')"#,
        )
        .await
        .unwrap();
    stage.memories_added("default", chat).await;

    let answer = stage.ok("default", "/v1/users/ada/hydrate", "").await;
    assert_eq!(answer["session"], "chat", "the session active last");
    assert_eq!(texts(&answer, "recent_messages"), ["Book me flights to Lisbon.", "Will do."]);
    assert_eq!(texts(&answer, "active_entities"), ["Lisbon"]);
    let pending = texts(&answer, "pending_actions");
    assert_eq!(pending, ["book flights", "old promise"], "whatever is open, and nothing that is done");
    assert_eq!(answer["summary"]["content"], "Ada wants flights to Lisbon.");
    assert_eq!(answer["profile"]["learned_facts"], json!(["is a pilot"]));
    assert_eq!(
        texts(&answer, "memories"),
        ["likes tea"],
        "what the session shows already is not shown again"
    );
    let asked = stage.ok("default", "/v1/users/ada/hydrate", "query=what+tea").await;
    assert_eq!(texts(&asked, "memories")[0], "likes tea");

    let old = stage.ok("default", "/v1/users/ada/hydrate", "session=old").await;
    assert_eq!(texts(&old, "recent_messages"), ["I like tea."]);
    assert_eq!((&old["summary"], &old["active_entities"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn the_hot_context_follows_the_log_and_is_rebuilt_when_it_vanishes() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: one", "Bob: two"]).await;
    let lisbon = stage.remember(chat, "user", "entity", "Lisbon", 2).await;
    stage.memories_added("default", chat).await;
    let context = stage.context("ada", "chat").await;
    assert_eq!((context.version, context.recent_messages.len()), (2, 2));
    assert_eq!(context.active_entities[0].id.0, lisbon);

    stage.forget_context("default", "ada", "chat").await;
    stage.indexed("default", "ada", "chat", &["Ada: three"]).await;
    stage.wake("default", chat).await;
    let context = stage.context("ada", "chat").await;
    let contents: Vec<&str> =
        context.recent_messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!((context.version, contents), (3, vec!["one", "two", "three"]));
    assert_eq!(context.active_entities.len(), 1);
}

#[tokio::test]
async fn memories_are_embedded_once_and_again_when_their_content_changes() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: one"]).await;
    for number in 0..130 {
        stage.remember(chat, "user", "fact", &format!("fact {number}"), 1).await;
    }
    stage.memories_added("default", chat).await;
    let waiting = "select count(*) from afterthought.memories where embedding is null";
    let embedded = "select count(*) from afterthought.memories where vector_dims(embedding) = 256";
    let number = async |sql: &str| stage.owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!((number(waiting).await, number(embedded).await), (0, 130));

    stage
        .owner
        .batch_execute(
            "update afterthought.memories set content = 'changed', embedding = null, embedding_model = null, version = 2
             where content = 'fact 7'",
        )
        .await
        .unwrap();
    stage.indexed("default", "ada", "another", &["Ada: a window of any session of the user heals it"]).await;
    assert_eq!(number(waiting).await, 0);
}

#[tokio::test]
async fn a_wrong_request_is_told_what_is_wrong_with_it() {
    let stage = Stage::set().await;
    for (path, query_string, status, parameter) in [
        ("/v1/users/ada/recall", "", 400, json!("query")),
        ("/v1/users/ada/recall", "query=x&k=0", 400, json!("k")),
        ("/v1/users/ada/recall", "query=x&top=5", 400, json!("top")),
        ("/v1/users/%00/recall", "query=x", 400, json!("user")),
        ("/v1/users/ada/forget", "", 404, Value::Null),
    ] {
        let (got, problem) = stage.get("default", path, query_string).await;
        assert_eq!((got, &problem["status"]), (status, &json!(status)), "{path}");
        assert_eq!(problem["parameter"], parameter, "{path}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{path}");
    }
    assert_eq!(stage.ok("default", "/v1/health", "").await, json!({"status": "ok"}));
}

#[tokio::test]
async fn without_postgres_a_warm_session_still_goes_on_and_without_dynamodb_every_session_does() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;

    let nowhere = DatabaseConfig::parse("postgres://nobody@127.0.0.1:1/none?connect_timeout=1").unwrap();
    let store = Store::new(&nowhere, Role::Agent, 1).unwrap();
    let blind = Recall::new(store, stage.services.hot.clone(), Embedder::BuiltIn, stage.services.now);
    let (status, answer) = get(&blind, "default", "/v1/users/ada/hydrate", "session=chat").await;
    assert_eq!((status, &answer["state"], &answer["degraded"]), (200, &json!("warm"), &json!(true)));
    assert_eq!(texts(&answer, "recent_messages"), ["hello"]);
    for path in ["/v1/users/bob/hydrate", "/v1/health"] {
        let (status, problem) = get(&blind, "default", path, "").await;
        assert_eq!((status, &problem["title"]), (503, &json!("Service Unavailable")), "{path}");
    }

    let hot = stage.services.hot.clone();
    let wordy = Recall::new(stage.services.store.clone(), hot, None, stage.services.now);
    let (status, answer) = get(&wordy, "default", "/v1/users/ada/recall", "query=hello").await;
    assert_eq!((status, &answer["degraded"]), (200, &json!(true)), "{answer}");
    assert_eq!(texts(&answer, "events"), ["hello"], "without an embedder words find");

    let hot = Hot::new(stage.aws.dynamodb(), "nowhere".to_owned());
    let cold = Recall::new(stage.services.store.clone(), hot, Embedder::BuiltIn, stage.services.now);
    let (status, answer) = get(&cold, "default", "/v1/users/ada/hydrate", "").await;
    assert_eq!((status, &answer["state"], &answer["degraded"]), (200, &json!("lost"), &json!(true)));
    assert_eq!(texts(&answer, "recent_messages"), ["hello"]);
}

#[tokio::test]
async fn more_than_a_tenants_rate_is_refused_with_the_time_to_wait() {
    let stage = Stage::set().await;
    let recall = |per_minute| {
        let Services { store, hot, now, .. } = &stage.services;
        Recall::new(store.clone(), hot.clone(), Embedder::BuiltIn, *now).with_limit(per_minute)
    };
    let ask = async |recall: &Recall| {
        let (status, answer) = get(recall, "default", "/v1/users/ada/recall", "query=x").await;
        (status, answer["detail"].as_str().unwrap_or_default().to_owned())
    };
    let limited = recall(60);
    let mut answers = Vec::new();
    for _request in 0..14 {
        answers.push(ask(&limited).await);
    }
    assert!(answers[..10].iter().all(|(status, _)| *status == 200), "the burst");
    let refused = answers[10..].iter().find(|(status, _)| *status == 429);
    assert_eq!(refused.unwrap().1, "the tenant may ask 60 times a minute; ask again in 1 s");

    let own = "update afterthought.tenants set settings = '{\"recall_requests_per_minute\": 0}'";
    stage.owner.batch_execute(own).await.unwrap();
    let unlimited = recall(1);
    for _request in 0..12 {
        assert_eq!(ask(&unlimited).await.0, 200, "a tenant's own setting goes first");
    }
}

#[tokio::test]
async fn what_is_handed_out_is_counted_once_per_answer_and_no_answer_depends_on_it() {
    let stage = Stage::set().await;
    let session = stage.indexed("acme", "ada", "chat", &["Ada: I sail on Sundays."]).await;
    let sailing = stage.remember(session, "user", "fact", "Ada sails.", 1).await;
    stage.remember(session, "user", "preference", "Ada likes tea.", 1).await;
    let counts = "select count, version from afterthought.memory_access
                  join afterthought.memories m on m.id = memory_id where memory_id = $1";
    for query in ["query=sails&k=1", "query=Who+sails%3F&k=1&type=fact"] {
        let answer = stage.ok("acme", "/v1/users/ada/recall", query).await;
        assert_eq!(texts(&answer, "memories"), ["Ada sails."]);
    }
    assert_eq!(stage.recall.count_accesses().await, 1, "one memory, handed out twice, and not the other");
    stage.ok("acme", "/v1/users/ada/hydrate", "session=chat").await;
    assert_eq!(stage.recall.count_accesses().await, 2);
    let row = stage.owner.query_one(counts, &[&sailing]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3, 1), "counted, and not changed");

    let nowhere = DatabaseConfig::parse("postgres://nobody@127.0.0.1:1/none").unwrap();
    let nowhere = Store::new(&nowhere, Role::Agent, 1).unwrap();
    let (store, hot) = (stage.services.store.clone(), stage.services.hot.clone());
    let recall = Recall::new(store, hot, Embedder::BuiltIn, stage.services.now).with_access_store(nowhere);
    let (status, answer) = get(&recall, "acme", "/v1/users/ada/recall", "query=sails&k=1").await;
    assert_eq!((status, texts(&answer, "memories")), (200, vec!["Ada sails."]));
    assert_eq!(recall.count_accesses().await, 0, "the batch is lost, and nobody waited for it");
}

#[tokio::test]
async fn a_filter_is_read_from_the_request_and_the_same_is_said_once() {
    let stage = Stage::set().await;
    let session = stage.indexed("acme", "ada", "chat", &["Ada: I sail.", "Ada: The boat is red."]).await;
    let one = stage.remember(session, "user", "fact", "The boat is red.", 1).await;
    let other = stage.remember(session, "user", "entity", "boat is Red", 1).await;
    stage.remember(session, "session", "summary", "Ada talks of a boat.", 1).await;
    let answer = stage.ok("acme", "/v1/users/ada/recall", "query=red+boat&k=10").await;
    let (first, ids) = (&answer["memories"][0], [one.to_string(), other.to_string()]);
    assert_eq!(texts(&answer, "memories").len(), 2);
    assert!(ids.contains(&first["id"].as_str().unwrap().to_owned()));
    assert!(ids.contains(&first["stands_for"][0].as_str().unwrap().to_owned()));
    assert_eq!(first["evidence_count"], 1);
    for (query, expected) in [
        ("type=summary,pattern", vec!["Ada talks of a boat."]),
        ("scope=session", vec!["Ada talks of a boat."]),
        ("session=nowhere", vec![]),
        ("until=2020-01-01T00:00:00Z", vec![]),
        ("as_of=2020-01-01T00:00:00Z", vec![]),
    ] {
        let answer = stage.ok("acme", "/v1/users/ada/recall", &format!("query=boat&{query}")).await;
        assert_eq!(texts(&answer, "memories"), expected, "{query}");
    }
    for (query, parameter) in [
        ("type=poem", "type"),
        ("scope=everybody", "scope"),
        ("since=yesterday", "since"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("session=", "session"),
    ] {
        let (status, problem) =
            stage.get("acme", "/v1/users/ada/recall", &format!("query=boat&{query}")).await;
        assert_eq!((status, problem["parameter"].as_str()), (400, Some(parameter)), "{problem}");
    }
}

#[tokio::test]
async fn a_filter_holds_for_events_too() {
    let stage = Stage::set().await;
    for (session, line) in [("first", "Ada: The boat is red."), ("second", "Ada: The boat is blue.")] {
        let id = stage.say("acme", "ada", session, &[line]).await;
        let year = if session == "first" { 2024 } else { 2025 };
        let set = format!(
            "update afterthought.session_events set occurred_at = '{year}-06-01T00:00:00Z' where session_id = $1"
        );
        stage.owner.execute(&set, &[&id.0]).await.unwrap();
        stage.wake("acme", id).await;
    }
    stage.indexed("acme", "bob", "first", &["Bob: My boat is green."]).await;
    let (red, blue) = ("The boat is red.", "The boat is blue.");
    for (query, expected) in [
        ("", vec![blue, red]),
        ("&session=first", vec![red]),
        ("&session=third", vec![]),
        ("&since=2025-06-01T00:00:00Z", vec![blue]),
        ("&until=2025-06-01T00:00:00Z", vec![red]),
        ("&as_of=2024-06-01T00:00:00Z", vec![red]),
        ("&as_of=2024-05-31T00:00:00Z", vec![]),
        ("&session=second&until=2025-01-01T00:00:00Z", vec![]),
        ("&type=fact&scope=user", vec![blue, red]),
    ] {
        let answer = stage.ok("acme", "/v1/users/ada/recall", &format!("query=boat{query}")).await;
        let mut events = texts(&answer, "events");
        events.sort_unstable();
        assert_eq!(events, expected, "{query}");
    }
}
