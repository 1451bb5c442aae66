//! Taking out of what was said what the tenant wants kept out.

use api::Problem;
use domain::GuardAction;
use guard::{Blocked, Found, screen_event};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::accept::{Said, Saying};

/// Looks through everything that was said, before anything of it is put anywhere; answers whether something was taken out.
///
/// # Errors
/// When something is said that the tenant does not take in.
pub(crate) fn screen(saying: &mut Saying) -> Result<bool, Problem> {
    let policy = saying.settings.guard;
    if policy.is_off() {
        return Ok(false);
    }
    let mut found = Found::default();
    for (position, said) in saying.said.iter_mut().enumerate() {
        let event = &mut said.event;
        let in_event = screen_event(policy, event.content.as_mut(), &mut event.payload);
        found.add(&in_event.map_err(|Blocked { field, rule }| {
            Found::from(rule).tell(&saying.tenant, GuardAction::Block);
            let blocked = Blocked { field: (saying.place)(position, &field), rule };
            Problem::unprocessable(&blocked.field, blocked.detail())
        })?);
    }
    if found.is_empty() {
        return Ok(false);
    }
    found.tell(&saying.tenant, GuardAction::Redact);
    if let Some(request) = &mut saying.request {
        // A digest of what was taken out would tell it to whoever can guess it.
        request.fingerprint = fingerprint(&saying.said);
    }
    Ok(true)
}

/// A digest of what is left.
fn fingerprint(said: &[Said]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for Said { user, session, event } in said {
        let event = json!([
            user,
            session,
            event.kind,
            event.role,
            event.speaker,
            event.content,
            event.payload,
            event.idempotency_key,
            event.occurred_at,
            event.schema_version,
        ]);
        digest.update(event.to_string());
        digest.update([0x1e]);
    }
    digest.finalize().into()
}
