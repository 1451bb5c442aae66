//! The `notifier` function.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    notifier::run().await
}
