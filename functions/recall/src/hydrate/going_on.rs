//! The session that goes on: what hot state has of it, what the log has, and what that says about hot state.

use ::hot::{ActiveMemory, DocumentKey, DocumentKind, Kept, SessionContext};
use domain::{MemoryType, TenantId, UserId};
use futures::join;
use jiff::Timestamp;
use store::{Hydration, RecentSession};

use super::hot::HotState;
use super::state::State;
use crate::Parts;

/// The session that goes on.
pub(super) struct GoingOn {
    /// Up to the head of the log, where anything is known of it.
    pub(super) context: Option<SessionContext>,
    /// Another one than hot state was asked for, which it may have as well.
    pub(super) other: Option<String>,
    /// Whether hot state has it.
    is_live: bool,
    /// What it means that hot state has it, or has not; known once everything was asked for.
    pub(super) state: State,
}

impl GoingOn {
    /// Takes out of hot state what it has of the session that the log says goes on.
    pub(super) fn of(
        tenant: &TenantId,
        user: &UserId,
        hot: &mut HotState,
        hydration: Option<&Hydration>,
    ) -> Self {
        let known = hydration.and_then(|hydration| hydration.session.as_ref());
        let other = known.map(|known| &known.name).filter(|name| hot.session.as_ref() != Some(name)).cloned();
        if other.is_some() && !hot.is_down {
            *hot = HotState::nothing();
        }
        let live = hot.context.take();
        let is_live = live.is_some();
        let context = continued(tenant, user, live, hydration);
        Self { context, other, is_live, state: State::New }
    }
}

impl Parts {
    /// Asks hot state for a session that only the log knew of, and puts back what is lost.
    pub(super) async fn settle(
        &self,
        tenant: &TenantId,
        user: &UserId,
        mut going_on: GoingOn,
        mut hot: HotState,
        hydration: Option<&Hydration>,
        now: Timestamp,
    ) -> (GoingOn, HotState) {
        let other = going_on.other.as_deref().filter(|_| !hot.is_down);
        if let Some(other) = other {
            hot = self.hot_state_late(tenant, user, other, now).await;
            if let Some(live) = hot.context.take() {
                going_on.is_live = true;
                going_on.context = continued(tenant, user, Some(live), hydration);
            }
        }
        let of_tenant = self.hot_of(tenant).await;
        let known = hydration.and_then(|hydration| hydration.session.as_ref());
        going_on.state = match hydration {
            // Without the log nobody knows whether there was anything.
            None if !going_on.is_live => State::Lost,
            _ => State::of(going_on.is_live, known, of_tenant.lifetimes().session_context, now),
        };
        let put_back = async {
            if going_on.state == State::Lost
                && hydration.is_some()
                && !hot.is_down
                && let Some(context) = &going_on.context
                && let Err(error) = of_tenant.put_context(context, now).await
            {
                tracing::warn!(%error, "a lost context was not put back");
            }
        };
        let extend = async {
            if other.is_some() {
                self.extend(tenant, user, &hot, now).await;
            }
        };
        join!(put_back, extend);
        (going_on, hot)
    }

    /// Reading is activity: the working memory lives on.
    pub(super) async fn extend(&self, tenant: &TenantId, user: &UserId, hot: &HotState, now: Timestamp) {
        if let (Some(session_name), Some(Kept::Live((revision, _)))) = (&hot.session, &hot.working_memory) {
            let key = DocumentKey { tenant, user, session_name, kind: DocumentKind::WorkingMemory };
            self.hot_of(tenant).await.extend_document(&key, revision, now).await;
        }
    }
}

/// The session's context up to the head of the log: the live one with what has happened since, or one made of the log.
fn continued(
    tenant: &TenantId,
    user: &UserId,
    live: Option<SessionContext>,
    hydration: Option<&Hydration>,
) -> Option<SessionContext> {
    let Some(Hydration { session: Some(session), active, .. }) = hydration else {
        return live;
    };
    let RecentSession { name, head, events, last_event_at, .. } = session;
    let mut context = live.unwrap_or_else(|| SessionContext::new(tenant.clone(), user.clone(), name.clone()));
    context.advance(events);
    context.version = context.version.max(*head);
    context.updated_at = context.updated_at.max(*last_event_at);
    let of = |kind: MemoryType| {
        active
            .iter()
            .filter(|memory| memory.kind == kind)
            .map(|memory| ActiveMemory::new(memory.id, &memory.content))
            .collect()
    };
    context.active_entities = of(MemoryType::Entity);
    context.pending_actions = of(MemoryType::Action);
    Some(context)
}
