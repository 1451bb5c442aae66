//! Taking everything of a user, or of a session, out of hot state.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{SessionId, TenantId, UserId};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::item::{Item, read_number};
use crate::key::{Key, escaped};
use crate::{Error, Hot};

/// So many items are deleted, and so many partitions read, at a time.
const AT_ONCE: usize = 16;
/// What says of an item when it is from.
const DATED: &str = "pk, sk, session_name, updated_at, active_at_milliseconds";

impl Hot {
    /// How many items there are of a user, or of one of their sessions.
    pub async fn count_items(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: Option<&str>,
    ) -> Result<u64, Error> {
        let keys = self.keys_of(&Key::user(tenant, user)).await?;
        let is_meant = |key: &&Key| session_name.is_none_or(|name| key.is_of_session(name));
        Ok(keys.iter().filter(is_meant).count() as u64)
    }

    /// How many items there are of a user, or of one of their sessions, that say they are from before a time or do not say, expired
    /// ones too.
    pub async fn count_left(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: Option<&str>,
        by: Timestamp,
    ) -> Result<u64, Error> {
        let items = self.items_of(&Key::user(tenant, user), DATED).await?;
        let is_meant = |item: &&Item| {
            let Some(key) = Key::of_item(item) else { return false };
            let is_of = |name| {
                let points_to = item.get("session_name").and_then(|name| name.as_s().ok());
                key.is_of_session(name) || key.is_latest_session() && points_to.is_some_and(|of| of == name)
            };
            session_name.is_none_or(is_of) && dated(&key, item).is_none_or(|at| at <= by)
        };
        Ok(items.iter().filter(is_meant).count() as u64)
    }

    /// Deletes every item of a user, and answers how many there were.
    pub async fn erase_user(&self, tenant: &TenantId, user: &UserId) -> Result<u64, Error> {
        let keys = self.keys_of(&Key::user(tenant, user)).await?;
        self.delete_all(keys).await
    }

    /// Deletes every item of one of a user's sessions, by its name, and answers how many there were. Which session was
    /// active last is asked of the log from then on, until the next message says so again.
    pub async fn erase_session(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: &str,
    ) -> Result<u64, Error> {
        let mut keys = self.keys_of(&Key::user(tenant, user)).await?;
        keys.retain(|key| key.is_of_session(session_name) || key.is_latest_session());
        self.delete_all(keys).await
    }

    /// Deletes what can be made again from the log of a user, or of one of their sessions: whoever had begun to before an
    /// erasure may have put it there after it. Answers how many items there were.
    pub async fn erase_derived(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: Option<&str>,
    ) -> Result<u64, Error> {
        self.erase_where(tenant, user, session_name, Key::is_derived).await
    }

    /// The same of these sessions of a user, however many they are.
    pub async fn erase_derived_of<'a>(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_names: impl Iterator<Item = &'a str>,
    ) -> Result<u64, Error> {
        let names: HashSet<String> = session_names.map(escaped).collect();
        if names.is_empty() {
            return Ok(0);
        }
        let mut keys = self.keys_of(&Key::user(tenant, user)).await?;
        keys.retain(|key| {
            let is_of_one = || key.session_escaped().is_some_and(|name| names.contains(name));
            key.is_derived() && (key.is_latest_session() || is_of_one())
        });
        self.delete_all(keys).await
    }

    /// What [`Hot::erase_derived`] deletes, and pending turns that had been accepted by then: a request may have shown them as late.
    pub async fn erase_late(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: Option<&str>,
        accepted_by: Timestamp,
    ) -> Result<u64, Error> {
        let is_late = |key: &Key| key.is_derived() || key.is_pending_by(accepted_by);
        self.erase_where(tenant, user, session_name, is_late).await
    }

    async fn erase_where(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: Option<&str>,
        is_meant: impl Fn(&Key) -> bool,
    ) -> Result<u64, Error> {
        let mut keys = self.keys_of(&Key::user(tenant, user)).await?;
        keys.retain(|key| {
            is_meant(key)
                && (key.is_latest_session() || session_name.is_none_or(|name| key.is_of_session(name)))
        });
        self.delete_all(keys).await
    }

    /// Deletes what is known by the identifiers of sessions, leases and memoised steps, and answers how many items there were.
    pub async fn erase_runs(&self, sessions: &[SessionId]) -> Result<u64, Error> {
        let partitions: Vec<String> = sessions.iter().copied().flat_map(Key::session_partitions).collect();
        let found: Vec<Vec<Key>> = stream::iter(partitions)
            .map(|partition| async move { self.keys_of(&partition).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        self.delete_all(found.into_iter().flatten().collect()).await
    }

    /// The keys of a partition, expired or not.
    async fn keys_of(&self, partition: &str) -> Result<Vec<Key>, Error> {
        Ok(self.items_of(partition, "pk, sk").await?.iter().filter_map(Key::of_item).collect())
    }

    /// These attributes of the items of a partition.
    async fn items_of(&self, partition: &str, attributes: &str) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
                .projection_expression(attributes)
                .set_exclusive_start_key(after)
                .consistent_read(true)
                .send()
                .await?;
            items.extend(answer.items.unwrap_or_default());
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                return Ok(items);
            }
        }
    }

    async fn delete_all(&self, keys: Vec<Key>) -> Result<u64, Error> {
        let count = keys.len() as u64;
        stream::iter(keys)
            .map(|key| async move {
                let request = self.client.delete_item().table_name(&self.table);
                request.set_key(Some(key.attributes())).send().await
            })
            .buffer_unordered(AT_ONCE)
            .try_for_each(|_deleted| async { Ok(()) })
            .await?;
        Ok(count)
    }
}

/// When an item is from, where it says so: when a turn was accepted, a document changed, or a session active.
fn dated(key: &Key, item: &Item) -> Option<Timestamp> {
    let text = item.get("updated_at").and_then(|at| at.as_s().ok()?.parse().ok());
    let number = || {
        let milliseconds =
            read_number(item, "updated_at").or_else(|| read_number(item, "active_at_milliseconds"));
        milliseconds.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
    };
    key.accepted_at().or(text).or_else(number)
}
