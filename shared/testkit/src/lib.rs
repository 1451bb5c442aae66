//! What tests share.
//!
//! With the feature `servers`, which is on by default: a migrated Postgres database and an AWS account for each test. The
//! servers behind them are shared by every test process of this machine. Whoever comes first starts them; they end by
//! themselves ten seconds after the last test process has gone, however it ended. `DATABASE_URL` and `AWS_ENDPOINT_URL`
//! are used instead when they are set.
//!
//! With the feature `lambda`: what starts the program of a function and invokes it.
//!
//! With the feature `agents`: conversations to think about, what a commit makes of the thoughts, and a chat model over
//! real HTTP that says what it is told to.

#[cfg(feature = "agents")]
mod answers;
#[cfg(feature = "servers")]
mod aws;
#[cfg(feature = "agents")]
mod chat;
#[cfg(feature = "agents")]
mod conversation;
#[cfg(feature = "servers")]
mod database;
#[cfg(feature = "lambda")]
mod lambda;
#[cfg(feature = "servers")]
mod servers;

#[cfg(feature = "agents")]
pub use answers::{Values, fill};
#[cfg(feature = "servers")]
pub use aws::TestAws;
#[cfg(feature = "agents")]
pub use chat::{ChatModel, Reply, TOKENS, hands_every_failure_on};
#[cfg(feature = "agents")]
pub use conversation::{Stage, Standing, assistant, by_rules, conversation, event, think, window, window_in};
#[cfg(feature = "servers")]
pub use database::TestDatabase;
#[cfg(feature = "lambda")]
pub use lambda::Lambda;
