//! Finds secrets and identifiers in what comes in, and takes them out.
//!
//! Secrets by the rules of gitleaks, which are in `rules/`; identifiers by their form and then by whatever tells a real one:
//! checksums, numbering plans, ranges of addresses. Pure but for counting: no input or output, no clock.
//!
//! Everything is compiled when it is first needed, once per process: a rule when one of its keywords first turns up. Whoever
//! has no policy pays nothing.
//!
//! ```
//! use domain::{GuardAction, GuardPolicy, IdentifierActions};
//!
//! let policy = GuardPolicy { identifiers: IdentifierActions::all(GuardAction::Redact), ..GuardPolicy::default() };
//! let mut screen = guard::Screen::of(policy).expect("it looks for something");
//! let mut text = "Pay to DE44 5001 0517 5407 3249 31, please.".to_owned();
//! screen.text("content", &mut text).expect("nothing is blocked");
//! assert_eq!(text, "Pay to [IBAN], please.");
//! ```

mod identifiers;
mod look;
pub mod postgres;
mod screen;
mod secrets;

pub use look::{Finding, Rule, look};
pub use screen::{Blocked, Found, Screen, drop_record, keep_record, screen_event};
