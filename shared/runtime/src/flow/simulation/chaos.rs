use super::chance::Chance;
use super::queue::{RETENTION, Says};
use super::world::{
    AGENTS, BEGINNING, DEBOUNCED, Event, GRACE, Hold, Kind, Pending, Provider, QUIET, World, tenant_of,
};

/// What happens besides the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Work,
    Arrive,
    ArrivePoison,
    Publish,
    Tick,
    Jump,
    Skew,
    ForgetReader,
    Sweep,
    Purge,
    Wipe,
    Pause,
    Resume,
    Cancel,
    Replay,
    Redrive,
    RedriveDeadLetter,
    Provider,
}

/// A settled world takes at most so many steps.
const LONGEST_SETTLING: usize = 20_000;

impl World {
    pub(super) fn happen(&mut self, action: Action, chance: &mut Chance) {
        if action != Action::Work {
            self.note(|_| format!("{action:?}"));
        }
        let session = chance.below(self.sessions.len());
        let agent = chance.below(AGENTS);
        let sweep = self.suite.sweep;
        match action {
            Action::Work => self.work(chance.below(self.workers.len()), chance, true),
            Action::Arrive => self.arrive(session, chance, false),
            Action::ArrivePoison => self.arrive(session, chance, true),
            Action::Publish => self.publish(chance),
            Action::Tick => self.now += chance.between(1, 40),
            Action::Jump if sweep && chance.percent(2) => self.now += RETENTION,
            Action::Jump => self.now += chance.between(60, 1500),
            Action::Skew => {
                let worker = chance.below(self.workers.len());
                self.workers[worker].skew = chance.between(-600, 600);
                self.skewed = true;
            }
            Action::ForgetReader => self.pending.clear(),
            Action::Sweep => self.sweep(chance, true),
            Action::Purge => self.queues[agent].messages.clear(),
            Action::Wipe => self.hot.wipe(self.step),
            Action::Pause => {
                let hold = Hold {
                    tenant: chance.percent(50).then(|| tenant_of(session)),
                    agent: chance.percent(60).then_some(agent),
                    session: chance.percent(60).then_some(session),
                    until: (sweep && chance.percent(40)).then(|| self.now + chance.between(10, 2000)),
                };
                self.holds.push(hold);
            }
            Action::Resume if self.holds.is_empty() => {}
            Action::Resume => {
                let hold = self.holds.swap_remove(chance.below(self.holds.len()));
                self.wake_held_by(hold, if sweep { chance.below(4) } else { 1 });
            }
            Action::Cancel => self.cancel(session, agent, chance),
            Action::Replay => self.replay(session, agent, chance),
            Action::Redrive => self.redrive(chance),
            Action::RedriveDeadLetter => self.redrive_dead_letter(agent, chance),
            Action::Provider => {
                let long = if sweep { 5 } else { 4 };
                self.provider = match chance.below(3 + long) {
                    3 => Provider::Down,
                    4 => Provider::Later(chance.between(1, 100).unsigned_abs()),
                    5 => Provider::Exhausted,
                    6 if sweep => Provider::Later(chance.between(500, 3000).unsigned_abs()),
                    7 => Provider::ExhaustedUntil(self.now + chance.between(-100, 5000)),
                    _ => Provider::Up,
                };
            }
        }
    }

    fn arrive(&mut self, session: usize, chance: &mut Chance, poison: bool) {
        let kind = match (poison, chance.below(9)) {
            (false, _) => Kind::Fine,
            (true, 0..3) => Kind::Fails,
            (true, 3) => Kind::FailsForGood,
            (true, 4..6) => Kind::FailsSometimes,
            (true, 6) => Kind::Refused,
            (true, _) => Kind::Kills,
        };
        self.sessions[session].push(Event { accepted: self.now, kind, to: chance.below(AGENTS + 1) });
        let version = self.head(session);
        self.pending.extend((0..AGENTS).map(|agent| Pending { agent, session, version }));
    }

    /// Sends one wake-up, at times with those it stands for.
    fn publish(&mut self, chance: &mut Chance) {
        if self.pending.is_empty() {
            return;
        }
        let Pending { agent, session, version } = self.pending.swap_remove(chance.below(self.pending.len()));
        if chance.percent(30) {
            self.pending
                .retain(|other| other.agent != agent || other.session != session || other.version > version);
        }
        let delay = if agent == DEBOUNCED { QUIET } else { 0 };
        self.send(agent, session, Says::Version(version), 0, delay);
    }

    /// Ends holds and wakes what has been left behind; it may come to an end halfway.
    fn sweep(&mut self, chance: &mut Chance, faults: bool) {
        while let Some(index) =
            self.holds.iter().position(|hold| hold.until.is_some_and(|until| until <= self.now))
        {
            let hold = self.holds[index];
            if faults && chance.percent(10) {
                return self.wake_held_by(hold, 0);
            }
            self.wake_held_by(hold, 1);
            self.holds.remove(index);
        }
        for (session, agent) in self.pairs() {
            let oldest = self.sessions[session].get(self.positions[session][agent].cursor as usize);
            if oldest.is_some_and(|event| event.accepted <= self.now - GRACE)
                && !self.is_held(session, agent)
                && !(faults && chance.percent(10))
            {
                self.wake(agent, session);
            }
        }
    }

    /// Wakes what one hold held and no other holds; with 0, whoever does it dies before.
    fn wake_held_by(&mut self, hold: Hold, unless_dead: usize) {
        for (session, agent) in self.pairs() {
            if unless_dead > 0
                && hold.is_on(session, agent)
                && self.is_behind(session, agent)
                && !self.is_held(session, agent)
            {
                self.wake(agent, session);
            }
        }
    }

    fn cancel(&mut self, session: usize, agent: usize, chance: &mut Chance) {
        let after = self.positions[session][agent].cursor;
        let head = self.head(session);
        if after < head {
            let through = if chance.percent(60) { head } else { chance.between(after + 1, head) };
            let generation = self.positions[session][agent].generation;
            self.advance(session, agent, after, through, generation);
        }
    }

    fn replay(&mut self, session: usize, agent: usize, chance: &mut Chance) {
        let cursor = self.positions[session][agent].cursor;
        if cursor == 0 {
            return;
        }
        self.send_back(session, agent, chance.between(0, cursor - 1));
        let dies = self.suite.sweep && chance.percent(20);
        if !dies && !self.is_held(session, agent) {
            self.wake(agent, session);
        }
    }

    /// The quarantined runs that nobody has redriven.
    fn open(&self) -> impl Iterator<Item = usize> {
        (0..self.records.len()).filter(|run| self.records[*run].recorded && !self.records[*run].closed)
    }

    fn redrive(&mut self, chance: &mut Chance) {
        let agent = chance.below(AGENTS + 1);
        for run in self.open().collect::<Vec<_>>() {
            let record = self.records[run];
            if agent == AGENTS || record.agent == agent {
                self.send(record.agent, record.session, Says::Redrive(run), 0, 0);
            }
        }
    }

    fn redrive_all(&mut self) {
        for run in self.open().collect::<Vec<_>>() {
            self.send(self.records[run].agent, self.records[run].session, Says::Redrive(run), 0, 0);
        }
    }

    fn redrive_dead_letter(&mut self, agent: usize, chance: &mut Chance) {
        if self.queues[agent].dead.is_empty() {
            return;
        }
        let index = chance.below(self.queues[agent].dead.len());
        let letter = self.queues[agent].dead.swap_remove(index);
        self.send(agent, letter.session, letter.says, letter.deferrals, 0);
    }

    /// Runs on without faults until nothing is left to do.
    pub(super) fn settle(&mut self, chance: &mut Chance) {
        self.note(|_| "no more faults".into());
        self.provider = Provider::Up;
        if chance.percent(50) {
            while let Some(hold) = self.holds.pop() {
                self.wake_held_by(hold, 1);
            }
        }
        self.run_until_quiet(chance);
        self.check_heads();
        self.heal(chance);
    }

    fn run_until_quiet(&mut self, chance: &mut Chance) {
        while !self.pending.is_empty() {
            self.publish(chance);
        }
        for _ in 0..LONGEST_SETTLING {
            if self.violation.is_some() {
                return;
            }
            self.step += 1;
            for worker in 0..self.workers.len() {
                self.work(worker, chance, false);
            }
            if self.workers.iter().any(|worker| worker.run.is_some()) {
                continue;
            }
            let messages = self.queues.iter().flat_map(|queue| &queue.messages);
            let next = messages.map(|message| message.visible_at).min();
            if next.is_some_and(|next| next <= self.now) {
                continue;
            }
            let ends = self.holds.iter().filter_map(|hold| hold.until).min();
            let behind = self
                .pairs()
                .any(|(session, agent)| self.is_behind(session, agent) && !self.is_held(session, agent));
            let sweep = (self.suite.sweep && (behind || ends.is_some())).then(|| {
                let next = if behind { self.now + GRACE } else { ends.unwrap_or(self.now) };
                next.max(self.now + 1)
            });
            match (next, sweep) {
                (None, None) => return,
                (Some(next), sweep) if sweep.is_none_or(|sweep| next < sweep) => self.now = next,
                (_, Some(sweep)) => {
                    self.now = sweep;
                    self.sweep(chance, false);
                }
                (Some(next), None) => self.now = next,
            }
        }
        self.must(false, || "does not come to rest".into());
    }

    fn check_heads(&mut self) {
        for (session, agent) in self.pairs() {
            let (cursor, head) = (self.positions[session][agent].cursor, self.head(session));
            let there = cursor == head || self.is_held(session, agent);
            self.must(there, || format!("agent {agent}, session {session}: {cursor} of {head} at the end"));
        }
    }

    /// Every window that was set aside can be redriven from its record or from its dead letter: without end while it is
    /// poison, and once when it no longer is.
    fn heal(&mut self, chance: &mut Chance) {
        if self.violation.is_none() && chance.percent(40) {
            self.redrive_all();
            self.run_until_quiet(chance);
        }
        self.note(|world| format!("healed after {} s", world.now - BEGINNING));
        for event in self.sessions.iter_mut().flatten() {
            event.kind = Kind::Fine;
        }
        if self.violation.is_some() {
            return;
        }
        if chance.percent(50) {
            for agent in 0..AGENTS {
                while let Some(letter) = self.queues[agent].dead.pop() {
                    self.send(agent, letter.session, letter.says, letter.deferrals, 0);
                    if let Says::Redrive(run) = letter.says {
                        self.records[run].sent_back = true;
                    }
                }
            }
            self.run_until_quiet(chance);
            let left = self.open().find(|run| self.records[*run].sent_back);
            self.must(left.is_none(), || format!("run {left:?} was not redriven by its dead letter"));
        }
        self.redrive_all();
        self.run_until_quiet(chance);
        let left = self.open().next();
        self.must(left.is_none(), || format!("run {left:?} was not redriven"));
    }
}
