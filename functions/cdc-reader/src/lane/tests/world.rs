//! A database, queues and agents around the lane, and whatever may happen to them.

use super::*;

/// What may happen.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An application commits events of a session, one or very many.
    Insert {
        session: usize,
        bulk: bool,
    },
    /// The reader reads and publishes what was committed.
    Flush,
    /// The lane is looked after.
    Look,
    /// An agent gets one of its messages, and its window goes well, or nothing comes of it at all.
    Deliver {
        agent: usize,
        pick: usize,
        goes_well: bool,
    },
    /// A message is gone.
    Lose {
        agent: usize,
        pick: usize,
    },
    /// SQS does not accept the next wake-ups of the lane.
    Refuse,
    /// An agent can do nothing with a session until further notice.
    Poison {
        agent: usize,
        session: usize,
        on: bool,
    },
    /// A session is held, or no longer; whoever ends the hold wakes what is behind.
    Hold {
        agent: usize,
        session: usize,
        on: bool,
    },
    Pass {
        seconds: u32,
    },
    /// The reader dies, and the next one starts with a sweep of everything.
    Die,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let (agent, session) = (0..AGENTS.len(), 0..SESSIONS);
    prop_oneof![
        5 => (session.clone(), prop::bool::weighted(0.8)).prop_map(|(session, bulk)| Step::Insert { session, bulk }),
        4 => Just(Step::Flush),
        6 => Just(Step::Look),
        6 => (agent.clone(), any::<usize>(), prop::bool::weighted(0.9))
            .prop_map(|(agent, pick, goes_well)| Step::Deliver { agent, pick, goes_well }),
        1 => (agent.clone(), any::<usize>()).prop_map(|(agent, pick)| Step::Lose { agent, pick }),
        1 => Just(Step::Refuse),
        1 => (agent.clone(), session.clone(), any::<bool>())
            .prop_map(|(agent, session, on)| Step::Poison { agent, session, on }),
        1 => (agent, session, any::<bool>()).prop_map(|(agent, session, on)| Step::Hold { agent, session, on }),
        4 => prop::sample::select(&[1_u32, 1, 10, 31, 61, 150, 1000]).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Die),
    ]
}

/// Postgres, the queues, two agents and a reader.
pub(super) struct World {
    now: Timestamp,
    lane: Lane,
    /// Per session: its head, and when that was accepted.
    heads: [(i64, Timestamp); SESSIONS],
    /// Every event, for the sweep of the recent ones: session, version, when it was accepted.
    log: Vec<(usize, i64, Timestamp)>,
    /// Read by no reader yet: session, version, whether it is bulk.
    unread: Vec<(usize, i64, bool)>,
    cursors: [[i64; SESSIONS]; AGENTS.len()],
    held: [[bool; SESSIONS]; AGENTS.len()],
    poisoned: [[bool; SESSIONS]; AGENTS.len()],
    queues: [Vec<(usize, i64)>; AGENTS.len()],
    refuses: bool,
    /// The last wake-up of this reader's lane: version and time.
    last: [[Option<(i64, Timestamp)>; SESSIONS]; AGENTS.len()],
    sweep_at: Timestamp,
    /// When the next sweep looks at all sessions; the others look back for an hour.
    all_at: Timestamp,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: start(),
            lane: lane(),
            heads: [(0, start()); SESSIONS],
            log: Vec::new(),
            unread: Vec::new(),
            cursors: Default::default(),
            held: Default::default(),
            poisoned: Default::default(),
            queues: Default::default(),
            refuses: false,
            last: Default::default(),
            sweep_at: start(),
            all_at: start(),
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        match *step {
            Step::Insert { session, bulk } => {
                let version = self.heads[session].0 + if bulk { 30 } else { 1 };
                self.heads[session] = (version, self.now);
                self.log.push((session, version, self.now));
                self.unread.push((session, version, bulk));
            }
            Step::Flush => self.flush(),
            Step::Look => self.look(),
            Step::Deliver { agent, pick, goes_well } => self.deliver(agent, pick, goes_well),
            Step::Lose { agent, pick } => {
                self.take_message(agent, pick);
            }
            Step::Refuse => self.refuses = true,
            Step::Poison { agent, session, on } => self.poisoned[agent][session] = on,
            Step::Hold { agent, session, on } => {
                let was = std::mem::replace(&mut self.held[agent][session], on);
                if was && !on && self.cursors[agent][session] < self.heads[session].0 {
                    self.queues[agent].push((session, self.heads[session].0));
                }
            }
            Step::Pass { seconds } => self.pass(Duration::from_secs(seconds.into())),
            Step::Die => {
                self.lane = lane();
                self.last = Default::default();
                (self.sweep_at, self.all_at) = (self.now, self.now);
                self.pass(Duration::ZERO);
            }
        }
        for (agent, waiting, outstanding) in self.lane.sizes() {
            assert!(outstanding <= PLACES, "{agent} has {outstanding} outstanding");
            assert!(waiting + outstanding <= SESSIONS - 2, "memory is bounded");
        }
    }

    /// Everything that was committed is read, accepted and confirmed: live ones are in the queues, bulk is in the lane.
    fn flush(&mut self) {
        for (session, version, bulk) in std::mem::take(&mut self.unread) {
            if bulk {
                self.lane.arrived(&tenant_of(session), id(session), version, self.now);
            } else {
                self.queues.iter_mut().for_each(|queue| queue.push((session, version)));
            }
        }
    }

    fn sweep(&mut self) {
        let (since, until) = (self.now - RECENT, self.now - GRACE);
        let mut found = [0; SESSIONS];
        if self.lane.asks_for_all() || self.all_at <= self.now {
            self.all_at = self.now + RECENT;
            found = self.heads.map(|(head, changed_at)| if changed_at <= until { head } else { 0 });
        } else {
            for (session, version, at) in &self.log {
                if *at > since && *at <= until {
                    found[*session] = *version;
                }
            }
        }
        for (agent, name) in AGENTS.iter().enumerate() {
            for (session, version) in found.into_iter().enumerate() {
                if version > self.cursors[agent][session] && !self.held[agent][session] {
                    let (tenant, session) = (tenant_of(session), id(session));
                    let behind = Behind { agent: (*name).to_owned(), tenant, session, version };
                    self.lane.found(&behind, self.now);
                }
            }
        }
    }

    /// Time goes on, with the sweeps that fall into it. They are only as many as can make a difference.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.sweep_at <= self.now {
            self.sweep();
            self.sweep_at = self.now + INTERVAL;
        }
    }

    /// What the keeper does.
    fn look(&mut self) {
        let outstanding = self.lane.outstanding();
        self.take_out(outstanding);
        let mut released = self.lane.release(self.now);
        let of = |wake: &Wake| (Arc::clone(&wake.agent), wake.session, wake.version);
        let through = self.take_out(released.iter().map(of).collect());
        released.retain(|wake| !through.contains(&of(wake)));
        for wake in released {
            let (agent, session) =
                (AGENTS.iter().position(|name| **name == *wake.agent).unwrap(), number(wake.session));
            assert_eq!(*wake.tenant, tenant_of(session));
            assert!(wake.version <= self.heads[session].0, "{wake:?} is about events that do not exist");
            if self.refuses {
                self.lane.refused(&wake.agent, wake.session, self.now);
                continue;
            }
            if let Some((version, at)) = self.last[agent][session] {
                let patient = self.now.duration_since(at).unsigned_abs() >= INTERVAL;
                assert!(wake.version >= version, "{wake:?} after version {version}");
                assert!(wake.version > version || patient, "{wake:?} again, last woken at {at}");
            }
            self.last[agent][session] = Some((wake.version, self.now));
            self.queues[agent].push((session, wake.version));
        }
        self.refuses = false;
    }

    /// Answers which of these have come through.
    fn take_out(&mut self, mut woken: Vec<(Arc<str>, SessionId, i64)>) -> Vec<(Arc<str>, SessionId, i64)> {
        woken.retain(|(agent, session, version)| {
            let (place, of) = (AGENTS.iter().position(|name| **name == **agent).unwrap(), number(*session));
            let through = self.cursors[place][of] >= *version || self.held[place][of];
            if through {
                self.lane.came_through(agent, *session, *version, self.now);
                self.last[place][of] = None;
            }
            through
        });
        woken
    }

    fn take_message(&mut self, agent: usize, pick: usize) -> Option<(usize, i64)> {
        let queue = &mut self.queues[agent];
        (!queue.is_empty()).then(|| queue.remove(pick % queue.len()))
    }

    fn deliver(&mut self, agent: usize, pick: usize, goes_well: bool) {
        let Some((session, version)) = self.take_message(agent, pick) else { return };
        let (head, _) = self.heads[session];
        let still_busy = AGENTS[agent] == "summarizer" && version < head;
        if goes_well && !still_busy && !self.held[agent][session] && !self.poisoned[agent][session] {
            self.cursors[agent][session] = head;
        }
    }

    fn is_behind(&self, agent: usize, session: usize) -> bool {
        self.cursors[agent][session] < self.heads[session].0 && !self.held[agent][session]
    }

    /// Everybody is well again and nothing new comes: who is behind catches up in time, and the lane empties.
    pub(super) fn settles(&mut self) {
        self.poisoned = Default::default();
        self.flush();
        let begun = self.now;
        loop {
            self.look();
            for agent in 0..AGENTS.len() {
                while !self.queues[agent].is_empty() {
                    self.deliver(agent, 0, true);
                }
            }
            let behind =
                (0..AGENTS.len()).any(|agent| (0..SESSIONS).any(|session| self.is_behind(agent, session)));
            let next = self.lane.next();
            if !behind && next == Next::Never {
                return;
            }
            let took = self.now.duration_since(begun).unsigned_abs();
            // Found an hour later at the latest, and woken after the longest rest.
            let limit = GRACE + RECENT + INTERVAL * (LONGEST_REST + 4);
            assert!(took <= limit, "{:?} after {took:?}", self.lane);
            // To the next moment at which anything can happen.
            let to = match next {
                Next::Now => continue,
                Next::Progress => self.now + Duration::from_secs(5),
                Next::At(moment) => moment.min(self.sweep_at.max(self.now + Duration::from_secs(1))),
                Next::Never => self.sweep_at.max(self.now + Duration::from_secs(1)),
            };
            self.pass(to.duration_since(self.now).unsigned_abs());
        }
    }
}
