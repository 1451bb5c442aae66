use super::world::AGENTS;

/// How long a lease and a slot run, in seconds.
pub(super) const LEASE: i64 = 120;
/// How long the memo of a step is kept, in seconds.
const MEMO_KEPT: i64 = 3600;

/// The item of a lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    /// `None` once it was yielded.
    holder: Option<usize>,
    ends: i64,
    after: i64,
    tries: u32,
    through: i64,
    /// How many holders of this window never gave it back since one last survived thinking.
    pub(super) vanished: u32,
}

/// Whose lease it is. A redrive is leased under its run and never meets the session's own windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Session { agent: usize, session: usize },
    Run(usize),
}

pub(super) enum Taken {
    Yes { tries: u32, through: i64 },
    No { until: i64 },
}

/// What was paid for and is remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memo {
    pub(super) after: i64,
    pub(super) through: i64,
    pub(super) generation: i64,
    /// The steps of the simulation at which its run took the lease and was done thinking.
    pub(super) leased: u32,
    pub(super) ended: u32,
    pub(super) at: i64,
}

impl Memo {
    pub(super) const fn is_kept(&self, now: i64) -> bool {
        now < self.at + MEMO_KEPT
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    agent: usize,
    tenant: usize,
    holder: usize,
    pub(super) ends: i64,
}

/// The table of leases, memos and slots. What it holds may be lost at any time.
#[derive(Debug, Default)]
pub(super) struct Hot {
    leases: Vec<(Subject, Lease)>,
    pub(super) memos: Vec<[Vec<Memo>; AGENTS]>,
    pub(super) slots: Vec<Slot>,
    /// The last step at which what was on record was lost, overwritten for another window, or cut because the window
    /// failed by its own fault.
    pub(super) overruled: Vec<[u32; AGENTS]>,
}

impl Hot {
    pub(super) fn of(sessions: usize) -> Self {
        Self {
            leases: Vec::new(),
            memos: (0..sessions).map(|_| Default::default()).collect(),
            slots: Vec::new(),
            overruled: vec![[0; AGENTS]; sessions],
        }
    }

    pub(super) fn wipe(&mut self, step: u32) {
        let sessions = self.memos.len();
        *self = Self::of(sessions);
        self.overruled = vec![[step; AGENTS]; sessions];
    }

    pub(super) fn lease(&self, subject: Subject) -> Option<&Lease> {
        self.leases.iter().find(|(it, _)| *it == subject).map(|(_, lease)| lease)
    }

    fn lease_mut(&mut self, subject: Subject, holder: usize) -> Option<&mut Lease> {
        self.leases
            .iter_mut()
            .find(|(it, lease)| *it == subject && lease.holder == Some(holder))
            .map(|(_, lease)| lease)
    }

    pub(super) fn acquire(
        &mut self,
        subject: Subject,
        holder: usize,
        (after, through): (i64, i64),
        now: i64,
        step: u32,
    ) -> Taken {
        let fresh = Lease { holder: Some(holder), ends: now + LEASE, after, tries: 1, through, vanished: 0 };
        let lease = match self.lease(subject).copied() {
            None => fresh,
            Some(other) if other.holder.is_some_and(|it| it != holder) && other.ends > now => {
                return Taken::No { until: other.ends };
            }
            Some(mine) if mine.after == after && mine.holder == Some(holder) => {
                Lease { ends: now + LEASE, ..mine }
            }
            Some(left) if left.after == after => Lease {
                holder: Some(holder),
                ends: now + LEASE,
                tries: left.tries + 1,
                vanished: left.vanished + u32::from(left.holder.is_some()),
                ..left
            },
            Some(other) => {
                if let Subject::Session { agent, session } = subject
                    && other.holder != Some(holder)
                {
                    self.overruled[session][agent] = step;
                }
                fresh
            }
        };
        self.leases.retain(|(it, _)| *it != subject);
        self.leases.push((subject, lease));
        Taken::Yes { tries: lease.tries, through: lease.through }
    }

    pub(super) fn release(&mut self, subject: Subject, holder: usize) {
        self.leases.retain(|(it, lease)| *it != subject || lease.holder != Some(holder));
    }

    pub(super) fn give_up(
        &mut self,
        subject: Subject,
        holder: usize,
        tries: u32,
        through: i64,
        survived: bool,
    ) {
        if let Some(lease) = self.lease_mut(subject, holder) {
            let vanished = if survived { 0 } else { lease.vanished };
            *lease = Lease { holder: None, ends: 0, tries, through, vanished, ..*lease };
        }
    }

    pub(super) fn occupy(
        &mut self,
        agent: usize,
        tenant: usize,
        holder: usize,
        limit: u32,
        now: i64,
    ) -> bool {
        self.slots.retain(|slot| slot.ends > now);
        let taken = |slot: &&Slot| slot.agent == agent && slot.tenant == tenant && slot.holder != holder;
        if self.slots.iter().filter(taken).count() >= limit as usize {
            return false;
        }
        self.vacate(holder);
        self.slots.push(Slot { agent, tenant, holder, ends: now + LEASE });
        true
    }

    pub(super) fn vacate(&mut self, holder: usize) {
        self.slots.retain(|slot| slot.holder != holder);
    }

    pub(super) fn slot(&self, holder: usize) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.holder == holder)
    }
}
