//! `[http]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::Compiler;
use crate::config::raw::RawHttp;
use crate::config::{AgentConfig, HttpConfig, HttpLimits, TlsFiles};
use crate::names::Agent;
use crate::text::escape::quoted;

impl Compiler<'_> {
    pub(super) fn http(&mut self, raw: RawHttp, agents: &BTreeMap<Agent, AgentConfig>) -> HttpConfig {
        let mut http = HttpConfig::default();
        if let Some(written) = &raw.listen {
            match written.parse::<SocketAddr>() {
                Ok(listen) => http.listen = listen,
                Err(_) => {
                    let message = format!("`{written}` is not an address to listen at");
                    self.wrong("/http/listen", message, "write an IP address and a port, such as `\"127.0.0.1:8470\"`");
                }
            }
        }
        if let Some(written) = &raw.public_url {
            match Url::parse(written) {
                Ok(url) if is_origin(&url) => http.public_url = Some(url),
                _ => {
                    let message = format!("`{written}` is not the address of a site");
                    let mend = "write scheme and host, and the port where it isn't the usual one, such as \
                                `\"https://countersign.example.com\"`; only `localhost` can do without https";
                    self.wrong("/http/public_url", message, mend);
                }
            }
        }
        http.reading_time = self.duration_at("/http/reading_time", &raw.reading_time, Duration::from_secs(20), 0, 600);
        http.tls = match (&raw.tls_certificate, &raw.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(TlsFiles { certificate: self.path(certificate), key: self.path(key) })
            }
            (None, None) => None,
            (Some(_), None) => {
                self.wrong("/http/tls_certificate", "the certificate's key is missing", "add `tls_key`");
                None
            }
            (None, Some(_)) => {
                self.wrong("/http/tls_key", "the key's certificate is missing", "add `tls_certificate`");
                None
            }
        };
        http.plaintext_beyond_loopback = raw.plaintext_beyond_loopback;
        let mend = "write a name or an address, and a port where it matters, such as `\"10.0.0.7:8470\"`";
        http.allowed_hosts = self.each("allowed_hosts", &raw.allowed_hosts, "a host", mend);
        let mend = "write scheme, host and port of a site, such as `\"https://inspector.example.com\"`";
        http.allowed_origins = self.each("allowed_origins", &raw.allowed_origins, "a site", mend);
        let mend = "write an address or a network, such as `\"10.0.0.0/8\"`";
        http.trusted_proxies = self.each("trusted_proxies", &raw.trusted_proxies, "a network", mend);
        let default = HttpLimits::default();
        http.limits = HttpLimits {
            connections: raw.connections.unwrap_or(default.connections),
            requests: raw.requests.unwrap_or(default.requests),
            requests_per_caller: raw.requests_per_caller.unwrap_or(default.requests_per_caller),
            sessions: raw.sessions.unwrap_or(default.sessions),
            sessions_per_caller: raw.sessions_per_caller.unwrap_or(default.sessions_per_caller),
            session_idle: self.duration_at(
                "/http/session_idle",
                &raw.session_idle,
                default.session_idle,
                60,
                24 * 60 * 60,
            ),
        };
        http.auth = self.auth(raw.tokens, raw.oauth, agents);
        http
    }

    fn each<T: FromStr>(&mut self, key: &str, written: &[String], what: &str, mend: &str) -> Vec<T> {
        let mut read = Vec::new();
        for (index, written) in written.iter().enumerate() {
            match written.parse() {
                Ok(one) => read.push(one),
                Err(_) => {
                    let message = format!("{} is not {what}", quoted(written, 64));
                    self.wrong(&format!("/http/{key}/{index}"), message, mend);
                }
            }
        }
        read
    }
}

/// Browsers offer passkeys to https alone, and to `localhost`; never to an IP address.
fn is_origin(url: &Url) -> bool {
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let host = match url.host() {
        Some(url::Host::Domain(host)) => host,
        _ => return false,
    };
    bare && (url.scheme() == "https"
        || (url.scheme() == "http" && (host == "localhost" || host.ends_with(".localhost"))))
}
