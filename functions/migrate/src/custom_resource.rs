use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// CloudFormation accepts 4,096 bytes of answer in all.
const LONGEST_REASON_CHARS: usize = 900;
const ATTEMPTS: u32 = 4;

/// What CloudFormation is doing to the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum RequestType {
    /// The stack, or the resource in it, is new.
    Create,
    /// A property changed.
    Update,
    /// The resource goes.
    Delete,
}

/// An event of a custom resource. CloudFormation waits for the answer, an hour if need be.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CustomResource {
    pub(crate) request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
}

impl CustomResource {
    /// What CloudFormation is told. The physical id never changes, or the resource would be replaced and deleted.
    fn body(&self, outcome: &Result<Value>) -> Value {
        let (status, reason, data) = match outcome {
            Ok(data) => ("SUCCESS", String::new(), data.clone()),
            Err(error) => {
                ("FAILED", format!("{error:#}").chars().take(LONGEST_REASON_CHARS).collect(), json!({}))
            }
        };
        json!({
            "Status": status,
            "Reason": reason,
            "PhysicalResourceId": self.physical_resource_id.as_deref().unwrap_or("afterthought-schema"),
            "StackId": self.stack_id,
            "RequestId": self.request_id,
            "LogicalResourceId": self.logical_resource_id,
            "Data": { "SchemaVersion": data.get("SchemaVersion").cloned().unwrap_or_else(|| json!("none")) },
        })
    }

    /// Delivers the answer to the pre-signed address, trying a few times: nobody else can release the deployment.
    pub(crate) async fn answer(&self, outcome: &Result<Value>) -> Result<()> {
        let body = self.body(outcome).to_string();
        let mut pause = Duration::from_millis(200);
        let mut attempt = 1;
        loop {
            // The signature covers an empty content type.
            let sent = reqwest::Client::new()
                .put(&self.response_url)
                .header("content-type", "")
                .timeout(Duration::from_secs(10))
                .body(body.clone())
                .send()
                .await
                .and_then(reqwest::Response::error_for_status);
            match sent {
                Ok(_) => return Ok(()),
                Err(error) if attempt >= ATTEMPTS => {
                    return Err(error.without_url()).context("CloudFormation could not be answered");
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            attempt += 1;
            pause *= 3;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> CustomResource {
        serde_json::from_value(json!({
            "RequestType": "Create", "ResponseURL": "http://127.0.0.1:1/", "StackId": "stack", "RequestId": "request",
            "LogicalResourceId": "Migration", "ResourceType": "Custom::Migration",
            "ResourceProperties": { "ServiceToken": "arn", "Version": "1" },
        }))
        .unwrap()
    }

    #[test]
    fn the_physical_id_is_kept_once_it_is_given() {
        assert_eq!(event().body(&Ok(json!({})))["PhysicalResourceId"], "afterthought-schema");
        let known = CustomResource { physical_resource_id: Some("older".to_owned()), ..event() };
        assert_eq!(known.body(&Ok(json!({})))["PhysicalResourceId"], "older");
    }

    #[test]
    fn a_long_reason_is_cut_to_what_cloudformation_accepts() {
        let answer = event().body(&Err(anyhow::anyhow!("é".repeat(5_000))));
        assert_eq!(answer["Status"], "FAILED");
        assert!(answer.to_string().len() < 4_096);
    }
}
