//! Access tokens, good and bad.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use super::*;
use crate::auth::jwt::AccessTokens;

const ISSUER: &str = "https://login.example.com";

/// Takes tokens signed with these keys; the file of keys goes with it.
struct Offline {
    tokens: AccessTokens,
    _folder: tempfile::TempDir,
}

impl Offline {
    fn with(config: OAuthConfig, keys: &[&SigningKey]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
        let config = OAuthConfig { keys: KeySource::File(file), ..config };
        Self {
            tokens: AccessTokens::new(config, "http://localhost:8470/mcp".to_owned(), Arc::new(clock())).unwrap(),
            _folder: folder,
        }
    }

    async fn takes(&self, token: &str) -> String {
        match self.tokens.principal(token).await {
            Ok(principal) => format!("{} for {}", principal.agent, principal.human),
            Err(refusal) => format!("{refusal:?}"),
        }
    }
}

#[tokio::test]
async fn good_tokens_of_every_algorithm_are_taken() {
    let keys = [
        SigningKey::rsa("rs", Algorithm::RS256),
        SigningKey::rsa("ps", Algorithm::PS256),
        SigningKey::ecdsa("es"),
        SigningKey::ed25519("ed"),
    ];
    let offline = Offline::with(oauth(ISSUER), &keys.each_ref());
    for key in &keys {
        assert_eq!(offline.takes(&sign(key, &claims(ISSUER))).await, "kiro for dana@example.com", "{}", key.id);
    }
    let only = OAuthConfig { algorithms: vec![TokenAlgorithm::EdDSA], ..oauth(ISSUER) };
    let offline = Offline::with(only, &keys.each_ref());
    assert!(offline.takes(&sign(&keys[3], &claims(ISSUER))).await.starts_with("kiro"));
    assert_eq!(
        offline.takes(&sign(&keys[0], &claims(ISSUER))).await,
        "Invalid(\"its algorithm RS256 is not allowed\")"
    );
}

#[tokio::test]
async fn what_claims_must_be() {
    let key = SigningKey::ecdsa("k1");
    let offline = Offline::with(oauth(ISSUER), &[&key]);
    let now = clock().now().as_second();
    let cases = [
        ("several audiences", json!({ "aud": ["https://other.example.com", "http://localhost:8470/mcp"] })),
        ("another audience", json!({ "aud": "https://other.example.com/mcp" })),
        ("the origin only", json!({ "aud": "http://localhost:8470" })),
        ("a slash more", json!({ "aud": "http://localhost:8470/mcp/" })),
        ("no audience", json!({ "aud": null })),
        ("an empty list", json!({ "aud": [] })),
        ("an audience within", json!({ "aud": [["http://localhost:8470/mcp"]] })),
        ("another issuer", json!({ "iss": "https://login.example.com/" })),
        ("several issuers", json!({ "iss": [ISSUER, "https://evil.example.com"] })),
        ("no issuer", json!({ "iss": null })),
        ("just expired", json!({ "exp": now - 59 })),
        ("expired", json!({ "exp": now - 60 })),
        ("expired by a fraction", json!({ "exp": now as f64 - 60.5 })),
        ("never expires", json!({ "exp": null })),
        ("expires by text", json!({ "exp": "2100-01-01" })),
        ("expires after the end of time", json!({ "exp": 1e300 })),
        ("expires at the end of time", json!({ "exp": 253_402_207_200_i64 })),
        ("not yet", json!({ "nbf": now + 61 })),
        ("about now", json!({ "nbf": now + 60 })),
        ("not before text", json!({ "nbf": "now" })),
        ("issued tomorrow", json!({ "iat": now + 86_400 })),
        ("no subject", json!({ "sub": null })),
        ("an ID token's nonce", json!({ "nonce": "n" })),
        ("Keycloak's ID token", json!({ "typ": "ID" })),
        ("Keycloak's refresh token", json!({ "typ": "Refresh" })),
        ("Keycloak's access token", json!({ "typ": "Bearer" })),
        ("Cognito's ID token", json!({ "token_use": "id" })),
        ("Cognito's access token", json!({ "token_use": "access" })),
        ("bound to a key", json!({ "cnf": { "jkt": "x" } })),
    ];
    let mut found = Vec::new();
    for (case, more) in cases {
        found.push(format!("{case}: {}", offline.takes(&sign(&key, &with(&claims(ISSUER), more))).await));
    }
    insta::assert_snapshot!(found.join("\n"));
}

#[tokio::test]
async fn an_id_token_of_this_audience_is_none_for_access() {
    let key = SigningKey::ecdsa("k1");
    let offline = Offline::with(oauth(ISSUER), &[&key]);
    let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) };
    for claim in ["nonce", "at_hash", "c_hash", "s_hash"] {
        let token = encode(&header, &with(&claims(ISSUER), json!({ claim: "x" })), &key.key).unwrap();
        assert_eq!(offline.takes(&token).await, format!("Invalid(\"it is an ID token: it has `{claim}`\")"));
    }
}

#[tokio::test]
async fn a_token_can_be_too_old() {
    let key = SigningKey::ecdsa("k1");
    let strict = OAuthConfig { max_age: Some(Duration::from_secs(600)), ..oauth(ISSUER) };
    let offline = Offline::with(strict, &[&key]);
    let now = clock().now().as_second();
    for (issued, good) in [(json!(now - 600), true), (json!(now - 661), false), (Value::Null, false)] {
        let taken = offline.takes(&sign(&key, &with(&claims(ISSUER), json!({ "iat": issued })))).await;
        assert_eq!(taken.starts_with("kiro"), good, "{issued}: {taken}");
    }
}

#[tokio::test]
async fn what_headers_must_be() {
    let key = SigningKey::ecdsa("k1");
    let (twin, other) = (SigningKey::ecdsa("k1"), SigningKey::ecdsa("k2"));
    let base = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) };
    let typ = |typ: Option<&str>| Header { typ: typ.map(str::to_owned), ..base.clone() };
    let own: Jwk = serde_json::from_value(key.jwk()).unwrap();
    let cases = [
        ("JWT", typ(Some("JWT"))),
        ("no type", typ(None)),
        ("in full", typ(Some("application/at+JWT"))),
        ("ID token", typ(Some("id+jwt"))),
        ("logout token", typ(Some("logout+jwt"))),
        ("proof", typ(Some("dpop+jwt"))),
        ("its own key", Header { jwk: Some(own), ..base.clone() }),
        ("an address", Header { jku: Some("https://evil.example.com/jwks".to_owned()), ..base.clone() }),
        ("a certificate", Header { x5u: Some("https://evil.example.com/cert".to_owned()), ..base.clone() }),
        ("a chain", Header { x5c: Some(vec!["AA==".to_owned()]), ..base.clone() }),
        ("a thumbprint", Header { x5t: Some("AA".to_owned()), ..base.clone() }),
        ("a demand", Header { crit: Some(vec!["b64".to_owned()]), ..base.clone() }),
        ("an unknown key", Header { kid: Some("../../etc/passwd".to_owned()), ..base.clone() }),
        ("no key named", Header { kid: None, ..base.clone() }),
    ];
    let mut found = Vec::new();
    for (keys, set) in [("one key", vec![&key]), ("two keys", vec![&key, &other]), ("twins", vec![&key, &twin])] {
        let offline = Offline::with(oauth(ISSUER), &set);
        found.push(format!("{keys}:"));
        for (case, header) in &cases {
            let token = encode(header, &claims(ISSUER), &key.key).unwrap();
            found.push(format!("  {case}: {}", offline.takes(&token).await));
        }
    }
    insta::assert_snapshot!(found.join("\n"));
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let key = SigningKey::rsa("k1", Algorithm::RS256);
    let offline = Offline::with(oauth(ISSUER), &[&key]);
    let jwk = key.jwk();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let secrets = [modulus, jwk["n"].as_str().unwrap().as_bytes().to_vec(), jwk.to_string().into_bytes(), Vec::new()];
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        for secret in &secrets {
            let header = Header { kid: Some("k1".to_owned()), ..Header::new(algorithm) };
            let token = encode(&header, &claims(ISSUER), &EncodingKey::from_secret(secret)).unwrap();
            let taken = offline.takes(&token).await;
            assert_eq!(taken, format!("Invalid(\"its algorithm {algorithm:?} is not allowed\")"));
        }
    }
}

#[tokio::test]
async fn what_nobody_signed_is_not_taken() {
    let key = SigningKey::ecdsa("k1");
    let offline = Offline::with(oauth(ISSUER), &[&key]);
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let payload = encoded(&claims(ISSUER));
    for algorithm in ["none", "None", "NONE", "", "ES256", "HS256"] {
        let header = encoded(&json!({ "alg": algorithm, "typ": "at+jwt", "kid": "k1" }));
        for signature in ["", ".", ".AA"] {
            let token = format!("{header}.{payload}{signature}");
            let taken = offline.takes(&token).await;
            assert!(taken.starts_with("Invalid"), "{algorithm} {signature}: {taken}");
        }
    }
    // Zeros as r and s passed for a signature elsewhere once.
    let header = encoded(&json!({ "alg": "ES256", "kid": "k1" }));
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    assert!(offline.takes(&format!("{header}.{payload}.{zeros}")).await.starts_with("Invalid"));
    // Another key of the same name, and somebody else's signature under these claims.
    assert!(offline.takes(&sign(&SigningKey::ecdsa("k1"), &claims(ISSUER))).await.starts_with("Invalid"));
    let other = sign(&key, &with(&claims(ISSUER), json!({ "email": "ann@example.com" })));
    let signature = other.rsplit('.').next().unwrap();
    let header = other.split('.').next().unwrap();
    assert!(offline.takes(&format!("{header}.{payload}.{signature}")).await.starts_with("Invalid"));
    let long = sign(&key, &with(&claims(ISSUER), json!({ "padding": "x".repeat(20_000) })));
    assert_eq!(offline.takes(&long).await, "Invalid(\"it is longer than 16384 bytes\")");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_changed_token_is_never_taken(
        places in prop::collection::vec((any::<prop::sample::Index>(), "[A-Za-z0-9_.=-]"), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let key = SigningKey::ecdsa("k1");
            let offline = Offline::with(oauth(ISSUER), &[&key]);
            let token = sign(&key, &claims(ISSUER));
            let mut characters: Vec<char> = token.chars().collect();
            for (place, with) in &places {
                let at = place.index(characters.len());
                characters[at] = with.chars().next().unwrap();
            }
            if let Some(cut) = cut {
                characters.truncate(cut.index(characters.len()));
            }
            let changed: String = characters.into_iter().collect();
            prop_assert_eq!(offline.takes(&changed).await.starts_with("kiro"), changed == token);
            Ok(())
        })?;
    }
}
