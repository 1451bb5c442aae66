//! What an operator asks: nothing changes.

use domain::{SessionId, TenantId};
use futures::try_join;
use jiff::Timestamp;
use store::{EventState, HoldRecord, RunFilter};

use super::Admin;
use super::answer::{AgentOutcome, AgentStatus, EventAnswer, HoldAnswer, Runs, SlotAnswer, Status};
use crate::http::{Problem, postgres_is_down};

/// The most holds of one answer.
const MOST_HOLDS: u16 = 500;

impl Admin {
    /// How far every agent is, and what is held.
    pub(super) async fn status(&self, now: Timestamp) -> Result<Status, Problem> {
        let agents = self.agents();
        let (progress, quarantined, slot, holds, adopted) = try_join!(
            self.store.progress(&agents),
            self.store.quarantined_counts(),
            self.store.slot_state(&self.slot),
            self.store.holds(MOST_HOLDS),
            self.store.adoptions(),
        )
        .map_err(|error| postgres_is_down(&error))?;
        let agents = progress
            .into_iter()
            .map(|progress| AgentStatus {
                quarantined: quarantined.get(&progress.agent).copied().unwrap_or(0),
                agent: progress.agent,
                events: progress.events,
                events_behind: progress.events_behind,
                sessions_behind: progress.sessions_behind,
                held: progress.held,
                lag_seconds: progress.lag_seconds,
            })
            .collect();
        // One that has ended holds nothing any more, even while the sweep has not seen to it.
        let holds: Vec<HoldRecord> =
            holds.into_iter().filter(|hold| hold.until.is_none_or(|until| until > now)).collect();
        let slot = SlotAnswer {
            name: self.slot.clone(),
            exists: slot.is_some(),
            lost: slot.as_ref().is_none_or(|slot| slot.lost),
            reason: slot.as_ref().and_then(|slot| slot.reason.clone()),
            lag_bytes: slot.as_ref().and_then(|slot| slot.lag_bytes),
            reader: slot.and_then(|slot| slot.active_reader),
        };
        let adopted_tables = adopted.into_iter().map(Into::into).collect();
        Ok(Status { agents, holds: self.named_holds(holds).await?, slot, adopted_tables })
    }

    async fn named_holds(&self, holds: Vec<HoldRecord>) -> Result<Vec<HoldAnswer>, Problem> {
        let sessions: Vec<SessionId> = holds.iter().filter_map(|hold| hold.session).collect();
        let names = self.store.session_names(&sessions).await.map_err(|error| postgres_is_down(&error))?;
        let named = holds.into_iter().map(|hold| {
            let (user, session) = match hold.session {
                None => (hold.user, None),
                // A session that is gone takes its holds along.
                Some(id) => match names.get(&id) {
                    Some((user, session)) => (Some(user.clone()), Some(session.clone())),
                    None => (hold.user, Some(id.to_string())),
                },
            };
            HoldAnswer {
                tenant: hold.tenant,
                agent: hold.agent,
                user,
                session,
                reason: hold.reason,
                until: hold.until,
                since: hold.created_at,
            }
        });
        Ok(named.collect())
    }

    /// A page of the history of runs.
    pub(super) async fn runs(&self, filter: &RunFilter, limit: u16) -> Result<Runs, Problem> {
        let runs = self.store.runs(filter, limit).await.map_err(|error| postgres_is_down(&error))?;
        let next = runs.last().filter(|_| runs.len() == usize::from(limit)).map(|last| last.run);
        Ok(Runs { runs: runs.into_iter().map(Into::into).collect(), next })
    }

    /// What became of events, an entry per event and in it one per agent.
    pub(super) async fn events(
        &self,
        tenant: &TenantId,
        session: SessionId,
        from: i64,
        to: i64,
        agents: &[&str],
        now: Timestamp,
    ) -> Result<Vec<EventAnswer>, Problem> {
        let outcomes = self.store.event_outcomes(tenant, session, from, to, agents);
        let outcomes = outcomes.await.map_err(|error| postgres_is_down(&error))?;
        let thinking = self.thinking(session, agents, now).await;
        let mut events: Vec<EventAnswer> = Vec::new();
        for outcome in outcomes {
            if events.last().is_none_or(|last| last.version != outcome.version) {
                events.push(EventAnswer { version: outcome.version, agents: Vec::new() });
            }
            let Some(event) = events.last_mut() else { continue };
            event.agents.push(AgentOutcome {
                state: state(
                    outcome.state,
                    thinking.contains(&outcome.agent.as_str()),
                    outcome.thoughts.is_empty(),
                ),
                agent: outcome.agent,
                reason: outcome.reason,
                run: outcome.run,
                at: outcome.at,
                thoughts: outcome.thoughts.into_iter().map(Into::into).collect(),
            });
        }
        Ok(events)
    }

    /// Those of `agents` that think about a session at this moment.
    async fn thinking<'a>(&self, session: SessionId, agents: &[&'a str], now: Timestamp) -> Vec<&'a str> {
        let leases: Vec<_> = agents.iter().map(|agent| (*agent, session)).collect();
        match self.hot.leases_held(&leases, now).await {
            Ok(held) => agents.iter().zip(held).filter(|(_, held)| *held).map(|(agent, _)| *agent).collect(),
            Err(error) => {
                tracing::warn!(%error, "leases could not be read: what is thought about is shown as waiting");
                Vec::new()
            }
        }
    }
}

/// What became of an event, in one word.
const fn state(state: EventState, is_leased: bool, is_empty: bool) -> &'static str {
    match state {
        EventState::Waiting if is_leased => "thinking",
        EventState::Waiting => "waiting",
        EventState::Held => "held",
        EventState::Done if is_empty => "nothing",
        EventState::Done => "thought",
        EventState::Degraded => "degraded",
        EventState::Quarantined => "quarantined",
        EventState::Cancelled => "cancelled",
    }
}
