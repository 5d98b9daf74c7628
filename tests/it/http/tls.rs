//! TLS, HTTP/1.1 and HTTP/2.

use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::{Certificate, Client, Version};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{Installation, Stub, WebServer};

/// A certificate of its own for this machine, and who trusts only that.
fn certify(folder: &Path) -> Client {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    client(made.cert.pem().as_bytes())
}

fn client(pem: &[u8]) -> Client {
    Client::builder().tls_certs_only([Certificate::from_pem(pem).unwrap()]).build().unwrap()
}

fn with_tls(stub: &Stub) -> Installation {
    let installation = Installation::before_stub(stub);
    installation.set("http.tls_certificate", "cert.pem").set("http.tls_key", "key.pem")
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let stub = Stub::start().await;
    let installation = with_tls(&stub);
    let trusting = certify(installation.folder());
    let server = WebServer::start_at(&installation, "127.0.0.1:0", "https", trusting).await;
    let pem = std::fs::read(installation.folder().join("cert.pem")).unwrap();
    let uri = server.url("/healthz");
    assert_eq!(over_http2(&server, &pem, &uri).await, 200);
    assert_eq!(over_http2(&server, &pem, &uri.replace("localhost", "evil.example")).await, 403);
    let healthy = server.get("/healthz").send().await.unwrap();
    assert_eq!((healthy.status().as_u16(), healthy.version()), (200, Version::HTTP_11));
    let listed = server.post_newest("tools/list", json!({})).send().await.unwrap();
    assert_eq!(listed.status(), 200);
    let plain = Client::new().get(server.url("/healthz").replace("https:", "http:")).send().await;
    assert!(plain.is_err(), "nothing is said in the clear");
}

/// The status of a request over HTTP/2.
async fn over_http2(server: &WebServer, pem: &[u8], uri: &str) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let connection = http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut send, connection) = connection.unwrap();
    let driving = tokio::spawn(connection);
    let request = http::Request::get(uri).body(Empty::new()).unwrap();
    let status = send.send_request(request).await.unwrap().status();
    driving.abort();
    status.as_u16()
}

#[tokio::test]
async fn a_new_certificate_is_taken_on_sighup_and_a_bad_one_is_not() {
    let stub = Stub::start().await;
    let installation = with_tls(&stub);
    let first = certify(installation.folder());
    let server = WebServer::start_at(&installation, "127.0.0.1:0", "https", first.clone()).await;
    let told = async |text: &str| {
        for _ in 0..500 {
            if server.log().contains(text) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{text}:\n{}", server.log());
    };
    installation.write("key.pem", "no key");
    server.signal("HUP");
    told("the old one stays").await;
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
    let second = certify(installation.folder());
    server.signal("HUP");
    told("the certificate was read again").await;
    assert_eq!(second.get(server.url("/healthz")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn files_that_are_no_certificate_are_told() {
    let stub = Stub::start().await;
    let installation = with_tls(&stub);
    installation.write("cert.pem", "none");
    installation.write("key.pem", "none");
    let ran = installation.run(&["serve", "--http", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("can't be used"), "{ran:?}");
}
