use std::fmt::Write as _;

use domain::{SessionId, TenantId};
use jiff::Timestamp;
use object_store::path::Path;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Which object it is. Its key says whose it is by identifiers and a digest alone, so that no name stays in the lists and
/// logs of whoever keeps the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The session.
    pub session: SessionId,
    /// The object's own identifier: nothing is ever written in its place.
    pub id: Uuid,
    /// The first version in it.
    pub first: i64,
    /// The last one.
    pub last: i64,
}

impl Place<'_> {
    /// `<tenant>/<session>/<first>-<last>-<id>.jsonl.gz`.
    pub(crate) fn path(&self, prefix: &Path) -> Path {
        let Self { id, first, last, .. } = self;
        folder(prefix, self.tenant, self.session).join(format!("{first:010}-{last:010}-{id}.jsonl.gz"))
    }
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The session.
    pub session: SessionId,
    /// The object's own identifier.
    pub id: Uuid,
    /// The first version in it.
    pub first: i64,
    /// The last one.
    pub last: i64,
    /// When it was written.
    pub written_at: Timestamp,
}

impl Found {
    /// Which object it is.
    pub const fn place<'a>(&self, tenant: &'a TenantId) -> Place<'a> {
        Place { tenant, session: self.session, id: self.id, first: self.first, last: self.last }
    }

    /// What a key says that follows the tenant's, if it is one of an object.
    pub(crate) fn read(key: &str, written_at: Timestamp) -> Option<Self> {
        let (session, name) = key.split_once('/')?;
        let mut parts = name.strip_suffix(".jsonl.gz")?.splitn(3, '-');
        let (first, last) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (session, id) = (SessionId(session.parse().ok()?), parts.next()?.parse().ok()?);
        Some(Self { session, id, first, last, written_at })
    }
}

/// Where the objects of a session are.
pub(crate) fn folder(prefix: &Path, tenant: &TenantId, session: SessionId) -> Path {
    tenant_folder(prefix, tenant).join(session.to_string())
}

/// Where the objects of a tenant are. It is known by half of the SHA-256 of its name.
pub(crate) fn tenant_folder(prefix: &Path, tenant: &TenantId) -> Path {
    let digest = Sha256::digest(tenant.as_str());
    let known_by = digest.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    });
    prefix.clone().join(known_by)
}
