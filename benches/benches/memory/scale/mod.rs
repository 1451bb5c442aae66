//! Semantic search as a deployment grows: users with 50 to 20,000 memories each, all of them in one table, whose rows come
//! as they would, not user by user. The search is the product's own (`Store::recall`).

mod load;
mod server_log;
mod shape;

use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use domain::{TenantId, UserId};
use fastrand::Rng;
use pgvector::HalfVector;
use serde_json::{Map, Value, json};
use store::{DatabaseConfig, Embedding, Role, Search, Store};

use crate::figures::{Times, mean, rounded};
use crate::place::Place;
use crate::say;

use load::Loader;
use server_log::ServerLog;
use shape::{Shape, User};

/// How large the memory becomes.
#[derive(Debug, Args)]
pub(crate) struct ScaleSizes {
    /// Memories at each stage.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    memories: Vec<usize>,
    /// Searches at each stage.
    #[arg(long, default_value_t = 300)]
    searches: usize,
    /// Of the vectors.
    #[arg(long, default_value_t = 384)]
    dimensions: usize,
    /// The most memories of a user; the fewest are 50.
    #[arg(long, default_value_t = 20_000)]
    largest_user: usize,
}

/// How many nearest memories must be found.
const NEAREST: usize = 10;
/// How many candidates by each measure recall asks the store for, to answer with ten.
const CANDIDATES: u16 = 40;
/// The first searches of a stage warm connection, statements and caches.
const WARMING: usize = 20;
/// Users by how many memories they have.
const CLASSES: [(&str, std::ops::Range<usize>); 3] =
    [("below 500", 0..500), ("500 to 5,000", 500..5_000), ("above 5,000", 5_000..usize::MAX)];

/// What was measured at one stage.
#[derive(Default)]
struct Measured {
    client: Times,
    server: Times,
    by_class: [(Times, Times, Vec<f64>); CLASSES.len()],
    recall: Vec<f64>,
}

pub(crate) async fn run(place: &Place, seed: u64, sizes: &ScaleSizes) -> Result<Value> {
    let database = place.migrated().await?;
    let shape = Shape::new(seed, sizes.dimensions, sizes.largest_user);
    let mut loader = Loader::connect(database.url()).await?;
    let mut users: Vec<User> = Vec::new();
    let mut stages = Vec::new();
    for goal in &sizes.memories {
        let there: usize = users.iter().map(|user| user.memories).sum();
        let newcomers = shape.users(goal.saturating_sub(there), users.len());
        let started = Instant::now();
        let indexed_in = loader.load(&shape, &newcomers).await?;
        users.extend(newcomers);
        let memories: usize = users.iter().map(|user| user.memories).sum();
        say(&format!(
            "scale: {memories} memories of {} users, loaded in {:.0} s, {:.0} of them for indexes of vectors",
            users.len(),
            started.elapsed().as_secs_f64(),
            indexed_in.as_secs_f64(),
        ));
        let log = ServerLog::of(place, &loader, database.name()).await?;
        let measured = measure(database.url(), &shape, &users, sizes.searches, seed, log).await?;
        let mut stage = tell(&measured);
        stage.insert("memories".to_owned(), json!(memories));
        stage.insert("users".to_owned(), json!(users.len()));
        stage.insert("bytes_per_memory".to_owned(), json!(loader.bytes().await? / memories.max(1) as u64));
        stages.push((measured, Value::Object(stage)));
    }
    let mut report = Map::new();
    if let (Some((first, _)), Some((last, _))) = (stages.first(), stages.last()) {
        let growth = |of: fn(&Measured) -> f64| rounded(of(last) / of(first));
        report.insert("client_p50_growth".to_owned(), json!(growth(|stage| stage.client.p50())));
        report.insert("client_p95_growth".to_owned(), json!(growth(|stage| stage.client.p95())));
        report.insert("server_p50_growth".to_owned(), json!(growth(|stage| stage.server.p50())));
        report.insert("server_p95_growth".to_owned(), json!(growth(|stage| stage.server.p95())));
        say(&format!("  growth from the first stage to the last: {}", json!(report)));
    }
    report.insert("stages".to_owned(), stages.into_iter().map(|(_, stage)| stage).collect());
    Ok(Value::Object(report))
}

async fn measure(
    url: &str,
    shape: &Shape,
    users: &[User],
    searches: usize,
    seed: u64,
    mut log: ServerLog,
) -> Result<Measured> {
    // One connection, one search after the other: the server's log then says which statement belongs to which search.
    let store = Store::new(&DatabaseConfig::parse(url)?, Role::Agent, 1)?;
    let tenant = TenantId::new(load::TENANT)?;
    let mut rng = Rng::with_seed(seed);
    let mut measured = Measured::default();
    for number in 0..WARMING + searches {
        // Any user is as likely to ask as another.
        let Some(user) = rng.choice(users) else { continue };
        let (vector, words) = shape.question(user, &mut rng);
        let id = UserId::new(user.name())?;
        let search = Search {
            words: &words,
            embedding: Some(Embedding { vector: &vector, model: load::MODEL }),
            memory_candidates: CANDIDATES,
            ..Search::default()
        };
        let started = Instant::now();
        let found = store.recall(&tenant, &id, &search).await?.memories;
        let took = started.elapsed();
        let on_server = log.next_transaction()?;
        let expected = user.memories.min(usize::from(CANDIDATES));
        ensure!(
            found.candidates.len() >= expected,
            "{} of {expected} memories came back of a user who has {}",
            found.candidates.len(),
            user.memories
        );
        if number < WARMING {
            continue;
        }
        let mut nearest: Vec<(f64, u128)> = found
            .candidates
            .iter()
            .filter_map(|candidate| Some((candidate.similarity?, candidate.item.memory.id.0.as_u128())))
            .collect();
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
        nearest.truncate(NEAREST);
        let recall = overlap(&nearest, &nearest_of(shape, user, &vector));
        measured.client.add(took);
        measured.recall.push(recall);
        let class = CLASSES.iter().position(|(_, sizes)| sizes.contains(&user.memories)).unwrap_or_default();
        if let Some((client, server, recalls)) = measured.by_class.get_mut(class) {
            client.add(took);
            recalls.push(recall);
            if let Some(milliseconds) = on_server {
                measured.server.add_milliseconds(milliseconds);
                server.add_milliseconds(milliseconds);
            }
        }
    }
    Ok(measured)
}

/// The nearest memories of a user by looking at all of them, as they are stored: in half precision.
fn nearest_of(shape: &Shape, user: &User, question: &[f32]) -> Vec<(f64, u128)> {
    let question: Vec<f32> = halved(question);
    let mut all: Vec<(f64, u128)> = (0..user.memories)
        .map(|number| {
            let vector = halved(&shape.vector(user, number));
            let similarity: f64 =
                vector.iter().zip(&question).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            (similarity, user.memory(number).as_u128())
        })
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.truncate(NEAREST);
    all
}

fn halved(vector: &[f32]) -> Vec<f32> {
    HalfVector::from_f32_slice(vector).to_vec().into_iter().map(f32::from).collect()
}

/// The share of the nearest that was found. One that is as near as the last of them counts as one of them: sums in
/// another order differ in the last digit.
#[expect(clippy::cast_precision_loss, reason = "at most ten")]
fn overlap(found: &[(f64, u128)], nearest: &[(f64, u128)]) -> f64 {
    let last = nearest.last().map_or(0.0, |(similarity, _)| *similarity);
    let right = found
        .iter()
        .filter(|(similarity, id)| nearest.iter().any(|(_, other)| other == id) || *similarity >= last - 1e-6)
        .count();
    right as f64 / nearest.len().max(1) as f64
}

fn tell(measured: &Measured) -> Map<String, Value> {
    let line = |name: &str, client: &Times, server: &Times, recalls: &[f64]| {
        say(&format!(
            "  {name:<14} client p50 {:>7.2} p95 {:>7.2} ms, server p50 {:>7.2} p95 {:>7.2} ms, recall@{NEAREST} {:.4} ({} searches)",
            client.p50(),
            client.p95(),
            server.p50(),
            server.p95(),
            mean(recalls),
            client.count(),
        ));
        json!({
            "client_p50_ms": rounded(client.p50()), "client_p95_ms": rounded(client.p95()),
            "server_p50_ms": rounded(server.p50()), "server_p95_ms": rounded(server.p95()),
            "recall_at_10": rounded(mean(recalls)), "searches": client.count(),
        })
    };
    let mut stage = Map::new();
    stage.insert("all".to_owned(), line("all users", &measured.client, &measured.server, &measured.recall));
    for ((name, _), (client, server, recalls)) in CLASSES.iter().zip(&measured.by_class) {
        if client.count() > 0 {
            stage.insert((*name).to_owned(), line(name, client, server, recalls));
        }
    }
    stage
}
