//! One endpoint at a time: what waits for it goes out in its order.

use std::collections::BTreeMap;
use std::iter;
use std::time::Duration;

use anyhow::Context as _;
use domain::{Delivery, Envelope, InvalidEnvelope, TenantId, WakeUp};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use queue::{Publisher, SqsBatchResponse, SqsEvent, batch_response, deliveries};
use runtime::{Invocation, Services};
use seal::Sealer;
use store::{
    Attempt, ClaimedEndpoint, DeliveryStatus, EndpointEnd, Settled, Store, WaitingDelivery, secret_place,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::{NotifierConfig, Outcome, Sender};

/// What a sender needs beside an answer to write down what became of it.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
/// An endpoint's turn: after it, the others that were woken come first.
const TURN: SignedDuration = SignedDuration::from_secs(30);
/// The longest that a queue holds a message back.
const LONGEST_DELAY: Duration = Duration::from_mins(15);
/// An endpoint that nothing has come through to for so long is disabled.
const LONGEST_FAILURE: SignedDuration = SignedDuration::from_hours(5 * 24);

/// The function, built once per process.
pub struct Notifier {
    store: Store,
    publisher: Publisher,
    queue_url: String,
    sealer: Sealer,
    sender: Sender,
    timeout: SignedDuration,
    now: fn() -> Timestamp,
}

/// One endpoint, taken by one sender.
struct Taken<'a> {
    tenant: &'a TenantId,
    endpoint: Uuid,
    claim: Uuid,
}

/// What is known of it since it was read.
struct Known {
    /// Since when nothing has come through.
    failing_since: Option<Timestamp>,
    /// When its owner had changed it last.
    updated_at: Timestamp,
}

/// What becomes of an endpoint's line after one message of it.
enum Line {
    /// With this message, if there is one.
    GoesOn(Option<WaitingDelivery>),
    /// The endpoint has been changed and is read again first.
    ReadAgain,
    Rests(Duration),
    IsOver,
}

impl Notifier {
    /// A notifier on clients at hand.
    pub fn new(services: &Services, sealer: Sealer, settings: &NotifierConfig) -> anyhow::Result<Self> {
        let queue_url = services.config.notifier_queue.clone();
        Ok(Self {
            store: services.store.clone(),
            publisher: services.publisher.clone(),
            queue_url: queue_url.context("NOTIFIER_QUEUE is not set, expected the queue's URL")?,
            sealer,
            sender: Sender::new(settings.reach, settings.timeout)?,
            timeout: SignedDuration::try_from(settings.timeout)?,
            now: services.now,
        })
    }

    /// Works through one batch of the queue; the answer names the messages to deliver again. Endpoints are sent to at the
    /// same time, and none waits for another.
    pub async fn handle(&self, event: SqsEvent, invocation: &Invocation) -> SqsBatchResponse {
        let mut failed = Vec::new();
        let mut endpoints: BTreeMap<(TenantId, Uuid), Vec<String>> = BTreeMap::new();
        for delivery in deliveries(event) {
            match delivery.envelope.map(|envelope| envelope.wake_up) {
                Ok(WakeUp::Endpoint { tenant, endpoint }) => {
                    endpoints.entry((tenant, endpoint)).or_default().push(delivery.message_id);
                }
                Err(error @ InvalidEnvelope::UnknownFormat { .. }) => {
                    tracing::error!(message_id = delivery.message_id, %error, "a message of another format was left in the queue");
                    failed.push(delivery.message_id);
                }
                other => {
                    let error = other.err().unwrap_or(InvalidEnvelope::OfAnother);
                    tracing::error!(message_id = delivery.message_id, %error, "a message that names no endpoint was discarded");
                }
            }
        }
        let ended = join_all(endpoints.into_iter().map(|((tenant, endpoint), messages)| async move {
            let span = tracing::info_span!("wake_up", %endpoint);
            let sent = self.send_all(&tenant, endpoint, invocation.ends_at()).instrument(span).await;
            (messages, sent)
        }))
        .await;
        for (messages, sent) in ended {
            if let Err(error) = sent {
                tracing::error!(%error, "an endpoint could not be looked after, to be delivered again");
                failed.extend(messages);
            }
        }
        batch_response(failed)
    }

    /// Sends what waits for an endpoint until nothing does, it fails, or its turn is over.
    async fn send_all(&self, tenant: &TenantId, endpoint: Uuid, ends_at: Timestamp) -> anyhow::Result<()> {
        let taken = Taken { tenant, endpoint, claim: Uuid::now_v7() };
        let turn_ends = (self.now)().saturating_add(TURN)?;
        let last_start = ends_at.saturating_sub(self.timeout)?.saturating_sub(MARGIN)?.min(turn_ends);
        'endpoint: loop {
            let now = (self.now)();
            let claim = self.store.claim_endpoint(tenant, endpoint, taken.claim, (now, self.until(now)));
            let Some(mut claimed) = claim.await? else { return Ok(()) };
            let secrets = self.secrets(endpoint, &claimed);
            let mut known = Known { failing_since: claimed.failing_since, updated_at: claimed.updated_at };
            let mut next = claimed.next.take();
            while let Some(delivery) = next {
                let now = (self.now)();
                if now > last_start {
                    self.store.release_endpoint(tenant, endpoint, taken.claim, true).await?;
                    self.wake_again(&taken, Duration::ZERO).await;
                    return Ok(());
                }
                let outcome = match &secrets {
                    Ok(secrets) => self.sender.send(&claimed.url, secrets, &delivery, now).await,
                    Err(unsigned) => unsigned.clone(),
                };
                match self.settle(&taken, &delivery, &outcome, &mut known).await? {
                    Line::GoesOn(behind) => next = behind,
                    Line::ReadAgain => continue 'endpoint,
                    Line::Rests(wait) => {
                        // Longer waits end in a sweep of the reader.
                        if wait <= LONGEST_DELAY {
                            self.wake_again(&taken, wait).await;
                        }
                        return Ok(());
                    }
                    Line::IsOver => return Ok(()),
                }
            }
            // What is written from here on finds the endpoint free, or is seen by this look.
            if self.store.release_endpoint(tenant, endpoint, taken.claim, false).await? {
                return Ok(());
            }
        }
    }

    /// Decides what becomes of a message and its endpoint after an attempt, and writes it down.
    async fn settle(
        &self,
        taken: &Taken<'_>,
        delivery: &WaitingDelivery,
        outcome: &Outcome,
        known: &mut Known,
    ) -> anyhow::Result<Line> {
        let now = (self.now)();
        let verdict =
            Delivery::after(delivery.attempts.saturating_add(1), outcome.attempted, fastrand::f64());
        known.failing_since = match verdict {
            Delivery::Done => None,
            _ => Some(known.failing_since.unwrap_or(now)),
        };
        let has_failed_for_long =
            known.failing_since.is_some_and(|since| now.duration_since(since) > LONGEST_FAILURE);
        let status = match verdict {
            Delivery::Done => DeliveryStatus::Delivered,
            Delivery::Dead => DeliveryStatus::Dead,
            Delivery::Again(_) | Delivery::Gone => DeliveryStatus::Pending,
        };
        let (endpoint, line) = match verdict {
            Delivery::Gone => (EndpointEnd::Gone, Line::IsOver),
            _ if has_failed_for_long => (EndpointEnd::Failing, Line::IsOver),
            Delivery::Again(wait) => (EndpointEnd::Rests(now.saturating_add(wait)?), Line::Rests(wait)),
            Delivery::Done | Delivery::Dead => (EndpointEnd::Kept(self.until(now)), Line::GoesOn(None)),
        };
        let attempt = Attempt {
            delivery: delivery.id,
            at: now,
            status,
            answered: outcome.status(),
            error: outcome.error.as_deref(),
            endpoint,
            endpoint_as_of: known.updated_at,
        };
        let settled = self.store.settle_delivery(taken.tenant, taken.endpoint, taken.claim, &attempt).await?;
        let said = match (verdict, &settled, &line) {
            (Delivery::Done, ..) => "delivered",
            (Delivery::Dead, Settled::Unchanged(_), _) => "dead",
            (_, Settled::Unchanged(_), Line::IsOver) => "disabled",
            _ => "failed",
        };
        metrics::counter!("Webhooks", "Outcome" => said).increment(1);
        if said != "delivered" {
            let (attempts, answered) = (delivery.attempts.saturating_add(1), outcome.status());
            tracing::warn!(message = %delivery.message, attempts, answered, outcome = said, "a webhook was not delivered");
        }
        Ok(match (settled, line) {
            (Settled::Lost, _) => Line::IsOver,
            (Settled::Changed, _) => Line::ReadAgain,
            (Settled::Unchanged(behind), Line::GoesOn(_)) => Line::GoesOn(behind),
            (_, line) => line,
        })
    }

    /// Until when an endpoint is taken, from one attempt to the next.
    fn until(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.timeout + MARGIN + MARGIN).unwrap_or(Timestamp::MAX)
    }

    /// What signs an endpoint's messages; without it none is sent, and each attempt says why.
    fn secrets(&self, endpoint: Uuid, claimed: &ClaimedEndpoint) -> Result<Vec<Vec<u8>>, Outcome> {
        let place = secret_place(endpoint);
        let opened = |secret: &Vec<u8>| {
            self.sealer.open(&place, secret).inspect_err(
                |error| tracing::error!(%endpoint, %error, "a secret that signs messages cannot be read"),
            )
        };
        let current = opened(&claimed.secret).map_err(|error| Outcome {
            attempted: domain::Attempted::Unanswered,
            error: Some(error.to_string()),
        })?;
        // A receiver that has the new secret needs no other.
        let old = claimed.old_secret.as_ref().and_then(|secret| opened(secret).ok());
        Ok(iter::once(current).chain(old).collect())
    }

    /// Wakes this function again for an endpoint. A wake-up that is lost is made up for by a sweep.
    async fn wake_again(&self, taken: &Taken<'_>, wait: Duration) {
        let wake_up = WakeUp::Endpoint { tenant: taken.tenant.clone(), endpoint: taken.endpoint };
        let envelope = Envelope::first(wake_up, (self.now)());
        if let Err(error) = self.publisher.publish_after(&self.queue_url, &[envelope], wait).await {
            tracing::warn!(%error, "the next attempt is left to the sweep");
        }
    }
}
