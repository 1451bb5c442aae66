//! The admin API as the commands call it: over HTTP, at the running stack's `recall`.

use anyhow::{Context, Result, bail};
use clap::Args;
use local::Environment;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::StateOption;

/// What a command is about; everything where nothing is named.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Only this tenant; `default` when a user is named and no tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only this agent.
    #[arg(long)]
    agent: Option<String>,
    /// Only this user.
    #[arg(long)]
    user: Option<String>,
    /// Only this session of the user.
    #[arg(long, requires = "user")]
    session: Option<String>,
}

impl Target {
    /// As fields of a request.
    pub(crate) fn fields(&self) -> Fields {
        let tenant = self.tenant.as_deref().or_else(|| self.user.as_ref().map(|_| "default"));
        Fields::default()
            .with("tenant", tenant)
            .with("agent", self.agent.as_deref())
            .with("user", self.user.as_deref())
            .with("session", self.session.as_deref())
    }
}

/// What a request gives, by name.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// One more, when it is given.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }
}

/// The admin API of a running stack.
pub(crate) struct Admin {
    recall_url: String,
    client: Client,
    /// What operators show, where the stack was started with such a key.
    key: Option<String>,
}

impl Admin {
    pub(crate) fn of(state: &StateOption) -> Result<Self> {
        let key = Environment::read().passed_on.remove("OPERATOR_KEY");
        Ok(Self { key, ..Self::at(&state.open()?.endpoints()?.recall_url) })
    }

    /// The API of the function that answers at this address.
    pub(crate) fn at(recall_url: &str) -> Self {
        Self { recall_url: recall_url.to_owned(), client: Client::new(), key: None }
    }

    /// Asks a question, at a path of names.
    pub(crate) async fn get(&self, path: &[&str], fields: Fields) -> Result<Value> {
        let mut url = self.url(path)?;
        for (name, value) in &fields.0 {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            url.query_pairs_mut().append_pair(name, &text);
        }
        self.answer(self.client.get(url)).await
    }

    /// Gives an order, at a path of names.
    pub(crate) async fn post(&self, path: &[&str], fields: Fields) -> Result<Value> {
        self.answer(self.client.post(self.url(path)?).json(&fields.0)).await
    }

    /// Does something with what is at a path.
    pub(crate) async fn send(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<Value> {
        let request = self.client.request(method, self.url(path)?);
        self.answer(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Value> {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        read(request.send().await?).await
    }

    fn url(&self, path: &[&str]) -> Result<Url> {
        let mut url = Url::parse(&self.recall_url)?;
        url.path_segments_mut()
            .ok()
            .context("the recall URL has no path")?
            .extend(["v1", "admin"])
            .extend(path);
        Ok(url)
    }
}

async fn read(answer: reqwest::Response) -> Result<Value> {
    let status = answer.status();
    let text = answer.text().await?;
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let body: Result<Value, _> = serde_json::from_str(&text);
    if status.is_success() {
        return body.with_context(|| format!("recall answered something else than JSON: {text}"));
    }
    match body.ok().as_ref().and_then(|problem| problem.get("detail")?.as_str()) {
        Some(detail) => bail!("{detail}"),
        None => bail!("recall answered {status}: {text}"),
    }
}

/// The text of a field; empty when it is absent or null.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The number of a field; 0 when it is absent.
pub(crate) fn number(value: &Value, field: &str) -> i64 {
    value.get(field).and_then(Value::as_i64).unwrap_or_default()
}

/// The items of a list; none when it is absent.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What something is about: `tenant/user/session`, as far as it is named.
pub(crate) fn place(value: &Value) -> String {
    let named: Vec<&str> = ["tenant", "user", "session"]
        .into_iter()
        .map(|field| text(value, field))
        .take_while(|name| !name.is_empty())
        .collect();
    named.join("/")
}

/// The agent something is about.
pub(crate) fn agent(one: &Value) -> &str {
    match text(one, "agent") {
        "" => "every agent",
        agent => agent,
    }
}

/// The same, or that it is everywhere.
pub(crate) fn place_or_everything(one: &Value) -> String {
    match place(one) {
        place if place.is_empty() => "every tenant".to_owned(),
        place => place,
    }
}

/// A time to the second, without its zone, which is UTC.
pub(crate) fn second(value: &Value, field: &str) -> String {
    text(value, field).chars().take(19).collect::<String>().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(tenant: Option<&str>, user: Option<&str>) -> Value {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        let target = Target { tenant: owned(tenant), agent: None, user: owned(user), session: None };
        Value::Object(target.fields().0)
    }

    #[test]
    fn a_user_is_the_default_tenants_when_none_is_named() {
        assert_eq!(fields(None, None), json!({}));
        assert_eq!(fields(None, Some("ada")), json!({"tenant": "default", "user": "ada"}));
        assert_eq!(fields(Some("acme"), Some("ada")), json!({"tenant": "acme", "user": "ada"}));
    }

    #[test]
    fn a_place_is_named_as_far_as_it_is_known() {
        assert_eq!(place(&json!({"tenant": "acme", "user": null, "session": null})), "acme");
        assert_eq!(place(&json!({"tenant": "acme", "user": "ada", "session": "chat"})), "acme/ada/chat");
        assert_eq!(second(&json!({"at": "2026-03-10T12:00:00.123Z"}), "at"), "2026-03-10 12:00:00");
    }
}
