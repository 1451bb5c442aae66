use aws_lambda_events::sqs::{SqsEvent, SqsMessage};

/// One message of a batch of a FIFO queue, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// What a failure is reported under. Empty when the event had none; reporting it then fails the whole batch.
    pub message_id: String,
    /// What it says; empty when the event had nothing.
    pub body: String,
    /// The group it is delivered in the order of; empty when the event does not say.
    pub group: String,
    /// What the delivery can be put off by; empty when the event had none.
    pub receipt_handle: String,
    /// How often SQS has delivered it, this time included; 1 when the event does not say.
    pub receive_count: u32,
}

impl From<SqsMessage> for Letter {
    fn from(message: SqsMessage) -> Self {
        let attribute = |name: &str| message.attributes.get(name).cloned().unwrap_or_default();
        Self {
            receive_count: attribute("ApproximateReceiveCount").parse().unwrap_or(1),
            group: attribute("MessageGroupId"),
            message_id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
        }
    }
}

/// Reads an event of a FIFO queue message by message, in its order.
pub fn letters(event: SqsEvent) -> Vec<Letter> {
    event.records.into_iter().map(Letter::from).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_event_does_not_say_is_empty() {
        let event = serde_json::from_value(json!({ "Records": [
            { "messageId": "1", "body": "a", "receiptHandle": "r",
              "attributes": { "ApproximateReceiveCount": "7", "MessageGroupId": "g" } },
            {},
        ]}))
        .unwrap();
        let text = str::to_owned;
        let whole = Letter {
            message_id: text("1"),
            body: text("a"),
            group: text("g"),
            receipt_handle: text("r"),
            receive_count: 7,
        };
        let nothing = Letter {
            message_id: text(""),
            body: text(""),
            group: text(""),
            receipt_handle: text(""),
            receive_count: 1,
        };
        assert_eq!(letters(event), [whole, nothing]);
    }
}
