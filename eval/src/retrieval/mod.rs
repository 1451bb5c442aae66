//! How much of what answers a question recall finds: LoCoMo's retrieval metric, turn by turn, through the whole
//! pipeline.
//!
//! Conversations are imported into a database of their own, indexed by the indexer in its runtime, and every question is
//! asked of the recall function over HTTP, once by words alone and once with each embedder.

mod ask;
mod conversations;
mod figures;
mod report;
mod stage;

pub use conversations::{Conversations, Question};
pub use figures::{Answered, Figures, Measured, Recall};
pub use report::{Report, worst};
pub use stage::{Configuration, measure};

/// How many events are asked for, and looked at in each of the figures.
pub(crate) const DEPTHS: [usize; 4] = [5, 10, 25, 50];
/// The deepest of them.
pub(crate) const DEEPEST: usize = 50;
