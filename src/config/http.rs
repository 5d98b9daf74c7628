//! How the server is reached over HTTP: by agents, and by approvers with their browsers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::Url;

use super::AuthConfig;
use crate::names::PlanId;

/// The port without one in the configuration.
pub const DEFAULT_PORT: u16 = 8470;

/// How the server is reached over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens; default `127.0.0.1:8470`.
    pub listen: SocketAddr,
    /// How browsers and agents reach it: scheme, host and port. Passkeys are bound to its host. Default: `None`, which
    /// is `http://localhost` with the port.
    pub public_url: Option<Url>,
    /// How long the page of an irreversible plan must have been open before it can be approved; default 20 seconds.
    pub reading_time: Duration,
    /// Who may call.
    pub auth: AuthConfig,
}

impl HttpConfig {
    /// The defaults, listening at `listen`.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, public_url: None, reading_time: Duration::from_secs(20), auth: AuthConfig::default() }
    }

    /// The console's origin, as browsers name it in signatures, such as `https://countersign.example.com`.
    pub fn origin(&self) -> String {
        match &self.public_url {
            Some(url) => url.origin().ascii_serialization(),
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
