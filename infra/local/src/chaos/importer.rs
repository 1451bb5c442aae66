//! Inserts a plan, whatever becomes of its connection.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::conversations::Plan;
use crate::database::connect;
use crate::import::{self, Session};

const MOST_ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(200);

/// When chunks are inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At their times.
    AsPlanned,
    /// One after the other.
    AtOnce,
}

/// Inserts every chunk of a plan in its order, each in a transaction of its own, and again when its connection was lost:
/// the keys of the turns make that harmless. Answers how many connections were lost.
pub async fn import(database_url: &str, plan: &Plan, pace: Pace) -> Result<u64> {
    let started = Instant::now();
    let mut inserter = Inserter { database_url, client: None, lost: 0 };
    for chunk in &plan.chunks {
        if pace == Pace::AsPlanned {
            tokio::time::sleep_until(started + chunk.at).await;
        }
        inserter.insert(&chunk.session).await?;
    }
    Ok(inserter.lost)
}

struct Inserter<'a> {
    database_url: &'a str,
    client: Option<Client>,
    lost: u64,
}

impl Inserter<'_> {
    async fn insert(&mut self, session: &Session) -> Result<()> {
        let mut last = None;
        for _ in 0..MOST_ATTEMPTS {
            match self.attempt(session).await {
                Ok(()) => return Ok(()),
                Err(error) if is_lost_connection(&error) => {
                    self.client = None;
                    self.lost += 1;
                    last = Some(error);
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.context("no attempt was made")?.context("the connection was lost again and again"))
    }

    async fn attempt(&mut self, session: &Session) -> Result<()> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(connect(self.database_url).await?),
        };
        import::insert(client, session).await?;
        Ok(())
    }
}

/// Whether the server or the way to it is to blame, and not what was sent.
fn is_lost_connection(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<tokio_postgres::Error>()).any(|error| {
        match error.code() {
            None => true,
            Some(code) => *code == SqlState::ADMIN_SHUTDOWN,
        }
    })
}
