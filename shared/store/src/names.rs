use std::collections::HashMap;

use domain::{SessionId, UserId};
use uuid::Uuid;

use crate::target::checked_user;
use crate::{Error, Store};

impl Store {
    /// The user and the name of each of these sessions, as the application knows them; a session that does not exist is
    /// not in the answer. For [`crate::Role::Operator`].
    pub async fn session_names(
        &self,
        sessions: &[SessionId],
    ) -> Result<HashMap<SessionId, (UserId, String)>, Error> {
        let sessions: Vec<Uuid> = sessions.iter().map(|session| session.0).collect();
        let connection = self.connection().await?;
        let read = connection
            .prepare("select id, user_id, session from afterthought.sessions where id = any($1)")
            .await?;
        let rows = connection.query(&read, &[&sessions]).await?;
        rows.iter()
            .map(|row| {
                let id: Uuid = row.try_get("id")?;
                let user = checked_user(row.try_get("user_id")?, "sessions", &id)?;
                Ok((SessionId(id), (user, row.try_get("session")?)))
            })
            .collect()
    }
}
