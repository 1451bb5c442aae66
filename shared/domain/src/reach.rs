use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ip_network::{Ipv4Network, Ipv6Network};
use url::{Host, Url};

/// Which addresses a tenant's webhook may reach: those of the internet, and none of the network the functions run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of the internet, over HTTPS.
    Public,
    /// Any, over HTTP too: for a stack on a machine of one's own.
    Anywhere,
}

/// An address that is not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// It is no address at all.
    #[error("the url cannot be read: {0}")]
    Unreadable(#[from] url::ParseError),
    /// It is asked over another protocol.
    #[error("the url is not https")]
    NotHttps,
    /// It holds a user and a password, or a fragment, which are never sent.
    #[error("the url has a user, a password or a fragment, expected none")]
    Adorned,
    /// It lies inside.
    #[error("{host} is not an address of the internet")]
    Private {
        /// The host of the address.
        host: String,
    },
}

impl Reach {
    /// The reach of this name, `public` or `anywhere`, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "public" => Some(Self::Public),
            "anywhere" => Some(Self::Anywhere),
            _ => None,
        }
    }

    /// Looks at an address before it is asked. A name is looked at again once it is resolved, with [`Reach::includes`].
    pub fn check(self, url: &str) -> Result<Url, NotAsked> {
        let url = Url::parse(url)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(NotAsked::Adorned);
        }
        if self == Self::Anywhere && matches!(url.scheme(), "http" | "https") {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err(NotAsked::NotHttps);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        match address {
            Some(address) if !self.includes(address) => {
                Err(NotAsked::Private { host: url.host_str().unwrap_or_default().to_owned() })
            }
            _ => Ok(url),
        }
    }

    /// Whether an address may be asked.
    pub fn includes(self, address: IpAddr) -> bool {
        self == Self::Anywhere || is_public(address)
    }
}

/// Whether an address is reached over the internet, by the registries of special-purpose addresses (RFC 6890). An IPv6
/// address that stands for an IPv4 one (mapped, NAT64, 6to4) is judged by that one.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            if let Some(address) = address.to_ipv4_mapped() {
                return is_public_v4(address);
            }
            match translated(address) {
                Some(address) => is_public_v4(address),
                None => is_global_unicast(address) && six_to_four(address).is_none_or(is_public_v4),
            }
        }
    }
}

/// Whether an IPv6 address is one that registries give out: of `2000::/3` (RFC 4291, 2.4), without what is set aside in it for
/// protocols such as Teredo (`2001::/23`, RFC 2928), and for documents (`2001:db8::/32`, `3fff::/20`, RFC 9637).
fn is_global_unicast(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_set_aside = (first == 0x2001 && second & 0xfe00 == 0) || (first == 0x3fff && second & 0xf000 == 0);
    first & 0xe000 == 0x2000
        && !is_set_aside
        && Ipv6Network::new(address, 128).is_ok_and(|network| network.is_global())
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !address.is_multicast() && Ipv4Network::new(address, 32).is_ok_and(|network| network.is_global())
}

/// The IPv4 address that a NAT64 of the well-known prefix reaches: `64:ff9b::a.b.c.d` (RFC 6052).
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(joined(high, low)),
        _ => None,
    }
}

/// The IPv4 address that an address of 6to4 is reached by: `2002:…` (RFC 3056).
fn six_to_four(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x2002, high, low, ..] => Some(joined(high, low)),
        _ => None,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_the_internet_are_asked_and_no_others() {
        for public in [
            "1.1.1.1",
            "93.184.215.14",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in [
            "127.0.0.1",
            "127.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "ff0e::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::",
            "2001:db8::1",
            "3fff::1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "2001::a9fe:a9fe",
            "2001:10::1",
            "100::1",
            "5f00::1",
            "::808:808",
            "::ffff:0:808:808",
            "fec0::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[test]
    fn a_url_is_https_to_the_internet_unless_everything_is_allowed() {
        assert!(Reach::Public.check("https://example.com/hook?x=1").is_ok());
        assert_eq!(Reach::Public.check("http://example.com/"), Err(NotAsked::NotHttps));
        assert_eq!(Reach::Public.check("ftp://example.com/"), Err(NotAsked::NotHttps));
        assert!(matches!(Reach::Public.check("example.com"), Err(NotAsked::Unreadable(_))));
        for adorned in ["https://u:p@example.com/", "https://u@example.com/", "https://example.com/#x"] {
            assert_eq!(Reach::Anywhere.check(adorned), Err(NotAsked::Adorned), "{adorned}");
        }
        for inside in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://017700000001/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://10.1:8443/",
        ] {
            assert!(matches!(Reach::Public.check(inside), Err(NotAsked::Private { .. })), "{inside}");
        }
        assert!(Reach::Anywhere.check("http://127.0.0.1:8080/hook").is_ok());
        assert_eq!(Reach::Anywhere.check("file:///etc/passwd"), Err(NotAsked::NotHttps));
    }

    proptest! {
        #[test]
        fn whatever_stands_for_a_private_address_is_as_private(bits in any::<u32>()) {
            let plain = Ipv4Addr::from(bits);
            let [a, b] = [(bits >> 16) as u16, (bits & 0xffff) as u16];
            prop_assert_eq!(is_public(IpAddr::V6(plain.to_ipv6_mapped())), is_public_v4(plain));
            for v6 in [Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b), Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 1)] {
                prop_assert!(is_public_v4(plain) || !is_public(IpAddr::V6(v6)));
            }
        }
    }
}
