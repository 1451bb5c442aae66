use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use local::database::{OwnDatabase, connect, with_database};
use store::DatabaseConfig;
use store::migrate::{self, Slot};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

use crate::servers;

const PREFIX: &str = "afterthought_test";
/// One number for whoever prepares the template database, on the whole server.
const TEMPLATE_LOCK: i64 = 0x0af7_e7b0_0b1e;

/// A migrated database of its own, dropped with its replication slots when the test ends.
#[derive(Debug)]
pub struct TestDatabase {
    own: OwnDatabase,
}

impl TestDatabase {
    /// Creates a migrated database: a copy of one that was migrated once for this version of the schema.
    ///
    /// # Errors
    /// When Postgres cannot be fetched or started, or a migration fails.
    pub async fn create() -> Result<Self> {
        let server = servers::postgres().await?;
        let template = template(server).await?;
        Ok(Self { own: OwnDatabase::create(server, PREFIX, Some(template)).await? })
    }

    /// Creates a database in which nothing has been migrated yet.
    pub async fn create_empty() -> Result<Self> {
        Ok(Self { own: OwnDatabase::create(servers::postgres().await?, PREFIX, None).await? })
    }

    /// How its superuser connects.
    pub fn url(&self) -> &str {
        self.own.url()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.own.name()
    }

    /// A connection as superuser, which row-level security does not bind.
    pub async fn client(&self) -> Result<Client> {
        connect(self.url()).await
    }

    /// Creates a logical replication slot for this database, and answers its name. Slots belong to the whole server,
    /// so its name is the database's.
    pub async fn create_slot(&self) -> Result<String> {
        let name = self.name().to_owned();
        self.client()
            .await?
            .execute("select pg_create_logical_replication_slot($1, 'pgoutput')", &[&name])
            .await?;
        Ok(name)
    }
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
        let name = database.name().to_owned();
        database.create_slot().await.unwrap();
        let open = database.client().await.unwrap();
        drop(database);
        let admin = connect(servers::postgres().await.unwrap()).await.unwrap();
        let left = admin.query("select from pg_database where datname = $1", &[&name]).await.unwrap();
        assert_eq!(left.len(), 0);
        drop(open);
    }
}
