//! Lines written for this, half of them ordinary talk. `<hex:32>` and the like in a line are filled in here, so that no file
//! holds anything that looks like a key.

use serde::Deserialize;

/// A line, and the kinds of what it holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) finds: Vec<String>,
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Fills in what is left out, as `seed` has it.
fn filled(text: &str, seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, found)) = rest.split_once('<') {
        let Some((kind, length, after)) = found
            .split_once('>')
            .and_then(|(place, after)| place.split_once(':').map(|(kind, length)| (kind, length, after)))
            .and_then(|(kind, length, after)| {
                length.parse::<usize>().ok().map(|length| (kind, length, after))
            })
        else {
            whole.push_str(before);
            whole.push('<');
            rest = found;
            continue;
        };
        let alphabet: Vec<char> = match kind {
            "hex" => "0123456789abcdef".chars().collect(),
            "digits" => "123456789".chars().collect(),
            "upper" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".chars().collect(),
            "base32" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".chars().collect(),
            "alpha" => LETTERS.chars().collect(),
            "alnum" => LETTERS.chars().chain('0'..='9').collect(),
            "b64" => LETTERS.chars().chain('0'..='9').chain(['+', '/']).collect(),
            other => panic!("{other} is no alphabet"),
        };
        whole.push_str(before);
        whole.extend((0..length).map(|_| *random.choice(&alphabet).unwrap()));
        rest = after;
    }
    whole.push_str(rest);
    whole
}

/// All of them, the same every time.
pub(crate) fn lines() -> Vec<Line> {
    let read = |line| serde_json::from_str::<Line>(line).unwrap();
    let lines = include_str!("../talk.jsonl").lines().map(read);
    lines.zip(1..).map(|(line, seed)| Line { text: filled(&line.text, seed), ..line }).collect()
}
