use std::io::Write;
use std::path::PathBuf;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// What a reader hands on, and how it ended.
fn read(path: &Path, format: Format, owner: &Owner) -> (Vec<Session>, Result<()>) {
    let (sender, mut receiver) = mpsc::channel(1_000);
    let outcome = match format {
        Format::Jsonl => json_lines::read(path, owner, &sender),
        Format::Chatgpt => {
            array::read(open(path).unwrap(), "conversation", |entry| chatgpt::session(entry, owner), &sender)
        }
        Format::Locomo => {
            array::read(open(path).unwrap(), "sample", |entry| locomo::sessions(entry, owner), &sender)
        }
    };
    drop(sender);
    let mut sessions = Vec::new();
    while let Ok(session) = receiver.try_recv() {
        sessions.push(session);
    }
    (sessions, outcome)
}

fn said(session: &Session) -> Vec<(&str, &str)> {
    session.turns.iter().map(|turn| (turn.role.as_str(), turn.content.as_str())).collect()
}

#[test]
fn the_format_is_told_by_the_beginning_of_the_file() {
    assert_eq!(detect(&fixture("messages.jsonl")).unwrap(), Format::Jsonl);
    assert_eq!(detect(&fixture("chatgpt.json")).unwrap(), Format::Chatgpt);
    assert_eq!(detect(&fixture("locomo.json")).unwrap(), Format::Locomo);
    for (text, expected) in [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("hello", "neither"),
        ("[{\"a\": 1}]", "--format"),
        ("[]", "--format"),
    ] {
        let error = detect(file(text).path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn json_lines_are_gathered_by_session_in_their_order() {
    let (sessions, outcome) = read(&fixture("messages.jsonl"), Format::Jsonl, &Owner::default());
    outcome.unwrap();
    let names: Vec<_> =
        sessions.iter().map(|s| (s.tenant.as_str(), s.user.as_str(), s.name.as_str())).collect();
    assert_eq!(names, [("default", "ada", "garden"), ("acme", "ben", "trip")]);
    assert_eq!(sessions[0].turns.len(), 4);
    assert_eq!(sessions[0].turns[2].content, "Yes, please.");
    assert_eq!(sessions[0].turns[0].occurred_at, Some("2026-02-10T09:00:00Z".parse().unwrap()));
}

#[test]
fn wrong_lines_are_named_with_their_field_and_nothing_is_handed_on() {
    let good = r#"{"user":"ada","session":"s","role":"user","content":"hello"}"#;
    let cases = [
        (r#"{"user":"ada","session":"s","role":"user"}"#, "content"),
        (r#"{"user":"ada","session":"s","role":"user","content":null}"#, "null"),
        (r#"{"user":"ada","session":"s","role":"robot","content":"x"}"#, "`role`"),
        (r#"{"session":"s","role":"user","content":"x"}"#, "`user`"),
        (r#"{"user":"ada","session":"","role":"user","content":"x"}"#, "`session`"),
        (
            r#"{"user":"ada","session":"s","role":"user","content":"x","occurred_at":"yesterday"}"#,
            "`occurred_at`",
        ),
        (r#"{"user":"ada","session":"s","role":"user","content":"x","speeker":"Ada"}"#, "`speeker`"),
        (r#"{"user":"ada","session":"s","role":"user","content":"a\u0000b"}"#, "`content`"),
        ("{", "EOF"),
    ];
    for (line, field) in cases {
        let (sessions, outcome) =
            read(file(&format!("{good}\n{line}\n{good}\n")).path(), Format::Jsonl, &Owner::default());
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("line 2:") && error.contains(field), "{line}: {error}");
        assert!(sessions.is_empty());
    }
}

#[test]
fn an_owner_stands_in_for_what_lines_do_not_say() {
    let owner = Owner { tenant: Some("acme".to_owned()), user: Some("cy".to_owned()) };
    let lines = file(r#"{"session":"s","role":"user","content":"x"}"#);
    let (sessions, outcome) = read(lines.path(), Format::Jsonl, &owner);
    outcome.unwrap();
    assert_eq!((sessions[0].tenant.as_str(), sessions[0].user.as_str()), ("acme", "cy"));
}

#[test]
fn a_chatgpt_conversation_is_the_path_to_its_current_node() {
    let (sessions, outcome) = read(&fixture("chatgpt.json"), Format::Chatgpt, &Owner::default());
    outcome.unwrap();
    assert_eq!(sessions.len(), 1, "a conversation in which nothing was said is left out");
    assert_eq!(sessions[0].user, "me");
    assert_eq!(
        said(&sessions[0]),
        [
            ("user", "[an image]\nWhy is my loaf flat?"),
            ("assistant", "The starter was past its peak."),
            ("user", "I will feed it at noon."),
        ]
    );
    assert_eq!(sessions[0].turns[0].occurred_at.unwrap().to_string(), "2026-01-01T09:00:00.25Z");
}

#[test]
fn a_broken_chatgpt_conversation_is_named_with_its_place() {
    let circle = r#"[{"id":"x","current_node":"a","mapping":{"a":{"parent":"b"},"b":{"parent":"a"}}}]"#;
    let gap = r#"[{"id":"x","current_node":"a","mapping":{"a":{"parent":"gone"}}}]"#;
    let bare = r#"[{"id":"x"}]"#;
    for (text, expected) in
        [(circle, "circle"), (gap, "gone"), (bare, "mapping"), ("[{\"id\":", "cannot be read")]
    {
        let (_, outcome) = read(file(text).path(), Format::Chatgpt, &Owner::default());
        let error = format!("{:#}", outcome.unwrap_err());
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_locomo_sample_is_a_user_with_numbered_sessions() {
    let (sessions, outcome) = read(&fixture("locomo.json"), Format::Locomo, &Owner::default());
    outcome.unwrap();
    let names: Vec<_> = sessions.iter().map(|s| (s.user.as_str(), s.name.as_str())).collect();
    assert_eq!(names, [("pair-1", "session_1"), ("pair-1", "session_2")]);
    let boat = &sessions[0].turns[1];
    assert_eq!(boat.content, "Rowing on the lake, look! [shares an image: a photo of a wooden boat]");
    assert_eq!(boat.speaker.as_deref(), Some("Mira"));
    assert_eq!(boat.occurred_at.unwrap().to_string(), "2024-05-08T12:30:00Z");
    assert_eq!(sessions[1].turns[0].occurred_at.unwrap().to_string(), "2024-06-17T09:05:00Z");
}

#[test]
fn a_wrong_time_in_a_locomo_file_is_named() {
    let text = r#"[{"sample_id":"x","conversation":{"session_1_date_time":"noon","session_1":[]}}]"#;
    let error = format!("{:#}", read(file(text).path(), Format::Locomo, &Owner::default()).1.unwrap_err());
    assert!(error.contains("sample 1") && error.contains("session_1_date_time"), "{error}");
}

#[test]
fn a_turn_has_the_same_key_in_every_import_and_repeats_are_told_apart() {
    let (sessions, _) = read(&fixture("messages.jsonl"), Format::Jsonl, &Owner::default());
    let keys = sessions[0].keys();
    assert_eq!(keys, sessions[0].keys());
    assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), 4);
    let mut longer = sessions[0].clone();
    longer.turns.push(Turn { content: "One more.".to_owned(), ..longer.turns[0].clone() });
    assert_eq!(longer.keys()[..4], keys);
}
