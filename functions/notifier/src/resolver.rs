//! Names resolved to what may be asked.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use domain::{NotAsked, Reach};
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Finds the addresses of a name.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// A resolver without the addresses that are not asked. The connection is made to what it answers, so a name cannot be
/// resolved to one address for a check and to another for the request.
#[derive(Clone)]
pub(crate) struct Resolver {
    reach: Reach,
    lookup: Lookup,
}

impl Resolver {
    /// The system's.
    pub(crate) fn of_the_system(reach: Reach) -> Self {
        let lookup = |name: String| {
            let found = async move { tokio::net::lookup_host((name, 0)).await };
            Box::pin(async move { Ok(found.await?.map(|address| address.ip()).collect()) }) as BoxFuture<_>
        };
        Self { reach, lookup: Arc::new(lookup) }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Resolver").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let asked: Vec<SocketAddr> = found
                .await?
                .into_iter()
                .filter(|address| reach.includes(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if asked.is_empty() {
                return Err(NotAsked::Private { host: name.as_str().to_owned() }.into());
            }
            Ok(Box::new(asked.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What a name is looked up to, one answer after the other, and the last for good.
    #[derive(Clone)]
    pub(crate) struct Script(Arc<Mutex<(Vec<Vec<IpAddr>>, usize)>>);

    impl Script {
        pub(crate) fn of(answers: &[&[&str]]) -> Self {
            let parsed = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
            Self(Arc::new(Mutex::new((answers.iter().map(parsed).collect(), 0))))
        }

        pub(crate) fn resolver(&self, reach: Reach) -> Resolver {
            let script = self.clone();
            let lookup = move |_name| {
                let mut script = script.0.lock().unwrap();
                let answer = script.0[script.1.min(script.0.len() - 1)].clone();
                script.1 += 1;
                Box::pin(async move { Ok(answer) }) as BoxFuture<_>
            };
            Resolver { reach, lookup: Arc::new(lookup) }
        }

        /// How often somebody looked.
        pub(crate) fn looks(&self) -> usize {
            self.0.lock().unwrap().1
        }
    }

    async fn resolved(resolver: &Resolver, name: &str) -> Result<Vec<String>, String> {
        match resolver.resolve(name.parse().unwrap()).await {
            Ok(addresses) => Ok(addresses.map(|address| address.ip().to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_not_asked() {
        let refused = Err("hooks.example is not an address of the internet".to_owned());
        for inside in [
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.7",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.254",
            "169.254.169.254",
            "198.18.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.7",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:7",
            "2002:a00:7::1",
            "2001:0:a00:7::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
        ] {
            let resolver = Script::of(&[&[inside]]).resolver(Reach::Public);
            assert_eq!(resolved(&resolver, "hooks.example").await, refused, "{inside}");
            let resolver = Script::of(&[&[inside]]).resolver(Reach::Anywhere);
            assert_eq!(resolved(&resolver, "hooks.example").await.unwrap().len(), 1, "{inside}");
        }
        let nowhere = Script::of(&[&[]]).resolver(Reach::Public);
        assert_eq!(resolved(&nowhere, "hooks.example").await, refused);
    }

    #[tokio::test]
    async fn of_a_name_that_is_both_inside_and_outside_the_outside_alone_is_asked() {
        let mixed = ["10.0.0.7", "1.1.1.1", "::ffff:127.0.0.1", "2606:4700::1111", "169.254.169.254"];
        let resolver = Script::of(&[&mixed]).resolver(Reach::Public);
        assert_eq!(resolved(&resolver, "hooks.example").await.unwrap(), ["1.1.1.1", "2606:4700::1111"]);
    }

    #[tokio::test]
    async fn a_name_that_moves_inside_is_not_asked_any_more() {
        let script = Script::of(&[&["1.1.1.1"], &["127.0.0.1"], &["1.1.1.1", "::1"]]);
        let resolver = script.resolver(Reach::Public);
        assert_eq!(resolved(&resolver, "rebound.example").await.unwrap(), ["1.1.1.1"]);
        let refused = resolved(&resolver, "rebound.example").await.unwrap_err();
        assert_eq!(refused, "rebound.example is not an address of the internet");
        assert_eq!(resolved(&resolver, "rebound.example").await.unwrap(), ["1.1.1.1"]);
    }

    #[tokio::test]
    async fn the_systems_resolver_is_asked_as_a_rule() {
        let error = resolved(&Resolver::of_the_system(Reach::Public), "localhost").await.unwrap_err();
        assert_eq!(error, "localhost is not an address of the internet");
        let anywhere = Resolver::of_the_system(Reach::Anywhere);
        let found = resolved(&anywhere, "localhost").await.unwrap();
        assert!(found.iter().all(|address| address.parse::<IpAddr>().unwrap().is_loopback()), "{found:?}");
    }
}
