//! API keys: made, listed, shortened, revoked, and found by their hash.

use domain::{KeyGrant, KeyHash, KeyScope, KeyScopes, TenantId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store};

/// A key, without what it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The key.
    pub id: Uuid,
    /// For whom it acts.
    pub tenant: TenantId,
    /// What it is called.
    pub name: String,
    /// How it begins.
    pub hint: String,
    /// What it may do.
    pub scopes: KeyScopes,
    /// The key it was made to take the place of.
    pub replaces: Option<Uuid>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, as far as that is written down.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKeyRecord {
    /// What it stands for.
    pub fn grant(&self) -> KeyGrant {
        let valid_until = match (self.expires_at, self.revoked_at) {
            (Some(expires), Some(revoked)) => Some(expires.min(revoked)),
            (expires, revoked) => expires.or(revoked),
        };
        KeyGrant { id: self.id, tenant: self.tenant.clone(), scopes: self.scopes.clone(), valid_until }
    }
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its id.
    pub id: Uuid,
    /// What it is called, 1 to 200 bytes without control characters.
    pub name: String,
    /// How it begins.
    pub hint: String,
    /// What it is known by.
    pub hash: KeyHash,
    /// What it may do, one scope at least.
    pub scopes: KeyScopes,
    /// When it is made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

/// How a rotation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The new key is there, and the one it replaces ends.
    Done(Box<Rotation>),
    /// The tenant has [`MOST_KEYS`] already.
    TooMany,
    /// There is no such key.
    Unknown,
    /// The key is revoked or has expired.
    Ended,
}

/// A key that takes the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The new key.
    pub made: ApiKeyRecord,
    /// The one it replaces.
    pub replaced: ApiKeyRecord,
    /// What that one is known by.
    pub hash: KeyHash,
}

/// How many keys that are not revoked a tenant has at most.
pub const MOST_KEYS: i64 = 100;

impl Store {
    /// Makes a key, in one round trip; `None` when the tenant has [`MOST_KEYS`] already. A tenant that is not there is an
    /// error that [`Error::names_unknown`].
    pub async fn create_key(
        &self,
        tenant: &TenantId,
        new: &NewApiKey,
    ) -> Result<Option<ApiKeyRecord>, Error> {
        let transaction = self.transaction(tenant).await?;
        let insert = transaction.prepare(include_str!("../queries/insert_api_key.sql")).await?;
        let (tenant, scopes) = (tenant.as_str(), names(&new.scopes));
        let hash = new.hash.as_bytes().as_slice();
        let replaces: Option<Uuid> = None;
        let values: [&(dyn ToSql + Sync); 10] = [
            &new.id, &tenant, &new.name, &new.hint, &hash, &scopes, &replaces, &new.created_at,
            &new.expires_at, &MOST_KEYS,
        ];
        let ((), made, ()) =
            try_join!(transaction.begin(), transaction.query(&insert, &values), transaction.commit())?;
        transaction.end();
        made.first().map(record).transpose()
    }

    /// The keys of a tenant, the newest first: all that are not revoked, and the 100 that were revoked last.
    pub async fn list_keys(&self, tenant: &TenantId) -> Result<Vec<ApiKeyRecord>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_api_keys.sql")).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&tenant.as_str()];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(record).collect()
    }

    /// One key of a tenant, and what it is known by.
    pub async fn find_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
    ) -> Result<Option<(ApiKeyRecord, KeyHash)>, Error> {
        let transaction = self.transaction(tenant).await?;
        let find = transaction.prepare(include_str!("../queries/find_tenant_key.sql")).await?;
        let values: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &id];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit())?;
        transaction.end();
        rows.first().map(|row| Ok((record(row)?, hash(row)?))).transpose()
    }

    /// Revokes a key; one that is revoked already keeps its time. `None` when the tenant has no such key.
    pub async fn revoke_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<ApiKeyRecord>, Error> {
        let transaction = self.transaction(tenant).await?;
        let revoke = transaction.prepare(include_str!("../queries/revoke_api_key.sql")).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &id, &now];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&revoke, &values), transaction.commit())?;
        transaction.end();
        rows.first().map(record).transpose()
    }

    /// Makes a key of the same scopes and name in the place of another, which ends at `ends_at` if it does not before; both
    /// or neither.
    ///
    /// `new.name` and `new.scopes` are not looked at.
    pub async fn rotate_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        new: &NewApiKey,
        ends_at: Timestamp,
    ) -> Result<Rotated, Error> {
        let transaction = self.transaction(tenant).await?;
        let (find, shorten, insert) = try_join!(
            transaction.prepare(include_str!("../queries/find_tenant_key.sql")),
            transaction.prepare(include_str!("../queries/shorten_api_key.sql")),
            transaction.prepare(include_str!("../queries/insert_api_key.sql")),
        )?;
        let (tenant, now) = (tenant.as_str(), new.created_at);
        let find_values: [&(dyn ToSql + Sync); 2] = [&tenant, &id];
        let shorten_values: [&(dyn ToSql + Sync); 4] = [&tenant, &id, &ends_at, &now];
        let ((), shortened, found) = try_join!(
            transaction.begin(),
            transaction.query(&shorten, &shorten_values),
            transaction.query(&find, &find_values),
        )?;
        let Some(row) = shortened.first() else {
            let outcome = if found.is_empty() { Rotated::Unknown } else { Rotated::Ended };
            return transaction.leave(outcome).await;
        };
        let (replaced, replaced_hash) = (record(row)?, hash(row)?);
        let scopes = names(&replaced.scopes);
        let hash = new.hash.as_bytes().as_slice();
        let replaces = Some(id);
        let values: [&(dyn ToSql + Sync); 10] = [
            &new.id, &tenant, &replaced.name, &new.hint, &hash, &scopes, &replaces, &now, &new.expires_at,
            &MOST_KEYS,
        ];
        let made = transaction.query(&insert, &values).await?;
        let Some(row) = made.first() else { return transaction.leave(Rotated::TooMany).await };
        let made = record(row)?;
        transaction.commit().await?;
        transaction.end();
        Ok(Rotated::Done(Box::new(Rotation { made, replaced, hash: replaced_hash })))
    }

    /// What the key with this hash stands for, whosever it is; ended or not.
    pub async fn key_grant(&self, hash: &KeyHash) -> Result<Option<KeyGrant>, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../queries/find_key_grant.sql")).await?;
        let rows = connection.query(&find, &[&hash.as_bytes().as_slice()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id = row.try_get("id")?;
        Ok(Some(KeyGrant {
            id,
            tenant: tenant_of(row, id)?,
            scopes: scopes_of(row, id)?,
            valid_until: row.try_get("valid_until")?,
        }))
    }

    /// Notes when keys of a tenant were used last, each named once, in one round trip. A moment before the one that is
    /// there changes nothing.
    pub async fn record_key_uses(&self, tenant: &TenantId, uses: &[(Uuid, Timestamp)]) -> Result<(), Error> {
        let transaction = self.transaction(tenant).await?;
        let record = transaction.prepare(include_str!("../queries/record_key_uses.sql")).await?;
        let (ids, times): (Vec<Uuid>, Vec<Timestamp>) = uses.iter().copied().unzip();
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &ids, &times];
        let ((), _, ()) =
            try_join!(transaction.begin(), transaction.execute(&record, &values), transaction.commit())?;
        transaction.end();
        Ok(())
    }
}

fn names(scopes: &KeyScopes) -> Vec<&'static str> {
    scopes.iter().map(KeyScope::as_str).collect()
}

fn record(row: &Row) -> Result<ApiKeyRecord, Error> {
    let id = row.try_get("id")?;
    Ok(ApiKeyRecord {
        id,
        tenant: tenant_of(row, id)?,
        name: row.try_get("name")?,
        hint: row.try_get("hint")?,
        scopes: scopes_of(row, id)?,
        replaces: row.try_get("replaces")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        last_used_at: row.try_get("last_used_at")?,
    })
}

fn tenant_of(row: &Row, id: Uuid) -> Result<TenantId, Error> {
    TenantId::new(row.try_get::<_, String>("tenant")?).map_err(|error| unknown("tenant", id, error.got))
}

fn scopes_of(row: &Row, id: Uuid) -> Result<KeyScopes, Error> {
    let names: Vec<&str> = row.try_get("scopes")?;
    let read =
        |name: &&str| KeyScope::from_name(name).ok_or_else(|| unknown("scopes", id, (*name).to_owned()));
    names.iter().map(read).collect()
}

fn hash(row: &Row) -> Result<KeyHash, Error> {
    let bytes: &[u8] = row.try_get("hash")?;
    let id = row.try_get("id")?;
    bytes.try_into().map(KeyHash::new).map_err(|_other_length| unknown("hash", id, "no SHA-256".to_owned()))
}

fn unknown(column: &'static str, id: Uuid, got: String) -> Error {
    Error::Stored { table: "api_keys", column, key: id.to_string(), got }
}
