//! What must hold of a single step. What must hold of the world is asked for where it changes.

use super::queue::{Message, Says};
use super::worker::{MAX_WAIT, Run, TIMEOUT};
use super::world::{DEBOUNCED, Kind, World, tenant_of};
use crate::flow::{Degraded, Do, Ended, MOST_DEATHS, MOST_TRIES, Poison};

impl World {
    /// Whether SQS may give up on a message: only when sending it anew failed, or is still going on, twice.
    pub(super) fn check_given_up(&mut self, message: &Message) {
        self.note(|_| format!("      dead letter: {message:?}"));
        let working = self
            .workers
            .iter()
            .filter(|worker| worker.run.as_ref().is_some_and(|run| run.message.id == message.id))
            .count();
        let excuses = usize::from(self.failed_sends[message.id]) + working;
        self.must(excuses >= 2, || format!("SQS gave up on {message:?}"));
    }

    /// What is never to be done next.
    pub(super) fn check_next(&mut self, run: &Run, now: i64) {
        let redrives = matches!(run.message.says, Says::Redrive(_));
        match run.next {
            Do::Lease { after, through } => {
                let Some(seen) = run.seen else {
                    return self.must(false, || "a lease before a claim".into());
                };
                self.must(after == seen.after && through == seen.through, || {
                    format!("a lease of ({after}, {through}] instead of {seen:?}")
                });
                if let Says::Version(version) = run.message.says
                    && run.agent == DEBOUNCED
                    && run.windows == 0
                {
                    let waited = run.claimed_at - seen.accepted.0.as_second();
                    let due = version >= seen.head || !(0..MAX_WAIT).contains(&waited);
                    self.must(due, || {
                        format!("{version} of {} is thought about after {waited} s", seen.head)
                    });
                }
            }
            Do::Think { through, built_in_only } => {
                let seen = run.seen.filter(|seen| seen.after < through && through <= seen.through);
                self.must(seen.is_some() && run.leased.is_some(), || {
                    format!("thinks up to {through} without lease, or of {:?}", run.seen)
                });
                self.must(!built_in_only || run.exhausted, || "the built-in model thinks unasked".into());
                self.must(seen.is_none_or(|seen| seen.concurrency.is_none() || run.has_slot), || {
                    "thinks without a slot".into()
                });
                self.check_slots(run, now);
            }
            Do::End(ended) => {
                self.must(run.leased.is_none(), || {
                    format!("ends as {ended:?} without giving the lease back")
                });
                self.must(!run.has_slot, || format!("ends as {ended:?} without giving the slot back"));
            }
            _ => {}
        }
        if redrives {
            let whole = match run.next {
                Do::Think { through, .. } | Do::Commit { through, .. } | Do::Quarantine { through, .. } => {
                    run.seen.is_none_or(|seen| seen.through == through)
                }
                Do::SendRest { .. } | Do::Hold { .. } | Do::Defer { version: Some(_), .. } => false,
                _ => true,
            };
            self.must(whole, || format!("a redrive goes on with {:?}", run.next));
        }
    }

    /// At most so many think at once for one tenant, slots that have run out not counted.
    pub(super) fn check_slots(&mut self, run: &Run, now: i64) {
        let Some(limit) = self.suite.concurrency.filter(|_| !self.skewed) else { return };
        let tenant = tenant_of(run.message.session);
        let thinks = |other: &&Run| {
            other.agent == run.agent
                && tenant_of(other.message.session) == tenant
                && matches!(other.next, Do::Think { .. })
                && self.hot.slot(other.holder).is_some_and(|slot| slot.ends > now)
        };
        let others = self.workers.iter().filter_map(|worker| worker.run.as_ref()).filter(thinks).count();
        let own = usize::from(self.hot.slot(run.holder).is_some_and(|slot| slot.ends > now));
        self.must(others + own <= limit as usize, || format!("{} think for tenant {tenant}", others + own));
    }

    pub(super) fn check_commit(&mut self, run: &Run, through: i64, degraded: Option<Degraded>) {
        let Some(seen) = run.seen else { return self.must(false, || "commits nothing".into()) };
        let built_in = run.thought == Some((through, true));
        self.must(run.thought.is_some_and(|(thought, _)| thought == through), || {
            format!("commits up to {through} and thought {:?}", run.thought)
        });
        self.must((degraded == Some(Degraded::Exhausted)) == built_in, || {
            format!("{degraded:?}, with the built-in model: {built_in}")
        });
        if matches!(run.message.says, Says::Redrive(_)) {
            return;
        }
        self.must(!seen.held, || format!("thought about what was held: {seen:?}"));
        if let Some(awaited) = seen.awaited {
            let waited = run.claimed_at - seen.accepted.1.as_second();
            let there = awaited >= through;
            let says_so = degraded == Some(Degraded::WaitedInVain);
            self.must(there || degraded.is_some() && waited >= TIMEOUT, || {
                format!("waited {waited} s for {awaited} of {through}, and {degraded:?}")
            });
            self.must(!says_so || awaited < seen.through && waited >= TIMEOUT, || {
                format!("waited {waited} s for {awaited} and not in vain: {seen:?}")
            });
        }
    }

    pub(super) fn check_quarantine(&mut self, run: &Run, through: i64, poison: Poison) {
        let (agent, session) = (run.agent, run.message.session);
        let after = run.after();
        self.must(through == after + 1, || format!("sets ({after}, {through}] aside"));
        let kind = self.poison(session, agent, after, after + 1);
        let vanished = self.hot.lease(run.subject()).map_or(0, |lease| lease.vanished);
        let guilty = match (poison, kind) {
            (Poison::Failed, kind) => {
                run.leased.is_some_and(|leased| leased.failed) && kind.is_some_and(|kind| kind != Kind::Kills)
            }
            (Poison::Deadly { .. }, Some(Kind::Kills)) => true,
            // Whoever dies ten times in a row for other reasons is not told from one that was killed. What failed by
            // its own fault in between does not count as survived.
            (Poison::Deadly { .. }, None) => vanished + 1 >= MOST_DEATHS,
            (Poison::Deadly { .. }, Some(_)) => vanished + MOST_TRIES >= MOST_DEATHS,
        };
        self.must(guilty, || {
            format!(
                "agent {agent}, session {session}: {through} ({kind:?}) as {poison:?}, {vanished} vanished"
            )
        });
    }

    /// Whoever acknowledges a wake-up because somebody else will come has seen to that.
    pub(super) fn check_ended(&mut self, run: &Run, ended: Ended) {
        let kept = match ended {
            Ended::Deferred | Ended::Waiting => matches!(run.promise, Some(Do::Defer { .. })),
            Ended::Asleep => matches!(run.promise, Some(Do::Hold { .. })),
            Ended::Held => run.seen.is_some_and(|seen| seen.held),
            Ended::StillBusy => run.seen.is_some_and(|seen| run.message.says < Says::Version(seen.head)),
            Ended::UnknownSession | Ended::FannedOut => false,
            _ => true,
        };
        self.must(kept, || format!("ends as {ended:?} after {:?}", run.promise));
    }
}
