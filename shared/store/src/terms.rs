//! What Postgres keeps of a text's words (`tsvector`), as it sends it.

use std::error::Error;

use tokio_postgres::types::{FromSql, Type, accepts};

/// The words of a text, each as its stem, with how often it has each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Terms<'a>(Vec<(&'a str, i32)>);

/// What is said when there is less than was announced.
const CUT: &str = "a tsvector ends early";

impl Terms<'_> {
    /// How many different words.
    pub(crate) fn length(&self) -> i32 {
        self.0.len().try_into().unwrap_or(i32::MAX)
    }

    /// How often it has each of these.
    pub(crate) fn frequencies(&self, words: &[String]) -> Vec<i32> {
        let of = |word: &String| self.0.iter().find(|(term, _)| term == word).map_or(0, |(_, often)| *often);
        words.iter().map(of).collect()
    }
}

impl<'a> FromSql<'a> for Terms<'a> {
    /// As `tsvectorsend` in Postgres's `tsvector.c` writes it: how many, then each with a zero byte behind it, how many places it
    /// has, and the places, two bytes each.
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let (count, mut rest) = raw.split_first_chunk().ok_or(CUT)?;
        let mut terms = Vec::new();
        for _ in 0..u32::from_be_bytes(*count) {
            let end = rest.iter().position(|byte| *byte == 0).ok_or(CUT)?;
            let (term, after) = rest.split_at_checked(end).ok_or(CUT)?;
            let (places, after) = after.get(1..).and_then(<[u8]>::split_first_chunk).ok_or(CUT)?;
            let places = u16::from_be_bytes(*places);
            rest = after.get(2 * usize::from(places)..).ok_or(CUT)?;
            terms.push((str::from_utf8(term)?, i32::from(places)));
        }
        Ok(Self(terms))
    }

    accepts!(TS_VECTOR);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `to_tsvector('english', 'Boats, a boat; über Ada')` as Postgres 17 sends it.
    const SENT: &[u8] = b"\0\0\0\x03ada\0\0\x01\0\x05boat\0\0\x02\0\x01\0\x03\xc3\xbcber\0\0\x01\0\x04";

    #[test]
    fn every_word_comes_with_how_often_it_is_there() {
        let terms = Terms::from_sql(&Type::TS_VECTOR, SENT).unwrap();
        assert_eq!(terms, Terms(vec![("ada", 1), ("boat", 2), ("über", 1)]));
        let words = ["boat", "sail", "über"].map(str::to_owned);
        assert_eq!((terms.frequencies(&words), terms.length()), (vec![2, 0, 1], 3));
        assert_eq!(Terms::from_sql(&Type::TS_VECTOR, b"\0\0\0\0").unwrap(), Terms(vec![]));
    }

    #[test]
    fn what_is_cut_anywhere_is_an_error() {
        for length in 0..SENT.len() {
            assert!(Terms::from_sql(&Type::TS_VECTOR, &SENT[..length]).is_err(), "{length}");
        }
    }
}
