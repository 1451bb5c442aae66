//! What it takes to go on with a conversation.

mod answer;
mod people;
mod state;

use axum::extract::State as FromState;
use domain::{Memory, MemoryType, SessionName, TenantId, UserId};
use futures::try_join;
use hot::{ActiveMemory, Read, SessionContext};
use jiff::Timestamp;
use serde::Deserialize;
use store::{Hydrate, Hydration, RecentSession, UserMemories};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::{HydrateAnswer, ProfileAnswer};
use self::state::State;
use crate::Parts;
use crate::http::{Answer, Caller, OfUser, PathOf, Problem, Query, Question, Shared, postgres_is_down};
use crate::search::{Blend, MemoryAnswer, rank_memories};

/// How many memories of the user `hydrate` answers with.
const HYDRATE_MEMORIES: u16 = 5;
/// How many facts and preferences the profile is made of.
const PROFILE_MEMORIES: u16 = 100;
/// How many of a session's last events make an entity or an action active.
const ACTIVE_EVENTS: u16 = 40;
/// The agent that keeps the hot state, by whose cursor the log tells what should be there.
const HOT_AGENT: &str = "indexer";

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(hydrate))
}

/// Which conversation goes on, and with what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// The session; the one active last when not given.
    #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub(crate) session: Option<SessionName>,
    /// What the user's memories are chosen by; the surest and freshest when not given.
    #[param(value_type = Option<String>, min_length = 1, max_length = 4096)]
    pub(crate) query: Option<Question>,
}

/// What it takes to go on with a conversation.
#[utoipa::path(
    get, path = "/v1/users/{user}/hydrate", tag = "recall", params(OfUser, Asked),
    responses((status = 200, body = HydrateAnswer), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn hydrate(
    FromState(parts): FromState<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    Query(asked): Query<Asked>,
) -> Result<Answer<HydrateAnswer>, Problem> {
    parts.hydrate(&caller.tenant, &user, asked).await.map(Answer::ok)
}

impl Parts {
    /// What it takes to go on with a conversation.
    pub(crate) async fn hydrate(
        &self,
        tenant: &TenantId,
        user: &UserId,
        Asked { session, query }: Asked,
    ) -> Result<HydrateAnswer, Problem> {
        let now = (self.now)();
        let (hot, vector) = try_join!(
            async {
                Ok::<_, Problem>(
                    self.hot_context(tenant, user, session.as_ref().map(SessionName::as_str), now).await,
                )
            },
            async {
                Ok(match &query {
                    Some(query) => Some(self.embed(query.as_str()).await),
                    None => None,
                })
            },
        )?;
        let embedder_is_down = vector.as_ref().is_some_and(Option::is_none);
        let vector = vector.flatten();
        let live = hot.context;
        let wanted = Hydrate {
            session_name: live
                .as_ref()
                .map(|context| context.session_name.as_str())
                .or(session.as_ref().map(SessionName::as_str)),
            after: live.as_ref().map_or(0, |context| context.version),
            events: SessionContext::MOST_MESSAGES,
            active_events: ACTIVE_EVENTS,
            memories: HYDRATE_MEMORIES,
            active: SessionContext::MOST_MESSAGES,
            search: query.as_ref().map(|query| self.search(query.as_str(), vector.as_deref())),
            hot_agent: HOT_AGENT,
        };
        let asked = try_join!(
            self.store.hydrate(tenant, user, &wanted),
            self.store.told(tenant, user, PROFILE_MEMORIES)
        );
        let (hydration, told) = match asked {
            Ok((hydration, told)) => (Some(hydration), told),
            Err(error) if live.is_some() => {
                tracing::warn!(%error, "hydrated from hot state alone");
                (None, Vec::new())
            }
            Err(error) => return Err(postgres_is_down(&error)),
        };

        let known = hydration.as_ref().and_then(|hydration| hydration.session.as_ref());
        let state = State::of(live.is_some(), known, self.hot.lifetimes().session_context, now);
        let degraded = hot.is_down || embedder_is_down || hydration.is_none();
        let context = continued(tenant, user, live, hydration.as_ref());
        if state == State::Lost
            && !hot.is_down
            && let Some(context) = &context
            && let Err(error) = self.hot.put_context(context, now).await
        {
            tracing::warn!(%error, "a lost context was not put back");
        }
        let answer = hydrate_answer(state, degraded, context, hydration, &told, (self.blend(), now));
        self.accesses.record(tenant, answer.memories.iter().map(MemoryAnswer::id), now);
        Ok(answer)
    }

    /// The hot context of a session, or of the session that was active last.
    async fn hot_context(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session: Option<&str>,
        now: Timestamp,
    ) -> HotContext {
        let read = async {
            let latest = match session {
                Some(session) => Read::Present(session.to_owned()),
                None => self.hot.latest_session(tenant, user, now).await?,
            };
            match latest {
                Read::Present(session) => self.hot.get_context(tenant, user, &session, now).await,
                Read::Absent => Ok(Read::Absent),
                Read::Corrupt { reason } => Ok(Read::Corrupt { reason }),
            }
        };
        match read.await {
            Ok(Read::Present(context)) => HotContext { context: Some(context), is_down: false },
            Ok(Read::Absent) => HotContext { context: None, is_down: false },
            Ok(Read::Corrupt { reason }) => {
                tracing::warn!(reason, "a hot item cannot be read");
                HotContext { context: None, is_down: false }
            }
            Err(error) => {
                tracing::warn!(%error, "hydrating without hot state");
                HotContext { context: None, is_down: true }
            }
        }
    }
}

struct HotContext {
    context: Option<SessionContext>,
    is_down: bool,
}

/// The session's context up to the head of the log: the live one with what has happened since, or one made of the log.
fn continued(
    tenant: &TenantId,
    user: &UserId,
    live: Option<SessionContext>,
    hydration: Option<&Hydration>,
) -> Option<SessionContext> {
    let Some(Hydration { session: Some(RecentSession { name, head, events, .. }), active, .. }) = hydration
    else {
        return live;
    };
    let mut context = live.unwrap_or_else(|| SessionContext::new(tenant.clone(), user.clone(), name.clone()));
    context.advance(events);
    context.version = context.version.max(*head);
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

fn hydrate_answer(
    state: State,
    degraded: bool,
    context: Option<SessionContext>,
    hydration: Option<Hydration>,
    told: &[Memory],
    (blend, now): (Blend, Timestamp),
) -> HydrateAnswer {
    let (summary, profile, memories) = hydration.map_or((None, None, Vec::new()), |hydration| {
        let memories: Vec<MemoryAnswer> = match hydration.memories {
            UserMemories::Standing(memories) => memories.into_iter().map(Into::into).collect(),
            UserMemories::Searched(found) => rank_memories(found, blend, now, usize::from(HYDRATE_MEMORIES))
                .into_iter()
                .map(Into::into)
                .collect(),
        };
        (hydration.summary.map(Into::into), ProfileAnswer::of(hydration.profile, told), memories)
    });
    let mut answer = HydrateAnswer {
        state,
        degraded,
        session: None,
        version: 0,
        recent_messages: Vec::new(),
        active_entities: Vec::new(),
        pending_actions: Vec::new(),
        summary,
        profile,
        memories,
    };
    if let Some(context) = context {
        answer.session = Some(context.session_name);
        answer.version = context.version;
        answer.recent_messages = context.recent_messages;
        answer.active_entities = context.active_entities;
        answer.pending_actions = context.pending_actions;
    }
    answer
}
