use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;
use store::{DatabaseConfig, Role, Store};

use super::StateOption;
use super::terminal::say;

/// `cargo local adopt`
#[derive(Debug, Args)]
pub(crate) struct Adopt {
    #[command(flatten)]
    state: StateOption,
    /// The database, as an owner of the table and of the publication; that of the running stack when not given.
    #[arg(long, value_name = "URL", global = true)]
    database_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow a table, or take another entry for one that is followed.
    Table {
        /// The entry, a file of JSON; `-` for standard input.
        entry: PathBuf,
    },
    /// List the tables that are followed, with what became of their rows.
    List,
    /// Follow a table no more. What of it is stored stays.
    End {
        /// The table with its schema, such as public.messages.
        relation: String,
    },
}

impl Adopt {
    pub(crate) async fn run(self) -> Result<()> {
        let url = match self.database_url {
            Some(url) => url,
            None => self.state.open()?.endpoints()?.database_url,
        };
        let store = Store::new(&DatabaseConfig::parse(&url)?, Role::Login, 1)?;
        match self.command {
            Command::Table { entry } => {
                let adopted = store.adopt_table(&read(&entry)?).await?;
                say(&serde_json::to_string_pretty(&adopted)?);
            }
            Command::List => say(&serde_json::to_string_pretty(&store.adoptions().await?)?),
            Command::End { relation } => {
                if !store.end_adoption(&relation).await? {
                    bail!("{relation} is not followed");
                }
                say(&format!("{relation} is followed no more"));
            }
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<Value> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}
