use serde::{Deserialize, Serialize};

use crate::provider::Provider;
use crate::{EmbedderConfig, Endpoint, Error, hashed};

/// How many texts one request carries.
const BATCH: usize = 64;
/// How much of one text is sent; providers reject texts beyond about 8,000 tokens.
const LONGEST_TEXT_BYTES: usize = 16 * 1024;

/// What turns texts into vectors of length 1, so that their dot product is their cosine.
#[derive(Debug, Clone)]
pub enum Embedder {
    /// Hashed words and character n-grams: no key, no network, 256 dimensions.
    BuiltIn,
    /// An OpenAI-compatible endpoint.
    OpenAi(EmbeddingEndpoint),
}

/// An embedding model behind `POST {EMBEDDER_URL}/embeddings`.
#[derive(Debug, Clone)]
pub struct EmbeddingEndpoint {
    provider: Provider,
    model: String,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [&'a str],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Embeddings {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Embedder {
    /// Builds the HTTP client, where one is needed; call it once, when the function starts.
    pub fn new(config: &EmbedderConfig) -> Result<Self, Error> {
        Ok(match config {
            EmbedderConfig::BuiltIn => Self::BuiltIn,
            EmbedderConfig::OpenAi(endpoint) => Self::OpenAi(EmbeddingEndpoint::new(endpoint)?),
        })
    }

    /// The name stored beside every vector. Vectors under different names must never be compared.
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn => hashed::NAME,
            Self::OpenAi(endpoint) => &endpoint.model,
        }
    }

    /// One vector per text, in the texts' order, all of the same dimension and of length 1.
    ///
    /// Texts are cut after 16 KiB. A text without words gets a vector too, one that is close to nothing.
    pub async fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        match self {
            Self::BuiltIn => Ok(texts.iter().map(|text| hashed::embed(cut(text))).collect()),
            Self::OpenAi(endpoint) => endpoint.embed(texts).await,
        }
    }
}

impl EmbeddingEndpoint {
    fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let provider = Provider::new(endpoint, &["embeddings"], ["EMBEDDER_URL", "EMBEDDER_API_KEY"])?;
        Ok(Self { provider, model: endpoint.model.clone() })
    }

    async fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        // Providers reject an empty text.
        let texts: Vec<&str> =
            texts.iter().map(|text| if text.trim().is_empty() { "." } else { cut(text) }).collect();
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            vectors.extend(self.embed_batch(batch).await?);
        }
        let dimension = vectors.first().map_or(0, Vec::len);
        if let Some(other) = vectors.iter().map(Vec::len).find(|length| *length != dimension) {
            return Err(Error::Invalid(format!("vectors of {dimension} and of {other} dimensions")));
        }
        Ok(vectors)
    }

    async fn embed_batch(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let request = Request { model: &self.model, input: texts, encoding_format: "float" };
        let Embeddings { mut data } = serde_json::from_value(self.provider.ask(&request).await?)
            .map_err(|_| Error::Transient("the answer is not a list of embeddings".to_owned()))?;
        if data.len() != texts.len() {
            return Err(Error::Transient(format!("{} vectors for {} texts", data.len(), texts.len())));
        }
        if data.iter().all(|embedding| embedding.index.is_some()) {
            data.sort_by_key(|embedding| embedding.index);
            if data.iter().enumerate().any(|(at, embedding)| embedding.index != Some(at)) {
                return Err(Error::Transient(format!("the indexes are not 0 to {}", texts.len() - 1)));
            }
        }
        data.into_iter().enumerate().map(|(at, embedding)| unit(at, embedding.embedding)).collect()
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
