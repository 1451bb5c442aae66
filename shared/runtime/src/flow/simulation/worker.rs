use std::time::Duration;

use super::chance::Chance;
use super::hot::{LEASE, Memo, Subject, Taken};
use super::queue::{Message, Received, Says};
use super::world::{AGENTS, DEBOUNCED, Hold, Kind, Provider, QUIET, Record, WAITING, World, at, tenant_of};
use crate::flow::{
    Delay, Do, Ended, Fault, Flow, Happened, MOST_RECEIVES, MOST_TRIES, Poison, Seen, Sleep, Terms,
};

/// How long the debounced agent waits at most, in seconds, and the waiting one.
pub(super) const MAX_WAIT: i64 = 120;
pub(super) const TIMEOUT: i64 = 300;
/// How long an invocation begins windows, in seconds.
const INVOCATION: i64 = 50;

/// A process that works through one wake-up at a time.
#[derive(Debug, Default)]
pub(super) struct Worker {
    /// How wrong its clock is, in seconds.
    pub(super) skew: i64,
    pub(super) run: Option<Run>,
}

/// A wake-up it works through.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that may have happened in it")]
pub(super) struct Run {
    pub(super) flow: Flow,
    pub(super) next: Do,
    pub(super) agent: usize,
    pub(super) message: Message,
    pub(super) holder: usize,
    pub(super) generation: i64,
    pub(super) seen: Option<Seen>,
    pub(super) claimed_at: i64,
    /// Windows it finished.
    pub(super) windows: u32,
    pub(super) leased: Option<Leased>,
    pub(super) has_slot: bool,
    /// Halfway through thinking or quarantining.
    pub(super) halfway: bool,
    /// The end of the window that was thought about, and whether by the built-in model.
    pub(super) thought: Option<(i64, bool)>,
    pub(super) exhausted: bool,
    /// Since when it has not thought about more than one event at a time.
    pub(super) narrow: bool,
    pub(super) quarantine: Option<usize>,
    /// The last thing that was done, for certain, to let somebody come again.
    pub(super) promise: Option<Do>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Leased {
    pub(super) at_step: u32,
    pub(super) tries: u32,
    pub(super) survived: bool,
    pub(super) failed: bool,
}

/// What becomes of something done outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    CrashBefore,
    CrashAfter,
    AnswerLost,
    NotDone,
}

enum Act {
    Happened(Happened),
    Halfway,
    Died,
    Over,
}

impl World {
    /// The next thing one worker does.
    pub(super) fn work(&mut self, index: usize, chance: &mut Chance, faults: bool) {
        let Some(mut run) = self.workers[index].run.take() else {
            return self.receive(index, chance, faults);
        };
        let now = self.now + self.workers[index].skew;
        let fate = self.fate(&run, chance, faults);
        let resends = run.is_last_resort();
        if fate != Fate::Fine && resends {
            self.failed_sends[run.message.id] += 1;
        }
        self.note(|_| format!("  {index}: {:?} {fate:?}", run.next));
        let act = match fate {
            Fate::CrashBefore => Act::Died,
            Fate::NotDone => Act::Happened(Happened::Unreachable),
            Fate::Fine | Fate::CrashAfter | Fate::AnswerLost => self.act(&mut run, chance, now),
        };
        let act = match (act, fate) {
            (_, Fate::CrashAfter) => Act::Died,
            (Act::Happened(_) | Act::Halfway, Fate::AnswerLost) => Act::Happened(Happened::Unreachable),
            (act, _) => act,
        };
        match act {
            Act::Died | Act::Over => return,
            Act::Halfway => run.halfway = true,
            Act::Happened(happened) => {
                run.halfway = false;
                run.hear(happened, self.step);
                run.next = run.flow.next(happened, at(now));
                self.note(|_| format!("      {happened:?}"));
                self.check_next(&run, now);
            }
        }
        self.workers[index].run = Some(run);
    }

    fn receive(&mut self, index: usize, chance: &mut Chance, faults: bool) {
        let twice = faults && chance.percent(self.suite.faults / 2);
        let first = chance.below(AGENTS);
        for agent in (0..AGENTS).map(|offset| (first + offset) % AGENTS) {
            match self.queues[agent].receive(self.now, chance, twice) {
                Received::Nothing => {}
                Received::GaveUp(message) => return self.check_given_up(&message),
                Received::Message(message) => return self.begin(index, agent, message),
            }
        }
    }

    fn begin(&mut self, index: usize, agent: usize, message: Message) {
        self.note(|_| format!("  {index}: agent {agent} receives {message:?}"));
        self.holders += 1;
        let terms = Terms {
            debounce: (agent == DEBOUNCED)
                .then_some(domain::Debounce { max_wait: Duration::from_secs(MAX_WAIT as u64) }),
            wait: (agent == WAITING).then_some(Duration::from_secs(TIMEOUT as u64)),
            version: match message.says {
                Says::Version(version) => Some(version),
                Says::Redrive(_) => None,
            },
            deferrals: message.deferrals,
            receives: message.receives,
            begin_until: at(self.now + self.workers[index].skew + INVOCATION),
        };
        let (flow, next) = Flow::begin(terms);
        self.workers[index].run = Some(Run {
            flow,
            next,
            agent,
            message,
            holder: self.holders,
            generation: 0,
            seen: None,
            claimed_at: 0,
            windows: 0,
            leased: None,
            has_slot: false,
            halfway: false,
            thought: None,
            exhausted: false,
            narrow: false,
            quarantine: None,
            promise: None,
        });
    }

    fn fate(&self, run: &Run, chance: &mut Chance, faults: bool) -> Fate {
        let percent = self.suite.faults;
        if !faults || !chance.percent(percent) {
            return Fate::Fine;
        }
        // Without the sweep nothing helps when sending anew fails at both of the last two deliveries.
        if !self.suite.sweep && run.is_last_resort() && self.failed_sends[run.message.id] > 0 {
            return Fate::Fine;
        }
        match chance.below(4) {
            0 => Fate::CrashBefore,
            1 => Fate::CrashAfter,
            2 => Fate::AnswerLost,
            _ => Fate::NotDone,
        }
    }

    fn act(&mut self, run: &mut Run, chance: &mut Chance, now: i64) -> Act {
        let (agent, session) = (run.agent, run.message.session);
        let done = match run.next {
            Do::Claim => {
                let claimed = self.claim(agent, session, run.message.says);
                if let Some((seen, generation)) = claimed {
                    (run.seen, run.generation, run.claimed_at) = (Some(seen), generation, now);
                }
                Happened::Claimed(claimed.map(|(seen, _)| seen))
            }
            Do::Lease { after, through } => {
                match self.hot.acquire(run.subject(), run.holder, (after, through), now, self.step) {
                    Taken::Yes { tries, through } => Happened::Leased { tries, through },
                    Taken::No { until } => Happened::NotLeased { until: at(until) },
                }
            }
            Do::Slot { limit } => {
                Happened::Slot(self.hot.occupy(agent, tenant_of(session), run.holder, limit, now))
            }
            Do::Think { .. } if !run.halfway => return Act::Halfway,
            Do::Think { through, built_in_only } => {
                return self.think(run, through, built_in_only, chance);
            }
            Do::Commit { through, degraded } => {
                self.check_commit(run, through, degraded);
                return Act::Happened(self.commit(run, through));
            }
            Do::Quarantine { through, poison } => return self.quarantine(run, through, poison),
            Do::Release => {
                self.hot.vacate(run.holder);
                self.hot.release(run.subject(), run.holder);
                Happened::Done
            }
            Do::Yield { tries, through } => {
                let survived = run.leased.is_some_and(|leased| leased.survived && !leased.failed);
                self.hot.vacate(run.holder);
                self.hot.give_up(run.subject(), run.holder, tries, through, survived);
                Happened::Done
            }
            Do::SendRest { version } => {
                self.send(agent, session, Says::Version(version), 0, 0);
                Happened::Done
            }
            Do::Defer { delay, version } => {
                let says = version.map_or(run.message.says, Says::Version);
                let delay = seconds(delay).min(900);
                self.send(agent, session, says, run.message.deferrals + 1, delay);
                Happened::Done
            }
            Do::Hold { until, sleep } => {
                self.holds.push(Hold {
                    tenant: Some(tenant_of(session)),
                    agent: Some(agent),
                    session: (sleep == Sleep::Session).then_some(session),
                    until: Some(until.as_second()),
                });
                Happened::Done
            }
            Do::End(ended) => {
                self.end(run, ended);
                return Act::Over;
            }
        };
        Act::Happened(done)
    }

    /// The end of thinking.
    fn think(&mut self, run: &mut Run, through: i64, built_in_only: bool, chance: &mut Chance) -> Act {
        let (agent, session) = (run.agent, run.message.session);
        let after = run.after();
        let poison = self.poison(session, agent, after, through);
        if poison == Some(Kind::Kills) {
            return Act::Died;
        }
        let Some(leased) = run.leased else { return Act::Died };
        let memos = &self.hot.memos[session][agent];
        let fits = |memo: &&Memo| memo.after == after && memo.through == through && memo.is_kept(self.now);
        let remembered = leased.tries > 1 && memos.iter().any(|memo| fits(&memo));
        if !remembered && !built_in_only {
            let fault = match self.provider {
                Provider::Up => None,
                Provider::Down => Some(Fault::Outside),
                Provider::Later(seconds) => Some(Fault::Later(Duration::from_secs(seconds))),
                Provider::Exhausted => Some(Fault::Exhausted),
                Provider::ExhaustedUntil(until) => Some(Fault::ExhaustedUntil(at(until))),
            };
            if let Some(fault) = fault {
                run.exhausted |= fault == Fault::Exhausted;
                return Act::Happened(Happened::Failed(fault));
            }
        }
        let fault = match poison {
            Some(Kind::Fails) => Some(Fault::Window),
            Some(Kind::FailsForGood) => Some(Fault::WindowForGood),
            Some(Kind::FailsSometimes) if !remembered && chance.percent(50) => Some(Fault::Window),
            _ => None,
        };
        if let Some(fault) = fault {
            self.hot.overruled[session][agent] = self.step;
            return Act::Happened(Happened::Failed(fault));
        }
        if !remembered && !built_in_only {
            self.pay(run, leased, after, through);
        }
        Act::Happened(Happened::Thought)
    }

    /// Keeps what was paid for. It must not have been paid for before, by anybody who was through with it when this run
    /// took the lease, unless this run had claimed the window just before that one was committed and has lost.
    fn pay(&mut self, run: &Run, leased: Leased, after: i64, through: i64) {
        let (agent, session) = (run.agent, run.message.session);
        let redrives = matches!(run.message.says, Says::Redrive(_));
        let overruled = self.hot.overruled[session][agent];
        let position = self.positions[session][agent];
        let has_lost = position.cursor != after || position.generation != run.generation;
        let twice = self.hot.memos[session][agent]
            .iter()
            .find(|memo| {
                memo.after == after
                    && memo.generation == run.generation
                    && memo.ended < leased.at_step
                    && memo.leased > overruled
                    && memo.is_kept(self.now)
            })
            .filter(|_| !redrives && !has_lost && !run.narrow)
            .copied();
        self.must(twice.is_none(), || {
            format!("agent {agent}, session {session}: paid for ({after}, {through}] after {twice:?}")
        });
        self.hot.memos[session][agent].push(Memo {
            after,
            through,
            generation: if redrives { -1 } else { run.generation },
            leased: leased.at_step,
            ended: self.step,
            at: self.now,
        });
    }

    fn commit(&mut self, run: &Run, through: i64) -> Happened {
        let (agent, session) = (run.agent, run.message.session);
        let after = run.after();
        if self.poison(session, agent, after, through) == Some(Kind::Refused) {
            self.hot.overruled[session][agent] = self.step;
            return Happened::Failed(Fault::Window);
        }
        Happened::Committed(match run.message.says {
            Says::Version(_) => {
                let moved = self.advance(session, agent, after, through, run.generation);
                let generation = self.positions[session][agent].generation;
                self.must(!moved || generation == run.generation, || {
                    format!("a run of generation {} commits in {generation}", run.generation)
                });
                moved
            }
            Says::Redrive(record) => self.close(record),
        })
    }

    fn quarantine(&mut self, run: &mut Run, through: i64, poison: Poison) -> Act {
        let (agent, session) = (run.agent, run.message.session);
        let after = run.after();
        if !run.halfway {
            self.check_quarantine(run, through, poison);
            let record = match run.message.says {
                Says::Redrive(record) => record,
                Says::Version(_) => {
                    let new = Record {
                        agent,
                        session,
                        after,
                        through,
                        published: false,
                        recorded: false,
                        closed: false,
                        redriven: 0,
                        sent_back: false,
                    };
                    self.records.push(new);
                    self.records.len() - 1
                }
            };
            let letter = Message {
                id: usize::MAX,
                session,
                says: Says::Redrive(record),
                deferrals: 0,
                receives: 0,
                visible_at: 0,
                sent_at: self.now,
            };
            self.queues[agent].dead.push(letter);
            self.records[record].published = true;
            run.quarantine = Some(record);
            return Act::Halfway;
        }
        let Some(record) = run.quarantine else { return Act::Died };
        let published = self.records[record].published;
        self.must(published, || format!("run {record} is set aside without a dead letter"));
        Act::Happened(Happened::Committed(match run.message.says {
            Says::Redrive(record) => !self.records[record].closed,
            Says::Version(_) => {
                let moved = self.advance(session, agent, after, through, run.generation);
                self.records[record].recorded |= moved;
                moved
            }
        }))
    }

    fn end(&mut self, run: &Run, ended: Ended) {
        let (agent, message) = (run.agent, run.message);
        if let Ended::Retry { attempt } = ended {
            let visible_at = self.now + seconds(Delay::BackOff { attempt });
            return self.queues[agent].change_visibility(message.id, visible_at);
        }
        self.check_ended(run, ended);
        self.queues[agent].delete(message.id);
        if let Says::Version(version) = message.says
            && !self.suite.sweep
        {
            let version = version.min(self.head(message.session));
            let comes = self.will_be_woken(message.session, agent, version, Some(message.id));
            self.must(comes, || format!("{message:?} to {agent} was acknowledged as {ended:?}"));
        }
    }
}

impl Run {
    /// Whether it is sending the message anew because SQS is about to give up on it.
    pub(super) fn is_last_resort(&self) -> bool {
        self.message.receives + 1 >= MOST_RECEIVES && self.seen.is_none()
    }

    pub(super) fn subject(&self) -> Subject {
        match self.message.says {
            Says::Version(_) => Subject::Session { agent: self.agent, session: self.message.session },
            Says::Redrive(run) => Subject::Run(run),
        }
    }

    pub(super) fn after(&self) -> i64 {
        self.seen.map_or(0, |seen| seen.after)
    }

    /// What it knows from an answer.
    fn hear(&mut self, happened: Happened, step: u32) {
        match (self.next, happened) {
            (_, Happened::Leased { tries, .. }) => {
                self.narrow |= tries > MOST_TRIES;
                self.leased = Some(Leased { at_step: step, tries, survived: false, failed: false });
            }
            (Do::Release | Do::Yield { .. }, _) => (self.leased, self.has_slot) = (None, false),
            (_, Happened::Slot(taken)) => self.has_slot = taken,
            (promise @ (Do::Defer { .. } | Do::Hold { .. } | Do::SendRest { .. }), Happened::Done) => {
                self.promise = Some(promise);
            }
            (_, Happened::Failed(Fault::Window | Fault::WindowForGood)) => {
                if let Some(leased) = self.leased.as_mut() {
                    (leased.survived, leased.failed) = (true, true);
                }
            }
            (Do::Think { .. }, Happened::Failed(_)) => {
                if let Some(leased) = self.leased.as_mut() {
                    leased.survived = true;
                }
            }
            (Do::Think { through, built_in_only }, Happened::Thought) => {
                self.thought = Some((through, built_in_only));
                if let Some(leased) = self.leased.as_mut() {
                    leased.survived = true;
                }
            }
            (Do::Commit { .. } | Do::Quarantine { .. }, Happened::Committed(moved)) => {
                (self.thought, self.exhausted) = (None, false);
                self.windows += u32::from(moved);
            }
            _ => {}
        }
    }
}

/// How long a delay is here. The quiet period of a debounced queue is its default and not for what is sent again.
fn seconds(delay: Delay) -> i64 {
    match delay {
        Delay::For(delay) => delay.as_secs() as i64,
        Delay::BackOff { attempt } => (QUIET << attempt.min(4)).min(LEASE * 3),
    }
}
