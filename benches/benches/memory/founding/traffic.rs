use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;

use super::{Call, Variant};
use crate::figures::Times;

/// How the agents call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    /// How many there are.
    pub(super) agents: usize,
    /// How many questions each has.
    pub(super) questions: usize,
    /// For how many seconds they go on.
    pub(super) seconds: u64,
    /// The pause before each call, on average, in milliseconds.
    pub(super) pause: u64,
    /// What their pauses and questions are drawn from.
    pub(super) seed: u64,
}

/// Every agent makes one call after the other, with a pause before each.
///
/// Each agent is a task of its own. Pauses are drawn evenly between none and twice the average, so that calls meet as
/// they would.
pub(super) async fn run<V: Variant>(variant: &Arc<V>, traffic: Traffic) -> Result<[Times; 3]> {
    let agents: Vec<_> =
        (0..traffic.agents).map(|agent| tokio::spawn(live(Arc::clone(variant), traffic, agent))).collect();
    let mut all: [Times; 3] = Default::default();
    for agent in agents {
        for (all, times) in all.iter_mut().zip(agent.await??) {
            all.extend(times);
        }
    }
    Ok(all)
}

async fn live<V: Variant>(variant: Arc<V>, traffic: Traffic, agent: usize) -> Result<[Times; 3]> {
    let until = Instant::now() + Duration::from_secs(traffic.seconds);
    let mut rng = Rng::with_seed(traffic.seed ^ ((agent as u64) << 32));
    let mut all: [Times; 3] = Default::default();
    loop {
        for (call, times) in Call::ALL.into_iter().zip(&mut all) {
            tokio::time::sleep(Duration::from_millis(rng.u64(..=2 * traffic.pause))).await;
            let started = Instant::now();
            let came = match call {
                Call::HotRead => variant.hot_read(agent).await?,
                Call::Latest => variant.latest(agent).await?,
                Call::Search => variant.search(agent, rng.usize(..traffic.questions.max(1))).await?.len(),
            };
            times.add(started.elapsed());
            ensure!(came > 0, "{} of {} answered nothing", call.name(), variant.name());
        }
        if Instant::now() >= until {
            return Ok(all);
        }
    }
}
