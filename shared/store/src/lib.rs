//! Postgres: every SQL statement of the project, row-level security, transactions.
//!
//! A [`Store`] acts as one of the schema's group roles from the moment a connection opens, and every transaction of
//! the agents' role names its tenant in the same round trip that does the work.

mod access;
mod adopted_tables;
mod append;
mod archive;
mod checkpoints;
mod checkpoints_read;
mod claim;
mod commit;
mod config;
mod conflict;
mod connect;
mod decide;
mod erasure;
mod error;
mod export;
mod holds;
mod hydration;
mod index;
mod ingest;
mod keys;
mod known;
mod memories;
pub mod migrate;
mod names;
mod once;
mod operations;
mod outcomes;
mod quarantine;
mod reader;
mod recall;
mod review;
mod row;
mod runs;
mod sessions;
mod sessions_state;
mod status;
mod steer;
mod target;
mod tenants;
mod terms;
mod tidy;
mod tls;
mod upkeep;
mod user;
mod user_progress;
mod users;
mod webhook_sources;
mod webhooks;

pub use self::archive::{Archived, IdleSession, Restored, Swept};
pub use access::Access;
pub use adopted_tables::{AdoptedRow, AdoptedTable, Adoption, Arrival, ArrivedRow, Backfill, RefusedRow};
pub use append::{Appended, Appending, InvalidEvent, NewEvent};
pub use checkpoints::{CheckpointRecord, NewCheckpoint, SavedCheckpoint, Saving};
pub use checkpoints_read::{LatestGood, LoadedCheckpoint, Loading};
pub use claim::{Claim, Claimed, ContextQuery};
pub use commit::{Committed, Effects, Run, RunOutcome};
pub use config::{DatabaseConfig, InvalidDatabaseUrl, SslMode};
pub use connect::{Role, Store};
pub use decide::{ReviewDecision, Reviewed};
pub use erasure::{
    AdoptedState, Counts, Erasable, Erased, ErasedSubject, Erasing, ErasurePosition, ErasureWait,
    GoneSession, OpenErasure, OpenErasures, Purged, Receipt, Verification, WaitReason,
};
pub use error::Error;
pub use export::{ExportLine, ExportPage, ExportPosition};
pub use holds::{BehindPage, Hold, HoldReason, HoldRecord};
pub use hydration::{Continued, Hydrate, Hydration, Profile, RecentSession, ScopeMemories};
pub use index::{ActiveSession, IndexedEvent, IndexedMemory, IndexedPassage, UnindexedMemory};
pub use keys::{ApiKeyRecord, MOST_KEYS, NewApiKey, Rotated, Rotation};
pub use memories::{
    Changed, CorrectionOf, ListedMemory, MemoryCase, MemoryChange, MemoryFilter, MemoryLink, MemoryPatch,
    MemoryPosition, MemoryStatus, Promotable, Promoted, Remembered, Remembering,
};
pub use once::{InSession, Once, RequestKey};
pub use operations::{Beginning, Ending, NewOperation, Operation, OperationEnd};
pub use outcomes::{EventOutcome, EventState, ThoughtOutcome};
pub use reader::{Behind, SlotState, SweepSpan};
pub use recall::{
    Candidate, Corpus, Embedding, Filter, Found, MOST_EVIDENCE, PassageWords, Recalled, RecalledEvent,
    RecalledMemory, Search,
};
pub use review::{DecisionRecord, ReviewCase, ReviewEvidence, ReviewFilter, ReviewItem};
pub use runs::{Quarantined, RunFilter, RunRecord};
pub use sessions::{EventPage, LoggedEvent, Session, SessionFilter, SessionPath};
pub use sessions_state::StateAt;
pub use status::AgentProgress;
pub use steer::{Cancelled, ReplayFrom, Replayed};
pub use target::Target;
pub use tenants::{SettingsChanged, Tenant};
pub use tidy::{
    Old, Tidying, UntidyTenant, idle_before, orphaned_before, refused_before, writers_ended_before,
};
pub use tls::client_config;
pub use user::{UserEvent, UserMemory};
pub use user_progress::{ProgressOf, SessionAgent, SessionProgress};
pub use webhook_sources::SourceChange;
pub use webhooks::{
    Attempt, ClaimedEndpoint, DeliveryFilter, DeliveryRecord, DeliveryStatus, Endpoint, EndpointEnd,
    EndpointPatch, NewEndpoint, Replay, Settled, WaitingDelivery, secret_place,
};
