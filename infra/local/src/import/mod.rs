//! Imports conversations: our JSON Lines, a ChatGPT export, a LoCoMo file.
//!
//! A session is inserted whole or not at all, and every turn carries an idempotency key, so an import that was cut off
//! is simply run again. Files are read as a stream: the largest thing held in memory is one session (JSON Lines) or
//! one entry of the file's array (the others).

mod array;
mod chatgpt;
mod insert;
mod json_lines;
mod locomo;
mod session;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use insert::Imported;
pub(crate) use insert::insert;
pub use session::{Session, Turn};

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One message a line: {"tenant", "user", "session", "role", "content", "speaker", "`occurred_at`"}.
    Jsonl,
    /// The `conversations.json` of a ChatGPT export.
    Chatgpt,
    /// A LoCoMo file: a list of long conversations between two people.
    Locomo,
}

/// For whom to import what does not say.
#[derive(Debug, Clone, Default)]
pub struct Owner {
    /// The tenant of turns that name none; `default` when absent.
    pub tenant: Option<String>,
    /// The user of turns that name none. A ChatGPT export names none at all.
    pub user: Option<String>,
}

impl Owner {
    fn tenant(&self) -> String {
        self.tenant.clone().unwrap_or_else(|| "default".to_owned())
    }
}

/// Tells the format of a file by its beginning.
pub fn detect(path: &Path) -> Result<Format> {
    let mut reader = open(path)?;
    loop {
        let buffer = reader.fill_buf()?;
        let Some(byte) = buffer.iter().find(|byte| !byte.is_ascii_whitespace()) else {
            if buffer.is_empty() {
                bail!("{} is empty", path.display());
            }
            let length = buffer.len();
            reader.consume(length);
            continue;
        };
        match byte {
            b'{' => return Ok(Format::Jsonl),
            b'[' => break,
            _ => bail!("{} is neither JSON Lines nor a JSON array", path.display()),
        }
    }
    let known = |key: &str| match key {
        "mapping" | "current_node" => Some(Format::Chatgpt),
        "conversation" | "sample_id" | "qa" => Some(Format::Locomo),
        _ => None,
    };
    array::first_known_key(reader, known)?
        .with_context(|| format!("the format of {} is not known; give it with --format", path.display()))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?))
}

/// Imports a file over `client`, which may insert for every tenant, and reports each session to `progress`.
///
/// # Errors
/// A file with a wrong line or entry is refused with the place and the field. Of JSON Lines nothing has then been
/// imported; of the others, the entries before it have been, whole.
pub async fn import(
    client: &mut tokio_postgres::Client,
    path: &Path,
    format: Format,
    owner: &Owner,
    mut progress: impl FnMut(&Imported),
) -> Result<Imported> {
    let (mut sessions, reading) = read(path, format, owner);
    let mut imported = Imported::default();
    while let Some(session) = sessions.recv().await {
        imported.add(insert(client, &session).await?, &session);
        progress(&imported);
    }
    drop(sessions);
    reading.await??;
    Ok(imported)
}

/// Every session of a file, to be inserted by the caller.
///
/// # Errors
/// As [`import`].
pub async fn sessions(path: &Path, format: Format, owner: &Owner) -> Result<Vec<Session>> {
    let (mut sessions, reading) = read(path, format, owner);
    let mut all = Vec::new();
    while let Some(session) = sessions.recv().await {
        all.push(session);
    }
    reading.await??;
    Ok(all)
}

/// Reads a file off the runtime, session by session.
fn read(path: &Path, format: Format, owner: &Owner) -> (mpsc::Receiver<Session>, JoinHandle<Result<()>>) {
    let (sender, sessions) = mpsc::channel(4);
    let (path, owner) = (path.to_owned(), owner.clone());
    let reading = tokio::task::spawn_blocking(move || match format {
        Format::Jsonl => json_lines::read(&path, &owner, &sender),
        Format::Chatgpt => {
            array::read(open(&path)?, "conversation", |entry| chatgpt::session(entry, &owner), &sender)
        }
        Format::Locomo => {
            array::read(open(&path)?, "sample", |entry| locomo::sessions(entry, &owner), &sender)
        }
    });
    (sessions, reading)
}

/// Hands a session on; false when nobody wants more.
fn hand_on(session: Session, sender: &mpsc::Sender<Session>) -> bool {
    sender.blocking_send(session).is_ok()
}

#[cfg(test)]
mod tests;
