//! The local stack: the real template, the real functions, a real Postgres and an AWS emulator on one machine.
//!
//! This library starts and stops the parts; the binary beside it is the `cargo local` command, and the test support
//! uses the same parts. Everything that is fetched goes to the user's cache, pinned by version and hash.

mod account;
pub mod cache;
pub mod chaos;
pub mod database;
pub mod emulator;
mod environment;
pub mod functions;
pub mod guard;
pub mod import;
pub mod postgres;
pub mod queues;
mod rules;
pub mod running;
pub mod stack;
pub mod state;
pub mod template;
pub mod terminal;

pub use environment::Environment;
