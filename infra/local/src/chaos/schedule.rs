//! What goes wrong and when: drawn from a seed before anything happens.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::proxy::Weather;

/// The mean pause between two faults.
const PAUSE_SECONDS: f64 = 3.0;
/// The first fault comes when there is something to disturb.
const FIRST: Duration = Duration::from_secs(2);

/// Whose process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// One of the agents' processes.
    Agent,
    /// A replication reader: the one that streams, or the one the schedule starts.
    Reader,
    /// The host of the functions, with which all of them end.
    Host,
}

/// Between the functions and what they talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// To SQS and DynamoDB.
    Aws,
    /// To Postgres, the replication stream included.
    Database,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed; of those there are, the one at this place counted round.
    Kill(Victim, usize),
    /// So many of the database's connections are ended by the server, walsenders included, from this place on.
    EndBackends {
        /// How many.
        count: usize,
        /// Where to begin counting.
        from: usize,
    },
    /// Every open connection of a line is reset.
    Reset(Line),
    /// A line breaks what passes, for so long.
    Weather(Line, Weather, Duration),
    /// Every message of every queue and every item of the hot table are lost at once.
    LoseEverything,
}

impl Fault {
    /// What kind of fault it is, in the words of the report.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Kill(Victim::Agent, _) => "agent killed",
            Self::Kill(Victim::Reader, _) => "reader killed",
            Self::Kill(Victim::Host, _) => "host killed",
            Self::EndBackends { .. } => "backends ended",
            Self::Reset(Line::Aws) => "aws: reset",
            Self::Reset(Line::Database) => "postgres: reset",
            Self::Weather(Line::Aws, weather, _) => match weather {
                Weather::LoseRequests { .. } => "aws: requests lost",
                Weather::LoseAnswers { .. } => "aws: answers lost",
                Weather::CutAnswers { .. } => "aws: answers cut",
                Weather::Stall => "aws: stalled",
                Weather::Refuse => "aws: refused",
            },
            Self::Weather(Line::Database, weather, _) => match weather {
                Weather::LoseRequests { .. } => "postgres: requests lost",
                Weather::LoseAnswers { .. } => "postgres: answers lost",
                Weather::CutAnswers { .. } => "postgres: answers cut",
                Weather::Stall => "postgres: stalled",
                Weather::Refuse => "postgres: refused",
            },
            Self::LoseEverything => "everything lost",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weather(_, weather, lasting) => {
                write!(formatter, "{} ({weather:?}, {} ms)", self.kind(), lasting.as_millis())
            }
            Self::EndBackends { count, .. } => write!(formatter, "{count} {}", self.kind()),
            _ => formatter.write_str(self.kind()),
        }
    }
}

/// The faults of a campaign of this length, each with its time, in order. The same seed gives the same.
///
/// Everything is lost once in every two minutes or so, and at least once; the rest is drawn by weight.
pub fn schedule(seed: u64, length: Duration) -> Vec<(Duration, Fault)> {
    let mut rng = Rng::with_seed(seed);
    let mut faults = Vec::new();
    let mut at = FIRST;
    while at < length {
        faults.push((at, draw(&mut rng)));
        at += Duration::from_secs_f64(2.0 * PAUSE_SECONDS * rng.f64());
    }
    let losses = u32::try_from(length.as_secs() / 120).unwrap_or(u32::MAX).max(1);
    let share = length / losses;
    for loss in 0..losses {
        let within = share.mul_f64(0.25 + 0.7 * rng.f64());
        faults.push((share * loss + within, Fault::LoseEverything));
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn draw(rng: &mut Rng) -> Fault {
    match rng.u32(..100) {
        0..26 => Fault::Kill(Victim::Agent, rng.usize(..1_000)),
        26..35 => Fault::Kill(Victim::Reader, rng.usize(..1_000)),
        35..38 => Fault::Kill(Victim::Host, 0),
        38..52 => Fault::EndBackends { count: rng.usize(1..=4), from: rng.usize(..1_000) },
        52..58 => Fault::Reset(line(rng)),
        _ => {
            let (line, every) = (line(rng), rng.u32(1..=6));
            let (weather, longest_milliseconds) = match rng.u32(..10) {
                0..2 => (Weather::LoseRequests { every }, 5_000),
                2..6 => (Weather::LoseAnswers { every }, 5_000),
                6 => (Weather::CutAnswers { every }, 5_000),
                7 => (Weather::Stall, 8_000),
                _ => (Weather::Refuse, 6_000),
            };
            Fault::Weather(line, weather, Duration::from_millis(rng.u64(300..=longest_milliseconds)))
        }
    }
}

fn line(rng: &mut Rng) -> Line {
    if rng.bool() { Line::Aws } else { Line::Database }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const TWENTY_MINUTES: Duration = Duration::from_mins(20);

    #[test]
    fn a_seed_gives_one_schedule_and_another_seed_another() {
        assert_eq!(schedule(7, TWENTY_MINUTES), schedule(7, TWENTY_MINUTES));
        assert_ne!(schedule(7, TWENTY_MINUTES), schedule(8, TWENTY_MINUTES));
    }

    #[test]
    fn the_faults_come_in_order_and_within_the_campaign() {
        for seed in 0..20 {
            let faults = schedule(seed, Duration::from_mins(3));
            assert!(faults.is_sorted_by_key(|(at, _)| *at));
            assert!(faults.iter().all(|(at, _)| *at < Duration::from_mins(3)));
        }
    }

    #[test]
    fn a_long_campaign_tries_every_kind_of_fault() {
        let kinds: BTreeSet<&str> =
            schedule(1, Duration::from_hours(1)).iter().map(|(_, fault)| fault.kind()).collect();
        assert_eq!(kinds.len(), 17, "{kinds:?}");
    }

    #[test]
    fn everything_is_lost_at_least_once_however_short_the_campaign() {
        for (minutes, least) in [(1, 1), (20, 10)] {
            let faults = schedule(3, Duration::from_mins(minutes));
            let losses = faults.iter().filter(|(_, fault)| *fault == Fault::LoseEverything).count();
            assert_eq!(losses, least);
        }
    }
}
