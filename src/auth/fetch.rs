//! Gets an issuer's keys: by its own description, from an address, or from a file.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use serde::Deserialize;
use url::Url;

use super::jwks::KeySet;
use crate::config::auth::{KeySource, OAuthConfig, is_loopback};
use crate::text::escape::quoted;

/// Most bytes of a description or a key set.
const MOST_BYTES: usize = 256 << 10;

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Most redirects, all of which must stay on the host.
const MOST_REDIRECTS: usize = 3;

/// How keys are got.
#[derive(Debug)]
pub(super) enum Fetch {
    Discovered { issuer: String, http: reqwest::Client },
    At { url: Url, http: reqwest::Client },
    File(PathBuf),
}

/// What is needed of an issuer's description (OpenID Connect Discovery 1.0, RFC 8414).
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

impl Fetch {
    pub(super) fn new(config: &OAuthConfig) -> Result<Self, reqwest::Error> {
        let issuer = config.issuer.clone();
        Ok(match &config.keys {
            KeySource::Discovery => {
                let local = Url::parse(&issuer).is_ok_and(|url| is_loopback(&url));
                Self::Discovered { issuer, http: client(local)? }
            }
            KeySource::Url(url) => Self::At { url: url.clone(), http: client(is_loopback(url))? },
            KeySource::File(path) => Self::File(path.clone()),
        })
    }

    /// The keys as they are now, or why there are none.
    pub(super) async fn keys(&self) -> Result<KeySet, String> {
        let bytes = match self {
            Self::Discovered { issuer, http } => {
                let address = discovered(issuer, http).await?;
                get(http, address).await?
            }
            Self::At { url, http } => get(http, url.clone()).await?,
            Self::File(path) => {
                let read = tokio::fs::read(path).await;
                read.map_err(|error| format!("`{}` can't be read: {error}", path.display()))?
            }
        };
        KeySet::parse(&bytes).map_err(|wrong| format!("the keys can't be used: {wrong}"))
    }
}

/// Where an issuer's description says that its keys are.
async fn discovered(issuer: &str, http: &reqwest::Client) -> Result<Url, String> {
    let mut wrong = Vec::new();
    for address in descriptions(issuer)? {
        match get(http, address.clone()).await.and_then(|bytes| described(&bytes, issuer)) {
            Ok(keys) => return Ok(keys),
            Err(reason) => wrong.push(format!("{address}: {reason}")),
        }
    }
    Err(wrong.join("; "))
}

/// Where an issuer's description may be: OpenID Connect puts its path before, RFC 8414 behind.
fn descriptions(issuer: &str) -> Result<[Url; 2], String> {
    let url = Url::parse(issuer).map_err(|error| format!("the issuer is no address: {error}"))?;
    let path = url.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut address = url.clone();
        address.set_path(&path);
        address
    };
    Ok([
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

/// The address of the keys in a description of this very issuer.
fn described(bytes: &[u8], issuer: &str) -> Result<Url, String> {
    let description: Description =
        serde_json::from_slice(bytes).map_err(|error| format!("this is no description of an issuer: {error}"))?;
    if description.issuer != issuer {
        let other = quoted(&description.issuer, 200);
        return Err(format!("this describes the issuer {other}: write it exactly so if it is the one that is meant"));
    }
    let keys = Url::parse(&description.jwks_uri).map_err(|error| format!("`jwks_uri` is no address: {error}"))?;
    let local = |url: &Url| url.scheme() == "http" && is_loopback(url);
    let issuer_is_local = Url::parse(issuer).is_ok_and(|url| local(&url));
    match keys.scheme() == "https" || (issuer_is_local && local(&keys)) {
        true => Ok(keys),
        false => Err(format!("`jwks_uri` is not https: {}", quoted(keys.as_str(), 200))),
    }
}

fn client(local: bool) -> Result<reqwest::Client, reqwest::Error> {
    let stay = |attempt: Attempt<'_>| {
        let from = attempt.previous().last().map(Url::origin);
        if attempt.previous().len() > MOST_REDIRECTS || from != Some(attempt.url().origin()) {
            return attempt.stop();
        }
        attempt.follow()
    };
    let client = reqwest::Client::builder()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT / 2)
        .redirect(Policy::custom(stay));
    match local {
        true => client.no_proxy().build(),
        false => client.build(),
    }
}

/// The body of a 200 that is not too long.
async fn get(http: &reqwest::Client, address: Url) -> Result<Vec<u8>, String> {
    let unreachable = |error: reqwest::Error| format!("no answer: {}", causes(&error.without_url()));
    let mut response = http.get(address).header("accept", "application/json").send().await.map_err(unreachable)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("it answered {}", response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(format!("the answer is longer than {MOST_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        told.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_where_the_standards_put_them() {
        let addresses = |issuer: &str| descriptions(issuer).unwrap().map(|url| url.to_string());
        assert_eq!(
            addresses("https://login.example.com/realms/shop/"),
            [
                "https://login.example.com/realms/shop/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server/realms/shop",
            ]
        );
        assert_eq!(
            addresses("https://login.example.com"),
            [
                "https://login.example.com/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server",
            ]
        );
    }

    #[test]
    fn a_description_is_of_this_issuer_and_its_keys_come_over_https() {
        let of = |issuer: &str, keys: &str| format!(r#"{{ "issuer": "{issuer}", "jwks_uri": "{keys}" }}"#);
        let issuer = "https://login.example.com";
        let keys = "https://keys.example.com/jwks";
        assert_eq!(described(of(issuer, keys).as_bytes(), issuer).unwrap().as_str(), keys);
        for (other, keys) in [
            ("https://login.example.com/", keys),
            ("https://LOGIN.example.com", keys),
            ("https://evil.example.com", keys),
            (issuer, "http://login.example.com/jwks"),
            (issuer, "http://127.0.0.1/jwks"),
            (issuer, "file:///etc/passwd"),
            (issuer, "/jwks"),
        ] {
            assert!(described(of(other, keys).as_bytes(), issuer).is_err(), "{other} {keys}");
        }
        let local = "http://127.0.0.1:9000";
        assert!(described(of(local, "http://127.0.0.1:9000/jwks").as_bytes(), local).is_ok());
        assert!(described(of(local, "http://login.example.com/jwks").as_bytes(), local).is_err());
    }
}
