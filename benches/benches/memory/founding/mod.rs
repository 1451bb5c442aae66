//! The founding benchmark: 50 agents at once with a history of 500 turns each, three kinds of calls (hot read, latest
//! events, semantic search), three ways to keep it: ours, everything in Postgres, everything in Redis.

mod hot_path;
mod hybrid;
mod postgres_only;
mod precision;
mod redis_only;
mod traffic;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde_json::{Map, Value, json};

use crate::embeddings::Embeddings;
use crate::figures::{Latency, Times, rounded};
use crate::place::Place;
use crate::say;
use crate::world::{FEWEST_TURNS, NEAR, World};

use hybrid::Hybrid;
use postgres_only::PostgresOnly;
pub(crate) use precision::embed_all;
use redis_only::RedisOnly;
use traffic::Traffic;

/// How much the founding benchmark does.
#[derive(Debug, Args)]
pub(crate) struct FoundingSizes {
    /// Agents, all of them at once.
    #[arg(long, default_value_t = 50)]
    agents: usize,
    /// Turns of each agent's history.
    #[arg(long, default_value_t = 500)]
    turns: usize,
    /// Turns about each topic that have its words and do not answer its question.
    #[arg(long, default_value_t = NEAR, value_parser = RangedU64ValueParser::<usize>::new().range(..=NEAR as u64))]
    near: usize,
    /// How often every variant has its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Milliseconds an agent pauses between two calls, on average.
    #[arg(long, default_value_t = 1500)]
    pause: u64,
    /// Show the questions that are not answered with the five turns they should be, and what came instead.
    #[arg(long)]
    show_misses: bool,
    /// Leave the times out.
    #[arg(long)]
    only_precision: bool,
}

/// How many results a semantic search is asked for.
pub(crate) const K: usize = 5;
/// How many of the latest events an agent looks at.
pub(crate) const LATEST: u16 = 10;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Working memory and recent context.
    HotRead,
    /// The latest events of the session.
    Latest,
    /// What answers a question.
    Search,
}

impl Call {
    pub(crate) const ALL: [Self; 3] = [Self::HotRead, Self::Latest, Self::Search];

    fn name(self) -> &'static str {
        match self {
            Self::HotRead => "hot_read",
            Self::Latest => "latest_events",
            Self::Search => "semantic_search",
        }
    }
}

/// A way to keep the memories of agents. Agents and questions are named by their place in the world.
pub(crate) trait Variant: Send + Sync + 'static {
    /// What the report calls it.
    fn name(&self) -> &'static str;
    /// Working memory and recent context of an agent; answers how many messages came.
    fn hot_read(&self, agent: usize) -> impl Future<Output = Result<usize>> + Send;
    /// The latest events of an agent's last session; answers how many came.
    fn latest(&self, agent: usize) -> impl Future<Output = Result<usize>> + Send;
    /// The best answers to a question of an agent, as session and version.
    fn search(&self, agent: usize, question: usize)
    -> impl Future<Output = Result<Vec<(usize, i64)>>> + Send;
    /// Bytes per store of everything that is kept, all agents together.
    fn bytes(&self) -> impl Future<Output = Result<Vec<(&'static str, u64)>>> + Send;
}

pub(crate) async fn run(
    place: &Place,
    embeddings: &Embeddings,
    seed: u64,
    sizes: &FoundingSizes,
) -> Result<Value> {
    let world = World::generate(seed, sizes.agents, sizes.turns.max(FEWEST_TURNS), sizes.near);
    let questions = world.questions().count();
    say(&format!("founding: {} agents of {} turns, {questions} questions", sizes.agents, sizes.turns));
    let started = Instant::now();
    embed_all(embeddings, &world).await?;
    say(&format!("  embedded in {:.0} s", started.elapsed().as_secs_f64()));
    let redis = Arc::new(RedisOnly::fill(embeddings, &world).await?);
    let postgres = Arc::new(PostgresOnly::fill(place, embeddings, &world).await?);
    let started = Instant::now();
    let hybrid = Arc::new(Hybrid::fill(place, embeddings, &world).await?);
    say(&format!("  inserted and indexed by the functions in {:.0} s", started.elapsed().as_secs_f64()));

    let mut report = Map::new();
    report.insert(
        "precision_at_5".to_owned(),
        precision::report(&world, embeddings, &hybrid, &postgres, &redis, sizes.show_misses).await?,
    );
    report.insert(
        "bytes_per_agent".to_owned(),
        json!({
            hybrid.name(): bytes(hybrid.as_ref(), sizes.agents).await?,
            postgres.name(): bytes(postgres.as_ref(), sizes.agents).await?,
            redis.name(): bytes(redis.as_ref(), sizes.agents).await?,
        }),
    );
    if sizes.only_precision {
        return Ok(Value::Object(report));
    }
    let mut times: [[Vec<Times>; 3]; 3] = Default::default();
    // The first round warms connections, statements and caches.
    for round in 0..=sizes.rounds {
        let traffic = Traffic {
            agents: sizes.agents,
            questions: questions / sizes.agents.max(1),
            seconds: sizes.seconds,
            pause: sizes.pause,
            seed: seed.wrapping_add(round as u64),
        };
        for turn in 0..times.len() {
            let variant = (round + turn) % times.len();
            let measured = match variant {
                0 => traffic::run(&hybrid, traffic).await?,
                1 => traffic::run(&postgres, traffic).await?,
                _ => traffic::run(&redis, traffic).await?,
            };
            if let (true, Some(kept)) = (round > 0, times.get_mut(variant)) {
                for (kept, measured) in kept.iter_mut().zip(measured) {
                    kept.push(measured);
                }
            }
        }
    }
    for (at, call) in Call::ALL.into_iter().enumerate() {
        let mut row = Map::new();
        for (name, times) in [hybrid.name(), postgres.name(), redis.name()].into_iter().zip(&times) {
            let latency = Latency::of_rounds(times.get(at).map_or(&[], Vec::as_slice));
            say(&format!("  {:<16} {name:<14} {latency}", call.name()));
            row.insert(name.to_owned(), latency.json());
        }
        report.insert(call.name().to_owned(), Value::Object(row));
    }
    report.insert("embedding_a_question".to_owned(), embedding(embeddings, &world).await?);
    report.insert("hot_read_parts".to_owned(), hot_path::measure(&hybrid, &world).await?);
    Ok(Value::Object(report))
}

async fn bytes(variant: &impl Variant, agents: usize) -> Result<Value> {
    let mut row = Map::new();
    for (store, bytes) in variant.bytes().await? {
        let each = bytes / agents.max(1) as u64;
        say(&format!("  {:<14} {store:<28} {each:>9} bytes per agent", variant.name()));
        row.insert(store.to_owned(), json!(each));
    }
    Ok(Value::Object(row))
}

/// What embedding a question takes, which all variants need before they can search.
async fn embedding(embeddings: &Embeddings, world: &World) -> Result<Value> {
    let mut times = Times::default();
    for (_, question) in world.questions().take(100) {
        let started = Instant::now();
        embeddings.afresh(&question.text).await?;
        times.add(started.elapsed());
    }
    say(&format!("  embedding a question: p50 {:.2} ms, p95 {:.2} ms", times.p50(), times.p95()));
    Ok(json!({"p50_ms": rounded(times.p50()), "p95_ms": rounded(times.p95())}))
}
