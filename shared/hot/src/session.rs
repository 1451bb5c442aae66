use domain::{TenantId, UserId};
use jiff::Timestamp;

use crate::context::{SessionContext, read_context};
use crate::document::Document;
use crate::edit::Touched;
use crate::key::Key;
use crate::working::{Kept, Revision, look};
use crate::{Error, Hot, Read};

/// Everything that hot state knows of a session, but for its tools.
#[derive(Debug, Clone, PartialEq)]
pub struct HotSession {
    /// What is going on in it.
    pub context: Read<SessionContext>,
    /// What the application works on. Reading it like this does not extend its life: see [`Hot::extend_document`].
    pub working_memory: Kept<(Revision, Document)>,
}

impl Hot {
    /// The context and the working memory of a session, as the last writes left them, in one request.
    pub async fn session(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: &str,
        now: Timestamp,
    ) -> Result<HotSession, Error> {
        let context_key = Key::context(tenant, user, session_name);
        let working_key = Key::working_memory(tenant, user, session_name);
        let mut items = self.get_together(&[context_key.clone(), working_key.clone()]).await?;
        let context = items.remove(&context_key);
        let active_until = self.working_memory_until(context.as_ref());
        let working_memory = look(items.get(&working_key), &Touched::Whole, active_until, now);
        Ok(HotSession {
            context: read_context(context, now),
            working_memory: working_memory.map(|live| (live.revision, live.document)),
        })
    }
}
