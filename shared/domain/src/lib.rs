//! The vocabulary of Afterthought and every decision that needs no outside world.
//!
//! Pure: no input or output, no clock, no randomness. Whoever calls passes the time and the identifiers in.

mod accepted;
mod adopted_row;
mod api_key;
mod correction;
mod debounce;
mod decay;
mod delivery;
mod event;
mod gate;
mod guard_policy;
mod hot_lifetimes;
mod ids;
mod key_scope;
mod ledger;
mod memory;
mod merge;
mod model_choice;
mod reach;
mod reconcile;
mod retention;
mod retraction;
mod review;
mod settings;
pub mod state;
mod wake_up;
mod webhook_source;
mod window;

pub use accepted::{AcceptedEvent, AcceptedEvents, InvalidAccepted};
pub use adopted_row::{RowMapping, RowSaid, UnusableRow};
pub use api_key::{ApiKey, KeyGrant, KeyHash};
pub use correction::{APPLICATION, Account, Correction, NewMemory, OWN_PAYLOAD, keeps_evidence};
pub use debounce::{Debounce, Verdict};
pub use decay::{has_faded, worth};
pub use delivery::{Attempted, Delivery};
pub use event::{Event, EventKind};
pub use gate::Gate;
pub use guard_policy::{GuardAction, GuardPolicy, Identifier, IdentifierActions};
pub use hot_lifetimes::HotLifetimes;
pub use ids::{InvalidName, MemoryId, SessionId, SessionName, TenantId, UserId};
pub use key_scope::{KeyScope, KeyScopes};
pub use ledger::{Dropped, LedgerEntry, Outcome};
pub use memory::{
    CARRIED, ClosedBecause, Closing, Evidence, Memory, MemoryType, OnConflict, Scope, Thought, has_one_value,
    memory_id,
};
pub use merge::{key_digest, wording_digest};
pub use model_choice::ModelChoice;
pub use reach::{NotAsked, Reach};
pub use reconcile::{Change, Known, Reconciled, Said, reconcile};
pub use retention::Retention;
pub use retraction::{Retraction, Retractions};
pub use review::{
    Decided, Decision, Edit, Effect, Extent, InvalidEdit, Pending, Refusal, Review, ReviewReason, decide,
    needs_review,
};
pub use settings::{ReviewPolicy, TenantSettings, WhenExhausted};
pub use wake_up::{Envelope, InvalidEnvelope, WakeUp};
pub use webhook_source::{
    InvalidMapping, Place, Pointer, SealedSecret, SlackBots, SlackMapping, SlackUser, SourceKind,
    SourceMapping, StandardMapping, WebhookSource, time_of_number,
};
pub use window::Window;
