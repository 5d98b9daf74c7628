//! An issuer on loopback, and its keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// A key of an issuer.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
}

impl SigningKey {
    pub(crate) fn ecdsa(id: &str) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self { id: id.to_owned(), algorithm: Algorithm::ES256, key: EncodingKey::from_ec_der(pkcs8.as_ref()) }
    }

    pub(crate) fn ed25519(id: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        Self { id: id.to_owned(), algorithm: Algorithm::EdDSA, key: EncodingKey::from_ed_der(pkcs8.as_ref()) }
    }

    pub(crate) fn rsa(id: &str, algorithm: Algorithm) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // Within PKCS #8 the key itself (PKCS #1) follows 26 bytes of framing.
        Self { id: id.to_owned(), algorithm, key: EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]) }
    }

    /// The public half.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }
}

/// Signs claims as an access token.
pub(crate) fn sign(key: &SigningKey, claims: &Value) -> String {
    let header = Header { typ: Some("at+jwt".to_owned()), kid: Some(key.id.clone()), ..Header::new(key.algorithm) };
    encode(&header, claims, &key.key).unwrap()
}

/// What an issuer says of itself, and how it behaves.
pub(crate) struct Face {
    pub(crate) issuer: String,
    pub(crate) jwks_uri: String,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) behaves: Behaves,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Behaves {
    Well,
    IsDown,
    Redirects,
    TalksOn,
    TakesAWhile,
}

/// An issuer on loopback.
pub(crate) struct Issuer {
    pub(crate) address: String,
    pub(crate) face: Arc<Mutex<Face>>,
    fetches: Arc<AtomicUsize>,
}

type Shared = (Arc<Mutex<Face>>, Arc<AtomicUsize>);

impl Issuer {
    /// With one key, `k1`.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let face = Arc::new(Mutex::new(Face {
            issuer: address.clone(),
            jwks_uri: format!("{address}/jwks"),
            keys: vec![SigningKey::ecdsa("k1")],
            behaves: Behaves::Well,
        }));
        let fetches = Arc::new(AtomicUsize::new(0));
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/jwks", get(jwks))
            .with_state((Arc::clone(&face), Arc::clone(&fetches)));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, face, fetches }
    }

    /// Its first key.
    pub(crate) fn key(&self) -> SigningKey {
        self.face.lock().unwrap().keys[0].clone()
    }

    pub(crate) fn has(&self, keys: Vec<SigningKey>) {
        self.face.lock().unwrap().keys = keys;
    }

    pub(crate) fn behaves(&self, how: Behaves) {
        self.face.lock().unwrap().behaves = how;
    }

    /// How often its keys were fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

async fn description(State((face, _)): State<Shared>) -> Json<Value> {
    let face = face.lock().unwrap();
    Json(json!({ "issuer": face.issuer, "jwks_uri": face.jwks_uri }))
}

async fn jwks(State((face, fetches)): State<Shared>) -> Response {
    fetches.fetch_add(1, Ordering::SeqCst);
    let (behaves, keys) = {
        let face = face.lock().unwrap();
        (face.behaves, face.keys.iter().map(SigningKey::jwk).collect::<Vec<_>>())
    };
    let good = Json(json!({ "keys": keys })).into_response();
    match behaves {
        Behaves::Well => good,
        Behaves::IsDown => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        // Another host, though the same machine.
        Behaves::Redirects => Redirect::temporary("http://localhost:1/jwks").into_response(),
        Behaves::TalksOn => "x".repeat(1 << 20).into_response(),
        Behaves::TakesAWhile => {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            good
        }
    }
}
