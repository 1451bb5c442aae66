//! What operators ask and order, over all tenants: how far the agents are, what became of what, and pausing, cancelling,
//! replaying and redriving. Never content.

mod answer;
pub(crate) mod fields;
mod inspect;
mod moment;
mod request;
mod steer;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts as Head;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hot::Hot;
use jiff::Timestamp;
use queue::{Publisher, Routes};
use runtime::{Config, InvalidConfig, Services};
use store::{Role, Store, Target};

use self::request::{Aim, Operation};
use crate::http::{Answer, Problem, Shared, TENANT_HEADER, body_of, postgres_is_down};

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/admin/{*path}", any(operate))
}

async fn operate(State(parts): State<Shared>, request: Request) -> Result<Response, Problem> {
    let admin = parts.admin.as_ref().expect("the paths exist only where operators are obeyed");
    let (head, body) = request.into_parts();
    let body = body_of(body).await?;
    admin.handle(&head, &body, (parts.now)()).await
}

fn ok<T: serde::Serialize>(answer: &T) -> Response {
    Answer::ok(answer).into_response()
}

/// The environment variable that lets the function act for operators.
const VARIABLE: &str = "ADMIN_API";

/// What acts for operators. It is the only part of this function that sees more than one tenant, as the group role
/// `afterthought_operator`, and connects when it is first asked.
pub struct Admin {
    store: Store,
    hot: Hot,
    publisher: Publisher,
    routes: Routes,
    slot: String,
}

impl Admin {
    /// What acts for operators, when `ADMIN_API` is true.
    ///
    /// # Errors
    /// When the variable is neither true nor false.
    pub fn from_services(services: &Services) -> anyhow::Result<Option<Self>> {
        if !is_on(&services.config)? {
            return Ok(None);
        }
        let variable = |name: &str| services.config.variables.get(name).filter(|value| !value.is_empty());
        Ok(Some(Self {
            store: Store::new(&services.database, Role::Operator, 1)?,
            hot: services.hot.clone(),
            publisher: services.publisher.clone(),
            routes: services.config.routes.clone(),
            slot: variable("CDC_SLOT").map_or_else(|| "afterthought".to_owned(), Clone::clone),
        }))
    }

    /// Answers one request.
    async fn handle(&self, head: &Head, body: &[u8], now: Timestamp) -> Result<Response, Problem> {
        let operation = self.read(head, body, now)?;
        self.answer(operation, now).await
    }

    fn read(&self, head: &Head, body: &[u8], now: Timestamp) -> Result<Operation, Problem> {
        if head.headers.contains_key(TENANT_HEADER) {
            // Whoever sends it means one tenant, and would be given all.
            return Err(Problem::invalid(
                TENANT_HEADER,
                format!(
                    "header `{TENANT_HEADER}` is given, expected none: `tenant` says whose sessions are meant"
                ),
            ));
        }
        let (method, path) = (head.method.as_str(), head.uri.path());
        Operation::read(method, path, head.uri.query().unwrap_or_default(), body, &self.agents(), now)
    }

    async fn answer(&self, operation: Operation, now: Timestamp) -> Result<Response, Problem> {
        match operation {
            Operation::Status => self.status(now).await.map(|answer| ok(&answer)),
            Operation::Runs { aim, outcome, since, until, before, limit } => {
                let target = self.target(&aim).await?;
                let filter = store::RunFilter { target, outcome, since, until, reason: None, before };
                self.runs(&filter, limit).await.map(|answer| ok(&answer))
            }
            Operation::Events { tenant, user, session, agent, from, to } => {
                let id = self.session(&tenant, &user, &session).await?;
                let agents: Vec<&str> = match &agent {
                    Some(agent) => vec![agent],
                    None => self.agents(),
                };
                let events = self.events(&tenant, id, from, to, &agents, now).await?;
                let next = events.last().filter(|last| last.version == to).map(|_| to.saturating_add(1));
                Ok(ok(&answer::Became { tenant, user, session, session_id: id, events, next }))
            }
            Operation::Pause { aim, until } => self.pause(aim, until).await.map(|answer| ok(&answer)),
            Operation::Resume { aim } => self.resume(&aim, now).await.map(|answer| ok(&answer)),
            Operation::Cancel { aim, before } => self.cancel(&aim, before).await.map(|answer| ok(&answer)),
            Operation::Replay { aim, from } => self.replay(&aim, from, now).await.map(|answer| ok(&answer)),
            Operation::Redrive { aim, since, until, reason } => {
                let target = self.target(&aim).await?;
                let filter = store::RunFilter { target, outcome: None, since, until, reason, before: None };
                self.redrive(filter, now).await.map(|answer| ok(&answer))
            }
        }
    }

    /// Every agent there is.
    fn agents(&self) -> Vec<&str> {
        self.routes.all().map(|(agent, _)| agent).collect()
    }

    /// What is meant by the application's names.
    async fn target(&self, aim: &Aim) -> Result<Target, Problem> {
        let session = match (&aim.tenant, &aim.user, &aim.session) {
            (Some(tenant), Some(user), Some(session)) => Some(self.session(tenant, user, session).await?),
            _ => None,
        };
        Ok(Target { tenant: aim.tenant.clone(), agent: aim.agent.clone(), user: aim.user.clone(), session })
    }

    async fn session(
        &self,
        tenant: &domain::TenantId,
        user: &domain::UserId,
        session: &str,
    ) -> Result<domain::SessionId, Problem> {
        let found = self.store.find_session(tenant, user, session).await;
        found.map_err(|error| postgres_is_down(&error))?.ok_or_else(|| {
            Problem::not_found("there is no such session of this user in this tenant".to_owned())
        })
    }
}

fn is_on(config: &Config) -> Result<bool, InvalidConfig> {
    match config.variables.get(VARIABLE).map_or("", String::as_str) {
        "true" => Ok(true),
        "" | "false" => Ok(false),
        other => Err(InvalidConfig::Invalid {
            variable: VARIABLE,
            got: other.to_owned(),
            expected: "true or false",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_off_unless_it_was_asked_for() {
        let on = |value: Option<&str>| {
            let variables = [
                ("DATABASE_URL", "postgres://localhost/app"),
                ("HOT_TABLE", "hot"),
                ("WAKE_UP_QUEUES", "indexer=http://localhost/indexer"),
            ]
            .into_iter()
            .chain(value.map(|value| (VARIABLE, value)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
            is_on(&Config::from_map(&variables).unwrap()).map_err(|error| error.to_string())
        };
        for (value, expected) in
            [(None, Ok(false)), (Some(""), Ok(false)), (Some("false"), Ok(false)), (Some("true"), Ok(true))]
        {
            assert_eq!(on(value), expected);
        }
        assert_eq!(on(Some("yes")).unwrap_err(), r#"ADMIN_API is "yes", expected true or false"#);
    }
}
