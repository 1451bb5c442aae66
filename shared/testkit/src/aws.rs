use std::collections::HashMap;

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_sqs::types::{Message, QueueAttributeName};
use local::emulator;
use uuid::Uuid;

use crate::servers;

/// An AWS account of its own: SQS, DynamoDB and the rest, empty at first and seen by nobody else.
#[derive(Debug, Clone)]
pub struct TestAws {
    config: SdkConfig,
    endpoint: String,
    account: String,
}

impl TestAws {
    /// Opens a new account in the shared emulator.
    ///
    /// # Errors
    /// When the emulator cannot be fetched or started.
    pub async fn create() -> Result<Self> {
        let endpoint = servers::emulator().await?;
        let account = random_account();
        let config = emulator::sdk_config(endpoint, &account);
        Ok(Self { config, endpoint: endpoint.to_owned(), account })
    }

    /// What the SDKs' clients are made from.
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The variables a process needs to reach this account through the SDKs.
    pub fn environment(&self) -> HashMap<String, String> {
        emulator::credentials(&self.endpoint, &self.account).into_iter().collect()
    }

    /// An SQS client.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// A DynamoDB client.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// Creates a standard queue with its dead-letter queue `<name>-dlq`, as the template does, and answers its URL.
    pub async fn create_queue(&self, name: &str) -> Result<String> {
        let sqs = self.sqs();
        let dead = sqs.create_queue().queue_name(format!("{name}-dlq")).send().await?;
        let dead = dead.queue_url().context("a created queue has a URL")?;
        let arn = sqs
            .get_queue_attributes()
            .queue_url(dead)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await?
            .attributes
            .unwrap_or_default()
            .remove(&QueueAttributeName::QueueArn)
            .context("a queue has an ARN")?;
        let redrive = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"5"}}"#);
        let queue = sqs
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::RedrivePolicy, redrive)
            .send()
            .await?;
        Ok(queue.queue_url().context("a created queue has a URL")?.to_owned())
    }

    /// Creates a FIFO queue `<name>.fifo` as the template does, and answers its URL.
    pub async fn create_fifo_queue(&self, name: &str) -> Result<String> {
        let attributes = [
            (QueueAttributeName::FifoQueue, "true"),
            (QueueAttributeName::DeduplicationScope, "messageGroup"),
            (QueueAttributeName::FifoThroughputLimit, "perMessageGroupId"),
            (QueueAttributeName::MaximumMessageSize, "1048576"),
        ];
        let attributes = attributes.map(|(name, value)| (name, value.to_owned()));
        let created = self.sqs().create_queue().queue_name(format!("{name}.fifo"));
        let queue = created.set_attributes(Some(attributes.into())).send().await?;
        Ok(queue.queue_url().context("a created queue has a URL")?.to_owned())
    }

    /// Takes every message that is in a queue now out of it.
    pub async fn drain(&self, queue_url: &str) -> Result<Vec<Message>> {
        let sqs = self.sqs();
        let mut all = Vec::new();
        loop {
            let received = sqs
                .receive_message()
                .queue_url(queue_url)
                .max_number_of_messages(10)
                .message_system_attribute_names(aws_sdk_sqs::types::MessageSystemAttributeName::All)
                .message_attribute_names("All")
                .send()
                .await?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(all);
            }
            for message in messages {
                let handle = message.receipt_handle().context("a received message has a handle")?;
                sqs.delete_message().queue_url(queue_url).receipt_handle(handle).send().await?;
                all.push(message);
            }
        }
    }

    /// Creates a bucket of S3 that nobody else has, and answers its name.
    pub async fn create_bucket(&self) -> Result<String> {
        let name = format!("archive-{}", self.account);
        // The emulator tells accounts apart by the access key, and checks no signature.
        let signed =
            format!("AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/s3/aws4_request", self.account);
        let request = reqwest::Client::new().put(format!("{}/{name}", self.endpoint));
        request.header("authorization", signed).send().await?.error_for_status()?;
        Ok(name)
    }

    /// Creates the table of the hot state as the template defines it, and answers its name.
    pub async fn create_hot_table(&self) -> Result<String> {
        let name = "afterthought-hot";
        let dynamodb = self.dynamodb();
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        };
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        dynamodb
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk")?)
            .attribute_definitions(attribute("sk")?)
            .key_schema(key("pk", KeyType::Hash)?)
            .key_schema(key("sk", KeyType::Range)?)
            .send()
            .await?;
        dynamodb
            .update_time_to_live()
            .table_name(name)
            .time_to_live_specification(
                TimeToLiveSpecification::builder().attribute_name("expires_at").enabled(true).build()?,
            )
            .send()
            .await?;
        Ok(name.to_owned())
    }
}

#[expect(clippy::disallowed_methods, reason = "an account nobody else has")]
fn random_account() -> String {
    format!("{:012}", Uuid::new_v4().as_u128() % 1_000_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_accounts_never_meet() {
        let (one, two) = (TestAws::create().await.unwrap(), TestAws::create().await.unwrap());
        let queue = one.create_queue("summarizer").await.unwrap();
        one.sqs().send_message().queue_url(&queue).message_body("hello").send().await.unwrap();
        let other = two.create_queue("summarizer").await.unwrap();
        assert_eq!(two.drain(&other).await.unwrap(), vec![]);
        assert_eq!(one.drain(&queue).await.unwrap().len(), 1);
        let table = one.create_hot_table().await.unwrap();
        assert!(two.dynamodb().describe_table().table_name(&table).send().await.is_err());
    }
}
