//! 22, 10, 11: a token for another audience, a token made by the agent itself, a session of somebody else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rmcp::model::CallToolRequestParams;

use super::*;
use crate::support::serving::{Serving, free_port, told};

const ISSUER: &str = "https://login.example.com";

/// An issuer that nobody reaches: its keys are in a file.
struct Issuer(EncodingKey);

impl Issuer {
    fn new() -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signing = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
        Self(EncodingKey::from_ec_der(key.as_ref()))
    }

    fn keys(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.0, Algorithm::ES256).unwrap()).unwrap();
        jwk["kid"] = json!("k1");
        json!({ "keys": [jwk] })
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) }, claims, &self.0).unwrap()
    }
}

fn claims(server: &Serving, human: &str) -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    json!({
        "iss": ISSUER, "aud": server.endpoint(), "sub": human, "client_id": "kiro-client", "iat": now,
        "exp": now + 300, "scope": "countersign", "email": format!("{human}@example.com"), "email_verified": true,
    })
}

async fn serving(scene: &Scene, issuer: &Issuer) -> Serving {
    scene.installation.write("jwks.json", &issuer.keys().to_string());
    let config = std::fs::read_to_string(scene.installation.config()).unwrap();
    let oauth = format!(
        "{config}\n[http.oauth]\nissuer = \"{ISSUER}\"\njwks_file = \"jwks.json\"\n[[http.oauth.agents]]\nclaim = \
         \"client_id\"\nvalue = \"kiro-client\"\nagent = \"test-agent\"\n"
    );
    scene.installation.write("countersign.toml", &oauth);
    Serving::start(&scene.installation, free_port()).await
}

#[tokio::test]
async fn t22_a_token_for_another_audience_is_worth_nothing() {
    let (scene, issuer) = (Scene::new().await, Issuer::new());
    let server = serving(&scene, &issuer).await;
    let good = claims(&server, "dana");
    assert_eq!(server.tells(&issuer.sign(&good)).await.status, 200);
    for audience in [
        json!("https://other.example.com/mcp"),
        json!(server.origin()),
        json!(format!("{}/", server.endpoint())),
        json!(["https://other.example.com/mcp"]),
        json!([]),
        Value::Null,
    ] {
        let mut other = good.clone();
        other["aud"] = audience.clone();
        assert_eq!(server.tells(&issuer.sign(&other)).await.status, 401, "{audience}");
    }
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("aud");
    assert_eq!(server.tells(&issuer.sign(&without)).await.status, 401);
    server.end().await;
    scene.unchanged();
    assert_eq!(scene.installation.record().count("requested"), 0);
}

#[tokio::test]
async fn t10_an_agent_can_not_make_itself_a_token_for_somebody_else() {
    let (scene, issuer) = (Scene::new().await, Issuer::new());
    let server = serving(&scene, &issuer).await;
    let own = issuer.sign(&claims(&server, "dana"));
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let [header, _, signature] = own.split('.').collect::<Vec<_>>()[..] else { panic!("{own}") };
    let anns = encoded(&claims(&server, "ann"));
    let mut forged = vec![
        format!("{header}.{anns}.{signature}"),
        format!("{header}.{anns}."),
        format!("{}.{anns}.", encoded(&json!({ "alg": "none" }))),
        Issuer::new().sign(&claims(&server, "ann")),
    ];
    // The public key is public: as a shared secret it must be worth nothing.
    let public = scene.installation.folder().join("jwks.json");
    for secret in [std::fs::read(public).unwrap(), Vec::new()] {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        forged.push(encode(&header, &claims(&server, "ann"), &EncodingKey::from_secret(&secret)).unwrap());
    }
    // A key of its own, brought along.
    let mallory = Issuer::new();
    let jwk: Jwk = serde_json::from_value(mallory.keys()["keys"][0].clone()).unwrap();
    let brings = Header { kid: Some("k1".to_owned()), jwk: Some(jwk), ..Header::new(Algorithm::ES256) };
    forged.push(encode(&brings, &claims(&server, "ann"), &mallory.0).unwrap());
    for token in &forged {
        assert_eq!(server.tells(token).await.status, 401, "{token}");
    }

    // Nothing else in a request says for whom it is.
    let session = server.session(&own).await;
    for arguments in [json!({ "human": "ann" }), json!({ "caller": { "human": "ann" } })] {
        let params = CallToolRequestParams::new("whoami").with_arguments(arguments.as_object().unwrap().clone());
        let answer = session.call_tool(params).await.unwrap();
        assert_eq!(answer.is_error, Some(true), "{answer:?}");
    }
    let names = ["x-forwarded-user", "x-human", "x-forwarded-email", "remote-user"];
    let request = names.iter().fold(server.hello().bearer_auth(&own), |request, name| request.header(*name, "ann"));
    assert_eq!(told(request).await.status, 200);
    assert_eq!(server.whoami(&own).await, ("test-agent".to_owned(), "dana@example.com".to_owned()));
    session.cancel().await.unwrap();
    server.end().await;
    scene.unchanged();
    let record = scene.installation.record();
    let callers = record.events().iter().filter_map(|event| event["caller"]["human"].as_str());
    assert!(callers.clone().count() > 0);
    assert!(callers.into_iter().all(|human| human == "dana@example.com"));
}

#[tokio::test]
async fn t22_a_session_belongs_to_whose_token_began_it() {
    let (scene, issuer) = (Scene::new().await, Issuer::new());
    let server = serving(&scene, &issuer).await;
    let (dana, ann) = (issuer.sign(&claims(&server, "dana")), issuer.sign(&claims(&server, "ann")));
    let begun = server.hello().bearer_auth(&dana).send().await.unwrap();
    let session = begun.headers().get("mcp-session-id").unwrap().to_str().unwrap().to_owned();
    let list = |token: &str| {
        let message = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        let request = server.http.post(server.endpoint()).json(&message).bearer_auth(token);
        let request = request.header("accept", "application/json, text/event-stream");
        told(request.header("mcp-session-id", &session).header("mcp-protocol-version", "2025-11-25"))
    };
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let request = server.http.post(server.endpoint()).json(&ready).bearer_auth(&dana);
    let request = request.header("accept", "application/json, text/event-stream");
    assert!(told(request.header("mcp-session-id", &session)).await.status < 300);
    assert_eq!(list(&ann).await.status, 404, "for her there is no such session");
    assert_eq!(list(&dana).await.status, 200);
    // Another token of the same account goes on with it.
    let renewed = issuer.sign(&crate::support::with(&claims(&server, "dana"), json!({ "jti": "2" })));
    assert_eq!(list(&renewed).await.status, 200);
}
