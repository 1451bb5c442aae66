//! cdc-reader: follows the replication slot and wakes the agents.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    cdc_reader::run().await
}
