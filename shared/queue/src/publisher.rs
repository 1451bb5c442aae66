use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use domain::{Envelope, TenantId};
use futures::{StreamExt, stream};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The longest delay SQS knows. A longer wait is several deferrals.
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// The longest a message can stay invisible.
const LONGEST_INVISIBLE: Duration = Duration::from_hours(12);

/// SQS takes at most this many messages at once.
pub(crate) const BATCH: usize = 10;

/// Concurrent calls unless told otherwise: enough to send some thousand wake-ups a second.
const CALLS: usize = 16;

/// The share of a call's time that one attempt at it may take.
const ATTEMPT: f32 = 0.4;

/// The longest message group SQS takes, in characters.
const LONGEST_GROUP: usize = 128;

/// What SQS says of a queue that has to be mended before it takes anything.
const REFUSED_FOR_GOOD: [&str; 12] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "AccessDenied",
    "AccessDeniedException",
    "InvalidAddress",
    "InvalidSecurity",
    "KmsAccessDenied",
    "KmsDisabled",
    "KmsInvalidKeyUsage",
    "KmsInvalidState",
    "KmsNotFound",
    "KmsOptInRequired",
];

/// Wake-ups that SQS has not accepted. Everything else of the call is in the queue.
#[derive(Debug, thiserror::Error)]
#[error("{queue_url} did not accept {} of {sent} wake-ups: {reason}", envelopes.len())]
pub struct NotAccepted {
    /// The queue.
    pub queue_url: String,
    /// How many were to be sent.
    pub sent: usize,
    /// Those that were not accepted. One of them may be in the queue all the same, when only the answer was lost.
    pub envelopes: Vec<Envelope>,
    /// What was said about the last of them.
    pub reason: String,
    /// Whether it will be said again as long as nobody mends the queue: it is gone, or it may not be written to, or its key may
    /// not be used.
    pub is_for_good: bool,
    /// The failed call, unless SQS answered and refused single messages.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// Sends wake-ups. Cheap to clone; clones share one bound on concurrent calls.
#[derive(Debug, Clone)]
pub struct Publisher {
    client: Client,
    retries: ExponentialBuilder,
    calls: usize,
    permits: Arc<Semaphore>,
}

impl Publisher {
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) const fn calls(&self) -> usize {
        self.calls
    }

    pub(crate) const fn retries(&self) -> ExponentialBuilder {
        self.retries
    }

    pub(crate) fn permits(&self) -> &Semaphore {
        &self.permits
    }

    /// How long SQS may take for a call, unless something else is said: longer than it waits for a letter.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A publisher with at most 16 calls in flight that tries each batch up to 5 times, with pauses of about two seconds in all.
    pub fn new(client: Client) -> Self {
        let retries = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(4);
        let publisher = Self { client, retries, calls: CALLS, permits: Arc::new(Semaphore::new(CALLS)) };
        publisher.with_timeout(Self::TIMEOUT)
    }

    /// The same publisher, waiting for SQS at most so long for each call, and for one attempt at it a part of that, so that a
    /// second one has its time.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(timeout)
            .operation_attempt_timeout(timeout.mul_f32(ATTEMPT))
            .build();
        self.client = Client::from_conf(self.client.config().to_builder().timeout_config(timeouts).build());
        self
    }

    /// The same publisher with its own bound on concurrent calls; 0 counts as 1.
    #[must_use]
    pub fn with_concurrency(self, calls: usize) -> Self {
        let calls = calls.max(1);
        Self { calls, permits: Arc::new(Semaphore::new(calls)), ..self }
    }

    /// The same publisher with another policy for repeating what was not accepted. `with_max_times(0)` tries once.
    #[must_use]
    pub fn with_retries(self, retries: ExponentialBuilder) -> Self {
        Self { retries, ..self }
    }

    /// About how many messages a queue has, those that somebody works on among them; what was said when it does not say.
    pub async fn depth(&self, queue_url: &str) -> Result<u64, String> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(queue_url)
            .set_attribute_names(Some(counts.to_vec()))
            .send()
            .await
            .map_err(|error| DisplayErrorContext(&error).to_string())?;
        let count = |name| {
            let of = answer.attributes.as_ref().and_then(|attributes| attributes.get(name));
            of.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default()
        };
        Ok(counts.iter().map(count).sum())
    }

    /// Sends all of them to one queue, each under its tenant as message group; order is not kept.
    ///
    /// `Ok` means that SQS has accepted every one. Dropping the future may leave any part of them sent.
    pub async fn publish(&self, queue_url: &str, envelopes: &[Envelope]) -> Result<(), NotAccepted> {
        self.publish_all(queue_url, envelopes, None).await
    }

    /// The same, delivered after `delay` (cut and rounded as in [`Publisher::defer`]) instead of the queue's own delay.
    pub async fn publish_after(
        &self,
        queue_url: &str,
        envelopes: &[Envelope],
        delay: Duration,
    ) -> Result<(), NotAccepted> {
        self.publish_all(queue_url, envelopes, Some(delay_seconds(delay))).await
    }

    async fn publish_all(
        &self,
        queue_url: &str,
        envelopes: &[Envelope],
        delay: Option<i32>,
    ) -> Result<(), NotAccepted> {
        let batches: Vec<_> =
            envelopes.chunks(BATCH).map(|batch| self.send(queue_url, batch.to_vec(), delay)).collect();
        let mut results = stream::iter(batches).buffer_unordered(self.calls);
        let mut failed: Option<NotAccepted> = None;
        while let Some(result) = results.next().await {
            if let Err(error) = result {
                let before = failed.take();
                let failed_for_good = before.as_ref().is_none_or(|before| before.is_for_good);
                let before = before.map(|failed| failed.envelopes).unwrap_or_default();
                failed = Some(NotAccepted {
                    envelopes: [before, error.envelopes].concat(),
                    sent: envelopes.len(),
                    is_for_good: error.is_for_good && failed_for_good,
                    ..error
                });
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Sends a wake-up again, to be delivered after `delay` (cut to [`LONGEST_DELAY`], in whole seconds rounded up),
    /// counted as deferred once more and with its first sending time kept. The delivered message is the caller's to
    /// acknowledge once this has answered `Ok`.
    pub async fn defer(
        &self,
        queue_url: &str,
        envelope: Envelope,
        delay: Duration,
    ) -> Result<(), NotAccepted> {
        self.send(queue_url, vec![envelope.deferred()], Some(delay_seconds(delay))).await
    }

    /// Has SQS deliver these messages again after their delays instead of after the queue's visibility timeout. Each is
    /// named by the receipt handle of its delivery; delays are whole seconds rounded up, twelve hours at most.
    ///
    /// Best effort, one call per ten messages: a message that could not be put off comes back when its visibility
    /// timeout ends. Answers how many were put off.
    ///
    /// # Panics
    /// Never: every entry has an id and a receipt handle.
    pub async fn retry_later(&self, queue_url: &str, messages: &[(String, Duration)]) -> usize {
        let mut put_off = 0;
        for batch in messages.chunks(BATCH) {
            let entries: Vec<_> = batch
                .iter()
                .enumerate()
                .filter(|(_, (receipt, _))| !receipt.is_empty())
                .map(|(place, (receipt, delay))| {
                    ChangeMessageVisibilityBatchRequestEntry::builder()
                        .id(place.to_string())
                        .receipt_handle(receipt)
                        .visibility_timeout(whole_seconds(*delay, LONGEST_INVISIBLE))
                        .build()
                        .expect("an entry has an id and a receipt handle")
                })
                .collect();
            if entries.is_empty() {
                continue;
            }
            let sent = entries.len();
            let answer = {
                let _permit = self.permits.acquire().await;
                self.client
                    .change_message_visibility_batch()
                    .queue_url(queue_url)
                    .set_entries(Some(entries))
                    .send()
                    .await
            };
            match answer {
                Ok(answer) => {
                    put_off += sent - answer.failed.len();
                    if !answer.failed.is_empty() {
                        tracing::warn!(reason = reason(&answer.failed), "messages could not be put off");
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %DisplayErrorContext(&error), "messages could not be put off");
                }
            }
        }
        put_off
    }

    /// Sends one batch, repeating what was not accepted.
    async fn send(
        &self,
        queue_url: &str,
        batch: Vec<Envelope>,
        delay: Option<i32>,
    ) -> Result<(), NotAccepted> {
        let sent = batch.len();
        let mut waiting = batch;
        let mut pauses = self.retries.build();
        loop {
            let entries =
                waiting.iter().enumerate().map(|(place, envelope)| entry(place, envelope, delay)).collect();
            let answer = {
                let _permit = self.permits.acquire().await;
                self.client.send_message_batch().queue_url(queue_url).set_entries(Some(entries)).send().await
            };
            let (reason, source, is_for_good) = match answer {
                Ok(answer) if answer.failed.is_empty() => return Ok(()),
                Ok(answer) => {
                    waiting = refused(waiting, &answer.failed);
                    let is_for_good = answer.failed.iter().all(|failure| failure.sender_fault);
                    (reason(&answer.failed), None, is_for_good)
                }
                Err(error) => {
                    let reason = DisplayErrorContext(&error).to_string();
                    let is_for_good = error.code().is_some_and(|code| REFUSED_FOR_GOOD.contains(&code));
                    (reason, Some(Box::new(error) as Box<dyn Error + Send + Sync>), is_for_good)
                }
            };
            match pauses.next().filter(|_| !is_for_good) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    return Err(NotAccepted {
                        queue_url: queue_url.to_owned(),
                        sent,
                        envelopes: waiting,
                        reason,
                        is_for_good,
                        source,
                    });
                }
            }
        }
    }
}

/// One entry of a batch; its id is its place.
fn entry(place: usize, envelope: &Envelope, delay: Option<i32>) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(envelope.to_body())
        .set_message_group_id(envelope.wake_up.tenant().map(message_group))
        .set_delay_seconds(delay)
        .build()
        .expect("an entry has an id and a body")
}

/// Those of a batch that the answer names as failed. An id the batch does not have is ignored.
fn refused(batch: Vec<Envelope>, failed: &[BatchResultErrorEntry]) -> Vec<Envelope> {
    let named = |place: usize| failed.iter().any(|failure| failure.id.parse() == Ok(place));
    batch.into_iter().enumerate().filter(|(place, _)| named(*place)).map(|(_, envelope)| envelope).collect()
}

/// What SQS says about the first failure of an answer.
pub(crate) fn reason(failed: &[BatchResultErrorEntry]) -> String {
    let first = failed.first().map(|failure| (failure.code.as_str(), failure.message.as_deref()));
    match first {
        Some((code, Some(message))) => format!("{code}: {message}"),
        Some((code, None)) => code.to_owned(),
        None => String::new(),
    }
}

/// A tenant as message group: itself, or, where SQS would refuse it (too long, or not ASCII letters, digits and
/// punctuation), a name-based UUID of it. Groups only share the queue fairly; nothing reads them back.
fn message_group(tenant: &TenantId) -> String {
    let tenant = tenant.as_str();
    if tenant.len() <= LONGEST_GROUP && tenant.bytes().all(|byte| byte.is_ascii_graphic()) {
        tenant.to_owned()
    } else {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, tenant.as_bytes()).to_string()
    }
}

fn delay_seconds(delay: Duration) -> i32 {
    whole_seconds(delay, LONGEST_DELAY)
}

fn whole_seconds(time: Duration, longest: Duration) -> i32 {
    let time = time.min(longest);
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds).expect("half a day at most")
}

#[cfg(test)]
mod tests {
    use domain::{SessionId, WakeUp};
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn wake_up(tenant: &str, version: i64) -> Envelope {
        let session = SessionId(Uuid::nil());
        let wake_up = WakeUp::Session { tenant: TenantId::new(tenant).unwrap(), session, version };
        Envelope::first(wake_up, Timestamp::UNIX_EPOCH)
    }

    fn failure(id: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder()
            .id(id)
            .code("InternalError")
            .sender_fault(sender_fault)
            .build()
            .unwrap()
    }

    #[test]
    fn no_publisher_waits_for_ever() {
        let config = aws_sdk_sqs::config::Config::builder().behavior_version_latest().build();
        let publisher = Publisher::new(Client::from_conf(config));
        let timeouts = publisher.client.config().timeout_config().unwrap();
        assert_eq!(timeouts.operation_timeout(), Some(Publisher::TIMEOUT));
        assert!(timeouts.operation_attempt_timeout().unwrap() * 2 < Publisher::TIMEOUT);
    }

    #[test]
    fn only_what_an_answer_names_is_sent_again() {
        let batch: Vec<_> = (1..=5).map(|version| wake_up("acme", version)).collect();
        let again = refused(
            batch.clone(),
            &[failure("3", false), failure("0", true), failure("77", false), failure("x", false)],
        );
        assert_eq!(again, [batch[0].clone(), batch[3].clone()]);
    }

    #[test]
    fn a_tick_has_no_message_group_and_a_session_has_its_tenant() {
        assert_eq!(
            entry(0, &Envelope::first(WakeUp::Tick, Timestamp::UNIX_EPOCH), None).message_group_id,
            None
        );
        assert_eq!(entry(0, &wake_up("acme", 1), None).message_group_id.as_deref(), Some("acme"));
    }

    #[test]
    fn a_delay_is_whole_seconds_up_to_the_longest_sqs_knows() {
        assert_eq!(delay_seconds(Duration::ZERO), 0);
        assert_eq!(delay_seconds(Duration::from_millis(1)), 1);
        assert_eq!(delay_seconds(Duration::from_secs(30)), 30);
        assert_eq!(delay_seconds(Duration::MAX), 900);
    }

    proptest! {
        #[test]
        fn every_tenant_has_a_message_group_sqs_takes(tenant in "\\PC{1,66}") {
            let tenant = TenantId::new(tenant).unwrap();
            let group = message_group(&tenant);
            prop_assert!((1..=LONGEST_GROUP).contains(&group.len()));
            prop_assert!(group.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(group, message_group(&tenant));
        }

        #[test]
        fn accepted_and_refused_are_the_whole_batch(failed in prop::collection::btree_set(0_usize..10, 0..10)) {
            let batch: Vec<_> = (1..=10).map(|version| wake_up("acme", version)).collect();
            let failures: Vec<_> = failed.iter().map(|place| failure(&place.to_string(), false)).collect();
            let again = refused(batch.clone(), &failures);
            prop_assert_eq!(again, failed.iter().map(|place| batch[*place].clone()).collect::<Vec<_>>());
        }
    }
}
