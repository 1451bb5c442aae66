use std::collections::HashMap;

use anyhow::{Result, bail};
use domain::{TenantId, UserId};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// The longest content the database takes, in bytes.
const LONGEST_CONTENT_BYTES: usize = 262_144;

/// One conversation to import.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Whose.
    pub tenant: String,
    /// The person in it.
    pub user: String,
    /// Its name.
    pub name: String,
    /// What was said, in order.
    pub turns: Vec<Turn>,
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// The words.
    pub content: String,
    /// Who said them, when a name is known.
    pub speaker: Option<String>,
    /// When, when it is known.
    pub occurred_at: Option<Timestamp>,
    /// A key of the application's own.
    pub idempotency_key: Option<String>,
}

impl Turn {
    /// Refuses what the database would refuse, naming the field.
    pub(super) fn check(&self) -> Result<()> {
        if !matches!(self.role.as_str(), "user" | "assistant" | "system" | "tool") {
            bail!("field `role` is {:?}, expected user, assistant, system or tool", self.role);
        }
        if self.content.len() > LONGEST_CONTENT_BYTES {
            bail!(
                "field `content` has {} bytes, at most {LONGEST_CONTENT_BYTES} are taken",
                self.content.len()
            );
        }
        for (field, text) in [("content", Some(&self.content)), ("speaker", self.speaker.as_ref())] {
            if text.is_some_and(|text| text.contains('\0')) {
                bail!("field `{field}` holds a NUL character, which Postgres does not store");
            }
        }
        Ok(())
    }
}

/// Refuses names of a session that the database would refuse, naming the field.
pub(super) fn check_names(tenant: &str, user: &str, session: &str) -> Result<()> {
    TenantId::new(tenant)?;
    UserId::new(user)?;
    if session.is_empty() || session.len() > 200 || session.chars().any(char::is_control) {
        bail!("field `session` must be 1 to 200 bytes without control characters");
    }
    Ok(())
}

impl Session {
    /// A key for each turn: its own, else one made of what was said, so that the same turn has the same key in every
    /// import. A turn that repeats another word for word is told apart by counting.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut seen = HashMap::new();
        let mut keys = Vec::with_capacity(self.turns.len());
        for turn in &self.turns {
            if let Some(key) = &turn.idempotency_key {
                keys.push(key.clone());
                continue;
            }
            let digest = digest(turn);
            let count: &mut u32 = seen.entry(digest).or_default();
            *count += 1;
            keys.push(format!("import-{digest:032x}-{count}"));
        }
        keys
    }
}

fn digest(turn: &Turn) -> u128 {
    let at = turn.occurred_at.map(|at| at.to_string()).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [&turn.role, turn.speaker.as_deref().unwrap_or_default(), &at, &turn.content] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).fold(0, |digest, byte| digest << 8 | u128::from(*byte))
}
