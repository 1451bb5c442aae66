use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use domain::TenantId;
use futures::future::try_join;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{DatabaseConfig, Error, client_config};

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
    /// Whoever the URL logs in as: migrations and the developer tool.
    Login,
}

impl Role {
    /// Start-up options that take the role on before the first statement. Plans are made for the values at hand:
    /// a plan kept for one tenant's numbers can be wrong by orders of magnitude for the next. Compiling such a plan
    /// would cost a search more than running it.
    fn options(self) -> &'static str {
        match self {
            Self::Agent => "-c role=afterthought_agent -c plan_cache_mode=force_custom_plan -c jit=off",
            Self::Reader => "-c role=afterthought_reader -c plan_cache_mode=force_custom_plan",
            Self::Operator => "-c role=afterthought_operator -c plan_cache_mode=force_custom_plan -c jit=off",
            Self::Keeper => "-c role=afterthought_keeper -c plan_cache_mode=force_custom_plan -c jit=off",
            Self::Login => "-c plan_cache_mode=force_custom_plan",
        }
    }
}

/// A small pool of connections that act as one role.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    config: DatabaseConfig,
}

impl Store {
    /// Prepares a pool of at most `connections`; the first is opened when it is needed. A connection that broke is
    /// replaced.
    pub fn new(config: &DatabaseConfig, role: Role, connections: usize) -> Result<Self, Error> {
        let mut driver = config.driver()?;
        driver.options(role.options());
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match client_config(config.ssl_mode())? {
            None => Manager::from_config(driver, NoTls, manager_config),
            Some(tls) => Manager::from_config(driver, MakeRustlsConnect::new(tls), manager_config),
        };
        let pool = Pool::builder(manager)
            .max_size(connections)
            .build()
            .map_err(|error| Error::Connection(Box::new(error)))?;
        Ok(Self { pool, config: config.clone() })
    }

    /// A pool of its own to the same database, which acts as another role.
    pub fn acting_as(&self, role: Role, connections: usize) -> Result<Self, Error> {
        Self::new(&self.config, role, connections)
    }

    /// A connection, for statements that need no tenant.
    pub(crate) async fn connection(&self) -> Result<Object, Error> {
        Ok(self.pool.get().await?)
    }

    /// A transaction as `tenant`, not yet begun.
    pub(crate) async fn transaction(&self, tenant: &TenantId) -> Result<Transaction, Error> {
        let connection = self.connection().await?;
        let name_tenant =
            connection.prepare_cached("select set_config('afterthought.tenant', $1, true)").await?;
        Ok(Transaction { connection: Some(connection), name_tenant, tenant: tenant.clone() })
    }
}

/// One transaction of one tenant on one connection.
///
/// The statements of one `join!` share a round trip: they are sent in its order without waiting for each other's
/// answers. Dropped before [`Transaction::end`] succeeded, the connection is closed and Postgres rolls back.
pub(crate) struct Transaction {
    connection: Option<Object>,
    name_tenant: Statement,
    tenant: TenantId,
}

impl Transaction {
    fn connection(&self) -> &Object {
        self.connection
            .as_ref()
            .expect("only `end` takes the connection, and it takes the transaction with it")
    }

    /// The statement, prepared once per connection.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        Ok(self.connection().prepare_cached(sql).await?)
    }

    /// Opens the transaction and names the tenant; joined before the first statements.
    pub(crate) async fn begin(&self) -> Result<(), Error> {
        let tenant = self.tenant.as_str();
        let connection = self.connection();
        try_join(connection.batch_execute("begin"), connection.execute(&self.name_tenant, &[&tenant]))
            .await?;
        Ok(())
    }

    /// [`Transaction::begin`] for statements that find everything by an index, so that one plan is right for whatever is asked:
    /// it is made once per connection and kept until the tables' statistics change. Planning a search costs more than
    /// running it for most users. The whole of a table is never read, so that a plan of when it was small stays good.
    pub(crate) async fn begin_planned(&self) -> Result<(), Error> {
        let tenant = self.tenant.as_str();
        let connection = self.connection();
        try_join(
            connection.batch_execute(
                "begin; set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off; \
                 set local enable_mergejoin = off",
            ),
            connection.execute(&self.name_tenant, &[&tenant]),
        )
        .await?;
        Ok(())
    }

    /// Runs a statement for its rows.
    pub(crate) async fn query(
        &self,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        Ok(self.connection().query(statement, values).await?)
    }

    /// Runs a statement for the number of rows it touched.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        Ok(self.connection().execute(statement, values).await?)
    }

    /// Asks Postgres to keep what was done; joined after the last statements. Had one of them failed, Postgres makes
    /// it a rollback.
    pub(crate) async fn commit(&self) -> Result<(), Error> {
        Ok(self.connection().batch_execute("commit").await?)
    }

    /// Undoes what was done, where nothing of it is to stay.
    pub(crate) async fn rollback(&self) -> Result<(), Error> {
        Ok(self.connection().batch_execute("rollback").await?)
    }

    /// Undoes what was done, gives the connection back, and answers.
    pub(crate) async fn leave<T>(self, answer: T) -> Result<T, Error> {
        self.rollback().await?;
        self.end();
        Ok(answer)
    }

    /// Gives the connection back after a commit or rollback that succeeded.
    pub(crate) fn end(mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}
