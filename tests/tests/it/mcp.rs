//! The tools, asked for by a client of the Model Context Protocol over real HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use lambda_http::Body;
use model::Embedder;
use recall::Recall;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::ground::Ground;

struct Stage {
    recall: Arc<Recall>,
    owner: Client,
    url: String,
    _aws: TestAws,
    _database: TestDatabase,
}

impl Stage {
    async fn set() -> Self {
        let ground = Ground::lay().await;
        let services = ground
            .services(&[
                ("WAKE_UP_QUEUES", &ground.routes(&["indexer"]).await),
                ("SCHEDULED_QUEUES", &ground.routes(&["memory-curator"]).await),
            ])
            .await;
        ground.tenants(&["acme"]).await;
        let Ground { database, aws, owner } = ground;
        let recall =
            Recall::new(services.store.clone(), services.hot.clone(), Embedder::BuiltIn, services.now)
                .with_indexer(services.publisher.clone(), &services.config.routes);
        let recall = Arc::new(recall);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/mcp", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(hand_on).with_state(Arc::clone(&recall));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { recall, owner, url, _aws: aws, _database: database }
    }

    async fn say(&self, user: &str, session: &str, contents: &[&str]) {
        self.owner
            .execute(
                "insert into afterthought.messages (tenant, user_id, session, role, content)
                 select 'acme', $1, $2, 'user', content from unnest($3::text[]) as content",
                &[&user, &session, &contents],
            )
            .await
            .unwrap();
    }

    fn client_config(&self, user: Option<&str>) -> StreamableHttpClientTransportConfig {
        let named = |name: &str, value: &str| {
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        };
        let mut headers = HashMap::from([named("afterthought-tenant", "acme")]);
        headers.extend(user.map(|user| named("afterthought-user", user)));
        StreamableHttpClientTransportConfig::with_uri(self.url.as_str()).custom_headers(headers)
    }

    async fn client(&self, user: Option<&str>) -> RunningService<RoleClient, ClientConfig> {
        let transport = StreamableHttpClientTransport::from_config(self.client_config(user));
        client().serve(transport).await.unwrap()
    }

    /// Posts a body as it is.
    async fn post(&self, body: &str, headers: &[(&str, &str)]) -> (u16, String) {
        self.send("POST", body, headers).await
    }

    async fn send(&self, method: &str, body: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request =
            http::Request::builder().method(method).uri("/v1/mcp").header("host", "recall.test");
        let usual = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("afterthought-tenant", "acme"),
            ("afterthought-user", "ada"),
        ];
        for (name, value) in usual.iter().filter(|(name, _)| headers.iter().all(|(given, _)| given != name)) {
            request = request.header(*name, *value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.recall.handle(request.body(Body::Text(body.to_owned())).unwrap()).await;
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
    }
}

fn client() -> ClientConfig {
    ClientConfig::new(ClientCapabilities::default(), Implementation::new("test", "1"))
}

/// Hands a request on as the function URL would.
async fn hand_on(State(recall): State<Arc<Recall>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let response = recall.handle(lambda_http::Request::from_parts(head, Body::Binary(body.to_vec()))).await;
    response.map(|body| axum::body::Body::from(body.to_vec()))
}

async fn call(
    client: &RunningService<RoleClient, ClientConfig>,
    tool: &'static str,
    arguments: Value,
) -> CallToolResult {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap()
}

async fn answer(
    client: &RunningService<RoleClient, ClientConfig>,
    tool: &'static str,
    arguments: Value,
) -> Value {
    let result = call(client, tool, arguments).await;
    assert_ne!(result.is_error, Some(true), "{result:?}");
    result.structured_content.expect("every tool answers with structure")
}

/// The problem that a tool tells.
fn problem(result: &CallToolResult) -> Value {
    assert_eq!(result.is_error, Some(true), "{result:?}");
    serde_json::from_str(&result.content[0].as_text().expect("a problem is a text").text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_the_tools_and_their_answers_are_what_they_say() {
    let stage = Stage::set().await;
    stage.say("ada", "chat", &["I keep bees on the roof", "They like lavender"]).await;
    let client = stage.client(Some("ada")).await;
    let info = client.peer_info().expect("the server has said who it is");
    assert_eq!(info.server_info.as_ref().map(|server| server.name.as_str()), Some("afterthought"));
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names, ["recall", "remember", "correct", "forget", "list", "status"]);
    for tool in &tools {
        let hints = tool.annotations.as_ref().expect("every tool says what it does");
        assert!(hints.read_only_hint.is_some() && hints.destructive_hint.is_some(), "{}", tool.name);
        let input = Value::Object(tool.input_schema.as_ref().clone());
        assert!(input["properties"].get("user").is_none(), "{} asks whose memories are meant", tool.name);
        jsonschema::validator_for(&input).unwrap();
    }
    let asked = [
        ("recall", json!({"query": "Who keeps bees?", "k": 3})),
        ("status", json!({})),
        ("remember", json!({"type": "fact", "content": "Ada keeps bees"})),
        ("list", json!({"limit": 3})),
    ];
    for (name, arguments) in asked {
        let tool = tools.iter().find(|tool| tool.name == name).expect("the tool is there");
        let input = Value::Object(tool.input_schema.as_ref().clone());
        jsonschema::validate(&input, &arguments).unwrap();
        let output =
            Value::Object(tool.output_schema.as_ref().expect("it says what it answers").as_ref().clone());
        let told = answer(&client, name, arguments).await;
        if let Err(error) = jsonschema::validate(&output, &told) {
            panic!("{name} answers {told}: {error}");
        }
    }
    let status = answer(&client, "status", json!({"session": "chat"})).await;
    let session = &status["sessions"][0];
    assert_eq!((&session["session"], &session["version"]), (&json!("chat"), &json!(2)));
    assert_eq!(session["is_settled"], false);
    let agents: Vec<(&Value, &Value)> = session["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| (&agent["agent"], &agent["waiting"]))
        .collect();
    assert_eq!(agents, [(&json!("indexer"), &json!(2)), (&json!("memory-curator"), &json!(2))]);
    client.cancel().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_is_made_corrected_and_forgotten() {
    let stage = Stage::set().await;
    let client = stage.client(Some("ada")).await;
    let made = answer(&client, "remember", json!({"type": "fact", "content": "Ada keeps bees"})).await;
    assert_eq!(made["outcome"], "stored");
    let listed = answer(&client, "list", json!({})).await;
    assert_eq!(
        (&listed["memories"][0]["id"], &listed["memories"][0]["version"]),
        (&made["memory"], &json!(1))
    );
    let correction = json!({"memory": made["memory"], "version": 1, "content": "Ada kept bees until May"});
    let corrected = answer(&client, "correct", correction.clone()).await;
    assert_eq!(corrected["supersedes"], made["memory"]);
    // Asked again, it is told what holds.
    let stale = problem(&call(&client, "correct", correction).await);
    assert_eq!((&stale["status"], &stale["current"]["id"]), (&json!(409), &corrected["memory"]));
    let found = answer(&client, "recall", json!({"query": "Who kept bees?"})).await;
    assert_eq!(found["memories"][0]["content"], "Ada kept bees until May");
    let another = stage.client(Some("bob")).await;
    let foreign = problem(&call(&another, "forget", json!({"memory": corrected["memory"]})).await);
    assert_eq!(foreign["status"], 404);
    for _ in 0..2 {
        let gone = answer(&client, "forget", json!({"memory": corrected["memory"]})).await;
        assert_eq!(gone["memory"], corrected["memory"]);
    }
    assert_eq!(answer(&client, "list", json!({})).await["memories"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_for_one_user_cannot_ask_for_another() {
    let stage = Stage::set().await;
    stage.say("bob", "chat", &["I keep bees on the roof"]).await;
    let ada = stage.client(Some("ada")).await;
    let told = problem(&call(&ada, "status", json!({"user": "bob"})).await);
    assert_eq!((&told["status"], &told["parameter"]), (&json!(400), &json!("user")));
    assert_eq!(answer(&ada, "status", json!({})).await["sessions"], json!([]));
    let anyone = stage.client(None).await;
    let tools = anyone.list_all_tools().await.unwrap();
    assert!(tools.iter().all(|tool| {
        let required = tool.input_schema["required"].as_array().cloned().unwrap_or_default();
        required.contains(&json!("user"))
    }));
    assert_eq!(problem(&call(&anyone, "status", json!({})).await)["parameter"], "user");
    assert_eq!(problem(&call(&anyone, "status", json!({"user": 7})).await)["parameter"], "user");
    let bob = answer(&anyone, "status", json!({"user": "bob"})).await;
    assert_eq!(bob["sessions"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_call_is_told_as_an_error_of_the_tool() {
    let stage = Stage::set().await;
    let client = stage.client(Some("ada")).await;
    for (tool, arguments, parameter) in [
        ("recall", json!({}), "query"),
        ("recall", json!({"query": " "}), "query"),
        ("recall", json!({"query": "x", "k": 0}), "k"),
        ("recall", json!({"query": "x", "more": 1}), "more"),
        ("status", json!({"after": "nowhere"}), "after"),
        ("status", json!({"session": ""}), "session"),
        ("remember", json!({"type": "fact"}), "content"),
        ("remember", json!({"type": "mood", "content": "x"}), "type"),
        ("correct", json!({"version": 1, "content": "x"}), "memory"),
        ("forget", json!({"memory": "it"}), "memory"),
        ("list", json!({"limit": 0}), "limit"),
    ] {
        let told = problem(&call(&client, tool, arguments.clone()).await);
        assert_eq!(
            (&told["status"], &told["parameter"]),
            (&json!(400), &json!(parameter)),
            "{arguments}: {told}"
        );
    }
    let unknown = client.call_tool(CallToolRequestParams::new("rm")).await.unwrap_err();
    assert!(unknown.to_string().contains("recall"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_negotiated() {
    let stage = Stage::set().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
        let (status, told) = stage.post(&body.to_string(), &[]).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((status, &told["result"]["protocolVersion"]), (200, &json!(version)), "{told}");
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let (status, told) = stage.post(&body.to_string(), &[]).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let ours = told["result"]["protocolVersion"].as_str().unwrap_or_default();
    assert!(status == 200 && ours > "2025", "{told}");
    let list = r#"{"jsonrpc": "2.0", "id": 2, "method": "tools/list"}"#;
    let (status, _) = stage.post(list, &[("mcp-protocol-version", "1999-01-01")]).await;
    assert_eq!(status, 400);
    // The protocol without a handshake: the version goes with every request.
    let mode = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    let transport = StreamableHttpClientTransport::from_config(stage.client_config(Some("ada")));
    let modern = client().serve_with_lifecycle(transport, mode).await.unwrap();
    assert_eq!(answer(&modern, "status", json!({})).await["sessions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_single_messages_that_no_web_page_sent_are_taken() {
    let stage = Stage::set().await;
    let list = r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}"#;
    assert_eq!(stage.post(list, &[]).await.0, 200);
    let refused = async |body: &str, header: Option<(&str, &str)>| {
        let (status, told) = stage.post(body, header.as_slice()).await;
        let problem: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("no problem: {told}"));
        assert_eq!((&problem["type"], &problem["status"]), (&json!("about:blank"), &json!(status)), "{told}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{told}");
        (status, problem["parameter"].as_str().unwrap_or_default().to_owned())
    };
    for origin in ["https://evil.example", "http://localhost:3000", "null"] {
        assert_eq!(refused(list, Some(("origin", origin))).await, (403, "origin".to_owned()), "{origin}");
    }
    let (status, told) =
        stage.post(r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#, &[]).await;
    assert_eq!((status, told.as_str()), (202, ""));
    // Batches were taken out of the protocol.
    let body = "body".to_owned();
    assert_eq!(refused(&format!("[{list}, {list}]"), None).await, (415, body.clone()));
    assert_eq!(refused("{", None).await, (415, body.clone()));
    assert_eq!(refused(list, Some(("accept", "application/json"))).await, (406, "accept".to_owned()));
    assert_eq!(refused(list, Some(("content-type", "text/plain"))).await, (415, body.clone()));
    assert_eq!(refused(&" ".repeat(1024 * 1024 + 1), None).await, (413, body));
    for method in ["GET", "DELETE", "PUT"] {
        assert_eq!(stage.send(method, "", &[]).await.0, 405, "{method}");
    }
    for (header, value) in [("afterthought-user", ""), ("afterthought-tenant", "")] {
        let (status, told) = stage.post(list, &[(header, value)]).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((status, &told["parameter"]), (400, &json!(header)));
    }
}
