//! `cargo local eval retrieval` as it is called, with a real Postgres and the real DynamoDB protocol.

#![cfg(test)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

fn fixture() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/eval/retrieval.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn run(file: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_eval")).arg("retrieval").arg(file).args(arguments).output().unwrap()
}

fn file(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("talks.json");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A conversation in which everybody talks about the ferry, and what answers the question has nothing to do with it.
fn beyond_reach() -> Value {
    let ferry: Vec<Value> = (1..=60)
        .map(|number| {
            json!({ "speaker": "Una", "dia_id": format!("D1:{number}"),
                    "text": format!("The ferry to Gdansk leaves from pier {number}.") })
        })
        .collect();
    let answer = json!({ "speaker": "Leo", "dia_id": "D2:1", "text": "Hm." });
    json!({
        "sample_id": "harbour",
        "conversation": {
            "session_1_date_time": "9:00 am on 5 July, 2025", "session_1": ferry,
            "session_2_date_time": "9:00 am on 6 July, 2025", "session_2": [answer],
        },
        "qa": [{ "question": "From which pier does the ferry to Gdansk leave?", "evidence": ["D2:1"], "category": 3 }],
    })
}

#[test]
fn every_question_is_asked_through_the_pipeline_by_words_and_with_the_embedder() {
    let folder = TempDir::new().unwrap();
    let mut conversations = fixture();
    conversations.as_array_mut().unwrap().push(beyond_reach());
    let file = file(&folder, &conversations.to_string());
    let output = run(&file, &["--json", "--explain", "1"]);
    let progress = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{progress}");
    assert!(progress.contains("[0].qa[4].evidence names no turn"), "{progress}");

    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let worst =
        "[2].qa[0] (category 3): \"From which pier does the ferry to Gdansk leave?\": D2:1 not among 50";
    assert_eq!(text.lines().next(), Some(worst));
    let report: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(report["embedder"], "built-in");
    assert_eq!(report["source"], "talks.json");
    assert_eq!(
        report["questions"],
        json!({ "answerable": 7, "adversarial": 1, "left_out": 1,
                "by_category": { "1": 1, "2": 1, "3": 2, "4": 3, "5": 1 } })
    );
    let by_embedder = report["by_embedder"].as_object().unwrap();
    assert_eq!(by_embedder.keys().collect::<Vec<_>>(), ["built-in", "lexical"]);
    for (name, measured) in by_embedder {
        let of = |pointer: &str| measured.pointer(pointer).and_then(Value::as_f64).unwrap();
        // Whoever asks for more than there is gets all of it, so only the turn that is out of reach is missed.
        for pointer in ["/by_category/1/recall@50", "/by_category/4/recall@5", "/adversarial/recall@5"] {
            assert!((of(pointer) - 1.0).abs() < 1e-9, "{name} {pointer}: {measured}");
        }
        assert!((of("/by_category/3/recall@50") - 0.5).abs() < 1e-9, "{name}: {measured}");
        assert!((of("/answerable/recall@50") - 6.0 / 7.0).abs() < 1e-9, "{name}: {measured}");
        let times = ["/answer_milliseconds/p50", "/answer_milliseconds/p95", "/seconds"].map(of);
        assert!(
            times[0] > 0.0 && times[0] <= times[1] && times[1] <= times[2] * 1000.0,
            "{name}: {measured}"
        );
    }
    for part in ["answerable", "adversarial", "by_category"] {
        assert_eq!(report[part], by_embedder["built-in"][part]);
    }
    assert!(text.contains("lexical: answers in") && text.contains("built-in: answers in"), "{text}");
}

#[test]
fn a_file_that_is_no_such_file_is_refused_with_the_place_and_nothing_is_measured() {
    let folder = TempDir::new().unwrap();
    let changed = |pointer: &str, value: Value| {
        let mut conversations = fixture();
        *conversations.pointer_mut(pointer).unwrap() = value;
        conversations.to_string()
    };
    let mut unanswered = fixture();
    for question in ["/0/qa", "/1/qa"] {
        for question in unanswered.pointer_mut(question).unwrap().as_array_mut().unwrap() {
            question["evidence"] = json!(["D", "D9:9"]);
        }
    }
    for (text, expected) in [
        (" \n".to_owned(), "the file is empty, expected a JSON array"),
        ("[]".to_owned(), "the array is empty, expected conversations"),
        ("hello".to_owned(), "expected value at line 1 column 1"),
        (r#"{"qa": []}"#.to_owned(), "invalid type: map, expected a sequence"),
        (format!("{} []", fixture()), "trailing characters"),
        (changed("/1/qa/0", json!({})), "[1].qa[0]: missing field `question`"),
        (changed("/1/qa/0/question", json!(" ")), "[1].qa[0].question: expected a question, found nothing"),
        (changed("/0/qa/2/category", json!(6)), "[0].qa[2].category: expected a number from 1 to 5, found 6"),
        (changed("/0/qa/2/evidence", json!("D1:1")), "[0].qa[2].evidence: invalid type: string"),
        (
            changed("/0/conversation/session_2/3/text", json!(7)),
            "[0].conversation.session_2[3].text: invalid type: integer `7`",
        ),
        (changed("/1/conversation/session_1", json!([])), "[1].conversation: expected turns in session_1"),
        (changed("/1/conversation/session_1_date_time", json!("noon")), "`session_1_date_time` is \"noon\""),
        (
            changed("/1/sample_id", json!("neighbours")),
            "[1].sample_id: \"neighbours\" is another conversation's",
        ),
        (unanswered.to_string(), "[0].qa[0].evidence: expected evidence that names a turn"),
    ] {
        let output = run(&file(&folder, &text), &["--json"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(expected), "{expected}: {error}");
        assert!(error.contains("talks.json") && output.stdout.is_empty(), "{error}");
    }
    let missing = run("no-such-file.json", &[]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such-file.json: No such file"));

    let file = file(&folder, &fixture().to_string());
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let no_embedder = run(&file, &["--embedder", &empty.display().to_string()]);
    let error = String::from_utf8_lossy(&no_embedder.stderr).into_owned();
    assert!(!no_embedder.status.success() && error.contains("config.json"), "{error}");
    assert!(!error.contains("importing"), "nothing is begun: {error}");
}
