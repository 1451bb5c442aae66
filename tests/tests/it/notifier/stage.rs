use std::cell::Cell;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::{Envelope, Reach, TenantId, WakeUp};
use jiff::{SignedDuration, Timestamp};
use lambda_http::Body;
use model::Embedder;
use notifier::{Notifier, NotifierConfig};
use queue::SqsEvent;
use recall::Recall;
use runtime::{Invocation, Services};
use seal::Sealer;
use secrecy::SecretString;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use testkit::{TestAws, TestDatabase};
use tokio::net::TcpListener;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::ground::Ground;

const SEALING_KEY: &str = "a key of a deployment that is long enough";

thread_local! {
    /// How far this test's clock is ahead; a test runs on one thread.
    static AHEAD: Cell<SignedDuration> = const { Cell::new(SignedDuration::ZERO) };
}

/// The time, as far ahead as the test says.
#[expect(clippy::disallowed_methods, reason = "receivers judge signatures by the real time")]
pub(super) fn now() -> Timestamp {
    Timestamp::now() + AHEAD.get()
}

/// Lets time pass.
pub(super) fn wait(time: SignedDuration) {
    AHEAD.set(AHEAD.get() + time);
}

/// A database, the notifier and the recall function, and an endpoint's server.
pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) owner: Client,
    pub(super) queue_url: String,
    pub(super) aws: TestAws,
    pub(super) receiver: Receiver,
    recall: Recall,
    database: TestDatabase,
}

/// What an endpoint received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    pub(super) fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// What kind of change it tells of, and what the memory says.
    pub(super) fn told(&self) -> String {
        let body = self.json();
        let content = body["data"]["content"].as_str().unwrap_or("-").to_owned();
        format!("{} {content}", body["type"].as_str().unwrap())
    }

    /// Whether one of its signatures is this secret's, by the formula of the specification. The notifier signs with the
    /// library, so the library's word alone would not count; it has to agree.
    pub(super) fn is_signed_by(&self, secret: &str) -> bool {
        let header = |name: &str| self.headers[name].to_str().unwrap();
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let content = format!("{}.{}.{}", self.id(), header("webhook-timestamp"), self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), content.as_bytes());
        let expected = format!("v1,{}", BASE64.encode(tag.as_ref()));
        let is_signed = header("webhook-signature").split(' ').any(|signature| signature == expected);
        let is_taken = Webhook::new(secret).unwrap().verify(self.body.as_bytes(), &self.headers).is_ok();
        assert_eq!(is_signed, is_taken, "the reference library says otherwise");
        is_signed
    }
}

/// A server that records what is posted to it and answers as it is told: the next of its answers, the last for good.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<Vec<Answering>>>,
    /// Happens before the next answer.
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

/// What happens while a server is asked.
type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the server answers.
#[derive(Debug, Clone)]
pub(super) enum Answering {
    Status(u16),
    /// With a header.
    With(u16, &'static str, String),
    Never,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}/hooks", listener.local_addr().unwrap()),
            received: Arc::default(),
            answers: Arc::new(Mutex::new(vec![Answering::Status(204)])),
            meanwhile: Arc::default(),
        };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// Answers like this from now on, each once and the last for good.
    pub(super) fn answer(&self, answers: &[Answering]) {
        *self.answers.lock().unwrap() = answers.to_vec();
    }

    /// Has something happen the next time that it is asked, before it answers.
    pub(super) fn when_asked(&self, meanwhile: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(meanwhile));
    }

    /// What came since the last look.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }

    pub(super) fn told(&self) -> Vec<String> {
        self.take().iter().map(Received::told).collect()
    }
}

async fn take(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let meanwhile = receiver.meanwhile.lock().unwrap().take();
    if let Some(meanwhile) = meanwhile {
        meanwhile.await;
    }
    let path = uri.path().to_owned();
    receiver.received.lock().unwrap().push(Received {
        path,
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let answer = {
        let mut answers = receiver.answers.lock().unwrap();
        if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
    };
    match answer {
        Answering::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answering::With(status, name, value) => {
            (StatusCode::from_u16(status).unwrap(), [(name, value)]).into_response()
        }
        Answering::Never => std::future::pending().await,
    }
}

impl Stage {
    pub(super) async fn set() -> Self {
        AHEAD.set(SignedDuration::ZERO);
        let ground = Ground::lay().await;
        ground.tenants(&["acme"]).await;
        let queue_url = ground.aws.create_queue("notifier").await.unwrap();
        let services = ground
            .services(&[
                ("WAKE_UP_QUEUES", "indexer=http://127.0.0.1:1/indexer"),
                ("NOTIFIER_QUEUE", &queue_url),
                ("AGENT_CONCURRENCY", "1"),
            ])
            .await;
        let services = Services { now, ..services };
        let Ground { database, aws, owner } = ground;
        let recall = Recall::new(services.store.clone(), services.hot.clone(), Embedder::BuiltIn, now)
            .with_webhooks(sealer(), Reach::Anywhere, Some((services.publisher.clone(), queue_url.clone())));
        let receiver = Receiver::start().await;
        Self { services, owner, queue_url, aws, receiver, recall, database }
    }

    pub(super) fn notifier(&self, reach: Reach) -> Notifier {
        let settings = NotifierConfig { timeout: Duration::from_secs(2), reach };
        Notifier::new(&self.services, sealer(), &settings).unwrap()
    }

    /// Asks the function as a tenant, and answers status and body.
    pub(super) async fn ask(
        &self,
        tenant: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://example.com{path}"))
            .header("afterthought-tenant", tenant)
            .header("content-type", "application/json")
            .body(body.map_or(Body::Empty, |body| Body::Text(body.to_string())))
            .unwrap();
        let response = self.recall.handle(request).await;
        let status = response.status().as_u16();
        let body = match response.into_body() {
            Body::Text(text) if !text.is_empty() => serde_json::from_str(&text).unwrap(),
            _ => Value::Null,
        };
        (status, body)
    }

    /// Makes an endpoint of the tenant `default` at the server, and answers its id and its secret.
    pub(super) async fn endpoint(&self, more: &Value) -> (Uuid, String) {
        let mut asked = json!({"url": self.receiver.url});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, made) = self.ask("default", "POST", "/v1/webhook-endpoints", Some(&asked)).await;
        assert_eq!(status, 201, "{made}");
        (made["id"].as_str().unwrap().parse().unwrap(), made["secret"].as_str().unwrap().to_owned())
    }

    /// What the API says of an endpoint.
    pub(super) async fn shown(&self, endpoint: Uuid) -> Value {
        let (status, shown) =
            self.ask("default", "GET", &format!("/v1/webhook-endpoints/{endpoint}"), None).await;
        assert_eq!(status, 200);
        shown
    }

    /// Remembers a fact of the user `ada`, and answers its id.
    pub(super) async fn remember(&self, tenant: &str, content: &str) -> String {
        let asked = json!({"type": "fact", "content": content});
        let (status, made) = self.ask(tenant, "POST", "/v1/users/ada/memories", Some(&asked)).await;
        assert_eq!(status, 201, "{made}");
        made["memory"].as_str().unwrap().to_owned()
    }

    /// A change of the database by this statement, for [`Receiver::when_asked`].
    pub(super) async fn changing(&self, statement: &str) -> impl Future<Output = ()> + Send + 'static {
        let (owner, statement) = (self.database.client().await.unwrap(), statement.to_owned());
        async move { owner.batch_execute(&statement).await.unwrap() }
    }

    /// Wakes the notifier for an endpoint, as the reader would.
    pub(super) async fn notify(&self, endpoint: Uuid) {
        self.notify_by(&self.notifier(Reach::Anywhere), endpoint).await;
    }

    /// The same by a notifier at hand.
    pub(super) async fn notify_by(&self, notifier: &Notifier, endpoint: Uuid) {
        self.notify_all_by(notifier, &[endpoint]).await;
    }

    /// Wakes a notifier for endpoints in one batch.
    pub(super) async fn notify_all_by(&self, notifier: &Notifier, endpoints: &[Uuid]) {
        let record = |endpoint: &Uuid| {
            let wake_up = WakeUp::Endpoint { tenant: TenantId::new("default").unwrap(), endpoint: *endpoint };
            let body = Envelope::first(wake_up, now()).to_body();
            json!({"messageId": endpoint.to_string(), "body": body, "receiptHandle": ""})
        };
        let records: Vec<Value> = endpoints.iter().map(record).collect();
        let event: SqsEvent = serde_json::from_value(json!({"Records": records})).unwrap();
        let answer = notifier.handle(event, &Invocation::at(now(), 0)).await;
        assert!(answer.batch_item_failures.is_empty());
    }
}

pub(crate) fn sealer() -> Sealer {
    Sealer::new(&SecretString::from(SEALING_KEY)).unwrap()
}
