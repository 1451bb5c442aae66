//! Language models and embedders: any OpenAI-compatible endpoint, or the built-in ones, which need no key and no
//! network.

mod error;
mod usage;

pub use error::{Disposition, Error};
pub use usage::Usage;
