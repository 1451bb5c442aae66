use std::collections::HashMap;
use std::error::Error;

use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{BatchResultErrorEntry, MessageAttributeValue, SendMessageBatchRequestEntry};
use backon::BackoffBuilder;
use domain::AcceptedEvents;
use futures::{StreamExt, stream};
use uuid::Uuid;

use crate::Publisher;
use crate::dead_letters::REASON;
use crate::publisher::{BATCH, reason};

/// The longest message that SQS takes, in bytes, and the most that one call sends.
pub const MOST_BYTES: usize = 1024 * 1024;
/// What is kept free of a message whose body is made of events, for the names and the frame around them and for what a dead letter
/// adds: what the queue took, its dead letters take.
pub const SPARE_BYTES: usize = 16 * 1024;
/// What SQS counts of a message beside its body: the attribute that says why it is a dead letter.
const ATTRIBUTE_BYTES: usize = 1024;

/// A message of a FIFO queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// What it says, of characters that SQS takes.
    pub body: String,
    /// Messages of one group are delivered in the order they were sent. 1 to 128 ASCII letters, digits and punctuation.
    pub group: String,
    /// Within five minutes SQS keeps the first message of a group with this identifier and no other. As `group`.
    pub deduplication: String,
    /// Why it is a dead letter, when it is one.
    pub reason: Option<String>,
}

impl Ordered {
    /// Accepted events as a message in the group of their session. SQS tells a repeat of it by where it comes from, `base`, and
    /// everything in it.
    pub fn of(message: &AcceptedEvents, base: Uuid) -> Self {
        let body = message.to_body();
        let deduplication = Uuid::new_v5(&base, body.as_bytes()).to_string();
        Self { group: message.group(), deduplication, body, reason: None }
    }
}

/// Messages that a FIFO queue has not all accepted.
#[derive(Debug, thiserror::Error)]
#[error("{queue_url} did not accept {missing} of {sent} messages: {reason}")]
pub struct NotAllAccepted {
    /// The queue.
    pub queue_url: String,
    /// How many were to be sent.
    pub sent: usize,
    /// How many were not, as far as SQS has answered.
    pub missing: usize,
    /// What was said about the last of them.
    pub reason: String,
    /// The failed call, unless SQS answered and refused single messages.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Publisher {
    /// Sends messages to a FIFO queue, those of one group in the order given: the next of a group is sent when the one
    /// before it has been accepted.
    ///
    /// `Ok` means that SQS has accepted every one. Otherwise a beginning of each group may have been accepted; sending all of
    /// them again within five minutes, under the same identifiers, comes to the same as sending them once.
    pub async fn publish_in_order(
        &self,
        queue_url: &str,
        messages: &[Ordered],
    ) -> Result<(), NotAllAccepted> {
        let mut accepted = 0;
        for round in rounds(messages) {
            let calls: Vec<_> =
                batches(round).into_iter().map(|batch| self.send_in_order(queue_url, batch)).collect();
            let mut results = stream::iter(calls).buffer_unordered(self.calls());
            let mut failed: Option<NotAllAccepted> = None;
            while let Some((so_many, result)) = results.next().await {
                accepted += so_many;
                failed = result.err().or(failed);
            }
            if let Some(failed) = failed {
                return Err(NotAllAccepted {
                    sent: messages.len(),
                    missing: messages.len() - accepted,
                    ..failed
                });
            }
        }
        Ok(())
    }

    /// Sends one batch, repeating what was not accepted; answers how many were.
    async fn send_in_order(
        &self,
        queue_url: &str,
        mut waiting: Vec<&Ordered>,
    ) -> (usize, Result<(), NotAllAccepted>) {
        let sent = waiting.len();
        let mut pauses = self.retries().build();
        loop {
            let entries = waiting.iter().enumerate().map(|(place, message)| entry(place, message)).collect();
            let answer = {
                let _permit = self.permits().acquire().await;
                self.client()
                    .send_message_batch()
                    .queue_url(queue_url)
                    .set_entries(Some(entries))
                    .send()
                    .await
            };
            let (reason, source, worth_repeating) = match answer {
                Ok(answer) if answer.failed.is_empty() => return (sent, Ok(())),
                Ok(answer) => {
                    waiting = refused(&waiting, &answer.failed);
                    (reason(&answer.failed), None, answer.failed.iter().any(|failure| !failure.sender_fault))
                }
                Err(error) => {
                    let reason = DisplayErrorContext(&error).to_string();
                    (reason, Some(Box::new(error) as Box<dyn Error + Send + Sync>), true)
                }
            };
            if let Some(pause) = pauses.next().filter(|_| worth_repeating) {
                tokio::time::sleep(pause).await;
            } else {
                let missing = waiting.len();
                let queue_url = queue_url.to_owned();
                let error = NotAllAccepted { queue_url, sent, missing, reason, source };
                return (sent - missing, Err(error));
            }
        }
    }
}

/// The first of every group, then the second of every group that has one, and so on.
fn rounds(messages: &[Ordered]) -> Vec<Vec<&Ordered>> {
    let mut so_far: HashMap<&str, usize> = HashMap::new();
    let mut rounds: Vec<Vec<&Ordered>> = Vec::new();
    for message in messages {
        let place = so_far.entry(&message.group).or_default();
        match rounds.get_mut(*place) {
            Some(round) => round.push(message),
            None => rounds.push(vec![message]),
        }
        *place += 1;
    }
    rounds
}

/// As few calls as SQS takes a round in.
fn batches(round: Vec<&Ordered>) -> Vec<Vec<&Ordered>> {
    let mut batches: Vec<(usize, Vec<&Ordered>)> = Vec::new();
    for message in round {
        let bytes = message.body.len() + message.reason.as_ref().map_or(0, |_| ATTRIBUTE_BYTES);
        match batches.last_mut() {
            Some((so_far, batch)) if batch.len() < BATCH && *so_far + bytes <= MOST_BYTES => {
                *so_far += bytes;
                batch.push(message);
            }
            _ => batches.push((bytes, vec![message])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

/// One entry of a batch; its id is its place.
fn entry(place: usize, message: &Ordered) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(&message.body)
        .message_group_id(&message.group)
        .message_deduplication_id(&message.deduplication);
    let entry = match &message.reason {
        None => entry,
        Some(reason) => {
            let value = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
            entry.message_attributes(REASON, value.expect("a value has a type"))
        }
    };
    entry.build().expect("an entry has an id and a body")
}

/// Those of a batch that the answer names as failed. An id the batch does not have is ignored.
fn refused<'a>(batch: &[&'a Ordered], failed: &[BatchResultErrorEntry]) -> Vec<&'a Ordered> {
    let named = |place: usize| failed.iter().any(|failure| failure.id.parse() == Ok(place));
    batch.iter().enumerate().filter(|(place, _)| named(*place)).map(|(_, message)| *message).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(group: &str, place: usize, bytes: usize) -> Ordered {
        let body = "x".repeat(bytes);
        Ordered { body, group: group.to_owned(), deduplication: place.to_string(), reason: None }
    }

    proptest! {
        #[test]
        fn a_round_has_one_of_a_group_and_rounds_keep_its_order(groups in prop::collection::vec("[a-d]", 0..40)) {
            let messages: Vec<_> = groups.iter().enumerate().map(|(place, group)| message(group, place, 1)).collect();
            let rounds = rounds(&messages);
            let mut order: HashMap<&str, Vec<usize>> = HashMap::new();
            for round in &rounds {
                let mut seen: Vec<_> = round.iter().map(|message| &message.group).collect();
                seen.sort();
                seen.dedup();
                prop_assert_eq!(seen.len(), round.len());
                for message in round {
                    order.entry(&message.group).or_default().push(message.deduplication.parse().unwrap());
                }
            }
            prop_assert_eq!(order.values().map(Vec::len).sum::<usize>(), messages.len());
            prop_assert!(order.values().all(|places| places.is_sorted()));
        }

        #[test]
        fn a_call_keeps_to_what_sqs_takes(sizes in prop::collection::vec(1_usize..MOST_BYTES, 1..30)) {
            let messages: Vec<_> = sizes.iter().enumerate().map(|(place, bytes)| message(&place.to_string(), place, *bytes)).collect();
            let batches = batches(messages.iter().collect());
            prop_assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), messages.len());
            for batch in batches {
                prop_assert!(batch.len() <= BATCH);
                prop_assert!(batch.iter().map(|message| message.body.len()).sum::<usize>() <= MOST_BYTES);
            }
        }
    }
}
