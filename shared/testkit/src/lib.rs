//! Real parts for tests: a migrated Postgres database and an AWS account for each test.
//!
//! The servers behind them are shared by every test process of this machine. Whoever comes first starts them; they
//! end by themselves ten seconds after the last test process has gone, however it ended. `DATABASE_URL` and
//! `AWS_ENDPOINT_URL` are used instead when they are set.

mod aws;
mod database;
mod servers;

pub use aws::TestAws;
pub use database::TestDatabase;
