//! What it takes to go on with a conversation.

mod answer;
mod hot;
mod people;
mod scopes;
mod state;

use std::time::Duration;

use ::hot::{ActiveMemory, DocumentKey, DocumentKind, Kept, PendingTurn, SessionContext};
use axum::extract::State as FromState;
use domain::{MemoryType, SessionName, TenantId, UserId};
use futures::join;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use store::{Found, Hydrate, Hydration, RecalledEvent, RecentSession, Search};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::{HydrateAnswer, ProfileAnswer, WorkingMemoryState};
use self::hot::HotState;
use self::scopes::Scopes;
use self::state::State;
use crate::Parts;
use crate::http::{Answer, Caller, OfUser, PathOf, Problem, Query, Question, Shared, postgres_is_down};
use crate::search::{Blend, EventAnswer, MemoryAnswer, Subject, around, rank_events};

/// How many memories of the user `hydrate` answers with.
const USER_MEMORIES: u16 = 5;
/// How many memories of the whole tenant.
const GLOBAL_MEMORIES: u16 = 3;
/// How many turns of the past.
const RELATED_EVENTS: usize = 5;
/// How many facts and preferences the profile is made of.
const PROFILE_MEMORIES: u16 = 100;
/// How many of a session's last events make an entity or an action active.
const ACTIVE_EVENTS: u16 = 40;
/// How many of the latest messages say what the past is searched for, and how much of each, in bytes.
const LATEST_MESSAGES: usize = 3;
const LATEST_BYTES: usize = 1024;
/// How long a session that hot state has waits for Postgres.
const PATIENCE: Duration = Duration::from_secs(3);
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
    /// What memories and turns of the past are chosen by. When not given, the surest and freshest memories, and the turns
    /// that the latest messages are about.
    #[param(value_type = Option<String>, min_length = 1, max_length = 4096)]
    pub(crate) query: Option<Question>,
}

/// What it takes to go on with a conversation.
#[utoipa::path(
    get, path = "/v1/users/{user}/hydrate", tag = "recall", params(OfUser, Asked),
    security(("api_key" = ["read"])),
    responses((status = 200, body = HydrateAnswer), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn hydrate(
    FromState(parts): FromState<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    Query(asked): Query<Asked>,
) -> Result<Answer<HydrateAnswer>, Problem> {
    // Many small questions at once make a future too large for the stack.
    Box::pin(parts.hydrate(&caller.tenant, &user, asked)).await.map(Answer::ok)
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
        let session = session.as_ref().map(SessionName::as_str);
        let mut hot = self.hot_state(tenant, user, session, now).await;
        let live = hot.context.take();
        let mut pending = std::mem::take(&mut hot.pending);
        let subject = match (&query, &live) {
            (Some(query), live) => {
                let today = now.to_zoned(TimeZone::UTC).date();
                Some(Subject::read(query.as_str(), &speakers(live.as_ref()), today))
            }
            (None, live) => latest(live.as_ref(), &pending),
        };
        let times = subject.as_ref().map(|subject| around(&subject.times)).unwrap_or_default();
        let vector = self.vector_of(subject.as_ref()).await;
        let mut embedder_is_down = subject.is_some() && vector.is_none();
        let search = subject
            .as_ref()
            .map(|subject| Search { times: &times, ..self.search(&subject.words, vector.as_deref()) });
        let wanted = Hydrate {
            session_name: live
                .as_ref()
                .map(|context| context.session_name.as_str())
                .or(session)
                .or(hot.session.as_deref()),
            after: live.as_ref().map_or(0, |context| context.version),
            events: SessionContext::MOST_MESSAGES,
            active_events: ACTIVE_EVENTS,
            // What the session shows already is not shown again, so there have to be more.
            memories: USER_MEMORIES + 2 * SessionContext::MOST_MESSAGES,
            knowledge: GLOBAL_MEMORIES + USER_MEMORIES + 2 * SessionContext::MOST_MESSAGES,
            told: PROFILE_MEMORIES,
            active: SessionContext::MOST_MESSAGES,
            search: search.filter(|_| query.is_some()),
            related: search,
            hot_agent: HOT_AGENT,
        };
        // What hot state has is an answer already; without it there is none but the log's.
        let store = if live.is_some() || !pending.is_empty() {
            self.store.within(PATIENCE)
        } else {
            self.store.clone()
        };
        let (asked, ()) = join!(store.hydrate(tenant, user, &wanted), self.extend(tenant, user, &hot, now));
        let hydration = match asked {
            Ok(hydration) => Some(hydration),
            Err(error) if live.is_some() || !pending.is_empty() => {
                tracing::warn!(%error, "hydrated from hot state alone");
                None
            }
            Err(error) => return Err(postgres_is_down(&error)),
        };

        let known = hydration.as_ref().and_then(|hydration| hydration.session.as_ref());
        let state = State::of(live.is_some(), known, self.hot.lifetimes().session_context, now);
        let context = continued(tenant, user, live, hydration.as_ref());
        let put_back = async {
            if state == State::Lost
                && !hot.is_down
                && let Some(context) = &context
                && let Err(error) = self.hot.put_context(context, now).await
            {
                tracing::warn!(%error, "a lost context was not put back");
            }
        };
        // A session that only the log knew the name of, and what was said in it.
        let found_late = async {
            let name = context.as_ref().filter(|_| hot.session.is_none() && !hot.is_down);
            match name {
                Some(context) => Some(self.hot_state(tenant, user, Some(&context.session_name), now).await),
                None => None,
            }
        };
        let said =
            context.as_ref().filter(|_| subject.is_none()).and_then(|context| latest(Some(context), &[]));
        let (late_hot, late_related, ()) =
            join!(found_late, self.related_late(tenant, user, said.as_ref()), put_back);
        if let Some(late) = late_hot {
            hot.working_memory = late.working_memory;
            pending = late.pending;
        }
        let is_incomplete = late_related.as_ref().is_some_and(|late| late.is_degraded);
        embedder_is_down |= is_incomplete;

        let degraded = hot.is_down || embedder_is_down || hydration.is_none();
        let subject = subject.or(said).unwrap_or_default();
        let (summary, profile, scopes, related) = match hydration {
            None => (None, None, Scopes::default(), Vec::new()),
            Some(hydration) => {
                let found = late_related.map_or(hydration.related, |late| late.found);
                (
                    hydration.summary.clone(),
                    ProfileAnswer::of(hydration.profile, &hydration.told),
                    Scopes::merged(
                        hydration.summary.iter().chain(&hydration.active),
                        hydration.memories,
                        hydration.knowledge,
                        self.blend(),
                        now,
                    ),
                    past(found, &subject, self.blend(), context.as_ref()),
                )
            }
        };
        let (working_memory, working_memory_state) = WorkingMemoryState::of(hot.working_memory, state);
        let mut answer = HydrateAnswer {
            state,
            degraded,
            session: None,
            version: 0,
            working_memory,
            working_memory_state,
            recent_messages: Vec::new(),
            pending_messages: Vec::new(),
            active_entities: Vec::new(),
            pending_actions: Vec::new(),
            summary: summary.map(Into::into),
            profile,
            memories: scopes.user,
            knowledge: scopes.global,
            related,
        };
        if !pending.is_empty() {
            answer.session = hot.session;
        }
        if let Some(context) = context {
            pending.retain(|turn| !is_logged(turn, &context));
            answer.session = Some(context.session_name);
            answer.version = context.version;
            answer.recent_messages = context.recent_messages;
            answer.active_entities = context.active_entities;
            answer.pending_actions = context.pending_actions;
        }
        answer.pending_messages = pending;
        let shown = answer.memories.iter().chain(&answer.knowledge).map(MemoryAnswer::id);
        self.accesses.record(tenant, shown, now);
        Ok(answer)
    }

    /// Reading is activity: the working memory lives on.
    async fn extend(&self, tenant: &TenantId, user: &UserId, hot: &HotState, now: Timestamp) {
        if let (Some(session_name), Some(Kept::Live((revision, _)))) = (&hot.session, &hot.working_memory) {
            let key = DocumentKey { tenant, user, session_name, kind: DocumentKind::WorkingMemory };
            self.hot.extend_document(&key, revision, now).await;
        }
    }

    async fn vector_of(&self, subject: Option<&Subject>) -> Option<Vec<f32>> {
        self.embed(&subject?.meaning).await
    }

    /// The past that messages are about which only the log had: a round trip of its own.
    async fn related_late(&self, tenant: &TenantId, user: &UserId, said: Option<&Subject>) -> Option<Late> {
        let subject = said?;
        let vector = self.embed(&subject.meaning).await;
        let search = self.search(&subject.words, vector.as_deref());
        match self.store.related_events(tenant, user, &search).await {
            Ok(found) => Some(Late { found, is_degraded: vector.is_none() }),
            Err(error) => {
                tracing::warn!(%error, "hydrated without the past");
                Some(Late { found: Found::default(), is_degraded: true })
            }
        }
    }
}

struct Late {
    found: Found<RecalledEvent>,
    is_degraded: bool,
}

/// Who speaks in a session.
fn speakers(live: Option<&SessionContext>) -> Vec<String> {
    let messages = live.iter().flat_map(|context| &context.recent_messages);
    let mut speakers: Vec<String> = messages.filter_map(|message| message.speaker.clone()).collect();
    speakers.sort_unstable();
    speakers.dedup();
    speakers
}

/// What a session is about now: its latest messages, those on their way to the log included, the beginning of each.
fn latest(context: Option<&SessionContext>, pending: &[PendingTurn]) -> Option<Subject> {
    let logged = context.iter().flat_map(|context| &context.recent_messages).map(|message| &message.content);
    let contents: Vec<&String> = logged.chain(pending.iter().map(|turn| &turn.content)).collect();
    let texts: Vec<&str> = contents
        .into_iter()
        .rev()
        .take(LATEST_MESSAGES)
        .map(|content| content.get(..content.floor_char_boundary(LATEST_BYTES)).unwrap_or_default())
        .filter(|text| !text.trim().is_empty())
        .collect();
    let said = texts.join("\n");
    (!texts.is_empty()).then(|| Subject { words: said.clone(), meaning: said, ..Subject::default() })
}

/// Whether a turn that is shown as pending is among what the log is known to have: of the two, one may be cut.
fn is_logged(turn: &PendingTurn, context: &SessionContext) -> bool {
    context.recent_messages.iter().any(|message| {
        message.occurred_at == turn.occurred_at
            && message.role == turn.role
            && (message.content.starts_with(&turn.content) || turn.content.starts_with(&message.content))
    })
}

/// The best turns of the past, without those that are among the recent messages already.
fn past(
    found: Found<RecalledEvent>,
    question: &Subject,
    blend: Blend,
    context: Option<&SessionContext>,
) -> Vec<EventAnswer> {
    let is_recent = |event: &RecalledEvent| {
        context.is_some_and(|context| {
            context.session_name == event.session_name
                && context.recent_messages.iter().any(|message| message.version == event.version)
        })
    };
    let enough = RELATED_EVENTS + usize::from(SessionContext::MOST_MESSAGES);
    let ranked =
        rank_events(found, question, blend, enough).into_iter().filter(|ranked| !is_recent(&ranked.item));
    ranked.take(RELATED_EVENTS).map(Into::into).collect()
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
