//! The state of an application's own agents: what a session's log comes to, and checkpoints that prove themselves.

mod canonical;
mod checkpoint;
mod entry;
mod fold;
mod snapshot;
mod tail;

pub use canonical::{Canonical, NotCanonical, check_document};
pub use checkpoint::{
    Base, Body, Checkpoint, Damage, MOST_PATCHES, Parent, Plan, StoredCheckpoint, checksum, plan, restore,
};
pub use entry::{EVENT_SCHEMA, Entry};
pub use fold::{
    Metadata, OutOfOrder, SNAPSHOT_EVERY, START_NODE, SaidEntry, SessionState, ToolResult, Understood,
};
pub use snapshot::{STATE_SCHEMA, UnreadableSnapshot, read_snapshot, write_snapshot};
pub use tail::{Decided, MOST_LAST, MOST_TAIL_BYTES, Tail, Weigh};
