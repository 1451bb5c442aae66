//! What hot state knows of a session, whatever is wrong with it.

use domain::{TenantId, UserId};
use futures::join;
use hot::{Document, Kept, PendingTurn, Read, Revision, SessionContext};
use jiff::Timestamp;

use crate::Parts;
use crate::working::count_corrupt;

pub(super) struct HotState {
    /// The session that was looked at; `None` when hot state did not know which was active last.
    pub(super) session: Option<String>,
    pub(super) context: Option<SessionContext>,
    /// `None` when it could not be asked for.
    pub(super) working_memory: Option<Kept<(Revision, Document)>>,
    /// Messages that were accepted and may not be in the log yet.
    pub(super) pending: Vec<PendingTurn>,
    pub(super) is_down: bool,
}

impl Parts {
    /// The hot state of a session in one round trip (two requests), or of the session that was active last, in two.
    pub(super) async fn hot_state(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session: Option<&str>,
        now: Timestamp,
    ) -> HotState {
        let nothing = HotState {
            session: None,
            context: None,
            working_memory: Some(Kept::None),
            pending: Vec::new(),
            is_down: false,
        };
        let down = |error: &hot::Error| {
            tracing::warn!(%error, "hydrating without hot state");
            HotState {
                session: session.map(str::to_owned),
                context: None,
                working_memory: None,
                pending: Vec::new(),
                is_down: true,
            }
        };
        let latest = match session {
            Some(session) => session.to_owned(),
            None => match self.hot.latest_session(tenant, user, now).await {
                Ok(Read::Present(session)) => session,
                Ok(Read::Absent) => return nothing,
                Ok(Read::Corrupt { reason }) => {
                    count_corrupt("latest_session", &reason);
                    return nothing;
                }
                Err(error) => return down(&error),
            },
        };
        let (found, pending) = join!(
            self.hot.session(tenant, user, &latest, now),
            self.hot.pending_turns(tenant, user, &latest, now)
        );
        let found = match found {
            Ok(found) => found,
            Err(error) => return down(&error),
        };
        let pending = pending.unwrap_or_else(|error| {
            tracing::warn!(%error, "hydrating without pending turns");
            Vec::new()
        });
        if let Read::Corrupt { reason } = &found.context {
            count_corrupt("session_context", reason);
        }
        if let Kept::Corrupt { reason } = &found.working_memory {
            count_corrupt("working_memory", reason);
        }
        let context = match found.context {
            Read::Present(context) => Some(context),
            Read::Absent | Read::Corrupt { .. } => None,
        };
        HotState {
            session: Some(latest),
            context,
            working_memory: Some(found.working_memory),
            pending,
            is_down: false,
        }
    }
}
