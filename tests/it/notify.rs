//! Telling people, by the real server: a receiver that is away at first gets signed news of a plan that waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};

use crate::support::serving::{Serving, free_port};
use crate::support::{Installation, Instance, Stub};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const WEB: &str = "i-0123456789abcdef0";

type Got = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that refuses the first request.
async fn receiver() -> (String, Got) {
    let got = Got::default();
    let take = async |State(got): State<Got>, headers: HeaderMap, body: String| {
        let mut got = got.lock().unwrap();
        got.push((headers, body));
        if got.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let routes = Router::new().route("/hook", post(take)).with_state(Arc::clone(&got));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, got)
}

/// Checks a signature as any receiver would: with the specification, not with this project's code.
fn is_signed((headers, body): &(HeaderMap, String)) -> bool {
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap());
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    let signature = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

async fn until(got: &Got, count: usize) -> Vec<(HeaderMap, String)> {
    for _ in 0..600 {
        if got.lock().unwrap().len() >= count {
            return got.lock().unwrap().clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not told {count} times: {:?}", got.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_of_a_plan_that_waits_for_them() {
    let stub = Stub::start().await;
    stub.put(Instance::running(WEB).tagged("Name", "orders-web-1"));
    let (address, got) = receiver().await;
    let installation = Installation::before_stub(&stub);
    installation.write("notify.secret", SECRET);
    let port = free_port();
    let notify = format!("[http]\nlisten = \"127.0.0.1:{port}\"\n[notify]\nurl = \"{address}\"\n");
    let installation = installation.with_config(&format!("{notify}secret_file = \"notify.secret\"\n"));

    let tested = installation.run(&["notify", "test"]);
    assert_eq!((tested.code, tested.out.as_str()), (Some(1), "127.0.0.1 did not take the test: it answered 503\n"));
    let tested = installation.run(&["notify", "test"]);
    assert_eq!((tested.code, tested.out.as_str()), (Some(0), "127.0.0.1 took the test\n"));

    let server = Serving::start(&installation, port).await;
    let session = server.session("none-is-needed-here").await;
    let call = async |arguments: Value| {
        let arguments = arguments.as_object().unwrap().clone();
        let params = CallToolRequestParams::new("ec2_terminate_instances").with_arguments(arguments);
        session.call_tool(params).await.unwrap().structured_content.unwrap()
    };
    let terminate = json!({ "account": "shop-prod", "InstanceIds": [WEB], "reason": "not used\n<!channel>" });
    let preview = call(terminate.clone()).await;
    let plan = preview["plan_id"].as_str().unwrap_or_else(|| panic!("{preview:#}"));
    let apply = json!({ "dry_run": false, "plan_id": plan });
    let waits = call(crate::support::with(&terminate, apply)).await;

    let got = until(&got, 3).await;
    assert!(got.iter().all(is_signed), "{got:?}");
    let told: Value = serde_json::from_str(&got[2].1).unwrap();
    assert_eq!(told["type"], "plan.waiting", "{waits:#}");
    assert_eq!(told["data"]["plan"], plan);
    assert_eq!(told["data"]["url"], format!("http://localhost:{port}/plans/{plan}"));
    assert_eq!((&told["data"]["stage"], &told["data"]["human"]), (&json!("prod"), &json!("`ann`")));
    assert_eq!(told["data"]["reason"], "`not used\\n\\<!channel\\>`");
    session.cancel().await.unwrap();
    server.end().await;
    assert_eq!(stub.changes(), Vec::<String>::new(), "nothing was changed by telling");
}
