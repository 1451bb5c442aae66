//! The `sentiment-analyzer` function.

use model::Model;
use sentiment_analyzer::SentimentAnalyzer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    runtime::run(|config, _services| {
        Ok(SentimentAnalyzer::new(Model::new(&config.model)?, config.summarizer_max_wait)?)
    })
    .await
}
