//! What the functions that answer HTTP share: reading requests, answering them, counting and limiting them, and the
//! document that describes them.
//!
//! A function gives its operations to [`routed`], with a [`Guard`] before them, and every request that Lambda hands it to
//! [`respond`]. Whatever is wrong with a request becomes a [`Problem`] that names the field and what was expected.
//!
//! Each operation says in its part of the document what it needs of a caller: `security(("api_key" = ["read"]))` for a scope,
//! two such alternatives for either of two, `("api_key" = [])` for any caller, `("operator_key" = [])` for an operator, and
//! `()` when it finds out itself whom it serves. An operation that says nothing is closed to keys.

mod answer;
mod document;
mod event_type;
mod extract;
mod frame;
mod guard;
mod keyring;
mod limit;
mod page;
mod problem;
mod scopes;
mod secret;
pub mod shutdown;
mod uses;
mod value;

pub use answer::Answer;
pub use event_type::EventType;
pub use extract::{
    Caller, IdempotencyKey, Json, Nothing, PathOf, Query, TENANT_HEADER, body_of, one_header, read_arguments,
    read_json, read_query,
};
pub use frame::{respond, routed};
pub use guard::Guard;
pub use keyring::Keyring;
pub use limit::{IngestQuota, Limiter, RateLimit};
pub use page::{page_length, shared_page};
pub use problem::{Problem, postgres_is_down};
pub use secret::new_api_key;
pub use value::{Moment, Short, Whole};
