//! One embedder for everybody, also over HTTP in the shape of `OpenAI`'s API, so that every library compared calls the
//! same vectors at the same price.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use model::{Embedder, EmbedderConfig};
use serde::Deserialize;
use serde_json::{Value, json};

/// An embedder that remembers what it was asked.
#[derive(Clone)]
pub(crate) struct Embeddings {
    embedder: Embedder,
    known: Arc<Mutex<HashMap<String, Arc<Vec<f32>>>>>,
    /// Whether it does the work again for a text it knows.
    forgets: Arc<AtomicBool>,
}

#[derive(Deserialize)]
struct Request {
    input: Input,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

impl Embeddings {
    pub(crate) fn open(directory: Option<&Path>) -> Result<Self> {
        let config = directory
            .map_or(EmbedderConfig::BuiltIn, |directory| EmbedderConfig::Local(directory.to_owned()));
        Ok(Self {
            embedder: Embedder::new(&config)?,
            known: Arc::default(),
            forgets: Arc::new(AtomicBool::new(false)),
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.embedder.name()
    }

    /// Whether the embedder works for every text, or answers at once what it has embedded before.
    pub(crate) fn set_forgetting(&self, forgets: bool) {
        self.forgets.store(forgets, Ordering::Relaxed);
    }

    /// The texts as vectors.
    pub(crate) async fn of(&self, texts: &[&str]) -> Result<Vec<Arc<Vec<f32>>>> {
        let forgets = self.forgets.load(Ordering::Relaxed);
        let unknown: Vec<&str> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            texts.iter().copied().filter(|text| forgets || !known.contains_key(*text)).collect()
        };
        let made = if unknown.is_empty() { Vec::new() } else { self.embedder.embed(&unknown).await? };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (text, vector) in unknown.into_iter().zip(made) {
            known.insert(text.to_owned(), Arc::new(vector));
        }
        texts.iter().map(|text| known.get(*text).cloned().context("every text was embedded")).collect()
    }

    /// One text as a vector, by the embedder itself.
    pub(crate) async fn afresh(&self, text: &str) -> Result<Vec<f32>> {
        self.embedder.embed(&[text]).await?.pop().context("one text has one vector")
    }

    /// How many dimensions its vectors have.
    pub(crate) async fn dimensions(&self) -> Result<usize> {
        Ok(self.afresh("dimensions").await?.len())
    }

    /// Serves the vectors on a free loopback port and answers what goes before `/embeddings`.
    pub(crate) async fn serve(&self) -> Result<String> {
        let router = Router::new().route("/v1/embeddings", post(embed)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(url)
    }
}

async fn embed(
    State(embeddings): State<Embeddings>,
    Json(request): Json<Request>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let texts = match &request.input {
        Input::One(text) => vec![text.as_str()],
        Input::Many(texts) => texts.iter().map(String::as_str).collect(),
    };
    let vectors = embeddings
        .of(&texts)
        .await
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector.as_slice()}))
        .collect();
    Ok(Json(json!({
        "object": "list", "data": data, "model": embeddings.name(),
        "usage": {"prompt_tokens": 0, "total_tokens": 0}
    })))
}
