//! The protected resource's metadata (RFC 9728): where clients get a token for this server.

use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::config::HttpConfig;
use crate::config::auth::OAuthConfig;

/// Where the metadata is, after the origin. The path of the endpoint may follow (RFC 9728, section 3.1): MCP's clients
/// look there first.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What the metadata says; serializes as the document itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Metadata {
    resource: String,
    authorization_servers: [String; 1],
    scopes_supported: [String; 1],
    bearer_methods_supported: [&'static str; 1],
    resource_name: &'static str,
    #[serde(skip)]
    origin: String,
}

impl Metadata {
    /// The metadata of a server.
    pub fn of(http: &HttpConfig, oauth: &OAuthConfig) -> Self {
        Self {
            resource: http.resource(),
            authorization_servers: [oauth.issuer.clone()],
            scopes_supported: [oauth.scope.clone()],
            bearer_methods_supported: ["header"],
            resource_name: "countersign",
            origin: http.origin(),
        }
    }

    /// The scope tokens need.
    pub fn scope(&self) -> &str {
        let [scope] = &self.scopes_supported;
        scope
    }

    /// Where the document is, for challenges.
    pub fn address(&self) -> String {
        format!("{}{WELL_KNOWN}/mcp", self.origin)
    }

    /// Serves the document: for the endpoint, and for the whole host. Everybody may read it.
    pub fn routes(&self) -> Router {
        let document = self.clone();
        let handler = get(async move || Json(document.clone()));
        Router::new().route(&format!("{WELL_KNOWN}/mcp"), handler.clone()).route(WELL_KNOWN, handler)
    }
}
