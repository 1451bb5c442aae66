use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{SessionId, UserId};
use hot::Read;
use local::database::OwnDatabase;
use serde_json::Value;

use super::{K, LATEST, Variant};
use crate::embeddings::Embeddings;
use crate::place::Place;
use crate::product::Product;
use crate::world::{World, session_name};

/// Ours: hot state over the DynamoDB protocol, log and index in Postgres, each through the product's own functions.
pub(crate) struct Hybrid {
    pub(crate) product: Product,
    agents: Vec<Kept>,
    sessions: HashMap<String, usize>,
    _database: OwnDatabase,
}

/// An agent as the product knows it.
struct Kept {
    user: UserId,
    /// The session that was active last, with its head.
    last: (SessionId, i64),
    last_name: String,
    questions: Vec<String>,
}

impl Hybrid {
    /// Inserts every turn as an application does and has the indexer think about it.
    pub(crate) async fn fill(place: &Place, embeddings: &Embeddings, world: &World) -> Result<Self> {
        let database = place.migrated().await?;
        let url = embeddings.serve().await?;
        let product = Product::start(database.url(), &url, embeddings.name()).await?;
        let mut agents = Vec::new();
        let mut heads = Vec::new();
        for agent in &world.agents {
            let said = product.say(agent).await?;
            heads.extend(&said);
            let last = said.last().copied().context("an agent has turns")?;
            let last_name = session_name(agent.turns.last().map_or(0, |turn| turn.session));
            agents.push(Kept {
                user: UserId::new(agent.user.clone())?,
                last,
                last_name,
                questions: agent.questions.iter().map(|question| question.text.clone()).collect(),
            });
        }
        product.index(&heads).await?;
        product.owner.batch_execute("vacuum analyze").await?;
        let sessions = (0..crate::world::SESSIONS).map(|session| (session_name(session), session)).collect();
        Ok(Self { product, agents, sessions, _database: database })
    }

    fn agent(&self, agent: usize) -> Result<&Kept> {
        self.agents.get(agent).context("no such agent")
    }

    /// The answer to a question of an agent, whole.
    pub(crate) async fn recall(&self, agent: usize, question: usize) -> Result<Value> {
        let agent = self.agent(agent)?;
        let query = agent.questions.get(question).context("no such question")?;
        let path = format!("/v1/users/{}/recall", agent.user);
        self.product.get(&path, &[("query", query), ("k", &K.to_string())]).await
    }

    /// The keys of the items that hold contexts.
    pub(super) async fn context_keys(&self) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let items = self.items().await?;
        Ok(items
            .into_iter()
            .filter(|item| item.contains_key("recent_messages"))
            .map(|item| item.into_iter().filter(|(name, _)| name == "pk" || name == "sk").collect())
            .collect())
    }

    async fn items(&self) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let client = self.product.aws.dynamodb();
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let page = client
                .scan()
                .table_name(&self.product.hot_table)
                .set_exclusive_start_key(after)
                .send()
                .await?;
            items.extend(page.items.unwrap_or_default());
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(items);
            }
        }
    }
}

impl Variant for Hybrid {
    fn name(&self) -> &'static str {
        "hybrid"
    }

    async fn hot_read(&self, agent: usize) -> Result<usize> {
        let agent = self.agent(agent)?;
        let product = &self.product;
        let read = product
            .services
            .hot
            .get_context(&product.tenant, &agent.user, &agent.last_name, product.now())
            .await?;
        match read {
            Read::Present(context) => Ok(context.recent_messages.len()),
            other => bail!("the context of {} is {other:?}", agent.user),
        }
    }

    async fn latest(&self, agent: usize) -> Result<usize> {
        let (session, head) = self.agent(agent)?.last;
        let product = &self.product;
        Ok(product.services.store.messages_up_to(&product.tenant, session, head, LATEST).await?.len())
    }

    async fn search(&self, agent: usize, question: usize) -> Result<Vec<(usize, i64)>> {
        let answer = self.recall(agent, question).await?;
        let events = answer.get("events").and_then(Value::as_array).context("recall answers events")?;
        events
            .iter()
            .map(|event| {
                let session =
                    event.get("session").and_then(Value::as_str).and_then(|name| self.sessions.get(name));
                session
                    .copied()
                    .zip(event.get("version").and_then(Value::as_i64))
                    .context("an event has its place")
            })
            .collect()
    }

    async fn bytes(&self) -> Result<Vec<(&'static str, u64)>> {
        let items = self.items().await?;
        let hot: usize = items.iter().flatten().map(|(name, value)| name.len() + size(value)).sum();
        let rows = self
            .product
            .owner
            .query(
                "select relname::text, pg_total_relation_size(oid) from pg_class
                 where relnamespace = 'afterthought'::regnamespace and relkind = 'r'",
                &[],
            )
            .await?;
        let (mut log, mut index, mut rest) = (0, 0, 0);
        for row in &rows {
            let (table, bytes): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let kind = match table.as_str() {
                "session_events" | "sessions" => &mut log,
                "event_index" => &mut index,
                _ => &mut rest,
            };
            *kind += u64::try_from(bytes)?;
        }
        Ok(vec![
            ("dynamodb_items", hot as u64),
            ("postgres_log", log),
            ("postgres_vectors_and_words", index),
            ("postgres_cursors_and_rest", rest),
        ])
    }
}

/// What DynamoDB counts a value as, in bytes: its own rules, to which a list or map adds one for each of its elements.
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::L(list) => 3 + list.iter().map(|one| 1 + size(one)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.iter().map(|(name, one)| 1 + name.len() + size(one)).sum::<usize>(),
        _ => 1,
    }
}
