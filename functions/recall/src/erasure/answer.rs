use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use store::{AdoptedState, Counts, ErasedSubject, Erasing, ErasureWait, Receipt, WaitReason};
use utoipa::ToSchema;
use uuid::Uuid;

use super::request::{Cursor, Subject};

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Progress {
    /// Nothing was erased: this is what would be.
    DryRun,
    /// Nobody sees anything of it.
    Erased,
    /// No row of it is left.
    Purged,
    /// Nothing of it is left in any layer, and that was looked at.
    Complete,
}

/// What an erasure did, or would do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErasureAnswer {
    /// The erasure; null of a dry run.
    id: Option<Uuid>,
    subject: Subject,
    status: Progress,
    /// How many rows and items of each layer it is about.
    counts: BTreeMap<String, i64>,
    /// Since when nobody sees anything of it: when it was asked for last.
    erased_at: Option<Timestamp>,
    /// Since when no row is left.
    purged_at: Option<Timestamp>,
    /// Since when nothing is left.
    completed_at: Option<Timestamp>,
    /// What holds it up, in the order in which it is gone through; nothing when it is complete.
    waits_for: Vec<WaitAnswer>,
}

impl ErasureAnswer {
    /// What would go.
    pub(super) fn dry(erasing: Erasing<'_>, counts: Counts) -> Self {
        let subject = match erasing {
            Erasing::User => Subject::User,
            Erasing::Session(_) => Subject::Session,
            Erasing::Memory(_) => Subject::Memory,
        };
        Self {
            id: None,
            subject,
            status: Progress::DryRun,
            counts: counts.0,
            erased_at: None,
            purged_at: None,
            completed_at: None,
            waits_for: Vec::new(),
        }
    }
}

/// What holds an erasure up.
#[derive(Debug, Serialize, ToSchema)]
struct WaitAnswer {
    reason: Reason,
    /// The adopted table, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    /// How that stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<TableState>,
}

/// Which kind of thing holds an erasure up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// Hot state was not looked through yet.
    HotState,
    /// Objects of the archive are left.
    Archive,
    /// Rows are left.
    Rows,
    /// A transaction is open that may have begun before the erasure.
    Transactions,
    /// Rows of an adopted table that may have been written before the erasure have not been read.
    AdoptedTable,
    /// Nothing but the last look, which comes when everything has settled.
    LastLook,
}

/// How an adopted table stands that holds an erasure up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TableState {
    /// It cannot be read.
    Broken,
    /// The rows that had been there are being read.
    Backfill,
    /// New rows wait to be read.
    Unread,
}

impl From<ErasureWait> for WaitAnswer {
    fn from(wait: ErasureWait) -> Self {
        let reason = match wait.reason {
            WaitReason::HotState => Reason::HotState,
            WaitReason::Archive => Reason::Archive,
            WaitReason::Rows => Reason::Rows,
            WaitReason::Transactions => Reason::Transactions,
            WaitReason::AdoptedTable => Reason::AdoptedTable,
            WaitReason::LastLook => Reason::LastLook,
        };
        let state = wait.state.map(|state| match state {
            AdoptedState::Broken => TableState::Broken,
            AdoptedState::Backfill => TableState::Backfill,
            AdoptedState::Unread => TableState::Unread,
        });
        Self { reason, table: wait.table, state }
    }
}

impl From<Receipt> for ErasureAnswer {
    fn from(receipt: Receipt) -> Self {
        let status = match (receipt.purged_at, receipt.completed_at) {
            (_, Some(_)) => Progress::Complete,
            (Some(_), None) => Progress::Purged,
            (None, None) => Progress::Erased,
        };
        let subject = match receipt.subject {
            ErasedSubject::User => Subject::User,
            ErasedSubject::Session => Subject::Session,
            ErasedSubject::Memory => Subject::Memory,
        };
        Self {
            id: Some(receipt.id),
            subject,
            status,
            counts: receipt.counts.0,
            erased_at: Some(receipt.erased_at),
            purged_at: receipt.purged_at,
            completed_at: receipt.completed_at,
            waits_for: receipt.waits_for.into_iter().map(Into::into).collect(),
        }
    }
}

/// A page of a tenant's erasures, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErasuresAnswer {
    erasures: Vec<ErasureAnswer>,
    /// What to give as `after` for the next page; null when there is none.
    next: Option<String>,
}

impl ErasuresAnswer {
    /// At most `limit` of what was found, which is one more when there is a next page.
    pub(super) fn of(mut found: Vec<Receipt>, limit: u16) -> Self {
        let more = found.len() > usize::from(limit);
        found.truncate(usize::from(limit));
        let next = found.last().filter(|_| more).map(Cursor::after);
        Self { erasures: found.into_iter().map(Into::into).collect(), next }
    }
}
