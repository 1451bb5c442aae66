use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use archive::Archive;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use domain::TenantId;
use futures::future::{BoxFuture, try_join};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row, Statement, ToStatement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{DatabaseConfig, Error, client_config};

/// How much longer than the one who asks the server keeps at a statement: nobody waits for its answer any more, and
/// whoever asks has never to tell one that was ended here from one that was ended there.
const SERVER_GRACE: Duration = Duration::from_secs(5);

/// The group role a store acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The functions: rows of the tenant named in the transaction.
    Agent,
    /// The replication reader: positions of all tenants, never content.
    Reader,
    /// Whoever runs the deployment: positions, runs, ledger and holds of all tenants, never content.
    Operator,
    /// Whoever erases and clears away: rows of the tenant named in the transaction, which it may delete.
    Keeper,
    /// Whoever reads the rows of adopted tables, and of those the columns that are named.
    Adopter,
    /// Whoever the URL logs in as: migrations and the developer tool.
    Login,
}

impl Role {
    /// Start-up options that take the role on before the first statement. Plans are made for the values at hand:
    /// a plan kept for one tenant's numbers can be wrong by orders of magnitude for the next. Compiling such a plan
    /// would cost a search more than running it.
    const fn options(self) -> &'static str {
        match self {
            Self::Agent => "-c role=afterthought_agent -c plan_cache_mode=force_custom_plan -c jit=off",
            Self::Reader => "-c role=afterthought_reader -c plan_cache_mode=force_custom_plan",
            Self::Operator => "-c role=afterthought_operator -c plan_cache_mode=force_custom_plan -c jit=off",
            Self::Keeper => "-c role=afterthought_keeper -c plan_cache_mode=force_custom_plan -c jit=off",
            Self::Adopter => "-c role=afterthought_adopter -c plan_cache_mode=force_custom_plan -c jit=off",
            Self::Login => "-c plan_cache_mode=force_custom_plan",
        }
    }

    /// How long Postgres may take for one transaction, where `usual` is what it may for one of an agent. Operators and
    /// sweeps look at all tenants; erasures, clearing away and migrations take as long as they take.
    fn patience(self, usual: Duration) -> Option<Duration> {
        match self {
            Self::Agent => Some(usual),
            Self::Operator => Some(usual * 2),
            Self::Reader => Some(usual * 12),
            // A backfill sorts the keys of a whole table first.
            Self::Keeper | Self::Adopter | Self::Login => None,
        }
    }
}

/// A small pool of connections that act as one role.
///
/// Postgres has a time to answer in ([`DatabaseConfig::with_timeout`]), for a connection and for each transaction as a whole.
/// What takes longer is [`Error::TimedOut`], and its connection is closed: the next transaction gets another.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    patience: Option<Duration>,
    config: DatabaseConfig,
    pub(crate) archive: Option<Archive>,
}

impl Store {
    /// Prepares a pool of at most `connections`; the first is opened when it is needed. A connection that broke is
    /// replaced.
    pub fn new(config: &DatabaseConfig, role: Role, connections: usize) -> Result<Self, Error> {
        let mut driver = config.driver()?;
        let patience = role.patience(config.timeout());
        let options = role.options();
        driver.options(match patience {
            Some(patience) => {
                format!("{options} -c statement_timeout={}", (patience + SERVER_GRACE).as_millis())
            }
            None => options.to_owned(),
        });
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match client_config(config.ssl_mode())? {
            None => Manager::from_config(driver, NoTls, manager_config),
            Some(tls) => Manager::from_config(driver, MakeRustlsConnect::new(tls), manager_config),
        };
        let pool = Pool::builder(manager)
            .max_size(connections)
            .build()
            .map_err(|error| Error::Connection(Box::new(error)))?;
        Ok(Self { pool, patience, config: config.clone(), archive: config.archive().cloned() })
    }

    /// A pool of its own to the same database, which acts as another role.
    pub fn acting_as(&self, role: Role, connections: usize) -> Result<Self, Error> {
        Self::new(&self.config, role, connections)
    }

    /// The same store for somebody who can do without an answer: it waits for Postgres at most so long.
    #[must_use]
    pub fn within(&self, most: Duration) -> Self {
        let patience = self.patience.map_or(most, |patience| patience.min(most));
        Self { patience: Some(patience), ..self.clone() }
    }

    /// For how long the key of a request is known, and its answer kept.
    pub const fn request_key(&self) -> Duration {
        self.config.request_key()
    }

    /// A connection, for statements that need no tenant.
    pub(crate) async fn connection(&self) -> Result<Connection, Error> {
        let object = match self.patience {
            None => self.pool.get().await?,
            Some(patience) => {
                timeout(patience, self.pool.get()).await.map_err(|_elapsed| Error::TimedOut(patience))??
            }
        };
        let deadline = self.patience.map(|patience| (Instant::now() + patience, patience));
        Ok(Connection { object: Some(object), deadline, is_lost: AtomicBool::new(false) })
    }

    /// A connection without a deadline, for what lives on one as a cursor does, and takes it from the pool for as long.
    pub(crate) async fn connection_without_deadline(&self) -> Result<Connection, Error> {
        let mut connection = self.connection().await?;
        connection.deadline = None;
        Ok(connection)
    }

    /// A transaction as `tenant`, not yet begun.
    pub(crate) async fn transaction(&self, tenant: &TenantId) -> Result<Transaction, Error> {
        let connection = self.connection().await?;
        let name_tenant = connection.prepare("select set_config('afterthought.tenant', $1, true)").await?;
        let tenant = Some((name_tenant, tenant.clone()));
        Ok(Transaction { connection, tenant, request_key: self.request_key(), is_over: false })
    }

    /// A transaction over all tenants, not yet begun, for a role that sees them.
    pub(crate) async fn transaction_of_all(&self) -> Result<Transaction, Error> {
        let connection = self.connection().await?;
        Ok(Transaction { connection, tenant: None, request_key: self.request_key(), is_over: false })
    }
}

/// A connection of the pool, given back when this is dropped, or closed when an answer did not come in time.
pub(crate) struct Connection {
    object: Option<Object>,
    /// Until when it may be used, and how long that is in all.
    deadline: Option<(Instant, Duration)>,
    is_lost: AtomicBool,
}

impl Connection {
    /// Has it closed rather than given back.
    pub(crate) fn close(&mut self) {
        *self.is_lost.get_mut() = true;
    }

    fn object(&self) -> &Object {
        self.object.as_ref().expect("only dropping this takes the connection out")
    }

    /// Waits for an answer until the deadline. On the heap: a transaction joins many of these, and callers hold it across
    /// their own waits.
    fn answered<'a, T: 'a>(
        &'a self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, Error>> {
        Box::pin(async move {
            let Some((deadline, patience)) = self.deadline else { return Ok(answer.await?) };
            match timeout_at(deadline, answer).await {
                Ok(answered) => Ok(answered?),
                Err(_elapsed) => {
                    self.is_lost.store(true, Ordering::Relaxed);
                    Err(Error::TimedOut(patience))
                }
            }
        })
    }

    /// The statement, prepared once per connection.
    pub(crate) fn prepare<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Statement, Error>> {
        self.answered(self.object().prepare_cached(sql))
    }

    /// Runs a statement for its rows.
    pub(crate) fn query<'a, T: ?Sized + ToStatement + Sync>(
        &'a self,
        statement: &'a T,
        values: &'a [&'a (dyn ToSql + Sync)],
    ) -> BoxFuture<'a, Result<Vec<Row>, Error>> {
        self.answered(self.object().query(statement, values))
    }

    /// Runs a statement for its one row, if there is one.
    pub(crate) fn query_opt<'a, T: ?Sized + ToStatement + Sync>(
        &'a self,
        statement: &'a T,
        values: &'a [&'a (dyn ToSql + Sync)],
    ) -> BoxFuture<'a, Result<Option<Row>, Error>> {
        self.answered(self.object().query_opt(statement, values))
    }

    /// Runs a statement for the number of rows it touched.
    pub(crate) fn execute<'a>(
        &'a self,
        statement: &'a Statement,
        values: &'a [&'a (dyn ToSql + Sync)],
    ) -> BoxFuture<'a, Result<u64, Error>> {
        self.answered(self.object().execute(statement, values))
    }

    /// Runs statements without values.
    pub(crate) fn batch_execute<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        self.answered(self.object().batch_execute(sql))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(object) = self.object.take().filter(|_| *self.is_lost.get_mut()) {
            drop(Object::take(object));
        }
    }
}

/// One transaction, of one tenant unless it is over all of them, on one connection.
///
/// The statements of one `join!` share a round trip: they are sent in its order without waiting for each other's
/// answers. Dropped before [`Transaction::end`] succeeded, the connection is closed and Postgres rolls back.
pub(crate) struct Transaction {
    connection: Connection,
    /// The statement that names the tenant, and the tenant.
    tenant: Option<(Statement, TenantId)>,
    /// For how long the key of a request is known.
    pub(crate) request_key: Duration,
    is_over: bool,
}

impl Transaction {
    /// The statement, prepared once per connection.
    pub(crate) fn prepare<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Statement, Error>> {
        self.connection.prepare(sql)
    }

    /// Opens the transaction and names the tenant; joined before the first statements.
    pub(crate) async fn begin(&self) -> Result<(), Error> {
        self.begin_as("begin").await
    }

    async fn begin_as(&self, begin: &str) -> Result<(), Error> {
        let begin = self.connection.batch_execute(begin);
        let Some((name_tenant, tenant)) = &self.tenant else { return begin.await };
        let tenant = tenant.as_str();
        try_join(begin, self.connection.execute(name_tenant, &[&tenant])).await?;
        Ok(())
    }

    /// [`Transaction::begin`] for statements that find everything by an index, so that one plan is right for whatever is asked:
    /// it is made once per connection and kept until the tables' statistics change. Planning a search costs more than
    /// running it for most users. The whole of a table is never read, so that a plan of when it was small stays good.
    pub(crate) async fn begin_planned(&self) -> Result<(), Error> {
        self.begin_as(
            "begin; set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off; \
             set local enable_mergejoin = off",
        )
        .await
    }

    /// Runs a statement for its rows.
    pub(crate) fn query<'a>(
        &'a self,
        statement: &'a Statement,
        values: &'a [&'a (dyn ToSql + Sync)],
    ) -> BoxFuture<'a, Result<Vec<Row>, Error>> {
        self.connection.query(statement, values)
    }

    /// Runs a statement for the number of rows it touched.
    pub(crate) fn execute<'a>(
        &'a self,
        statement: &'a Statement,
        values: &'a [&'a (dyn ToSql + Sync)],
    ) -> BoxFuture<'a, Result<u64, Error>> {
        self.connection.execute(statement, values)
    }

    /// Asks Postgres to keep what was done; joined after the last statements. Had one of them failed, Postgres makes
    /// it a rollback.
    pub(crate) fn commit(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.connection.batch_execute("commit")
    }

    /// Marks where [`Transaction::undo`] goes back to.
    pub(crate) fn mark(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.connection.batch_execute("savepoint mark")
    }

    /// Undoes what was done since [`Transaction::mark`], and keeps what was done before.
    pub(crate) fn undo(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.connection.batch_execute("rollback to savepoint mark")
    }

    /// Undoes what was done, where nothing of it is to stay.
    pub(crate) fn rollback(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.connection.batch_execute("rollback")
    }

    /// Undoes what was done, gives the connection back, and answers.
    pub(crate) async fn leave<T>(self, answer: T) -> Result<T, Error> {
        self.rollback().await?;
        self.end();
        Ok(answer)
    }

    /// Gives the connection back after a commit or rollback that succeeded.
    pub(crate) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_over {
            *self.connection.is_lost.get_mut() = true;
        }
    }
}
