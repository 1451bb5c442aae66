//! What an answer may hold, as a request says it.

use std::fmt::Display;

use domain::{MemoryType, Scope, SessionName};
use jiff::Timestamp;
use serde::Deserialize;
use store::Filter;

use crate::http::Problem;

/// One or more names, with commas between them, each known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Names<T: Named>(Vec<T>);

/// What a list of names may name.
pub(crate) trait Named: Copy + PartialEq + 'static {
    /// Everything there is.
    const ALL: &'static [Self];
    /// Its name.
    fn name(self) -> &'static str;
}

impl Named for MemoryType {
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.as_str()
    }
}

impl Named for Scope {
    const ALL: &'static [Self] = &[Self::Session, Self::User, Self::Global];

    fn name(self) -> &'static str {
        self.as_str()
    }
}

impl<T: Named> TryFrom<String> for Names<T> {
    type Error = String;

    fn try_from(list: String) -> Result<Self, String> {
        let named = |name: &str| T::ALL.iter().copied().find(|known| known.name() == name.trim());
        list.split(',').map(named).collect::<Option<_>>().map(Self).ok_or_else(|| {
            let known: Vec<&str> = T::ALL.iter().map(|known| known.name()).collect();
            let list: String = list.chars().take(80).collect();
            format!("is {list:?}, expected one or more of {}, with commas between them", known.join(", "))
        })
    }
}

impl<T: Named> Names<T> {
    /// What is named; nothing when no list was given.
    pub(crate) fn of(names: Option<&Self>) -> &[T] {
        names.map_or(&[], |names| &names.0)
    }
}

/// The filter that a request's parameters make; refuses an interval that nothing can be in.
pub(crate) fn filter<'a>(
    types: Option<&'a Names<MemoryType>>,
    scopes: Option<&'a Names<Scope>>,
    session: Option<&'a SessionName>,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
    as_of: Option<Timestamp>,
) -> Result<Filter<'a>, Problem> {
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(before("until", &until, &since));
    }
    Ok(Filter {
        types: Names::of(types),
        scopes: Names::of(scopes),
        session: session.map(SessionName::as_str),
        since,
        until,
        as_of,
    })
}

fn before(name: &str, got: &impl Display, since: &impl Display) -> Problem {
    Problem::invalid(name, format!("parameter `{name}` is {got}, expected a time after `since`, {since}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_what_there_is() {
        let types = Names::<MemoryType>::try_from("fact, preference".to_owned()).unwrap();
        assert_eq!(Names::of(Some(&types)), [MemoryType::Fact, MemoryType::Preference]);
        assert!(Names::<Scope>::of(None).is_empty());
        for wrong in ["", "fact,", "Fact", "user"] {
            let error = Names::<MemoryType>::try_from(wrong.to_owned()).unwrap_err();
            assert!(error.contains("expected one or more of summary, entity"), "{error}");
        }
    }

    #[test]
    fn an_interval_that_ends_before_it_begins_is_refused() {
        let at = |second| Timestamp::from_second(second).ok();
        let problem = filter(None, None, None, (at(5), at(5)), None).unwrap_err();
        assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some("until")));
        assert!(filter(None, None, None, (at(5), at(6)), at(1)).is_ok());
    }
}
