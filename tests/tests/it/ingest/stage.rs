//! The webhook and the ingester with the parts they stand on, and somebody who takes messages from one to the other.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use hot::Hot;
use ingester::Ingester;
use janitor::Janitor;
use lambda_http::Body;
use local::chaos::proxy::{Proxy, Weather};
use model::Embedder;
use queue::{Publisher, SqsEvent};
use recall::{Admin, Recall};
use serde_json::{Value, json};
use testkit::{TestAws, TestDatabase};
use uuid::Uuid;
use webhook::Webhook;

use crate::ground::Ground;

/// What an event looks like in a request.
pub(crate) fn event(user: &str, session: &str, content: &str) -> Value {
    json!({"user": user, "session": session, "role": "user", "content": content})
}

pub(crate) struct Stage {
    pub(crate) owner: tokio_postgres::Client,
    pub(crate) webhook: Webhook,
    pub(crate) ingester: Ingester,
    pub(crate) recall: Recall,
    pub(crate) janitor: Janitor,
    pub(crate) hot: Hot,
    pub(crate) now: fn() -> jiff::Timestamp,
    store: store::Store,
    pub(crate) aws: TestAws,
    /// Between the functions and Postgres.
    pub(crate) line: Proxy,
    queue: String,
    dead_letters: String,
    _database: TestDatabase,
}

#[expect(clippy::disallowed_methods, reason = "a name nobody else has")]
fn new_id() -> Uuid {
    Uuid::new_v4()
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let ground = Ground::lay().await;
        ground.tenants(&["acme"]).await;
        let line = Proxy::listen().await.unwrap();
        let (before, rest) = ground.database.url().split_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let server: SocketAddr = tokio::net::lookup_host(server).await.unwrap().next().unwrap();
        line.lead_to(server);
        let url = format!("{before}@{}/{name}", line.address());
        let indexer = ground.routes(&["indexer"]).await;
        let queue = ground.aws.create_fifo_queue("ingest").await.unwrap();
        let dead_letters = ground.aws.create_fifo_queue("ingest-dlq").await.unwrap();
        let services = ground
            .services(&[
                ("DATABASE_URL", url.as_str()),
                ("WAKE_UP_QUEUES", &indexer),
                ("SEALING_KEY", "a key of these tests that is long enough"),
                (webhook::QUEUE, &queue),
                (ingester::DEAD_LETTERS, &dead_letters),
                ("ERASURE_SETTLE_SECONDS", "0"),
                ("ADMIN_API", "true"),
            ])
            .await;
        let Ground { database, aws, owner } = ground;
        Self {
            owner,
            webhook: Webhook::from_services(&services).await.unwrap(),
            ingester: Ingester::from_services(&services).unwrap(),
            janitor: Janitor::from_services(&services).unwrap(),
            recall: Recall::new(
                services.store.clone(),
                services.hot.clone(),
                Embedder::BuiltIn,
                services.now,
            )
            .with_sealer(Some(runtime::sealer(&services.config, &services.aws).await.unwrap()))
            .with_admin(Admin::from_services(&services).unwrap()),
            hot: services.hot.clone(),
            now: services.now,
            store: services.store.clone(),
            aws,
            line,
            queue,
            dead_letters,
            _database: database,
        }
    }

    /// The webhook with another queue, which need not exist.
    pub(crate) fn webhook_to(&self, queue: &str, now: fn() -> jiff::Timestamp) -> Webhook {
        let retries = backon::ExponentialBuilder::default().with_max_times(0);
        let publisher = Publisher::new(self.aws.sqs()).with_retries(retries);
        Webhook::new(self.store.clone(), self.hot.clone(), None, publisher, queue.to_owned(), now, new_id)
    }

    /// Stores accepted events and does nothing else.
    pub(crate) async fn ingest_only(&self, accepted: &domain::AcceptedEvents) {
        self.store.ingest(&accepted.tenant, &[accepted]).await.unwrap();
    }

    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    /// For as long as this, nobody reaches Postgres.
    pub(crate) fn stop_postgres(&self) {
        self.line.change(Weather::Refuse, Duration::from_mins(10));
        self.line.reset();
    }

    pub(crate) fn start_postgres(&self) {
        self.line.clear();
    }

    pub(crate) async fn say(&self, events: &[Value]) -> (u16, Value) {
        self.post("/v1/events", &[], &json!({ "events": events }).to_string()).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        post_to(&self.webhook, path, headers, body).await
    }

    /// Asks what manages webhook sources.
    pub(crate) async fn manage(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/webhook.json")).unwrap();
        event["rawPath"] = path.into();
        event["requestContext"]["http"]["path"] = path.into();
        event["requestContext"]["http"]["method"] = method.into();
        event["headers"]["accept"] = "application/json, text/event-stream".into();
        event["body"] = if body.is_null() { Value::Null } else { body.to_string().into() };
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        answered(self.recall.handle(request).await)
    }

    /// Takes up to ten messages from the queue.
    pub(crate) async fn receive(&self) -> Vec<aws_sdk_sqs::types::Message> {
        let received = self
            .aws
            .sqs()
            .receive_message()
            .queue_url(&self.queue)
            .max_number_of_messages(10)
            .visibility_timeout(300)
            .message_system_attribute_names(aws_sdk_sqs::types::MessageSystemAttributeName::All)
            .send()
            .await
            .unwrap();
        received.messages.unwrap_or_default()
    }

    /// Hands messages to the ingester; answers which of them come again.
    pub(crate) async fn hand_over(&self, messages: &[aws_sdk_sqs::types::Message]) -> BTreeSet<String> {
        let records: Vec<Value> = messages
            .iter()
            .map(|message| {
                let attributes: HashMap<String, String> = message
                    .attributes()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name.as_str().to_owned(), value.clone()))
                    .collect();
                json!({
                    "messageId": message.message_id(), "body": message.body(),
                    "receiptHandle": message.receipt_handle(), "attributes": attributes,
                })
            })
            .collect();
        let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let response = self.ingester.handle(event).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// Forgets messages that were handled.
    pub(crate) async fn delete(&self, messages: &[aws_sdk_sqs::types::Message]) {
        for message in messages {
            let handle = message.receipt_handle().unwrap();
            self.aws
                .sqs()
                .delete_message()
                .queue_url(&self.queue)
                .receipt_handle(handle)
                .send()
                .await
                .unwrap();
        }
    }

    /// Has messages delivered again at once, as if whoever had them had died long ago.
    pub(crate) async fn give_back(&self, messages: &[aws_sdk_sqs::types::Message]) {
        for message in messages {
            let request = self.aws.sqs().change_message_visibility().queue_url(&self.queue);
            let handle = message.receipt_handle().unwrap();
            request.receipt_handle(handle).visibility_timeout(0).send().await.unwrap();
        }
    }

    /// Takes messages from the queue to the ingester until none is left that is visible.
    pub(crate) async fn ingest(&self) {
        loop {
            let messages = self.receive().await;
            if messages.is_empty() {
                return;
            }
            let failed = self.hand_over(&messages).await;
            let (_, done): (Vec<_>, Vec<_>) =
                messages.into_iter().partition(|message| failed.contains(message.message_id().unwrap()));
            self.delete(&done).await;
        }
    }

    /// How many messages are in the queue, seen or not.
    pub(crate) async fn waiting(&self) -> u32 {
        use aws_sdk_sqs::types::QueueAttributeName;
        let asked = self.aws.sqs().get_queue_attributes().queue_url(&self.queue);
        let attributes = asked.attribute_names(QueueAttributeName::All).send().await.unwrap();
        let attributes = attributes.attributes.unwrap_or_default();
        [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ]
        .iter()
        .filter_map(|name| attributes.get(name)?.parse::<u32>().ok())
        .sum()
    }

    /// The body of each dead letter, and why it is one.
    pub(crate) async fn dead_letters(&self) -> Vec<(String, String)> {
        let messages = self.aws.drain(&self.dead_letters).await.unwrap();
        messages
            .into_iter()
            .map(|message| {
                let attributes = message.message_attributes.unwrap_or_default();
                let reason = attributes["reason"].string_value().unwrap_or_default().to_owned();
                (message.body.unwrap_or_default(), reason)
            })
            .collect()
    }

    /// The body, the group and the identifier of each dead letter, which stays where it is.
    pub(crate) async fn look_at_dead_letters(&self) -> Vec<(String, String, String)> {
        use aws_sdk_sqs::types::MessageSystemAttributeName::{All, MessageDeduplicationId, MessageGroupId};
        let sqs = self.aws.sqs();
        let request = sqs.receive_message().queue_url(&self.dead_letters).max_number_of_messages(10);
        let request = request.message_system_attribute_names(All).visibility_timeout(30);
        let messages = request.send().await.unwrap().messages.unwrap_or_default();
        let mut letters = Vec::new();
        for message in messages {
            let attributes = message.attributes.unwrap_or_default();
            let (group, known) = (&attributes[&MessageGroupId], &attributes[&MessageDeduplicationId]);
            letters.push((message.body.unwrap_or_default(), group.clone(), known.clone()));
            let back = sqs.change_message_visibility().queue_url(&self.dead_letters).visibility_timeout(0);
            back.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
        }
        letters
    }

    /// Puts a message into the queue that nobody made.
    pub(crate) async fn send_raw(&self, group: &str, body: &str) {
        let request = self.aws.sqs().send_message().queue_url(&self.queue).message_body(body);
        let request = request.message_group_id(group.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        request.message_deduplication_id(new_id().to_string()).send().await.unwrap();
    }

    /// What the log has of a session of the default tenant, in its order.
    pub(crate) async fn logged(&self, user: &str, session: &str) -> Vec<String> {
        let rows = self
            .owner
            .query(
                "select content from afterthought.session_events
                 where tenant = 'default' and user_id = $1 and session = $2 order by version",
                &[&user, &session],
            )
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// What hydrate shows of a session.
    pub(crate) async fn hydrate(&self, user: &str, query: &str) -> (u16, Value) {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/hydrate.json")).unwrap();
        let path = format!("/v1/users/{user}/hydrate");
        event["rawPath"] = path.clone().into();
        event["rawQueryString"] = query.into();
        event["requestContext"]["http"]["path"] = path.into();
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        answered(self.recall.handle(request).await)
    }

    /// The contents of what hydrate shows as pending.
    pub(crate) async fn pending(&self, user: &str, session: &str) -> Vec<String> {
        let (status, answer) = self.hydrate(user, &format!("session={session}")).await;
        assert_eq!(status, 200, "{answer}");
        let pending = answer["pending_messages"].as_array().unwrap();
        pending.iter().map(|turn| turn["content"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) async fn post_to(
    webhook: &Webhook,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/webhook.json")).unwrap();
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["body"] = body.into();
    for (name, value) in headers {
        event["headers"][*name] = (*value).into();
    }
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    answered(webhook.handle(request).await)
}

fn answered(response: lambda_http::Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let Body::Text(body) = response.into_body() else { panic!("the body is text") };
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}
