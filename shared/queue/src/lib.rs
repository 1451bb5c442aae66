//! SQS: wake-ups out in batches, wake-ups in one by one; and what was accepted, in order.
//!
//! Delivery contract: [`Publisher::publish`] answers `Ok` only when SQS has accepted every wake-up; otherwise the
//! error holds exactly those it has not. SQS delivers at least once and in any order, and so does this crate.

mod addressed;
mod dead_letters;
mod delivery;
mod in_order;
mod letter;
mod publisher;
mod routes;

pub use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

pub use addressed::Addressed;
pub use dead_letters::{DeadLetter, LookedThrough, NotLookedThrough};
pub use delivery::{Delivery, batch_response, deliveries};
pub use in_order::{MOST_BYTES, NotAllAccepted, Ordered, SPARE_BYTES};
pub use letter::{Letter, letters};
pub use publisher::{LONGEST_DELAY, NotAccepted, Publisher};
pub use routes::{InvalidRoutes, Routes};
