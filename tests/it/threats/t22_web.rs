//! 22: cross-origin posts, DNS rebinding, somebody else's session id, and requests that are too large or too slow.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::support::web::{SESSION, authorized, initialize, with_token};
use crate::support::{NEWEST, VERSIONS, WebServer};

async fn local() -> (Scene, WebServer) {
    let scene = Scene::new().await;
    let server = WebServer::start(&scene.installation).await;
    (scene, server)
}

#[tokio::test]
async fn t22_pages_of_other_sites_reach_nothing() {
    let (scene, server) = local().await;
    let apply = json!({ "name": "ec2_terminate_instances", "arguments": terminate(WEB) });
    for origin in
        ["https://evil.example", "null", "http://localhost", "http://localhost.evil.example", "https://localhost"]
    {
        let across = server.post_newest("tools/call", apply.clone()).header("origin", origin).send().await.unwrap();
        assert_eq!(across.status(), 403, "{origin}");
        let opened = server.post(&initialize()).header("origin", origin).send().await.unwrap();
        assert_eq!((opened.status().as_u16(), opened.headers().get(SESSION)), (403, None), "{origin}");
        for path in ["/healthz", "/readyz", "/", "/plans"] {
            let page = server.get(path).header("origin", origin).send().await.unwrap();
            assert_eq!(page.status(), 403, "{origin} {path}");
        }
    }
    // What a form or an image of another page can send without asking is no message.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let simple = server.post_bytes(initialize().to_string()).header("content-type", kind).send().await.unwrap();
        assert_eq!(simple.status(), 415, "{kind}");
    }
    let own = format!("http://localhost:{}", server.address().port());
    assert_eq!(server.post(&initialize()).header("origin", own).send().await.unwrap().status(), 200);
    scene.unchanged();
    assert_eq!(scene.installation.exported().count("requested"), 0);
}

#[tokio::test]
async fn t22_a_name_that_was_pointed_here_is_not_answered() {
    let (scene, server) = local().await;
    let port = server.address().port();
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "localhost".into(), "localhost:1".into()] {
        for path in ["/mcp", "/healthz", "/readyz", "/", "/.well-known/oauth-protected-resource"] {
            let rebound = server.get(path).header("host", &host).send().await.unwrap();
            assert_eq!(rebound.status(), 403, "{host} {path}");
        }
        let own_origin = format!("http://{host}");
        let opened =
            server.post(&initialize()).header("host", &host).header("origin", own_origin).send().await.unwrap();
        assert_eq!(opened.status(), 403, "{host}");
    }
    let told = raw(&server, "GET /healthz HTTP/1.1\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    let twice = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nHost: localhost:{port}\r\n\r\n");
    let told = raw(&server, &twice).await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    scene.unchanged();
}

#[tokio::test]
async fn t22_a_session_of_somebody_else_does_not_exist() {
    let Scene { stub, installation } = Scene::new().await;
    let (installation, ann) = with_token(installation, "ann");
    let (installation, bob) = with_token(installation, "bob");
    let scene = Scene { stub, installation };
    let server = WebServer::start(&scene.installation).await;
    let (ann, bob) = (Some(ann.as_str()), Some(bob.as_str()));
    let id = server.open(ann).await;
    assert_eq!(server.list_in(&id, ann).await.status(), 200);

    let nobody = server.list_in("00000000-0000-0000-0000-000000000000", bob).await;
    let theirs = server.list_in(&id, bob).await;
    assert_eq!((theirs.status().as_u16(), nobody.status().as_u16()), (404, 404));
    assert_eq!(theirs.text().await.unwrap(), nobody.text().await.unwrap());
    let listen =
        |token| authorized(server.get("/mcp"), token).header("accept", "text/event-stream").header(SESSION, &id);
    assert_eq!(listen(bob).send().await.unwrap().status(), 404);
    assert_eq!(listen(bob).header("last-event-id", "0").send().await.unwrap().status(), 404);
    let answer =
        json!({ "jsonrpc": "2.0", "id": 0, "result": { "action": "accept", "content": { "confirmation": WEB } } });
    let forged = authorized(server.post(&answer), bob).header(SESSION, &id).send().await.unwrap();
    assert_eq!(forged.status(), 404);
    let end = |token| authorized(server.delete("/mcp"), token).header(SESSION, &id);
    assert_eq!(end(bob).send().await.unwrap().status(), 404);
    // Without credentials, or with wrong ones, nobody is told anything at all.
    for token in [None, Some("cs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
        let refused = server.list_in(&id, token).await;
        assert_eq!(refused.status(), 401);
        assert!(refused.headers().contains_key("www-authenticate"));
    }
    assert_eq!(server.list_in(&id, ann).await.status(), 200, "it is there all the same");
    assert_eq!(listen(ann).send().await.unwrap().status(), 200);
    assert!(!server.log().contains(ann.unwrap()) && !server.log().contains(bob.unwrap()));
}

#[tokio::test]
async fn t22_a_plan_or_a_question_of_somebody_else_is_worth_nothing() {
    let Scene { stub, installation } = Scene::new().await;
    let (installation, ann) = with_token(installation, "ann");
    let (installation, bob) = with_token(installation, "bob");
    let scene = Scene { stub, installation };
    let server = WebServer::start(&scene.installation).await;
    for version in &VERSIONS {
        let anns = server.session(version, Act::types(WEB), Some(&ann)).await;
        let bobs = server.session(version, Act::types(WEB), Some(&bob)).await;
        let apply = anns.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let refused = bobs.call("ec2_terminate_instances", apply).await;
        refused.refused("plan_not_usable");
        assert!(bobs.forms().is_empty());
    }
    let anns = server.session(&NEWEST, Act::Declines, Some(&ann)).await;
    let bobs = server.session(&NEWEST, Act::Declines, Some(&bob)).await;
    let apply = anns.preview("ec2_terminate_instances", &terminate(WEB)).await;
    let state = anns.asked("ec2_terminate_instances", apply.clone()).await.request_state.unwrap();
    let forged = bobs.answer("ec2_terminate_instances", apply.clone(), &state, WEB).await;
    assert_eq!(forged.result.is_error, Some(true));
    scene.unchanged();
    anns.answer("ec2_terminate_instances", apply, &state, WEB).await.applied();
    scene.terminated_once();
}

#[tokio::test]
async fn t22_what_is_too_large_is_not_read() {
    let (scene, server) = local().await;
    let mut large = initialize();
    large["params"]["clientInfo"]["name"] = json!("x".repeat(4 * 1024 * 1024));
    // Whoever goes on sending all the same may not get to read why.
    if let Ok(told) = server.post(&large).send().await {
        assert_eq!(told.status(), 413);
    }
    // Announced, and not even sent; sent in chunks without being announced.
    let port = server.address().port();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\n"
    );
    let told = raw(&server, &format!("{head}Content-Length: 99999999999\r\n\r\n")).await;
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let told = raw(&server, &format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(80))).await;
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
    let many: String = (0..100).map(|number| format!("X-{number}: y\r\n")).collect();
    let told = raw(&server, &format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n{many}\r\n")).await;
    assert!(told.starts_with("HTTP/1.1 431"), "{told}");
    let long = "y".repeat(64 * 1024);
    let told =
        raw(&server, &format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nX-Long: {long}\r\n\r\n")).await;
    assert!(told.starts_with("HTTP/1.1 431") || told.is_empty(), "{told}");
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
    scene.unchanged();
}

/// Takes half a minute: that is how slow one may be.
#[tokio::test]
async fn t22_who_is_too_slow_is_cut_off_and_holds_nobody_up() {
    let scene = Scene::new().await;
    let Scene { stub, installation } = scene;
    let installation = installation.set("http.connections", 8);
    let scene = Scene { stub, installation };
    let server = WebServer::start(&scene.installation).await;
    let port = server.address().port();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n");
    let body = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    );
    let slow = |begin: String| async move {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let began = std::time::Instant::now();
        let (mut read, mut write) = stream.into_split();
        let drip = tokio::spawn(async move {
            while write.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut told = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(90), read.read_to_end(&mut told)).await;
        drip.abort();
        assert!(ended.is_ok(), "it was never cut off");
        (began.elapsed(), String::from_utf8_lossy(&told).into_owned())
    };
    let attackers: Vec<_> =
        (0..8).map(|number| tokio::spawn(slow(if number % 2 == 0 { head.clone() } else { body.clone() }))).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let patient = server.get("/healthz").send().await.unwrap();
    assert_eq!(patient.status(), 200);
    for attacker in attackers {
        let (after, told) = attacker.await.unwrap();
        assert!(after < Duration::from_secs(45), "{after:?}");
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    }
    scene.unchanged();
}

/// Sends bytes and reads what comes back until the end, or for a while.
async fn raw(server: &WebServer, bytes: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut told = Vec::new();
    let talk = async {
        let sent = async {
            let _ = write.write_all(bytes.as_bytes()).await;
        };
        let heard = async {
            let mut chunk = [0; 4096];
            while let Ok(got @ 1..) = read.read(&mut chunk).await {
                told.extend_from_slice(&chunk[..got]);
            }
        };
        tokio::join!(sent, heard)
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), talk).await;
    String::from_utf8_lossy(&told).into_owned()
}
