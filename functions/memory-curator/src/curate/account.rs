//! A memory as one of many that may say the same.

use domain::{Memory, MemoryType};
use serde_json::Value;
use store::UserMemory;

use crate::groups::Groups;
use crate::statement::Statement;
use crate::wording::Wording;

/// A memory as one of many that may say the same.
pub(super) struct Account<'a> {
    pub(super) memory: &'a UserMemory,
    /// What has to be equal, whatever the words.
    pub(super) frame: String,
    pub(super) wording: Wording,
}

impl<'a> Account<'a> {
    pub(super) fn of(memory: &'a UserMemory) -> Self {
        let Memory { kind, data, content, .. } = &memory.memory;
        if let Some(statement) = Statement::of(&memory.memory) {
            return Self { memory, frame: statement.frame(), wording: statement.value().clone() };
        }
        let fields: &[&str] = match kind {
            MemoryType::Action => &["kind", "owner", "due", "status", "said_by", "doer"],
            MemoryType::Entity => &["kind", "start", "end"],
            MemoryType::Fact | MemoryType::Preference => &["speaker", "attribute", "polarity"],
            _ => &[],
        };
        let frame = fields.iter().map(|field| data.get(field).unwrap_or(&Value::Null).to_string());
        let what = data.get("what").and_then(Value::as_str).filter(|_| *kind == MemoryType::Action);
        Self {
            memory,
            frame: frame.collect::<Vec<_>>().join("\n"),
            wording: Wording::of(what.unwrap_or(content)),
        }
    }
}

/// Takes groups apart in which one account fits two that do not fit each other: it belongs to neither.
pub(super) fn apart_where_mixed(heads: &[&Account<'_>], groups: &Groups) -> Groups {
    let mut kept = Groups::apart(heads.len());
    for group in groups.of_several() {
        let wordings: Vec<&Wording> =
            group.iter().filter_map(|at| heads.get(*at)).map(|head| &head.wording).collect();
        let fit = wordings.iter().enumerate().all(|(at, one)| {
            wordings.iter().skip(at + 1).all(|other| one.is_within(other) || other.is_within(one))
        });
        if let Some(first) = group.first().filter(|_| fit) {
            for at in &group {
                kept.join(*first, *at);
            }
        }
    }
    kept
}
