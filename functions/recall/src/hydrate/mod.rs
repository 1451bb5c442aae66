//! What it takes to go on with a conversation.

mod answer;
mod going_on;
mod hot;
mod pending;
mod people;
mod scopes;
mod state;

use std::time::Duration;

use ::hot::{PendingTurn, SessionContext};
use axum::extract::State as FromState;
use domain::{Memory, SessionName, TenantId, UserId};
use futures::join;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use store::{Found, Hydrate, Hydration, RecalledEvent, ScopeMemories, Search, Store};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::{HydrateAnswer, ProfileAnswer, WorkingMemoryState};
use self::going_on::GoingOn;
use self::pending::{keys, take_logged};
use self::scopes::{Brought, Scopes};
use crate::Parts;
use crate::http::{Answer, Caller, OfUser, PathOf, Problem, Query, Question, Shared, postgres_is_down};
use crate::search::{Blend, EventAnswer, MOST_MEMORY_CANDIDATES, MemoryAnswer, Subject, around, rank_events};

/// How many memories of the session, beside its summary, its entities and its open actions.
const SESSION_MEMORIES: u16 = 5;
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
        // What hot state has is an answer already; without it there is none but the log's.
        let has_answer = hot.context.is_some() || !hot.pending.is_empty();
        let store = if has_answer { self.store.within(PATIENCE) } else { self.store.clone() };
        let subject = match &query {
            Some(query) => Some(asked_about(&store, tenant, user, query, hot.context.as_ref(), now).await),
            None => latest(hot.context.as_ref(), &hot.pending),
        };
        let times = subject.as_ref().map(|subject| around(&subject.times)).unwrap_or_default();
        let vector = self.vector_of(subject.as_ref()).await;
        let mut embedder_is_down = subject.is_some() && vector.is_none();
        let search = subject
            .as_ref()
            .map(|subject| Search { times: &times, ..self.search(&subject.words, vector.as_deref()) });
        let (known, pending_keys) = (hot.session.clone(), keys(&hot.pending));
        let wanted = Hydrate {
            session: hot.continued(session, known.as_deref()),
            after: hot.context.as_ref().map_or(0, |context| context.version),
            events: SessionContext::MOST_MESSAGES,
            active_events: ACTIVE_EVENTS,
            kept: SESSION_MEMORIES,
            // What the session shows already is not shown again, so there have to be more.
            memories: USER_MEMORIES + 2 * SessionContext::MOST_MESSAGES,
            knowledge: GLOBAL_MEMORIES + USER_MEMORIES + 2 * SessionContext::MOST_MESSAGES,
            told: PROFILE_MEMORIES,
            active: SessionContext::MOST_MESSAGES,
            search: search.filter(|_| query.is_some()),
            related: search,
            hot_agent: HOT_AGENT,
            pending_keys: &pending_keys,
        };
        let (answered, ()) =
            join!(store.hydrate(tenant, user, &wanted), self.extend(tenant, user, &hot, now));
        let hydration = match answered {
            Ok(hydration) => Some(hydration),
            Err(error) if has_answer => {
                tracing::warn!(%error, "hydrated from hot state alone");
                None
            }
            Err(error) => return Err(postgres_is_down(&error)),
        };

        let logged =
            hydration.as_ref().map(|hydration| take_logged(&mut hot.pending, &hydration.logged_keys));
        let going_on = GoingOn::of(tenant, user, &mut hot, hydration.as_ref());
        // What the messages of a session are about that only the log knew of.
        let subject = subject.as_ref().filter(|_| query.is_some() || going_on.other.is_none());
        let said = subject.is_none().then(|| latest(going_on.context.as_ref(), &[])).flatten();
        let ((going_on, hot), late_related, ()) = join!(
            self.settle(tenant, user, going_on, hot, hydration.as_ref(), now),
            self.related_late(tenant, user, said.as_ref()),
            self.forget_pending(logged.as_deref().unwrap_or_default()),
        );
        embedder_is_down |= late_related.as_ref().is_some_and(|late| late.is_degraded);
        let mut degraded = hot.is_down || embedder_is_down || hydration.is_none();

        let (working_memory, working_memory_state) =
            WorkingMemoryState::of(hot.working_memory, going_on.state);
        let mut answer = HydrateAnswer {
            state: going_on.state,
            working_memory,
            working_memory_state,
            ..HydrateAnswer::default()
        };
        if let Some(hydration) = hydration {
            let Hydration { profile, summary, active, kept, memories, knowledge, told, related, .. } =
                hydration;
            let shown: Vec<&Memory> = summary.iter().chain(&active).chain(&kept).collect();
            let found = late_related.map_or(related, |late| late.found);
            let (scopes, is_whole) =
                self.scopes(tenant, user, &shown, (memories, knowledge), &wanted, now).await;
            degraded |= !is_whole;
            let nothing = Subject::default();
            let subject = subject.or(said.as_ref()).unwrap_or(&nothing);
            answer.related = past(found, subject, self.blend(), going_on.context.as_ref());
            (answer.memories, answer.knowledge) = (scopes.user, scopes.global);
            let kept_ids = kept.iter().map(|memory| memory.id);
            let ids = answer.memories.iter().chain(&answer.knowledge).map(MemoryAnswer::id).chain(kept_ids);
            self.accesses.record(tenant, ids, now);
            answer.profile = ProfileAnswer::of(profile, &told);
            answer.summary = summary.map(Into::into);
            answer.session_memories = kept.into_iter().map(Into::into).collect();
        }
        answer.degraded = degraded;
        answer.show(going_on.context, hot.session, hot.pending);
        Ok(answer)
    }

    /// The memories of the user and of the tenant that say what `shown` does not; and whether these are all there should
    /// be. When too many of those that were brought say the same, more are asked for.
    async fn scopes(
        &self,
        tenant: &TenantId,
        user: &UserId,
        shown: &[&Memory],
        (mut memories, mut knowledge): (ScopeMemories, ScopeMemories),
        wanted: &Hydrate<'_>,
        now: Timestamp,
    ) -> (Scopes, bool) {
        let mut wanted = Hydrate { related: None, pending_keys: &[], ..*wanted };
        loop {
            let scopes = Scopes::merged(
                shown.iter().copied(),
                Brought { memories, asked: wanted.memories },
                Brought { memories: knowledge, asked: wanted.knowledge },
                self.blend(),
                now,
            );
            if !scopes.is_short || wanted.memories >= MOST_MEMORY_CANDIDATES {
                return (scopes, true);
            }
            let more = |asked: u16| asked.saturating_mul(4).min(MOST_MEMORY_CANDIDATES);
            wanted.memories = more(wanted.memories);
            wanted.knowledge = more(wanted.knowledge);
            (memories, knowledge) = match self.store.hydrate(tenant, user, &wanted).await {
                Ok(Hydration { memories, knowledge, .. }) => (memories, knowledge),
                Err(error) => {
                    tracing::warn!(%error, "hydrated with fewer memories than there are");
                    return (scopes, false);
                }
            };
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

/// What a question is about. Who has spoken lately tells whom it may name.
async fn asked_about(
    store: &Store,
    tenant: &TenantId,
    user: &UserId,
    query: &Question,
    live: Option<&SessionContext>,
    now: Timestamp,
) -> Subject {
    let speakers = match live {
        Some(context) => speakers(context),
        None => store.speakers(tenant, user).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a question is read without knowing who has spoken");
            Vec::new()
        }),
    };
    Subject::read(query.as_str(), &speakers, now.to_zoned(TimeZone::UTC).date())
}

/// Who speaks in a session.
fn speakers(context: &SessionContext) -> Vec<String> {
    let mut speakers: Vec<String> =
        context.recent_messages.iter().filter_map(|message| message.speaker.clone()).collect();
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
