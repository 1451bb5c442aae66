use crate::catalog::Change;
use crate::coalescer::{Coalescer, Wakes};
use domain::InvalidName;

/// What has been received, what is on its way to SQS and what may be confirmed to Postgres.
///
/// Pure bookkeeping of one reader over any number of connections. The rule it keeps: a position is confirmed only when
/// the sink has accepted a wake-up for every change before it (see [`crate::Sink`] for what that promises). Positions belong to one connection; wake-ups outlive it,
/// so a change received twice costs a second wake-up and never a lost one.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    waiting: Coalescer,
    /// Just after the last thing received completely on this connection.
    received: u64,
    /// A transaction has begun and not ended: `received` lies before it.
    in_transaction: bool,
    in_flight: Option<InFlight>,
    /// What may be confirmed on this connection.
    confirmable: u64,
}

#[derive(Debug)]
struct InFlight {
    /// What accepting the flush confirms; `None` once the connection it was received on is gone.
    through: Option<u64>,
}

impl Progress {
    /// A transaction begins.
    pub(crate) fn begin(&mut self) {
        self.in_transaction = true;
    }

    /// A row of the transaction.
    pub(crate) fn change(&mut self, change: Change<'_>) -> Result<(), InvalidName> {
        self.waiting.add(change)
    }

    /// The transaction is complete up to `end_lsn`.
    pub(crate) fn commit(&mut self, end_lsn: u64) {
        self.in_transaction = false;
        self.reach(end_lsn);
    }

    /// The server has sent everything before `wal_end`. Within a transaction it says nothing about that one.
    pub(crate) fn keep_alive(&mut self, wal_end: u64) {
        if !self.in_transaction {
            self.reach(wal_end);
        }
    }

    fn reach(&mut self, lsn: u64) {
        self.received = self.received.max(lsn);
        if self.waiting.is_empty() && self.in_flight.is_none() {
            self.confirmable = self.received;
        }
    }

    /// How many wake-ups wait for the next flush.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Starts a flush of all that waits, if something waits and none is on its way.
    pub(crate) fn start_flush(&mut self) -> Option<Wakes> {
        if self.in_flight.is_some() || self.waiting.is_empty() {
            return None;
        }
        self.in_flight = Some(InFlight { through: Some(self.received) });
        Some(self.waiting.take())
    }

    /// The sink has accepted all of the flush.
    pub(crate) fn accepted(&mut self) {
        let through = self.in_flight.take().and_then(|flush| flush.through).unwrap_or_default();
        self.confirmable = self.confirmable.max(through);
        self.reach(through);
    }

    /// A new connection starts: the server sends again from what was confirmed, and its positions start afresh (a
    /// restored server's may even be lower). What waits and what is on its way stays.
    pub(crate) fn reconnect(&mut self) {
        self.received = 0;
        self.confirmable = 0;
        self.in_transaction = false;
        if let Some(flush) = &mut self.in_flight {
            flush.through = None;
        }
    }

    /// The position that may be confirmed on this connection; 0 before there is one. It only grows between
    /// reconnects.
    pub(crate) fn confirmable(&self) -> u64 {
        self.confirmable
    }
}

#[cfg(test)]
mod tests;
