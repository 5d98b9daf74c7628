//! How the server is reached over HTTP: by agents, and by approvers with their browsers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::AuthConfig;
use super::web::{Host, Network, Origin};
use crate::names::PlanId;

/// The port without one in the configuration.
pub const DEFAULT_PORT: u16 = 8470;

/// How the server is reached over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens; default `127.0.0.1:8470`.
    pub listen: SocketAddr,
    /// How browsers and agents reach it: scheme, host and port. Passkeys are bound to its host. Default: `None`, which
    /// is `localhost` with the port.
    pub public_url: Option<Url>,
    /// How long the page of an irreversible plan must have been open before it can be approved; default 20 seconds.
    pub reading_time: Duration,
    /// Who may call.
    pub auth: AuthConfig,
    /// TLS; `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// True where plain HTTP may be served to other machines. Default: no.
    pub plaintext_beyond_loopback: bool,
    /// What requests may name as their host, besides the public address and this machine.
    pub allowed_hosts: Vec<Host>,
    /// Sites whose pages may reach the agents' endpoint.
    pub allowed_origins: Vec<Origin>,
    /// Proxies that are believed about where a request came from.
    pub trusted_proxies: Vec<Network>,
    /// Limits of number.
    pub limits: HttpLimits,
}

/// A certificate and its key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Limits of number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Most open connections; default 4096.
    pub connections: usize,
    /// Most requests under way; default 1024.
    pub requests: usize,
    /// Most requests under way for one agent and human; default 64.
    pub requests_per_caller: usize,
    /// Most open MCP sessions; default 4096.
    pub sessions: usize,
    /// Most open MCP sessions of one agent and human; default 256.
    pub sessions_per_caller: usize,
    /// How long a session may be idle; default 30 minutes.
    pub session_idle: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            requests: 1024,
            requests_per_caller: 64,
            sessions: 4096,
            sessions_per_caller: 256,
            session_idle: Duration::from_secs(30 * 60),
        }
    }
}

impl HttpConfig {
    /// The defaults, listening at `listen`.
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            public_url: None,
            reading_time: Duration::from_secs(20),
            auth: AuthConfig::default(),
            tls: None,
            plaintext_beyond_loopback: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            limits: HttpLimits::default(),
        }
    }

    /// The console's origin, as browsers name it in signatures, such as `https://countersign.example.com`.
    pub fn origin(&self) -> String {
        match &self.public_url {
            Some(url) => url.origin().ascii_serialization(),
            None if self.tls.is_some() => format!("https://localhost:{}", self.listen.port()),
            None => format!("http://localhost:{}", self.listen.port()),
        }
    }

    /// The host passkeys are bound to (WebAuthn's relying party id).
    pub fn host(&self) -> String {
        self.public_url.as_ref().and_then(Url::host_str).unwrap_or("localhost").to_owned()
    }

    /// Where agents reach the server, such as `https://countersign.example.com/mcp`: what OAuth calls the resource.
    pub fn resource(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// The console's page of a plan.
    pub fn plan_page(&self, plan: &PlanId) -> String {
        format!("{}/plans/{plan}", self.origin())
    }

    /// The console's page to enrol on, of an invitation's token, at an origin.
    pub fn enrol_page(origin: &str, token: &str) -> String {
        format!("{origin}/enrol/{token}")
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self::at(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_public_address() {
        let plan = PlanId::from_outside("plan-1");
        let mut http = HttpConfig::default();
        assert_eq!(http.plan_page(&plan), "http://localhost:8470/plans/plan-1");
        assert_eq!(http.host(), "localhost");
        http.public_url = Some("https://guard.example.com/".parse().unwrap());
        assert_eq!(http.plan_page(&plan), "https://guard.example.com/plans/plan-1");
        assert_eq!(http.host(), "guard.example.com");
    }
}
