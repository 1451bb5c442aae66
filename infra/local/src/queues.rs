//! What is in queues.

use anyhow::{Context, Result};
use aws_sdk_sqs::types::QueueAttributeName;

/// Messages in a queue: to be received, received and not yet done with, or held back for a while.
pub async fn depth(sqs: &aws_sdk_sqs::Client, queue_url: &str) -> Result<u64> {
    let counted = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(queue_url)
        .set_attribute_names(Some(counted.to_vec()))
        .send()
        .await
        .with_context(|| format!("{queue_url} cannot be read"))?
        .attributes
        .unwrap_or_default();
    Ok(counted.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum())
}
