//! Hosts, sites and networks, as they are written in the configuration and in requests.

use std::net::IpAddr;
use std::str::FromStr;

use http::uri::Authority;
use url::Url;

/// Something is written in no form that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not of a known form")]
pub struct Malformed;

/// A host, and a port where one is named: the header `Host` (RFC 9110, section 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name in lower case without a closing dot, or its address; IPv6 addresses without brackets.
    pub name: String,
    /// The port, if it is named.
    pub port: Option<u16>,
}

impl FromStr for Host {
    type Err = Malformed;

    fn from_str(written: &str) -> Result<Self, Malformed> {
        let authority = written.parse::<Authority>().map_err(|_| Malformed)?;
        let host = authority.host();
        // What comes before an `@` is not part of a host, and is left over here.
        let port = match authority.as_str().strip_prefix(host).ok_or(Malformed)? {
            "" => None,
            rest => Some(port(rest.strip_prefix(':').ok_or(Malformed)?)?),
        };
        let name = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().map_err(|_| Malformed)?.to_string(),
            None => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        match !name.is_empty() && name.chars().all(plain) {
            true => Ok(Self { name, port }),
            false => Err(Malformed),
        }
    }
}

fn port(written: &str) -> Result<u16, Malformed> {
    let digits = written.bytes().all(|byte| byte.is_ascii_digit());
    written.parse().ok().filter(|_| digits).ok_or(Malformed)
}

/// A site: the header `Origin` (RFC 6454). `null` is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Its serialization, such as `https://inspector.example.com`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = Malformed;

    fn from_str(written: &str) -> Result<Self, Malformed> {
        let url = Url::parse(written).map_err(|_| Malformed)?;
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let path = ["", "/"].contains(&url.path()) && url.password().is_none();
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Malformed)?;
        if !bare || !path {
            return Err(Malformed);
        }
        // Editors' pages have schemes of their own, whose origins are opaque to browsers' rules and are sent all the same.
        Ok(Self(match (url.origin(), url.port()) {
            (origin @ url::Origin::Tuple(..), _) => origin.ascii_serialization(),
            (url::Origin::Opaque(_), Some(port)) => format!("{}://{}:{port}", url.scheme(), host.to_ascii_lowercase()),
            (url::Origin::Opaque(_), None) => format!("{}://{}", url.scheme(), host.to_ascii_lowercase()),
        }))
    }
}

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// True where an address lies in it. An IPv4 address written as IPv6 is what it stands for.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(self.prefix);
                u32::from(network).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(self.prefix);
                u128::from(network).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = Malformed;

    fn from_str(written: &str) -> Result<Self, Malformed> {
        let (address, prefix) = match written.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (written, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| Malformed)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse::<u32>().map_err(|_| Malformed)?,
            None => longest,
        };
        if prefix > longest { Err(Malformed) } else { Ok(Self { address, prefix }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(written: &str) -> Option<(String, Option<u16>)> {
        written.parse::<Host>().ok().map(|host| (host.name, host.port))
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        let named = |name: &str, port| Some((name.to_owned(), port));
        assert_eq!(host("Guard.Example.com"), named("guard.example.com", None));
        assert_eq!(host("guard.example.com.:8470"), named("guard.example.com", Some(8470)));
        assert_eq!(host("127.0.0.1:80"), named("127.0.0.1", Some(80)));
        assert_eq!(host("[::1]:8470"), named("::1", Some(8470)));
        for wrong in ["", ":80", "a@b", "a:b", "a:99999", "a:", "a:+80", "a b", "a/b", "[::1", "http://a", "ä.example"]
        {
            assert_eq!(host(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sites_are_compared_as_browsers_write_them() {
        let origin = |written: &str| written.parse::<Origin>().ok().map(|origin| origin.0);
        assert_eq!(origin("https://Guard.example.com:443").unwrap(), "https://guard.example.com");
        assert_eq!(origin("http://localhost:8470").unwrap(), "http://localhost:8470");
        assert_eq!(origin("vscode-webview://abc").unwrap(), "vscode-webview://abc");
        for wrong in ["null", "", "guard.example.com", "https://a/b", "https://a?b", "https://u:p@a", "file:///a"] {
            assert_eq!(origin(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        let within =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(within("10.0.0.0/8", "10.255.0.1") && !within("10.0.0.0/8", "11.0.0.1"));
        assert!(within("10.0.0.1", "10.0.0.1") && !within("10.0.0.1", "10.0.0.2"));
        assert!(within("10.0.0.0/8", "::ffff:10.1.1.1") && within("0.0.0.0/0", "1.2.3.4"));
        assert!(within("fd00::/8", "fd12::1") && !within("fd00::/8", "::1") && within("::/0", "fd12::1"));
        assert!(!within("0.0.0.0/0", "::1"));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "a", "::/129", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
