use std::collections::HashSet;
use std::error::Error;

use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use domain::Envelope;

use crate::Publisher;

/// How long a dead letter that was looked at is hidden from others, in seconds: longer than a look takes.
const HIDDEN_SECONDS: i32 = 60;
/// Short polling asks only some of the servers that keep a queue; waiting asks all of them.
const WAIT_SECONDS: i32 = 1;

/// A queue of dead letters that could not be looked through. What was deleted before stays deleted.
#[derive(Debug, thiserror::Error)]
#[error("{queue_url} was not looked through: {reason}")]
pub struct NotLookedThrough {
    /// The queue.
    pub queue_url: String,
    /// What was said.
    pub reason: String,
    /// The failed call.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl Publisher {
    /// Deletes the dead letters that `delete` picks among those that are wake-ups, as [`Self::purge_letters`] does.
    pub async fn purge_dead_letters(
        &self,
        queue_url: &str,
        most: usize,
        delete: impl Fn(&Envelope) -> bool,
    ) -> Result<usize, NotLookedThrough> {
        let delete = |body: &str| Envelope::parse(body).is_ok_and(|envelope| delete(&envelope));
        self.purge_letters(queue_url, most, delete).await
    }

    /// Deletes the letters whose bodies `delete` picks, and answers how many there were. At most `most` are looked at.
    ///
    /// Of a FIFO queue, letters of a group wait behind those of it that are left: more than ten letters of a group are looked at only
    /// as far as those before them are deleted.
    ///
    /// Whatever is left is hidden for a minute at most: at the end, or when that minute is over, it can be received
    /// again. A letter that could not be deleted is not counted and comes back.
    pub async fn purge_letters(
        &self,
        queue_url: &str,
        most: usize,
        delete: impl Fn(&str) -> bool,
    ) -> Result<usize, NotLookedThrough> {
        let failed = |reason: String, source: Box<dyn Error + Send + Sync>| NotLookedThrough {
            queue_url: queue_url.to_owned(),
            reason,
            source,
        };
        let (mut deleted, mut seen, mut left) = (0, HashSet::new(), Vec::new());
        loop {
            let received = self
                .client()
                .receive_message()
                .queue_url(queue_url)
                .max_number_of_messages(10)
                .visibility_timeout(HIDDEN_SECONDS)
                .wait_time_seconds(WAIT_SECONDS)
                .send()
                .await
                .map_err(|error| failed(DisplayErrorContext(&error).to_string(), Box::new(error)))?;
            let messages = received.messages.unwrap_or_default();
            let known = seen.len();
            seen.extend(messages.iter().filter_map(|message| message.message_id.clone()));
            let (picked, others): (Vec<Message>, Vec<Message>) =
                messages.into_iter().partition(|message| delete(message.body.as_deref().unwrap_or_default()));
            if !picked.is_empty() {
                let answer = self
                    .client()
                    .delete_message_batch()
                    .queue_url(queue_url)
                    .set_entries(Some(entries(&picked)))
                    .send()
                    .await
                    .map_err(|error| failed(DisplayErrorContext(&error).to_string(), Box::new(error)))?;
                deleted += answer.successful.len();
            }
            left.extend(others.into_iter().filter_map(|message| message.receipt_handle));
            // Nothing new: the queue is empty, or has begun to hand out again what was left.
            if seen.len() == known || seen.len() >= most {
                break;
            }
        }
        let visible: Vec<_> = left.into_iter().map(|receipt| (receipt, std::time::Duration::ZERO)).collect();
        self.retry_later(queue_url, &visible).await;
        Ok(deleted)
    }
}

fn entries(messages: &[Message]) -> Vec<DeleteMessageBatchRequestEntry> {
    messages
        .iter()
        .enumerate()
        .map(|(place, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(message.receipt_handle.as_deref().unwrap_or_default())
                .build()
                .expect("an entry has an id and a receipt handle")
        })
        .collect()
}
