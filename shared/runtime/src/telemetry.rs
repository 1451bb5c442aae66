use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing_subscriber::EnvFilter;

use crate::Config;

/// What a process measures, written out as CloudWatch embedded metrics.
#[derive(Clone, Copy)]
pub struct Telemetry {
    collector: &'static Collector,
}

impl Telemetry {
    /// Writes what was measured since the last time to standard output, where CloudWatch reads it.
    pub fn flush(self) {
        if let Err(error) = self.collector.flush(std::io::stdout()) {
            tracing::warn!(%error, "metrics could not be written");
        }
    }
}

/// Sets up logs and metrics of this process; called once, first thing.
///
/// Logs are JSON lines under Lambda and readable lines on standard error elsewhere, filtered by `RUST_LOG` (`info`).
pub fn init_telemetry(config: &Config) -> anyhow::Result<Telemetry> {
    // A panic's own words may quote what was being read; where it happened says enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
    let level = config.variables.get("RUST_LOG").map_or("info", String::as_str);
    // The MCP library's own words quote requests.
    let filter = EnvFilter::try_new(level)?.add_directive("rmcp=off".parse()?);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    if config.in_lambda {
        logs.json().without_time().with_current_span(false).init();
    } else {
        logs.with_writer(std::io::stderr).init();
    }
    let collector = Builder::new()
        .cloudwatch_namespace("Afterthought")
        .with_dimension("Function", config.function.clone())
        .init()
        .map_err(|error| anyhow::anyhow!("metrics could not be set up: {error}"))?;
    Ok(Telemetry { collector })
}
