use std::collections::HashSet;
use std::error::Error;
use std::time::Duration;

use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use domain::Envelope;
use jiff::Timestamp;

use crate::publisher::reason;
use crate::{Ordered, Publisher};

/// How long a dead letter that was looked at is hidden from others, in seconds: longer than a look takes.
const HIDDEN_SECONDS: i32 = 60;
/// Short polling asks only some of the servers that keep a queue; waiting asks all of them.
const WAIT_SECONDS: i32 = 1;
/// The attribute of a dead letter that says why it is one.
pub(crate) const REASON: &str = "reason";

/// A message of a queue of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What SQS knows it by, however often it is received.
    pub message_id: String,
    /// What it says.
    pub body: String,
    /// Why it is there, where that was told.
    pub reason: Option<String>,
    /// Since when it is there.
    pub sent_at: Option<Timestamp>,
    group: String,
    deduplication: String,
    receipt: String,
}

impl DeadLetter {
    fn of(message: Message) -> Self {
        let system = message.attributes.unwrap_or_default();
        let attribute = |name: MessageSystemAttributeName| system.get(&name).cloned();
        let message_id = message.message_id.unwrap_or_default();
        let sent_at = attribute(MessageSystemAttributeName::SentTimestamp);
        let reason = message.message_attributes.as_ref().and_then(|named| named.get(REASON)?.string_value());
        Self {
            reason: reason.map(str::to_owned),
            body: message.body.unwrap_or_default(),
            sent_at: sent_at.and_then(|sent| Timestamp::from_millisecond(sent.parse().ok()?).ok()),
            group: attribute(MessageSystemAttributeName::MessageGroupId).unwrap_or_default(),
            // What has none is told by what stays the same, so that it is one message however often it is sent.
            deduplication: attribute(MessageSystemAttributeName::MessageDeduplicationId)
                .unwrap_or_else(|| message_id.clone()),
            receipt: message.receipt_handle.unwrap_or_default(),
            message_id,
        }
    }

    /// The same message for the queue it is of: in its group, and told by its identifier.
    fn to_ordered(&self) -> Ordered {
        Ordered {
            body: self.body.clone(),
            group: self.group.clone(),
            deduplication: self.deduplication.clone(),
            reason: None,
        }
    }
}

/// What a look through dead letters came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookedThrough {
    /// How many letters were done with.
    pub done: usize,
    /// Whether there may be more than were looked at: too many, some that somebody else has received and may give back, or some
    /// behind those that came round again.
    pub is_cut: bool,
}

/// A queue of dead letters that could not be looked through. What was done with before stays so.
#[derive(Debug, thiserror::Error)]
#[error("{queue_url} was not looked through: {reason}")]
pub struct NotLookedThrough {
    /// The queue.
    pub queue_url: String,
    /// How many letters were done with before.
    pub done: usize,
    /// What was said.
    pub reason: String,
    /// The failed call, unless SQS answered and refused single letters.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// What becomes of letters that are picked.
#[derive(Debug, Clone, Copy)]
enum Fate<'a> {
    Stays,
    Deleted,
    /// Sent to this FIFO queue, and deleted when that has them.
    Sent(&'a str),
}

/// Why a call came to nothing.
struct Failed(String, Option<Box<dyn Error + Send + Sync>>);

impl Failed {
    fn call(error: impl Error + Send + Sync + 'static) -> Self {
        Self(DisplayErrorContext(&error).to_string(), Some(Box::new(error)))
    }
}

impl Publisher {
    /// Deletes the dead letters that `delete` picks among those that are wake-ups, as [`Self::purge_letters`] does.
    pub async fn purge_dead_letters(
        &self,
        queue_url: &str,
        most: usize,
        delete: impl Fn(&Envelope) -> bool,
    ) -> Result<LookedThrough, NotLookedThrough> {
        let delete = |body: &str| Envelope::parse(body).is_ok_and(|envelope| delete(&envelope));
        self.purge_letters(queue_url, most, delete).await
    }

    /// Deletes the letters whose bodies `delete` picks. At most `most` are looked at.
    ///
    /// Of a FIFO queue, letters of a group wait behind those of it that are left: more than ten letters of a group are looked at only
    /// as far as those before them are deleted.
    ///
    /// Whatever is left is hidden for a minute at most: at the end, or when that minute is over, it can be received
    /// again. What somebody else has received is not seen, and the look is cut then. A letter that was picked and could not be deleted is an error, and comes back.
    pub async fn purge_letters(
        &self,
        queue_url: &str,
        most: usize,
        delete: impl Fn(&str) -> bool,
    ) -> Result<LookedThrough, NotLookedThrough> {
        self.look_through(queue_url, most, Fate::Deleted, |letter| delete(&letter.body)).await
    }

    /// Shows letters to `look`, each once, and changes nothing. As many as [`Self::purge_letters`] looks at that deletes none.
    pub async fn look_at_letters(
        &self,
        queue_url: &str,
        most: usize,
        mut look: impl FnMut(&DeadLetter),
    ) -> Result<LookedThrough, NotLookedThrough> {
        let look = |letter: &DeadLetter| {
            look(letter);
            false
        };
        self.look_through(queue_url, most, Fate::Stays, look).await
    }

    /// Sends the letters that `pick` picks to the FIFO queue they are of, those of one group in their order, each under the
    /// identifier it had, and deletes it when that queue has it. So none is lost whatever ends in the middle; one that was sent and
    /// not deleted is sent again the next time, which SQS takes for the same message within five minutes.
    pub async fn redrive_letters(
        &self,
        queue_url: &str,
        to: &str,
        most: usize,
        pick: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<LookedThrough, NotLookedThrough> {
        self.look_through(queue_url, most, Fate::Sent(to), pick).await
    }

    async fn look_through(
        &self,
        queue_url: &str,
        most: usize,
        fate: Fate<'_>,
        mut pick: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<LookedThrough, NotLookedThrough> {
        let (mut done, mut seen, mut left) = (0, HashSet::new(), Vec::new());
        let mut came_again = false;
        let end = loop {
            let letters = match self.receive_letters(queue_url).await {
                Ok(letters) => letters,
                Err(failed) => break Err(failed),
            };
            let (known, received) = (seen.len(), letters.len());
            let (picked, others): (Vec<DeadLetter>, Vec<DeadLetter>) = letters
                .into_iter()
                .partition(|letter| seen.insert(letter.message_id.clone()) && pick(letter));
            left.extend(others.into_iter().map(|letter| letter.receipt));
            if let Err(failed) = self.settle(queue_url, fate, &picked).await {
                left.extend(picked.into_iter().map(|letter| letter.receipt));
                break Err(failed);
            }
            done += picked.len();
            // What was seen before is hidden for as long as a look should take.
            came_again |= seen.len() - known < received;
            // Nothing new: the queue is empty, has begun to hand out again what was left, or somebody else has the rest.
            if seen.len() == known {
                let held = seen.len() - done;
                break self.in_flight(queue_url).await.map(|in_flight| came_again || in_flight > held);
            }
            if seen.len() >= most {
                break Ok(true);
            }
        };
        let visible: Vec<_> = left.into_iter().map(|receipt| (receipt, Duration::ZERO)).collect();
        self.retry_later(queue_url, &visible).await;
        match end {
            Ok(is_cut) => Ok(LookedThrough { done, is_cut }),
            Err(Failed(reason, source)) => {
                Err(NotLookedThrough { queue_url: queue_url.to_owned(), done, reason, source })
            }
        }
    }

    async fn receive_letters(&self, queue_url: &str) -> Result<Vec<DeadLetter>, Failed> {
        let received = self
            .client()
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .visibility_timeout(HIDDEN_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names(REASON)
            .send()
            .await
            .map_err(Failed::call)?;
        Ok(received.messages.unwrap_or_default().into_iter().map(DeadLetter::of).collect())
    }

    /// About how many messages of a queue somebody has received who has not done with them.
    async fn in_flight(&self, queue_url: &str) -> Result<usize, Failed> {
        let name = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let answer = self
            .client()
            .get_queue_attributes()
            .queue_url(queue_url)
            .attribute_names(name.clone())
            .send()
            .await
            .map_err(Failed::call)?;
        let count = answer.attributes.as_ref().and_then(|attributes| attributes.get(&name)?.parse().ok());
        count.ok_or_else(|| Failed(format!("SQS did not answer with {name}"), None))
    }

    /// Has letters become what they are to become.
    async fn settle(&self, queue_url: &str, fate: Fate<'_>, letters: &[DeadLetter]) -> Result<(), Failed> {
        if letters.is_empty() {
            return Ok(());
        }
        match fate {
            Fate::Stays => return Ok(()),
            Fate::Deleted => {}
            Fate::Sent(to) => {
                let messages: Vec<Ordered> = letters.iter().map(DeadLetter::to_ordered).collect();
                let sent = self.publish_in_order(to, &messages).await;
                sent.map_err(|error| Failed(error.to_string(), Some(Box::new(error))))?;
            }
        }
        let delete = self.client().delete_message_batch().queue_url(queue_url);
        let answer = delete.set_entries(Some(entries(letters))).send().await.map_err(Failed::call)?;
        if answer.failed.is_empty() { Ok(()) } else { Err(Failed(reason(&answer.failed), None)) }
    }
}

fn entries(letters: &[DeadLetter]) -> Vec<DeleteMessageBatchRequestEntry> {
    letters
        .iter()
        .enumerate()
        .map(|(place, letter)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(&letter.receipt)
                .build()
                .expect("an entry has an id and a receipt handle")
        })
        .collect()
}
