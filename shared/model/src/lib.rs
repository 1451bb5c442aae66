//! Language models and embedders: any OpenAI-compatible endpoint, or the built-in ones, which need no key and no
//! network. With the feature `local-embedder` also a sentence transformer from a directory.

mod api_keys;
mod config;
pub mod conversation;
pub mod dates;
mod embedder;
mod error;
mod model;
mod offered;
mod price;
mod provider;
mod schema;
pub mod text;
mod thinker;
pub mod tokens;
mod usage;

pub use api_keys::ApiKeys;
pub use config::{EmbedderConfig, Endpoint, ModelConfig};
#[cfg(feature = "local-embedder")]
pub use embedder::LocalEmbedder;
pub use embedder::{EmbeddedPassage, EmbeddedText, Embedder, EmbeddingEndpoint};
pub use error::Error;
pub use model::{Answer, Asked, Model, OpenAi, Question};
pub use offered::{OfferedModel, OfferedModels};
pub use price::{Cost, Price};
pub use schema::Schema;
pub use thinker::{Prompt, PromptFiles, Thinker};
pub use usage::Usage;
