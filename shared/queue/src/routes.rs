/// Which queue wakes which agent, in the order given. Adding an agent is one more entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes(Vec<(String, String)>);

/// A routing table that cannot be read. The message names the variable, the entry and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoutes {
    /// Nothing is routed.
    #[error("{} is empty, expected \"agent=queue url\" entries separated by commas", Routes::VARIABLE)]
    Empty,
    /// An entry without a name or without an address.
    #[error(
        "{} has the entry {entry:?}, expected \"agent=queue url\" with an http or https url",
        Routes::VARIABLE
    )]
    Entry {
        /// The entry as given, cut to 80 characters.
        entry: String,
    },
    /// One agent, two queues.
    #[error("{} routes {agent:?} twice, expected one queue per agent", Routes::VARIABLE)]
    Twice {
        /// The agent.
        agent: String,
    },
}

impl Routes {
    /// The environment variable that holds the routing table.
    pub const VARIABLE: &str = "WAKE_UP_QUEUES";

    /// Reads `entity-extractor=https://…/entity-extractor,indexer=https://…/indexer`. Blanks around names and
    /// addresses are ignored.
    pub fn parse(value: &str) -> Result<Self, InvalidRoutes> {
        let mut routes: Vec<(String, String)> = Vec::new();
        for entry in value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let invalid = || InvalidRoutes::Entry { entry: entry.chars().take(80).collect() };
            let (agent, url) = entry.split_once('=').ok_or_else(invalid)?;
            let (agent, url) = (agent.trim(), url.trim());
            let address = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if agent.is_empty() || address.is_none_or(str::is_empty) {
                return Err(invalid());
            }
            if routes.iter().any(|(known, _)| known == agent) {
                return Err(InvalidRoutes::Twice { agent: agent.to_owned() });
            }
            routes.push((agent.to_owned(), url.to_owned()));
        }
        if routes.is_empty() { Err(InvalidRoutes::Empty) } else { Ok(Self(routes)) }
    }

    /// The address of an agent's queue.
    pub fn url(&self, agent: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == agent).map(|(_, url)| url)
    }

    /// The address of the queue that holds an agent's dead letters: its queue's with `-dlq` at the end.
    pub fn dead_letters(&self, agent: &str) -> Option<String> {
        self.url(agent).map(|url| format!("{url}-dlq"))
    }

    /// Every agent with the address of its queue.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(agent, url)| (agent.as_str(), url.as_str()))
    }

    /// The names of the agents that are routed.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(agent, _)| agent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_agent_has_its_queue() {
        let routes =
            Routes::parse(" summarizer = http://localhost:4566/0/summarizer , indexer=https://sqs/indexer,")
                .unwrap();
        assert_eq!(routes.url("summarizer"), Some("http://localhost:4566/0/summarizer"));
        assert_eq!(routes.url("indexer"), Some("https://sqs/indexer"));
        assert_eq!(routes.url("recall"), None);
        assert_eq!(routes.agents().collect::<Vec<_>>(), ["summarizer", "indexer"]);
    }

    #[test]
    fn an_address_may_hold_an_equals_sign() {
        assert_eq!(Routes::parse("a=http://q?x=y").unwrap().url("a"), Some("http://q?x=y"));
    }

    #[test]
    fn an_error_names_the_variable_the_entry_and_what_was_expected() {
        let error = |value: &str| Routes::parse(value).unwrap_err().to_string();
        insta::assert_snapshot!(error(" , "), @r#"WAKE_UP_QUEUES is empty, expected "agent=queue url" entries separated by commas"#);
        insta::assert_snapshot!(error("summarizer"), @r#"WAKE_UP_QUEUES has the entry "summarizer", expected "agent=queue url" with an http or https url"#);
        insta::assert_snapshot!(error("summarizer=queue"), @r#"WAKE_UP_QUEUES has the entry "summarizer=queue", expected "agent=queue url" with an http or https url"#);
        insta::assert_snapshot!(error("a=http://b,a=http://c"), @r#"WAKE_UP_QUEUES routes "a" twice, expected one queue per agent"#);
    }

    proptest! {
        #[test]
        fn no_value_panics(value in ".{0,120}") {
            let _ = Routes::parse(&value);
        }

        #[test]
        fn what_is_written_is_read_back(agents in prop::collection::btree_set("[a-z-]{1,12}", 1..6)) {
            let value = agents.iter().map(|agent| format!("{agent}=https://sqs/1/{agent}")).collect::<Vec<_>>().join(",");
            let routes = Routes::parse(&value).unwrap();
            prop_assert_eq!(routes.agents().map(str::to_owned).collect::<Vec<_>>(), agents.into_iter().collect::<Vec<_>>());
        }
    }
}
