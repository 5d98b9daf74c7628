use std::time::Duration;

use http::Request;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::auth::{AgentRule, KeySource, OAuthConfig, TokenAlgorithm};
use crate::testing::FixedClock;

mod issuer;
mod keys;
mod tokens;

pub(super) use issuer::{Issuer, SigningKey, sign};

/// The configuration of an issuer whose client `kiro-client` is the agent `kiro`.
pub(super) fn oauth(issuer: &str) -> OAuthConfig {
    use TokenAlgorithm::{ES256, EdDSA, PS256, RS256};
    OAuthConfig {
        issuer: issuer.to_owned(),
        keys: KeySource::Discovery,
        audience: None,
        algorithms: vec![RS256, PS256, ES256, EdDSA],
        scope: "countersign".to_owned(),
        human_claim: "email".to_owned(),
        agents: vec![AgentRule {
            claim: "client_id".to_owned(),
            value: "kiro-client".to_owned(),
            agent: Agent::new("kiro"),
            human: None,
        }],
        default_agent: None,
        max_age: None,
        stale_keys: Duration::from_secs(24 * 3600),
    }
}

/// The claims of a good token.
fn claims(issuer: &str) -> Value {
    let now = FixedClock::default().now().as_second();
    json!({
        "iss": issuer, "aud": "http://localhost:8470/mcp", "sub": "u-1", "client_id": "kiro-client",
        "iat": now - 10, "exp": now + 300, "jti": "1", "scope": "openid countersign",
        "email": "dana@example.com", "email_verified": true,
    })
}

fn with(claims: &Value, more: Value) -> Value {
    let mut all = claims.as_object().unwrap().clone();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => all.remove(name),
            value => all.insert(name.clone(), value.clone()),
        };
    }
    Value::Object(all)
}

fn caller() -> CallerConfig {
    CallerConfig { human: Human::new("ann"), agent: Agent::new("stdio-agent") }
}

fn gate(auth: AuthConfig, clock: &FixedClock) -> Gate {
    let http = HttpConfig { auth, ..HttpConfig::default() };
    Gate::new(&http, &caller(), Arc::new(clock.clone())).unwrap()
}

fn gate_of(oauth: OAuthConfig, clock: &FixedClock) -> Gate {
    gate(AuthConfig { tokens: Vec::new(), oauth: Some(oauth) }, clock)
}

fn parts(authorization: &[&str]) -> Parts {
    let mut request = Request::builder().uri("/mcp?access_token=cs_in-the-query");
    for value in authorization {
        request = request.header("authorization", *value);
    }
    request.body(()).unwrap().into_parts().0
}

async fn ask(gate: &Gate, token: &str) -> Result<Principal, Challenge> {
    gate.authenticate(&parts(&[&format!("Bearer {token}")])).await
}

/// A clock from which tests start.
fn clock() -> FixedClock {
    FixedClock::default()
}

#[tokio::test]
async fn without_credentials_only_this_machine_gets_in() {
    let open = |listen: &str, public: Option<&str>| {
        let http = HttpConfig {
            public_url: public.map(|url| url.parse().unwrap()),
            ..HttpConfig::at(listen.parse().unwrap())
        };
        Gate::new(&http, &caller(), Arc::new(clock())).unwrap()
    };
    for gate in [open("127.0.0.1:8470", None), open("[::1]:8470", Some("http://localhost:8470"))] {
        let principal = gate.authenticate(&parts(&[])).await.unwrap();
        assert_eq!((principal.agent.as_str(), principal.source), ("stdio-agent", Source::Configured));
        assert!(!gate.asks_for_credentials() && !gate.is_closed());
    }
    // A proxy before a loopback address lets the world in.
    for gate in [open("0.0.0.0:8470", None), open("127.0.0.1:8470", Some("https://countersign.example.com"))] {
        assert!(gate.is_closed());
        for authorization in [&[][..], &["Bearer cs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], &["Bearer a.b.c"]] {
            assert_eq!(gate.authenticate(&parts(authorization)).await.unwrap_err().status, 401);
        }
    }
}

#[tokio::test]
async fn what_strangers_are_told() {
    let issuer = Issuer::start().await;
    let static_only = AuthConfig {
        tokens: vec![crate::config::auth::TokenConfig {
            name: "ci".to_owned(),
            sha256: [7; 32],
            agent: Agent::new("kiro"),
            human: Human::new("dana"),
            expires: "2100-01-01T00:00:00Z".parse().unwrap(),
        }],
        oauth: None,
    };
    let mut told = Vec::new();
    for (name, gate) in
        [("static tokens", gate(static_only, &clock())), ("an issuer", gate_of(oauth(&issuer.address), &clock()))]
    {
        let lacks_scope = sign(&issuer.key(), &with(&claims(&issuer.address), json!({ "scope": "openid" })));
        let is_nobody = sign(&issuer.key(), &with(&claims(&issuer.address), json!({ "client_id": "x" })));
        let expired = sign(&issuer.key(), &with(&claims(&issuer.address), json!({ "exp": 1 })));
        let cases: [(&str, &[&str]); 10] = [
            ("nothing", &[]),
            ("basic", &["Basic ZGFuYTp4"]),
            ("one word", &["Bearer"]),
            ("two headers", &["Bearer a", "Bearer b"]),
            ("no token", &["Bearer  "]),
            ("unknown static token", &["Bearer cs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]),
            ("no JWT", &["bearer abc"]),
            ("expired", &[&format!("Bearer {expired}")]),
            ("no scope", &[&format!("Bearer {lacks_scope}")]),
            ("nobody", &[&format!("Bearer {is_nobody}")]),
        ];
        told.push(format!("{name}:"));
        for (case, authorization) in cases {
            let challenge = gate.authenticate(&parts(authorization)).await.unwrap_err();
            let header = challenge.authenticate.unwrap_or_default();
            told.push(format!("  {case}: {} {}\n    {header}", challenge.status.as_u16(), challenge.message));
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_metadata_is_what_rfc_9728_says() {
    let http =
        HttpConfig { public_url: Some("https://countersign.example.com".parse().unwrap()), ..HttpConfig::default() };
    let metadata = Metadata::of(&http, &oauth("https://login.example.com/realms/shop"));
    assert_eq!(metadata.address(), "https://countersign.example.com/.well-known/oauth-protected-resource/mcp");
    insta::assert_json_snapshot!(metadata);
}

#[tokio::test]
async fn a_static_token_and_an_issuer_live_side_by_side() {
    let issuer = Issuer::start().await;
    let token = token::NewToken::random().unwrap();
    let known = crate::config::auth::TokenConfig {
        name: "ci".to_owned(),
        sha256: hex::decode(token.sha256()).unwrap().try_into().unwrap(),
        agent: Agent::new("night"),
        human: Human::new("cleo"),
        expires: "2100-01-01T00:00:00Z".parse().unwrap(),
    };
    let gate = gate(AuthConfig { tokens: vec![known], oauth: Some(oauth(&issuer.address)) }, &clock());
    let principal = ask(&gate, token.reveal()).await.unwrap();
    assert_eq!((principal.agent.as_str(), principal.human.as_str()), ("night", "cleo"));
    assert_eq!(principal.source, Source::Token { name: "ci".to_owned() });
    let principal = ask(&gate, &sign(&issuer.key(), &claims(&issuer.address))).await.unwrap();
    assert_eq!((principal.agent.as_str(), principal.human.as_str()), ("kiro", "dana@example.com"));
}
