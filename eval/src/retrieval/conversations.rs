//! A LoCoMo file as far as its questions go: which turns there are, and which of them answer what.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use local::import::{self, Format, Owner};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The categories that have an answer: multi-hop, temporal, open domain and single hop.
const ANSWERABLE: std::ops::RangeInclusive<u8> = 1..=4;
/// Questions about what was never said; their evidence is what they twist.
const ADVERSARIAL: u8 = 5;

#[derive(Debug, Deserialize)]
struct Sample {
    #[serde(rename = "sample_id")]
    id: String,
    conversation: BTreeMap<String, Value>,
    qa: Vec<Asked>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    question: String,
    evidence: Vec<String>,
    category: u8,
}

/// What the importer reads of a turn too: read here for the place of what is wrong.
#[derive(Debug, Deserialize)]
struct Turn {
    dia_id: String,
    #[serde(rename = "speaker")]
    _speaker: String,
    #[serde(rename = "text")]
    _text: String,
}

/// The conversations of a file with their questions.
#[derive(Debug)]
pub struct Conversations {
    /// The file.
    pub file: PathBuf,
    /// Each of them.
    pub(crate) all: Vec<Conversation>,
    /// Where in the file the questions are that have no evidence, or none that names a turn; nothing can be found for
    /// them.
    pub left_out: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Conversation {
    /// Whose memory it becomes.
    pub(crate) user: String,
    /// What the file calls a turn, by session and version.
    pub(crate) turns: HashMap<(String, i64), String>,
    pub(crate) questions: Vec<Question>,
}

/// A question whose answer is somewhere in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Where it is in the file.
    pub place: String,
    /// The question.
    pub text: String,
    /// From 1 to 5.
    pub category: u8,
    /// The turns that answer it, each once.
    pub evidence: Vec<String>,
}

impl Question {
    /// Whether it asks about something that was said.
    pub fn is_answerable(&self) -> bool {
        ANSWERABLE.contains(&self.category)
    }
}

impl Conversations {
    /// Reads a file, and has the importer read it too.
    ///
    /// # Errors
    /// A file that is not what it should be is refused with the place of what is wrong and what was expected.
    pub async fn read(file: &Path) -> Result<Self> {
        let of_file = || file.display().to_string();
        let text = fs::read_to_string(file).with_context(of_file)?;
        let (all, left_out) = parse(&text).with_context(of_file)?;
        // What cannot be imported is said before anything is started.
        import::sessions(file, Format::Locomo, &Owner::default()).await.with_context(of_file)?;
        Ok(Self { file: file.to_owned(), all, left_out })
    }

    /// How many questions there are to ask.
    pub fn questions(&self) -> usize {
        self.all.iter().map(|conversation| conversation.questions.len()).sum()
    }

    /// How many turns there are to find something in.
    pub fn turns(&self) -> usize {
        self.all.iter().map(|conversation| conversation.turns.len()).sum()
    }
}

fn parse(text: &str) -> Result<(Vec<Conversation>, Vec<String>)> {
    if text.trim().is_empty() {
        bail!("the file is empty, expected a JSON array of conversations");
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let samples: Vec<Sample> =
        serde_path_to_error::deserialize(&mut json).map_err(|error| in_place("", &error))?;
    json.end()?;
    if samples.is_empty() {
        bail!("the array is empty, expected conversations");
    }
    let mut users = HashSet::new();
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    for (number, sample) in samples.into_iter().enumerate() {
        if !users.insert(sample.id.clone()) {
            bail!("[{number}].sample_id: {:?} is another conversation's, expected one of its own", sample.id);
        }
        all.push(conversation(number, sample, &mut left_out)?);
    }
    if all.iter().all(|conversation| conversation.questions.is_empty()) {
        let first = left_out.first().map_or("[0].qa", String::as_str);
        bail!("{first}: expected evidence that names a turn, and no question of the file has any");
    }
    Ok((all, left_out))
}

fn conversation(number: usize, sample: Sample, left_out: &mut Vec<String>) -> Result<Conversation> {
    let turns = turns(number, sample.conversation)?;
    let ids: HashSet<&str> = turns.values().map(String::as_str).collect();
    let mut questions = Vec::new();
    for (at, Asked { question, evidence, category }) in sample.qa.into_iter().enumerate() {
        let place = format!("[{number}].qa[{at}]");
        if !ANSWERABLE.contains(&category) && category != ADVERSARIAL {
            bail!("{place}.category: expected a number from 1 to 5, found {category}");
        }
        if question.trim().is_empty() {
            bail!("{place}.question: expected a question, found nothing");
        }
        let evidence = named(&evidence, &ids);
        if evidence.is_empty() {
            left_out.push(format!("{place}.evidence"));
        } else {
            questions.push(Question { place, text: question, category, evidence });
        }
    }
    Ok(Conversation { user: sample.id, turns, questions })
}

/// The turns of `session_1`, `session_2` … by the versions they get, in their order, when they are imported.
fn turns(number: usize, conversation: BTreeMap<String, Value>) -> Result<HashMap<(String, i64), String>> {
    let mut turns = HashMap::new();
    for (session, said) in conversation {
        let is_session = session.strip_prefix("session_").is_some_and(|number| number.parse::<u32>().is_ok());
        if !is_session {
            continue;
        }
        let said: Vec<Turn> = value(&format!("[{number}].conversation.{session}"), said)?;
        turns.extend((1..).zip(said).map(|(version, turn)| ((session.clone(), version), turn.dia_id)));
    }
    if turns.is_empty() {
        bail!("[{number}].conversation: expected turns in session_1, session_2 …, found none");
    }
    Ok(turns)
}

/// The turns that evidence names, each once. Some entries hold several identifiers, some are no turn's; these count for
/// nothing.
fn named(evidence: &[String], ids: &HashSet<&str>) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for id in evidence.iter().flat_map(|entry| entry.split([';', ',', ' '])) {
        if ids.contains(id) && !named.iter().any(|known| known == id) {
            named.push(id.to_owned());
        }
    }
    named
}

fn value<T: DeserializeOwned>(place: &str, value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| in_place(place, &error))
}

fn in_place(place: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> anyhow::Error {
    let path = error.path().to_string();
    // Where there is nothing yet there is no field to name.
    let path = if path == "." { "" } else { &path };
    match (place, path) {
        ("", "") => anyhow!("{}", error.inner()),
        _ if path.is_empty() || path.starts_with('[') => anyhow!("{place}{path}: {}", error.inner()),
        _ => anyhow!("{place}.{path}: {}", error.inner()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample(evidence: &[&[&str]]) -> Value {
        let turn = |id: &str| json!({ "speaker": "Ada", "text": "Hello.", "dia_id": id });
        let qa: Vec<Value> = evidence
            .iter()
            .map(|evidence| json!({ "question": "Who?", "evidence": evidence, "category": 4 }))
            .collect();
        json!([{
            "sample_id": "pair",
            "conversation": {
                "session_1": [turn("D1:1"), turn("D1:2")],
                "session_10": [turn("D10:1")],
                "session_1_date_time": "12:00 pm on 1 May, 2025",
                "speaker_a": "Ada",
            },
            "qa": qa,
        }])
    }

    #[test]
    fn turns_are_known_by_session_and_the_version_they_get() {
        let (all, _) = parse(&sample(&[&["D1:1"]]).to_string()).unwrap();
        let turn =
            |session: &str, version| all[0].turns.get(&(session.to_owned(), version)).map(String::as_str);
        assert_eq!(turn("session_1", 2), Some("D1:2"));
        assert_eq!(turn("session_10", 1), Some("D10:1"));
        assert_eq!((all[0].turns.len(), turn("session_1", 3)), (3, None));
    }

    #[test]
    fn evidence_is_split_and_what_names_no_turn_counts_for_nothing() {
        let evidence: [&[&str]; 6] = [
            &["D1:2; D10:1"],
            &["D1:1 D1:2", "D1:1"],
            &["D", "D:1:1", "D1:2", "D1:02", "D3:1"],
            &["D10:1,D1:1"],
            &["D9:9"],
            &[],
        ];
        let (all, left_out) = parse(&sample(&evidence).to_string()).unwrap();
        let named: Vec<Vec<&str>> = all[0]
            .questions
            .iter()
            .map(|question| question.evidence.iter().map(String::as_str).collect())
            .collect();
        assert_eq!(named, [vec!["D1:2", "D10:1"], vec!["D1:1", "D1:2"], vec!["D1:2"], vec!["D10:1", "D1:1"]]);
        assert_eq!(left_out, ["[0].qa[4].evidence", "[0].qa[5].evidence"]);
    }
}
