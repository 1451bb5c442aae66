use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// To write what the application says and keeps: events, webhooks, memories, working memory, its agents' state.
    Ingest,
    /// To read what is remembered and kept.
    Read,
    /// To manage the tenant: keys, settings, webhooks, erasure, export.
    Admin,
}

impl KeyScope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Read, Self::Admin];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// The scope that is written so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything a caller may do. None of the scopes includes another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyScopes(BTreeSet<KeyScope>);

impl KeyScopes {
    /// Every scope.
    pub fn all() -> Self {
        KeyScope::ALL.into_iter().collect()
    }

    /// Whether the caller may do this.
    pub fn allow(&self, scope: KeyScope) -> bool {
        self.0.contains(&scope)
    }

    /// The scopes, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = KeyScope> + '_ {
        self.0.iter().copied()
    }

    /// Whether the caller may do nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<KeyScope> for KeyScopes {
    fn from_iter<I: IntoIterator<Item = KeyScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_as_they_are_called() {
        for scope in KeyScope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
            assert_eq!(KeyScope::from_name(scope.as_str()), Some(scope));
        }
        assert_eq!(KeyScope::from_name("everything"), None);
        assert_eq!(serde_json::to_string(&KeyScopes::all()).unwrap(), r#"["ingest","read","admin"]"#);
    }

    #[test]
    fn a_scope_allows_nothing_else() {
        let admin = KeyScopes::from_iter([KeyScope::Admin]);
        assert!(admin.allow(KeyScope::Admin) && !admin.allow(KeyScope::Read));
        assert!(KeyScopes::default().is_empty());
    }
}
