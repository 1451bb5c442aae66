//! The `summarizer` function.

use model::Model;
use summarizer::Summarizer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    runtime::run(|config, _services| {
        Ok(Summarizer::new(Model::new(&config.model)?, config.summarizer_max_wait)?)
    })
    .await
}
