use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use local::import::{self, Format, Imported, Owner};

use super::StateOption;
use super::terminal::say;

/// `cargo local import`
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    state: StateOption,
    /// The file: our JSON Lines, a ChatGPT `conversations.json`, or a LoCoMo file.
    file: PathBuf,
    /// Its format, when it is not told right by its beginning.
    #[arg(long)]
    format: Option<Format>,
    /// The tenant of what names none.
    #[arg(long)]
    tenant: Option<String>,
    /// The user of what names none.
    #[arg(long)]
    user: Option<String>,
}

impl Import {
    pub(crate) async fn run(self) -> Result<()> {
        let endpoints = self.state.open()?.endpoints()?;
        let owner = Owner { tenant: self.tenant, user: self.user };
        let imported = import_file(&endpoints.database_url, &self.file, self.format, &owner).await?;
        say(&summary(&imported));
        Ok(())
    }
}

/// Imports a file into a database, counting on the terminal.
pub(crate) async fn import_file(
    database_url: &str,
    file: &Path,
    format: Option<Format>,
    owner: &Owner,
) -> Result<Imported> {
    let format = match format {
        Some(format) => format,
        None => import::detect(file)?,
    };
    let mut client = local::database::connect(database_url).await?;
    let counter = ProgressBar::new_spinner();
    let imported = import::import(&mut client, file, format, owner, |imported| {
        counter.set_message(format!("{} messages of {} sessions", imported.turns, imported.sessions));
        counter.tick();
    })
    .await;
    counter.finish_and_clear();
    imported
}

/// One line about an import.
pub(crate) fn summary(imported: &Imported) -> String {
    let Imported { sessions, turns, inserted } = imported;
    let known = turns - inserted;
    let known = if known > 0 { format!(", {known} were there already") } else { String::new() };
    format!("imported {inserted} messages of {sessions} sessions{known}")
}
