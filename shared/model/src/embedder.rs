mod endpoint;
mod hashed;
#[cfg(feature = "local-embedder")]
mod local;
mod passages;

use std::path::Path;
#[cfg(feature = "local-embedder")]
use std::sync::Arc;

pub use self::endpoint::EmbeddingEndpoint;
#[cfg(feature = "local-embedder")]
pub use self::local::LocalEmbedder;
pub use self::passages::{EmbeddedPassage, EmbeddedText};
use crate::{EmbedderConfig, Error};

/// How much of one text is looked at; providers reject texts beyond about 8,000 tokens.
const LONGEST_TEXT_BYTES: usize = 16 * 1024;

/// What turns texts into vectors of length 1, so that their dot product is their cosine.
#[derive(Debug, Clone)]
pub enum Embedder {
    /// Hashed words and character n-grams: no key, no network, 256 dimensions.
    BuiltIn,
    /// An OpenAI-compatible endpoint.
    OpenAi(EmbeddingEndpoint),
    /// A sentence transformer in this process. Only with the feature `local-embedder`.
    #[cfg(feature = "local-embedder")]
    Local(Arc<LocalEmbedder>),
}

impl Embedder {
    /// Builds the HTTP client or reads the weights, where there are any; call it once, when the function starts.
    ///
    /// Reading 90 MB of weights takes about a quarter of a second, in which the thread does nothing else.
    pub fn new(config: &EmbedderConfig) -> Result<Self, Error> {
        match config {
            EmbedderConfig::BuiltIn => Ok(Self::BuiltIn),
            EmbedderConfig::OpenAi(endpoint) => EmbeddingEndpoint::new(endpoint).map(Self::OpenAi),
            EmbedderConfig::Local(directory) => Self::local(directory),
        }
    }

    #[cfg(feature = "local-embedder")]
    fn local(directory: &Path) -> Result<Self, Error> {
        LocalEmbedder::open(directory).map(|embedder| Self::Local(Arc::new(embedder)))
    }

    #[cfg(not(feature = "local-embedder"))]
    fn local(_: &Path) -> Result<Self, Error> {
        Err(Error::Configuration(
            "EMBEDDER is set, but this program was built without the feature `local-embedder`".to_owned(),
        ))
    }

    /// The name stored beside every vector. Vectors under different names must never be compared.
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn => hashed::NAME,
            Self::OpenAi(endpoint) => &endpoint.model,
            #[cfg(feature = "local-embedder")]
            Self::Local(embedder) => embedder.name(),
        }
    }

    /// Whether its vectors are near where texts mean the same in other words, and not only where they share words.
    pub const fn knows_meaning(&self) -> bool {
        !matches!(self, Self::BuiltIn)
    }

    /// One vector per text, in the texts' order, all of the same dimension and of length 1.
    ///
    /// Texts are cut after 16 KiB. A local embedder reads one of more tokens than it was made for window by window and answers
    /// the mean; [`Embedder::embed_passages`] has more. A text without words gets a vector too, one that is close to nothing.
    pub async fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        match self {
            Self::BuiltIn => Ok(texts.iter().map(|text| hashed::embed(cut(text))).collect()),
            Self::OpenAi(endpoint) => endpoint.embed(texts).await,
            #[cfg(feature = "local-embedder")]
            Self::Local(embedder) => {
                local::embed_aside(embedder, texts.iter().map(|text| cut(text).to_owned()).collect()).await
            }
        }
    }
}

/// The vector scaled to length 1.
fn unit(at: usize, mut vector: Vec<f32>) -> Result<Vec<f32>, Error> {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(Error::Invalid(format!("vector {at} has no direction")));
    }
    for x in &mut vector {
        #[expect(clippy::cast_possible_truncation, reason = "at most 1 after the division")]
        {
            *x = (f64::from(*x) / length) as f32;
        }
    }
    Ok(vector)
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_TEXT_BYTES)).unwrap_or(text)
}

#[cfg(all(test, not(feature = "local-embedder")))]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_feature_says_so() {
        let error = Embedder::new(&EmbedderConfig::Local("/opt/minilm".into())).unwrap_err();
        assert!(matches!(&error, Error::Configuration(text) if text.contains("EMBEDDER")), "{error}");
    }
}
