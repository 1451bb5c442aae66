//! What keeps the search of memories whole and quick, apart from the migrations: each step may be interrupted and repeated.

use tokio_postgres::Client;
use uuid::Uuid;

use crate::Error;

/// So many memories at a time: a batch is a transaction, and holds its locks for a second at most.
const BATCH: i64 = 2_000;

/// Indexes memories that are from before there was an index of them, and answers how many batches that took.
pub(crate) async fn index_memories(client: &Client) -> Result<u64, Error> {
    let index = client.prepare(include_str!("../queries/index_memories_left_out.sql")).await?;
    let (mut after, mut batches) = (Uuid::nil(), 0);
    while let Some(last) = client.query_one(&index, &[&after, &BATCH]).await?.try_get("last")? {
        after = last;
        batches += 1;
    }
    Ok(batches)
}

/// Builds the graphs that large owners are searched by where they are missing, and answers how many statements that took.
/// They are built beside whatever goes on; one that was interrupted is dropped and built anew.
pub(crate) async fn build_graphs(client: &Client) -> Result<u64, Error> {
    client.execute(include_str!("../queries/mark_large_owners.sql"), &[]).await?;
    let enter = client.prepare(include_str!("../queries/enter_graph.sql")).await?;
    while client.execute(&enter, &[&BATCH]).await? > 0 {}
    let missing = client.query("select statement from afterthought.missing_graphs()", &[]).await?;
    for row in &missing {
        client.batch_execute(row.try_get("statement")?).await?;
    }
    Ok(missing.len() as u64)
}
