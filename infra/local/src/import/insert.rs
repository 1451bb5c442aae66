use anyhow::{Context, Result};
use jiff::Timestamp;
use tokio_postgres::Client;

use super::Session;

/// What an import has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Sessions read.
    pub sessions: u64,
    /// Turns read.
    pub turns: u64,
    /// Turns inserted; the others were there already.
    pub inserted: u64,
}

impl Imported {
    pub(super) fn add(&mut self, inserted: u64, session: &Session) {
        self.sessions += 1;
        self.turns += session.turns.len() as u64;
        self.inserted += inserted;
    }
}

/// Inserts a whole session in one transaction and answers how many of its turns were new.
pub(crate) async fn insert(client: &mut Client, session: &Session) -> Result<u64> {
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "insert into afterthought.tenants (tenant) values ($1) on conflict do nothing",
            &[&session.tenant],
        )
        .await?;
    let column = |text: fn(&super::Turn) -> Option<&str>| session.turns.iter().map(text).collect::<Vec<_>>();
    let occurred_at: Vec<Option<Timestamp>> = session.turns.iter().map(|turn| turn.occurred_at).collect();
    let inserted = transaction
        .execute(
            include_str!("../../queries/insert_session.sql"),
            &[
                &session.tenant,
                &session.user,
                &session.name,
                &column(|turn| Some(&turn.role)),
                &column(|turn| Some(&turn.content)),
                &column(|turn| turn.speaker.as_deref()),
                &occurred_at,
                &session.keys(),
            ],
        )
        .await
        .with_context(|| format!("session {:?} of {:?} was refused", session.name, session.user))?;
    transaction.commit().await?;
    Ok(inserted)
}
