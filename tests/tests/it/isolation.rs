//! Nobody sees or changes what is another's: every operation of the `OpenAPI` document and every MCP tool is called as a user of
//! the same tenant, and as the user of that name in another tenant, with everything that belongs to the one attacked. The
//! same calls are made in a tenant where none of it exists, and nothing may tell the two apart.

mod attack;
mod stage;

pub(crate) use self::attack::Variant;
use self::attack::{Call, is_hot, known, tool_arguments, variants};
use self::stage::Response;
pub(crate) use self::stage::Stage;
use serde_json::{Value, json};

/// Operations, from the document.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("a document has paths") {
        for (method, operation) in methods.as_object().expect("a path has methods") {
            operations.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    operations
}

/// The operations of every function that answers over HTTP.
async fn everything(stage: &Stage) -> Vec<(String, String, Value)> {
    let mut all = operations(&stage.document().await);
    all.extend(operations(&stage.webhook_document().await));
    all
}

/// A text without numbers so long that only a clock gives them: versions of what hot state keeps.
fn without_clock(text: &str) -> String {
    let mut settled = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        settled.push_str(if digits.len() >= 10 { "…" } else { &digits });
        digits.clear();
        settled.push(letter);
    }
    settled.pop();
    settled
}

/// A value without what is made anew for every request.
fn settled(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), &field) {
                    ("next", Value::String(_)) | ("oldest_waiting_seconds", Value::Number(_)) => {
                        *field = json!("…");
                    }
                    // A secret is random, and shown to whoever made what it belongs to.
                    ("secret", Value::String(secret)) if secret.starts_with("whsec_") => *field = json!("…"),
                    _ => settled(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settled),
        Value::Number(number) => *value = without_clock(&number.to_string()).into(),
        Value::String(text) => {
            // Whoever asks knows its own name, and a key that was made is made of random bytes.
            let is_own = ["acme", "rival", "empty"].contains(&text.as_str()) || text.starts_with("aft_");
            if is_own || text.parse::<uuid::Uuid>().is_ok() || text.parse::<jiff::Timestamp>().is_ok() {
                *value = json!("…");
            } else if let Ok(mut within) = serde_json::from_str::<Value>(text)
                && (within.is_object() || within.is_array())
            {
                // What a tool says as text is JSON, too.
                settled(&mut within);
                *value = within;
            } else {
                *value = without_clock(text).into();
            }
        }
        _ => {}
    }
}

fn compared(response: &Response) -> (u16, Vec<(String, String)>, Value) {
    let lines = || response.body.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    let body = serde_json::from_str(&response.body).or_else(|_| lines().map(Value::from));
    let mut body: Value = body.unwrap_or_else(|_| json!(response.body));
    settled(&mut body);
    // How long a body is says no more than what is in it, and some of that is made anew.
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| name != "content-length");
    for (_, value) in &mut headers {
        *value = without_clock(value);
    }
    (response.status, headers, body)
}

struct Checked {
    calls: usize,
    failures: Vec<String>,
}

impl Checked {
    /// Makes a request where the victim is and where nobody is, and looks at what it tells.
    async fn check(&mut self, stage: &Stage, tenant: &str, variant: &Variant, secrets: &[String]) {
        let told = stage.send(tenant, variant).await;
        let nobody = stage.send("empty", variant).await;
        self.calls += 1;
        let sent = variant.text();
        for secret in secrets.iter().filter(|secret| !sent.contains(*secret)) {
            let in_headers =
                told.headers.iter().any(|(name, value)| name.contains(secret) || value.contains(secret));
            // What is told where none of it exists is the attacker's own, such as a session of the same name.
            let is_own = nobody.body.contains(secret);
            if (told.body.contains(secret) || in_headers) && !is_own {
                self.failures.push(format!("{sent} as {tenant} told {secret}: {}", told.body));
            }
        }
        if compared(&told) != compared(&nobody) {
            self.failures.push(format!(
                "{sent} as {tenant} is told apart: {} {}\nwhere nothing exists: {} {}",
                told.status, told.body, nobody.status, nobody.body
            ));
        }
        if told.status >= 500 || told.status == 415 || told.status == 406 {
            self.failures.push(format!("{sent} was not answered: {} {}", told.status, told.body));
        }
    }
}

/// Calls every operation and every tool as `user` of `tenant`.
async fn attack(stage: &Stage, tenant: &str, user: &str, is_other_tenant: bool) -> Checked {
    let victim = &stage.victim;
    let before = stage.everything_of_the_victim().await;
    let secrets = stage.secrets(is_other_tenant).await;
    let mut checked = Checked { calls: 0, failures: Vec::new() };
    for (method, path, operation) in everything(stage).await {
        let call = known(&method, &path, victim);
        let call =
            call.unwrap_or_else(|| panic!("nobody has said how to attack {method} {path}: see attack.rs"));
        match call {
            Call::Open | Call::Mcp => {}
            // Reviewers see what waits in their tenant, of all its users.
            Call::OfTenant(_) if !is_other_tenant => {}
            Call::Operator => {
                let variant = Variant::new(&method, &path);
                let refused = stage.send(tenant, &variant).await;
                if refused.status != 400 || !refused.body.contains("afterthought-tenant") {
                    checked.failures.push(format!("{method} {path} obeys a tenant: {}", refused.body));
                }
            }
            Call::OfUser(bodies) | Call::OfTenant(bodies) => {
                let cursor = stage.cursor(&method, &path, &operation).await;
                let bodies =
                    if bodies.is_empty() { vec![None] } else { bodies.into_iter().map(Some).collect() };
                for body in bodies {
                    let called =
                        variants(&method, &path, &operation, body.as_ref(), user, victim, cursor.as_deref());
                    for variant in called {
                        checked.check(stage, tenant, &variant, &secrets).await;
                    }
                }
            }
        }
    }
    for tool in stage.tools(user).await {
        let name = tool["name"].as_str().expect("a tool has a name").to_owned();
        for arguments in tool_arguments(&tool, victim) {
            checked.check(stage, tenant, &Variant::tool(&name, &arguments, Some(user)), &secrets).await;
            let mut with_user = arguments.clone();
            with_user["user"] = user.into();
            checked.check(stage, tenant, &Variant::tool(&name, &with_user, None), &secrets).await;
            // Whoever is set up for one user cannot ask for another.
            with_user["user"] = victim.user.into();
            let variant = Variant::tool(&name, &with_user, Some(user));
            checked.check(stage, tenant, &variant, &secrets).await;
            let refused = stage.send(tenant, &variant).await;
            let refused: Value = serde_json::from_str(&refused.body).expect("a tool answers in JSON");
            if refused["result"]["isError"] != json!(true) {
                checked.failures.push(format!("{name} answers for another user: {refused}"));
            }
        }
    }
    stage.ingest().await;
    let after = stage.everything_of_the_victim().await;
    for (what, was) in &before {
        if after.get(what) != Some(was) {
            let is = after.get(what);
            checked
                .failures
                .push(format!("{what} was changed by {tenant}/{user}\nfrom {was:#?}\nto {is:#?}"));
        }
    }
    checked
}

fn report(checked: &Checked, least: usize) {
    assert!(checked.failures.is_empty(), "{}", checked.failures.join("\n\n"));
    assert!(checked.calls >= least, "only {} calls were made", checked.calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_of_the_tenant_sees_and_changes_nothing() {
    let stage = Stage::set().await;
    report(&attack(&stage, "acme", "mallory", false).await, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_that_name_in_another_tenant_sees_and_changes_nothing() {
    let stage = Stage::set().await;
    stage.plant_for_everybody().await;
    report(&attack(&stage, "rival", "ada", true).await, 15);
}

#[tokio::test]
async fn a_key_of_another_tenant_opens_nothing_of_the_tenant_that_is_named() {
    let stage = Stage::set().await;
    let key = stage.key_of("rival").await;
    let before = stage.everything_of_the_victim().await;
    let mut refused = 0;
    for (method, path, operation) in operations(&stage.document().await) {
        let body = match known(&method, &path, &stage.victim) {
            Some(Call::OfUser(bodies) | Call::OfTenant(bodies)) => bodies.into_iter().next(),
            Some(Call::Mcp) => Some(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})),
            _ => continue,
        };
        let victim = &stage.victim;
        let asked = variants(&method, &path, &operation, body.as_ref(), victim.user, victim, Some("1"));
        let told = stage.send_with_key(&key, victim.tenant, &asked[0]).await;
        assert_eq!(told.status, 403, "{}: {}", asked[0].text(), told.body);
        assert!(told.body.contains("afterthought-tenant"), "{}", told.body);
        refused += 1;
    }
    assert!(refused > 50, "{refused}");
    assert_eq!(stage.everything_of_the_victim().await, before);
}

#[tokio::test]
async fn whatever_changes_something_of_a_user_takes_a_key_and_refuses_one_that_stands_for_something_else() {
    let stage = Stage::set().await;
    let victim = &stage.victim;
    let before = stage.everything_of_the_victim().await;
    for (method, path, operation) in operations(&stage.document().await) {
        if method == "GET" || !path.starts_with("/v1/users/") {
            continue;
        }
        let parameters = operation["parameters"].as_array().expect("a user is named");
        let takes_key = parameters.iter().any(|parameter| parameter["name"] == "idempotency-key");
        // Versions guard what hot state keeps; the others come to the same when they are repeated.
        let needs_none =
            is_hot(&path) || ["/erasures", "/resume", "/restore"].iter().any(|end| path.ends_with(end));
        assert_eq!(takes_key, !needs_none, "{method} {path}");
        if !takes_key {
            continue;
        }
        let Some(Call::OfUser(bodies)) = known(&method, &path, victim) else { panic!("{method} {path}") };
        let bodies = if bodies.is_empty() { vec![None] } else { bodies.into_iter().map(Some).collect() };
        for body in bodies {
            let mut asked = variants(&method, &path, &operation, body.as_ref(), victim.user, victim, None);
            let keyed = asked.pop().expect("what changes something is tried with a key");
            let told = stage.send(victim.tenant, &keyed).await;
            assert_eq!(told.status, 422, "{}: {}", keyed.text(), told.body);
            let problem: Value = serde_json::from_str(&told.body).expect("a problem is JSON");
            assert_eq!(problem["parameter"], "idempotency-key", "{}: {problem}", keyed.text());
        }
    }
    assert_eq!(stage.everything_of_the_victim().await, before);
}

#[tokio::test]
async fn the_secrets_are_there_to_be_found() {
    let stage = Stage::set().await;
    let secrets = stage.secrets(false).await;
    let query = Variant::new("GET", "/v1/users/ada/recall?query=where+is+the+lighthouse+key");
    let told = stage.send("acme", &query).await;
    assert!(told.status == 200 && told.body.contains("quokka"), "{}", told.body);
    assert!(secrets.iter().filter(|secret| told.body.contains(*secret)).count() >= 3, "{}", told.body);
    let case =
        stage.send("acme", &Variant::new("GET", &format!("/v1/reviews/{}", stage.victim.review))).await;
    assert!(case.status == 200 && case.body.contains("quokka"), "{}", case.body);
}
