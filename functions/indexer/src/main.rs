//! The `indexer` function.

use indexer::Indexer;
use model::Embedder;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    runtime::run(|config, services| {
        let embedder = Embedder::new(&config.embedder)?;
        Ok(Indexer::new(embedder, services.store.clone(), services.hot.clone(), services.now))
    })
    .await
}
