//! Whether everything of a user, or of one of their sessions, is gone: in every table, in hot state, among dead letters and in the
//! archive.

use std::collections::{BTreeMap, HashSet};

use domain::{Envelope, SessionId, SessionName, TenantId, UserId, WakeUp};
use futures::future::try_join_all;
use jiff::Timestamp;
use queue::{Addressed, DeadLetter, NotLookedThrough};
use serde::{Deserialize, Serialize};
use store::{Counts, Store};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use crate::http::{Problem, postgres_is_down};

/// So many dead letters of a queue are looked at.
const MOST_LETTERS: usize = 2_000;
/// So many keys of the archive are looked at.
const MOST_KEYS: usize = 10_000;

/// Whose erasure is verified.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VerifyAsked {
    /// The tenant.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    tenant: TenantId,
    /// The user.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    user: UserId,
    /// The session, when it alone was erased.
    #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
    session: Option<SessionName>,
}

/// What is left of what was erased.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verified {
    /// Whether nothing is left, and everything was looked at.
    is_clean: bool,
    /// When it was erased last.
    erased_at: Option<Timestamp>,
    /// How many rows, items, letters and objects of each layer are left.
    left: BTreeMap<String, i64>,
    /// Layers of which there is more than was looked at.
    cut: Vec<&'static str>,
}

/// What dead letters are about.
#[derive(Default)]
struct Letters {
    /// How many are about what was erased.
    left: i64,
    /// The sessions that others name.
    sessions: Vec<SessionId>,
    is_cut: bool,
}

impl VerifyAsked {
    /// Takes a dead letter of an agent into account: one that is about what was erased, or names a session.
    fn note(&self, letter: &DeadLetter, erased_at: Timestamp, letters: &mut Letters) {
        let Ok(Envelope { wake_up, first_sent_at, .. }) = Envelope::parse(&letter.body) else { return };
        match wake_up {
            WakeUp::Session { tenant, session, .. }
            | WakeUp::Window { tenant, session, .. }
            | WakeUp::Memories { tenant, session } => {
                if tenant == self.tenant {
                    letters.sessions.push(session);
                }
            }
            WakeUp::User { tenant, user } | WakeUp::TickRest { tenant, user } => {
                let is_theirs = self.session.is_none() && tenant == self.tenant && user == self.user;
                letters.left += i64::from(is_theirs && first_sent_at <= erased_at);
            }
            WakeUp::Tick | WakeUp::Endpoint { .. } => {}
        }
    }

    /// Whether a dead letter of what was accepted is of what was erased.
    fn is_of(&self, letter: &DeadLetter, erased_at: Timestamp) -> bool {
        Addressed::read(&letter.body).is_some_and(|whose| {
            whose.tenant == self.tenant
                && whose.user == self.user
                && self.session.as_ref().is_none_or(|session| session.as_str() == whose.session)
                && whose.was_there_by(erased_at)
        })
    }
}

impl Admin {
    /// Looks everywhere for what is left of what was erased.
    pub(super) async fn verify_erasure(
        &self,
        keeper: Option<&Store>,
        asked: VerifyAsked,
    ) -> Result<Verified, Problem> {
        let keeper = keeper.ok_or_else(|| Problem::unavailable("the database"))?;
        let VerifyAsked { tenant, user, session } = &asked;
        let session = session.as_ref().map(SessionName::as_str);
        let down = |error: store::Error| postgres_is_down(&error);
        let verified = keeper.verify_erasure(tenant, user, session).await.map_err(down)?;
        let (mut left, mut cut) = (verified.left, Vec::new());
        // Of what was never erased, everything is there.
        if let Some(erased_at) = verified.erased_at {
            let items = self.hot.count_left(tenant, user, session, erased_at).await.map_err(|error| {
                tracing::error!(%error, "hot state was not looked through");
                Problem::unavailable("the hot state")
            })?;
            left.add("hot_items", i64::try_from(items).unwrap_or(i64::MAX));
            let letters = self.letters_about(&asked, erased_at).await.map_err(|error| {
                tracing::error!(%error, "dead letters were not looked through");
                Problem::unavailable("a queue of dead letters")
            })?;
            let missing = keeper.missing_sessions(tenant, &letters.sessions).await.map_err(down)?;
            let of_missing = letters.sessions.iter().filter(|session| missing.contains(session)).count();
            left.add("dead_letters", letters.left + i64::try_from(of_missing).unwrap_or(i64::MAX));
            let (objects, is_whole) =
                keeper.count_objects_of_missing(tenant, MOST_KEYS).await.map_err(down)?;
            left.add("archive_objects_of_nobody", i64::try_from(objects).unwrap_or(i64::MAX));
            cut.extend(letters.is_cut.then_some("dead_letters"));
            cut.extend((!is_whole).then_some("archive_objects_of_nobody"));
        }
        let Counts(left) = left;
        Ok(Verified { is_clean: left.is_empty() && cut.is_empty(), erased_at: verified.erased_at, left, cut })
    }

    /// What the dead letters of every agent and of the ingester are about.
    async fn letters_about(
        &self,
        asked: &VerifyAsked,
        erased_at: Timestamp,
    ) -> Result<Letters, NotLookedThrough> {
        let queues: HashSet<String> =
            self.routes.all().filter_map(|(agent, _)| self.routes.dead_letters(agent)).collect();
        let of_agents = queues.iter().map(async |queue| {
            let mut letters = Letters::default();
            let look = |letter: &DeadLetter| asked.note(letter, erased_at, &mut letters);
            let looked = self.publisher.look_at_letters(queue, MOST_LETTERS, look).await?;
            Ok(Letters { is_cut: looked.is_cut, ..letters })
        });
        let of_ingester = async {
            let mut letters = Letters::default();
            let Some(queues) = &self.ingest else { return Ok(letters) };
            let look = |letter: &DeadLetter| letters.left += i64::from(asked.is_of(letter, erased_at));
            let looked = self.publisher.look_at_letters(&queues.dead_letters, MOST_LETTERS, look).await?;
            Ok(Letters { is_cut: looked.is_cut, ..letters })
        };
        let (of_agents, of_ingester) = futures::try_join!(try_join_all(of_agents), of_ingester)?;
        let add = |sum: Letters, letters: Letters| Letters {
            left: sum.left + letters.left,
            sessions: [sum.sessions, letters.sessions].concat(),
            is_cut: sum.is_cut || letters.is_cut,
        };
        Ok(of_agents.into_iter().fold(of_ingester, add))
    }
}
