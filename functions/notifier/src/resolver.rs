//! Names resolved to what may be asked.

use std::net::SocketAddr;

use domain::{NotAsked, Reach};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The system's resolver without the addresses that are not asked. The connection is made to what it answers, so a name
/// cannot be resolved to one address for a check and to another for the request.
#[derive(Debug)]
pub(crate) struct Resolver(pub(crate) Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let asked: Vec<SocketAddr> = found.filter(|address| reach.includes(address.ip())).collect();
            if asked.is_empty() {
                return Err(NotAsked::Private { host: name.as_str().to_owned() }.into());
            }
            Ok(Box::new(asked.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_not_asked() {
        let resolve = |reach: Reach| Resolver(reach).resolve("localhost".parse().unwrap());
        let error = resolve(Reach::Public).await.err().unwrap().to_string();
        assert!(error.contains("localhost is not an address of the internet"), "{error}");
        assert!(resolve(Reach::Anywhere).await.unwrap().all(|address| address.ip().is_loopback()));
    }
}
