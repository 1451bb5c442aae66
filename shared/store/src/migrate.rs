//! Bringing a database to this version: schema, publication, replication slot, and what recall searches memories by.
//!
//! Safe to run at any time, by several at once: migrations are applied under an advisory lock, each in a transaction
//! of its own, and a landed one never changes (its checksum is kept and compared).

use std::time::Duration;

use include_dir::{Dir, include_dir};
use refinery::{Migration, Runner};
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{DatabaseConfig, Error, client_config, upkeep};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../migrations");

/// The oldest server whose publications can leave columns out, as `server_version_num`.
const OLDEST_SERVER: i32 = 150_000;
/// The oldest pgvector without known faults of its HNSW index.
const OLDEST_VECTOR: [u32; 3] = [0, 8, 4];
/// How long a run waits for graphs. They make some searches quicker and nothing else depends on them; the server finishes the
/// one it is at whether anybody waits or not, and the next run goes on with the rest.
const GRAPHS_WITHIN: Duration = Duration::from_mins(5);
/// Held while migrating, so that two deployments do not meet.
const ADVISORY_LOCK: i64 = 0x61_66_74_65_72;
const RESTART_BACKFILLS: &str = include_str!("../queries/restart_backfills.sql");

/// What a migration run did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Migrated {
    /// Names of the migrations applied now.
    pub applied: Vec<String>,
    /// Whether the slot was made now.
    pub slot_created: bool,
    /// Whether all graphs are there that users with very many memories are searched by, as far as this run knows. Those users
    /// are searched without, exactly and slower, until they are.
    pub graphs_built: bool,
}

/// What to do about the replication slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'a> {
    /// Make it when there is none.
    Ensure(&'a str),
    /// Drop it, lost or not, and make it anew. Nothing is missed: the reader sweeps when it starts, and reads adopted tables
    /// from their beginning.
    Recreate(&'a str),
    /// Leave slots alone.
    Untouched,
}

/// Applies what has not been applied, then sees to the slot, to memories that are not indexed yet, and to the graphs that
/// users with very many memories are searched by. The last two can take minutes the first time; interrupted, they go on with
/// the next run. Graphs are waited for five minutes at most.
pub async fn run(config: &DatabaseConfig, slot: Slot<'_>) -> Result<Migrated, Error> {
    let mut client = connect(config).await?;
    check_server(&client).await?;
    client.execute("select pg_advisory_lock($1)", &[&ADVISORY_LOCK]).await?;
    let runner = Runner::new(&migrations()?);
    let report = runner.run_async(&mut client).await.map_err(|error| Error::Migration(Box::new(error)))?;
    let applied = report.applied_migrations().iter().map(ToString::to_string).collect();
    let slot_created = see_to_slot(&client, slot).await?;
    upkeep::index_memories(&client).await?;
    client.execute("select pg_advisory_unlock($1)", &[&ADVISORY_LOCK]).await?;
    let builder = connect(config).await?;
    let graphs_built = match tokio::time::timeout(GRAPHS_WITHIN, upkeep::build_graphs(&builder)).await {
        Ok(built) => built?,
        Err(_elapsed) => false,
    };
    Ok(Migrated { applied, slot_created, graphs_built })
}

/// The number of the newest migration this code knows: what a database is at after [`run`].
pub fn newest() -> Result<i64, Error> {
    Ok(migrations()?.last().map_or(0, Migration::version))
}

async fn connect(config: &DatabaseConfig) -> Result<Client, Error> {
    let driver = config.driver()?;
    // The connection ends with its client.
    match client_config(config.ssl_mode())? {
        None => {
            let (client, connection) = driver.connect(NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        }
        Some(tls) => {
            let (client, connection) = driver.connect(MakeRustlsConnect::new(tls)).await?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

async fn check_server(client: &Client) -> Result<(), Error> {
    let row = client
        .query_one(
            "select current_setting('server_version_num')::int, current_setting('server_version'),
                    (select default_version from pg_available_extensions where name = 'vector'),
                    (select extversion from pg_extension where extname = 'vector')",
            &[],
        )
        .await?;
    let (number, version): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if number < OLDEST_SERVER {
        return Err(Error::Server(format!("the server is Postgres {version}, expected 15 or newer")));
    }
    let (available, installed): (Option<String>, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
    match installed.or(available) {
        None => Err(Error::Server(
            "the server does not offer the extension `vector`: install pgvector 0.8.4 or newer".into(),
        )),
        Some(vector) if !is_at_least(&vector, OLDEST_VECTOR) => Err(Error::Server(format!(
            "pgvector is {vector}, expected 0.8.4 or newer (older ones have faulty HNSW indexes): update it, then `alter extension vector update`"
        ))),
        Some(_) => Ok(()),
    }
}

fn is_at_least(version: &str, least: [u32; 3]) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default);
    found >= least
}

/// The files of `migrations/`, `NNNN_<what>.sql`, as the runner's own names, `VNNNN__<what>`.
fn migrations() -> Result<Vec<Migration>, Error> {
    let mut files: Vec<(&str, &str)> = MIGRATIONS
        .files()
        .filter_map(|file| {
            Some((file.path().file_name()?.to_str()?.strip_suffix(".sql")?, file.contents_utf8()?))
        })
        .collect();
    files.sort_unstable();
    files
        .into_iter()
        .map(|(name, sql)| {
            let name = format!("V{}", name.replacen('_', "__", 1));
            Migration::unapplied(&name, sql).map_err(|error| Error::Migration(Box::new(error)))
        })
        .collect()
}

async fn see_to_slot(client: &Client, slot: Slot<'_>) -> Result<bool, Error> {
    let name = match slot {
        Slot::Untouched => return Ok(false),
        Slot::Recreate(name) => {
            client
                .execute(
                    "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1",
                    &[&name],
                )
                .await?;
            name
        }
        Slot::Ensure(name) => name,
    };
    let level: String = client.query_one("select current_setting('wal_level')", &[]).await?.try_get(0)?;
    if level != "logical" {
        return Err(Error::Server(format!(
            "wal_level is {level}, expected logical: set it and restart the server (on RDS: rds.logical_replication = 1)"
        )));
    }
    let existing =
        client.query_opt("select database from pg_replication_slots where slot_name = $1", &[&name]).await?;
    if let Some(row) = existing {
        let (database, here): (Option<String>, String) =
            (row.try_get(0)?, client.query_one("select current_database()", &[]).await?.try_get(0)?);
        if database.as_deref() != Some(here.as_str()) {
            return Err(Error::Server(format!(
                "replication slot {name:?} belongs to database {database:?}, expected {here:?}: choose another CDC_SLOT"
            )));
        }
        // A run that made it may have ended before it could say so.
        client.execute(RESTART_BACKFILLS, &[&false, &false]).await?;
        return Ok(false);
    }
    // Making a slot waits for every open transaction and cannot be undone with what is done beside it, so a run may end in
    // between. Before: whoever follows the new slot reads every table from its beginning, even if this run is gone by then.
    // After: who followed the old one may have gone on reading, and be through with a table before rows came that are in
    // neither slot. The mark has the next run do it, if this one cannot.
    client.execute(RESTART_BACKFILLS, &[&true, &true]).await?;
    client.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", &[&name]).await?;
    client.execute(RESTART_BACKFILLS, &[&true, &false]).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_migrations_is_numbered_without_a_gap() {
        let versions: Vec<i64> = migrations().unwrap().iter().map(Migration::version).collect();
        let expected: Vec<i64> = (1..=i64::try_from(versions.len()).unwrap()).collect();
        assert_eq!(versions, expected);
        assert!(!versions.is_empty());
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(is_at_least("0.8.10", OLDEST_VECTOR));
        assert!(is_at_least("1.0", OLDEST_VECTOR));
        assert!(!is_at_least("0.8.3", OLDEST_VECTOR));
        assert!(!is_at_least("0.7.4", OLDEST_VECTOR));
    }
}
