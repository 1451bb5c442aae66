use std::hint::black_box;

use cdc_reader::{Sink, Wakes};
use jiff::Timestamp;

/// Accepts and forgets: what reading, decoding and coalescing cost.
pub(crate) struct Null;

impl Sink for Null {
    async fn accept(&self, wakes: Wakes) {
        black_box(wakes);
    }
}

/// Makes the messages of this many queues and counts their bytes: everything but the network.
pub(crate) struct Counting {
    pub(crate) queues: usize,
}

impl Sink for Counting {
    async fn accept(&self, wakes: Wakes) {
        let envelopes = wakes.session_envelopes(Timestamp::UNIX_EPOCH);
        for _ in 0..self.queues {
            let bytes: usize = envelopes.iter().map(|envelope| envelope.to_body().len()).sum();
            black_box(bytes);
        }
    }
}
