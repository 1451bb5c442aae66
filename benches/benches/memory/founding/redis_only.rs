use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, RedisResult};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::postgres_only::{payload, place_of};
use super::{K, LATEST, Variant};
use crate::embeddings::Embeddings;
use crate::world::World;

/// The newest turns of working memory, as many as ours holds.
const WORKING_MEMORY: usize = 20;
/// Seconds working memory lives.
const LIFETIME: u64 = 3600;

/// Everything in Redis: working memory as a document, the whole history as a list, its vectors as one value.
///
/// Debian's Redis has no module for vectors, so the client fetches the vectors and compares. Nothing is evicted: what a
/// Redis that forgets would answer is in the report of precision.
pub(crate) struct RedisOnly {
    agents: Vec<Kept>,
    bytes: u64,
    _server: Server,
}

struct Kept {
    user: String,
    connection: MultiplexedConnection,
    questions: Vec<Arc<Vec<f32>>>,
}

/// A server of its own, in memory, ended with this value.
struct Server {
    process: Child,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has ended is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl RedisOnly {
    pub(crate) async fn fill(embeddings: &Embeddings, world: &World) -> Result<Self> {
        let (server, client) = start().await?;
        let mut first = connected(&client).await?;
        let before = used(&mut first).await?;
        let mut agents = Vec::new();
        for agent in &world.agents {
            let texts: Vec<&str> = agent.turns.iter().map(|turn| turn.content.as_str()).collect();
            let vectors = embeddings.of(&texts).await?;
            let blob: Vec<u8> =
                vectors.iter().flat_map(|vector| vector.iter().flat_map(|x| x.to_le_bytes())).collect();
            let payloads: Vec<Value> = agent.turns.iter().map(payload).collect();
            let recent: Vec<&Value> = payloads.iter().rev().take(WORKING_MEMORY).rev().collect();
            let state = json!({
                "agent_id": agent.user, "recent_messages": recent, "metadata": {"turn_count": agent.turns.len()}
            });
            let turns: Vec<String> = payloads.iter().map(Value::to_string).collect();
            let () = first.set_ex(memory_key(&agent.user), state.to_string(), LIFETIME).await?;
            let () = first.rpush(turns_key(&agent.user), turns).await?;
            let () = first.set(vectors_key(&agent.user), blob).await?;
            let questions: Vec<&str> =
                agent.questions.iter().map(|question| question.text.as_str()).collect();
            agents.push(Kept {
                user: agent.user.clone(),
                connection: connected(&client).await?,
                questions: embeddings.of(&questions).await?,
            });
        }
        let bytes = used(&mut first).await?.saturating_sub(before);
        Ok(Self { agents, bytes, _server: server })
    }

    fn agent(&self, agent: usize) -> Result<&Kept> {
        self.agents.get(agent).context("no such agent")
    }
}

impl Variant for RedisOnly {
    fn name(&self) -> &'static str {
        "redis_only"
    }

    async fn hot_read(&self, agent: usize) -> Result<usize> {
        let agent = self.agent(agent)?;
        let state: String = agent.connection.clone().get(memory_key(&agent.user)).await?;
        let state: Value = serde_json::from_str(&state)?;
        Ok(state.get("recent_messages").and_then(Value::as_array).map_or(0, Vec::len))
    }

    async fn latest(&self, agent: usize) -> Result<usize> {
        let agent = self.agent(agent)?;
        let turns: Vec<String> =
            agent.connection.clone().lrange(turns_key(&agent.user), -isize::try_from(LATEST)?, -1).await?;
        let turns: Vec<Value> =
            turns.iter().map(|turn| serde_json::from_str(turn)).collect::<Result<_, _>>()?;
        Ok(turns.len())
    }

    async fn search(&self, agent: usize, question: usize) -> Result<Vec<(usize, i64)>> {
        let agent = self.agent(agent)?;
        let question = agent.questions.get(question).context("no such question")?;
        let mut connection = agent.connection.clone();
        let vectors: Vec<u8> = connection.get(vectors_key(&agent.user)).await?;
        let mut nearest: Vec<(f32, isize)> = vectors
            .chunks_exact(question.len() * 4)
            .zip(0..)
            .map(|(one, at)| (cosine(question, one), at))
            .collect();
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut pipe = redis::pipe();
        for (_, at) in nearest.iter().take(K) {
            pipe.lindex(turns_key(&agent.user), *at);
        }
        let turns: Vec<String> = pipe.query_async(&mut connection).await?;
        turns.iter().map(|turn| place_of(&serde_json::from_str(turn)?)).collect()
    }

    async fn bytes(&self) -> Result<Vec<(&'static str, u64)>> {
        Ok(vec![("redis_memory", self.bytes)])
    }
}

/// The product of a vector with one in little-endian bytes; both are of length 1.
fn cosine(one: &[f32], other: &[u8]) -> f32 {
    let other = other.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes));
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn memory_key(user: &str) -> String {
    format!("agent:memory:{user}")
}

fn turns_key(user: &str) -> String {
    format!("agent:turns:{user}")
}

fn vectors_key(user: &str) -> String {
    format!("agent:vectors:{user}")
}

/// A connection whose answers may take as long as they do: a slow one is a measurement, not an error.
async fn connected(client: &redis::Client) -> RedisResult<MultiplexedConnection> {
    let patient = AsyncConnectionConfig::new().set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&patient).await
}

/// What the server says its data takes.
async fn used(connection: &mut MultiplexedConnection) -> Result<u64> {
    let info: String = redis::cmd("info").arg("memory").query_async(connection).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.and_then(|bytes| bytes.trim().parse().ok()).context("Redis says how much memory it uses")
}

async fn start() -> Result<(Server, redis::Client)> {
    let folder = tempfile::tempdir()?;
    let port = local::postgres::free_port()?;
    let process = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context(
            "redis-server cannot be run; install it (Debian: `apt install redis-server`) and try again",
        )?;
    let mut server = Server { process, _folder: folder };
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/"))?;
    for _ in 0..250 {
        if connected(&client).await.is_ok() {
            return Ok((server, client));
        }
        if let Some(status) = server.process.try_wait()? {
            bail!("redis-server ended at once: {status}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("redis-server did not answer within five seconds")
}
