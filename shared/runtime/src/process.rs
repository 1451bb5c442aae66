use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use domain::{Debounce, Envelope, Outcome, SessionId, TenantId, Verdict, WakeUp, Window};
use futures::{FutureExt, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use model::Disposition;
use queue::{NotAccepted, SqsBatchResponse, SqsEvent, batch_response, deliveries};
use store::{Committed, Effects, Run, SweepSpan};
use tracing::Instrument;
use uuid::Uuid;

use crate::agent::{Agent, AgentSpec, Context, ThinkError};
use crate::batch::{Work, coalesce};
use crate::services::Services;

/// A lease outlives the longest think by a little, and the holder's death costs no more than this.
const LEASE: Duration = Duration::from_mins(2);
/// How long a wake-up waits when another run holds its session.
const WHILE_LEASED: Duration = Duration::from_secs(5);
/// Left for committing and answering when the invocation's time runs out.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
/// Time of an invocation whose deadline is not to be believed, as under `cargo lambda watch`.
const ASSUMED_TIME: SignedDuration = SignedDuration::from_secs(55);

/// One invocation: until when it may begin another window.
#[derive(Debug, Clone, Copy)]
pub struct Invocation {
    begin_until: Timestamp,
}

impl Invocation {
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
        Self { begin_until: deadline.saturating_sub(MARGIN).unwrap_or(now) }
    }
}

/// What became of a wake-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Its window, or its memories, were thought about.
    Thought,
    /// The cursor had passed it.
    NothingNew,
    /// A later wake-up will find a longer window.
    StillBusy,
    /// Another run was first; its work stands.
    LostRace,
    /// Sent again, to be delivered later.
    Deferred,
    /// There is no such session.
    UnknownSession,
    /// A tick, fanned out to whoever has something new.
    FannedOut,
}

impl Ended {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Thought => "thought",
            Self::NothingNew => "nothing_new",
            Self::StillBusy => "still_busy",
            Self::LostRace => "lost_race",
            Self::Deferred => "deferred",
            Self::UnknownSession => "unknown_session",
            Self::FannedOut => "fanned_out",
        }
    }
}

/// Why a wake-up is to be delivered again.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Think(#[from] ThinkError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Hot(#[from] hot::Error),
    #[error(transparent)]
    Publish(#[from] NotAccepted),
    #[error("{variable} has no entry for {agent}", variable = queue::Routes::VARIABLE)]
    NoRoute { agent: &'static str },
    #[error("the agent panicked")]
    Panicked,
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
    let ended: Vec<(Vec<String>, Result<Ended, Failed>)> = stream::iter(batch.work)
        .map(|Work { envelope, message_ids }| async move {
            let span = span(name, &envelope.wake_up);
            let outcome =
                caught(process(services, agent, envelope, invocation)).instrument(span.clone()).await;
            span.in_scope(|| match &outcome {
                Ok(ended) => tracing::debug!(outcome = ended.as_str(), "wake-up done"),
                Err(error) => tracing::error!(%error, "wake-up failed, to be delivered again"),
            });
            (message_ids, outcome)
        })
        .buffer_unordered(services.config.concurrency)
        .collect()
        .await;
    for (message_ids, outcome) in ended {
        let label = outcome.as_ref().map_or("failed", |ended| ended.as_str());
        count_wake_ups(name, label, message_ids.len());
        if outcome.is_err() {
            failed.extend(message_ids);
        }
    }
    batch_response(failed)
}

/// A panic as the failure of one wake-up. What it held is dropped; nothing it half did was committed.
async fn caught(work: impl Future<Output = Result<Ended, Failed>>) -> Result<Ended, Failed> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Err(Failed::Panicked))
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
        WakeUp::Tick => tracing::info_span!("wake_up", agent, tick = true),
    }
}

fn count_wake_ups(agent: &'static str, outcome: &'static str, count: usize) {
    metrics::counter!("WakeUps", "Agent" => agent, "Outcome" => outcome)
        .increment(count.try_into().unwrap_or(u64::MAX));
}

async fn process<A: Agent>(
    services: &Services,
    agent: &A,
    envelope: Envelope,
    invocation: &Invocation,
) -> Result<Ended, Failed> {
    let ended = match &envelope.wake_up {
        WakeUp::Tick => return fan_out(services, agent.spec()).await,
        WakeUp::Window { .. } => Ok(Ended::NothingNew),
        WakeUp::Memories { tenant, session } => {
            agent.memories_added(tenant, *session).await.map(|()| Ended::Thought).map_err(Failed::from)
        }
        WakeUp::Session { tenant, session, version } => {
            think_leased(services, agent, &envelope, tenant, *session, *version, invocation).await
        }
    };
    match ended {
        Err(Failed::Think(ThinkError::Model(error))) => match error.disposition() {
            Disposition::Defer(delay) => {
                tracing::info!(%error, delay_seconds = delay.as_secs(), "put off by the model");
                defer(services, agent.spec(), envelope, delay).await
            }
            Disposition::Retry | Disposition::Discard => Err(ThinkError::Model(error).into()),
        },
        other => other,
    }
}

async fn think_leased<A: Agent>(
    services: &Services,
    agent: &A,
    envelope: &Envelope,
    tenant: &TenantId,
    session: SessionId,
    version: i64,
    invocation: &Invocation,
) -> Result<Ended, Failed> {
    let spec = agent.spec();
    let holder = Uuid::now_v7();
    let now = (services.now)();
    let lease = services.hot.acquire_lease(spec.name, session, holder, version, version, LEASE, now).await?;
    let hot::Leased::Taken(lease) = lease else {
        return defer(services, spec, envelope.clone(), WHILE_LEASED).await;
    };
    let ended = caught(think(services, agent, envelope, tenant, session, version, invocation)).await;
    // A lease that cannot be given back ends by itself.
    if let Err(error) = services.hot.release_lease(&lease).await {
        tracing::warn!(%error, "the lease was not given back");
    }
    ended
}

/// Thinks about window after window until the session's head is reached or the time is up.
async fn think<A: Agent>(
    services: &Services,
    agent: &A,
    envelope: &Envelope,
    tenant: &TenantId,
    session: SessionId,
    version: i64,
    invocation: &Invocation,
) -> Result<Ended, Failed> {
    let spec = agent.spec();
    let mut ended = Ended::NothingNew;
    loop {
        let started_at = (services.now)();
        let claim = store::Claim {
            agent: spec.name,
            tenant,
            session,
            limit: spec.window_limit,
            context: spec.context,
            waits_for: None,
            redrives: None,
        };
        let claimed = services.store.claim(&claim).await?;
        let Some(claimed) = claimed else { return Ok(Ended::UnknownSession) };
        let window = claimed.window;
        if ended == Ended::NothingNew {
            match verdict(spec, version, &window, started_at) {
                Verdict::NothingNew => return Ok(ended),
                Verdict::StillBusy => return Ok(Ended::StillBusy),
                Verdict::Think => {}
            }
        }
        let Some(newest) = window.events.last() else { return Ok(ended) };
        let insert_time = newest.created_at;

        let context = Context { known: claimed.known, now: started_at };
        let thoughts = agent.think(&window, &context).await?;
        let run = Run {
            id: Uuid::now_v7(),
            agent: spec.name,
            model: thoughts.usage.model,
            input_tokens: thoughts.usage.input_tokens,
            output_tokens: thoughts.usage.output_tokens,
            deferrals: envelope.deferrals,
            first_sent_at: envelope.first_sent_at,
            started_at,
            ..Run::default()
        };
        let effects = Effects { thoughts: thoughts.thoughts, indexed: thoughts.indexed };
        match services.store.commit(&window, &effects, &run).await? {
            Committed::LostRace => return Ok(Ended::LostRace),
            Committed::Done(reconciled) => {
                measure(spec.name, &window, &reconciled, insert_time, started_at, (services.now)());
            }
        }
        ended = Ended::Thought;
        if !window.was_cut() {
            return Ok(ended);
        }
        if (services.now)() >= invocation.begin_until {
            let rest = WakeUp::Session { tenant: tenant.clone(), session, version: window.head };
            publish(services, spec, &[Envelope::first(rest, (services.now)())]).await?;
            return Ok(ended);
        }
    }
}

fn verdict(spec: &AgentSpec, version: i64, window: &Window, now: Timestamp) -> Verdict {
    let Some(oldest) = window.events.first() else { return Verdict::NothingNew };
    let no_wait = Debounce { max_wait: Duration::ZERO };
    spec.debounce.unwrap_or(no_wait).decide(version, window.after, window.head, oldest.created_at, now)
}

fn measure(
    agent: &'static str,
    window: &Window,
    reconciled: &domain::Reconciled,
    insert_time: Timestamp,
    started_at: Timestamp,
    now: Timestamp,
) {
    metrics::counter!("Windows", "Agent" => agent).increment(1);
    metrics::counter!("Events", "Agent" => agent)
        .increment(window.events.len().try_into().unwrap_or(u64::MAX));
    for entry in &reconciled.ledger {
        metrics::counter!("Thoughts", "Agent" => agent, "Outcome" => entry.outcome.as_str()).increment(1);
        if entry.outcome == Outcome::Dropped {
            let reason = entry.reason.map_or("", domain::Dropped::as_str);
            tracing::info!(r#type = entry.kind.as_str(), reason, "a thought was dropped");
        }
    }
    let milliseconds = |since: Timestamp| now.duration_since(since).as_secs_f64().max(0.0) * 1000.0;
    metrics::histogram!("InsertToCommit", "Agent" => agent).record(milliseconds(insert_time));
    metrics::histogram!("WindowTime", "Agent" => agent).record(milliseconds(started_at));
    tracing::info!(
        window.after,
        window.through = window.through(),
        thoughts = reconciled.ledger.len(),
        memories = reconciled.changes.len(),
        "window committed"
    );
}

/// Wakes the agent for every session it is behind on.
async fn fan_out(services: &Services, spec: &AgentSpec) -> Result<Ended, Failed> {
    let now = (services.now)();
    let behind = services.positions.sessions_behind(&[spec.name], SweepSpan::All { until: now }).await?;
    let wake_ups: Vec<Envelope> = behind
        .into_iter()
        .map(|behind| WakeUp::Session {
            tenant: behind.tenant,
            session: behind.session,
            version: behind.version,
        })
        .map(|wake_up| Envelope::first(wake_up, now))
        .collect();
    tracing::info!(sessions = wake_ups.len(), "tick fanned out");
    publish(services, spec, &wake_ups).await?;
    Ok(Ended::FannedOut)
}

async fn publish(services: &Services, spec: &AgentSpec, envelopes: &[Envelope]) -> Result<(), Failed> {
    services.publisher.publish(own_queue(services, spec)?, envelopes).await?;
    Ok(())
}

async fn defer(
    services: &Services,
    spec: &AgentSpec,
    envelope: Envelope,
    delay: Duration,
) -> Result<Ended, Failed> {
    services.publisher.defer(own_queue(services, spec)?, envelope, delay).await?;
    Ok(Ended::Deferred)
}

fn own_queue<'a>(services: &'a Services, spec: &AgentSpec) -> Result<&'a str, Failed> {
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
