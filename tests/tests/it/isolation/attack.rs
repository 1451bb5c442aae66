//! How every operation is called with what belongs to somebody else.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use uuid::Uuid;

/// What is encoded in a path: everything that a name or an identifier is not made of.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.');

/// Who is attacked, and what of theirs an attacker may know.
pub(crate) struct Victim {
    pub(crate) tenant: &'static str,
    pub(crate) user: &'static str,
    pub(crate) session: &'static str,
    /// The key of a request that was made.
    pub(crate) key: &'static str,
    /// A memory of the session, and one of the user.
    pub(crate) memory: Uuid,
    /// An operation that is on its way.
    pub(crate) operation: i64,
    /// A memory that waits for a person.
    pub(crate) review: Uuid,
    /// Something that was erased.
    pub(crate) erasure: Uuid,
    /// Where the tenant is told of changes.
    pub(crate) endpoint: Uuid,
    /// A webhook source, and its name.
    pub(crate) source: Uuid,
    pub(crate) source_name: &'static str,
    /// An API key of the tenant.
    pub(crate) api_key: Uuid,
}

/// Whose an operation is.
pub(crate) enum Call {
    /// A user's, with each of these bodies, or none.
    OfUser(Vec<Value>),
    /// A tenant's, in the same way.
    OfTenant(Vec<Value>),
    /// An operator's, who names no tenant in the header.
    Operator,
    /// The tools, which are called one by one.
    Mcp,
    /// Nobody's.
    Open,
}

/// How an operation is to be attacked; `None` for one that nobody has thought about.
pub(crate) fn known(method: &str, path: &str, victim: &Victim) -> Option<Call> {
    let evidence = json!([{"session": victim.session, "version": 1}]);
    Some(match (method, path) {
        // Whose a webhook is, its signature says.
        ("GET", "/v1/health") | ("POST", "/v1/webhooks/{source}") => Call::Open,
        ("POST", "/v1/events") => {
            let said =
                json!({"user": victim.user, "session": victim.session, "role": "user", "content": "hello"});
            Call::OfTenant(vec![json!({"events": [said]})])
        }
        ("POST", "/v1/mcp") => Call::Mcp,
        (_, path) if path.starts_with("/v1/admin/") => Call::Operator,
        ("GET" | "DELETE", path)
            if path.starts_with("/v1/webhook-sources") || path.starts_with("/v1/webhook-endpoints") =>
        {
            Call::OfTenant(vec![])
        }
        ("POST", "/v1/webhook-sources") => Call::OfTenant(vec![
            json!({"name": victim.source_name, "kind": "slack", "mapping": {"user": "nobody"}}),
        ]),
        ("POST", "/v1/webhook-sources/{id}/secrets") => Call::OfTenant(vec![json!({})]),
        ("PATCH", "/v1/webhook-sources/{id}") => Call::OfTenant(vec![json!({"name": "mine"})]),
        ("GET", "/v1/keys" | "/v1/settings" | "/v1/erasures" | "/v1/reviews" | "/v1/reviews/{id}")
        | ("DELETE", "/v1/keys/{id}")
        | ("POST", "/v1/webhook-endpoints/{id}/test") => Call::OfTenant(vec![]),
        ("POST", "/v1/keys") => Call::OfTenant(vec![json!({"name": "mine", "scopes": ["read"]})]),
        ("POST", "/v1/keys/{id}/rotate") => Call::OfTenant(vec![json!({"overlap_seconds": 0})]),
        ("PATCH", "/v1/settings") => Call::OfTenant(vec![json!({"confidence_floor": 1})]),
        ("POST", "/v1/reviews/{id}") => Call::OfTenant(vec![
            json!({"decision": "reject", "reviewer": "mallory"}),
            json!({"decision": "edit", "content": "nothing at all", "version": 1}),
        ]),
        ("POST", "/v1/webhook-endpoints") => {
            Call::OfTenant(vec![json!({"url": "https://example.com/mallory"})])
        }
        ("PATCH", "/v1/webhook-endpoints/{id}") => {
            Call::OfTenant(vec![json!({"url": "https://example.com/mallory"}), json!({"enabled": false})])
        }
        ("POST", "/v1/webhook-endpoints/{id}/rotate") => Call::OfTenant(vec![json!({"overlap_hours": 0})]),
        ("POST", "/v1/webhook-endpoints/{id}/replay") => Call::OfTenant(vec![json!({"status": "delivered"})]),
        ("POST", "/v1/users/{user}/memories") => Call::OfUser(vec![
            json!({"type": "fact", "content": "the lighthouse has a key"}),
            json!({"type": "fact", "content": "it is known", "session": victim.session, "scope": "session"}),
            json!({"type": "fact", "content": "it was said", "evidence": evidence}),
        ]),
        (
            "GET",
            "/v1/users/{user}/recall"
            | "/v1/users/{user}/hydrate"
            | "/v1/users/{user}/status"
            | "/v1/users/{user}/export"
            | "/v1/users/{user}/erasures/{id}"
            | "/v1/users/{user}/memories",
        )
        | ("GET" | "DELETE", "/v1/users/{user}/memories/{id}")
        | (
            "POST",
            "/v1/users/{user}/memories/{id}/promote"
            | "/v1/users/{user}/sessions/{session}/resume"
            | "/v1/users/{user}/sessions/{session}/restore",
        ) => Call::OfUser(vec![]),
        ("PATCH", "/v1/users/{user}/memories/{id}") => Call::OfUser(vec![
            json!({"version": 1, "pinned": true}),
            json!({"version": 2, "status": "active"}),
        ]),
        ("POST", "/v1/users/{user}/memories/{id}/correct") => Call::OfUser(vec![
            json!({"version": 1, "content": "there is no key"}),
            json!({"version": 7, "content": "there is no key", "merge": true}),
        ]),
        ("POST", "/v1/users/{user}/erasures") => Call::OfUser(vec![
            json!({"subject": "user", "dry_run": true}),
            json!({"subject": "session", "session": victim.session}),
            json!({"subject": "memory", "memory": victim.memory}),
            json!({"subject": "user"}),
        ]),
        ("GET", path) if path.starts_with("/v1/users/{user}/sessions") => Call::OfUser(vec![]),
        ("PUT" | "PATCH", path) if is_hot(path) => Call::OfUser(vec![json!({"task": "mine"})]),
        ("DELETE", path) if is_hot(path) => Call::OfUser(vec![]),
        ("PATCH", "/v1/users/{user}/sessions/{session}") => {
            Call::OfUser(vec![json!({"metadata": {"seen": true}})])
        }
        ("POST", "/v1/users/{user}/sessions/{session}/events") => Call::OfUser(vec![
            json!({"expected_version": 1, "events": [{"type": "message", "role": "user", "content": "hello"}]}),
        ]),
        ("POST", "/v1/users/{user}/sessions/{session}/checkpoints") => {
            Call::OfUser(vec![json!({"node_id": "start", "state": {"step": 1}, "parent": 1})])
        }
        ("POST", "/v1/users/{user}/sessions/{session}/operations") => {
            Call::OfUser(vec![json!({"name": "look", "input": {}, "key": victim.key})])
        }
        ("POST", "/v1/users/{user}/sessions/{session}/operations/{id}/complete") => {
            Call::OfUser(vec![json!({"status": "completed", "result": {}})])
        }
        _ => return None,
    })
}

/// Whether hot state keeps it.
pub(crate) fn is_hot(path: &str) -> bool {
    path.ends_with("/working-memory") || path.ends_with("/tools/{tool}")
}

/// What is given for a name in a path, a parameter or an argument: what the victim has.
fn given(name: &str, path: &str, victim: &Victim, cursor: Option<&str>) -> Option<Value> {
    Some(match name {
        "id" if path.starts_with("/v1/webhook-endpoints") => victim.endpoint.to_string().into(),
        "status" if path.ends_with("/deliveries") => "pending".into(),
        "id" if path.starts_with("/v1/reviews") => victim.review.to_string().into(),
        "id" if path.contains("/erasures/") => victim.erasure.to_string().into(),
        "id" if path.starts_with("/v1/webhook-sources") => victim.source.to_string().into(),
        "secret" => victim.source.to_string().into(),
        "id" if path.starts_with("/v1/keys") => victim.api_key.to_string().into(),
        "id" if path.contains("/operations/") => victim.operation.into(),
        "tool" => "quokka-finder".into(),
        "path" => "/secret".into(),
        "status" if path.ends_with("/operations") => "pending".into(),
        "id" | "memory" => victim.memory.to_string().into(),
        "session" => victim.session.into(),
        // A question that says nothing secret, and that every secret answers.
        "query" => "where is the lighthouse key".into(),
        "after" => cursor?.into(),
        "user" => victim.user.into(),
        "k" | "limit" => 100.into(),
        "version" | "sequence" => 1.into(),
        "type" => "fact".into(),
        "agent" => "summarizer".into(),
        "scope" => "user".into(),
        "status" => "active".into(),
        "pinned" | "merge" | "open" => false.into(),
        "since" => "2001-01-01T00:00:00Z".into(),
        "until" | "as_of" => "2100-01-01T00:00:00Z".into(),
        "valid_from" => "2026-01-01T00:00:00Z".into(),
        _ => return None,
    })
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

impl Variant {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    /// A call of a tool, by a client that is set up for `user`.
    pub(crate) fn tool(name: &str, arguments: &Value, user: Option<&str>) -> Self {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                          "params": {"name": name, "arguments": arguments}});
        Self::mcp(body, user)
    }

    pub(crate) fn mcp(body: Value, user: Option<&str>) -> Self {
        let mut headers = vec![("accept", "application/json, text/event-stream".to_owned())];
        headers.extend(user.map(|user| ("afterthought-user", user.to_owned())));
        Self { body: Some(body), headers, ..Self::new("POST", "/v1/mcp") }
    }

    /// Everything that is sent, in one text.
    pub(crate) fn text(&self) -> String {
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        format!("{} {} {} {body}", self.method, self.target, headers.join(" "))
    }
}

fn encoded(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    utf8_percent_encode(&text, ENCODED).to_string()
}

/// The operation with everything the victim has: with what is required alone, with each other parameter, and with the key
/// of a request that the victim made.
pub(crate) fn variants(
    method: &str,
    path: &str,
    operation: &Value,
    body: Option<&Value>,
    user: &str,
    victim: &Victim,
    cursor: Option<&str>,
) -> Vec<Variant> {
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    let named = |parameter: &Value| parameter["name"].as_str().expect("parameters have names").to_owned();
    let value = |name: &str| {
        given(name, path, victim, cursor).unwrap_or_else(|| {
            panic!("nobody has said what to give for `{name}` of {method} {path}: see attack.rs")
        })
    };
    let mut target = path.to_owned();
    for parameter in parameters.iter().filter(|parameter| parameter["in"] == "path") {
        let name = named(parameter);
        let value = if name == "user" { user.into() } else { value(&name) };
        target = target.replace(&format!("{{{name}}}"), &encoded(&value));
    }
    assert!(!target.contains('{'), "{method} {path} does not say what its path takes");
    let (required, optional): (Vec<&Value>, Vec<&Value>) = parameters
        .iter()
        .copied()
        .filter(|parameter| parameter["in"] == "query")
        .partition(|parameter| parameter["required"] == true);
    let with = |more: Option<&Value>| {
        let pairs: Vec<String> = required
            .iter()
            .copied()
            .chain(more)
            .map(|parameter| format!("{}={}", named(parameter), encoded(&value(&named(parameter)))))
            .collect();
        let target = if pairs.is_empty() { target.clone() } else { format!("{target}?{}", pairs.join("&")) };
        let mut variant = Variant { body: body.cloned(), ..Variant::new(method, &target) };
        if method == "PATCH" && is_hot(path) {
            variant.headers.push(("content-type", "application/merge-patch+json".to_owned()));
        }
        variant
    };
    let mut variants = vec![with(None)];
    variants.extend(optional.into_iter().map(|parameter| with(Some(parameter))));
    if method != "GET" {
        let mut keyed = with(None);
        keyed.headers.push(("idempotency-key", victim.key.to_owned()));
        variants.push(keyed);
    }
    variants
}

/// The arguments of a tool, in the same way.
pub(crate) fn tool_arguments(tool: &Value, victim: &Victim) -> Vec<Value> {
    let schema = &tool["inputSchema"];
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let value = |name: &str| {
        let known = match name {
            "content" => Some(json!("the answer is here")),
            "data" => Some(json!({"answer": "here"})),
            "confidence" => Some(json!(0.5)),
            "key" => Some(json!("answer")),
            "evidence" => Some(json!([{"session": victim.session, "version": 1}])),
            _ => given(name, "", victim, Some("0-00000000000000000000000000000000")),
        };
        known.unwrap_or_else(|| {
            panic!("nobody has said what to give for `{name}` of the tool {}: see attack.rs", tool["name"])
        })
    };
    let least: Value = required
        .iter()
        .map(|name| ((*name).to_owned(), value(name)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut arguments = vec![least.clone()];
    let properties = schema["properties"].as_object().into_iter().flatten();
    for (name, _) in properties.filter(|(name, _)| !required.contains(&name.as_str())) {
        let mut more = least.clone();
        more[name] = value(name);
        arguments.push(more);
    }
    arguments
}
