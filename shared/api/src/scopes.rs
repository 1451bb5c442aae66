//! What each operation needs of whoever asks, as its part of the document says it.
//!
//! An operation declares it once, in its `utoipa::path`: `security(("api_key" = ["read"]))`. The document shows it, and what
//! is read back from the document is what is enforced, so the two cannot differ. What declares nothing is refused.

use std::collections::HashMap;

use domain::{KeyScope, KeyScopes};
use serde_json::Value;
use utoipa::openapi::{OpenApi, PathItem};

/// The scheme of operations that a tenant's API key opens.
pub(crate) const API_KEY: &str = "api_key";
/// The scheme of operations that only an operator may ask for.
pub(crate) const OPERATOR_KEY: &str = "operator_key";

/// What an operation needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// A caller with one of these scopes; any caller when there are none.
    Caller(KeyScopes),
    /// An operator.
    Operator,
    /// Nobody in particular: the operation finds out itself whom it serves.
    Nobody,
    /// It was not said.
    Undeclared,
}

/// What the operations need, by their paths and lower-case methods.
#[derive(Debug, Default)]
pub(crate) struct Needs(HashMap<String, HashMap<String, Need>>);

impl Needs {
    /// Reads a document.
    pub(crate) fn of(document: &OpenApi) -> Self {
        Self(document.paths.paths.iter().map(|(path, item)| (path.clone(), of_methods(item))).collect())
    }

    /// What an operation needs; `None` when the path has no such method, which is answered without asking who asks.
    pub(crate) fn get(&self, path: &str, method: &str) -> Option<&Need> {
        let Some(methods) = self.0.get(path) else { return Some(&Need::Undeclared) };
        let method = method.to_ascii_lowercase();
        methods.get(if method == "head" { "get" } else { &method })
    }
}

fn of_methods(item: &PathItem) -> HashMap<String, Need> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [
        ("get", get),
        ("put", put),
        ("post", post),
        ("delete", delete),
        ("options", options),
        ("head", head),
        ("patch", patch),
        ("trace", trace),
    ]
    .into_iter()
    .filter_map(|(method, operation)| {
        let security = serde_json::to_value(operation.as_ref()?.security.as_ref()).unwrap_or_default();
        Some((method.to_owned(), need(&security)))
    })
    .collect()
}

/// One of the alternatives is enough, so they come together.
fn need(security: &Value) -> Need {
    let Some(alternatives) = security.as_array().filter(|list| !list.is_empty()) else {
        return Need::Undeclared;
    };
    let mut scopes = Vec::new();
    for alternative in alternatives {
        let Some(alternative) = alternative.as_object() else { return Need::Undeclared };
        if alternative.is_empty() {
            return Need::Nobody;
        }
        if alternative.contains_key(OPERATOR_KEY) {
            return Need::Operator;
        }
        let Some(names) = alternative.get(API_KEY).and_then(Value::as_array) else { return Need::Undeclared };
        for name in names {
            match name.as_str().and_then(KeyScope::from_name) {
                Some(scope) => scopes.push(scope),
                None => return Need::Undeclared,
            }
        }
    }
    Need::Caller(scopes.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_needs_what_its_document_says() {
        let document = json!({"openapi": "3.1.0", "info": {"title": "Things", "version": "1"}, "paths": {"/things": {
            "get": {"security": [{"api_key": ["read"]}], "responses": {}},
            "post": {"security": [{"api_key": ["read"]}, {"api_key": ["ingest"]}], "responses": {}},
            "put": {"security": [{"operator_key": []}], "responses": {}},
            "patch": {"security": [{}], "responses": {}},
            "delete": {"responses": {}},
        }, "/health": {"get": {"security": [{"api_key": []}], "responses": {}}},
        "/odd": {"get": {"security": [{"api_key": ["rule"]}], "responses": {}}}}});
        let needs = Needs::of(&serde_json::from_value(document).unwrap());
        let caller = |scopes: &[KeyScope]| Need::Caller(scopes.iter().copied().collect());
        for (path, method, expected) in [
            ("/things", "GET", Some(caller(&[KeyScope::Read]))),
            ("/things", "HEAD", Some(caller(&[KeyScope::Read]))),
            ("/things", "POST", Some(caller(&[KeyScope::Read, KeyScope::Ingest]))),
            ("/things", "PUT", Some(Need::Operator)),
            ("/things", "PATCH", Some(Need::Nobody)),
            ("/things", "DELETE", Some(Need::Undeclared)),
            ("/things", "OPTIONS", None),
            ("/health", "GET", Some(caller(&[]))),
            ("/odd", "GET", Some(Need::Undeclared)),
            ("/not-in-it", "GET", Some(Need::Undeclared)),
        ] {
            assert_eq!(needs.get(path, method), expected.as_ref(), "{method} {path}");
        }
    }
}
