//! What an operator orders. Everything may be repeated: what is done already is not done again.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::{Envelope, SessionId, UserId, WakeUp};
use futures::future::join_all;
use jiff::Timestamp;
use store::{Behind, BehindPage, Quarantined, ReplayFrom, RunFilter, Target};
use uuid::Uuid;

use super::answer::{Affected, CalledOff, Extent, MOST_LISTED, Paused, Redriven, Sent};
use super::{Admin, Aim};
use crate::http::{Problem, postgres_is_down};

/// How many runs are read at once.
const PAGE: u16 = 1000;
/// The most windows of one order to redrive; a repeat goes on where they were thought about.
const MOST_REDRIVEN: usize = 10_000;
/// The most dead letters that are looked at per agent.
const MOST_DEAD_LETTERS: usize = 2_000;

const NOT_WOKEN: &str = "SQS did not accept every wake-up; the replication reader's sweep wakes the others within the hour, \
                         and resuming the same target does so at once";
const NOT_REDRIVEN: &str =
    "SQS did not accept every wake-up; the other windows stay set aside until this request is repeated";
const NOT_CLEARED: &str = "the dead letters could not all be looked through; repeating this request deletes those of windows thought about since";

/// What became of waking agents for a target.
#[derive(Default)]
struct Woken {
    /// For how many sessions they were to be woken, each once for every agent.
    found: usize,
    /// For how many of them SQS did not accept it.
    refused: usize,
    /// The first of them.
    first: Vec<Behind>,
}

impl Admin {
    /// Holds what is meant.
    pub(super) async fn pause(&self, aim: Aim, until: Option<Timestamp>) -> Result<Paused, Problem> {
        let target = self.target(&aim).await?;
        match self.store.pause(&target, until).await {
            Ok(()) => Ok(Paused { holds: 1, until, affected: vec![aim] }),
            Err(error) if error.names_unknown() => {
                Err(Problem::not_found("there is no such tenant, or its session is gone".to_owned()))
            }
            Err(error) => Err(postgres_is_down(&error)),
        }
    }

    /// Ends the hold on exactly what is meant, and wakes what is behind.
    pub(super) async fn resume(&self, aim: &Aim, now: Timestamp) -> Result<Sent, Problem> {
        let target = self.target(aim).await?;
        self.store.resume(&target).await.map_err(|error| postgres_is_down(&error))?;
        let woken = self.wake(&target, now).await?;
        Ok(self.sent(woken.found, woken.refused, woken.first).await)
    }

    /// Calls off what waits.
    pub(super) async fn cancel(&self, aim: &Aim, before: Option<Timestamp>) -> Result<CalledOff, Problem> {
        let target = self.target(aim).await?;
        let cancelled = self.store.cancel(&target, &self.agents(), before).await;
        let cancelled = cancelled.map_err(|error| postgres_is_down(&error))?;
        let (sessions, events) = (cancelled.len(), cancelled.iter().map(|one| one.through - one.after).sum());
        let listed = cancelled.into_iter().take(MOST_LISTED).map(|one| Affected {
            agent: one.agent,
            tenant: one.tenant,
            user: None,
            session: None,
            session_id: one.session,
            of: Extent::Window { after: one.after, through: one.through },
        });
        Ok(CalledOff { sessions, events, affected: self.named(listed.collect()).await })
    }

    /// Sends agents back, and wakes them.
    pub(super) async fn replay(&self, aim: &Aim, from: ReplayFrom, now: Timestamp) -> Result<Sent, Problem> {
        let target = self.target(aim).await?;
        let replayed = self.store.replay(&target, &self.agents(), from).await;
        let replayed = replayed.map_err(|error| postgres_is_down(&error))?;
        let refused = match replayed.sessions {
            0 => 0,
            // It is done, whether anybody can be told of it or not.
            sessions => self.wake(&target, now).await.map_or(sessions, |woken| woken.refused.min(sessions)),
        };
        Ok(self.sent(replayed.sessions, refused, replayed.first).await)
    }

    /// Wakes agents for everything they are behind on in a target, page by page.
    async fn wake(&self, target: &Target, now: Timestamp) -> Result<Woken, Problem> {
        let mut woken = Woken::default();
        let mut after = None;
        loop {
            let page = self.store.target_behind(target, &self.agents(), after, PAGE).await;
            let BehindPage { behind, next } = page.map_err(|error| postgres_is_down(&error))?;
            woken.found += behind.len();
            woken.refused += self.wake_page(&behind, now).await;
            woken.first.extend(behind.into_iter().take(MOST_LISTED - woken.first.len()));
            if next.is_none() {
                return Ok(woken);
            }
            after = next;
        }
    }

    /// Wakes agents, and answers for how many sessions that was not accepted.
    async fn wake_page(&self, behind: &[Behind], now: Timestamp) -> usize {
        let users = self.users_of_scheduled(behind).await;
        let wake_up = |one: &Behind| {
            let tenant = one.tenant.clone();
            match users.get(&one.session).filter(|_| self.routes.is_scheduled(&one.agent)) {
                Some(user) => WakeUp::User { tenant, user: user.clone() },
                None => WakeUp::Session { tenant, session: one.session, version: one.version },
            }
        };
        let mut known = HashSet::new();
        let wake_ups = behind.iter().map(|one| (one.agent.as_str(), wake_up(one)));
        let wake_ups = wake_ups.filter(|wake_up| known.insert(wake_up.clone()));
        let refused: HashSet<(&str, WakeUp)> = self.publish(wake_ups, now).await.into_iter().collect();
        behind.iter().filter(|one| refused.contains(&(one.agent.as_str(), wake_up(one)))).count()
    }

    async fn sent(&self, sessions: usize, refused: usize, first: Vec<Behind>) -> Sent {
        let listed = first.into_iter().map(|one| Affected {
            agent: one.agent,
            tenant: one.tenant,
            user: None,
            session: None,
            session_id: one.session,
            of: Extent::Head { version: one.version },
        });
        Sent {
            sessions,
            woken: sessions - refused,
            affected: self.named(listed.collect()).await,
            note: (refused > 0).then_some(NOT_WOKEN),
        }
    }

    /// The users of the sessions that an agent with a schedule is behind on: such an agent thinks about a user as a
    /// whole, so one wake-up is for all sessions of a user. Unknown, each session is woken for alone, which costs more and
    /// comes to the same.
    async fn users_of_scheduled(&self, behind: &[Behind]) -> HashMap<SessionId, UserId> {
        let sessions: BTreeSet<SessionId> =
            behind.iter().filter(|one| self.routes.is_scheduled(&one.agent)).map(|one| one.session).collect();
        if sessions.is_empty() {
            return HashMap::new();
        }
        let sessions: Vec<SessionId> = sessions.into_iter().collect();
        match self.store.session_names(&sessions).await {
            Ok(names) => names.into_iter().map(|(session, (user, _))| (session, user)).collect(),
            Err(error) => {
                tracing::warn!(%error, "the users of sessions could not be read");
                HashMap::new()
            }
        }
    }

    /// Wakes agents for windows that were set aside, and clears away the dead letters of those.
    pub(super) async fn redrive(&self, mut filter: RunFilter, now: Timestamp) -> Result<Redriven, Problem> {
        let mut windows: Vec<Quarantined> = Vec::new();
        loop {
            let page = self.store.quarantined(&filter, PAGE).await;
            let page = page.map_err(|error| postgres_is_down(&error))?;
            let is_last = page.len() < usize::from(PAGE);
            filter.before = page.last().map(|last| last.run);
            windows.extend(page.into_iter().filter(|window| self.routes.url(&window.agent).is_some()));
            if is_last || windows.len() >= MOST_REDRIVEN {
                break;
            }
        }
        let wake_ups = windows.iter().map(|window| {
            let wake_up = WakeUp::Window {
                tenant: window.tenant.clone(),
                session: window.session,
                run: window.run,
                after: window.after,
                through: window.through,
            };
            (window.agent.as_str(), wake_up)
        });
        let refused = self.publish(wake_ups, now).await;
        let refused: HashSet<Uuid> = refused.iter().filter_map(|(_, wake_up)| run_of(wake_up)).collect();
        let woken: HashSet<Uuid> =
            windows.iter().map(|window| window.run).filter(|run| !refused.contains(run)).collect();
        let cleared = self.clear(&filter, &windows, &woken, now).await?;
        let count = windows.len();
        let listed = windows.into_iter().take(MOST_LISTED).map(|one| Affected {
            agent: one.agent,
            tenant: one.tenant,
            user: None,
            session: None,
            session_id: one.session,
            of: Extent::Quarantined {
                run: one.run,
                after: one.after,
                through: one.through,
                reason: one.error,
                at: one.at,
            },
        });
        let note = match cleared {
            _ if !refused.is_empty() => Some(NOT_REDRIVEN),
            None => Some(NOT_CLEARED),
            Some(_) => None,
        };
        Ok(Redriven {
            windows: count,
            woken: woken.len(),
            dead_letters_deleted: cleared.unwrap_or(0),
            affected: self.named(listed.collect()).await,
            note,
        })
    }

    /// Deletes the dead letters of windows that were just sent anew, and those that an earlier redrive has left behind:
    /// their windows were thought about since. `None` when a queue could not be looked through.
    async fn clear(
        &self,
        filter: &RunFilter,
        windows: &[Quarantined],
        woken: &HashSet<Uuid>,
        now: Timestamp,
    ) -> Result<Option<usize>, Problem> {
        let closed = RunFilter { outcome: Some("quarantined".to_owned()), before: None, ..filter.clone() };
        let closed = self.store.runs(&closed, PAGE).await.map_err(|error| postgres_is_down(&error))?;
        let closed: Vec<_> = closed.into_iter().filter(|run| run.redriven_by.is_some()).collect();
        let agents: BTreeSet<&str> = windows
            .iter()
            .map(|window| window.agent.as_str())
            .chain(closed.iter().map(|run| run.agent.as_str()))
            .collect();
        let closed: HashSet<Uuid> = closed.iter().map(|run| run.run).collect();
        let (closed, woken) = (&closed, woken);
        let looks = agents.iter().filter_map(|agent| self.routes.dead_letters(agent)).map(async |queue| {
            let is_done = |envelope: &Envelope| {
                run_of(&envelope.wake_up).is_some_and(|run| {
                    // A later letter is of the new attempt, which has failed already.
                    closed.contains(&run) || woken.contains(&run) && envelope.first_sent_at < now
                })
            };
            self.publisher.purge_dead_letters(&queue, MOST_DEAD_LETTERS, is_done).await
        });
        let mut deleted = Some(0);
        for looked in join_all(looks).await {
            match looked {
                Ok(through) => deleted = deleted.map(|sum| sum + through.done),
                Err(error) => {
                    tracing::warn!(%error, "dead letters were not cleared away");
                    deleted = None;
                }
            }
        }
        Ok(deleted)
    }

    /// Publishes wake-ups, each to its agent's queue, and answers those that were not accepted.
    async fn publish<'a>(
        &'a self,
        wake_ups: impl Iterator<Item = (&'a str, WakeUp)>,
        now: Timestamp,
    ) -> Vec<(&'a str, WakeUp)> {
        let wake_ups: Vec<_> = wake_ups.collect();
        let mut refused = Vec::new();
        for (agent, queue_url) in self.routes.all() {
            let envelopes: Vec<Envelope> = wake_ups
                .iter()
                .filter(|(of, _)| *of == agent)
                .map(|(_, wake_up)| Envelope::first(wake_up.clone(), now))
                .collect();
            if envelopes.is_empty() {
                continue;
            }
            if let Err(error) = self.publisher.publish(queue_url, &envelopes).await {
                tracing::warn!(%error, "wake-ups were not accepted");
                refused.extend(error.envelopes.into_iter().map(|envelope| (agent, envelope.wake_up)));
            }
        }
        refused
    }

    /// The same with the application's names. What was done is done: without names when they cannot be read.
    async fn named(&self, mut affected: Vec<Affected>) -> Vec<Affected> {
        let sessions: BTreeSet<SessionId> = affected.iter().map(|one| one.session_id).collect();
        let sessions: Vec<SessionId> = sessions.into_iter().collect();
        if sessions.is_empty() {
            return affected;
        }
        match self.store.session_names(&sessions).await {
            Ok(names) => {
                for one in &mut affected {
                    if let Some((user, session)) = names.get(&one.session_id) {
                        one.user = Some(user.clone());
                        one.session = Some(session.clone());
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "sessions could not be named"),
        }
        affected
    }
}

/// The run whose window a wake-up or dead letter is about.
const fn run_of(wake_up: &WakeUp) -> Option<Uuid> {
    match wake_up {
        WakeUp::Window { run, .. } => Some(*run),
        _ => None,
    }
}
