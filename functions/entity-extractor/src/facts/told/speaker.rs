//! Who speaks, and whether it may be of themselves.

use domain::{Event, EventKind};
use model::tokens::tokens;

use crate::facts::attribute::Subject;
use crate::facts::words::words;
use crate::said::own_words;
use crate::think::{is_personal_name, spelled};

/// Who speaks, when it is a person: a named speaker or a user, and never the assistant.
pub(crate) fn speaker(event: &Event) -> Option<Subject> {
    if !event.is_said() || event.kind != EventKind::Message || event.role == "assistant" {
        return None;
    }
    let speaker = match event.speaker.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) if is_personal_name(name) => Some(spelled(name)),
        _ if event.role == "user" => None,
        _ => return None,
    };
    Some(Subject { speaker, relative: None })
}

/// Whether a message may tell anything of its speaker.
pub(crate) fn is_of_interest(event: &Event) -> bool {
    const CUES: [&str; 46] = [
        "live", "living", "lived", "moved", "moving", "work", "working", "worked", "job", "married",
        "divorced", "born", "allergic", "allergy", "vegan", "vegetarian", "eat", "drink", "love", "like",
        "enjoy", "hate", "prefer", "favourite", "name", "call", "birthday", "speak", "own", "study",
        "studying", "play", "home", "family", "husband", "wife", "son", "daughter", "children", "sister",
        "brother", "dog", "cat", "from", "hobby", "passionate",
    ];
    if speaker(event).is_none() {
        return false;
    }
    let text = own_words(&event.content);
    let words = words(&text, &tokens(&text), &[]);
    let of_self = words.iter().any(|word| matches!(word.lower.as_str(), "i" | "my" | "we" | "our" | "me"));
    of_self && words.iter().any(|word| CUES.contains(&word.lower.as_str()))
}
