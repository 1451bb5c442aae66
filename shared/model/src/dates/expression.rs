//! Reading one date expression, by what it begins with: "May 7", "last Friday", "three weeks ago".

use jiff::civil::{Date, Weekday};

use super::calendar::{Unit, count, day, is_everyday, month, season, unit, weekday, year};
use super::period::{Period, Tense, occurrence, plus, plus_months, weekday_after, weekday_before};
use crate::tokens::{Case, Token};

/// A date found at the reader's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// How many words it takes.
    pub(super) length: usize,
    pub(super) period: Period,
    pub(super) relative: bool,
    pub(super) confidence: f32,
}

/// Reads the date expression that begins at one word of a sentence, if one does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: &'a [Token<'a>],
    pub(super) at: usize,
    pub(super) said: Date,
    pub(super) tense: Tense,
}

/// "last", "this" or "next", in any of their forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Last,
    This,
    Next,
}

fn relative(length: usize, confidence: f32) -> impl Fn(Period) -> Found {
    move |period| Found { length, period, relative: true, confidence }
}

fn absolute(length: usize, confidence: f32) -> impl Fn(Period) -> Found {
    move |period| Found { length, period, relative: false, confidence }
}

impl Reader<'_> {
    pub(super) fn read(&self) -> Option<Found> {
        let readings = [
            Self::numeric,
            Self::named_day,
            Self::distance,
            Self::shifted,
            Self::weekday,
            Self::day_and_month,
            Self::month_or_year,
            Self::ordinal,
            Self::holiday,
        ];
        readings.into_iter().find_map(|reading| reading(self))
    }

    /// The word `ahead` places on, in lower case; empty beyond a punctuation mark other than a comma.
    fn word(&self, ahead: usize) -> &str {
        self.token(ahead).map_or("", |token| token.lower.as_str())
    }

    fn token(&self, ahead: usize) -> Option<&Token<'_>> {
        let gaps_are_plain = (1..=ahead).all(|step| matches!(self.gap(step).trim(), "" | "," | "'s" | "’s"));
        self.tokens.get(self.at + ahead).filter(|_| gaps_are_plain)
    }

    /// What stands between the word `ahead` places on and the one before it.
    fn gap(&self, ahead: usize) -> &str {
        let end = |index: usize| self.tokens.get(index).map(|token| token.end);
        let from = (self.at + ahead).checked_sub(1).and_then(end);
        let to = self.tokens.get(self.at + ahead).map(|token| token.start);
        match (from, to) {
            (Some(from), Some(to)) => self.text.get(from..to).unwrap_or("?"),
            _ => "?",
        }
    }

    /// The word before the expression.
    fn before(&self) -> &str {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or("", |token| token.lower.as_str())
    }

    /// "2023-05-07", "07.05.2023", "5/7/2023".
    fn numeric(&self) -> Option<Found> {
        let word = self.tokens.get(self.at)?.text;
        if !word.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let date = |year: &str, month: &str, day: &str| {
            let year: i16 = year.parse().ok().filter(|_| year.len() == 4)?;
            Date::new(year, month.parse().ok()?, day.parse().ok()?).ok()
        };
        if let [year, month, day] = word.split('-').collect::<Vec<_>>().as_slice() {
            let day = day.split(['t', 'T']).next().unwrap_or(day);
            return date(year, month, day).map(Period::day).map(absolute(1, 0.95));
        }
        if let [day, month, year] = word.split('.').collect::<Vec<_>>().as_slice() {
            return date(year, month, day).map(Period::day).map(absolute(1, 0.9));
        }
        if self.gap(1) != "/" || self.gap(2) != "/" {
            return None;
        }
        let second = self.tokens.get(self.at + 1)?.text;
        let third = self.tokens.get(self.at + 2)?.text;
        date(word, second, third)
            .or_else(|| date(third, word, second))
            .or_else(|| date(third, second, word))
            .map(Period::day)
            .map(absolute(3, 0.8))
    }

    /// "today", "the day after tomorrow", "last night", "this morning".
    fn named_day(&self) -> Option<Found> {
        let (days, length) = match (self.word(0), self.word(1), self.word(2)) {
            ("day", "before", "yesterday") => (-2, 3),
            ("day", "after", "tomorrow") => (2, 3),
            ("today" | "tonight", ..) => (0, 1),
            ("yesterday", ..) => (-1, 1),
            ("tomorrow" | "tmrw" | "tomorow", ..) => (1, 1),
            ("last", "night", _) => (-1, 2),
            ("this", "morning" | "afternoon" | "evening", _) => (0, 2),
            _ => return None,
        };
        plus(self.said, days).map(Period::day).map(relative(length, 0.85))
    }

    /// "3 days ago", "a couple of weeks ago", "in two weeks", "a month from now".
    fn distance(&self) -> Option<Found> {
        let ahead = matches!(self.word(0), "in" | "within");
        let mut at = usize::from(ahead);
        if matches!(self.word(at), "about" | "around" | "like") {
            at += 1;
        }
        if self.word(at) == "a" && count(self.word(at + 1)).is_some() {
            at += 1;
        }
        let count = count(self.word(at))?;
        at += 1;
        if self.word(at) == "of" {
            at += 1;
        }
        let unit = unit(self.word(at))?;
        at += 1;
        let sign = match (ahead, self.word(at), self.word(at + 1)) {
            (false, "ago" | "back", _) => {
                at += 1;
                -1
            }
            (false, "from", "now" | "today") => {
                at += 2;
                1
            }
            (true, word, _) if !matches!(word, "of" | "ago") && self.tense != Tense::Past => 1,
            _ => return None,
        };
        let distance = sign * count;
        let period = match unit {
            Unit::Day => Period::day(plus(self.said, distance)?),
            Unit::Week => Period::week(plus(self.said, distance * 7)?)?,
            Unit::Weekend => Period::weekend(plus(self.said, distance * 7)?)?,
            Unit::Month => month_of(plus_months(self.said, distance)?)?,
            Unit::Year => Period::year(plus_months(self.said, distance * 12)?.year())?,
        };
        Some(relative(at, 0.75)(period))
    }

    /// "last Friday", "next month", "this past weekend", "last summer", "next May", "the weekend".
    fn shifted(&self) -> Option<Found> {
        let (which, at) = match (self.word(0), self.word(1)) {
            ("this" | "the" | "these", "past" | "last") => (Which::Last, 2),
            ("this" | "the", "coming" | "upcoming" | "next") => (Which::Next, 2),
            ("last" | "past" | "previous", _) => (Which::Last, 1),
            ("next" | "coming", _) => (Which::Next, 1),
            ("this", _) => (Which::This, 1),
            ("the", "weekend") if matches!(self.before(), "over" | "at" | "on" | "during") => {
                let behind =
                    self.tense == Tense::Past || (self.before() == "over" && self.tense == Tense::Unknown);
                (if behind { Which::Last } else { Which::This }, 1)
            }
            _ => return None,
        };
        let word = self.word(at);
        let found = relative(at + 1, 0.8);
        if let Some(weekday) = weekday(word) {
            return self.which_weekday(which, weekday).map(Period::day).map(found);
        }
        if let Some(season) = season(word) {
            return self.which_yearly(which, |year| Period::season(year, season)).map(found);
        }
        if let Some(month) =
            month(word).filter(|_| self.is_capital(at) || word.len() > 3 && !is_everyday(word))
        {
            return self.which_yearly(which, |year| Period::month(year, month)).map(found);
        }
        let step = match which {
            Which::Last => -1,
            Which::This => 0,
            Which::Next => 1,
        };
        let period = match unit(word).filter(|_| !word.ends_with('s'))? {
            Unit::Day => return None,
            Unit::Week => Period::week(plus(self.said, step * 7)?)?,
            Unit::Weekend => {
                let weekend = Period::weekend(plus(self.said, step * 7)?)?;
                let this = Period::weekend(self.said)?;
                if which == Which::Last && this.end < self.said { this } else { weekend }
            }
            Unit::Month => month_of(plus_months(self.said, step)?)?,
            Unit::Year => Period::year(plus_months(self.said, step * 12)?.year())?,
        };
        Some(found(period))
    }

    fn which_weekday(&self, which: Which, weekday: Weekday) -> Option<Date> {
        let in_week = |days: i64| {
            plus(Period::week(plus(self.said, days)?)?.start, i64::from(weekday.to_monday_zero_offset()))
        };
        match which {
            Which::Last => weekday_before(self.said, weekday),
            Which::This => in_week(0),
            Which::Next => in_week(7),
        }
    }

    fn which_yearly(&self, which: Which, of_year: impl Fn(i16) -> Option<Period>) -> Option<Period> {
        let year = self.said.year();
        let around = [year.checked_sub(1)?, year, year.checked_add(1)?].into_iter().filter_map(&of_year);
        let mut around = around;
        match which {
            Which::Last => around.rfind(|period| period.end < self.said),
            Which::This => of_year(year),
            Which::Next => around.find(|period| period.start > self.said),
        }
    }

    /// "on Friday", "Friday", "Friday last week".
    fn weekday(&self) -> Option<Found> {
        let skipped = usize::from(self.word(0) == "on");
        let weekday = weekday(self.word(skipped))
            .filter(|_| self.is_capital(skipped) || (skipped == 1 && self.word(1).len() > 3))?;
        let which = match (self.word(skipped + 1), self.word(skipped + 2)) {
            ("last", "week") => Some(-7),
            ("this", "week") => Some(0),
            ("next", "week") => Some(7),
            _ => None,
        };
        if let Some(days) = which {
            let monday = Period::week(plus(self.said, days)?)?.start;
            let date = plus(monday, i64::from(weekday.to_monday_zero_offset()))?;
            return Some(relative(skipped + 3, 0.85)(Period::day(date)));
        }
        let date = match self.tense {
            Tense::Past => weekday_before(self.said, weekday),
            Tense::Future | Tense::Unknown => weekday_after(self.said, weekday),
        };
        date.map(Period::day).map(relative(skipped + 1, 0.65))
    }

    /// "May 7", "May 7th, 2023", "7 May 2023", "the 7th of May".
    fn day_and_month(&self) -> Option<Found> {
        let (day, month, length) = if let Some(month) = self.month_at(0) {
            let at = 1 + usize::from(self.word(1) == "the");
            (day(self.word(at))?, month, at + 1)
        } else {
            let day = day(self.word(0))?;
            let at = 1 + usize::from(self.word(1) == "of");
            (day, self.month_at(at)?, at + 1)
        };
        if let Some(year) = year(self.word(length)) {
            let date = Date::new(year, month, day).ok()?;
            return Some(absolute(length + 1, 0.95)(Period::day(date)));
        }
        let date = |year| Date::new(year, month, day).ok().map(Period::day);
        occurrence(self.said, self.tense, date).map(absolute(length, 0.8))
    }

    /// "May 2023", "in May", "in 2023", "the summer of 2022".
    fn month_or_year(&self) -> Option<Found> {
        let of = usize::from(self.word(1) == "of");
        if let Some(year) = year(self.word(1 + of)) {
            if let Some(month) = self.month_at(0) {
                return Period::month(year, month).map(absolute(2 + of, 0.9));
            }
            if let Some(season) = season(self.word(0)) {
                return Period::season(year, season).map(absolute(2 + of, 0.85));
            }
        }
        let introduced = matches!(
            self.before(),
            "in" | "since"
                | "during"
                | "until"
                | "till"
                | "by"
                | "early"
                | "late"
                | "mid"
                | "around"
                | "of"
                | "before"
                | "after"
        );
        if !introduced {
            return None;
        }
        if let Some(year) = year(self.word(0)) {
            return Period::year(year).map(absolute(1, 0.75));
        }
        let month = self.month_at(0)?;
        occurrence(self.said, self.tense, |year| Period::month(year, month)).map(absolute(1, 0.7))
    }

    /// "on the 5th".
    fn ordinal(&self) -> Option<Found> {
        let number = self.word(2);
        let is_ordinal = number.ends_with(|c: char| c.is_ascii_alphabetic());
        if self.word(0) != "on" || self.word(1) != "the" || !is_ordinal || !self.word(3).is_empty() {
            return None;
        }
        let day = day(number)?;
        let months = match self.tense {
            Tense::Past => [0, -1],
            Tense::Future | Tense::Unknown => [0, 1],
        };
        let date = months.into_iter().find_map(|step| {
            let month = plus_months(self.said.first_of_month(), step)?;
            let date = Date::new(month.year(), month.month(), day).ok()?;
            let fits = if self.tense == Tense::Past { date <= self.said } else { date >= self.said };
            fits.then_some(date)
        })?;
        Some(relative(3, 0.65)(Period::day(date)))
    }

    /// Holidays with a fixed date.
    fn holiday(&self) -> Option<Found> {
        let (month, day, length) = match (self.word(0), self.word(1), self.word(2)) {
            ("christmas", "eve", _) => (12, 24, 2),
            ("christmas", "day", _) => (12, 25, 2),
            ("christmas", ..) => (12, 25, 1),
            ("halloween", ..) => (10, 31, 1),
            ("new", "year" | "years", "eve") => (12, 31, 3),
            ("new", "year" | "years", "day") => (1, 1, 3),
            ("valentine" | "valentines", "day", _) => (2, 14, 2),
            _ => return None,
        };
        let date = |year| Date::new(year, month, day).ok().map(Period::day);
        occurrence(self.said, self.tense, date).map(absolute(length, 0.6))
    }

    fn is_capital(&self, ahead: usize) -> bool {
        self.token(ahead).is_some_and(|token| token.case != Case::Lower)
    }

    /// A month that is meant as one: "may" and "march" only with a capital.
    fn month_at(&self, ahead: usize) -> Option<i8> {
        let word = self.word(ahead);
        month(word).filter(|_| self.is_capital(ahead) || !is_everyday(word))
    }
}

fn month_of(date: Date) -> Option<Period> {
    Period::month(date.year(), date.month())
}
