//! The `OpenAPI` document, with what holds for every operation.

use serde_json::{Map, Value, json};

use crate::TENANT_HEADER;
use crate::extract::KEY_HEADER;
use crate::scopes::{API_KEY, OPERATOR_KEY};

/// What may go wrong with every operation.
const ALWAYS: [(&str, &str); 4] = [
    (
        "400",
        "A parameter, header or field is missing, unknown, given twice or out of bounds; `parameter` names it",
    ),
    ("401", "There is no key where one is needed, or it is unknown, revoked or has expired"),
    ("403", "The key has not the scope for this, or the request names another tenant than its"),
    ("503", "Something behind the function does not answer; `retry-after` says when to ask again"),
];
/// What may go wrong with an operation of a tenant.
const LIMITED: (&str, &str) =
    ("429", "The tenant asks more often than it may; `retry-after` says when to ask again");
/// What may go wrong with an operation that takes the key of a request.
const KEYED: (&str, &str) =
    ("422", "The request cannot be followed, or its key was used for another; `parameter` says which");

/// The document with what handlers do not say one by one: the tenant, and how errors are written.
pub(crate) fn completed(mut document: Value, tags: &[(&str, &str)]) -> Value {
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, methods) in paths {
            for (method, operation) in methods.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    complete(path, method, operation);
                }
            }
        }
    }
    if let Some(document) = document.as_object_mut() {
        let tags = tags.iter().map(|(name, description)| json!({"name": name, "description": description}));
        document.insert("tags".to_owned(), tags.collect());
        let components = document.entry("components").or_insert_with(|| json!({}));
        components["securitySchemes"] = json!({
            API_KEY: {
                "type": "http", "scheme": "bearer", "bearerFormat": "aft_ and 43 characters",
                "description": "A tenant's API key, which has scopes: `ingest` to write, `read` to read, `admin` to manage the \
                                tenant. Where `API_KEYS` is `off`, a request without a key is trusted, and the header \
                                `afterthought-tenant` names its tenant."
            },
            OPERATOR_KEY: {
                "type": "http", "scheme": "bearer",
                "description": "The operators' key, where the deployment has one."
            },
        });
    }
    document
}

fn complete(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let is_operators = path.starts_with("/v1/admin/");
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        if !is_operators {
            parameters.push(json!({
                "name": TENANT_HEADER, "in": "header", "required": false,
                "description": "The tenant the request is for; the key's when there is one, `default` without.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 200}
            }));
        }
        let is_hot = path.ends_with("/working-memory") || path.contains("/tools/");
        if is_hot && method != "get" {
            for (name, description) in [
                ("if-match", "The `etag` of what is changed; another one there is refused with 412."),
                ("if-none-match", "`*`: only where there is nothing yet."),
            ] {
                parameters.push(json!({
                    "name": name, "in": "header", "required": false, "description": description,
                    "schema": {"type": "string"}
                }));
            }
        }
    }
    let takes_key = parameters
        .as_array()
        .is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == KEY_HEADER));
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    let more = [(!is_operators).then_some(LIMITED), takes_key.then_some(KEYED)];
    for (status, description) in ALWAYS.into_iter().chain(more.into_iter().flatten()) {
        let response = responses.entry(status).or_insert_with(problem);
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = description.into();
        }
    }
    for (status, response) in responses {
        if status.as_str() >= "400"
            && let Some(content) = response.get_mut("content").and_then(Value::as_object_mut)
            && let Some(schema) = content.remove("application/json")
        {
            content.insert("application/problem+json".to_owned(), schema);
        }
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = usual(status).into();
        }
    }
}

fn problem() -> Value {
    json!({"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}})
}

/// What a status means where nothing else is said.
fn usual(status: &str) -> &'static str {
    match status {
        "200" => "What was asked for",
        "201" => "It was made",
        "202" => "It will be done",
        "204" => "It was done",
        "404" => "There is no such thing, or it is somebody else's",
        "409" => "Things are not as the request takes them to be; `current` shows how they are",
        "413" => "The body is too long",
        "422" => "The request cannot be followed; `parameter` says which field",
        _ => "The request is not answered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_every_operation_is_said_once() {
        let problem = json!({"description": "", "content": {"application/json": {"schema": {}}}});
        let document = completed(
            json!({"paths": {
                "/v1/users/{user}/things": {"post": {
                    "parameters": [{"name": KEY_HEADER, "in": "header"}],
                    "responses": {"201": {"description": ""}, "409": problem},
                }},
                "/v1/admin/things": {"get": {"responses": {"200": {"description": "All things"}}}},
            }}),
            &[("things", "What there is.")],
        );
        assert_eq!(document["tags"], json!([{"name": "things", "description": "What there is."}]));
        let post = &document["paths"]["/v1/users/{user}/things"]["post"];
        let names: Vec<&str> = post["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(names, [KEY_HEADER, TENANT_HEADER]);
        assert!(post["responses"]["422"]["content"]["application/problem+json"].is_object());
        let conflict = post["responses"]["409"]["content"].as_object().unwrap();
        assert_eq!(conflict.keys().collect::<Vec<_>>(), ["application/problem+json"]);
        assert_eq!(post["responses"]["201"]["description"], "It was made");
        assert!(post["responses"]["429"].is_object());
        let get = &document["paths"]["/v1/admin/things"]["get"];
        assert_eq!(get["parameters"], json!([]));
        assert_eq!(get["responses"]["200"]["description"], "All things");
        assert!(get["responses"]["503"].is_object() && get["responses"].get("429").is_none());
        assert!(get["responses"].get("422").is_none());
    }
}
