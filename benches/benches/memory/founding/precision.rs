use std::collections::BTreeMap;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};

use super::{Hybrid, K, PostgresOnly, RedisOnly, Variant};
use crate::embeddings::Embeddings;
use crate::figures::{mean, processor_time, rounded};
use crate::say;
use crate::world::{Agent, Question, World};

/// Texts that are embedded together.
const BATCH: usize = 256;
/// Questions asked at once.
const AT_ONCE: usize = 4;
/// What a store that evicts still has of a history.
const REMEMBERED: usize = 50;

/// Embeds every turn and question once.
pub(crate) async fn embed_all(embeddings: &Embeddings, world: &World) -> Result<()> {
    let turns = world.agents.iter().flat_map(|agent| agent.turns.iter().map(|turn| turn.content.as_str()));
    let texts: Vec<&str> =
        turns.chain(world.questions().map(|(_, question)| question.text.as_str())).collect();
    for batch in texts.chunks(BATCH) {
        embeddings.of(batch).await?;
    }
    Ok(())
}

/// Shares of the five best answers that are among the five right ones, by topic.
#[derive(Default)]
struct Precision {
    all: Vec<f64>,
    by_topic: BTreeMap<&'static str, Vec<f64>>,
}

impl Precision {
    #[expect(clippy::cast_precision_loss, reason = "at most five")]
    fn add(&mut self, question: &Question, answers: &[(usize, i64)]) {
        let right = answers.iter().filter(|answer| question.relevant.contains(answer)).count();
        let share = right as f64 / K as f64;
        self.all.push(share);
        self.by_topic.entry(question.topic).or_default().push(share);
    }

    fn tell(&self, name: &str) -> Value {
        let topics: Map<String, Value> = self
            .by_topic
            .iter()
            .map(|(topic, shares)| ((*topic).to_owned(), json!(rounded(mean(shares)))))
            .collect();
        let each: Vec<String> =
            self.by_topic.iter().map(|(topic, shares)| format!("{topic} {:.2}", mean(shares))).collect();
        say(&format!("  precision@5 {name:<24} {:.3}  ({})", mean(&self.all), each.join(", ")));
        json!({"all": rounded(mean(&self.all)), "by_topic": topics})
    }
}

/// What every variant answers to every question.
#[expect(clippy::cast_precision_loss, reason = "some hundred questions")]
pub(super) async fn report(
    world: &World,
    embeddings: &Embeddings,
    hybrid: &Hybrid,
    postgres: &PostgresOnly,
    redis: &RedisOnly,
    show_misses: bool,
) -> Result<Value> {
    let mut report = Map::new();
    let dense =
        asked(world, |agent, question| in_memory(world, embeddings, agent, question, usize::MAX)).await?;
    report.insert("plain_cosine".to_owned(), dense.tell("plain cosine, exact"));
    let evicting =
        asked(world, |agent, question| in_memory(world, embeddings, agent, question, REMEMBERED)).await?;
    report.insert("plain_cosine_last_50".to_owned(), evicting.tell("of the last 50 turns"));
    let exact = asked(world, |agent, question| postgres.search_exactly(agent, question)).await?;
    report.insert("postgres_only_exact".to_owned(), exact.tell("postgres_only, exact"));
    let indexed = asked(world, |agent, question| postgres.search(agent, question)).await?;
    report.insert(postgres.name().to_owned(), indexed.tell(postgres.name()));
    let in_redis = asked(world, |agent, question| redis.search(agent, question)).await?;
    report.insert(redis.name().to_owned(), in_redis.tell(redis.name()));
    let before = processor_time();
    let ours = asked(world, |agent, question| hybrid.search(agent, question)).await?;
    let used =
        processor_time().zip(before).map(|(after, before)| (after - before) / ours.all.len().max(1) as f64);
    report.insert(hybrid.name().to_owned(), ours.tell(hybrid.name()));
    if let Some(used) = used {
        say(&format!("  processor time of a search, ours without Postgres: {used:.2} ms"));
        report.insert("processor_ms_per_search".to_owned(), json!(rounded(used)));
    }
    if show_misses {
        for (at, agent) in world.agents.iter().enumerate() {
            for (number, question) in agent.questions.iter().enumerate() {
                explain(agent, question, &hybrid.recall(at, number).await?);
            }
        }
    }
    Ok(Value::Object(report))
}

async fn asked<F: Future<Output = Result<Vec<(usize, i64)>>>>(
    world: &World,
    ask: impl Fn(usize, usize) -> F,
) -> Result<Precision> {
    let all = world.agents.iter().enumerate().flat_map(|(agent, of)| {
        of.questions.iter().enumerate().map(move |(number, question)| (agent, number, question))
    });
    let answers: Vec<(&Question, Vec<(usize, i64)>)> = stream::iter(all)
        .map(|(agent, number, question)| {
            let answer = ask(agent, number);
            async move { anyhow::Ok((question, answer.await?)) }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut precision = Precision::default();
    for (question, answer) in &answers {
        precision.add(question, answer);
    }
    Ok(precision)
}

/// The five turns nearest to a question among an agent's last ones, by nothing but the cosine.
async fn in_memory(
    world: &World,
    embeddings: &Embeddings,
    agent: usize,
    question: usize,
    last: usize,
) -> Result<Vec<(usize, i64)>> {
    let agent = world.agents.get(agent).context("no such agent")?;
    let question = agent.questions.get(question).context("no such question")?;
    let turns = agent.turns.get(agent.turns.len().saturating_sub(last)..).unwrap_or_default();
    let texts: Vec<&str> = turns.iter().map(|turn| turn.content.as_str()).collect();
    let [asked] =
        embeddings.of(&[&question.text]).await?.try_into().ok().context("one text has one vector")?;
    let vectors = embeddings.of(&texts).await?;
    let mut nearest: Vec<(f32, (usize, i64))> = turns
        .iter()
        .zip(&vectors)
        .map(|(turn, vector)| {
            let cosine = asked.iter().zip(vector.iter()).map(|(a, b)| a * b).sum();
            (cosine, (turn.session, turn.version))
        })
        .collect();
    nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(nearest.into_iter().take(K).map(|(_, place)| place).collect())
}

/// Says of a question what was missing and what came in its place, with the parts of its score.
fn explain(agent: &Agent, question: &Question, answer: &Value) {
    let empty = Vec::new();
    let events = answer.get("events").and_then(Value::as_array).unwrap_or(&empty);
    let place = |event: &Value| {
        let session = event
            .get("session")
            .and_then(Value::as_str)
            .and_then(|name| name.rsplit('-').next()?.parse::<usize>().ok());
        session.zip(event.get("version").and_then(Value::as_i64))
    };
    let is_right = |event: &Value| place(event).is_some_and(|place| question.relevant.contains(&place));
    if events.iter().all(is_right) {
        return;
    }
    say(&format!("{} asks: {}", agent.user, question.text));
    for event in events {
        let mark = if is_right(event) { "right" } else { "WRONG" };
        say(&format!(
            "  {mark} {} {}: {}  {}",
            event.get("session").and_then(Value::as_str).unwrap_or_default(),
            event.get("speaker").and_then(Value::as_str).unwrap_or_default(),
            event.get("content").and_then(Value::as_str).unwrap_or_default(),
            event.get("score").unwrap_or(&Value::Null)
        ));
    }
    let came: Vec<_> = events.iter().filter_map(place).collect();
    for turn in &agent.turns {
        let place = (turn.session, turn.version);
        if question.relevant.contains(&place) && !came.contains(&place) {
            say(&format!("  missed talk-{} {}: {}", turn.session, turn.speaker, turn.content));
        }
    }
}
