//! Language models and embedders: any OpenAI-compatible endpoint, or the built-in ones, which need no key and no
//! network.

mod config;
pub mod dates;
mod embedder;
mod error;
mod hashed;
mod model;
mod provider;
mod schema;
pub mod text;
pub mod tokens;
mod usage;

pub use config::{EmbedderConfig, Endpoint, ModelConfig};
pub use embedder::{Embedder, EmbeddingEndpoint};
pub use error::Error;
pub use model::{Answer, Model, OpenAi, Question};
pub use schema::Schema;
pub use usage::Usage;
