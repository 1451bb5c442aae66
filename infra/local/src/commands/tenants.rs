use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

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
    /// Change settings of a tenant; the others stay.
    Set {
        /// What it is called.
        name: String,
        /// A field and its value as JSON, or as text where it is none: `model=built-in`, `agent_concurrency=4`,
        /// `lifetimes={"tool_state_seconds": 600}`. `null` is the deployment's again.
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = read_field)]
        fields: Vec<(String, Value)>,
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
            Command::Set { name, fields } => {
                let settings: Map<String, Value> = fields.into_iter().collect();
                let body = json!({ "settings": settings });
                // Whoever mistypes a name is told so, rather than given a new tenant.
                admin.send(Method::GET, &["tenants", &name], None).await?;
                let changed = admin.send(Method::PUT, &["tenants", &name], Some(&body)).await?;
                say(&serde_json::to_string_pretty(&changed)?);
            }
            Command::Show { name } => {
                let shown = admin.send(Method::GET, &["tenants", &name], None).await?;
                say(&serde_json::to_string_pretty(&shown)?);
            }
            Command::List { after, limit } => {
                let fields = Fields::default().with("after", after).with("limit", Some(limit));
                let answer = admin.get(&["tenants"], fields).await?;
                for tenant in list(&answer, "tenants") {
                    let (name, version) = (text(tenant, "tenant"), number(tenant, "version"));
                    say(&format!("{name}  settings of version {version}, {}", text(tenant, "updated_at")));
                }
            }
        }
        Ok(())
    }
}

/// `field=value`.
fn read_field(argument: &str) -> Result<(String, Value)> {
    let (field, value) = argument.split_once('=').context("expected FIELD=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_text| value.into());
    Ok((field.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_where_it_can_be_and_text_otherwise() {
        for (argument, field, value) in [
            ("model=built-in", "model", json!("built-in")),
            ("model=null", "model", Value::Null),
            ("agent_concurrency=4", "agent_concurrency", json!(4)),
            (r#"lifetimes={"tool_state_seconds": 600}"#, "lifetimes", json!({"tool_state_seconds": 600})),
            ("model=a=b", "model", json!("a=b")),
        ] {
            assert_eq!(read_field(argument).unwrap(), (field.to_owned(), value));
        }
        assert!(read_field("model").is_err());
    }
}
