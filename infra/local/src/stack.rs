//! Deploys the template to the emulator and says what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::types::{Capability, Parameter, Stack, StackStatus};
use aws_sdk_dynamodb::types::TimeToLiveSpecification;
use serde::{Deserialize, Serialize};

use crate::emulator::REGION;
use crate::template::Template;

const NAME: &str = "afterthought";
const LIMIT: Duration = Duration::from_mins(2);

/// What a deployed stack offers.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Deployed {
    /// The environment that the template gives every function.
    pub environment: BTreeMap<String, String>,
    /// The stack's outputs.
    pub outputs: BTreeMap<String, String>,
    /// The queue that wakes each agent, whether events or a schedule send to it.
    pub queues: BTreeMap<String, String>,
}

impl Deployed {
    /// The table of hot state.
    pub fn hot_table(&self) -> Result<&str> {
        Ok(self.environment.get("HOT_TABLE").context("the functions are not told the hot table")?)
    }
}

/// Deploys a template, or brings a stack that is there to its state, and waits for it.
pub async fn deploy(
    aws: &SdkConfig,
    account: &str,
    template: &Template,
    parameters: &BTreeMap<String, String>,
) -> Result<Deployed> {
    let refusals = template.refusals(parameters)?;
    if !refusals.is_empty() {
        bail!("the template was refused: {}", refusals.join(" "));
    }
    let cloudformation = Client::new(aws);
    let parameters: Vec<Parameter> = parameters
        .iter()
        .map(|(name, value)| Parameter::builder().parameter_key(name).parameter_value(value).build())
        .collect();
    if describe(&cloudformation).await?.is_some() {
        update(&cloudformation, template, parameters).await?;
    } else {
        cloudformation
            .create_stack()
            .stack_name(NAME)
            .template_body(template.packaged()?)
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .set_parameters(Some(parameters))
            .send()
            .await
            .map_err(|error| anyhow!("the template was refused: {}", said(&error)))?;
    }
    let stack = tokio::time::timeout(LIMIT, settled(&cloudformation))
        .await
        .context("the stack was not complete after two minutes")??;
    let outputs: BTreeMap<String, String> = stack
        .outputs()
        .iter()
        .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
        .collect();
    let mut environment = None;
    for function in template.functions() {
        let given = function_environment(aws, account, &function).await?;
        if environment.as_ref().is_some_and(|known| *known != given) {
            bail!("{function} was given another environment than the other functions");
        }
        environment = Some(given);
    }
    let environment = environment.context("the template has no functions")?;
    let queues = ["WAKE_UP_QUEUES", "SCHEDULED_QUEUES"]
        .into_iter()
        .filter_map(|variable| environment.get(variable))
        .flat_map(|text| routes(text))
        .collect();
    let deployed = Deployed { environment, outputs, queues };
    let expiry = template.hot_table_expiry().context("the hot table's items do not expire")?;
    expire(aws, deployed.hot_table()?, expiry).await?;
    Ok(deployed)
}

/// Removes the stack and everything in it.
pub async fn remove(aws: &SdkConfig) -> Result<()> {
    let cloudformation = Client::new(aws);
    cloudformation.delete_stack().stack_name(NAME).send().await?;
    let gone = async {
        loop {
            match describe(&cloudformation).await? {
                Some(stack) if stack.stack_status() != Some(&StackStatus::DeleteComplete) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                _ => return Ok(()),
            }
        }
    };
    tokio::time::timeout(LIMIT, gone).await.context("the stack was not removed within two minutes")?
}

/// `agent=queue URL, …` as a map.
fn routes(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .filter_map(|entry| entry.split_once('='))
        .map(|(agent, url)| (agent.trim().to_owned(), url.trim().to_owned()))
        .collect()
}

async fn describe(cloudformation: &Client) -> Result<Option<Stack>> {
    match cloudformation.describe_stacks().stack_name(NAME).send().await {
        Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
        // The service reports a missing stack as a validation error.
        Err(error) if said(&error).contains("does not exist") => Ok(None),
        Err(error) => Err(anyhow!("the stack cannot be described: {}", said(&error))),
    }
}

/// What the service said, which the SDK's errors leave out of their text; what the SDK said when it was not reached.
fn said(error: &(impl ProvideErrorMetadata + std::error::Error)) -> String {
    match error.message() {
        Some(message) => message.to_owned(),
        None => error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}

async fn update(cloudformation: &Client, template: &Template, parameters: Vec<Parameter>) -> Result<()> {
    let updated = cloudformation
        .update_stack()
        .stack_name(NAME)
        .template_body(template.packaged()?)
        .capabilities(Capability::CapabilityIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .set_parameters(Some(parameters))
        .send()
        .await;
    match updated {
        Err(error) if !said(&error).contains("No updates are to be performed") => {
            bail!("the template was refused: {}", said(&error))
        }
        _ => Ok(()),
    }
}

/// Waits until the stack stands still, and explains it when it failed.
async fn settled(cloudformation: &Client) -> Result<Stack> {
    loop {
        let stack = describe(cloudformation).await?.context("the stack has gone")?;
        match stack.stack_status() {
            Some(StackStatus::CreateComplete | StackStatus::UpdateComplete) => return Ok(stack),
            Some(status) if status.as_str().ends_with("_IN_PROGRESS") => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            status => bail!(
                "the stack is {}:\n{}",
                status.map_or("in no known state", StackStatus::as_str),
                failures(cloudformation).await?
            ),
        }
    }
}

/// The resources that failed, each with its reason.
async fn failures(cloudformation: &Client) -> Result<String> {
    let events = cloudformation.describe_stack_events().stack_name(NAME).send().await?;
    let failures: Vec<String> = events
        .stack_events()
        .iter()
        .filter(|event| event.resource_status().is_some_and(|status| status.as_str().ends_with("_FAILED")))
        .map(|event| {
            format!(
                "  {} ({}): {}",
                event.logical_resource_id().unwrap_or("?"),
                event.resource_type().unwrap_or("?"),
                event.resource_status_reason().unwrap_or("no reason given")
            )
        })
        .collect();
    Ok(failures.join("\n"))
}

/// What the emulator's CloudFormation leaves out: items of the hot table expire.
async fn expire(aws: &SdkConfig, table: &str, attribute: &str) -> Result<()> {
    let dynamodb = aws_sdk_dynamodb::Client::new(aws);
    let specification = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build()?;
    let now = dynamodb.describe_time_to_live().table_name(table).send().await?;
    let enabled = now.time_to_live_description().and_then(|description| description.attribute_name());
    if enabled == Some(attribute) {
        return Ok(());
    }
    dynamodb.update_time_to_live().table_name(table).time_to_live_specification(specification).send().await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionConfiguration {
    environment: FunctionEnvironment,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionEnvironment {
    variables: BTreeMap<String, String>,
}

/// The address of a function's configuration in the emulator, and the header that names the account. The emulator
/// checks no signature; the Lambda SDK would be fetched and compiled for these two calls alone.
fn configuration_request(
    aws: &SdkConfig,
    method: reqwest::Method,
    account: &str,
    function: &str,
) -> Result<reqwest::RequestBuilder> {
    let endpoint = aws.endpoint_url().context("no endpoint is set")?.trim_end_matches('/');
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/{REGION}/lambda/aws4_request, SignedHeaders=host, Signature=0"
    );
    Ok(reqwest::Client::new()
        .request(method, format!("{endpoint}/2015-03-31/functions/{function}/configuration"))
        .header("authorization", credential))
}

async fn function_environment(
    aws: &SdkConfig,
    account: &str,
    function: &str,
) -> Result<BTreeMap<String, String>> {
    let answer = configuration_request(aws, reqwest::Method::GET, account, function)?.send().await?;
    let answer = answer.error_for_status().with_context(|| format!("{function} was not deployed"))?;
    let configuration: FunctionConfiguration = answer.json().await?;
    Ok(configuration.environment.variables)
}

/// Tells an emulator that somebody else started where the functions are hosted; one of ours is told at its start.
pub async fn forward_invocations(
    aws: &SdkConfig,
    account: &str,
    environment: &BTreeMap<String, String>,
    addresses: &BTreeMap<String, String>,
) -> Result<()> {
    for (function, address) in addresses {
        let mut variables = environment.clone();
        variables.insert("MINISTACK_LAMBDA_PROXY_URL".to_owned(), address.clone());
        let body = serde_json::json!({ "Environment": FunctionEnvironment { variables } });
        configuration_request(aws, reqwest::Method::PUT, account, function)?
            .json(&body)
            .send()
            .await?
            .error_for_status()
            .with_context(|| format!("{function} could not be told where it is hosted"))?;
    }
    Ok(())
}
