//! What a flow is told, what it says, and what it hears.

use std::time::Duration;

use domain::Debounce;
use jiff::Timestamp;

/// What of the agent and of the message decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// When a debounced agent thinks.
    pub(crate) debounce: Option<Debounce>,
    /// How long the agent waits for the one it waits for, counted from when the newest event of its window came.
    pub(crate) wait: Option<Duration>,
    /// The version the wake-up names; `None` when it redrives a window that was set aside.
    pub(crate) version: Option<i64>,
    /// How often the wake-up was deferred.
    pub(crate) deferrals: u32,
    /// How often SQS has delivered this message, this time included.
    pub(crate) receives: u32,
    /// When the invocation is to begin no further window.
    pub(crate) begin_until: Timestamp,
}

/// What a claim showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The cursor.
    pub(crate) after: i64,
    /// The last event that was read; `after` when there is none.
    pub(crate) through: i64,
    /// The session's last version.
    pub(crate) head: i64,
    /// When the oldest event read was accepted, and the newest.
    pub(crate) accepted: (Timestamp, Timestamp),
    /// The cursor of the awaited agent, when there is one.
    pub(crate) awaited: Option<i64>,
    /// Whether the agent may not think about this session now.
    pub(crate) held: bool,
    /// How many sessions of the tenant the agent may think about at once, where that is limited.
    pub(crate) concurrency: Option<u32>,
}

/// Why thinking came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Something outside failed: the window is as good as before.
    Outside,
    /// The window failed, and may not fail again.
    Window,
    /// The window failed and always will.
    WindowForGood,
    /// Somebody asks for patience.
    Later(Duration),
    /// The tenant's tokens are used up; the built-in model is to think instead.
    Exhausted,
    /// The tenant's tokens are used up until then, and nothing is to be thought about before.
    ExhaustedUntil(Timestamp),
}

/// Why a run is less than it could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Degraded {
    /// The awaited agent did not get there in time.
    WaitedInVain,
    /// The tenant's tokens were used up, so the built-in model thought.
    Exhausted,
}

impl Degraded {
    /// The reason stored with the run.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::WaitedInVain => "waited_in_vain",
            Self::Exhausted => "budget_exhausted",
        }
    }
}

/// Why a window is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// Thinking about it failed, as the last error says.
    Failed,
    /// The process did not survive it.
    Deadly {
        /// How often.
        tries: u32,
    },
}

/// How long something is put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// As long as this.
    For(Duration),
    /// The usual back-off after so many attempts, with jitter.
    BackOff {
        /// 1 or more.
        attempt: u32,
    },
}

/// Why the agent is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// Somebody asked for patience: this agent with this session.
    Session,
    /// The tokens of the day are used up: this agent with every session of the tenant.
    Tenant,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Do {
    /// Read the window; to be answered with [`Happened::Claimed`].
    Claim,
    /// Take the lease for the window, or renew it for the next one: [`Happened::Leased`] or [`Happened::NotLeased`].
    Lease {
        /// The version before the window.
        after: i64,
        /// Its last version.
        through: i64,
    },
    /// Take one of the tenant's slots: [`Happened::Slot`]. It is given back with the lease.
    Slot {
        /// How many there are.
        limit: u32,
    },
    /// Think about the window up to `through`: [`Happened::Thought`] or [`Happened::Failed`].
    Think {
        /// Its last version.
        through: i64,
        /// Whether no other model may be asked.
        built_in_only: bool,
    },
    /// Keep what was thought and move the cursor: [`Happened::Committed`] or [`Happened::Failed`].
    Commit {
        /// The window's last version.
        through: i64,
        /// Why the run is less than it could be.
        degraded: Option<Degraded>,
    },
    /// Send the window to the dead letters, then record it and move the cursor past it: [`Happened::Committed`].
    Quarantine {
        /// The window's last version.
        through: i64,
        /// Why.
        poison: Poison,
    },
    /// Give the lease back, nothing is left to do: [`Happened::Done`], whatever came of it.
    Release,
    /// Give the lease back for another try at the same window: [`Happened::Done`], whatever came of it.
    Yield {
        /// Tries that stay on record.
        tries: u32,
        /// Where the window is to end at the next try.
        through: i64,
    },
    /// Send a wake-up at `version` for what is left to think about: [`Happened::Done`].
    SendRest {
        /// The session's last version.
        version: i64,
    },
    /// Send this wake-up again with a delay: [`Happened::Done`].
    Defer {
        /// The delay.
        delay: Delay,
        /// The version it names from now on; `None` for a redrive.
        version: Option<i64>,
    },
    /// Record that nothing is to be thought about until then: [`Happened::Done`].
    Hold {
        /// The end.
        until: Timestamp,
        /// What is held.
        sleep: Sleep,
    },
    /// Nothing more.
    End(Ended),
}

/// What came of what was to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    /// The window; `None` when there is no such session or no such quarantined window.
    Claimed(Option<Seen>),
    /// The lease is held.
    Leased {
        /// How often a run has taken it for this window, this time included.
        tries: u32,
        /// Where the window ended at the first of these tries.
        through: i64,
    },
    /// Another run holds the lease.
    NotLeased {
        /// Until then at most.
        until: Timestamp,
    },
    /// Whether a slot was free.
    Slot(bool),
    /// There are thoughts to commit.
    Thought,
    /// There are none.
    Failed(Fault),
    /// Whether the cursor was where the window began.
    Committed(bool),
    /// Done.
    Done,
    /// It failed, or nobody knows.
    Unreachable,
}

/// What became of a wake-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A window, or a session's new memories, was thought about.
    Thought,
    /// The cursor had passed it.
    NothingNew,
    /// A later wake-up will find a longer window.
    StillBusy,
    /// Another run was first; its work stands.
    LostRace,
    /// Sent again, to be delivered later.
    Deferred,
    /// Sent again, to look once more whether the awaited agent is there.
    Waiting,
    /// Paused: whoever resumes wakes it again.
    Held,
    /// Nothing is thought about before a certain time; the sweep wakes it then.
    Asleep,
    /// The last window it came to was set aside.
    Quarantined,
    /// There is no such session.
    UnknownSession,
    /// A tick, fanned out to whoever has something new.
    FannedOut,
    /// Not acknowledged: SQS delivers it again after the usual back-off.
    Retry {
        /// 1 or more.
        attempt: u32,
    },
}

impl Ended {
    /// The value of the metric's dimension `Outcome`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Thought => "thought",
            Self::NothingNew => "nothing_new",
            Self::StillBusy => "still_busy",
            Self::LostRace => "lost_race",
            Self::Deferred => "deferred",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Asleep => "asleep",
            Self::Quarantined => "quarantined",
            Self::UnknownSession => "unknown_session",
            Self::FannedOut => "fanned_out",
            Self::Retry { .. } => "failed",
        }
    }
}
