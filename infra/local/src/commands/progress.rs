use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use local::queues::depth;
use local::running::Running;
use store::{AgentProgress, Store};
use tokio::time::Instant;

/// Longer than anything that may hold work up and then lets it go on by itself: a lost message's time, two sweeps.
const PATIENCE: Duration = Duration::from_mins(4);
const POLL: Duration = Duration::from_millis(250);

/// Messages in the dead-letter queue of each agent.
pub(crate) async fn dead_letters(
    sqs: &aws_sdk_sqs::Client,
    queues: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for (agent, url) in queues {
        counts.insert(agent.clone(), depth(sqs, &format!("{url}-dlq")).await?);
    }
    Ok(counts)
}

/// Shows a bar per agent until every agent has thought about every event and no wake-up is left, twice in a row: the
/// memories just formed wake agents too.
pub(crate) async fn until_thought_through(
    running: &mut Running,
    store: &Store,
) -> Result<Vec<AgentProgress>> {
    let agents: Vec<String> = running.agents.clone();
    let agents: Vec<&str> = agents.iter().map(String::as_str).collect();
    let sqs = aws_sdk_sqs::Client::new(&running.aws);
    let bars = Bars::new(&agents)?;
    let (mut quiet, mut best, mut last_change) = (0, None, Instant::now());
    loop {
        running.check()?;
        let progress = store.progress(&agents).await?;
        bars.show(&progress);
        let behind: i64 = progress.iter().map(|agent| agent.events_behind).sum();
        let mut waiting = 0;
        if behind == 0 {
            for url in running.endpoints.queues.values() {
                waiting += depth(&sqs, url).await?;
            }
        }
        quiet = if behind == 0 && waiting == 0 { quiet + 1 } else { 0 };
        if quiet == 2 {
            bars.finish();
            return Ok(progress);
        }
        if best != Some((behind, waiting)) {
            (best, last_change) = (Some((behind, waiting)), Instant::now());
        }
        if last_change.elapsed() > PATIENCE {
            bars.finish();
            let stuck: Vec<String> = progress
                .iter()
                .filter(|agent| agent.events_behind > 0)
                .map(|agent| format!("{} is {} events behind", agent.agent, agent.events_behind))
                .collect();
            bail!(
                "nothing has moved for {} s: {}; {waiting} wake-ups wait",
                PATIENCE.as_secs(),
                if stuck.is_empty() { "every agent is done".to_owned() } else { stuck.join(", ") }
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

struct Bars(Vec<ProgressBar>);

impl Bars {
    fn new(agents: &[&str]) -> Result<Self> {
        let style = ProgressStyle::with_template("  {prefix:<18} {bar:40} {pos:>6}/{len} events")?;
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let bars = agents
            .iter()
            .map(|agent| {
                all.add(ProgressBar::new(0).with_style(style.clone()).with_prefix((*agent).to_owned()))
            })
            .collect();
        Ok(Self(bars))
    }

    fn show(&self, progress: &[AgentProgress]) {
        for (bar, agent) in self.0.iter().zip(progress) {
            bar.set_length(u64::try_from(agent.events).unwrap_or(0));
            bar.set_position(u64::try_from(agent.events - agent.events_behind).unwrap_or(0));
        }
    }

    fn finish(&self) {
        for bar in &self.0 {
            bar.abandon();
        }
    }
}
