//! Our own side: the functions as they are deployed, in this process, on a Postgres and the DynamoDB protocol.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{Envelope, SessionId, TenantId, WakeUp};
use futures::{StreamExt, TryStreamExt, stream};
use indexer::Indexer;
use jiff::{SignedDuration, Timestamp};
use lambda_http::{Body, Request, RequestExt};
use local::database::connect;
use model::{Embedder, EmbedderConfig};
use queue::SqsEvent;
use recall::Recall;
use runtime::{Config, Invocation, Services, handle};
use serde_json::{Value, json};
use testkit::TestAws;
use tokio_postgres::Client;

use crate::world::{Agent, Turn, session_name};

/// Whose memories these are.
pub(crate) const TENANT: &str = "default";
/// Connections to Postgres, as many as the founding document's pool.
const CONNECTIONS: usize = 20;
/// What a function URL accepts.
const MOST_BYTES: usize = 6 * 1024 * 1024;
/// Sessions that are indexed at once.
const AT_ONCE: usize = 2;

pub(crate) struct Product {
    pub(crate) services: Services,
    pub(crate) aws: TestAws,
    pub(crate) hot_table: String,
    pub(crate) tenant: TenantId,
    /// A connection as superuser, for what an application inserts.
    pub(crate) owner: Client,
    recall: Arc<Recall>,
    indexer: Indexer,
}

impl Product {
    /// The functions on a migrated database, with the embedder at `embeddings_url`.
    pub(crate) async fn start(database_url: &str, embeddings_url: &str, embedder: &str) -> Result<Self> {
        let aws = TestAws::create().await?;
        let hot_table = aws.create_hot_table().await?;
        let queue_url = aws.create_queue(indexer::NAME).await?;
        let variables: HashMap<String, String> = [
            ("DATABASE_URL", database_url),
            ("HOT_TABLE", &hot_table),
            ("WAKE_UP_QUEUES", &format!("{}={queue_url}", indexer::NAME)),
            ("EMBEDDER_URL", embeddings_url),
            ("EMBEDDER_MODEL", embedder),
            ("AGENT_CONCURRENCY", &CONNECTIONS.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_map(&variables)?;
        let services = Services::with_aws(&config, aws.config().clone()).await?;
        let embedder = || embedder_of(&config.embedder);
        let (store, hot, now) = (&services.store, &services.hot, services.now);
        Ok(Self {
            recall: Arc::new(Recall::new(store.clone(), hot.clone(), embedder()?, now)),
            indexer: Indexer::new(embedder()?, store.clone(), hot.clone(), now),
            tenant: TenantId::new(TENANT)?,
            owner: connect(database_url).await?,
            aws,
            hot_table,
            services,
        })
    }

    /// Says everything of an agent, as an application does, and answers the sessions with their heads, by their names.
    pub(crate) async fn say(&self, agent: &Agent) -> Result<Vec<(SessionId, i64)>> {
        let sessions: Vec<String> = agent.turns.iter().map(|turn| session_name(turn.session)).collect();
        let column = |of: fn(&Turn) -> &str| -> Vec<&str> { agent.turns.iter().map(of).collect() };
        let (roles, speakers, contents) =
            (column(|turn| turn.role), column(|turn| turn.speaker), column(|turn| &turn.content));
        let rows = self
            .owner
            .query(
                "with said as (
                     insert into afterthought.messages (tenant, user_id, session, role, speaker, content)
                     select $1, $2, line.* from unnest($3::text[], $4::text[], $5::text[], $6::text[]) as line
                     returning session_id, session, version
                 )
                 select session_id, max(version) from said group by session_id, session order by session",
                &[&TENANT, &agent.user, &sessions, &roles, &speakers, &contents],
            )
            .await?;
        rows.iter().map(|row| Ok((SessionId(row.try_get(0)?), row.try_get(1)?))).collect()
    }

    /// Has the indexer think about sessions up to their heads, as its wake-ups would.
    pub(crate) async fn index(&self, heads: &[(SessionId, i64)]) -> Result<()> {
        stream::iter(heads)
            .map(|head| self.wake(*head))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await
            .map(drop)
    }

    async fn wake(&self, (session, version): (SessionId, i64)) -> Result<()> {
        let now = (self.services.now)();
        let wake_up = WakeUp::Session { tenant: self.tenant.clone(), session, version };
        let event: SqsEvent = serde_json::from_value(json!({"Records": [{
            "messageId": session.to_string(), "receiptHandle": session.to_string(),
            "body": Envelope::first(wake_up, now).to_body(),
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{}", indexer::NAME),
            "awsRegion": "us-east-1",
        }]}))?;
        let deadline = now.saturating_add(SignedDuration::from_mins(10))?.as_millisecond();
        let invocation = Invocation::at(now, u64::try_from(deadline)?);
        let response = handle(&self.services, &self.indexer, event, &invocation).await;
        ensure!(response.batch_item_failures.is_empty(), "the indexer failed on a session");
        Ok(())
    }

    /// What the HTTP function answers to a GET, without a socket between.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let request = lambda_http::http::Request::get(format!("https://recall.local{path}?{query}"))
            .header("afterthought-tenant", TENANT)
            .body(Body::Empty)?;
        let request: Request = request.with_raw_http_path(path);
        let response = self.recall.handle(request).await;
        let status = response.status();
        let body: Value = serde_json::from_slice(response.body().as_ref()).context("the answer is JSON")?;
        ensure!(status.is_success(), "GET {path} answered {status}: {body}");
        Ok(body)
    }

    /// Serves the HTTP function on a free loopback port and answers where.
    pub(crate) async fn serve(&self) -> Result<String> {
        let router = Router::new().fallback(forward).with_state(Arc::clone(&self.recall));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(url)
    }

    /// The time by the functions' clock.
    pub(crate) fn now(&self) -> Timestamp {
        (self.services.now)()
    }
}

/// Hands a request over as the function URL would.
async fn forward(
    State(recall): State<Arc<Recall>>,
    request: axum::extract::Request,
) -> Result<axum::response::Response, StatusCode> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let path = head.uri.path().to_owned();
    let request: Request = Request::from_parts(head, Body::Binary(body.to_vec())).with_raw_http_path(&path);
    let (head, body) = recall.handle(request).await.into_parts();
    Ok(axum::response::Response::from_parts(head, axum::body::Body::from(body.to_vec())))
}

fn embedder_of(config: &EmbedderConfig) -> Result<Embedder> {
    Ok(Embedder::new(config)?)
}
