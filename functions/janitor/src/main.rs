//! The `janitor` function.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    janitor::run().await
}
