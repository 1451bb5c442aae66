//! Messages as SQS hands them to agents.

use domain::{Envelope, WakeUp};
use jiff::Timestamp;
use queue::SqsEvent;
use runtime::{Agent, Invocation, Services, handle};
use serde_json::json;

/// Hands an agent one message that was received so often; answers whether it was acknowledged.
pub(crate) async fn deliver_body<A: Agent>(
    services: &Services,
    agent: &A,
    body: &str,
    receives: usize,
) -> bool {
    let event: SqsEvent = serde_json::from_value(json!({"Records": [{
        "messageId": "m", "body": body, "receiptHandle": "",
        "attributes": {"ApproximateReceiveCount": receives.to_string()},
    }]}))
    .unwrap();
    let invocation = Invocation::at(Timestamp::from_second(4_000_000_000).unwrap(), 0);
    handle(services, agent, event, &invocation).await.batch_item_failures.is_empty()
}

/// Hands an agent a wake-up for the first time; answers whether it was acknowledged.
pub(crate) async fn deliver<A: Agent>(services: &Services, agent: &A, wake_up: WakeUp) -> bool {
    let body = Envelope::first(wake_up, Timestamp::UNIX_EPOCH).to_body();
    deliver_body(services, agent, &body, 1).await
}
