//! The `webhook` function.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    webhook::run().await
}
