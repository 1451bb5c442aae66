//! Keeping what came of a window: memories, run and ledger, and the agent's cursor, in one transaction.

mod memories;
mod run;

use std::collections::BTreeSet;

use domain::{
    Closing, Known, Memory, MemoryId, MemoryType, OnConflict, Reconciled, ReviewPolicy, Scope, Thought,
    Window, reconcile,
};
use futures::try_join;
use uuid::Uuid;

use crate::conflict::until_alone;
use crate::connect::Transaction;
use crate::known::{Reads, Subjects};
use crate::{Error, IndexedEvent, Store};

pub(crate) use self::memories::{Writes, write_memories};
use self::memories::{close, write_index};
pub use self::run::{Run, RunOutcome};
pub(crate) use self::run::{stored_count, stored_deferrals, stored_error, write_run};

/// What a window's thinking is to change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effects {
    /// What is proposed to be remembered.
    pub thoughts: Vec<Thought>,
    /// Memories of the user's that are proposed to be closed.
    pub closings: Vec<Closing>,
    /// Events of the window that only repeat what recall handed out.
    pub recalled: BTreeSet<i64>,
    /// What recall can find events by.
    pub indexed: Vec<IndexedEvent>,
    /// The memories the agent saw: what a thought that replaces one was made from.
    pub seen: Vec<Memory>,
    /// Of which scope and type the agent saw every memory there was.
    pub seen_all: Vec<(Scope, MemoryType)>,
    /// Memories that thoughts say again elsewhere, each with the version they were made from.
    pub sources: Vec<(MemoryId, i64)>,
}

impl Effects {
    /// Whether a thought replaces a memory that is not the one the agent saw: a redrive, a review or another session was
    /// first. What it would replace then was never taken into account.
    fn are_stale(&self, current: &[Memory]) -> bool {
        let under = |memories: &[Memory], thought: &Thought| {
            let mut found = memories.iter().filter(|memory| {
                memory.scope == thought.scope && memory.kind == thought.kind && memory.key == thought.key
            });
            found.next().map(|memory| (memory.id, memory.content.clone(), memory.data.clone()))
        };
        let replaces =
            |thought: &&Thought| matches!(thought.on_conflict, OnConflict::Supersede | OnConflict::Continue);
        self.thoughts.iter().filter(replaces).any(|thought| {
            match (under(current, thought), under(&self.seen, thought)) {
                (Some(_), None) => self.seen_all.contains(&(thought.scope, thought.kind)),
                (current, seen) => current != seen,
            }
        })
    }
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// Everything was kept and the cursor moved.
    Done(Reconciled),
    /// Another run had moved the cursor, or changed what this one's thoughts replace; nothing was kept.
    LostRace,
}

impl Store {
    /// Keeps what came of a window and moves the agent's cursor to its end, in one transaction of two round trips.
    ///
    /// The cursor moves by compare-and-set on where the window began and its generation, so of any number of runs over
    /// the same window exactly one has an effect. A run that redrives a quarantined one leaves the cursor alone: it
    /// closes that run, by compare-and-set too.
    /// Two sessions of a user that learn the same thing at once meet at the unique index; the later starts over and
    /// merges into what the earlier stored.
    pub async fn commit(&self, window: &Window, effects: &Effects, run: &Run) -> Result<Committed, Error> {
        // On the heap: with all its statements the transaction is some 17 KB, and callers hold it across their own waits.
        match until_alone(|| Box::pin(self.commit_once(window, effects, run))).await {
            // The session was erased meanwhile: there is nothing to keep, and nothing to try again.
            Err(error) if error.names_gone_session() => Ok(Committed::LostRace),
            committed => committed,
        }
    }

    async fn commit_once(&self, window: &Window, effects: &Effects, run: &Run) -> Result<Committed, Error> {
        let transaction = self.transaction(&window.tenant).await?;
        let writes = Writes::prepare(&transaction).await?;
        let subjects = Subjects::of(window, &effects.thoughts);
        let Some(locked) = begin_and_lock(&transaction, window, &subjects, effects, run).await? else {
            return Ok(Committed::LostRace);
        };
        let Locked { mut known, policy, open } = locked;
        // What is about to be closed is no memory to add to.
        known.twins.retain(|twin| effects.closings.iter().all(|closing| closing.memory != twin.id));
        if effects.are_stale(&known.current) || !are_as_read(effects, &open) {
            return Ok(Committed::LostRace);
        }
        let reconciled = reconcile(run.agent, window, &known, &policy, effects.thoughts.clone());
        try_join!(
            write_memories(&transaction, &writes, window, run, &reconciled.changes),
            close(&transaction, &writes, &effects.closings),
            async {
                if reconciled.changes.iter().all(|change| change.updates) {
                    return Ok(());
                }
                subjects.check_refusals(&transaction, &writes.check, known.refusals.len()).await
            },
            write_index(&transaction, &writes, window, &effects.indexed),
            write_run(&transaction, &writes, window, run, effects, &reconciled),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(Committed::Done(reconciled))
    }
}

/// What a commit finds, once everything it touches is locked.
struct Locked {
    known: Known,
    policy: ReviewPolicy,
    /// Of the memories that are to be closed, take the place of closed ones or are said again elsewhere, those that hold:
    /// identifier, version and whether they are pinned.
    open: Vec<(Uuid, i64, bool)>,
}

/// Whether everything that is to be closed is as it was read, and not pinned, what takes its place still holds, and what is
/// said again elsewhere is as it was read.
fn are_as_read(effects: &Effects, open: &[(Uuid, i64, bool)]) -> bool {
    let holds = |id: Uuid| open.iter().find(|(held, ..)| *held == id);
    effects.closings.iter().all(|closing| {
        holds(closing.memory.0).is_some_and(|(_, version, pinned)| *version == closing.version && !pinned)
            && closing.by.is_none_or(|by| holds(by.0).is_some())
    }) && effects
        .sources
        .iter()
        .all(|(source, read)| holds(source.0).is_some_and(|(_, version, _)| version == read))
}

/// Opens the transaction, moves the cursor or closes the quarantined run, and locks the memories the thoughts are
/// about. `None` when another run was first.
async fn begin_and_lock(
    transaction: &Transaction,
    window: &Window,
    subjects: &Subjects<'_>,
    effects: &Effects,
    run: &Run,
) -> Result<Option<Locked>, Error> {
    let (advance, reads, lock_closings) = try_join!(
        transaction.prepare(match run.redrives {
            None => include_str!("../queries/advance_cursor.sql"),
            Some(_) => include_str!("../queries/close_quarantined.sql"),
        }),
        Reads::prepare(transaction),
        transaction.prepare(include_str!("../queries/lock_closings.sql")),
    )?;
    let closings = effects.closings.iter();
    let closing = closings.flat_map(|closing| [Some(closing.memory.0), closing.by.map(|by| by.0)]).flatten();
    let closing: BTreeSet<Uuid> = closing.chain(effects.sources.iter().map(|(source, _)| source.0)).collect();
    let closing: Vec<Uuid> = closing.into_iter().collect();
    let ((), moved, (known, policy), open) = try_join!(
        transaction.begin(),
        async {
            let (session, tenant, through) = (window.session.0, window.tenant.as_str(), window.through());
            match run.redrives {
                None => {
                    let generation = window.generation;
                    transaction
                        .query(
                            &advance,
                            &[&session, &run.agent, &tenant, &window.after, &through, &generation],
                        )
                        .await
                }
                Some(quarantined) => {
                    transaction
                        .query(
                            &advance,
                            &[&quarantined, &run.id, &session, &run.agent, &window.after, &through],
                        )
                        .await
                }
            }
        },
        subjects.read_known(transaction, &reads, &effects.recalled),
        async {
            if closing.is_empty() {
                return Ok(Vec::new());
            }
            let (tenant, user) = (window.tenant.as_str(), window.user.as_str());
            transaction.query(&lock_closings, &[&tenant, &user, &closing]).await
        },
    )?;
    if moved.is_empty() {
        return Ok(None);
    }
    let open =
        open.iter().map(|row| Ok((row.try_get("id")?, row.try_get("version")?, row.try_get("pinned")?)));
    Ok(Some(Locked { known, policy, open: open.collect::<Result<_, Error>>()? }))
}
