//! Turns on their way to the log, and those among them that have arrived.

use std::collections::HashSet;

use domain::{TenantId, UserId};
use hot::PendingTurn;
use jiff::Timestamp;

use super::hot::HotState;
use crate::Parts;

/// The keys under which the log will have them.
pub(super) fn keys(pending: &[PendingTurn]) -> Vec<String> {
    pending.iter().map(|turn| turn.idempotency_key.clone()).collect()
}

/// Takes out those that the log has, and answers which they were. They were shown after they had been stored, or whoever
/// stored them could not take them away.
pub(super) fn take_logged(pending: &mut Vec<PendingTurn>, logged: &HashSet<String>) -> Vec<PendingTurn> {
    pending.extract_if(.., |turn| logged.contains(&turn.idempotency_key)).collect()
}

impl Parts {
    /// Has turns that the log has shown as pending no more.
    pub(super) async fn forget_pending(&self, logged: &[PendingTurn]) {
        if let Err(error) = self.hot.forget_pending(logged).await {
            tracing::warn!(%error, "turns that are in the log are still kept as pending");
        }
    }

    /// The hot state of a session that only the log knew the name of.
    pub(super) async fn hot_state_late(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session: &str,
        now: Timestamp,
    ) -> HotState {
        let mut late = self.hot_state(tenant, user, Some(session), now).await;
        if !late.pending.is_empty() {
            match self.store.logged_keys(tenant, user, session, &keys(&late.pending)).await {
                Ok(logged) => self.forget_pending(&take_logged(&mut late.pending, &logged)).await,
                Err(error) => tracing::warn!(%error, "turns that are shown as pending may be in the log"),
            }
        }
        late
    }
}
