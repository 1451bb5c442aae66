//! Requests to the recall function, as Lambda hands them over.

use http::HeaderMap;
use lambda_http::Body;
use recall::Recall;
use serde_json::Value;

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    /// A header, when there is one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body; null when there is none.
    pub(crate) fn json(&self) -> Value {
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).unwrap() }
    }
}

/// Asks with a method, a path with its query, and these headers; of one that is given twice the last counts.
pub(crate) async fn ask(
    recall: &Recall,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answered {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut event: Value = serde_json::from_str(include_str!("../../events/recall.json")).unwrap();
    event["rawPath"] = path.into();
    event["rawQueryString"] = query.into();
    event["requestContext"]["http"]["method"] = method.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["headers"].as_object_mut().unwrap().remove("afterthought-tenant");
    for (name, value) in headers {
        event["headers"][*name] = (*value).into();
    }
    event["body"] = body.into();
    let response = recall.handle(lambda_http::request::from_str(&event.to_string()).unwrap()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = match response.into_body() {
        Body::Text(text) => text,
        Body::Empty => String::new(),
        other => panic!("the body is text, not {other:?}"),
    };
    Answered { status, headers, text }
}
