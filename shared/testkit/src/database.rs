use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use store::DatabaseConfig;
use store::migrate::{self, Slot};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use url::Url;
use uuid::Uuid;

use crate::servers;

/// One number for whoever prepares the template database, on the whole server.
const TEMPLATE_LOCK: i64 = 0x0af7_e7b0_0b1e;

/// A migrated database of its own, dropped with its replication slots when the test ends.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    server: &'static str,
}

impl TestDatabase {
    /// Creates a migrated database: a copy of one that was migrated once for this version of the schema.
    ///
    /// # Errors
    /// When Postgres cannot be fetched or started, or a migration fails.
    pub async fn create() -> Result<Self> {
        let server = servers::postgres().await?;
        let template = template(server).await?;
        Self::copy(server, Some(template)).await
    }

    /// Creates a database in which nothing has been migrated yet.
    pub async fn create_empty() -> Result<Self> {
        Self::copy(servers::postgres().await?, None).await
    }

    async fn copy(server: &'static str, template: Option<&str>) -> Result<Self> {
        let name = random_name();
        let admin = connect(server).await?;
        let template = template.unwrap_or("template1");
        admin.batch_execute(&format!("create database {name} template {template}")).await?;
        Ok(Self { url: with_database(server, &name)?, name, server })
    }

    /// How its superuser connects.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection as superuser, which row-level security does not bind.
    pub async fn client(&self) -> Result<Client> {
        connect(&self.url).await
    }

    /// Creates a logical replication slot for this database, and answers its name. Slots belong to the whole server,
    /// so its name is the database's.
    pub async fn create_slot(&self) -> Result<String> {
        let client = self.client().await?;
        client.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", &[&self.name]).await?;
        Ok(self.name.clone())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server, self.name.clone());
        // The test's own runtime may be shutting down, and its connections may still be open.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(drop_database(server, &name))
        });
        // A database left behind ends with its server; a failed test must show its own failure, not this one.
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
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(admin.batch_execute(&format!("drop database if exists {name} with (force)")).await?)
}

/// The name of the migrated template database, made by the first test that needs it.
async fn template(server: &'static str) -> Result<&'static str> {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let name = TEMPLATE
        .get_or_try_init(async || {
            let migrations = migrations()?;
            let texts: Vec<&str> = migrations.iter().map(String::as_str).collect();
            let name = format!("afterthought_template_{}", local::cache::fingerprint(&texts));
            let admin = connect(server).await?;
            admin.execute("select pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await?;
            let exists = admin.query_opt("select from pg_database where datname = $1", &[&name]).await?;
            if exists.is_none() {
                let building = format!("{name}_building");
                admin.batch_execute(&format!("drop database if exists {building} with (force)")).await?;
                admin.batch_execute(&format!("create database {building}")).await?;
                let config = DatabaseConfig::parse(&with_database(server, &building)?)?;
                migrate::run(&config, Slot::Untouched).await?;
                // The migrations' connection may take a moment to be gone.
                admin
                    .execute(
                        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1",
                        &[&building],
                    )
                    .await?;
                // Renamed only when it is complete: whoever finds the name finds a migrated database.
                admin.batch_execute(&format!("alter database {building} rename to {name}")).await?;
            }
            anyhow::Ok(name)
        })
        .await?;
    Ok(name)
}

fn migrations() -> Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    Ok(files.iter().map(fs::read_to_string).collect::<Result<_, _>>()?)
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> Result<String> {
    let mut url = Url::parse(url).context("the server's URL cannot be read")?;
    url.set_path(name);
    Ok(url.into())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("cannot connect to Postgres")?;
    tokio::spawn(connection);
    Ok(client)
}

#[expect(clippy::disallowed_methods, reason = "a name nobody else has")]
fn random_name() -> String {
    format!("afterthought_test_{}", Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_tests_have_databases_of_their_own() {
        let (one, two) = tokio::try_join!(TestDatabase::create(), TestDatabase::create()).unwrap();
        let insert = "insert into afterthought.messages (tenant, user_id, session, role, content) \
                      values ('default', 'ada', 'first', 'user', 'hello')";
        one.client().await.unwrap().batch_execute(insert).await.unwrap();
        let count = "select count(*) from afterthought.session_events";
        let in_one: i64 = one.client().await.unwrap().query_one(count, &[]).await.unwrap().get(0);
        let in_two: i64 = two.client().await.unwrap().query_one(count, &[]).await.unwrap().get(0);
        assert_eq!((in_one, in_two), (1, 0));
    }

    #[tokio::test]
    async fn a_database_goes_with_its_slots_and_open_connections() {
        let database = TestDatabase::create().await.unwrap();
        let (name, server) = (database.name().to_owned(), database.server);
        database.create_slot().await.unwrap();
        let open = database.client().await.unwrap();
        drop(database);
        let admin = connect(server).await.unwrap();
        let left = admin.query("select from pg_database where datname = $1", &[&name]).await.unwrap();
        assert_eq!(left.len(), 0);
        drop(open);
    }
}
