use std::collections::HashMap;
use std::fmt::Write;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{KeyHash, SessionId, TenantId, UserId};
use jiff::civil::Date;

use crate::StepKey;

/// Where an item lives. Every key of the table is made here.
///
/// A name is escaped before it becomes part of a key, so that `#` only ever separates and two different names never
/// make one key. Names are the only words of an application that a key holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pk: String,
    sk: String,
}

impl Key {
    /// The lease of one agent on one session.
    pub(crate) fn lease(agent: &str, session: SessionId) -> Self {
        Self { pk: format!("lease#{session}"), sk: escaped(agent) }
    }

    /// The result of one step of one agent in one window of a session.
    pub(crate) fn step(step: &StepKey<'_>) -> Self {
        let StepKey { agent, session, after, through, name, question } = step;
        let (agent, name) = (escaped(agent), escaped(name));
        let mut sk = format!("{agent}#{after}#{through}#{name}#");
        for byte in question {
            let _always_ok = write!(sk, "{byte:02x}");
        }
        Self { pk: format!("step#{session}"), sk }
    }

    /// What is left of a provider's rate for a tenant.
    pub(crate) fn throttle(provider: &str, tenant: &TenantId) -> Self {
        Self { pk: tenant_partition("throttle", tenant), sk: escaped(provider) }
    }

    /// What is left of a tenant's own rate of requests.
    pub(crate) fn rate_limit(name: &str, tenant: &TenantId) -> Self {
        Self { pk: tenant_partition("rate", tenant), sk: escaped(name) }
    }

    /// The tokens a tenant has spent on a day.
    pub(crate) fn budget(tenant: &TenantId, day: Date) -> Self {
        Self { pk: tenant_partition("budget", tenant), sk: day.to_string() }
    }

    /// What has been counted towards a tenant's quota of a day.
    pub(crate) fn quota(name: &str, tenant: &TenantId, day: Date) -> Self {
        Self { pk: tenant_partition("quota", tenant), sk: format!("{}#{day}", escaped(name)) }
    }

    /// The copy of what an API key stands for.
    pub(crate) fn api_key(hash: &KeyHash) -> Self {
        Self { pk: format!("key#{hash}"), sk: "grant".to_owned() }
    }

    /// The copy of a tenant's settings.
    pub(crate) fn settings(tenant: &TenantId) -> Self {
        Self { pk: tenant_partition("tenant", tenant), sk: "settings".to_owned() }
    }

    /// The sessions of a tenant that an agent is thinking about.
    pub(crate) fn slots(agent: &str, tenant: &TenantId) -> Self {
        Self { pk: tenant_partition("slots", tenant), sk: escaped(agent) }
    }

    /// The key that an item holds.
    pub(crate) fn of_item(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name: &str| item.get(name)?.as_s().ok().cloned();
        Some(Self { pk: text("pk")?, sk: text("sk")? })
    }

    /// The context of one session.
    pub(crate) fn context(tenant: &TenantId, user: &UserId, session_name: &str) -> Self {
        Self { pk: user_partition(tenant, user), sk: format!("context#{}", escaped(session_name)) }
    }

    /// The working memory of one session.
    pub(crate) fn working_memory(tenant: &TenantId, user: &UserId, session_name: &str) -> Self {
        Self { pk: user_partition(tenant, user), sk: format!("working-memory#{}", escaped(session_name)) }
    }

    /// The state of one tool of a session. With an empty name, what the keys of all of them begin with.
    pub(crate) fn tool(tenant: &TenantId, user: &UserId, session_name: &str, name: &str) -> Self {
        let sk = format!("tool#{}#{}", escaped(session_name), escaped(name));
        Self { pk: user_partition(tenant, user), sk }
    }

    /// The name of the tool whose state lives here.
    pub(crate) fn tool_name(&self) -> Option<String> {
        let (_, name) = self.sk.strip_prefix("tool#")?.split_once('#')?;
        Some(unescaped(name))
    }

    /// The name of the session that a pending turn is of.
    pub(crate) fn pending_session(&self) -> Option<String> {
        let (name, _) = self.sk.strip_prefix("pending#")?.split_once('#')?;
        Some(unescaped(name))
    }

    /// The partition of everything that is a user's.
    pub(crate) fn user(tenant: &TenantId, user: &UserId) -> String {
        user_partition(tenant, user)
    }

    /// The partitions of what is known by a session's identifier.
    pub(crate) fn session_partitions(session: SessionId) -> [String; 2] {
        [format!("lease#{session}"), format!("step#{session}")]
    }

    /// Whether the item belongs to the user's session of this name: the name comes after the item's kind.
    pub(crate) fn is_of_session(&self, session_name: &str) -> bool {
        self.session_escaped().is_some_and(|name| name == escaped(session_name))
    }

    /// The name of the user's session that the item belongs to, as keys have it.
    pub(crate) fn session_escaped(&self) -> Option<&str> {
        self.sk.split('#').nth(1)
    }

    /// Whether it can be made again from the log: the context of a session, or the pointer to the latest one.
    pub(crate) fn is_derived(&self) -> bool {
        self.sk.starts_with("context#") || self.sk == "latest-session"
    }

    /// Whether it points to the user's latest session, whichever that is.
    pub(crate) fn is_latest_session(&self) -> bool {
        self.sk == "latest-session"
    }

    /// What the SDK compares keys with.
    pub(crate) fn parts(self) -> (String, String) {
        (self.pk, self.sk)
    }

    /// Which of a user's sessions was active last.
    pub(crate) fn latest_session(tenant: &TenantId, user: &UserId) -> Self {
        Self { pk: user_partition(tenant, user), sk: "latest-session".to_owned() }
    }

    /// A request that was made under a key.
    pub(crate) fn request(tenant: &TenantId, scope: &str, key: &str) -> Self {
        let pk = format!("request#{}#{}#{}", escaped(tenant.as_str()), escaped(scope), escaped(key));
        Self { pk, sk: "request".to_owned() }
    }

    /// An item that stands for itself.
    pub(crate) fn alone(kind: &str, name: &str) -> Self {
        Self { pk: format!("{kind}#{}", escaped(name)), sk: kind.to_owned() }
    }

    /// An item of a user, under names that make one key together.
    pub(crate) fn of_user(tenant: &TenantId, user: &UserId, names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
        Self { pk: user_partition(tenant, user), sk: names.join("#") }
    }

    /// The key as the SDK takes it.
    pub(crate) fn attributes(self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            ("pk".to_owned(), AttributeValue::S(self.pk)),
            ("sk".to_owned(), AttributeValue::S(self.sk)),
        ])
    }
}

fn tenant_partition(kind: &str, tenant: &TenantId) -> String {
    format!("{kind}#{}", escaped(tenant.as_str()))
}

fn user_partition(tenant: &TenantId, user: &UserId) -> String {
    format!("user#{}#{}", escaped(tenant.as_str()), escaped(user.as_str()))
}

fn unescaped(name: &str) -> String {
    // `#` is the only other character that is escaped, and `%` goes last so that nothing is unescaped twice.
    name.replace("%23", "#").replace("%25", "%")
}

pub(crate) fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '#' | '%' => {
                let _always_ok = write!(escaped, "%{:02X}", u32::from(c));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn context(tenant: &str, user: &str, session: &str) -> Key {
        Key::context(&TenantId::new(tenant).unwrap(), &UserId::new(user).unwrap(), session)
    }

    #[test]
    fn a_separator_in_a_name_separates_nothing() {
        assert_eq!(context("a#b", "c", "d%23").pk, "user#a%23b#c");
        assert_ne!(context("a#b", "c", "d"), context("a", "b#c", "d"));
        assert_ne!(context("a", "b", "c#"), context("a", "b", "c%23"));
    }

    #[test]
    fn what_belongs_to_a_tenant_is_kept_apart_by_tenant_and_by_kind() {
        let (one, two) = (TenantId::new("a#b").unwrap(), TenantId::new("a").unwrap());
        let day = jiff::civil::date(2027, 1, 15);
        let keys = [
            Key::throttle("b#x", &two),
            Key::throttle("x", &one),
            Key::rate_limit("x", &one),
            Key::slots("x", &one),
            Key::quota("x", &one, day),
            Key::quota("x", &two, day),
            Key::settings(&one),
            Key::settings(&two),
            Key::slots("x", &two),
            Key::budget(&one, day),
            Key::budget(&two, day),
            Key::budget(&two, day.tomorrow().unwrap()),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!((keys[9].pk.as_str(), keys[9].sk.as_str()), ("budget#a%23b", "2027-01-15"));
    }

    proptest! {
        #[test]
        fn a_tool_is_told_by_its_key(session in "[a#%235]{1,6}", name in "[a#%2358]{1,6}", other in "[a#%235]{1,6}") {
            let (tenant, user) = (TenantId::new("acme").unwrap(), UserId::new("ada").unwrap());
            let key = Key::tool(&tenant, &user, &session, &name);
            prop_assert_eq!(key.tool_name(), Some(name));
            let all = Key::tool(&tenant, &user, &other, "");
            prop_assert_eq!(key.sk.starts_with(&all.sk), session == other);
        }

        #[test]
        fn different_names_make_different_keys(one in "[a#%2358]{1,6}", two in "[a#%2358]{1,6}", three in "[a#%2358]{1,6}", four in "[a#%2358]{1,6}") {
            prop_assert_eq!(context(&one, &two, &three) == context(&one, &three, &two), two == three);
            prop_assert_eq!(context(&one, &two, "s") == context(&three, &four, "s"), one == three && two == four);
        }
    }
}
