//! The ways in which something comes while somebody is erased: over HTTP, from a table of an application's own, and out of the
//! dead letters again.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use cdc_reader::{Arrivals, TableFollower};
use domain::{Envelope, SessionId, TenantId, WakeUp};
use futures::StreamExt as _;
use jiff::SignedDuration;
use queue::SqsEvent;
use serde_json::{Value, json};
use store::{ArrivedRow, Role, Store};
use uuid::Uuid;

use super::stage::{Stage, agents};
use super::told::day;
use crate::ingest::stage::post_to;

/// The table of the application. Whoever keeps it erases there by themselves.
pub(super) const RELATION: &str = "application.said";
/// So many users are thought about at once.
const USERS_AT_ONCE: usize = 8;

impl Stage {
    /// Somebody says something over HTTP.
    pub(super) async fn say(&self, user: &str, session: &str, days_ago: i64, lines: &[String]) {
        let event = |(place, line): (usize, &String)| {
            let occurred_at = day(days_ago) + SignedDuration::from_mins(i64::try_from(place).unwrap());
            json!({"user": user, "session": session, "role": "user", "speaker": user, "content": line,
                   "occurred_at": occurred_at.to_string(), "idempotency_key": format!("{session} {place}")})
        };
        let events: Vec<Value> = lines.iter().enumerate().map(event).collect();
        let tenant = [("afterthought-tenant", "acme")];
        let (status, answer) =
            post_to(&self.webhook, "/v1/events", &tenant, &json!({ "events": events }).to_string()).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// The ingester gets what waits, ten at a time.
    pub(super) async fn ingest(&self) {
        let record = |message: &Message| {
            let attributes = message.attributes().cloned().unwrap_or_default();
            let attributes: serde_json::Map<String, Value> = attributes
                .into_iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.into()))
                .collect();
            json!({"messageId": message.message_id(), "body": message.body(), "receiptHandle": message.receipt_handle(),
                   "attributes": attributes})
        };
        loop {
            let waiting = self.aws.drain(&self.services.config.variables[webhook::QUEUE]).await.unwrap();
            if waiting.is_empty() {
                return;
            }
            for batch in waiting.chunks(10) {
                let records: Vec<Value> = batch.iter().map(record).collect();
                let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
                assert!(self.ingester.handle(event).await.batch_item_failures.is_empty());
            }
        }
    }

    /// From here on Postgres refuses what begins like this, or no more.
    pub(super) async fn refuse(&self, beginning: Option<&str>) {
        let change = beginning.map_or("drop constraint refused".to_owned(), |beginning| {
            format!("add constraint refused check (not starts_with(content, '{beginning}')) not valid")
        });
        self.owner.batch_execute(&format!("alter table afterthought.session_events {change}")).await.unwrap();
    }

    /// Sends at most so many of the dead letters of accepted events once more, as `start-message-move-task` does; answers how many
    /// that were.
    pub(super) async fn redrive_letters(&self, most: i32) -> usize {
        let variables = &self.services.config.variables;
        let (letters, queue) = (&variables[ingester::DEAD_LETTERS], &variables[webhook::QUEUE]);
        let sqs = self.aws.sqs();
        let received = sqs
            .receive_message()
            .queue_url(letters)
            .max_number_of_messages(most)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .unwrap()
            .messages
            .unwrap_or_default();
        for letter in &received {
            let group = letter.attributes().unwrap()[&MessageSystemAttributeName::MessageGroupId].clone();
            let again = sqs.send_message().queue_url(queue).message_body(letter.body().unwrap());
            let again = again.message_group_id(group).message_deduplication_id(Uuid::now_v7().to_string());
            again.send().await.unwrap();
            let handle = letter.receipt_handle().unwrap();
            sqs.delete_message().queue_url(letters).receipt_handle(handle).send().await.unwrap();
        }
        received.len()
    }

    /// Puts a wake-up among the dead letters of an agent, as if five processes had died with it.
    pub(super) async fn bury(&self, agent: &str, wake_up: WakeUp) {
        let letters = self.services.config.routes.dead_letters(agent).unwrap();
        let body = Envelope::first(wake_up, (self.services.now)()).to_body();
        self.aws.sqs().send_message().queue_url(letters).message_body(body).send().await.unwrap();
    }

    /// Every dead wake-up reaches its agent once more; answers how many those were.
    pub(super) async fn redrive_wake_ups(&self) -> usize {
        let mut redriven = 0;
        for agent in agents() {
            let letters = self.services.config.routes.dead_letters(agent).unwrap();
            for letter in self.aws.drain(&letters).await.unwrap() {
                let envelope = Envelope::parse(letter.body().unwrap()).unwrap();
                assert!(self.deliver(agent, envelope.wake_up).await, "{agent} takes it");
                redriven += 1;
            }
        }
        redriven
    }

    /// Agents are told of every session, or of every one in which something is new: of several users at once, and of the sessions
    /// of each in their order.
    pub(super) async fn wake(&self, agents: &[&str], which: Waking) {
        let read = "select s.user_id, s.id, s.head_version
                    from afterthought.sessions s
                    where s.head_version > 0 and ($1 or exists (
                        select from unnest($2::text[]) as a (agent)
                        where not exists (select from afterthought.agent_cursors c where c.session_id = s.id
                                          and c.agent = a.agent and c.through >= s.head_version)))
                    order by s.user_id, s.session";
        let rows = self.owner.query(read, &[&(which == Waking::All), &agents]).await.unwrap();
        let users = rows.chunk_by(|one, other| one.get::<_, &str>(0) == other.get::<_, &str>(0));
        futures::stream::iter(users)
            .for_each_concurrent(USERS_AT_ONCE, async |sessions| {
                for session in sessions {
                    for agent in agents {
                        let (session, version) = (SessionId(session.get(1)), session.get(2));
                        self.deliver(agent, WakeUp::Session { tenant: Self::tenant(), session, version })
                            .await;
                    }
                }
            })
            .await;
    }

    /// An application has a table, the key of which names whose a row is, and rows in it, and it is adopted.
    pub(super) async fn adopt(&self, users: &[String]) {
        let table = "create schema application;
                     create table application.said (customer text, place int, body text, at timestamptz, primary key (customer, place))";
        self.owner.batch_execute(table).await.unwrap();
        for user in users {
            self.write(user, 0, Some(&format!("My bicycle is called {user} the Great."))).await;
        }
        let entry = json!({
            "relation": RELATION, "tenant": {"value": TenantId::as_str(&Self::tenant())}, "user": "/customer",
            "session": {"value": "third"}, "content": "/body", "speaker": "/customer", "occurred_at": "/at",
        });
        Store::new(&self.services.database, Role::Login, 1).unwrap().adopt_table(&entry).await.unwrap();
    }

    async fn write(&self, user: &str, place: i32, body: Option<&str>) {
        let insert = "insert into application.said values ($1, $2, $3, '2026-01-03')";
        self.owner.execute(insert, &[&user, &place, &body]).await.unwrap();
    }

    /// The application writes a row, which the stream brings and which waits to be read.
    pub(super) async fn write_and_note(&self, user: &str, place: i32, body: Option<&str>) {
        self.write(user, place, body).await;
        let oid = "select 'application.said'::regclass::oid, clock_timestamp()";
        let row = self.owner.query_one(oid, &[]).await.unwrap();
        let key = vec![user.to_owned(), place.to_string()];
        let arrived = ArrivedRow { relid: row.get(0), key, written_at: row.get(1) };
        let reader = Store::new(&self.services.database, Role::Reader, 1).unwrap();
        reader.note_arrivals(&[arrived]).await.unwrap();
    }

    /// Reads every row that waits, and puts what it says into the queue.
    pub(super) async fn follow(&self) {
        let store = |role| Store::new(&self.services.database, role, 2).unwrap();
        let arrivals = Arrivals::new(store(Role::Reader));
        let queue = self.services.config.variables[webhook::QUEUE].clone();
        let (publisher, now) = (&self.services.publisher, self.services.now);
        TableFollower::new(store(Role::Reader), store(Role::Adopter), publisher, queue, &arrivals, now)
            .finish(&tokio_util::sync::CancellationToken::new())
            .await;
    }
}

/// Of which sessions agents are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waking {
    /// Those in which something is new.
    Behind,
    /// All: late wake-ups and repeats.
    All,
}
