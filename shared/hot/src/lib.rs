//! DynamoDB: everything ephemeral, as items of one table, each with a time to live.
//!
//! Hot state may vanish at any moment; whatever is in it can be rebuilt from Postgres or done without. What an application
//! keeps in its working memory and its tools' states is the one thing that cannot be rebuilt: it is only here. Every write here
//! may be repeated when its answer is lost: it comes to the same, or to less being admitted.
//!
//! What controls the flow decides apart from the table: it is given the answer to one conditional write and says what
//! to write next (`item.rs`). So a test can end it between any two of them (`model.rs`).

mod access;
mod budget;
mod claim;
mod context;
mod document;
mod edit;
mod erase;
mod error;
mod export;
mod item;
mod key;
mod lease;
mod lifetime;
#[cfg(test)]
mod model;
mod pending;
mod quota;
mod rate;
mod session;
mod slot;
mod source;
mod step;
mod table;
mod throttle;
mod tool;
mod working;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use domain::HotLifetimes;

pub use access::{Copied, VersionedSettings};
pub use budget::Reserved;
pub use claim::ClaimedKey;
pub use context::{ActiveMemory, LatestSession, RecentMessage, SessionContext};
pub use document::{
    DEEPEST, Document, InvalidDocument, LONGEST_MEMBER_NAME_BYTES, MOST_DOCUMENT_BYTES, Part,
};
pub use edit::{Edit, InvalidEdit, MOST_OPERATIONS, Operations, PathTo};
pub use error::{Error, Put};
pub use lease::{Lease, Leased};
pub use lifetime::Lifetimes;
pub use pending::PendingTurn;
pub use quota::Counted;
pub use rate::Rate;
pub use session::HotSession;
pub use slot::Slot;
pub use source::CopiedSource;
pub use step::StepKey;
pub use table::Read;
pub use throttle::{Admitted, Allowance};
pub use tool::{MOST_TOOLS, ToolState};
pub use working::{DocumentKey, DocumentKind, Edited, Excerpt, Expected, Kept, Revision};

/// The share of a request's time that one attempt at it may take.
const ATTEMPT: f32 = 0.4;

/// The hot state: one table with string keys `pk` and `sk` and the time-to-live attribute `expires_at`, in seconds
/// since 1970.
///
/// DynamoDB deletes late, so whatever is read is checked against its expiry.
#[derive(Debug, Clone)]
pub struct Hot {
    client: Client,
    table: String,
    lifetimes: Lifetimes,
    seen: throttle::Seen,
}

impl Hot {
    /// How long DynamoDB may take for a request, unless something else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// Hot state in `table`, with the usual lifetimes and timeout.
    pub fn new(client: Client, table: String) -> Self {
        let hot = Self { client, table, lifetimes: Lifetimes::default(), seen: throttle::Seen::default() };
        hot.with_timeout(Self::TIMEOUT)
    }

    /// The same hot state, with lifetimes of a deployment's own.
    #[must_use]
    pub const fn with_lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// The same hot state, with the lives that a tenant has of its own in the place of the deployment's: for what is written
    /// for that tenant.
    #[must_use]
    pub fn for_tenant(&self, own: &HotLifetimes) -> Self {
        let lifetimes = self.lifetimes.of_tenant(own);
        Self { lifetimes, ..self.clone() }
    }

    /// The same hot state, waiting for DynamoDB at most so long for each request, and for one attempt at it a part of that,
    /// so that a second one has its time.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(timeout)
            .operation_attempt_timeout(timeout.mul_f32(ATTEMPT))
            .build();
        self.client = Client::from_conf(self.client.config().to_builder().timeout_config(timeouts).build());
        self
    }

    /// How long items live.
    pub const fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }
}
