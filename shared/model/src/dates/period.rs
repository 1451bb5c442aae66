use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

/// How precisely a period is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// One day.
    Day,
    /// Saturday and Sunday.
    Weekend,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// Three months, as the northern hemisphere counts seasons.
    Season,
    /// A calendar year.
    Year,
}

impl Granularity {
    /// The word for it in data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Weekend => "weekend",
            Self::Week => "week",
            Self::Month => "month",
            Self::Season => "season",
            Self::Year => "year",
        }
    }
}

/// A stretch of calendar days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub start: Date,
    /// The last day.
    pub end: Date,
    /// How precisely it is meant.
    pub granularity: Granularity,
}

/// Spring begins in March, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Season {
    Spring,
    Summer,
    Autumn,
    Winter,
}

impl Season {
    const fn first_month(self) -> i8 {
        match self {
            Self::Spring => 3,
            Self::Summer => 6,
            Self::Autumn => 9,
            Self::Winter => 12,
        }
    }
}

/// Which side of the day something was said on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    Past,
    Future,
    Unknown,
}

impl Period {
    /// ISO 8601: `2023-05-07`, `2023-W18`, `2023-05`, `2023`; the two days for what has no notation of its own.
    pub fn iso(&self) -> String {
        let year = self.start.year();
        match self.granularity {
            Granularity::Day => self.start.to_string(),
            Granularity::Week => {
                let week = self.start.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Granularity::Month => format!("{year:04}-{:02}", self.start.month()),
            Granularity::Year => format!("{year:04}"),
            Granularity::Weekend | Granularity::Season => format!("{}/{}", self.start, self.end),
        }
    }

    /// The period in English: "7 May 2023", "the week of 1 May 2023", "summer 2023".
    pub fn in_words(&self) -> String {
        let day = self.start.strftime("%-d %B %Y");
        match self.granularity {
            Granularity::Day => day.to_string(),
            Granularity::Weekend => format!("the weekend of {day}"),
            Granularity::Week => format!("the week of {day}"),
            Granularity::Month => self.start.strftime("%B %Y").to_string(),
            Granularity::Season => {
                let season = match self.start.month() {
                    3 => "spring",
                    6 => "summer",
                    9 => "autumn",
                    _ => "winter",
                };
                format!("{season} {}", self.start.year())
            }
            Granularity::Year => self.start.year().to_string(),
        }
    }

    pub(super) fn day(date: Date) -> Self {
        Self { start: date, end: date, granularity: Granularity::Day }
    }

    /// The Monday to Sunday around a day.
    pub(super) fn week(date: Date) -> Option<Self> {
        let start = plus(date, -i64::from(date.weekday().to_monday_zero_offset()))?;
        Some(Self { start, end: plus(start, 6)?, granularity: Granularity::Week })
    }

    /// The weekend of the week around a day.
    pub(super) fn weekend(date: Date) -> Option<Self> {
        let monday = Self::week(date)?.start;
        Some(Self { start: plus(monday, 5)?, end: plus(monday, 6)?, granularity: Granularity::Weekend })
    }

    pub(super) fn month(year: i16, month: i8) -> Option<Self> {
        let start = Date::new(year, month, 1).ok()?;
        Some(Self { start, end: start.last_of_month(), granularity: Granularity::Month })
    }

    pub(super) fn year(year: i16) -> Option<Self> {
        let start = Date::new(year, 1, 1).ok()?;
        Some(Self { start, end: start.last_of_year(), granularity: Granularity::Year })
    }

    /// The season that begins in a year.
    pub(super) fn season(year: i16, season: Season) -> Option<Self> {
        let start = Date::new(year, season.first_month(), 1).ok()?;
        let end = start.checked_add(2.months()).ok()?.last_of_month();
        Some(Self { start, end, granularity: Granularity::Season })
    }
}

/// A day some days later, or earlier when negative.
pub(super) fn plus(date: Date, days: i64) -> Option<Date> {
    date.checked_add(Span::new().try_days(days).ok()?).ok()
}

/// A day some months later, or earlier when negative.
pub(super) fn plus_months(date: Date, months: i64) -> Option<Date> {
    date.checked_add(Span::new().try_months(months).ok()?).ok()
}

/// The last such weekday strictly before a day.
pub(super) fn weekday_before(date: Date, weekday: Weekday) -> Option<Date> {
    let back = i64::from(date.weekday().since(weekday));
    plus(date, if back == 0 { -7 } else { -back })
}

/// The first such weekday strictly after a day.
pub(super) fn weekday_after(date: Date, weekday: Weekday) -> Option<Date> {
    let ahead = i64::from(date.weekday().until(weekday));
    plus(date, if ahead == 0 { 7 } else { ahead })
}

/// Of the yearly occurrences of something, the one that is meant: the last one that has begun, the next one that has
/// not ended, or the nearest.
pub(super) fn occurrence(
    said: Date,
    tense: Tense,
    of_year: impl Fn(i16) -> Option<Period>,
) -> Option<Period> {
    let year = said.year();
    let years = [year.checked_sub(1)?, year, year.checked_add(1)?];
    let mut candidates = years.into_iter().filter_map(of_year);
    match tense {
        Tense::Past => candidates.rfind(|period| period.start <= said),
        Tense::Future => candidates.find(|period| period.end >= said),
        Tense::Unknown => candidates.min_by_key(|period| distance(said, period)),
    }
}

/// How many days lie between a day and a period.
fn distance(said: Date, period: &Period) -> i32 {
    let days = |from: Date, to: Date| from.until(to).map_or(i32::MAX, |span| span.get_days());
    days(said, period.start).max(days(period.end, said)).max(0)
}
