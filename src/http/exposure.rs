//! Whether it may listen where it is told to.

use crate::auth::Gate;
use crate::config::HttpConfig;

/// Refuses to listen where credentials, or what people sign, would travel in the clear, and where anybody would be
/// somebody. The text says what is wrong, and the mend.
pub fn check(http: &HttpConfig, gate: &Gate) -> Result<(), String> {
    let (listen, local) = (http.listen, http.listen.ip().to_canonical().is_loopback());
    if !local && http.tls.is_none() && !http.plaintext_beyond_loopback {
        return Err(format!(
            "`{listen}` can be reached from other machines, and there is no TLS: give `[http]` a `tls_certificate` and \
             a `tls_key`, or listen at `127.0.0.1`; only where a proxy in front does TLS, and nobody gets past it, write \
             `plaintext_beyond_loopback = true`"
        ));
    }
    if !local && http.public_url.as_ref().is_none_or(|url| url.scheme() != "https") {
        return Err(format!(
            "`{listen}` can be reached from other machines, and the address they use is not known: give `[http]` a \
             `public_url`, such as `\"https://countersign.example.com\"`"
        ));
    }
    if gate.asks_for_credentials() && !gate.is_closed() {
        return Ok(());
    }
    let nobody = "and no credentials are configured, so everybody would be the configured `[caller]`";
    if !local {
        return Err(format!(
            "`{listen}` can be reached from other machines, {nobody}: configure tokens or OAuth under `[http]`, or listen \
             at `127.0.0.1`"
        ));
    }
    if gate.is_closed() || !http.trusted_proxies.is_empty() {
        return Err(format!(
            "`[http]` names a `public_url` or `trusted_proxies`, so others reach it through a proxy, {nobody}: configure \
             tokens or OAuth under `[http]`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{CallerConfig, TlsFiles};
    use crate::names::{Agent, Human};
    use crate::testing::FixedClock;

    fn gate(http: &HttpConfig) -> Gate {
        let caller = CallerConfig { human: Human::new("ann"), agent: Agent::new("agent") };
        Gate::new(http, &caller, Arc::new(FixedClock::default())).unwrap()
    }

    fn at(listen: &str) -> HttpConfig {
        HttpConfig::at(listen.parse().unwrap())
    }

    fn refused(http: &HttpConfig, why: &str) {
        let told = check(http, &gate(http)).unwrap_err();
        assert!(told.contains(why), "{told}");
    }

    #[test]
    fn without_credentials_only_this_machine_is_served() {
        for local in ["127.0.0.1:8470", "[::1]:8470", "127.8.8.8:1"] {
            assert_eq!(check(&at(local), &gate(&at(local))), Ok(()), "{local}");
        }
        let proxied = HttpConfig { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], ..at("127.0.0.1:8470") };
        refused(&proxied, "everybody would be");
        let public = |url: &str| HttpConfig { public_url: Some(url.parse().unwrap()), ..at("127.0.0.1:8470") };
        refused(&public("https://guard.example.com"), "everybody would be");
        let local = public("http://localhost:8470");
        assert_eq!(check(&local, &gate(&local)), Ok(()));
    }

    #[test]
    fn beyond_it_there_must_be_tls_an_address_and_credentials() {
        for listen in ["0.0.0.0:8470", "[::]:8470", "10.0.0.7:8470", "[::ffff:10.0.0.7]:80"] {
            refused(&at(listen), "there is no TLS");
            let plain = HttpConfig { plaintext_beyond_loopback: true, ..at(listen) };
            refused(&plain, "public_url");
            let tls = Some(TlsFiles { certificate: "c".into(), key: "k".into() });
            let named = HttpConfig { tls, public_url: Some("http://localhost".parse().unwrap()), ..at(listen) };
            refused(&named, "public_url");
            let named = HttpConfig { public_url: Some("https://guard.example.com".parse().unwrap()), ..named };
            refused(&named, "everybody would be");
        }
    }
}
