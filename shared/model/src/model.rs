use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::provider::Provider;
use crate::{Endpoint, Error, ModelConfig, OfferedModel, Schema, Usage};

/// What an agent thinks with.
#[derive(Debug, Clone)]
pub enum Model {
    /// The agent's own rules: no key, no network.
    BuiltIn,
    /// An OpenAI-compatible endpoint.
    OpenAi(OpenAi),
}

impl Model {
    /// Builds the HTTP client, where one is needed; call it once, when the function starts.
    pub fn new(config: &ModelConfig) -> Result<Self, Error> {
        Ok(match config {
            ModelConfig::BuiltIn => Self::BuiltIn,
            ModelConfig::OpenAi(endpoint) => Self::OpenAi(OpenAi::new(endpoint)?),
        })
    }
}

/// A chat model behind `POST {MODEL_URL}/chat/completions`.
#[derive(Debug, Clone)]
pub struct OpenAi {
    provider: Provider,
    model: String,
}

/// One question to a model.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The version of the instructions, such as `entities-1`: part of [`Usage::model`].
    pub rules: &'static str,
    /// What the model is to do: the system message.
    pub instructions: &'a str,
    /// What it is to do it with: the user message. Text of a conversation belongs here, and only here.
    pub input: &'a str,
    /// What the answer must look like.
    pub schema: &'a Schema,
}

/// A model's answer and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// What it cost.
    pub usage: Usage,
}

/// What one request came to, of use or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<T> {
    /// The answer, or why there is none that is of use.
    pub answer: Result<Answer<T>, Error>,
    /// What the provider says it counted, also when the answer is of no use: that is paid all the same. `None` when there
    /// was no answer, or one that does not say.
    pub spent: Option<Usage>,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: [Message<'a>; 2],
    response_format: Value,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    message: Reply,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Reply {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize, Default)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl OpenAi {
    /// Builds the HTTP client; call it once, when the function starts.
    pub fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        Self::named(endpoint, "MODEL_URL")
    }

    /// The same for a model that tenants may choose.
    pub fn offered(offered: &OfferedModel) -> Result<Self, Error> {
        Self::named(&offered.endpoint, "MODEL_CHOICES")
    }

    /// `variable` is what errors say has its URL.
    fn named(endpoint: &Endpoint, variable: &'static str) -> Result<Self, Error> {
        let provider = Provider::new(endpoint, &["chat", "completions"], [variable, "MODEL_API_KEY"])?;
        Ok(Self { provider, model: endpoint.model.clone() })
    }

    /// The provider's host and port: what a rate limit is about.
    pub fn provider(&self) -> &str {
        self.provider.authority()
    }

    /// The provider's name of the model.
    pub fn name(&self) -> &str {
        &self.model
    }

    /// Asks once; whoever calls decides by the error whether to ask again.
    ///
    /// The answer has passed the question's schema before it is deserialised.
    pub async fn complete<T: DeserializeOwned>(&self, question: Question<'_>) -> Result<Answer<T>, Error> {
        self.ask(question).await.answer
    }

    /// The same, and what it cost whatever came of it.
    pub async fn ask<T: DeserializeOwned>(&self, question: Question<'_>) -> Asked<T> {
        let completion = match self.send(question).await {
            Ok(completion) => completion,
            Err(error) => return Asked { answer: Err(error), spent: None },
        };
        let spent = completion.usage.as_ref().map(|tokens| Usage {
            model: format!("{}/{}", self.model, question.rules),
            input_tokens: tokens.prompt_tokens,
            output_tokens: tokens.completion_tokens,
        });
        let answer = read(question, completion).map(|value| Answer {
            value,
            usage: spent.clone().unwrap_or_else(|| Usage {
                model: format!("{}/{}", self.model, question.rules),
                ..Usage::default()
            }),
        });
        Asked { answer, spent }
    }

    async fn send(&self, question: Question<'_>) -> Result<Completion, Error> {
        let request = Request {
            model: &self.model,
            messages: [
                Message { role: "system", content: question.instructions },
                Message { role: "user", content: question.input },
            ],
            response_format: json!({
                "type": "json_schema",
                "json_schema": {
                    "name": question.schema.name,
                    "strict": true,
                    "schema": question.schema.document,
                },
            }),
        };
        serde_json::from_value(self.provider.ask(&request).await?)
            .map_err(|_| Error::Transient("the answer is not a chat completion".to_owned()))
    }
}

/// What a completion says, checked against the question's schema.
fn read<T: DeserializeOwned>(question: Question<'_>, completion: Completion) -> Result<T, Error> {
    let choice = completion
        .choices
        .into_iter()
        .next()
        .ok_or_else(|| Error::Transient("the answer has no choices".to_owned()))?;
    if choice.message.refusal.is_some_and(|refusal| !refusal.is_empty()) {
        return Err(Error::Refused);
    }
    match choice.finish_reason.as_deref() {
        Some("length") => return Err(Error::TooLong),
        Some("content_filter") => return Err(Error::Refused),
        _ => {}
    }
    let content = choice.message.content.unwrap_or_default();
    if content.trim().is_empty() {
        return Err(Error::Invalid("the answer is empty".to_owned()));
    }
    let value: Value = serde_json::from_str(&content).map_err(|error| {
        Error::Invalid(format!(
            "{} is not JSON at line {} column {}",
            question.schema.name,
            error.line(),
            error.column()
        ))
    })?;
    question.schema.check(&value)?;
    serde_json::from_value(value)
        .map_err(|_| Error::Invalid(format!("{} passes its schema but cannot be read", question.schema.name)))
}
