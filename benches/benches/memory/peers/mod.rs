//! Side by side with mem0 (pgvector, nothing inferred by a model) and with `LangGraph`'s Postgres store and checkpointer: the
//! same texts, the same embedder over HTTP, the same server, called one after the other by one Python process
//! (`benches/peers/peers.py`), ours over HTTP from there too.

mod python;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::embeddings::Embeddings;
use crate::figures::{Latency, Times, mean, median, rounded};
use crate::place::Place;
use crate::product::Product;
use crate::say;
use crate::world::{FEWEST_TURNS, NEAR, World, session_name};

use python::Python;

/// How much is compared.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the names of options, which say what they belong to")]
pub(crate) struct PeerSizes {
    /// Users that everybody remembers.
    #[arg(long, default_value_t = 10)]
    peer_users: usize,
    /// What each of them has said.
    #[arg(long, default_value_t = 500)]
    peer_turns: usize,
    /// How often every system has its turn.
    #[arg(long, default_value_t = 5)]
    peer_rounds: usize,
    /// Calls of each turn.
    #[arg(long, default_value_t = 60)]
    peer_calls: usize,
}

/// Who is compared in a kind of call; the first is ours.
const SEARCHING: [&str; 3] = ["ours", "mem0", "langgraph_store"];
const SAVING: [&str; 2] = ["ours", "langgraph_checkpoints"];
/// Threads that save checkpoints in turn.
const THREADS: usize = 20;

/// What everybody has to be given.
struct Stage {
    python: Python,
    product: Product,
    embeddings: Embeddings,
    world: World,
}

pub(crate) async fn run(
    place: &Place,
    embeddings: &Embeddings,
    seed: u64,
    sizes: &PeerSizes,
) -> Result<Value> {
    let world = World::generate(seed, sizes.peer_users, sizes.peer_turns.max(FEWEST_TURNS), NEAR);
    let mut python = Python::start(&place.cache).await?;
    let embeddings_url = embeddings.serve().await?;
    let (ours, mem0, langgraph) = tokio::try_join!(place.migrated(), place.empty(), place.empty())?;
    let product = Product::start(ours.url(), &embeddings_url, embeddings.name()).await?;
    let our_url = product.serve().await?;
    let dimensions = embeddings.dimensions().await?;
    for (system, database) in [
        ("ours", ours.url()),
        ("mem0", mem0.url()),
        ("langgraph_store", langgraph.url()),
        ("langgraph_checkpoints", langgraph.url()),
    ] {
        let order = json!({
            "do": "open", "system": system, "database_url": database, "our_url": our_url,
            "embeddings_url": embeddings_url, "model": embeddings.name(), "dimensions": dimensions,
        });
        expect_done(system, &python.order(&order).await?)?;
    }
    let mut stage = Stage { python, product, embeddings: embeddings.clone(), world };
    stage.fill().await?;

    let mut report = Map::new();
    for (forgets, title) in [(false, "embedding_remembered"), (true, "embedding_each_time")] {
        let mut part = Map::new();
        part.insert("search".to_owned(), stage.compare_searches(sizes, forgets).await?);
        part.insert("add".to_owned(), stage.compare_adds(sizes, forgets).await?);
        report.insert(title.to_owned(), Value::Object(part));
    }
    let (save, load) = stage.compare_checkpoints(sizes).await?;
    report.insert("checkpoint_save".to_owned(), save);
    report.insert("checkpoint_load".to_owned(), load);
    Ok(Value::Object(report))
}

impl Stage {
    /// Everybody gets the same turns: ours as messages that the functions index, the others as memories.
    async fn fill(&mut self) -> Result<()> {
        crate::founding::embed_all(&self.embeddings, &self.world).await?;
        let mut heads = Vec::new();
        let mut memories = Vec::new();
        for agent in &self.world.agents {
            heads.extend(self.product.say(agent).await?);
            for turn in &agent.turns {
                let place = format!("{}/{}", session_name(turn.session), turn.version);
                memories.push(json!([agent.user, place, turn.content]));
            }
        }
        self.product.index(&heads).await?;
        for system in SEARCHING.into_iter().skip(1) {
            let order = json!({"do": "fill", "system": system, "memories": memories});
            expect_done(system, &self.python.order(&order).await?)?;
        }
        say(&format!("peers: {} texts of {} users", memories.len(), self.world.agents.len()));
        Ok(())
    }

    async fn compare_searches(&mut self, sizes: &PeerSizes, forgets: bool) -> Result<Value> {
        let questions: Vec<Value> =
            self.world.questions().map(|(agent, question)| json!([agent.user, question.text])).collect();
        let relevant: Vec<Vec<String>> = self
            .world
            .questions()
            .map(|(_, question)| {
                question
                    .relevant
                    .iter()
                    .map(|(session, version)| format!("{}/{version}", session_name(*session)))
                    .collect()
            })
            .collect();
        self.embeddings.set_forgetting(forgets);
        let mut all = Rounds::default();
        let mut precision: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let mut at = 0;
        for round in 0..=sizes.peer_rounds {
            // Everybody is asked the same in a round.
            let asked: Vec<usize> =
                (at..at + sizes.peer_calls).map(|at| at % questions.len().max(1)).collect();
            at += sizes.peer_calls;
            let arguments: Vec<&Value> = asked.iter().filter_map(|at| questions.get(*at)).collect();
            for system in turns(&SEARCHING, round) {
                let Some((times, results)) = self.pass(system, "search", &json!(arguments)).await? else {
                    continue;
                };
                if round > 0 {
                    all.add(system, times);
                }
                for (at, result) in asked.iter().zip(results) {
                    if let Some(relevant) = relevant.get(*at) {
                        precision.entry(system).or_default().push(share(&result, relevant));
                    }
                }
            }
        }
        self.embeddings.set_forgetting(false);
        let mut told = all.tell("search", forgets, &SEARCHING);
        for (system, shares) in precision {
            say(&format!("    precision@5 of {system}: {:.3}", mean(&shares)));
            told.insert(format!("{system}_precision_at_5"), json!(rounded(mean(&shares))));
        }
        Ok(Value::Object(told))
    }

    async fn compare_adds(&mut self, sizes: &PeerSizes, forgets: bool) -> Result<Value> {
        let mut all = Rounds::default();
        for round in 0..=sizes.peer_rounds {
            for system in turns(&SEARCHING, round) {
                let texts: Vec<(String, String)> = (0..sizes.peer_calls)
                    .map(|number| {
                        let user = self.world.agents.get(number % self.world.agents.len().max(1));
                        let user = user.map(|agent| agent.user.clone()).unwrap_or_default();
                        (
                            user,
                            format!(
                                "Note {number} of round {round} by {system}, {forgets}: the shelf is full."
                            ),
                        )
                    })
                    .collect();
                let plain: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
                if !forgets {
                    self.embeddings.of(&plain).await?;
                }
                self.embeddings.set_forgetting(forgets);
                let passed = self.pass(system, "add", &json!(texts)).await?;
                self.embeddings.set_forgetting(false);
                if let (true, Some((times, _))) = (round > 0, passed) {
                    all.add(system, times);
                }
            }
        }
        Ok(Value::Object(all.tell("add", forgets, &SEARCHING)))
    }

    async fn compare_checkpoints(&mut self, sizes: &PeerSizes) -> Result<(Value, Value)> {
        let (mut saves, mut loads) = (Rounds::default(), Rounds::default());
        let mut steps = 0;
        for round in 0..=sizes.peer_rounds {
            let each = (sizes.peer_calls / THREADS).max(1);
            let arguments: Vec<Value> = (steps..steps + each)
                .flat_map(|step| (0..THREADS).map(move |thread| json!([format!("thread-{thread}"), step])))
                .collect();
            steps += each;
            let latest: Vec<Value> =
                (0..THREADS).map(|thread| json!([format!("thread-{thread}"), steps - 1])).collect();
            for system in turns(&SAVING, round) {
                let saved = self.pass(system, "save", &json!(arguments)).await?;
                let loaded = self.pass(system, "load", &json!(latest)).await?;
                if let (true, Some((saved, _)), Some((loaded, _))) = (round > 0, saved, loaded) {
                    saves.add(system, saved);
                    loads.add(system, loaded);
                }
            }
        }
        Ok((
            Value::Object(saves.tell("checkpoint save", false, &SAVING)),
            Value::Object(loads.tell("checkpoint load", false, &SAVING)),
        ))
    }

    /// A pass of calls; none when the system cannot make them, which is said, and the others go on.
    async fn pass(
        &mut self,
        system: &str,
        call: &str,
        arguments: &Value,
    ) -> Result<Option<(Times, Vec<Value>)>> {
        let order = json!({"do": "pass", "system": system, "call": call, "arguments": arguments});
        let mut answer = self.python.order(&order).await?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            say(&format!("  {call} of {system} failed: {error}"));
            return Ok(None);
        }
        let mut times = Times::default();
        for milliseconds in
            answer.get("milliseconds").and_then(Value::as_array).context("a pass answers its times")?
        {
            times.add_milliseconds(milliseconds.as_f64().context("a time is a number")?);
        }
        let results = answer.get_mut("results").map(Value::take);
        let Some(Value::Array(results)) = results else { return Ok(Some((times, Vec::new()))) };
        Ok(Some((times, results)))
    }
}

fn expect_done(system: &str, answer: &Value) -> Result<()> {
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => bail!("{system}: {error}"),
        None => Ok(()),
    }
}

/// The systems in the order of a round: each is first in turn.
fn turns<'a>(systems: &'a [&'static str], round: usize) -> impl Iterator<Item = &'static str> + use<'a> {
    (0..systems.len()).filter_map(move |at| systems.get((at + round) % systems.len()).copied())
}

#[expect(clippy::cast_precision_loss, reason = "at most five")]
fn share(found: &Value, relevant: &[String]) -> f64 {
    let found = found.as_array().map(Vec::as_slice).unwrap_or_default();
    let right =
        found.iter().filter_map(Value::as_str).filter(|place| relevant.iter().any(|one| one == place));
    right.count() as f64 / relevant.len().max(1) as f64
}

/// Times by system and round.
#[derive(Default)]
struct Rounds(BTreeMap<&'static str, Vec<Times>>);

impl Rounds {
    fn add(&mut self, system: &'static str, times: Times) {
        self.0.entry(system).or_default().push(times);
    }

    fn tell(&self, call: &str, forgets: bool, systems: &[&'static str]) -> Map<String, Value> {
        let how = if forgets { ", embedding each time" } else { "" };
        let rounds = |system: &str| self.0.get(system).map(Vec::as_slice).unwrap_or_default();
        let ours = rounds("ours");
        let mut told = Map::new();
        for system in systems {
            let theirs = rounds(system);
            let latency = Latency::of_rounds(theirs);
            let ratio =
                median(theirs.iter().zip(ours).map(|(theirs, ours)| theirs.p50() / ours.p50()).collect());
            say(&format!("  {call:<16} {system:<22} {latency}  {ratio:.2} of our p50{how}"));
            told.insert((*system).to_owned(), latency.json());
            told.insert(format!("{system}_p50_to_ours"), json!(rounded(ratio)));
        }
        told
    }
}
