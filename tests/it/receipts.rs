//! Receipts and checkpoints, by the real binary: what was recorded of a change, proven without the record.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::support::{Act, Installation, Instance, NEWEST, Session, Stub};

const WEB: &str = "i-0123456789abcdef0";

/// How many places of a file are tried.
const PLACES: usize = 200;

/// An installation at which ann's agent terminated an instance, and the plan.
async fn terminated() -> (Installation, String) {
    let stub = Stub::start().await;
    stub.put(Instance::running(WEB).tagged("Name", "orders-web-1"));
    let installation = Installation::before_stub(&stub);
    let session = Session::start(&installation, NEWEST, Act::types(WEB)).await;
    let arguments = json!({ "account": "shop-dev", "InstanceIds": [WEB], "reason": "it is not used any more" });
    let apply = session.preview("ec2_terminate_instances", &arguments).await;
    let plan = apply["plan_id"].as_str().unwrap().to_owned();
    session.call("ec2_terminate_instances", apply).await.applied();
    let (code, log) = session.end().await;
    assert_eq!(code, Some(0), "{log}");
    (installation, plan)
}

fn receipt(installation: &Installation, plan: &str) -> String {
    let ran = installation.run(&["receipt", plan]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    ran.out
}

/// The key that `audit verify` says checkpoints are signed with.
fn key(installation: &Installation) -> String {
    let ran = installation.run(&["audit", "verify"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let after = ran.out.split("signed with key ").nth(1).unwrap_or_else(|| panic!("{ran:?}"));
    after.lines().next().unwrap().to_owned()
}

async fn tamper(database: &Path, sql: &str) {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", database.display())).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_receipt_verifies_anywhere_and_no_byte_of_it_is_free() {
    let (installation, plan) = terminated().await;
    let written = installation.run(&["receipt", &plan, "-o", "receipt.json"]);
    assert_eq!((written.code, written.out.as_str()), (Some(0), ""), "{written:?}");
    let again = installation.run(&["receipt", &plan, "-o", "receipt.json"]);
    assert_eq!(again.code, Some(2), "a file that is there stays: {again:?}");
    let receipt = std::fs::read_to_string(installation.folder().join("receipt.json")).unwrap();

    // Neither configuration nor database are there.
    let elsewhere = Installation::empty();
    elsewhere.write("receipt.json", &receipt);
    let verified = elsewhere.run(&["receipt", "verify", "receipt.json"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\bplan-[0-9a-z]{26}\b", "plan-[id]");
    settings.add_filter(r"countersign\.01[0-9a-z]{24}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}", "[key]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[hash]");
    settings.add_filter(r"session policy [0-9a-f]{12}", "session policy [hash]");
    settings.add_filter(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]");
    settings.add_filter(r"after \d+ s", "after [n] s");
    settings.bind(|| insta::assert_snapshot!("a_receipt_is_told", verified.out));

    let as_json = elsewhere.run(&["receipt", "verify", "receipt.json", "--json"]);
    let story: Value = serde_json::from_str(&as_json.out).unwrap();
    assert_eq!((&story["verified"], &story["pinned"]), (&json!(true), &json!(false)));
    assert_eq!(story["outcome"]["result"], "applied");
    assert_eq!(story["outcome"]["request_ids"].as_array().unwrap().len(), 1);

    for place in 0..PLACES {
        let mut bytes = receipt.clone().into_bytes();
        let at = (place * 7919 + 13 * place * place) % bytes.len();
        bytes[at] ^= 1 << (place % 8);
        std::fs::write(elsewhere.folder().join("flipped.json"), bytes).unwrap();
        let ran = elsewhere.run(&["receipt", "verify", "flipped.json"]);
        assert_eq!(ran.code, Some(1), "byte {at}: {ran:?}");
        assert!(ran.out.starts_with("NOT VERIFIED"), "byte {at}: {ran:?}");
    }
    let missing = elsewhere.run(&["receipt", "verify", "none.json"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

#[tokio::test]
async fn a_receipt_is_good_only_for_the_key_it_is_signed_with() {
    let (installation, plan) = terminated().await;
    let before = receipt(&installation, &plan);
    let first = key(&installation);
    let rotated = installation.run(&["audit", "rotate-key"]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    let after = receipt(&installation, &plan);
    let second = key(&installation);
    assert!(first != second && rotated.out.contains(&first) && rotated.out.contains(&second), "{rotated:?}");
    let (other, other_plan) = terminated().await;
    let stranger = receipt(&other, &other_plan);

    let elsewhere = Installation::empty();
    elsewhere.write("before.json", &before);
    elsewhere.write("after.json", &after);
    elsewhere.write("stranger.json", &stranger);
    let verify = |file: &str, key: &str| elsewhere.run(&["receipt", "verify", file, "--key", key]).code;
    assert_eq!((verify("before.json", &first), verify("after.json", &first)), (Some(0), Some(0)));
    assert_eq!((verify("before.json", &second), verify("after.json", &second)), (Some(1), Some(0)));
    assert_eq!((verify("stranger.json", &first), verify("stranger.json", &key(&other))), (Some(1), Some(0)));
    assert_eq!(verify("after.json", "no key"), Some(2));

    let secret = std::fs::read_to_string(installation.folder().join("checkpoint.key")).unwrap();
    for shown in [&before, &after, &rotated.out, &installation.run(&["audit", "export"]).out] {
        assert!(!shown.contains("PRIVATE") && !shown.contains(secret.trim_end().splitn(5, '+').last().unwrap()));
    }
}

#[tokio::test]
async fn a_record_that_was_cut_off_or_written_anew_does_not_fit_its_checkpoints() {
    let (installation, plan) = terminated().await;
    let noted = installation.run(&["audit", "checkpoint"]);
    assert_eq!((noted.code, noted.err.as_str()), (Some(0), ""), "{noted:?}");
    let noted = installation.write("noted.checkpoint", &noted.out);
    let noted = noted.to_str().unwrap();
    let whole = installation.run(&["audit", "verify", "--checkpoint", noted, "--key", &key(&installation)]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
    let records: usize = whole.out.split(' ').next().unwrap().parse().unwrap();

    // Whoever can write to the database can also remove the head beside it.
    tamper(&installation.store(), &format!("DELETE FROM records WHERE seq > {}", records - 2)).await;
    std::fs::remove_file(installation.folder().join("audit.head")).unwrap();
    let cut = installation.run(&["audit", "verify"]);
    assert_eq!(cut.code, Some(1), "{cut:?}");
    assert!(cut.out.contains(&format!("record {} is missing: the chain was cut off", records - 1)), "{cut:?}");
    assert_ne!(installation.run(&["receipt", &plan]).code, Some(0));

    // And the checkpoints in it; not the one that was kept elsewhere.
    tamper(&installation.store(), "DELETE FROM checkpoints").await;
    assert_eq!(installation.run(&["audit", "verify"]).code, Some(0));
    let cut = installation.run(&["audit", "verify", "--checkpoint", noted]);
    assert_eq!(cut.code, Some(1), "{cut:?}");
    assert!(cut.out.contains("the chain was cut off"), "{cut:?}");
}
