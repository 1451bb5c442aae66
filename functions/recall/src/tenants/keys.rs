//! What is done to keys, and how it is shown.

use api::new_api_key;
use domain::{ApiKey, KeyScope, KeyScopes, TenantId};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::{ApiKeyRecord, MOST_KEYS, NewApiKey, Rotated};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{NewKeyAsked, RotationAsked};
use crate::Parts;
use crate::http::{Moment, Problem, postgres_is_down};

/// Said of a key whose copies could not be told that it ends.
const STILL_TAKEN: &str =
    "hot state did not answer: the replaced key may be taken for a day after its end; revoke it";

/// An API key, as it is known afterwards.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyShown {
    id: Uuid,
    name: String,
    /// How the key begins.
    hint: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<KeyScope>,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// When it was used last; may be some minutes old.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// The key whose place it takes.
    replaces: Option<Uuid>,
}

/// A tenant's API keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    keys: Vec<KeyShown>,
}

/// An API key that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyCreated {
    /// The key itself, shown this once.
    key: String,
    #[serde(flatten)]
    shown: KeyShown,
}

/// An API key that was made in the place of another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyRotated {
    #[serde(flatten)]
    made: KeyCreated,
    /// The key that ends.
    replaced: KeyShown,
    /// What is left to do, when something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

impl KeyShown {
    fn of(record: ApiKeyRecord, now: Timestamp) -> Self {
        let status = match (record.revoked_at, record.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(at)) if at <= now => "expired",
            _ => "active",
        };
        Self {
            status,
            id: record.id,
            name: record.name,
            hint: record.hint,
            scopes: record.scopes.iter().collect(),
            created_at: record.created_at,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
            last_used_at: record.last_used_at,
            replaces: record.replaces,
        }
    }
}

fn new_record(
    key: &ApiKey,
    name: &str,
    scopes: KeyScopes,
    expires_at: Option<Moment>,
    now: Timestamp,
) -> NewApiKey {
    NewApiKey {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        hint: key.hint().to_owned(),
        hash: key.hash(),
        scopes,
        created_at: now,
        expires_at: expires_at.map(|moment| moment.0),
    }
}

fn too_many() -> Problem {
    Problem::conflict("keys", format!("the tenant has {MOST_KEYS} keys that are not revoked, expected fewer"))
}

fn no_such_key() -> Problem {
    Problem::not_found("the tenant has no such key".to_owned())
}

fn failed(error: &store::Error) -> Problem {
    if error.names_unknown() {
        return Problem::not_found("there is no such tenant".to_owned());
    }
    postgres_is_down(error)
}

impl Parts {
    /// A tenant's keys.
    pub(crate) async fn list_keys(&self, tenant: &TenantId) -> Result<KeyList, Problem> {
        let keys = self.store.list_keys(tenant).await.map_err(|error| failed(&error))?;
        let now = (self.now)();
        Ok(KeyList { keys: keys.into_iter().map(|key| KeyShown::of(key, now)).collect() })
    }

    /// Makes a key for a tenant.
    pub(crate) async fn create_key(
        &self,
        tenant: &TenantId,
        asked: &NewKeyAsked,
    ) -> Result<KeyCreated, Problem> {
        let now = (self.now)();
        asked.check(now)?;
        let key = new_api_key()?;
        let scopes = asked.scopes.iter().copied().collect();
        let new = new_record(&key, asked.name.as_str(), scopes, asked.expires_at, now);
        let made = self.store.create_key(tenant, &new).await.map_err(|error| failed(&error))?;
        let made = made.ok_or_else(too_many)?;
        // Where the copy is missing, it is made when the key is used first.
        let _ = self.guard.keyring().publish_key(&new.hash, &made.grant(), now).await;
        Ok(KeyCreated { key: key.expose().to_owned(), shown: KeyShown::of(made, now) })
    }

    /// Revokes a key. The copies that are asked first go first: when Postgres does not follow, the key is refused and the
    /// request says so, and a repeat completes it.
    pub(crate) async fn revoke_key(&self, tenant: &TenantId, id: Uuid) -> Result<(), Problem> {
        let now = (self.now)();
        let found = self.store.find_key(tenant, id).await.map_err(|error| failed(&error))?;
        let (record, hash) = found.ok_or_else(no_such_key)?;
        let mut grant = record.grant();
        grant.valid_until = Some(grant.valid_until.map_or(now, |until| until.min(now)));
        self.guard.keyring().publish_key(&hash, &grant, now).await?;
        let revoked = self.store.revoke_key(tenant, id, now).await.map_err(|error| failed(&error))?;
        revoked.map(|_| ()).ok_or_else(no_such_key)
    }

    /// Makes a key in the place of another.
    pub(crate) async fn rotate_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        asked: &RotationAsked,
    ) -> Result<KeyRotated, Problem> {
        let now = (self.now)();
        asked.check(now)?;
        let key = new_api_key()?;
        let new = new_record(&key, "", KeyScopes::default(), asked.expires_at, now);
        let ends_at =
            now.checked_add(SignedDuration::from_secs(asked.overlap_seconds())).unwrap_or(Timestamp::MAX);
        let rotated = self.store.rotate_key(tenant, id, &new, ends_at).await;
        let rotation = match rotated.map_err(|error| failed(&error))? {
            Rotated::Done(rotation) => *rotation,
            Rotated::TooMany => return Err(too_many()),
            Rotated::Unknown => return Err(no_such_key()),
            Rotated::Ended => {
                return Err(Problem::conflict(
                    "id",
                    "the key is revoked or has expired, expected one that is not".to_owned(),
                ));
            }
        };
        let keyring = self.guard.keyring();
        // The new key is shown this once, so what goes wrong here does not keep it back.
        let shortened = keyring.publish_key(&rotation.hash, &rotation.replaced.grant(), now).await;
        let note = shortened.is_err().then_some(STILL_TAKEN);
        let _ = keyring.publish_key(&new.hash, &rotation.made.grant(), now).await;
        let made = KeyCreated { key: key.expose().to_owned(), shown: KeyShown::of(rotation.made, now) };
        Ok(KeyRotated { made, replaced: KeyShown::of(rotation.replaced, now), note })
    }
}
