//! The `recall` function.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    recall::run().await
}
