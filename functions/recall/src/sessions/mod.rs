//! The state of an application's own long-running agents: logs, states, checkpoints, operations.

mod checkpoint;
mod event;
mod operation;
mod resume;
mod session;
mod state;

use domain::TenantId;
use store::SessionPath;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::event::EventAsked;
use crate::http::{OfSession, Problem, Shared, postgres_is_down};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(session::list_sessions))
        .routes(routes!(session::show_session, session::change_session))
        .routes(routes!(session::restore_session))
        .routes(routes!(event::list_events, event::append_events))
        .routes(routes!(state::show_state))
        .routes(routes!(checkpoint::list_checkpoints, checkpoint::save_checkpoint))
        .routes(routes!(checkpoint::show_checkpoint))
        .routes(routes!(resume::resume))
        .routes(routes!(operation::list_operations, operation::begin_operation))
        .routes(routes!(operation::show_operation))
        .routes(routes!(operation::complete_operation))
}

impl OfSession {
    fn path<'a>(&'a self, tenant: &'a TenantId) -> SessionPath<'a> {
        SessionPath { tenant, user: &self.user, session: self.session.as_str() }
    }

    fn unknown(&self) -> Problem {
        Problem::not_found(format!("user `{}` has no session `{}`", self.user, self.session.as_str()))
    }
}

/// The problem that the store could not do something.
fn failed(error: &store::Error) -> Problem {
    if error.names_unknown() {
        return Problem::not_found("there is no such tenant".to_owned());
    }
    postgres_is_down(error)
}

/// A text between bounds that Postgres can hold.
fn check_text(parameter: &str, text: &str, most_bytes: usize) -> Result<(), Problem> {
    if text.is_empty() || text.len() > most_bytes || text.contains('\0') {
        let expected = format!("field `{parameter}` must be 1 to {most_bytes} bytes without NUL");
        return Err(Problem::invalid(parameter, expected));
    }
    Ok(())
}

/// A document that Postgres can hold, of at most so many bytes.
fn check_document(parameter: &str, document: &serde_json::Value, most_bytes: usize) -> Result<(), Problem> {
    let invalid = |expected: &str| Problem::invalid(parameter, format!("field `{parameter}` {expected}"));
    domain::state::check_document(document).map_err(invalid)?;
    let bytes = document.to_string().len();
    if bytes > most_bytes {
        return Err(invalid(&format!("is {bytes} bytes of JSON, expected at most {most_bytes}")));
    }
    Ok(())
}

/// Bytes as lowercase hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
