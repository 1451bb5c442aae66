//! What hydrate puts together: scopes, the past, working memory, and how often it asks for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{SessionId, TenantId, UserId};
use hot::{DocumentKey, DocumentKind, Edit, Edited, Expected, Hot, Part, PathTo};
use model::Embedder;
use recall::Recall;
use serde_json::{Value, json};
use store::{DatabaseConfig, Role, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::stage::{HOT_TABLE, Stage, get, texts};

const PATH: &str = "/v1/users/ada/hydrate";

impl Stage {
    async fn put_working_memory(&self, session: &str, document: &str) {
        let (tenant, user) = (TenantId::new("default").unwrap(), UserId::new("ada").unwrap());
        let kind = DocumentKind::WorkingMemory;
        let key = DocumentKey { tenant: &tenant, user: &user, session_name: session, kind };
        let edit = Edit::Set { path: PathTo::default(), value: Part::read(document).unwrap() };
        let (writer, now) = (Uuid::now_v7(), (self.services.now)());
        let edited = self.services.hot.edit_document(&key, &edit, Expected::Anything, writer, now).await;
        assert!(matches!(edited, Ok(Edited::Kept { .. })), "{edited:?}");
    }

    async fn on_working_memory(&self, session: &str, update: Option<&str>) {
        let text = |text: String| AttributeValue::S(text);
        let (pk, sk) = (text("user#default#ada".into()), text(format!("working-memory#{session}")));
        let table = self.aws.dynamodb();
        match update {
            Some(update) => {
                let request = table.update_item().table_name(HOT_TABLE).key("pk", pk).key("sk", sk);
                let value = AttributeValue::N("1".into());
                let request = request.update_expression(update).expression_attribute_values(":one", value);
                request.send().await.unwrap();
            }
            None => {
                table.delete_item().table_name(HOT_TABLE).key("pk", pk).key("sk", sk).send().await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_working_memory_comes_along_or_why_there_is_none() {
    let stage = Stage::set().await;
    let state = async |query: &str| {
        let answer = stage.ok("default", PATH, query).await;
        let document = answer["working_memory"]["value"].clone();
        (answer["working_memory_state"].as_str().unwrap().to_owned(), document)
    };
    assert_eq!(state("").await, ("none".into(), Value::Null));
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    assert_eq!(state("").await, ("none".into(), Value::Null));
    stage.put_working_memory("chat", r#"{"current_task":{"step":1}}"#).await;
    for query in ["", "session=chat", "query=hello"] {
        assert_eq!(state(query).await, ("live".into(), json!({"current_task": {"step": 1}})), "{query}");
    }
    assert_eq!(state("session=other").await, ("none".into(), Value::Null));
    stage.on_working_memory("chat", Some("set lives_until = :one")).await;
    assert_eq!(state("").await.0, "live", "its session was active just now");
    stage.on_working_memory("chat", Some("set writers = :one")).await;
    assert_eq!(state("").await, ("corrupt".into(), Value::Null));
    stage.on_working_memory("chat", None).await;
    assert_eq!(state("").await.0, "none");
    stage.forget_context("default", "ada", "chat").await;
    assert_eq!(state("").await.0, "lost");

    stage.put_working_memory("planned", r#"{"before":"the first message"}"#).await;
    stage.on_working_memory("planned", Some("set lives_until = :one")).await;
    assert_eq!(state("session=planned").await, ("expired".into(), Value::Null));

    let hot = Hot::new(stage.aws.dynamodb(), "nowhere".to_owned());
    let cold = Recall::new(stage.services.store.clone(), hot, Embedder::BuiltIn, stage.services.now);
    let (_, answer) = get(&cold, "default", PATH, "").await;
    assert_eq!(answer["working_memory_state"], "unavailable");
}

#[tokio::test]
async fn a_session_that_only_the_log_knows_as_the_latest_still_brings_its_working_memory() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    stage.put_working_memory("chat", r#"{"step":1}"#).await;
    stage.forget_latest_session("default", "ada").await;
    let answer = stage.ok("default", PATH, "").await;
    assert_eq!(
        (&answer["session"], &answer["working_memory"]["value"]),
        (&json!("chat"), &json!({"step": 1}))
    );
}

#[tokio::test]
async fn related_turns_come_from_the_past_and_not_from_what_is_shown_already() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "spring", &["Ada: I planted tomatoes.", "Bob: My car is red."]).await;
    stage.indexed("default", "eve", "spring", &["Eve: Tomatoes of somebody else."]).await;
    stage.indexed("default", "ada", "chat", &["Ada: What about tomatoes in pots?"]).await;
    for query in ["session=chat", "session=chat&query=tomatoes"] {
        let answer = stage.ok("default", PATH, query).await;
        assert_eq!(texts(&answer, "related"), ["I planted tomatoes.", "My car is red."], "{query}");
        assert_eq!(answer["related"][0]["evidence"], json!([{"session": "spring", "version": 1}]));
        assert!(answer["related"][0]["score"]["words"].as_f64().unwrap() > 0.0);
    }
    let asked = stage.ok("default", PATH, "session=chat&query=car").await;
    assert_eq!(texts(&asked, "related")[0], "My car is red.", "the question, not the messages");
    stage.forget_context("default", "ada", "chat").await;
    let lost = stage.ok("default", PATH, "session=chat").await;
    assert_eq!((&lost["state"], texts(&lost, "related")[0]), (&json!("lost"), "I planted tomatoes."));
    let elsewhere = stage.ok("default", PATH, "session=spring&query=tomatoes").await;
    assert_eq!(texts(&elsewhere, "related"), ["What about tomatoes in pots?"]);
}

#[tokio::test]
async fn scopes_are_merged_nearest_first_and_nothing_is_shown_twice() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: I sail near Lisbon."]).await;
    let other = stage.indexed("default", "ada", "other", &["Ada: hello"]).await;
    let acme = stage.indexed("acme", "ada", "chat", &["Ada: hello"]).await;
    stage.remember(chat, "user", "entity", "Lisbon", 1).await;
    stage.remember(other, "session", "fact", "only of another session", 1).await;
    stage.remember(acme, "global", "fact", "of another tenant", 1).await;
    for number in 0..7 {
        stage.remember(chat, "user", "fact", &format!("fact {number} of sailing"), 1).await;
        stage.remember(other, "global", "fact", &format!("rule {number} of sailing"), 1).await;
    }
    stage.remember(other, "global", "preference", "FACT 6  of sailing", 1).await;
    stage.memories_added("default", chat).await;
    stage.memories_added("default", other).await;
    for query in ["session=chat", "session=chat&query=fact+6+of+sailing+Lisbon"] {
        let answer = stage.ok("default", PATH, query).await;
        assert_eq!(texts(&answer, "active_entities"), ["Lisbon"]);
        let (memories, knowledge) = (texts(&answer, "memories"), texts(&answer, "knowledge"));
        assert_eq!((memories.len(), knowledge.len()), (5, 3), "{query}: {answer}");
        assert!(memories.iter().all(|memory| memory.starts_with("fact ")), "{memories:?}");
        assert!(knowledge.iter().all(|memory| memory.starts_with("rule ")), "{query}: {knowledge:?}");
        assert!(answer["knowledge"].as_array().unwrap().iter().all(|memory| memory["scope"] == "global"));
    }
    let elsewhere = stage.ok("acme", PATH, "").await;
    assert_eq!(texts(&elsewhere, "knowledge"), ["of another tenant"]);
    assert_eq!(texts(&elsewhere, "memories"), Vec::<&str>::new());
}

#[tokio::test]
async fn sessions_of_one_user_that_go_on_at_once_stay_apart() {
    let stage = Stage::set().await;
    let sessions: Vec<String> = (0..6).map(|number| format!("chat#{number}")).collect();
    for round in 0..3 {
        let said = sessions.iter().enumerate().map(|(number, session)| {
            let stage = &stage;
            async move {
                let line = format!("Ada: round {round} in {number}");
                let id = stage.indexed("default", "ada", session, &[&line]).await;
                stage.put_working_memory(session, &format!(r#"{{"of":{number},"round":{round}}}"#)).await;
                if round == 0 {
                    stage.remember(id, "user", "entity", &format!("place {number}"), 1).await;
                    stage.remember(id, "session", "action", &format!("task {number}"), 1).await;
                    stage.memories_added("default", id).await;
                }
            }
        });
        futures::future::join_all(said).await;
    }
    let asked = sessions.iter().enumerate().map(|(number, session)| {
        let stage = &stage;
        async move {
            let answer = stage.ok("default", PATH, &format!("session={}", session.replace('#', "%23"))).await;
            assert_eq!((&answer["session"], &answer["state"]), (&json!(session), &json!("warm")));
            let own: Vec<String> = (0..3).map(|round| format!("round {round} in {number}")).collect();
            assert_eq!(texts(&answer, "recent_messages"), own);
            assert_eq!(answer["working_memory"]["value"], json!({"of": number, "round": 2}));
            assert_eq!(texts(&answer, "active_entities"), [format!("place {number}")]);
            assert_eq!(texts(&answer, "pending_actions"), [format!("task {number}")]);
        }
    });
    futures::future::join_all(asked).await;
}

/// Counts requests as they leave, those that are sent again included.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Intercept for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A way to Postgres that counts round trips: how often the client speaks after the server has.
async fn counted(to: &str) -> (String, Arc<AtomicUsize>) {
    let (before, rest) = to.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{before}@{}/{database}", listener.local_addr().unwrap());
    let (count, server) = (Arc::new(AtomicUsize::new(0)), server.to_owned());
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            let (has_answered, count) = (Arc::new(AtomicBool::new(true)), Arc::clone(&counted));
            let answered = Arc::clone(&has_answered);
            tokio::spawn(async move {
                copy(from_client, to_server, || {
                    if has_answered.swap(false, Ordering::SeqCst) {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                })
                .await;
            });
            tokio::spawn(copy(from_server, to_client, move || answered.store(true, Ordering::SeqCst)));
        }
    });
    (url, count)
}

async fn copy(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, seen: impl Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        seen();
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn hydrate_asks_dynamodb_at_once_or_in_two_steps_and_postgres_once() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    stage.put_working_memory("chat", r#"{"step":1}"#).await;
    let counting = Counting::default();
    let config =
        aws_sdk_dynamodb::config::Builder::from(stage.aws.config()).interceptor(counting.clone()).build();
    let hot = Hot::new(aws_sdk_dynamodb::Client::from_conf(config), HOT_TABLE.to_owned());
    let (url, trips) = counted(stage.database.url()).await;
    let store = Store::new(&DatabaseConfig::parse(&url).unwrap(), Role::Agent, 1).unwrap();
    let recall = Recall::new(store, hot, Embedder::BuiltIn, stage.services.now);
    // The first ones open the connection and prepare the statements.
    for query in ["session=chat&query=hello", "session=chat"] {
        get(&recall, "default", PATH, query).await;
    }
    for (query, requests) in
        [("session=chat", 2), ("session=chat&query=hello", 2), ("", 3), ("query=hello", 3)]
    {
        counting.0.store(0, Ordering::SeqCst);
        trips.store(0, Ordering::SeqCst);
        let (status, answer) = get(&recall, "default", PATH, query).await;
        assert_eq!((status, &answer["state"], &answer["degraded"]), (200, &json!("warm"), &json!(false)));
        assert_eq!(answer["working_memory_state"], "live");
        assert_eq!(counting.0.load(Ordering::SeqCst), requests, "to DynamoDB: {query}");
        assert_eq!(trips.load(Ordering::SeqCst), 1, "to Postgres: {query}");
    }
}

#[tokio::test]
async fn what_an_application_does_to_memories_and_tools_do_is_nowhere_to_go_on() {
    let stage = Stage::set().await;
    let observe = async |session: &str, events: i32| {
        let rows = stage
            .owner
            .query(
                "insert into afterthought.session_events (tenant, user_id, session, event_type)
                 select 'default', 'ada', $1, 'observation' from generate_series(1, $2) returning session_id",
                &[&session, &events],
            )
            .await
            .unwrap();
        SessionId(rows[0].get(0))
    };
    let chat = stage.indexed("default", "ada", "chat", &["Ada: I fly to Lisbon.", "Bob: Have fun."]).await;
    stage.remember(chat, "user", "entity", "Lisbon", 1).await;
    let gone = stage.remember(chat, "user", "entity", "Faro", 1).await;
    let expire = "update afterthought.memories set expires_at = now() where id = $1";
    stage.owner.execute(expire, &[&gone]).await.unwrap();
    // More events than a context has messages, and none of them said.
    observe("chat", 30).await;
    stage.wake("default", chat).await;
    let own = observe("memories", 1).await;
    stage.wake("default", own).await;

    for is_warm in [true, false] {
        if !is_warm {
            stage.forget_context("default", "ada", "chat").await;
        }
        let answer = stage.ok("default", PATH, "").await;
        let said: Vec<&str> = answer["recent_messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["content"].as_str().unwrap())
            .collect();
        let active: Vec<&str> = answer["active_entities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entity| entity["content"].as_str().unwrap())
            .collect();
        assert_eq!((answer["session"].as_str(), answer["version"].as_i64()), (Some("chat"), Some(32)));
        assert_eq!((said, active), (vec!["I fly to Lisbon.", "Have fun."], vec!["Lisbon"]), "{is_warm}");
    }
}

#[tokio::test]
async fn what_postgres_cannot_hold_is_refused_by_its_name() {
    let stage = Stage::set().await;
    for (path, query, parameter) in [
        ("/v1/users/ada/recall", "query=a%00b", "query"),
        ("/v1/users/ada/hydrate", "query=a%00b", "query"),
        ("/v1/users/ada/recall", "query=a&as_of=-009000-01-01T00:00:00Z", "as_of"),
        ("/v1/users/ada/recall", "query=a&since=-009000-01-01T00:00:00Z", "since"),
        ("/v1/users/ada/recall", "query=%FF", "query string"),
    ] {
        let (status, problem) = stage.get("default", path, query).await;
        assert_eq!((status, problem["parameter"].as_str()), (400, Some(parameter)), "{query} {problem}");
    }
}
