use std::fmt::Write as _;

use anyhow::Result;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::StateOption;
use super::admin::{Admin, list, text};
use super::terminal::say;

/// `cargo local keys`
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(flatten)]
    state: StateOption,
    /// The keys' tenant.
    #[arg(long, default_value = "default", global = true)]
    tenant: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and show it, this once.
    Create {
        /// What it is called.
        #[arg(long)]
        name: String,
        /// What it may do: read, ingest or admin; may be given more than once.
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// When it expires, such as 2027-01-15T00:00:00Z; never when not given.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// List the keys, never what they are.
    List,
    /// Revoke a key.
    Revoke {
        /// The key, by its id.
        id: String,
    },
}

impl Keys {
    pub(crate) async fn run(self) -> Result<()> {
        let admin = Admin::of(&self.state)?;
        let keys = ["tenants", self.tenant.as_str(), "keys"];
        match self.command {
            Command::Create { name, scopes, expires_at } => {
                let asked = json!({"name": name, "scopes": scopes, "expires_at": expires_at});
                let made = admin.send(Method::POST, &keys, Some(&asked)).await?;
                say(&format!("{}\n{}", text(&made, "key"), readable(&made)));
            }
            Command::List => {
                let answer = admin.send(Method::GET, &keys, None).await?;
                let lines: Vec<String> = list(&answer, "keys").iter().map(readable).collect();
                say(&if lines.is_empty() { "there are no keys".to_owned() } else { lines.join("\n") });
            }
            Command::Revoke { id } => {
                let [tenants, tenant, keys] = keys;
                admin.send(Method::DELETE, &[tenants, tenant, keys, &id], None).await?;
                say("revoked; other processes refuse it within 30 seconds");
            }
        }
        Ok(())
    }
}

/// A key in one line.
fn readable(key: &Value) -> String {
    let scopes: Vec<&str> = list(key, "scopes").iter().filter_map(Value::as_str).collect();
    let (id, status, hint, name) =
        (text(key, "id"), text(key, "status"), text(key, "hint"), text(key, "name"));
    let mut line = format!("{id}  {status:<8}  {hint}…  {:<18}  {name}", scopes.join(","));
    for (field, words) in [("expires_at", "expires"), ("last_used_at", "last used")] {
        let at = text(key, field);
        if !at.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(line, "  {words} {}", at.get(..16).unwrap_or(at));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_line_without_what_it_is() {
        let key = json!({"id": "1", "status": "active", "hint": "aft_abcdef", "name": "ci", "scopes": ["ingest", "read"],
                         "key": "aft_abcdefghi", "last_used_at": "2026-02-10T09:00:05Z", "expires_at": null});
        let line = readable(&key);
        assert!(line.contains("ingest,read") && line.contains("last used 2026-02-10T09:00"), "{line}");
        assert!(!line.contains("aft_abcdefghi") && !line.contains("expires"), "{line}");
    }
}
