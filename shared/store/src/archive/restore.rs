use archive::Damage;
use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::keep::{IdleSession, idle_session};
use super::{INDEXER, Object};
use crate::{Erasing, Error, SessionPath, Store};

/// What came of a step of restoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// So many events have their words back.
    pub events: u64,
    /// Whether nothing of the session is in the archive any more.
    pub is_done: bool,
}

/// What came of giving events back what they held.
enum Given {
    /// So many have it back.
    Events(u64),
    /// Somebody else has done so.
    Before,
    /// The session is gone.
    ToNobody,
}

impl Store {
    /// Brings the events of one object back, the first of the session's, and deletes it. The agent that indexes events begins again
    /// where they are. For [`crate::Role::Keeper`]. None when the user has no such session.
    pub async fn restore_next(&self, path: SessionPath<'_>) -> Result<Option<Restored>, Error> {
        let Some(session) = self.session(path).await? else { return Ok(None) };
        self.restore_object(path.tenant, session.id).await.map(Some)
    }

    /// Sessions that somebody went on with after events of theirs went to the archive, in which something happened since a time.
    pub async fn sessions_to_restore(
        &self,
        tenant: &TenantId,
        since: Timestamp,
    ) -> Result<Vec<IdleSession>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../../queries/list_sessions_to_restore.sql")).await?;
        let values: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &since];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(idle_session).collect()
    }

    /// Brings back what an erasure has to read: what was said in sessions that go, where a memory that others may keep comes
    /// from it. What cannot be read is left, and taken for quoted: an archive that does not answer holds no erasure up.
    pub(crate) async fn restore_quoted(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasing: Erasing<'_>,
    ) -> Result<(), Error> {
        let name = match erasing {
            Erasing::Memory(_) => return Ok(()),
            Erasing::User => None,
            Erasing::Session(name) => Some(name),
        };
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../../queries/list_quoted_sessions.sql")).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &user.as_str(), &name];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        for row in &rows {
            let session = SessionId(row.try_get("session_id")?);
            loop {
                match self.restore_object(tenant, session).await {
                    Ok(restored) if restored.is_done => break,
                    Ok(_more) => {}
                    Err(Error::Archive(error)) if error.is_loss() => {
                        tracing::error!(%session, %error, "what cannot be read of an erased session is taken for quoted");
                        break;
                    }
                    // The others would not be had either, one wait after the other.
                    Err(error) if error.is_of_archive() => {
                        tracing::error!(%session, %error, "the archive does not answer, what it has of erased sessions is taken for quoted");
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    async fn restore_object(&self, tenant: &TenantId, session: SessionId) -> Result<Restored, Error> {
        let Some((object, is_last)) = self.first_object(tenant, session).await? else {
            return Ok(Restored { events: 0, is_done: true });
        };
        let archive = self.archive_of(session)?;
        let lines = match archive.read(&object.place(tenant), &object.checksum).await {
            Ok(lines) => lines,
            // Somebody else may have brought it back meanwhile.
            Err(error) if error.is_loss() => {
                let now = self.first_object(tenant, session).await?;
                if now.is_none_or(|(now, _)| now.id != object.id) {
                    return Ok(Restored { events: 0, is_done: false });
                }
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        let events = match self.give_words(tenant, &object, &lines).await? {
            Given::Events(events) => events,
            Given::Before => return Ok(Restored { events: 0, is_done: false }),
            Given::ToNobody => return Ok(Restored { events: 0, is_done: true }),
        };
        if let Err(error) = self.delete_object(tenant, &object).await {
            tracing::warn!(%error, object = %object.id, "an object that nothing stands for is deleted later");
        }
        Ok(Restored { events, is_done: is_last })
    }

    /// The first object of a session, and whether it is the only one.
    async fn first_object(
        &self,
        tenant: &TenantId,
        session: SessionId,
    ) -> Result<Option<(Object, bool)>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../../queries/list_archive_objects.sql")).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &session.0, &2_i64];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.first().map(|row| Ok((Object::read(row)?, rows.len() == 1))).transpose()
    }

    /// Gives events back what they held, and gives their object up.
    async fn give_words(
        &self,
        tenant: &TenantId,
        object: &Object,
        lines: &Vec<String>,
    ) -> Result<Given, Error> {
        let transaction = self.transaction(tenant).await?;
        let (lock, take, restore, mark) = try_join!(
            transaction.prepare(include_str!("../../queries/lock_session_to_restore.sql")),
            transaction.prepare(include_str!("../../queries/take_archive_object.sql")),
            transaction.prepare(include_str!("../../queries/restore_events.sql")),
            transaction.prepare(include_str!("../../queries/mark_restored.sql")),
        )?;
        let session: &(dyn ToSql + Sync) = &object.session.0;
        let objects: [&(dyn ToSql + Sync); 1] = [&object.id];
        let restored: [&(dyn ToSql + Sync); 2] = [session, lines];
        let marked: [&(dyn ToSql + Sync); 3] = [session, &object.first, &INDEXER];
        let ((), locked, taken) = try_join!(
            transaction.begin(),
            transaction.query(&lock, &restored[..1]),
            transaction.query(&take, &objects),
        )?;
        if locked.is_empty() {
            return transaction.leave(Given::ToNobody).await;
        }
        if taken.is_empty() {
            return transaction.leave(Given::Before).await;
        }
        let events = transaction.execute(&restore, &restored).await?;
        if events != lines.len() as u64 {
            transaction.leave(()).await?;
            return Err(Error::Archive(archive::Error::Damaged {
                place: format!("{} of session {}", object.id, object.session),
                damage: Damage::Content(format!("{events} of its {} lines are of events in it", lines.len())),
            }));
        }
        try_join!(transaction.execute(&mark, &marked), transaction.commit())?;
        transaction.end();
        Ok(Given::Events(events))
    }

    pub(super) async fn delete_object(&self, tenant: &TenantId, object: &Object) -> Result<(), Error> {
        self.archive_of(object.session)?.delete(&object.place(tenant)).await?;
        let transaction = self.transaction(tenant).await?;
        let delete = transaction.prepare(include_str!("../../queries/delete_archive_objects.sql")).await?;
        let ids: Vec<Uuid> = vec![object.id];
        let values: [&(dyn ToSql + Sync); 1] = [&ids];
        try_join!(transaction.begin(), transaction.execute(&delete, &values), transaction.commit())?;
        transaction.end();
        Ok(())
    }
}
