//! The schemas of tools, made of those of the operations over HTTP.

use rmcp::model::JsonObject;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;

/// Where the `OpenAPI` document keeps what schemas refer to, and where a schema of its own does.
const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";

/// What takes the parameters of a query string as an object.
pub(super) fn of_parameters(parameters: &[Parameter]) -> JsonObject {
    let mut object = object();
    for parameter in parameters {
        let given = serde_json::to_value(parameter).unwrap_or_default();
        let mut schema = given.get("schema").cloned().unwrap_or_else(|| json!({}));
        if let (Some(schema), Some(description)) = (schema.as_object_mut(), given.get("description")) {
            schema.insert("description".to_owned(), description.clone());
        }
        let is_required = given.get("required") == Some(&Value::Bool(true));
        add(&mut object, &parameter.name, schema, is_required);
    }
    object
}

/// What a type is written as.
pub(super) fn of<T: ToSchema>() -> JsonObject {
    let mut nested = Vec::new();
    T::schemas(&mut nested);
    let definitions: JsonObject = nested
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect();
    let mut schema = serde_json::to_value(T::schema()).unwrap_or_default();
    if let Some(schema) = schema.as_object_mut()
        && !definitions.is_empty()
    {
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    refer_within(&mut schema);
    let Value::Object(mut schema) = schema else { return object() };
    // Tools take and give objects, which one that is put together of others does not say.
    schema.entry("type").or_insert_with(|| "object".into());
    schema
}

/// Adds a property to an object's schema, the first where it is to be filled in first.
pub(super) fn add(object: &mut JsonObject, name: &str, schema: Value, is_required: bool) {
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert(name.to_owned(), schema);
    }
    if is_required {
        let required = object.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            required.push(name.into());
        }
    }
}

fn object() -> JsonObject {
    let mut object = JsonObject::new();
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), json!({}));
    object.insert("additionalProperties".to_owned(), false.into());
    object
}

fn refer_within(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(target) if name == "$ref" => {
                        *target = target.replacen(COMPONENTS, DEFINITIONS, 1);
                    }
                    other => refer_within(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refer_within),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use utoipa::IntoParams;
    use utoipa::openapi::path::ParameterIn;

    use super::*;

    #[derive(Serialize, ToSchema)]
    struct Inner {
        number: i64,
    }

    #[derive(Serialize, ToSchema)]
    struct Outer {
        #[serde(flatten)]
        first: Inner,
        others: Vec<Inner>,
    }

    #[derive(IntoParams)]
    #[expect(dead_code, reason = "only its description is looked at")]
    struct Asked {
        /// What is asked.
        query: String,
        k: Option<i64>,
    }

    #[test]
    fn a_schema_holds_what_it_refers_to() {
        let schema = Value::Object(of::<Outer>());
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["$defs"]["Inner"]["properties"]["number"]["type"], "integer");
        let text = schema.to_string();
        assert!(text.contains("#/$defs/Inner") && !text.contains("components"), "{text}");
    }

    #[test]
    fn parameters_are_properties() {
        let schema = Value::Object(of_parameters(&Asked::into_params(|| Some(ParameterIn::Query))));
        assert_eq!(schema["required"], json!(["query"]));
        assert_eq!(schema["properties"]["query"]["description"], "What is asked.");
        assert!(schema["properties"]["k"].is_object());
    }
}
