//! Requests that are wrong in one way each, made from what an `OpenAPI` document says is right.
//!
//! Schemathesis breaks what a schema says; what is broken here is below it: bytes that are no text, text that is no
//! JSON, JSON that is deeper or longer than anybody would say, headers and signatures.

use anyhow::{Context as _, Result};
use fastrand::Rng;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

/// Stands for the place of a body where something else is put.
const HERE: &str = "\"what is put here\"";
/// The longest body that is taken.
const BODY_BYTES: usize = 1 << 20;
/// So deep goes what is made from a schema that names itself.
const DEPTH: u8 = 6;

/// A request, and what is wrong with it.
#[derive(Debug, Clone)]
pub(crate) struct Malformed {
    /// What is wrong.
    pub(crate) fault: &'static str,
    /// Its method.
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body; empty when the operation has none.
    pub(crate) body: Vec<u8>,
}

/// An operation of a document.
#[derive(Debug, Clone, Default, PartialEq)]
struct Operation {
    method: Method,
    path: String,
    queries: Vec<String>,
    headers: Vec<String>,
    body: Option<Value>,
}

/// Makes requests; the same from the same document and seed.
#[derive(Debug)]
pub(crate) struct Generator {
    operations: Vec<Operation>,
    rng: Rng,
}

impl Generator {
    /// Of every operation of a document.
    pub(crate) fn new(document: &Value, seed: u64) -> Result<Self> {
        let paths = document["paths"].as_object().context("the document has no `paths`")?;
        let mut operations = Vec::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
                operations.push(read(document, method, path, operation));
            }
        }
        anyhow::ensure!(!operations.is_empty(), "the document has no operations");
        Ok(Self { operations, rng: Rng::with_seed(seed) })
    }

    /// The next request.
    pub(crate) fn request(&mut self) -> Malformed {
        let operation = self.rng.choice(&self.operations).cloned().unwrap_or_default();
        let body = operation.body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut request = Malformed {
            fault: "nothing",
            method: operation.method.clone(),
            path: operation.path.replace(['{', '}'], ""),
            headers: HeaderMap::new(),
            body,
        };
        if operation.body.is_some() {
            request.headers.insert("content-type", HeaderValue::from_static("application/json"));
        }
        match (self.rng.u8(..10), &operation.body) {
            (0..7, Some(body)) => (request.fault, request.body) = self.body(body),
            (7, _) => self.header(&operation, &mut request),
            (8, _) => self.query(&operation, &mut request),
            _ => self.path(&operation, &mut request),
        }
        request
    }

    /// A body that is like this one, but for one thing.
    pub(crate) fn body(&mut self, right: &Value) -> (&'static str, Vec<u8>) {
        let text = right.to_string();
        let whole = |fault, body: &[u8]| (fault, body.to_vec());
        match self.rng.u8(..18) {
            0 => whole("cut off", text.as_bytes().get(..self.rng.usize(..text.len())).unwrap_or_default()),
            1 => whole("something behind it", format!("{text} x").as_bytes()),
            2 => whole("a byte order mark", format!("\u{feff}{text}").as_bytes()),
            3 => ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            4 => whole("nothing said", b""),
            5 => whole("null", b"null"),
            6 => whole(
                "a key given twice",
                text.replacen('{', "{\"user\":\"eve\",\"user\":\"ada\",", 1).as_bytes(),
            ),
            7 => {
                let mut long = text.into_bytes();
                long.resize(BODY_BYTES + 1 + self.rng.usize(..BODY_BYTES), b' ');
                ("too long", long)
            }
            _ => self.place(right),
        }
    }

    /// The body with something else at one of its places.
    fn place(&mut self, right: &Value) -> (&'static str, Vec<u8>) {
        let mut places = Vec::new();
        find_places(right, String::new(), &mut places);
        let place = self.rng.choice(&places).cloned().unwrap_or_default();
        let mut body = right.clone();
        if let Some(value) = body.pointer_mut(&place) {
            *value = json!(HERE.trim_matches('"'));
        }
        let depth = self.rng.usize(100..20_000);
        let (fault, put): (_, Vec<u8>) = match self.rng.u8(..14) {
            0 => ("bytes that are no UTF-8", b"\"\xff\xfe\"".to_vec()),
            1 => ("an overlong encoding", b"\"\xc0\x80\"".to_vec()),
            2 => ("half a surrogate pair", b"\"a\\ud800b\"".to_vec()),
            3 => ("a NUL", b"\"a\\u0000b\"".to_vec()),
            4 => ("deep arrays", [b"[".repeat(depth), b"]".repeat(depth)].concat()),
            5 => ("deep objects", [b"{\"a\":".repeat(depth), b"1".to_vec(), b"}".repeat(depth)].concat()),
            6 => ("a number beyond all", b"1e999".to_vec()),
            7 => ("a number of many digits", b"9".repeat(400)),
            8 => {
                ("a long string", [b"\"".to_vec(), b"a".repeat(BODY_BYTES - 1_000), b"\"".to_vec()].concat())
            }
            9 => ("an empty string", b"\"\"".to_vec()),
            10 => ("control characters", "\"\\u0007\\u001b[2J\u{202e}\"".as_bytes().to_vec()),
            11 => ("many of them", [b"[".to_vec(), b"{},".repeat(5_000), b"{}]".to_vec()].concat()),
            12 => ("no JSON", b"NaN".to_vec()),
            _ => {
                let others = ["null", "true", "-1", "0.5", "[]", "{}", "\"x\"", "9223372036854775808"];
                ("another type", self.rng.choice(others).unwrap_or("null").as_bytes().to_vec())
            }
        };
        let text = body.to_string();
        let (before, after) = text.split_once(HERE).unwrap_or((&text, ""));
        (fault, [before.as_bytes(), &put, after.as_bytes()].concat())
    }

    fn header(&mut self, operation: &Operation, request: &mut Malformed) {
        let known = ["idempotency-key", "afterthought-tenant", "authorization"].map(str::to_owned);
        let names: Vec<&String> = operation.headers.iter().chain(&known).collect();
        let name = self.rng.choice(&names).map(|name| name.as_str()).unwrap_or_default();
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return };
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap_or(HeaderValue::from_static(""));
        request.fault = match self.rng.u8(..9) {
            0 => {
                request.headers.insert("content-type", value(b"text/plain"));
                "another content type"
            }
            1 => {
                request.headers.remove("content-type");
                "no content type"
            }
            2 => {
                request.headers.insert("content-encoding", value(b"gzip"));
                "packed"
            }
            3 => {
                request.headers.insert("content-type", value(b"application/json; charset=utf-16"));
                "another charset"
            }
            4 => {
                request.headers.append(&name, value(b"a"));
                request.headers.append(&name, value(b"b"));
                "a header given twice"
            }
            5 => {
                request.headers.insert(name, value(b"\xff\xfe"));
                "a header that is no text"
            }
            6 => {
                request.headers.insert(name, value(b""));
                "an empty header"
            }
            7 => {
                request.headers.insert(name, value(&b"a".repeat(4_000)));
                "a long header"
            }
            _ => {
                request.headers.insert(name, value("näm€".as_bytes()));
                "a header beyond ASCII"
            }
        };
    }

    fn query(&mut self, operation: &Operation, request: &mut Malformed) {
        let unknown = "nobody-knows-it".to_owned();
        let names: Vec<&String> = operation.queries.iter().chain([&unknown]).collect();
        let name = self.rng.choice(&names).map(|name| name.as_str()).unwrap_or_default();
        let long = "a".repeat(3_000);
        let value = *self.rng.choice(&hostile(&long)).unwrap_or(&"");
        let again = if self.rng.bool() { format!("&{name}={value}") } else { String::new() };
        request.path = format!("{}?{name}={value}{again}", request.path);
        request.fault = "a query";
    }

    fn path(&mut self, operation: &Operation, request: &mut Malformed) {
        let long = "a".repeat(3_000);
        let value = *self.rng.choice(&hostile(&long)).unwrap_or(&"");
        let names: Vec<&str> = operation.path.split('/').filter(|part| part.starts_with('{')).collect();
        let path = match self.rng.choice(&names) {
            Some(name) => operation.path.replacen(*name, value, 1),
            None => format!("{}/{value}", operation.path),
        };
        request.path = path.replace(['{', '}'], "");
        request.fault = "a path";
    }
}

/// What is put in paths and queries.
const fn hostile(long: &str) -> [&str; 14] {
    [
        "",
        "%00",
        "%FF",
        "%ED%A0%80",
        "%C0%80",
        "%2e%2e%2f%2e%2e%2fetc",
        "%20",
        "-1",
        "1e9",
        "%27%3B%20select%201%3B--",
        "%F0%9F%98%80",
        "9223372036854775808",
        "%E2%80%AE",
        long,
    ]
}

/// Every place of a value, as JSON pointers.
fn find_places(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                find_places(field, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                find_places(item, format!("{at}/{number}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

fn read(document: &Value, method: Method, path: &str, operation: &Value) -> Operation {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters: Vec<_> = parameters.map(|parameter| resolve(document, parameter)).collect();
    let of = |place: &str| {
        let inside = parameters.iter().filter(|parameter| parameter["in"] == *place);
        inside.filter_map(|parameter| parameter["name"].as_str()).map(str::to_owned).collect()
    };
    let body = resolve(document, &operation["requestBody"]).pointer("/content/application~1json/schema");
    let body = body.map(|schema| sample(document, schema, DEPTH));
    Operation { method, path: path.to_owned(), queries: of("query"), headers: of("header"), body }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let named = value["$ref"].as_str().and_then(|name| document.pointer(name.strip_prefix('#')?));
    named.unwrap_or(value)
}

/// Something that a schema allows, with all of its fields.
fn sample(document: &Value, schema: &Value, depth: u8) -> Value {
    let schema = resolve(document, schema);
    if depth == 0 {
        return Value::Null;
    }
    if let Some(value) =
        schema.get("const").or_else(|| schema["enum"].get(0)).or_else(|| schema.get("example"))
    {
        return value.clone();
    }
    for choice in ["oneOf", "anyOf"] {
        let mut choices = schema[choice].as_array().into_iter().flatten();
        if let Some(choice) = choices.find(|choice| choice["type"] != "null") {
            return sample(document, choice, depth);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(fields) = sample(document, part, depth) {
                whole.extend(fields);
            }
        }
        return Value::Object(whole);
    }
    let kinds =
        schema["type"].as_array().map_or_else(|| vec![&schema["type"]], |kinds| kinds.iter().collect());
    let kind = kinds.into_iter().filter_map(Value::as_str).find(|kind| *kind != "null");
    match (kind, schema["format"].as_str()) {
        (Some("string"), Some("uuid")) => json!("01980000-0000-7000-8000-000000000000"),
        (Some("string"), Some("date-time")) => json!("2027-01-15T08:00:00Z"),
        (Some("string"), _) => json!("ada"),
        (Some("integer" | "number"), _) => schema.get("minimum").cloned().unwrap_or(json!(1)),
        (Some("boolean"), _) => json!(true),
        (Some("array"), _) => json!([sample(document, &schema["items"], depth - 1)]),
        _ => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), sample(document, field, depth - 1))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn document() -> Value {
        json!({
            "paths": {"/v1/users/{user}/notes": {"post": {
                "parameters": [{"in": "path", "name": "user"}, {"in": "query", "name": "dry"}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}},
            }}},
            "components": {"schemas": {"Note": {"type": "object", "properties": {
                "text": {"type": "string"}, "at": {"type": ["string", "null"], "format": "date-time"},
                "kind": {"oneOf": [{"type": "null"}, {"type": "string", "enum": ["fact"]}]},
                "answers": {"type": "array", "items": {"$ref": "#/components/schemas/Note"}},
            }}}},
        })
    }

    #[test]
    fn a_sample_has_every_field_and_ends() {
        let document = document();
        let note = sample(&document, &document["components"]["schemas"]["Note"], 3);
        let answers = json!([{"text": null, "at": null, "kind": null, "answers": null}]);
        assert_eq!(note["text"], "ada");
        assert_eq!(note["at"], "2027-01-15T08:00:00Z");
        assert_eq!(note["kind"], "fact");
        assert_eq!(note["answers"].as_array().unwrap().len(), answers.as_array().unwrap().len());
    }

    #[test]
    fn every_kind_of_fault_is_made_and_the_same_again_from_the_same_seed() {
        let requests = |seed| {
            let mut generator = Generator::new(&document(), seed).unwrap();
            (0..3_000).map(|_| generator.request()).collect::<Vec<_>>()
        };
        let (first, again) = (requests(7), requests(7));
        let told = |requests: &[Malformed]| {
            requests.iter().map(|one| (one.fault, one.path.clone(), one.body.len())).collect::<Vec<_>>()
        };
        assert_eq!(told(&first), told(&again));
        let faults: BTreeSet<_> = first.iter().map(|request| request.fault).collect();
        assert_eq!(faults.len(), 8 + 14 + 9 + 2, "{faults:?}");
        assert!(first.iter().all(|request| request.path.starts_with("/v1/users/")));
    }

    #[test]
    fn what_is_put_in_a_place_leaves_the_rest_as_it_was() {
        let mut generator = Generator::new(&document(), 1).unwrap();
        let right = json!({"a": "one", "b": ["two"]});
        for _ in 0..200 {
            let (_, body) = generator.place(&right);
            let text = String::from_utf8_lossy(&body);
            assert!(!text.contains("what is put here"), "{text}");
        }
    }

    #[test]
    fn a_document_without_operations_is_refused() {
        assert_eq!(Generator::new(&json!({}), 1).unwrap_err().to_string(), "the document has no `paths`");
        assert_eq!(
            Generator::new(&json!({"paths": {}}), 1).unwrap_err().to_string(),
            "the document has no operations"
        );
    }
}
