//! What the functions that answer HTTP share: reading requests, answering them, counting and limiting them, and the
//! document that describes them.
//!
//! A function gives its operations to [`routed`], and every request that Lambda hands it to [`respond`]. Whatever is wrong
//! with a request becomes a [`Problem`] that names the field and what was expected.

mod answer;
mod document;
mod extract;
mod frame;
mod limit;
mod page;
mod problem;
mod value;

pub use answer::Answer;
pub use extract::{
    Caller, IdempotencyKey, Json, Nothing, PathOf, Query, TENANT_HEADER, body_of, one_header, read_arguments,
    read_json, read_query,
};
pub use frame::{respond, routed};
pub use limit::Limiter;
pub use page::page_length;
pub use problem::{Problem, postgres_is_down};
pub use value::{Moment, Short, Whole};
