use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use eval::agents::Agents;
use eval::report::{Report, Section};
use eval::retrieval::{self, Configuration, Conversations};
use eval::{Malformed, actions, conll, entities, facts, json_lines, ratings, sentiment, summaries};
use model::{Embedder, EmbedderConfig, Model, ModelConfig};

/// Measure how well the agents think and how much recall finds, on labelled files. No stack has to run.
#[derive(Debug, Parser)]
#[command(name = "cargo local eval", bin_name = "cargo local eval", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the agents beside plain baselines: on our own labelled files, or on those that are given, and only those.
    Agents(OnFiles),
    /// Measure how much of what answers a question recall finds, through the whole pipeline: by words alone, with the
    /// built-in embedder, and with one that is given.
    Retrieval(OnConversations),
}

#[derive(Debug, Args)]
struct OnConversations {
    /// Conversations with questions, in LoCoMo's format.
    file: PathBuf,
    /// The directory of a sentence transformer to measure too.
    #[arg(long, value_name = "DIR")]
    embedder: Option<PathBuf>,
    /// Print the worst questions before the figures, with the rank at which each turn of their evidence came.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    explain: usize,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct OnFiles {
    /// Names in sentences: a token, a tab and its BIO tag a line, blank lines between sentences (WNUT-17).
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// Rated texts: an id, the mean rating from -4 to 4 and the text, tabs between (VADER's ground truth).
    #[arg(long, value_name = "FILE")]
    sentiment: Option<PathBuf>,
    /// Labelled conversations, JSON Lines as in tests/fixtures/eval/actions.jsonl. Several files are measured together
    /// and each on its own.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    actions: Vec<PathBuf>,
    /// Conversations with summaries: JSON Lines with `dialogue` and `summary`, or `summary1`, `summary2` … (`DialogSum`).
    #[arg(long, value_name = "FILE")]
    summaries: Option<PathBuf>,
    /// Conversations with what holds of the speakers, JSON Lines as in tests/fixtures/eval/facts.jsonl.
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// What thinks: the built-in model, or the one that `MODEL_URL`, `MODEL_NAME` and `MODEL_API_KEY` name.
    #[arg(long, value_enum, default_value_t = Thinker::BuiltIn)]
    model: Thinker,
    /// Print what was missed and what was wrong before the figures.
    #[arg(long)]
    mistakes: bool,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Thinker {
    /// Rules, no network.
    BuiltIn,
    /// An OpenAI-compatible endpoint, which costs money.
    Http,
}

pub(crate) async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Agents(command) => run_agents(command).await,
        Command::Retrieval(command) => Box::pin(run_retrieval(command)).await,
    }
}

async fn run_retrieval(command: OnConversations) -> Result<()> {
    let conversations = Conversations::read(&command.file).await?;
    for place in &conversations.left_out {
        note(&format!("{}: {place} names no turn, the question is left out", command.file.display()));
    }
    let mut configurations = vec![
        Configuration { name: "lexical".to_owned(), indexed_by: Embedder::BuiltIn, asked_by: None },
        Configuration {
            name: "built-in".to_owned(),
            indexed_by: Embedder::BuiltIn,
            asked_by: Some(Embedder::BuiltIn),
        },
    ];
    if let Some(directory) = &command.embedder {
        let embedder = Embedder::new(&EmbedderConfig::Local(directory.clone()))?;
        let name = embedder.name().to_owned();
        configurations.push(Configuration { name, indexed_by: embedder.clone(), asked_by: Some(embedder) });
    }
    // Why the pipeline failed is in its log.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let mut measured = Vec::new();
    for configuration in &configurations {
        // The bars below are only for terminals.
        let measuring = Box::pin(retrieval::measure(&conversations, configuration, note));
        let figures = measuring.await.with_context(|| configuration.name.clone())?;
        measured.push((configuration.name.clone(), figures));
    }
    let mut out = io::stdout().lock();
    if let Some((_, last)) = measured.last() {
        for line in retrieval::worst(&last.answered, command.explain) {
            let _ = writeln!(out, "{line}");
        }
    }
    let source = names(&[command.file]).concat();
    let report = retrieval::Report::new(source, conversations.left_out.len(), measured)
        .context("nothing was measured")?;
    let _ = writeln!(out, "{}", report.table());
    if command.json {
        let _ = writeln!(out, "{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

/// A line about what is going on.
fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

async fn run_agents(command: OnFiles) -> Result<()> {
    let agents = Agents::new(&model(command.model)?)?;
    let report = Box::pin(measure(&command, &agents)).await?;
    // A reader who has gone away is no error.
    let mut out = io::stdout().lock();
    if command.mistakes {
        for mistake in report.mistakes() {
            let _ = writeln!(out, "{mistake}");
        }
    }
    let _ = writeln!(out, "{}", report.table());
    if command.json {
        let _ = writeln!(out, "{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the environment")]
fn model(thinker: Thinker) -> Result<Model> {
    if thinker == Thinker::BuiltIn {
        return Ok(Model::BuiltIn);
    }
    let names = ["MODEL_URL", "MODEL_NAME", "MODEL_API_KEY", "MODEL_TIMEOUT_SECONDS"];
    let variables: HashMap<String, String> =
        names.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
    let config = ModelConfig::from_map(&variables)?;
    if matches!(config, ModelConfig::BuiltIn) {
        bail!("--model http needs MODEL_URL and MODEL_NAME");
    }
    Ok(Model::new(&config)?)
}

async fn measure(command: &OnFiles, agents: &Agents) -> Result<Report> {
    let mut report = Report::default();
    if let Some(files) = command.files(command.entities.as_slice(), "entities", "conll")? {
        let sentences = read(&files, conll::read)?.concat();
        report.entities = Some(section(agents, &files, entities::measure(agents, &sentences)).await?);
    }
    if let Some(files) = command.files(command.sentiment.as_slice(), "sentiment", "txt")? {
        let rated = read(&files, ratings::read)?.concat();
        report.sentiment = Some(section(agents, &files, sentiment::measure(agents, &rated)).await?);
    }
    if let Some(files) = command.files(&command.actions, "actions", "jsonl")? {
        let conversations: Vec<_> = names(&files).into_iter().zip(read(&files, json_lines)?).collect();
        report.actions = Some(section(agents, &files, actions::measure(agents, &conversations)).await?);
    }
    if let Some(files) = command.files(command.summaries.as_slice(), "summaries", "jsonl")? {
        let items = read(&files, summaries::read)?.concat();
        report.summaries = Some(section(agents, &files, summaries::measure(agents, &items)).await?);
    }
    if let Some(files) = command.files(command.facts.as_slice(), "facts", "jsonl")? {
        let conversations = read(&files, json_lines)?.concat();
        report.facts = Some(section(agents, &files, facts::measure(agents, &conversations)).await?);
    }
    Ok(report)
}

impl OnFiles {
    /// The files to measure something on: those given, or all our own when none are given for anything.
    fn files(&self, given: &[PathBuf], ours: &str, extension: &str) -> Result<Option<Vec<PathBuf>>> {
        if !given.is_empty() {
            return Ok(Some(given.to_vec()));
        }
        let one_of_each = [&self.entities, &self.sentiment, &self.summaries, &self.facts];
        let any_given = one_of_each.into_iter().any(Option::is_some) || !self.actions.is_empty();
        if any_given {
            return Ok(None);
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/eval");
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
                let is_ours =
                    name.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
                is_ours && path.extension().is_some_and(|other| other == extension)
            })
            .collect();
        files.sort();
        if files.is_empty() {
            bail!("{} has no {ours}*.{extension}", folder.display());
        }
        Ok(Some(files))
    }
}

fn read<T>(files: &[PathBuf], parse: fn(&str) -> Result<Vec<T>, Malformed>) -> Result<Vec<Vec<T>>> {
    let read = |file: &PathBuf| -> Result<Vec<T>> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let items = parse(&text).with_context(|| file.display().to_string())?;
        if items.is_empty() {
            bail!("{}: the file is empty", file.display());
        }
        Ok(items)
    };
    files.iter().map(read).collect()
}

/// What the files are called: their names, or their paths where two have one name.
fn names(files: &[PathBuf]) -> Vec<String> {
    let name = |file: &PathBuf| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let names: Vec<String> = files.iter().map(name).collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    if distinct.len() == names.len() {
        return names;
    }
    files.iter().map(|file| file.display().to_string()).collect()
}

async fn section<T>(
    agents: &Agents,
    files: &[PathBuf],
    measuring: impl Future<Output = Result<T, eval::agents::Error>>,
) -> Result<Section<T>> {
    let begun = Instant::now();
    let figures = measuring.await?;
    let spent = agents.spent();
    Ok(Section {
        sources: names(files),
        model: spent.model,
        input_tokens: spent.input_tokens,
        output_tokens: spent.output_tokens,
        seconds: begun.elapsed().as_secs_f64(),
        figures,
    })
}
