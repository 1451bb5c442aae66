//! Values of requests, checked as they are read.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::date;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A whole number within bounds: a number in a body, digits in a query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Whole<const LEAST: i64, const MOST: i64>(i64);

impl<const LEAST: i64, const MOST: i64> Whole<LEAST, MOST> {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The number, as what its bounds fit into.
    ///
    /// # Panics
    /// When the bounds do not fit into `T`.
    pub fn to<T: TryFrom<i64>>(self) -> T {
        T::try_from(self.0).ok().expect("the bounds fit")
    }
}

impl<'de, const LEAST: i64, const MOST: i64> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounds<const LEAST: i64, const MOST: i64>;

        impl<const LEAST: i64, const MOST: i64> Visitor<'_> for Bounds<LEAST, MOST> {
            type Value = i64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match MOST {
                    i64::MAX => write!(f, "a whole number of at least {LEAST}"),
                    most => write!(f, "a whole number from {LEAST} to {most}"),
                }
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
                if (LEAST..=MOST).contains(&number) {
                    return Ok(number);
                }
                Err(E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
                match i64::try_from(number) {
                    Ok(number) => self.visit_i64(number),
                    Err(_) => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
        }
        deserializer.deserialize_i64(Bounds::<LEAST, MOST>).map(Self)
    }
}

/// A time that the database can hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Timestamp", into = "Timestamp")]
#[schema(value_type = String, format = DateTime)]
pub struct Moment(
    /// The time.
    pub Timestamp,
);

impl TryFrom<Timestamp> for Moment {
    type Error = String;

    fn try_from(moment: Timestamp) -> Result<Self, String> {
        let first = date(1, 1, 1).to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
        if moment < first.timestamp() {
            return Err("expected a time after the year 0".to_owned());
        }
        Ok(Self(moment))
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

/// A text of 1 to so many bytes, without NUL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Short<const MOST: usize>(String);

impl<const MOST: usize> Short<MOST> {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> TryFrom<String> for Short<MOST> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if (1..=MOST).contains(&text.len()) && !text.contains('\0') {
            return Ok(Self(text));
        }
        Err(format!("is {} bytes, expected 1 to {MOST} bytes without NUL", text.len()))
    }
}

impl<const MOST: usize> From<Short<MOST>> for String {
    fn from(text: Short<MOST>) -> Self {
        text.0
    }
}
