//! `[http]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::Compiler;
use crate::config::raw::RawHttp;
use crate::config::{AgentConfig, HttpConfig};
use crate::names::Agent;

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
        http.auth = self.auth(raw.tokens, raw.oauth, agents, http.resource());
        http
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
