use anyhow::{Result, ensure};
use domain::SessionId;
use testkit::TestDatabase;
use tokio_postgres::Client;

/// Sessions of the tenant `default` in which more and more is said.
pub(crate) struct Sessions {
    owner: Client,
    prefix: &'static str,
    count: i32,
}

impl Sessions {
    /// Sessions named after `prefix`, with one message each.
    pub(crate) async fn create(database: &TestDatabase, prefix: &'static str, count: usize) -> Result<Self> {
        let sessions = Self { owner: database.client().await?, prefix, count: i32::try_from(count)? };
        sessions.say_more(1).await?;
        Ok(sessions)
    }

    /// Adds so many messages to every session.
    pub(crate) async fn say_more(&self, messages: usize) -> Result<()> {
        self.owner
            .execute(
                "insert into afterthought.messages (user_id, session, role, content) \
                 select 'user-' || s % 50, $1 || '-' || s, 'user', \
                        'Could you move our meeting to Thursday? I promised Ada the report by then.' \
                 from generate_series(1, $2::int) s, generate_series(1, $3::int) m order by s, m",
                &[&self.prefix, &self.count, &i32::try_from(messages)?],
            )
            .await?;
        // What autovacuum would do on a server with more time.
        self.owner.batch_execute("analyze afterthought.session_events, afterthought.sessions").await?;
        Ok(())
    }

    /// Every session with its last version.
    pub(crate) async fn heads(&self) -> Result<Vec<(SessionId, i64)>> {
        let rows = self
            .owner
            .query(
                "select id, head_version from afterthought.sessions where session like $1 || '-%' order by id",
                &[&self.prefix],
            )
            .await?;
        Ok(rows.iter().map(|row| (SessionId(row.get(0)), row.get(1))).collect())
    }

    /// Fails unless these agents have thought about everything: a pass that did nothing would be a fast one.
    pub(crate) async fn check_cursors(&self, agents: &[&str]) -> Result<()> {
        let behind: i64 = self
            .owner
            .query_one(
                "select count(*) from afterthought.sessions s cross join unnest($2::text[]) as wanted (agent) \
                 left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = wanted.agent \
                 where s.session like $1 || '-%' and coalesce(c.through, 0) < s.head_version",
                &[&self.prefix, &agents],
            )
            .await?
            .get(0);
        ensure!(behind == 0, "{behind} sessions were not thought about");
        Ok(())
    }
}
