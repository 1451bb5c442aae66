//! Databases that are made for one use and dropped after it.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls};
use url::Url;
use uuid::Uuid;

/// A database of its own on a server, dropped with its replication slots at the end of its use.
#[derive(Debug)]
pub struct OwnDatabase {
    name: String,
    url: String,
    server: String,
}

impl OwnDatabase {
    /// Creates a database on `server`, a superuser's URL, as a copy of `template`. Its name begins with `prefix`.
    pub async fn create(server: &str, prefix: &str, template: Option<&str>) -> Result<Self> {
        let name = random_name(prefix);
        let admin = connect(server).await?;
        let template = template.unwrap_or("template1");
        admin.batch_execute(&format!("create database {name} template {template}")).await?;
        Ok(Self { url: with_database(server, &name)?, name, server: server.to_owned() })
    }

    /// How its superuser connects.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // The runtime may be shutting down, and connections to the database may still be open.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(drop_database(&server, &name))
        });
        // A database left behind is no reason to hide what went wrong before.
        let _ = dropped.join();
    }
}

async fn drop_database(server: &str, name: &str) -> Result<()> {
    let admin = connect(server).await?;
    for _ in 0..50 {
        admin
            .execute(
                "select pg_terminate_backend(active_pid) from pg_replication_slots \
                 where database = $1 and active_pid is not null",
                &[&name],
            )
            .await?;
        let freed = admin
            .execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1",
                &[&name],
            )
            .await;
        if freed.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(admin.batch_execute(&format!("drop database if exists {name} with (force)")).await?)
}

/// The same server, another database.
pub fn with_database(url: &str, name: &str) -> Result<String> {
    let mut url = Url::parse(url).context("the server's URL cannot be read")?;
    url.set_path(name);
    Ok(url.into())
}

/// Connects without a pool. The URL's `sslmode` and `sslrootcert` are honoured.
pub async fn connect(url: &str) -> Result<Client> {
    let config = store::DatabaseConfig::parse(url)?;
    let driver = config.driver()?;
    let client = match store::client_config(config.ssl_mode())? {
        None => {
            let (client, connection) = driver.connect(NoTls).await.context("cannot connect to Postgres")?;
            tokio::spawn(connection);
            client
        }
        Some(tls) => {
            let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
            let (client, connection) = driver.connect(tls).await.context("cannot connect to Postgres")?;
            tokio::spawn(connection);
            client
        }
    };
    Ok(client)
}

#[expect(clippy::disallowed_methods, reason = "a name nobody else has")]
fn random_name(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}
