//! A Postgres of ours is taken away from a stack that runs, and given back.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use url::Url;

use super::{POSTGRES, Running};
use crate::chaos::processes::children;
use crate::guard::{Guarded, Post};
use crate::postgres::{self, Durability, Programs};

/// How long a shutdown may take.
const END_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// How the server process of Postgres ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A fast shutdown (`SIGINT`): connections are ended, and everything is written.
    Shutdown,
    /// `kill -9`: what was not written is lost, and the next start recovers.
    Kill,
}

/// What a server of ours is started from.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) programs: Programs,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) durability: Durability,
}

impl Running {
    /// Ends the server process of Postgres, and waits until nothing that it started is left. Until
    /// [`Self::start_postgres`] nobody listens on its port, and [`Self::check`] says that it has ended.
    pub async fn stop_postgres(&mut self, ending: Ending) -> Result<()> {
        let port = self.postgres_port()?;
        let (guarded, post) = self.postgres()?;
        let servers = children(guarded.pid())?;
        let server = servers.iter().find(|process| process.program == "postgres");
        let server = server
            .context("Postgres does not run as a process of ours: in a container it cannot be ended")?;
        let told = match ending {
            Ending::Shutdown => server.interrupt(),
            Ending::Kill => server.kill(),
        };
        ensure!(told, "Postgres had ended before it was told to");
        timeout(END_LIMIT, post.ended()).await.context("Postgres did not end")??;
        let answered = TcpStream::connect(("127.0.0.1", port)).await;
        ensure!(answered.is_err(), "somebody listens on port {port}, though Postgres has ended");
        Ok(())
    }

    /// Starts the Postgres that was stopped, over the data and on the port it had, and waits until it answers.
    pub async fn start_postgres(&mut self) -> Result<()> {
        let port = self.postgres_port()?;
        let cluster = self.cluster.take().context("the Postgres is not ours")?;
        let (guarded, post) = self.postgres()?;
        let Cluster { programs, data, log, durability } = &cluster;
        let started = postgres::start_again(post, programs, data, log, *durability, port).await?;
        // The guard of the server that ended has ended with it, and is waited for.
        let mut ended = std::mem::replace(guarded, started);
        while !ended.has_ended()? {
            sleep(POLL).await;
        }
        self.cluster = Some(cluster);
        Ok(())
    }

    fn postgres(&mut self) -> Result<(&mut Guarded, &Post)> {
        let part = self.parts.iter_mut().find(|(name, ..)| *name == POSTGRES);
        let (_, guarded, post) = part.context("the Postgres is not ours")?;
        Ok((guarded, post))
    }

    fn postgres_port(&self) -> Result<u16> {
        Url::parse(&self.endpoints.database_url)?.port().context("the database's URL names no port")
    }
}
