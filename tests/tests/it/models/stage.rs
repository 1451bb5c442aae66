use domain::{Envelope, SessionId, TenantId, WakeUp};
use jiff::Timestamp;
use runtime::{Agent, Services};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::delivery::deliver_body;
use crate::ground::Ground;

/// How often SQS delivers a message that is not acknowledged, and once more for each that is sent anew.
const MOST_DELIVERIES: usize = 48;

/// One agent with real Postgres, SQS and DynamoDB protocols around it.
pub(crate) struct Stage {
    pub(crate) services: Services,
    _database: TestDatabase,
    aws: TestAws,
    owner: Client,
    agent: &'static str,
    queue_url: String,
    letters_url: String,
}

impl Stage {
    pub(crate) async fn set(agent: &'static str) -> Self {
        let ground = Ground::lay().await;
        let queue_url = ground.aws.create_queue(agent).await.unwrap();
        let services = ground.services(&[("WAKE_UP_QUEUES", &format!("{agent}={queue_url}"))]).await;
        let Ground { database, aws, owner } = ground;
        let letters_url = services.config.routes.dead_letters(agent).unwrap();
        Self { services, _database: database, aws, owner, agent, queue_url, letters_url }
    }

    /// Adds messages, all by the user. The entity-extractor counts as done with them.
    pub(crate) async fn say(&self, user: &str, session: &str, said: &[&str]) -> SessionId {
        let insert =
            "insert into afterthought.messages (user_id, session, role, speaker, content, occurred_at)
                      select $1, $2, 'user', initcap($1), content, '2026-03-09T09:00:00Z'
                      from unnest($3::text[]) as content returning session_id";
        let session = SessionId(self.owner.query(insert, &[&user, &session, &said]).await.unwrap()[0].get(0));
        if self.agent != "entity-extractor" {
            let passed = "insert into afterthought.agent_cursors (session_id, agent, tenant, through)
                          values ($1, 'entity-extractor', 'default', $2)
                          on conflict (session_id, agent) do update set through = excluded.through";
            self.owner.execute(passed, &[&session.0, &self.head(session).await]).await.unwrap();
        }
        session
    }

    /// Delivers one message; answers whether it was acknowledged.
    pub(crate) async fn deliver<A: Agent>(&self, agent: &A, body: String, receives: usize) -> bool {
        deliver_body(&self.services, agent, &body, receives).await
    }

    /// Wakes an agent for all of a session; answers whether that was acknowledged.
    pub(crate) async fn wake<A: Agent>(&self, agent: &A, session: SessionId) -> bool {
        let version = self.head(session).await;
        let wake_up = WakeUp::Session { tenant: TenantId::new("default").unwrap(), session, version };
        self.deliver(agent, Envelope::first(wake_up, Timestamp::UNIX_EPOCH).to_body(), 1).await
    }

    /// The same until it is acknowledged.
    pub(crate) async fn wake_until_done<A: Agent>(&self, agent: &A, session: SessionId) -> usize {
        for delivery in 1..=MOST_DELIVERIES {
            if self.wake(agent, session).await {
                return delivery;
            }
        }
        panic!("{MOST_DELIVERIES} deliveries and no end");
    }

    pub(crate) const fn agent(&self) -> &'static str {
        self.agent
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn text(&self, sql: &str) -> String {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.owner.batch_execute(sql).await.unwrap();
    }

    pub(crate) async fn head(&self, session: SessionId) -> i64 {
        self.of(session, "select max(version) from afterthought.session_events where session_id = $1").await
    }

    /// How far the agent has come.
    pub(crate) async fn cursor(&self, session: SessionId) -> i64 {
        let read = "select coalesce(max(through), 0) from afterthought.agent_cursors
                    where session_id = $1 and agent = $2";
        self.owner.query_one(read, &[&session.0, &self.agent]).await.unwrap().get(0)
    }

    /// A number about a session, which is `$1`.
    pub(crate) async fn of(&self, session: SessionId, sql: &str) -> i64 {
        self.owner.query_one(sql, &[&session.0]).await.unwrap().get(0)
    }

    /// The runs of the agent over a session, as `after-through outcome model`, in order.
    pub(crate) async fn runs(&self, session: SessionId) -> Vec<String> {
        let read = "select format('%s-%s %s %s', after_version, through_version, outcome, model)
                    from afterthought.agent_runs where session_id = $1 and agent = $2
                    order by after_version, through_version, outcome";
        let rows = self.owner.query(read, &[&session.0, &self.agent]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// How many wake-ups wait in the queue with a delay.
    pub(crate) async fn delayed(&self) -> i64 {
        use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesDelayed as Delayed;
        let attributes =
            self.aws.sqs().get_queue_attributes().queue_url(&self.queue_url).attribute_names(Delayed);
        attributes.send().await.unwrap().attributes().unwrap()[&Delayed].parse().unwrap()
    }

    /// Takes the dead letters out of their queue.
    pub(crate) async fn letters(&self) -> Vec<String> {
        let letters = self.aws.drain(&self.letters_url).await.unwrap();
        letters.iter().map(|letter| letter.body().unwrap().to_owned()).collect()
    }
}
