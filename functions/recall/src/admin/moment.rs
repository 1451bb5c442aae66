//! Moments as an operator writes them: RFC 3339, or how far from now.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Deserialize;

use crate::http::{Moment, Problem};

/// A time, or how long ago.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Ago(String);

impl Ago {
    /// The moment it means, in a field of this name.
    pub(super) fn at(self, name: &str, now: Timestamp) -> Result<Timestamp, Problem> {
        read(&self.0, Towards::Past, now).ok_or_else(|| wrong(name, &self.0, "two hours ago"))
    }
}

/// A time, or how long from now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Ahead(String);

impl Ahead {
    /// The moment it means, in a field of this name.
    pub(super) fn at(self, name: &str, now: Timestamp) -> Result<Timestamp, Problem> {
        read(&self.0, Towards::Future, now).ok_or_else(|| wrong(name, &self.0, "in two hours"))
    }
}

fn wrong(name: &str, got: &str, meaning: &str) -> Problem {
    let got: String = got.chars().take(40).collect();
    Problem::invalid(
        name,
        format!(
            "`{name}` is {got:?}, expected a time such as 2026-02-10T09:00:00Z, or a time span such as 2h for {meaning}"
        ),
    )
}

/// Which way a duration is counted from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Towards {
    /// `2h` is two hours ago; a sign or `ago` changes nothing.
    Past,
    /// `2h` is in two hours; `-2h` is two hours ago.
    Future,
}

/// Reads `2026-02-10T09:00:00Z`, `2h`, `1d 12h`, `90 minutes` or `PT2H`. Days, months and years are UTC's. `None` when
/// it is neither a moment nor a duration, or lies beyond what Postgres holds.
fn read(text: &str, towards: Towards, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    let moment: Timestamp = if let Ok(moment) = text.parse() {
        moment
    } else {
        let span: Span = text.parse().ok()?;
        let now = now.to_zoned(TimeZone::UTC);
        let moment = match towards {
            Towards::Past => now.checked_sub(span.abs()),
            Towards::Future => now.checked_add(span),
        };
        moment.ok()?.timestamp()
    };
    // As Postgres keeps it, so that an answer says what is stored.
    let moment = Timestamp::from_microsecond(moment.as_microsecond()).ok()?;
    Moment::try_from(moment).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str, towards: Towards) -> Option<String> {
        let now = "2026-03-10T12:00:00Z".parse().unwrap();
        read(text, towards, now).map(|moment| moment.to_string())
    }

    #[test]
    fn a_duration_is_counted_from_now() {
        for (text, towards, moment) in [
            ("2h", Towards::Past, "2026-03-10T10:00:00Z"),
            ("-2h", Towards::Past, "2026-03-10T10:00:00Z"),
            ("2 hours ago", Towards::Past, "2026-03-10T10:00:00Z"),
            ("1d 12h", Towards::Past, "2026-03-09T00:00:00Z"),
            ("1mo", Towards::Past, "2026-02-10T12:00:00Z"),
            ("90 minutes", Towards::Future, "2026-03-10T13:30:00Z"),
            ("PT30M", Towards::Future, "2026-03-10T12:30:00Z"),
            ("-1h", Towards::Future, "2026-03-10T11:00:00Z"),
        ] {
            assert_eq!(at(text, towards).as_deref(), Some(moment), "{text}");
        }
    }

    #[test]
    fn a_moment_is_taken_as_it_is() {
        for towards in [Towards::Past, Towards::Future] {
            assert_eq!(at("2026-01-01T01:00:00+01:00", towards).as_deref(), Some("2026-01-01T00:00:00Z"));
            assert_eq!(
                at("2026-01-01T00:00:00.123456789Z", towards).as_deref(),
                Some("2026-01-01T00:00:00.123456Z")
            );
        }
    }

    #[test]
    fn what_is_neither_is_nothing() {
        for text in [
            "",
            "5",
            "soon",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "99999y",
            "6000y",
            "-009000-01-01T00:00:00Z",
        ] {
            assert_eq!(at(text, Towards::Past), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,20}", number in any::<i64>(), unit in "(y|mo|w|d|h|m|s|ms)") {
            let _ = at(&text, Towards::Past);
            let _ = at(&format!("{number}{unit}"), Towards::Past);
            let _ = at(&format!("{number}{unit}"), Towards::Future);
        }
    }
}
