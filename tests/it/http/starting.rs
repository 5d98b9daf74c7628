//! Where a server over HTTP listens, and where it refuses to.

use serde_json::{Value, json};

use crate::support::{Installation, Stub, WebServer};

fn refuses(installation: &Installation, address: &str, why: &str) {
    let ran = installation.run(&["serve", "--http", address]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains(why), "{ran:?}");
}

#[tokio::test]
async fn it_does_not_listen_where_anybody_would_be_somebody() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    refuses(&installation, "0.0.0.0:0", "there is no TLS");
    let installation = installation.set("http.plaintext_beyond_loopback", true);
    refuses(&installation, "0.0.0.0:0", "public_url");
    let installation = installation.set("http.public_url", "https://guard.example.com");
    refuses(&installation, "0.0.0.0:0", "configure tokens or OAuth");
    refuses(&installation, "127.0.0.1:0", "configure tokens or OAuth");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    let server = WebServer::start(&installation).await;
    refuses(&installation, &server.address().to_string(), "can't be listened at");
}

#[tokio::test]
async fn health_is_told_to_anybody_and_says_no_more_than_that() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    let server = WebServer::start(&installation).await;
    let asked = async |path: &str| {
        let answer = server.get(path).send().await.unwrap();
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(asked("/healthz").await, (200, json!({ "up": true }).to_string()));
    assert_eq!(
        asked("/readyz").await,
        (200, json!({ "ready": true, "lacking": Value::Array(Vec::new()) }).to_string())
    );
    assert_eq!(asked("/no/such/page").await.0, 404);
}

#[tokio::test]
async fn it_says_who_callers_are_where_they_need_no_credentials() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    let server = WebServer::start(&installation).await;
    assert!(server.log().contains("no credentials are configured: every program on this machine"), "{}", server.log());
}
