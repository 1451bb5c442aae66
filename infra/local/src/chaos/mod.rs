//! The crash campaign: conversations are imported while everything that may fail does, and in the end nothing differs
//! from an import that was left in peace.
//!
//! What is compared must not depend on when something was thought about. A session that arrives in one transaction is
//! one window for every agent, and everything that becomes of it is compared. A session that arrives in several is cut
//! into windows by chance: of it, what every agent's last word is, the ledger of the agent that thinks about each message
//! alone, and that its windows cover it without gap or overlap.

pub mod compare;
pub mod converge;
pub mod conversations;
pub mod importer;
pub mod injector;
pub mod processes;
pub mod proxy;
pub mod requests;
pub mod schedule;
pub mod signing;
