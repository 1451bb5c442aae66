use json_patch::{Patch, diff, patch};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::SessionId;
use crate::state::canonical::Canonical;

/// How many patches at most lead from a state that is stored whole to one that is not.
pub const MOST_PATCHES: i16 = 19;

/// What an application saves of its agent, so that it can go on from there.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The session.
    pub session: SessionId,
    /// Its place among the checkpoints of the session; goes up, not always by one.
    pub sequence: i64,
    /// Where in the application's graph it was taken.
    pub node_id: String,
    /// The checkpoint before it; none for the first.
    pub parent: Option<Parent>,
    /// The session's last event that is in it.
    pub through: i64,
    /// Which form the state has, by the application's own count.
    pub schema_version: i16,
    /// The application's state.
    pub state: Value,
}

/// The checkpoint before, and what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its sequence.
    pub sequence: i64,
    /// Its checksum.
    pub checksum: Vec<u8>,
}

/// SHA-256 over the canonical JSON of a checkpoint, and with it over everything that came before:
///
/// `{"node_id", "parent": {"checksum", "sequence"} | null, "schema_version", "sequence", "session", "state", "through"}`,
/// the parent's checksum in hexadecimal digits.
pub fn checksum(checkpoint: &Checkpoint, state: &Canonical) -> [u8; 32] {
    let text = |text: &str| Canonical::unchecked(&Value::from(text));
    let parent = checkpoint.parent.as_ref().map_or_else(
        || "null".to_owned(),
        |parent| {
            format!(r#"{{"checksum":"{}","sequence":{}}}"#, hexadecimal(&parent.checksum), parent.sequence)
        },
    );
    let mut sum = Sha256::new();
    // The state is canonical already, and the names around it are in their canonical order.
    sum.update(format!(
        r#"{{"node_id":{},"parent":{parent},"schema_version":{},"sequence":{},"session":{},"state":"#,
        text(&checkpoint.node_id).as_str(),
        checkpoint.schema_version,
        checkpoint.sequence,
        text(&checkpoint.session.to_string()).as_str(),
    ));
    sum.update(state.as_str());
    sum.update(format!(r#","through":{}}}"#, checkpoint.through));
    sum.finalize().into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// How a state is stored: canonical JSON of itself, or of the JSON Patch (RFC 6902) that makes it of its parent's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The state.
    Whole(String),
    /// The patch.
    Patch(String),
}

/// The parent of a checkpoint to be stored: what a patch would start from.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// Its state.
    pub state: Value,
    /// The checkpoint whose whole state it is made of.
    pub whole: i64,
    /// By how many patches.
    pub patches: i16,
    /// How many bytes have to be read for it, together.
    pub bytes: usize,
}

/// How to store a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The state or the patch.
    pub body: Body,
    /// The checkpoint whose whole state it is made of; itself, when it is stored whole.
    pub whole: i64,
    /// By how many patches.
    pub patches: i16,
    /// How many bytes have to be read for it, together.
    pub bytes: usize,
}

/// Decides how to store a state: as a patch of its parent's as long as there are at most [`MOST_PATCHES`] since one was stored
/// whole, and loading it then reads at most twice what it is long.
pub fn plan(sequence: i64, state: &Value, canonical: &Canonical, base: Option<Base>) -> Plan {
    let patched = base.and_then(|mut base| {
        if base.patches >= MOST_PATCHES {
            return None;
        }
        let changes = diff(&base.state, state);
        let text = serde_json_canonicalizer::to_string(&changes).ok()?;
        let bytes = base.bytes + text.len();
        // Taken only when it leads there.
        let leads = text.len() < canonical.bytes()
            && bytes <= 2 * canonical.bytes()
            && patch(&mut base.state, &changes).is_ok()
            && base.state == *state;
        leads.then(|| Plan { body: Body::Patch(text), whole: base.whole, patches: base.patches + 1, bytes })
    });
    patched.unwrap_or_else(|| Plan {
        body: Body::Whole(canonical.as_str().to_owned()),
        whole: sequence,
        patches: 0,
        bytes: canonical.bytes(),
    })
}

/// A checkpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// The session.
    pub session: Uuid,
    /// Its sequence.
    pub sequence: i64,
    /// The node.
    pub node_id: String,
    /// The one before.
    pub parent: Option<Parent>,
    /// The session's last event that is in it.
    pub through: i64,
    /// The form of the state.
    pub schema_version: i16,
    /// The state or the patch.
    pub body: Body,
    /// What its checksum was when it was saved.
    pub checksum: Vec<u8>,
}

/// Why a stored checkpoint is not what was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// No row holds the whole state it is made of.
    #[error("the whole state it is made of is missing")]
    NoWhole,
    /// A state or patch is not the canonical JSON that was written.
    #[error("a stored state or patch is not what was written")]
    NotAsWritten,
    /// A patch does not fit what it is a patch of.
    #[error("a patch does not apply")]
    DoesNotApply,
    /// A row is missing between two that follow each other.
    #[error("the chain of checkpoints is broken")]
    Broken,
    /// The sum over what was read is not the sum that was stored.
    #[error("the checksum differs")]
    Checksum,
}

/// Restores the last of these checkpoints, which are those of its session from the one that is stored whole up to itself, and
/// compares its checksum with the stored one.
pub fn restore(chain: &[StoredCheckpoint]) -> Result<Checkpoint, Damage> {
    let mut state: Option<Value> = None;
    let mut before: Option<&StoredCheckpoint> = None;
    for stored in chain {
        match (&stored.body, &mut state) {
            (Body::Whole(text), _) => state = Some(as_written(text)?),
            (Body::Patch(_), None) => return Err(Damage::NoWhole),
            (Body::Patch(text), Some(state)) => {
                let follows = before.zip(stored.parent.as_ref()).is_some_and(|(before, parent)| {
                    parent.sequence == before.sequence && parent.checksum == before.checksum
                });
                if !follows {
                    return Err(Damage::Broken);
                }
                let changes: Patch =
                    serde_json::from_value(as_written(text)?).map_err(|_| Damage::NotAsWritten)?;
                patch(state, &changes).map_err(|_| Damage::DoesNotApply)?;
            }
        }
        before = Some(stored);
    }
    let (Some(last), Some(state)) = (before, state) else { return Err(Damage::NoWhole) };
    let restored = Checkpoint {
        session: SessionId(last.session),
        sequence: last.sequence,
        node_id: last.node_id.clone(),
        parent: last.parent.clone(),
        through: last.through,
        schema_version: last.schema_version,
        state,
    };
    let canonical = Canonical::unchecked(&restored.state);
    if checksum(&restored, &canonical).as_slice() != last.checksum {
        return Err(Damage::Checksum);
    }
    Ok(restored)
}

/// Reads canonical JSON, and nothing but that.
fn as_written(text: &str) -> Result<Value, Damage> {
    let value: Value = serde_json::from_str(text).map_err(|_| Damage::NotAsWritten)?;
    if Canonical::unchecked(&value).as_str() == text { Ok(value) } else { Err(Damage::NotAsWritten) }
}

#[cfg(test)]
mod tests;
