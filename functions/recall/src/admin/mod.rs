//! What operators ask and order, over all tenants: how far the agents are, what became of what, and pausing, cancelling,
//! replaying and redriving. Never content.

mod aim;
mod answer;
mod erasures;
mod inspect;
mod janitor;
mod letters;
mod moment;
mod operations;
mod request;
mod steer;
mod tenants;

use domain::{Retention, SessionId, SessionName, TenantId, UserId};
use hot::Hot;
use queue::{Publisher, Routes};
use runtime::{Config, InvalidConfig, Services};
use store::{Role, Store, Target};

use self::aim::Aim;
use self::letters::IngestQueues;
pub(crate) use self::operations::routes;
use crate::http::{Problem, postgres_is_down};

/// The environment variable that lets the function act for operators.
const VARIABLE: &str = "ADMIN_API";

/// What acts for operators. It is the only part of this function that sees more than one tenant, as the group role
/// `afterthought_operator`, and connects when it is first asked.
pub struct Admin {
    store: Store,
    hot: Hot,
    publisher: Publisher,
    routes: Routes,
    /// Where there are such.
    ingest: Option<IngestQueues>,
    slot: String,
    /// The periods of tenants that have none of their own.
    retention: Retention,
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
            ingest: IngestQueues::of(&services.config),
            retention: variable("RETENTION").map_or(Ok(Retention::default()), |value| {
                value.parse().map_err(|_: String| InvalidConfig::Invalid {
                    variable: "RETENTION",
                    got: value.clone(),
                    expected: "a JSON object of periods in days",
                })
            })?,
            slot: variable("CDC_SLOT").map_or_else(|| "afterthought".to_owned(), Clone::clone),
        }))
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
        tenant: &TenantId,
        user: &UserId,
        session: &SessionName,
    ) -> Result<SessionId, Problem> {
        let found = self.store.find_session(tenant, user, session.as_str()).await;
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
