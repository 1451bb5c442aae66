//! What hot state knows of a session, whatever is wrong with it.

use domain::{TenantId, UserId};
use futures::join;
use hot::{Document, Kept, LatestSession, PendingTurn, Read, Revision, SessionContext};
use jiff::Timestamp;
use store::Continued;

use crate::Parts;
use crate::working::count_corrupt;

pub(super) struct HotState {
    /// The session that was looked at; `None` when hot state did not know which was active last.
    pub(super) session: Option<String>,
    /// When somebody spoke there last, as far as hot state was told; known where hot state chose the session.
    pub(super) active_at: Option<Timestamp>,
    pub(super) context: Option<SessionContext>,
    /// `None` when it could not be asked for.
    pub(super) working_memory: Option<Kept<(Revision, Document)>>,
    /// Messages that were accepted and may not be in the log yet.
    pub(super) pending: Vec<PendingTurn>,
    pub(super) is_down: bool,
}

impl HotState {
    /// What it says of a session it has never heard of.
    pub(super) fn nothing() -> Self {
        Self {
            session: None,
            active_at: None,
            context: None,
            working_memory: Some(Kept::None),
            pending: Vec::new(),
            is_down: false,
        }
    }

    /// Which session the log is asked for, when `asked` was; `known` is the one that was looked at. What hot state has been
    /// told may be late, but for a turn on its way to the log, which the log cannot have heard of.
    pub(super) fn continued<'a>(&self, asked: Option<&'a str>, known: Option<&'a str>) -> Continued<'a> {
        match (asked.or(known), self.active_at) {
            (Some(name), Some(active_at)) if asked.is_none() && self.pending.is_empty() => {
                Continued::Known { name, active_at }
            }
            (Some(name), _) => Continued::Named(name),
            (None, _) => Continued::Latest,
        }
    }
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
        let of_tenant = self.hot_of(tenant).await;
        let down = |error: &hot::Error| {
            tracing::warn!(%error, "hydrating without hot state");
            HotState {
                session: session.map(str::to_owned),
                active_at: None,
                context: None,
                working_memory: None,
                pending: Vec::new(),
                is_down: true,
            }
        };
        let (latest, active_at) = match session {
            Some(session) => (session.to_owned(), None),
            None => match of_tenant.latest_session(tenant, user, now).await {
                Ok(Read::Present(LatestSession { session_name, active_at })) => {
                    (session_name, Some(active_at))
                }
                Ok(Read::Absent) => return HotState::nothing(),
                Ok(Read::Corrupt { reason }) => {
                    count_corrupt("latest_session", &reason);
                    return HotState::nothing();
                }
                Err(error) => return down(&error),
            },
        };
        let (found, pending) = join!(
            of_tenant.session(tenant, user, &latest, now),
            of_tenant.pending_turns(tenant, user, &latest, now)
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
            active_at,
            context,
            working_memory: Some(found.working_memory),
            pending,
            is_down: false,
        }
    }
}
