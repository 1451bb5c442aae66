use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use candle_transformers::models::bert::Config;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use crate::Error;

/// How many tokens of a text are looked at when the directory does not say.
const USUAL_TOKENS: usize = 256;
/// Part of every name: counts up when the same files would give other vectors.
const VERSION: &str = "2";

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const MODULES: &str = "modules.json";
const SENTENCES: &str = "sentence_bert_config.json";
/// The weights.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one, of the token `[CLS]`.
    First,
}

/// The directory of a sentence transformer, with everything but its weights read.
pub(super) struct Directory {
    path: PathBuf,
    pub(super) config: Config,
    pub(super) pooling: Pooling,
    pub(super) lowercases: bool,
    tokens: usize,
    config_bytes: Vec<u8>,
    tokenizer_bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

#[derive(Default, Deserialize)]
struct Sentences {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if !path.is_dir() {
            return Err(Error::Configuration(format!(
                "EMBEDDER is {:?}, expected the directory of a sentence transformer",
                path.display()
            )));
        }
        let mut directory = Self {
            path: path.to_owned(),
            config: Config::default(),
            pooling: Pooling::Mean,
            lowercases: false,
            tokens: USUAL_TOKENS,
            config_bytes: Vec::new(),
            tokenizer_bytes: Vec::new(),
        };
        directory.config_bytes = directory.read(CONFIG)?;
        directory.tokenizer_bytes = directory.read(TOKENIZER)?;
        directory.config = directory.parse_config()?;
        directory.pooling = directory.parse_pooling()?;
        let sentences: Sentences = match directory.read_if_there(SENTENCES)? {
            Some(bytes) => directory.parse(SENTENCES, &bytes)?,
            None => Sentences::default(),
        };
        directory.lowercases = sentences.do_lower_case;
        directory.tokens =
            sentences.max_seq_length.unwrap_or(USUAL_TOKENS).min(directory.config.max_position_embeddings);
        Ok(directory)
    }

    pub(super) fn read_weights(&self) -> Result<Vec<u8>, Error> {
        self.read(WEIGHTS)
    }

    /// What tells these vectors from all others: a hash of the weights and of everything else that shapes a vector. Where
    /// the directory lies is no part of it.
    pub(super) fn name(&self, weights: &[u8]) -> String {
        let settings = format!("{VERSION} {:?} {} {}", self.pooling, self.tokens, self.lowercases);
        let mut hash = Sha256::new();
        for part in [settings.as_bytes(), &self.config_bytes, &self.tokenizer_bytes, weights] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = format!("{:x}", hash.finalize());
        format!("local/bert-{}@{digest:.12}", self.config.hidden_size)
    }

    /// The tokenizer, neither cutting texts nor padding them, whatever its file asks for; and how many tokens of a text go
    /// through the encoder at once, without those it adds.
    pub(super) fn tokenizer(&self) -> Result<(Tokenizer, usize), Error> {
        let wrong = |error: &dyn std::fmt::Display| {
            self.wrong(TOKENIZER, &format!("a tokenizer of the crate `tokenizers` ({error})"))
        };
        let mut tokenizer = Tokenizer::from_bytes(&self.tokenizer_bytes).map_err(|error| wrong(&error))?;
        let added = tokenizer.get_post_processor().map_or(0, |processor| {
            use tokenizers::PostProcessor as _;
            processor.added_tokens(false)
        });
        if self.tokens <= added {
            return Err(self.wrong(
                SENTENCES,
                &format!("max_seq_length above the {added} tokens added to every text, got {}", self.tokens),
            ));
        }
        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or_default();
        if usize::try_from(largest).is_ok_and(|largest| largest >= self.config.vocab_size) {
            return Err(self.wrong(
                TOKENIZER,
                &format!("tokens below the vocab_size {} of {CONFIG}, got {largest}", self.config.vocab_size),
            ));
        }
        tokenizer.with_padding(None).with_truncation(None).map_err(|error| wrong(&error))?;
        Ok((tokenizer, self.tokens - added))
    }

    pub(super) fn padding_token(&self) -> Result<u32, Error> {
        u32::try_from(self.config.pad_token_id)
            .ok()
            .filter(|_| self.config.pad_token_id < self.config.vocab_size)
            .ok_or_else(|| self.wrong(CONFIG, "pad_token_id below vocab_size"))
    }

    /// A file of the directory is not what it has to be.
    pub(super) fn wrong(&self, file: &str, expected: &str) -> Error {
        Error::Configuration(format!("EMBEDDER: {}: expected {expected}", self.path.join(file).display()))
    }

    fn parse_config(&self) -> Result<Config, Error> {
        let value: Value = self.parse(CONFIG, &self.config_bytes)?;
        match value.get("model_type") {
            Some(Value::String(kind)) if kind == "bert" => {}
            other => {
                let got = other.unwrap_or(&Value::Null);
                return Err(self.wrong(CONFIG, &format!("model_type \"bert\" (BERT, MiniLM), got {got}")));
            }
        }
        let config: Config = self.parse(CONFIG, &self.config_bytes)?;
        let (size, heads) = (config.hidden_size, config.num_attention_heads);
        if size == 0 || heads == 0 || !size.is_multiple_of(heads) {
            return Err(self.wrong(
                CONFIG,
                &format!("hidden_size to be a multiple of num_attention_heads, got {size} and {heads}"),
            ));
        }
        Ok(config)
    }

    fn parse_pooling(&self) -> Result<Pooling, Error> {
        let modules: Option<Vec<Module>> =
            self.read_if_there(MODULES)?.map(|bytes| self.parse(MODULES, &bytes)).transpose()?;
        let mut folder = "1_Pooling".to_owned();
        for module in modules.into_iter().flatten() {
            match module.kind.rsplit('.').next() {
                Some("Transformer") if module.path.is_empty() => {}
                Some("Pooling") => folder = module.path,
                Some("Normalize") => {}
                _ => {
                    return Err(self.wrong(
                        MODULES,
                        &format!(
                            "a Transformer in the directory itself, Pooling and Normalize, got {} in {:?}",
                            module.kind, module.path
                        ),
                    ));
                }
            }
        }
        let file = format!("{folder}/{CONFIG}");
        let Some(bytes) = self.read_if_there(&file)? else { return Ok(Pooling::Mean) };
        let value: Value = self.parse(&file, &bytes)?;
        // Either one flag per mode, or the modes by name.
        let mut modes: Vec<&str> = value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, is_on)| **is_on == Value::Bool(true))
            .filter_map(|(name, _)| name.strip_prefix("pooling_mode_"))
            .collect();
        modes.extend(value.get("pooling_mode").and_then(Value::as_str));
        match *modes {
            ["mean_tokens" | "mean"] => Ok(Pooling::Mean),
            ["cls_token" | "cls"] => Ok(Pooling::First),
            _ => Err(self.wrong(&file, &format!("pooling by mean_tokens or by cls_token, got {modes:?}"))),
        }
    }

    fn parse<'a, T: Deserialize<'a>>(&self, file: &str, bytes: &'a [u8]) -> Result<T, Error> {
        serde_json::from_slice(bytes)
            .map_err(|error| self.wrong(file, &format!("the settings of a sentence transformer ({error})")))
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, Error> {
        self.read_if_there(file)?.ok_or_else(|| self.wrong(file, "this file to be there"))
    }

    fn read_if_there(&self, file: &str) -> Result<Option<Vec<u8>>, Error> {
        match fs::read(self.path.join(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(file, &format!("a file that can be read ({error})"))),
        }
    }
}
