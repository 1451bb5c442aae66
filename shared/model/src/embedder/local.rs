//! A sentence transformer of the BERT family in this process: the text's tokens through the encoder, the tokens' vectors
//! pooled into one (Reimers and Gurevych, "Sentence-BERT", 2019). A text of more tokens than the encoder was made for goes
//! through it in passages, whose vectors are averaged.

mod directory;
mod weights;

use std::path::Path;
use std::sync::Arc;

use candle_core::{D, Device, Tensor};
use candle_transformers::models::bert::BertModel;
use tokenizers::{Encoding, Tokenizer, TruncationDirection};

use self::directory::{Directory, Pooling};
use super::unit;
use crate::Error;

/// How many tokens go through the encoder at once. A batch reads the weights once for all of its texts; what it takes
/// beside them grows with its tokens.
const BATCH_TOKENS: usize = 512;

/// A sentence transformer, ready to embed.
pub struct LocalEmbedder {
    name: String,
    tokenizer: Tokenizer,
    /// How many tokens of a text a passage has, without those added to every passage.
    passage_tokens: usize,
    model: BertModel,
    pooling: Pooling,
    lowercases: bool,
    padding_token: u32,
}

/// A text, or a passage of a long one, as the encoder sees it.
#[derive(Clone)]
struct Tokens {
    /// The text's place among the texts.
    at: usize,
    ids: Vec<u32>,
    kinds: Vec<u32>,
}

impl LocalEmbedder {
    /// Reads the directory of a sentence transformer: `config.json`, `tokenizer.json` and `model.safetensors`, and, where
    /// they are, `modules.json`, `1_Pooling/config.json` and `sentence_bert_config.json`.
    ///
    /// Whatever cannot work is an [`Error::Configuration`] that names the file and what was expected of it.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let directory = Directory::open(directory)?;
        let weights = directory.read_weights()?;
        let (tokenizer, passage_tokens) = directory.tokenizer()?;
        let embedder = Self {
            name: directory.name(&weights),
            tokenizer,
            passage_tokens,
            model: weights::model(&weights, &directory)?,
            pooling: directory.pooling,
            lowercases: directory.lowercases,
            padding_token: directory.padding_token()?,
        };
        drop(weights);
        // A first text shows what nothing before could, such as weights that are not numbers.
        match embedder.embed(&["."], || true) {
            Ok(_) => Ok(embedder),
            Err(error) => {
                Err(directory.wrong("model.safetensors", &format!("weights that embed, but {error}")))
            }
        }
    }

    /// `local/bert-384@` and the first 12 hexadecimal digits of the SHA-256 of everything that shapes a vector.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One vector per text, in the texts' order. A text's vector depends on nothing but the text: only passages of equally
    /// many tokens share a batch, so none is padded. The vector of a text of several passages is the mean of theirs, each
    /// of length 1 and counting as much as it has tokens.
    ///
    /// Between batches it looks whether the vectors are still `wanted`, and gives up when not.
    pub fn embed(&self, texts: &[&str], wanted: impl Fn() -> bool) -> Result<Vec<Vec<f32>>, Error> {
        let passages = texts
            .iter()
            .enumerate()
            .map(|(at, text)| self.passages(at, text))
            .collect::<Result<Vec<_>, _>>()?;
        let mut passages = passages.concat();
        passages.sort_by_key(|tokens| tokens.ids.len());
        let mut sums: Vec<Vec<f32>> = vec![Vec::new(); texts.len()];
        for alike in passages.chunk_by(|one, other| one.ids.len() == other.ids.len()) {
            let length = alike.first().map_or(1, |tokens| tokens.ids.len());
            for batch in alike.chunks((BATCH_TOKENS / length).max(1)) {
                if !wanted() {
                    return Err(Error::Transient("nobody waits for the vectors any more".to_owned()));
                }
                let made = self.encode(batch, length).map_err(|error| Error::Invalid(chain(&error)))?;
                for (tokens, vector) in batch.iter().zip(made) {
                    if let Some(sum) = sums.get_mut(tokens.at) {
                        add(sum, &unit(tokens.at, vector)?, tokens.ids.len());
                    }
                }
            }
        }
        sums.into_iter().enumerate().map(|(at, sum)| unit(at, sum)).collect()
    }

    /// The text in passages of as many tokens as the encoder takes; of most texts there is one.
    fn passages(&self, at: usize, text: &str) -> Result<Vec<Tokens>, Error> {
        let encoded = if self.lowercases {
            self.tokenizer.encode_fast(text.to_lowercase(), false)
        } else {
            self.tokenizer.encode_fast(text, false)
        };
        // A tokeniser that truncates by itself stops reading, and what is left over is not all there is.
        let encoded = encoded
            .and_then(|mut encoded| {
                encoded.truncate(self.passage_tokens, 0, TruncationDirection::Right);
                self.tokenizer.post_process(encoded, None, true)
            })
            .map_err(|_| Error::Invalid(format!("text {at} cannot be tokenised")))?;
        let tokens = |passage: &Encoding| {
            let (mut ids, mut kinds) = (passage.get_ids().to_vec(), passage.get_type_ids().to_vec());
            if ids.is_empty() {
                // A tokeniser that adds nothing has nothing to say of an empty text.
                (ids, kinds) = (vec![self.padding_token], vec![0]);
            }
            Tokens { at, ids, kinds }
        };
        Ok(std::iter::once(&encoded).chain(encoded.get_overflowing()).map(tokens).collect())
    }

    /// One vector per text of `length` tokens each, not yet of length 1.
    fn encode(&self, batch: &[Tokens], length: usize) -> candle_core::Result<Vec<Vec<f32>>> {
        let stacked = |of: fn(&Tokens) -> &[u32]| {
            let all: Vec<u32> = batch.iter().flat_map(|tokens| of(tokens).iter().copied()).collect();
            Tensor::from_vec(all, (batch.len(), length), &Device::Cpu)
        };
        let (ids, kinds) = (stacked(|tokens| &tokens.ids)?, stacked(|tokens| &tokens.kinds)?);
        let encoded = self.model.forward(&ids, &kinds, None)?;
        match self.pooling {
            Pooling::Mean => encoded.mean(D::Minus2)?,
            Pooling::First => encoded.narrow(D::Minus2, 0, 1)?.squeeze(D::Minus2)?,
        }
        .to_vec2()
    }
}

/// Adds a passage's vector to those of its text before, counting as much as it has tokens.
#[expect(clippy::cast_precision_loss, reason = "a passage has some hundred tokens")]
fn add(sum: &mut Vec<f32>, vector: &[f32], tokens: usize) {
    sum.resize(vector.len(), 0.0);
    for (sum, x) in sum.iter_mut().zip(vector) {
        *sum += tokens as f32 * x;
    }
}

impl std::fmt::Debug for LocalEmbedder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LocalEmbedder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Embeds on a thread of its own kind, so that the threads of the runtime go on. When the caller goes away, the work ends
/// with the batch it is at.
pub(super) async fn embed_aside(
    embedder: &Arc<LocalEmbedder>,
    texts: Vec<String>,
) -> Result<Vec<Vec<f32>>, Error> {
    let embedder = Arc::clone(embedder);
    let caller = Arc::new(());
    let waits = Arc::downgrade(&caller);
    let work = tokio::task::spawn_blocking(move || {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        embedder.embed(&texts, || waits.strong_count() > 0)
    });
    let made = work.await;
    drop(caller);
    match made {
        Ok(vectors) => vectors,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Transient("the process is ending".to_owned())),
        },
    }
}

/// An error of candle on one line: its own text comes with a backtrace where backtraces are on.
fn chain(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
