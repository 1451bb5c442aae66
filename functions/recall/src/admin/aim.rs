//! What an operation acts on: all there is, or a tenant, an agent, a user, a session.

use domain::{SessionName, TenantId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::Problem;

/// What an operation acts on; all there is where nothing is named. Names are the application's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct Aim {
    #[schema(value_type = Option<String>)]
    pub(crate) tenant: Option<TenantId>,
    pub(crate) agent: Option<String>,
    #[schema(value_type = Option<String>)]
    pub(crate) user: Option<UserId>,
    #[schema(value_type = Option<String>)]
    pub(crate) session: Option<SessionName>,
}

impl Aim {
    /// The same when it makes sense: an agent that exists, a user of a tenant, a session of a user.
    pub(super) fn checked(self, agents: &[&str]) -> Result<Self, Problem> {
        if let Some(agent) = &self.agent
            && !agents.contains(&agent.as_str())
        {
            let got: String = agent.chars().take(40).collect();
            let expected = agents.join(", ");
            return Err(Problem::invalid("agent", format!("`agent` is {got:?}, expected one of {expected}")));
        }
        let missing = |name: &str, of: &str| {
            Err(Problem::invalid(
                name,
                format!("`{name}` is missing, expected the {name} that `{of}` belongs to"),
            ))
        };
        if self.session.is_some() && self.user.is_none() {
            return missing("user", "session");
        }
        if self.user.is_some() && self.tenant.is_none() {
            return missing("tenant", "user");
        }
        Ok(self)
    }

    /// The same for a drastic operation, which acts on everything only when that was said.
    pub(super) fn meant(self, all: Option<bool>, agents: &[&str]) -> Result<Self, Problem> {
        let aim = self.checked(agents)?;
        match (aim == Self::default(), all.unwrap_or(false)) {
            (true, false) => Err(Problem::invalid(
                "all",
                "nothing says what this acts on, expected `tenant`, `agent`, `user` or `session`, or `all`: true for \
                 every session of every tenant"
                    .to_owned(),
            )),
            (false, true) => Err(Problem::invalid(
                "all",
                "field `all` is true, expected no `tenant`, `agent`, `user` or `session` beside it".to_owned(),
            )),
            _ => Ok(aim),
        }
    }
}

/// A request with a target: the fields that name one, and its own.
macro_rules! aimed {
    ($(#[$outer:meta])* $derived:ident $about:ident $name:ident { $($(#[$inner:meta])* $field:ident: $kind:ty,)* }) => {
        #[derive(Debug, Default, Deserialize, $derived)]
        #[serde(deny_unknown_fields)]
        $(#[$outer])*
        pub(super) struct $name {
            /// Only this tenant.
            #[$about(value_type = Option<String>, min_length = 1, max_length = 200)]
            tenant: Option<Short<200>>,
            /// Only this agent.
            #[$about(value_type = Option<String>, min_length = 1, max_length = 200)]
            agent: Option<Short<200>>,
            /// Only this user of the tenant.
            #[$about(value_type = Option<String>, min_length = 1, max_length = 200)]
            user: Option<Short<200>>,
            /// Only this session of the user.
            #[$about(value_type = Option<String>, min_length = 1, max_length = 200)]
            session: Option<Short<200>>,
            $($(#[$inner])* pub(super) $field: $kind,)*
        }

        impl $name {
            /// What is meant.
            fn named(&mut self) -> Result<Aim, Problem> {
                let wrong = |name: &str, error: domain::InvalidName| Problem::invalid(name, format!("`{name}`: {error}"));
                let text = |given: &mut Option<Short<200>>| given.take().map(String::from);
                Ok(Aim {
                    tenant: text(&mut self.tenant)
                        .map(TenantId::new)
                        .transpose()
                        .map_err(|error| wrong("tenant", error))?,
                    agent: text(&mut self.agent),
                    user: text(&mut self.user).map(UserId::new).transpose().map_err(|error| wrong("user", error))?,
                    session: text(&mut self.session)
                        .map(SessionName::new)
                        .transpose()
                        .map_err(|error| wrong("session", error))?,
                })
            }
        }
    };
}

pub(super) use aimed;
