use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest name a tenant, user or session may have, in bytes. The database checks the same bound.
const LONGEST_NAME_BYTES: usize = 200;

/// A tenant, user or session name that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be 1 to 200 bytes without control characters, got {got:?}")]
pub struct InvalidName {
    /// The field the name was given for.
    pub field: &'static str,
    /// What was given, cut to 40 characters.
    pub got: String,
}

fn checked(field: &'static str, name: String) -> Result<String, InvalidName> {
    if name.is_empty() || name.len() > LONGEST_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(InvalidName { field, got: name.chars().take(40).collect() });
    }
    Ok(name)
}

macro_rules! name {
    ($type:ident, $field:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks a name given from outside.
            pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
                checked($field, name.into()).map(Self)
            }

            /// The name as the application gave it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(TenantId, "tenant", "A customer of the application: the boundary row-level security enforces.");
name!(UserId, "user_id", "A person within a tenant, under the application's own identifier.");
name!(SessionName, "session", "A conversation of a user, under the application's own identifier.");

macro_rules! uuid_id {
    ($type:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub Uuid);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    SessionId,
    "One conversation of one user. Made by the database; the application knows it by its name."
);
uuid_id!(MemoryId, "One memory.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_when_empty_too_long_or_with_control_characters() {
        assert!(TenantId::new("").is_err());
        assert!(UserId::new("a\nb").is_err());
        assert!(UserId::new("x".repeat(201)).is_err());
        assert_eq!(UserId::new("zoë@example.com").unwrap().as_str(), "zoë@example.com");
    }
}
