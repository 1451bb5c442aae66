use std::time::Duration;

use domain::{Envelope, SessionId, TenantId, UserId, WakeUp};
use futures::{StreamExt, stream};
use hot::Leased;
use jiff::{SignedDuration, Timestamp};
use queue::{NotAccepted, SqsBatchResponse, SqsEvent, batch_response, deliveries};
use tracing::Instrument;
use uuid::Uuid;

use crate::agent::{Agent, AgentSpec, ThinkError};
use crate::batch::{Message, Work, coalesce};
use crate::drive::{Drive, back_off, caught, lease_term};
use crate::flow::{Ended, Fault, MOST_RECEIVES};
use crate::services::Services;

/// Left for committing and answering when the invocation's time runs out.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
/// Time of an invocation whose deadline is not to be believed, as under `cargo lambda watch`.
const ASSUMED_TIME: SignedDuration = SignedDuration::from_secs(55);

/// Users that a tick is fanned out to per query.
const USERS_AT_ONCE: u16 = 200;
/// Sessions of a user that one wake-up comes to.
const SESSIONS_AT_ONCE: u16 = 100;

/// One invocation: until when it may begin another window, and until when it runs.
#[derive(Debug, Clone, Copy)]
pub struct Invocation {
    pub(crate) begin_until: Timestamp,
    /// When it is over, whatever runs.
    pub(crate) ends_at: Timestamp,
}

impl Invocation {
    /// When it is over, whatever runs.
    pub const fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    /// An invocation that begins now and ends at `deadline`, in milliseconds since 1970.
    #[expect(clippy::disallowed_methods, reason = "the start of an invocation is where its time comes from")]
    pub fn starting(deadline_milliseconds: u64) -> Self {
        Self::at(Timestamp::now(), deadline_milliseconds)
    }

    /// An invocation that begins at `now`. A deadline that has passed already is not believed.
    pub fn at(now: Timestamp, deadline_milliseconds: u64) -> Self {
        let deadline = i64::try_from(deadline_milliseconds)
            .ok()
            .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
            .filter(|deadline| *deadline > now)
            .unwrap_or_else(|| now.saturating_add(ASSUMED_TIME).unwrap_or(Timestamp::MAX));
        Self { begin_until: deadline.saturating_sub(MARGIN).unwrap_or(now), ends_at: deadline }
    }
}

/// Why something came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Think(ThinkError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Hot(#[from] hot::Error),
    #[error(transparent)]
    Publish(#[from] NotAccepted),
    #[error("neither {} nor {} has an entry for {agent}", queue::Routes::VARIABLE, queue::Routes::SCHEDULED)]
    NoRoute { agent: &'static str },
    #[error("the agent panicked")]
    Panicked,
    #[error("the thinking did not end within the {seconds} s that were left of the invocation")]
    OutOfTime { seconds: u64 },
}

/// Works through one batch of an agent's queue.
///
/// The answer names the messages to deliver again; a message fails alone, whatever happens to it, a panic included.
/// A body that no version can read is acknowledged and counted; one of a later format stays in the queue.
pub async fn handle<A: Agent>(
    services: &Services,
    agent: &A,
    event: SqsEvent,
    invocation: &Invocation,
) -> SqsBatchResponse {
    let name = agent.spec().name;
    let batch = coalesce(deliveries(event));
    for (message_id, error) in &batch.malformed {
        tracing::error!(agent = name, message_id, %error, "a message that is not a wake-up was discarded");
        count_wake_ups(name, "malformed", 1);
    }
    let mut failed: Vec<String> = Vec::new();
    for (message_id, error) in batch.unknown {
        tracing::error!(agent = name, message_id, %error, "a message of another format was left in the queue");
        count_wake_ups(name, "unknown_format", 1);
        failed.push(message_id);
    }
    let ended: Vec<(Vec<Message>, Ended)> = stream::iter(batch.work)
        .map(|Work { envelope, messages, receives }| async move {
            let span = span(name, &envelope.wake_up);
            let ended = process(services, agent, &envelope, receives, invocation).instrument(span).await;
            (messages, ended)
        })
        .buffer_unordered(services.config.concurrency)
        .collect()
        .await;
    let mut later: Vec<(String, Duration)> = Vec::new();
    for (messages, ended) in ended {
        count_wake_ups(name, ended.as_str(), messages.len());
        if let Ended::Retry { attempt } = ended {
            let delay = back_off(attempt);
            for message in messages {
                later.push((message.receipt_handle, delay));
                failed.push(message.id);
            }
        }
    }
    if let (false, Ok(queue)) = (later.is_empty(), own_queue(services, agent.spec())) {
        services.publisher.retry_later(queue, &later).await;
    }
    batch_response(failed)
}

fn span(agent: &'static str, wake_up: &WakeUp) -> tracing::Span {
    match wake_up {
        WakeUp::Session { session, version, .. } => {
            tracing::info_span!("wake_up", agent, %session, version)
        }
        WakeUp::Window { session, run, .. } => {
            tracing::info_span!("wake_up", agent, %session, redrives = %run)
        }
        WakeUp::Memories { session, .. } => tracing::info_span!("wake_up", agent, %session, memories = true),
        WakeUp::User { .. } => tracing::info_span!("wake_up", agent, user = true),
        WakeUp::Tick | WakeUp::TickRest { .. } => tracing::info_span!("wake_up", agent, tick = true),
        WakeUp::Endpoint { endpoint, .. } => tracing::info_span!("wake_up", agent, %endpoint),
    }
}

fn count_wake_ups(agent: &'static str, outcome: &'static str, count: usize) {
    metrics::counter!("WakeUps", "Agent" => agent, "Outcome" => outcome)
        .increment(count.try_into().unwrap_or(u64::MAX));
}

async fn process<A: Agent>(
    services: &Services,
    agent: &A,
    envelope: &Envelope,
    receives: u32,
    invocation: &Invocation,
) -> Ended {
    let subject = match &envelope.wake_up {
        WakeUp::Session { tenant, session, .. } => (tenant, *session, None),
        WakeUp::Window { tenant, session, run, .. } => (tenant, *session, Some(*run)),
        WakeUp::Memories { tenant, session } => {
            let told = caught(agent.memories_added(tenant, *session)).await;
            let told = told.map_or(Err(Failed::Panicked), |told| told.map_err(Failed::Think));
            let told = told.map(|()| Ended::Thought);
            return ended_plainly(services, agent.spec(), envelope, receives, told).await;
        }
        WakeUp::User { tenant, user } => {
            let user = (tenant, user);
            let thought = think_alone_of_user(services, agent, envelope, user, receives, invocation).await;
            return ended_plainly(services, agent.spec(), envelope, receives, thought).await;
        }
        // A batch has none of these: they are no agent's.
        WakeUp::Endpoint { .. } => return Ended::NothingNew,
        WakeUp::Tick | WakeUp::TickRest { .. } => {
            let from = match &envelope.wake_up {
                WakeUp::TickRest { tenant, user } => Some((tenant, user)),
                _ => None,
            };
            let fanned_out = fan_out(services, agent.spec(), from, invocation).await;
            return ended_plainly(services, agent.spec(), envelope, receives, fanned_out).await;
        }
    };
    Drive::new(services, agent, envelope, subject).run(receives, invocation).await
}

/// The end of a wake-up that is not about a window: done, or tried again and sent anew before SQS gives up on it.
async fn ended_plainly(
    services: &Services,
    spec: &AgentSpec,
    envelope: &Envelope,
    receives: u32,
    done: Result<Ended, Failed>,
) -> Ended {
    let error = match done {
        Ok(ended) => return ended,
        Err(error) => error,
    };
    let attempt = receives.saturating_add(envelope.deferrals).max(1);
    tracing::error!(%error, attempt, "wake-up failed, to be delivered again");
    // What fails by its own fault ends in the dead letters; nothing is lost with it, it only says what there is to see.
    let is_outside = match &error {
        Failed::Panicked => false,
        Failed::Think(error) => !matches!(error.fault(), Fault::Window | Fault::WindowForGood),
        _ => true,
    };
    if !is_outside || receives + 1 < MOST_RECEIVES {
        return Ended::Retry { attempt };
    }
    let deferred = match own_queue(services, spec) {
        Ok(queue) => services.publisher.defer(queue, envelope.clone(), back_off(attempt)).await.is_ok(),
        Err(_) => false,
    };
    if deferred { Ended::Deferred } else { Ended::Retry { attempt } }
}

/// Wakes the agent for every user who has something new, page by page. Out of time, the rest of the tick is sent on; a
/// tick that is delivered again wakes some users twice, which comes to nothing.
async fn fan_out(
    services: &Services,
    spec: &AgentSpec,
    from: Option<(&TenantId, &UserId)>,
    invocation: &Invocation,
) -> Result<Ended, Failed> {
    let queue = own_queue(services, spec)?;
    let mut last = from.map(|(tenant, user)| (tenant.clone(), user.clone()));
    loop {
        let from = last.as_ref().map(|(tenant, user)| (tenant, user));
        let users = services.positions.users_behind(spec.name, from, USERS_AT_ONCE).await?;
        let now = (services.now)();
        let wake_ups: Vec<Envelope> = users
            .iter()
            .map(|(tenant, user)| WakeUp::User { tenant: tenant.clone(), user: user.clone() })
            .map(|wake_up| Envelope::first(wake_up, now))
            .collect();
        services.publisher.publish(queue, &wake_ups).await?;
        tracing::info!(users = wake_ups.len(), "tick fanned out");
        let is_last = users.len() < usize::from(USERS_AT_ONCE);
        last = users.into_iter().next_back();
        let Some((tenant, user)) = last.clone().filter(|_| !is_last) else { return Ok(Ended::FannedOut) };
        if (services.now)() >= invocation.begin_until {
            let rest = Envelope::first(WakeUp::TickRest { tenant, user }, (services.now)());
            services.publisher.publish(queue, &[rest]).await?;
            return Ok(Ended::FannedOut);
        }
    }
}

/// What the lease of a user as a whole is taken for, in the place of a session: no session has it as its identifier.
pub fn user_as_a_whole(tenant: &TenantId, user: &UserId) -> SessionId {
    let whole = format!("user\u{0}{tenant}\u{0}{user}");
    SessionId(Uuid::new_v5(&Uuid::NAMESPACE_OID, whole.as_bytes()))
}

/// Thinks about a user while nobody else does: two that went through the sessions at once, in another order because something was
/// said meanwhile, could each leave the last window to the other, and nobody would think about the user as a whole.
async fn think_alone_of_user<A: Agent>(
    services: &Services,
    agent: &A,
    envelope: &Envelope,
    user: (&TenantId, &UserId),
    receives: u32,
    invocation: &Invocation,
) -> Result<Ended, Failed> {
    let (name, now) = (agent.spec().name, (services.now)());
    let subject = user_as_a_whole(user.0, user.1);
    let term = lease_term(invocation.ends_at, now);
    let leased = services.hot.acquire_lease(name, subject, Uuid::now_v7(), 0, 0, term, now).await?;
    let Leased::Taken(lease) = leased else {
        let delay = back_off(envelope.deferrals.saturating_add(1));
        services.publisher.defer(own_queue(services, agent.spec())?, envelope.clone(), delay).await?;
        return Ok(Ended::Deferred);
    };
    let thought = think_of_user(services, agent, envelope, user, receives, invocation).await;
    if let Err(error) = services.hot.release_lease(&lease).await {
        tracing::warn!(%error, "the lease of a user was not given back");
    }
    thought
}

/// Thinks about every session of a user that has something new, one after the other, each as its own wake-up would: what
/// is put off is sent again for that session alone. Out of time, the rest of the user's sessions is sent on.
async fn think_of_user<A: Agent>(
    services: &Services,
    agent: &A,
    envelope: &Envelope,
    (tenant, user): (&TenantId, &UserId),
    receives: u32,
    invocation: &Invocation,
) -> Result<Ended, Failed> {
    let spec = agent.spec();
    // One more than are walked through says whether these are all.
    let most = SESSIONS_AT_ONCE + 1;
    let mut behind = services.store.user_sessions_behind(spec.name, tenant, user, most).await?;
    let is_all = behind.len() < usize::from(most);
    behind.truncate(usize::from(SESSIONS_AT_ONCE));
    let (mut ended, mut thought) = (Ended::NothingNew, false);
    let last = behind.last().filter(|_| is_all).map(|(session, _)| *session);
    for (session, version) in behind {
        if ended != Ended::NothingNew && (services.now)() >= invocation.begin_until {
            return send_again(services, spec, envelope).await;
        }
        let wake_up = WakeUp::Session { tenant: tenant.clone(), session, version };
        let alone = Envelope { wake_up, format: 1, ..envelope.clone() };
        let drive = Drive::new(services, agent, &alone, (tenant, session, None));
        match drive.within_user(last == Some(session)).run(receives, invocation).await {
            // The sessions before it are done, so the next delivery begins with this one.
            Ended::Retry { attempt } => return Ok(Ended::Retry { attempt }),
            one => {
                thought |= matches!(one, Ended::Thought | Ended::Quarantined);
                ended = one;
            }
        }
    }
    // Where nothing could be thought about, the sessions have wake-ups of their own by now.
    if is_all || !thought { Ok(ended) } else { send_again(services, spec, envelope).await }
}

async fn send_again(services: &Services, spec: &AgentSpec, envelope: &Envelope) -> Result<Ended, Failed> {
    let rest = Envelope::first(envelope.wake_up.clone(), (services.now)());
    services.publisher.publish(own_queue(services, spec)?, &[rest]).await?;
    Ok(Ended::Thought)
}

pub(crate) fn own_queue<'a>(services: &'a Services, spec: &AgentSpec) -> Result<&'a str, Failed> {
    services.config.routes.url(spec.name).ok_or(Failed::NoRoute { agent: spec.name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_in_the_past_is_not_believed() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(Invocation::at(now, 123).begin_until, Timestamp::from_second(1_800_000_050).unwrap());
        assert_eq!(
            Invocation::at(now, 1_800_000_010_000).begin_until,
            Timestamp::from_second(1_800_000_005).unwrap()
        );
    }
}
