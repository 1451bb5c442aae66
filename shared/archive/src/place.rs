use std::fmt::Write as _;

use domain::{SessionId, TenantId};
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

/// Where the objects of a session are. A tenant is known by half of the SHA-256 of its name.
pub(crate) fn folder(prefix: &Path, tenant: &TenantId, session: SessionId) -> Path {
    let digest = Sha256::digest(tenant.as_str());
    let known_by = digest.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    });
    prefix.clone().join(known_by).join(session.to_string())
}
