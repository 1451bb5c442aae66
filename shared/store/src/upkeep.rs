//! What keeps the search of memories whole and quick, apart from the migrations: each step may be interrupted and repeated.

use std::time::Duration;

use tokio_postgres::Client;
use uuid::Uuid;

use crate::Error;

/// So many memories at a time: a batch is a transaction, and holds its locks for a second at most.
const BATCH: usize = 2_000;
/// What `afterthought.upkeep` calls the index of memories from before there was one.
const INDEXED: &str = "memories indexed";
/// Held while graphs are built, so that nobody takes one that is being built for one that was given up.
const GRAPHS_LOCK: i64 = 0x67_72_61_70_68;
/// How often it is looked whether the transactions of before have ended.
const POLL: Duration = Duration::from_millis(100);

/// Indexes memories that are from before there was an index of them, and answers how many batches that took. Since then the
/// index follows by itself, so this is done once.
pub(crate) async fn index_memories(client: &Client) -> Result<u64, Error> {
    if client.query_one(include_str!("../queries/find_upkeep.sql"), &[&INDEXED]).await?.try_get("is_done")? {
        return Ok(0);
    }
    let index = client.prepare(include_str!("../queries/index_memories_left_out.sql")).await?;
    let (mut after, mut batches) = (Uuid::nil(), 0);
    let batch_size = i64::try_from(BATCH).unwrap_or(i64::MAX);
    while let Some(last) = client.query_one(&index, &[&after, &batch_size]).await?.try_get("last")? {
        after = last;
        batches += 1;
    }
    client.execute(include_str!("../queries/insert_upkeep.sql"), &[&INDEXED]).await?;
    Ok(batches)
}

/// Builds the graphs that large owners are searched by where they are missing, beside whatever goes on; one that was given up
/// is dropped and built anew. Answers whether they are all there now: not, while another connection does the same.
///
/// The client must be of a connection of its own: dropped in the middle, the server finishes the graph it is at.
pub(crate) async fn build_graphs(client: &Client) -> Result<bool, Error> {
    client.batch_execute("set client_connection_check_interval = 0; set statement_timeout = 0").await?;
    let lock = client.query_one("select pg_try_advisory_lock($1)", &[&GRAPHS_LOCK]).await?;
    if !lock.try_get::<_, bool>(0)? {
        return Ok(false);
    }
    client.execute(include_str!("../queries/mark_large_owners.sql"), &[]).await?;
    enter_graphs(client).await?;
    for row in client.query("select statement from afterthought.missing_graphs()", &[]).await? {
        client.batch_execute(row.try_get("statement")?).await?;
    }
    client.execute("select pg_advisory_unlock($1)", &[&GRAPHS_LOCK]).await?;
    Ok(true)
}

/// Puts everything of the owners marked into the graph.
async fn enter_graphs(client: &Client) -> Result<(), Error> {
    let owners = client.query(include_str!("../queries/list_entering_owners.sql"), &[]).await?;
    if owners.is_empty() {
        return Ok(());
    }
    // A transaction that did not see the mark has put memories in without it, and they are seen only when it has ended.
    let moment: String = client.query_one("select pg_current_xact_id()::text", &[]).await?.try_get(0)?;
    let ended = "select pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8";
    while !client.query_one(ended, &[&moment]).await?.try_get::<_, bool>(0)? {
        tokio::time::sleep(POLL).await;
    }
    let enter = client.prepare(include_str!("../queries/enter_graph.sql")).await?;
    for row in &owners {
        let (tenant, owner): (&str, &str) = (row.try_get("tenant")?, row.try_get("owner")?);
        let entering =
            client.query(include_str!("../queries/list_entering_memories.sql"), &[&tenant, &owner]).await?;
        let entering: Vec<Uuid> =
            entering.iter().map(|row| row.try_get("memory_id")).collect::<Result<_, _>>()?;
        for batch in entering.chunks(BATCH) {
            client.execute(&enter, &[&batch]).await?;
        }
        client.execute(include_str!("../queries/mark_entered.sql"), &[&tenant, &owner]).await?;
    }
    Ok(())
}
