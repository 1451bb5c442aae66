use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::{FlushPolicy, LanePolicy, SweepPolicy};

/// The reader's own settings; the others are those of every function.
#[derive(Debug, Clone)]
pub struct ReaderConfig {
    /// The replication slot: `CDC_SLOT`, `afterthought`.
    pub slot: String,
    /// The publication: `CDC_PUBLICATION`, `afterthought`.
    pub publication: String,
    /// What tells this reader from others: `CDC_INSTANCE`, else the log stream of a Lambda, else the process id.
    pub instance: String,
    /// Stop when idle: `CDC_MODE=drain`.
    pub drain: bool,
    /// How long an invocation lasts whose deadline is unknown: `CDC_RUN_SECONDS`, 840.
    pub run: Duration,
    /// `CDC_FLUSH_MILLISECONDS`, 50.
    pub flush: FlushPolicy,
    /// `CDC_SWEEP_SECONDS`, 60, and `CDC_SWEEP_GRACE_SECONDS`, 120.
    pub sweep: SweepPolicy,
    /// `CDC_LANE_SESSIONS`, 64, and `CDC_QUIET_SECONDS`, none.
    pub lane: LanePolicy,
}

/// A variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {got:?}, expected {expected}")]
pub struct InvalidSetting {
    /// The variable.
    pub variable: &'static str,
    /// What it holds, cut to 80 characters.
    pub got: String,
    /// What belongs there.
    pub expected: &'static str,
}

impl ReaderConfig {
    /// Reads the settings; `process_id` names the instance when nothing else does.
    pub fn from_map(variables: &HashMap<String, String>, process_id: u32) -> Result<Self, InvalidSetting> {
        let given = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let slot = given("CDC_SLOT").unwrap_or("afterthought");
        if slot.len() > 63 || !slot.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            let expected = "a slot name: 1 to 63 lower-case letters, digits and underscores";
            return Err(invalid("CDC_SLOT", slot, expected));
        }
        let publication = given("CDC_PUBLICATION").unwrap_or("afterthought");
        if publication.len() > 63 || publication.contains(',') {
            return Err(invalid("CDC_PUBLICATION", publication, "the name of one publication"));
        }
        let drain = match given("CDC_MODE") {
            None | Some("stream") => false,
            Some("drain") => true,
            Some(got) => return Err(invalid("CDC_MODE", got, "stream or drain")),
        };
        let sweep = SweepPolicy {
            interval: Duration::from_secs(number(variables, "CDC_SWEEP_SECONDS", 60, 1..=86_400)?),
            grace: Duration::from_secs(number(variables, "CDC_SWEEP_GRACE_SECONDS", 120, 0..=86_400)?),
        };
        let sessions = number(variables, "CDC_LANE_SESSIONS", 64, 1..=10_000)?;
        let lane = LanePolicy {
            sessions: usize::try_from(sessions).unwrap_or(usize::MAX),
            interval: sweep.interval,
            quiet: quiet(given("CDC_QUIET_SECONDS").unwrap_or_default())?,
        };
        let instance = given("CDC_INSTANCE").or_else(|| given("AWS_LAMBDA_LOG_STREAM_NAME").map(last_part));
        Ok(Self {
            slot: slot.to_owned(),
            publication: publication.to_owned(),
            instance: instance.map_or_else(|| process_id.to_string(), str::to_owned),
            drain,
            run: Duration::from_secs(number(variables, "CDC_RUN_SECONDS", 840, 1..=86_400)?),
            flush: FlushPolicy {
                interval: Duration::from_millis(number(variables, "CDC_FLUSH_MILLISECONDS", 50, 1..=60_000)?),
                ..FlushPolicy::default()
            },
            sweep,
            lane,
        })
    }
}

/// A log stream is `2026/11/21/[$LATEST]4ad1…`; what differs comes last.
fn last_part(log_stream: &str) -> &str {
    log_stream.rsplit(']').next().unwrap_or(log_stream)
}

/// `summarizer=30,sentiment-analyzer=30`.
fn quiet(value: &str) -> Result<BTreeMap<String, Duration>, InvalidSetting> {
    let expected = "agent=seconds, separated by commas, at most 900 seconds";
    let entries = value.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (agent, seconds) = entry.split_once('=')?;
            let seconds = seconds.trim().parse().ok().filter(|seconds| *seconds <= 900)?;
            Some((agent.trim().to_owned(), Duration::from_secs(seconds)))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| invalid("CDC_QUIET_SECONDS", value, expected))
}

fn number(
    variables: &HashMap<String, String>,
    variable: &'static str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, InvalidSetting> {
    let Some(value) = variables.get(variable).filter(|value| !value.is_empty()) else { return Ok(default) };
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| invalid(variable, value, "a whole number, at most one day"))
}

fn invalid(variable: &'static str, got: &str, expected: &'static str) -> InvalidSetting {
    InvalidSetting { variable, got: got.chars().take(80).collect(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ReaderConfig, InvalidSetting> {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ReaderConfig::from_map(&variables, 42)
    }

    #[test]
    fn nothing_has_to_be_set() {
        let config = read(&[]).unwrap();
        assert_eq!((config.slot.as_str(), config.publication.as_str()), ("afterthought", "afterthought"));
        assert_eq!((config.instance.as_str(), config.drain, config.run.as_secs()), ("42", false, 840));
        assert_eq!((config.sweep.interval.as_secs(), config.flush.interval.as_millis()), (60, 50));
    }

    #[test]
    fn the_lane_has_its_places_and_knows_who_waits_for_quiet() {
        let lane = read(&[("CDC_SWEEP_SECONDS", "7")]).unwrap().lane;
        assert_eq!((lane.sessions, lane.interval.as_secs(), lane.quiet.len()), (64, 7, 0));
        let given = [("CDC_LANE_SESSIONS", "8"), ("CDC_QUIET_SECONDS", " summarizer=30, tone = 0,")];
        let lane = read(&given).unwrap().lane;
        let quiet: Vec<_> =
            lane.quiet.iter().map(|(agent, quiet)| (agent.as_str(), quiet.as_secs())).collect();
        assert_eq!((lane.sessions, quiet), (8, vec![("summarizer", 30), ("tone", 0)]));
        for wrong in ["30", "summarizer=", "summarizer=-1", "summarizer=901"] {
            let error = read(&[("CDC_QUIET_SECONDS", wrong)]).unwrap_err().to_string();
            assert!(error.contains("expected agent=seconds"), "{error}");
        }
        assert!(read(&[("CDC_LANE_SESSIONS", "0")]).is_err());
    }

    #[test]
    fn the_environment_names_the_instance() {
        assert_eq!(
            read(&[("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/21/[$LATEST]4ad1")]).unwrap().instance,
            "4ad1"
        );
        assert_eq!(read(&[("CDC_INSTANCE", "blue"), ("CDC_MODE", "drain")]).unwrap().instance, "blue");
        assert!(read(&[("CDC_MODE", "drain")]).unwrap().drain);
    }

    #[test]
    fn an_error_names_the_variable_and_what_was_expected() {
        let error = |name: &str, value: &str| read(&[(name, value)]).unwrap_err().to_string();
        assert_eq!(error("CDC_MODE", "once"), r#"CDC_MODE is "once", expected stream or drain"#);
        assert!(error("CDC_SLOT", "x'; drop").starts_with("CDC_SLOT is \"x'; drop\", expected a slot name"));
        assert!(error("CDC_PUBLICATION", "a,b").contains("one publication"));
        assert!(error("CDC_RUN_SECONDS", "0").contains("a whole number"));
        assert!(error("CDC_FLUSH_MILLISECONDS", "soon").contains("CDC_FLUSH_MILLISECONDS"));
    }
}
