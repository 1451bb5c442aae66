use domain::{Envelope, SessionId, TenantId, UserId, WakeUp};
use jiff::{SignedDuration, Timestamp};
use store::{Counts, Erasing, GoneSession, Receipt, Store};
use uuid::Uuid;

use super::answer::{ErasureAnswer, ErasuresAnswer};
use super::request::ErasuresAsked;
use crate::Parts;
use crate::http::{Problem, postgres_is_down};

/// How long a request goes on clearing away; what is left then is the janitor's.
const CLEARING: SignedDuration = SignedDuration::from_secs(5);
/// How many rows of a kind are cleared away at a time.
const ROWS_AT_ONCE: u32 = 5_000;
/// How many objects of the archive are deleted before the time is looked at.
const OBJECTS_AT_ONCE: u32 = 20;
/// Of so many sessions leases and memoised steps are deleted at once, which nobody sees; those of the others by the janitor.
const SESSIONS_AT_ONCE: usize = 200;

impl Parts {
    /// The database, for what agents may not do.
    pub(crate) fn keeper(&self) -> Result<&Store, Problem> {
        self.keeper.as_ref().ok_or_else(|| Problem::unavailable("the database"))
    }

    /// What would go, counted.
    pub(super) async fn count_erasable(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasing: Erasing<'_>,
    ) -> Result<ErasureAnswer, Problem> {
        let found = self.keeper()?.erasable(tenant, user, erasing).await;
        let found = found.map_err(|error| failed(&error))?.ok_or_else(unknown_memory)?;
        let mut counts = found.counts;
        let items = match erasing {
            Erasing::User => self.hot.count_items(tenant, user, None).await,
            Erasing::Session(name) => self.hot.count_items(tenant, user, Some(name)).await,
            Erasing::Memory(_) => Ok(0),
        };
        counts.add("hot_items", whole(items.map_err(|error| hot_is_down(&error))?));
        Ok(ErasureAnswer::dry(erasing, counts))
    }

    /// Erases: in Postgres and in hot state at once, what hangs off it as far as there is time, the rest by the janitor.
    pub(super) async fn erase(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasing: Erasing<'_>,
    ) -> Result<ErasureAnswer, Problem> {
        let keeper = self.keeper()?;
        let agents: Vec<&str> = self.agents.iter().map(String::as_str).collect();
        let erased = keeper.erase(tenant, user, erasing, &agents).await;
        let erased = erased.map_err(|error| failed(&error))?.ok_or_else(unknown_memory)?;
        let Receipt { id, completed_at, .. } = erased.receipt;
        // Told before anything else, so that it goes on should this not.
        self.tell_janitor().await;
        let items = self.erase_hot(tenant, user, erasing, &erased.sessions).await;
        let items = items.map_err(|error| hot_is_down(&error))?;
        if completed_at.is_none() {
            self.clear(keeper, tenant, id, items).await;
        }
        let receipt = keeper.erasure(tenant, user, id).await.map_err(|error| failed(&error))?;
        Ok(receipt.unwrap_or(erased.receipt).into())
    }

    async fn erase_hot(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasing: Erasing<'_>,
        sessions: &[GoneSession],
    ) -> Result<u64, hot::Error> {
        let mut items = match erasing {
            Erasing::User => self.hot.erase_user(tenant, user).await?,
            Erasing::Session(name) => self.hot.erase_session(tenant, user, name).await?,
            Erasing::Memory(_) => {
                let names = sessions.iter().map(|session| session.name.as_str());
                self.hot.erase_derived_of(tenant, user, names).await?
            }
        };
        let ids: Vec<SessionId> = sessions.iter().take(SESSIONS_AT_ONCE).map(|session| session.id).collect();
        items += self.hot.erase_runs(&ids).await?;
        Ok(items)
    }

    /// Clears away for a few seconds. What fails here is done by the janitor.
    async fn clear(&self, keeper: &Store, tenant: &TenantId, erasure: Uuid, items: u64) {
        let mut counts = Counts::default();
        counts.add("hot_items", whole(items));
        let until = (self.now)().saturating_add(CLEARING).unwrap_or(Timestamp::MAX);
        let clearing = async {
            keeper.count_erased(tenant, erasure, &counts).await?;
            while (self.now)() < until
                && keeper.clear_erased_archive(tenant, erasure, OBJECTS_AT_ONCE).await? > 0
            {}
            while (self.now)() < until && !keeper.purge_erased(tenant, erasure, ROWS_AT_ONCE).await?.is_done {
            }
            Ok::<_, store::Error>(())
        };
        if let Err(error) = clearing.await {
            tracing::warn!(%erasure, %error, "what was erased is left for the janitor to clear away");
        }
    }

    async fn tell_janitor(&self) {
        let Some(janitor) = &self.janitor else { return };
        let tick = Envelope::first(WakeUp::Tick, (self.now)());
        if let Err(error) = janitor.publisher.publish(&janitor.queue_url, &[tick]).await {
            tracing::warn!(%error, "the janitor was not told of an erasure, its schedule finds it");
        }
    }

    pub(super) async fn show_erasure(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasure: Uuid,
    ) -> Result<ErasureAnswer, Problem> {
        let found = self.store.erasure(tenant, user, erasure).await.map_err(|error| failed(&error))?;
        let unknown = || Problem::not_found("there is no such erasure of this user".to_owned());
        found.map(Into::into).ok_or_else(unknown)
    }

    pub(super) async fn list_erasures(
        &self,
        tenant: &TenantId,
        asked: &ErasuresAsked,
    ) -> Result<ErasuresAnswer, Problem> {
        let limit = asked.limit();
        let after = asked.after.map(|cursor| cursor.0);
        // One more than wanted tells whether there is a next page.
        let found = self.store.erasures(tenant, after, asked.open, limit + 1).await;
        Ok(ErasuresAnswer::of(found.map_err(|error| failed(&error))?, limit))
    }
}

fn whole(items: u64) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

fn unknown_memory() -> Problem {
    Problem::not_found("this user has no such memory".to_owned())
}

fn failed(error: &store::Error) -> Problem {
    if error.names_unknown() {
        return Problem::not_found("there is no such tenant".to_owned());
    }
    postgres_is_down(error)
}

fn hot_is_down(error: &hot::Error) -> Problem {
    tracing::error!(%error, "hot state was not erased");
    Problem::unavailable("the hot state")
}
