//! What functions stand on in these tests: a database, an AWS account, and the services of a process on both.

use std::collections::HashMap;

use domain::{MemoryType, OnConflict, Scope, Thought};
use runtime::{Config, Services};
use serde_json::json;
use store::{DatabaseConfig, Role, Store};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

/// A store over a database, as a function has it, with at most so many connections.
pub(crate) fn store_over(database: &TestDatabase, connections: usize) -> Store {
    Store::new(&DatabaseConfig::parse(database.url()).unwrap(), Role::Agent, connections).unwrap()
}

/// A thought about a user with nothing special to it, of which an agent is certain because of one event.
pub(crate) fn thought(kind: MemoryType, key: &str, content: &str, event: i64) -> Thought {
    Thought {
        kind,
        scope: Scope::User,
        key: key.to_owned(),
        content: content.to_owned(),
        data: json!({}),
        confidence: 1.0,
        evidence: vec![event],
        on_conflict: OnConflict::Merge,
        review: false,
        elsewhere: Vec::new(),
        since: None,
    }
}

/// A database and an AWS account of a test's own.
pub(crate) struct Ground {
    pub(crate) database: TestDatabase,
    pub(crate) aws: TestAws,
    /// Connected as the owner of everything.
    pub(crate) owner: Client,
}

impl Ground {
    pub(crate) async fn lay() -> Self {
        let (database, aws) = (TestDatabase::create().await.unwrap(), TestAws::create().await.unwrap());
        let owner = database.client().await.unwrap();
        Self { database, aws, owner }
    }

    /// Tenants beside the one there always is.
    pub(crate) async fn tenants(&self, names: &[&str]) {
        let insert = "insert into afterthought.tenants (tenant) select unnest($1::text[])";
        self.owner.execute(insert, &[&names]).await.unwrap();
    }

    /// Makes a queue for each of these, and says where they are as `WAKE_UP_QUEUES` does.
    pub(crate) async fn routes(&self, agents: &[&str]) -> String {
        let mut routes = Vec::new();
        for agent in agents {
            routes.push(format!("{agent}={}", self.aws.create_queue(agent).await.unwrap()));
        }
        routes.join(",")
    }

    /// What a function is given in whose environment these variables are, with the address of the database, unless that is
    /// one of them, and of a table of hot state, which is made.
    pub(crate) async fn services(&self, variables: &[(&str, &str)]) -> Services {
        let hot_table = self.aws.create_hot_table().await.unwrap();
        let own = [("DATABASE_URL", self.database.url()), ("HOT_TABLE", &hot_table)];
        let variables: HashMap<String, String> = own
            .iter()
            .chain(variables)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let config = Config::from_map(&variables).unwrap();
        Services::with_aws(&config, self.aws.config().clone()).await.unwrap()
    }
}
