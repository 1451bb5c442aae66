//! Follows the replication slot and wakes the agents.
//!
//! Trigger: a schedule (Lambda), or none (a process). Reads: the publication `afterthought` through a logical slot,
//! never content. Emits: one wake-up per session and flush to every agent's queue, at once for a session somebody talks
//! in, in turn for imports and for whatever was found behind. A position is confirmed to Postgres only after the wake-ups
//! for everything before it have been accepted ([`Sink`]), so changes are published at least once.
//!
//! Of tables that applications have adopted ([`TableFollower`]) the stream carries keys. They are noted in Postgres, and the
//! rows are read and put into the queue of accepted events in their order, those that had been there first.

mod arrivals;
mod catalog;
mod coalescer;
mod config;
mod error;
mod follower;
mod hosting;
mod keeper;
mod lane;
mod pauses;
pub mod pgoutput;
mod progress;
mod reader;
mod sink;
mod source;
mod stand_by;
mod sweep;
mod tls_tunnel;

pub use arrivals::Arrivals;
pub use catalog::MissingColumn;
pub use coalescer::Wakes;
pub use config::{InvalidSetting, ReaderConfig};
pub use error::{Error, Verdict};
pub use follower::TableFollower;
pub use hosting::run;
pub use keeper::{BulkLane, Keeper};
pub use lane::LanePolicy;
pub use reader::{Ended, FlushPolicy, Reader, Run};
pub use sink::{Queues, Sink};
pub use source::Source;
pub use stand_by::{Lifetime, WhenBusy};
pub use sweep::{Sweep, SweepPolicy};
