use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{Envelope, InvalidEnvelope};

/// One message of a batch, read on its own: a body that is no wake-up fails this message and no other.
#[derive(Debug)]
pub struct Delivery {
    /// What a failure is reported under. Empty when the event had none; reporting it then fails the whole batch,
    /// which SQS delivers again: nothing is lost.
    pub message_id: String,
    /// The wake-up, or why the body is none.
    pub envelope: Result<Envelope, InvalidEnvelope>,
    /// What the delivery can be put off by; empty when the event had none.
    pub receipt_handle: String,
    /// How often SQS has delivered this message, this time included; 1 when the event does not say.
    pub receive_count: u32,
    /// The queue it came from; empty when the event does not say.
    pub queue_arn: String,
}

impl Delivery {
    /// The queue's name: the last part of its ARN.
    pub fn queue_name(&self) -> &str {
        self.queue_arn.rsplit(':').next().unwrap_or_default()
    }
}

impl From<SqsMessage> for Delivery {
    fn from(message: SqsMessage) -> Self {
        let receive_count = message.attributes.get("ApproximateReceiveCount");
        Self {
            receive_count: receive_count.and_then(|count| count.parse().ok()).unwrap_or(1),
            envelope: Envelope::parse(message.body.as_deref().unwrap_or_default()),
            message_id: message.message_id.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            queue_arn: message.event_source_arn.unwrap_or_default(),
        }
    }
}

/// Reads an event message by message, in its order.
pub fn deliveries(event: SqsEvent) -> Vec<Delivery> {
    event.records.into_iter().map(Delivery::from).collect()
}

/// The answer that has SQS deliver these messages again and forget the others of the batch.
pub fn batch_response(failed: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed);
    response
}

#[cfg(test)]
mod tests {
    use domain::WakeUp;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(messages: &serde_json::Value) -> SqsEvent {
        serde_json::from_value(json!({ "Records": messages })).unwrap()
    }

    #[test]
    fn a_malformed_body_fails_its_own_message_only() {
        let tick = Envelope::first(WakeUp::Tick, jiff::Timestamp::UNIX_EPOCH);
        let deliveries = deliveries(event(&json!([
            { "messageId": "1", "body": "not json", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:indexer" },
            { "messageId": "2", "body": tick.to_body(), "attributes": { "ApproximateReceiveCount": "3" } },
            { "messageId": "3" },
        ])));
        let [bad, good, empty] = deliveries.as_slice() else { panic!("three messages") };
        assert!(bad.envelope.is_err() && empty.envelope.is_err());
        assert_eq!((bad.queue_name(), bad.receive_count), ("indexer", 1));
        assert_eq!((good.envelope.as_ref().unwrap(), good.receive_count), (&tick, 3));
    }

    #[test]
    fn the_answer_lists_what_is_to_come_again() {
        let answer = serde_json::to_string(&batch_response(["2".to_owned()])).unwrap();
        insta::assert_snapshot!(answer, @r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#);
        let answer = serde_json::to_string(&batch_response([])).unwrap();
        insta::assert_snapshot!(answer, @r#"{"batchItemFailures":[]}"#);
    }

    proptest! {
        #[test]
        fn every_message_of_an_event_becomes_one_delivery(
            bodies in prop::collection::vec(prop::option::of(".{0,60}"), 0..12),
            count in ".{0,4}",
        ) {
            let messages: Vec<_> = bodies
                .iter()
                .enumerate()
                .map(|(id, body)| json!({ "messageId": id.to_string(), "body": body, "attributes": { "ApproximateReceiveCount": count } }))
                .collect();
            let deliveries = deliveries(event(&json!(messages)));
            prop_assert_eq!(deliveries.len(), bodies.len());
            for (id, delivery) in deliveries.iter().enumerate() {
                prop_assert_eq!(&delivery.message_id, &id.to_string());
            }
        }
    }
}
