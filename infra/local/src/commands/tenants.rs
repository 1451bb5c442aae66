use anyhow::Result;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::StateOption;
use super::admin::{Admin, Fields, list, number, text};
use super::terminal::say;

/// `cargo local tenants`
#[derive(Debug, Args)]
pub(crate) struct Tenants {
    #[command(flatten)]
    state: StateOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a tenant, if it is not there.
    Create {
        /// What it is called.
        name: String,
    },
    /// Show a tenant with its settings.
    Show {
        /// What it is called.
        name: String,
    },
    /// List tenants by name.
    List {
        /// Go on after this one, the last of the page before.
        #[arg(long, value_name = "TENANT")]
        after: Option<String>,
        /// How many to show at most.
        #[arg(long, default_value_t = 100)]
        limit: u16,
    },
}

impl Tenants {
    pub(crate) async fn run(self) -> Result<()> {
        let admin = Admin::of(&self.state)?;
        match self.command {
            Command::Create { name } => {
                let made = admin.send(Method::PUT, &["tenants", &name], Some(&json!({}))).await?;
                say(&format!("{} is there since {}", text(&made, "tenant"), text(&made, "created_at")));
            }
            Command::Show { name } => {
                let shown = admin.send(Method::GET, &["tenants", &name], None).await?;
                say(&serde_json::to_string_pretty(&shown)?);
            }
            Command::List { after, limit } => {
                let fields = Fields::default().with("after", after).with("limit", Some(limit));
                let answer = admin.get("tenants", fields).await?;
                for tenant in list(&answer, "tenants") {
                    let (name, version) = (text(tenant, "tenant"), number(tenant, "version"));
                    say(&format!("{name}  settings of version {version}, {}", text(tenant, "updated_at")));
                }
            }
        }
        Ok(())
    }
}
