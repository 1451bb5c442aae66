//! The `ingester` function.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    ingester::run().await
}
