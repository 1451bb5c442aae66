//! What the log has of what was said.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;

use super::{Message, Speech};
use crate::database::connect;

/// How many events the log has.
pub async fn stored(database_url: &str) -> Result<u64> {
    let client = connect(database_url).await?;
    let row = client.query_one("select count(*) from afterthought.session_events", &[]).await?;
    Ok(u64::try_from(row.try_get::<_, i64>(0)?)?)
}

/// How many events the log has of what was said through each mouth, by its name.
pub async fn stored_by_mouth(database_url: &str) -> Result<BTreeMap<String, u64>> {
    let client = connect(database_url).await?;
    let rows = client.query(include_str!("../../../queries/chaos/count_said.sql"), &[]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("mouth")?, u64::try_from(row.try_get::<_, i64>("events")?)?)))
        .collect()
}

/// What is not as it was said, one line for each session; nothing when all is well.
pub async fn findings(database_url: &str, speech: &Speech) -> Result<Vec<String>> {
    let client = connect(database_url).await?;
    let rows = client.query(include_str!("../../../queries/chaos/read_said.sql"), &[]).await?;
    let mut known = HashMap::new();
    for row in rows {
        let (user, session): (String, String) = (row.try_get("user_id")?, row.try_get("session")?);
        let contents: Vec<String> = row.try_get("contents")?;
        known.insert((user, session), contents);
    }
    let mut findings = Vec::new();
    for session in 0..speech.sessions {
        let message = |number| Message { session, number };
        let (user, name) = (message(0).user(), message(0).session_name());
        let expected: Vec<String> = (0..speech.requests).map(|number| message(number).content()).collect();
        let contents = known.remove(&(user, name.clone())).unwrap_or_default();
        findings.extend(difference(&name, &contents, &expected));
    }
    findings.extend(known.into_keys().map(|(_, session)| format!("{session}: nobody spoke there")));
    Ok(findings)
}

fn difference(session: &str, contents: &[String], expected: &[String]) -> Option<String> {
    if contents == expected {
        return None;
    }
    let places: HashMap<&str, usize> =
        expected.iter().enumerate().map(|(place, content)| (content.as_str(), place)).collect();
    let known: Vec<usize> =
        contents.iter().filter_map(|content| places.get(content.as_str()).copied()).collect();
    let mut distinct = known.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let (missing, twice) = (expected.len() - distinct.len(), known.len() - distinct.len());
    let (unknown, in_order) = (contents.len() - known.len(), known.is_sorted());
    Some(format!(
        "{session}: {missing} missing, {twice} more than once, {unknown} that nobody said, in order: {in_order}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_doubled_unknown_or_out_of_order_is_found() {
        let texts =
            |numbers: &[usize]| numbers.iter().map(|number| format!("slack {number}")).collect::<Vec<_>>();
        let expected = texts(&[0, 1, 2, 3]);
        let find = |numbers: &[usize]| difference("s", &texts(numbers), &expected);
        assert_eq!(find(&[0, 1, 2, 3]), None);
        for (numbers, what) in [
            (vec![0, 1, 3], "1 missing, 0 more than once, 0 that nobody said, in order: true"),
            (vec![0, 1, 1, 2, 3], "0 missing, 1 more than once, 0 that nobody said, in order: true"),
            (vec![0, 1, 2, 3, 0], "0 missing, 1 more than once, 0 that nobody said, in order: false"),
            (vec![0, 2, 1, 3], "0 missing, 0 more than once, 0 that nobody said, in order: false"),
            (vec![0, 1, 2, 3, 4], "0 missing, 0 more than once, 1 that nobody said, in order: true"),
            (vec![], "4 missing, 0 more than once, 0 that nobody said, in order: true"),
        ] {
            assert_eq!(find(&numbers).unwrap(), format!("s: {what}"));
        }
    }

    #[test]
    fn what_came_through_another_mouth_than_it_was_said_through_is_found() {
        let (said, stored) = (vec!["slack 0".to_owned()], vec!["events 0".to_owned()]);
        assert!(
            difference("s", &stored, &said)
                .unwrap()
                .contains("1 missing, 0 more than once, 1 that nobody said")
        );
    }
}
