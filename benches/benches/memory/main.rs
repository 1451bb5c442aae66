//! The memory of many agents side by side: ours, Postgres alone, Redis alone, and two libraries of others, on one machine
//! in one run: `cargo bench -p benches --bench memory -- founding scale peers --json`. docs/BENCHMARKS.md says what is
//! compared with what, and what the figures do not say.
//!
//! Passes of a round follow each other directly and take turns in going first; what is reported are medians over rounds.

mod embeddings;
mod figures;
mod founding;
mod peers;
mod place;
mod product;
mod scale;
mod world;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value, json};

use embeddings::Embeddings;
use place::Place;

/// Measures memory: hot reads, latest events, semantic searches, their answers and what they take.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; everything when none is named.
    sections: Vec<Section>,
    /// The directory of a sentence transformer (`MiniLM`); the built-in embedder without it.
    #[arg(long)]
    embedder: Option<PathBuf>,
    /// Of the made-up conversations.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Megabytes of shared buffers of the Postgres that the run starts.
    #[arg(long, default_value_t = 128)]
    shared_buffers: u32,
    #[command(flatten)]
    founding: founding::FoundingSizes,
    #[command(flatten)]
    scale: scale::ScaleSizes,
    #[command(flatten)]
    peers: peers::PeerSizes,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Many agents with a history each: hybrid, Postgres alone, Redis alone.
    Founding,
    /// Semantic search over up to a million memories.
    Scale,
    /// mem0 and `LangGraph`'s store and checkpointer on the same Postgres.
    Peers,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wants = |section| arguments.sections.is_empty() || arguments.sections.contains(&section);
    let place = Place::start(arguments.shared_buffers).await?;
    let mut report = Map::new();
    if place.log.is_some() {
        report.insert("shared_buffers_megabytes".to_owned(), json!(arguments.shared_buffers));
    }
    report.insert("load_average".to_owned(), json!(place::load_average()));
    say(&format!("load average at the start: {}", place::load_average()));
    if wants(Section::Founding) || wants(Section::Peers) {
        let embeddings = Embeddings::open(arguments.embedder.as_deref())?;
        say(&format!("embedder: {}", embeddings.name()));
        report.insert("embedder".to_owned(), json!(embeddings.name()));
        if wants(Section::Founding) {
            let figures = founding::run(&place, &embeddings, arguments.seed, &arguments.founding).await?;
            report.insert("founding".to_owned(), figures);
        }
        if wants(Section::Peers) {
            let figures = Box::pin(peers::run(&place, &embeddings, arguments.seed, &arguments.peers)).await?;
            report.insert("peers".to_owned(), figures);
        }
    }
    if wants(Section::Scale) {
        report.insert("scale".to_owned(), scale::run(&place, arguments.seed, &arguments.scale).await?);
    }
    report.insert("load_average_at_the_end".to_owned(), json!(place::load_average()));
    if arguments.json {
        say(&Value::Object(report).to_string());
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report of a benchmark")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
