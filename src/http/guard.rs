//! Which host a request may name, and which pages it may come from.
//!
//! A page of anybody's can make a browser send requests to this server: to its name across origins, or, after its own
//! name was pointed at this machine, as if to itself (DNS rebinding). The first names its own origin, the second its own
//! host. Programs that are no browsers name no origin.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;

use crate::config::{Host, HttpConfig, Origin};

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It names no host, or not in a known form, or more than one.
    NoHost,
    /// It names a host that is not this server.
    OtherHost,
    /// It comes from a page of another site.
    OtherOrigin,
}

impl Turned {
    /// What the caller is told.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoHost => "the request names no host; send one `Host` header",
            Self::OtherHost => {
                "the request names a host that this server is not; use its public address, or have it added to \
                 `allowed_hosts`"
            }
            Self::OtherOrigin => "requests from pages of other sites are not answered",
        }
    }
}

/// Knows this server's hosts and sites.
#[derive(Clone, Debug)]
pub struct Guard {
    hosts: Vec<Host>,
    own: Vec<Origin>,
    besides: Vec<Origin>,
}

impl Guard {
    /// From the configuration.
    pub fn new(http: &HttpConfig) -> Self {
        let port = http.listen.port();
        let mut hosts = http.allowed_hosts.clone();
        let mut own: Vec<Origin> = http.origin().parse().into_iter().collect();
        if let Some(url) = &http.public_url
            && let Some(name) = url.host_str()
        {
            hosts.push(Host { name: name.to_owned(), port: url.port_or_known_default() });
        }
        if http.listen.ip().to_canonical().is_loopback() {
            let scheme = if http.tls.is_some() { "https" } else { "http" };
            for name in ["localhost", "127.0.0.1", "::1"] {
                hosts.push(Host { name: name.to_owned(), port: Some(port) });
                let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
                own.extend(format!("{scheme}://{name}:{port}").parse::<Origin>());
            }
        }
        Self { hosts, own, besides: http.allowed_origins.clone() }
    }

    /// Checks a request. `agents`: it is for the agents' endpoint, which may be reached from configured sites too; people's
    /// pages are reached from themselves alone.
    pub fn check(&self, parts: &Parts, agents: bool) -> Result<(), Turned> {
        let host = named_host(parts).ok_or(Turned::NoHost)?;
        if !self.hosts.iter().any(|own| is_host(own, &host)) {
            return Err(Turned::OtherHost);
        }
        let mut origins = parts.headers.get_all(ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            (None, _) => return Ok(()),
            (Some(origin), None) => origin.to_str().ok().and_then(|origin| origin.parse::<Origin>().ok()),
            (Some(_), Some(_)) => None,
        };
        let known = |origin: &Origin| self.own.contains(origin) || (agents && self.besides.contains(origin));
        if origin.as_ref().is_some_and(known) { Ok(()) } else { Err(Turned::OtherOrigin) }
    }

    /// The hosts, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| host.name.as_str())
    }

    /// All sites whose pages may reach the agents' endpoint.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.own.iter().chain(&self.besides)
    }
}

/// The one host a request names: in HTTP/2 as its authority, and where there is a header too they must be the same.
fn named_host(parts: &Parts) -> Option<Host> {
    let mut headers = parts.headers.get_all(HOST).iter();
    let (first, second) = (headers.next(), headers.next());
    if second.is_some() {
        return None;
    }
    let header = match first {
        Some(value) => Some(value.to_str().ok()?.parse::<Host>().ok()?),
        None => None,
    };
    let authority = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str().parse::<Host>().ok()?),
        None => None,
    };
    match (header, authority) {
        (Some(header), Some(authority)) if header == authority => Some(header),
        (Some(_), Some(_)) | (None, None) => None,
        (Some(host), None) | (None, Some(host)) => Some(host),
    }
}

/// Where a name is written without a port, any will do; where a request names none, it is one of the two usual ones.
fn is_host(own: &Host, named: &Host) -> bool {
    let same_name = match (own.name.parse::<IpAddr>(), named.name.parse::<IpAddr>()) {
        (Ok(own), Ok(named)) => own == named,
        _ => own.name == named.name,
    };
    let same_port = match (own.port, named.port) {
        (None, _) => true,
        (Some(own), Some(named)) => own == named,
        (Some(own), None) => [80, 443].contains(&own),
    };
    same_name && same_port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(http: &HttpConfig) -> Guard {
        Guard::new(http)
    }

    fn asks(guard: &Guard, host: &str, origin: Option<&str>) -> Result<(), Turned> {
        let mut request = http::Request::builder().uri("/mcp").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        guard.check(&request.body(()).unwrap().into_parts().0, true)
    }

    fn local() -> Guard {
        guard(&HttpConfig::default())
    }

    fn public() -> Guard {
        guard(&HttpConfig {
            listen: "0.0.0.0:8470".parse().unwrap(),
            public_url: Some("https://guard.example.com".parse().unwrap()),
            allowed_hosts: vec!["10.0.0.7:8470".parse().unwrap(), "guard.internal".parse().unwrap()],
            allowed_origins: vec!["https://inspector.example.com".parse().unwrap()],
            ..HttpConfig::default()
        })
    }

    #[test]
    fn only_this_server_s_own_hosts_are_answered() {
        for host in ["localhost:8470", "LOCALHOST:8470", "localhost.:8470", "127.0.0.1:8470", "[::1]:8470"] {
            assert_eq!(asks(&local(), host, None), Ok(()), "{host}");
        }
        for host in ["evil.example:8470", "localhost", "localhost:80", "127.0.0.1.evil.example:8470", "127.0.0.2:8470"]
        {
            assert_eq!(asks(&local(), host, None), Err(Turned::OtherHost), "{host}");
        }
        for host in ["", "a b", "localhost:8470@evil.example", "http://localhost:8470", "localhost:8470,evil.example"] {
            assert!(asks(&local(), host, None).is_err(), "{host}");
        }
        for host in
            ["guard.example.com", "guard.example.com:443", "10.0.0.7:8470", "guard.internal:9", "guard.internal"]
        {
            assert_eq!(asks(&public(), host, None), Ok(()), "{host}");
        }
        for host in ["localhost:8470", "10.0.0.7", "guard.example.com:8470", "127.0.0.1:8470", "example.com"] {
            assert_eq!(asks(&public(), host, None), Err(Turned::OtherHost), "{host}");
        }
    }

    #[test]
    fn a_host_is_named_once() {
        let twice = http::Request::builder().uri("/").header(HOST, "localhost:8470").header(HOST, "localhost:8470");
        assert_eq!(local().check(&twice.body(()).unwrap().into_parts().0, true), Err(Turned::NoHost));
        let differ = http::Request::builder().uri("http://localhost:8470/").header(HOST, "127.0.0.1:8470");
        assert_eq!(local().check(&differ.body(()).unwrap().into_parts().0, true), Err(Turned::NoHost));
        let none = http::Request::builder().uri("/");
        assert_eq!(local().check(&none.body(()).unwrap().into_parts().0, true), Err(Turned::NoHost));
        let authority = http::Request::builder().uri("https://localhost:8470/");
        assert_eq!(local().check(&authority.body(()).unwrap().into_parts().0, true), Ok(()));
    }

    #[test]
    fn pages_of_other_sites_are_turned_away() {
        let host = "localhost:8470";
        for origin in ["http://localhost:8470", "http://127.0.0.1:8470", "http://[::1]:8470"] {
            assert_eq!(asks(&local(), host, Some(origin)), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://localhost:8470",
            "http://localhost",
            "http://evil.example",
            "http://localhost:8470.evil.example",
            "file://",
        ] {
            assert_eq!(asks(&local(), host, Some(origin)), Err(Turned::OtherOrigin), "{origin}");
        }
        let host = "guard.example.com";
        assert_eq!(asks(&public(), host, Some("https://guard.example.com")), Ok(()));
        assert_eq!(asks(&public(), host, Some("http://guard.example.com")), Err(Turned::OtherOrigin));
        assert_eq!(asks(&public(), host, Some("https://inspector.example.com")), Ok(()));
    }

    #[test]
    fn configured_sites_reach_the_agents_endpoint_and_nothing_else() {
        let request = http::Request::builder().uri("/plans").header(HOST, "guard.example.com");
        let request = request.header(ORIGIN, "https://inspector.example.com").body(()).unwrap();
        assert_eq!(public().check(&request.into_parts().0, false), Err(Turned::OtherOrigin));
    }
}
