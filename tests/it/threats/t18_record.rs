//! 18: denials, refusals and consents that leave no trace; a record that can be changed unnoticed.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::*;
use crate::support::{NEWEST, Ran, VERSIONS};

#[tokio::test]
async fn t18_every_request_leaves_a_record_refusals_included() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::Declines).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let calls = [
            ("no_such_tool", json!({}), "unknown_tool"),
            ("ec2_terminate_instances", json!({ "account": "shop-dev" }), "invalid_arguments"),
            ("ec2_terminate_instances", terminate("i-00000000000000000"), "target_not_found"),
            ("ec2_terminate_instances", apply, "not_confirmed"),
            ("plan_status", json!({ "plan_id": "plan-0" }), "plan_not_usable"),
        ];
        for (tool, arguments, code) in &calls {
            session.call(tool, arguments.clone()).await.refused(code);
        }
        session.call("whoami", json!({})).await;
        session.call("ec2_describe_instances", json!({ "account": "shop-dev" })).await;
        scene.unchanged();

        let record = scene.installation.record();
        assert_eq!(record.refusals(), calls.clone().map(|(_, _, code)| code), "{version}");
        // In 2026-07-28 the person's answer comes with a call of its own.
        let answers = usize::from(*version == NEWEST);
        assert_eq!(record.count("requested"), calls.len() + 3 + answers, "{version}: {:?}", record.kinds());
        assert_eq!((record.count("asked"), record.count("answered")), (1, 1), "{version}");
        let of_server =
            |event: &&Value| ["started", "checkpoint_key"].contains(&event["what"]["event"].as_str().unwrap());
        for event in record.events().iter().filter(|event| !of_server(event)) {
            assert_eq!(event["caller"]["human"], "ann", "{version}: {event}");
            assert_eq!(event["caller"]["agent"], "test-agent", "{version}: {event}");
            assert_eq!(event["caller"]["client"]["name"], "countersign-tests", "{version}: {event}");
        }
    }
}

#[tokio::test]
async fn t18_what_can_not_be_recorded_is_not_done() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    let sent = scene.stub.requests();
    let mut database = open(scene.installation.store()).await;
    sqlx::query("ALTER TABLE records RENAME TO gone").execute(&mut database).await.unwrap();
    let answer = session.try_call("ec2_terminate_instances", apply).await;
    assert!(answer.is_err() || answer.unwrap().is_error == Some(true));
    assert!(session.try_call("ec2_describe_instances", json!({ "account": "shop-dev" })).await.is_err());
    assert_eq!(scene.stub.requests(), sent, "without a record nothing is sent, not even a read");
    assert_eq!(scene.stub.instance(WEB).state, "running");
}

#[tokio::test]
async fn t18_edits_deletions_reordering_and_truncation_are_found() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    session.call("ec2_terminate_instances", apply).await.applied();
    session.call("whoami", json!({})).await;
    let (code, log) = session.end().await;
    assert_eq!(code, Some(0), "{log}");
    let records = scene.installation.record().events().len();
    assert!(records > 8, "{records}");

    let swap = "UPDATE records SET seq = 1000 WHERE seq = 3; UPDATE records SET seq = 3 WHERE seq = 4; \
                UPDATE records SET seq = 4 WHERE seq = 1000";
    let last = format!("DELETE FROM records WHERE seq > {}", records - 2);
    let tamperings = [
        ("an edit", "UPDATE records SET event = replace(event, 'test-agent', 'nobody') WHERE seq = 3", 3),
        ("an edited hash", "UPDATE records SET hash = zeroblob(32) WHERE seq = 5", 5),
        ("a deletion", "DELETE FROM records WHERE seq = 4", 4),
        (
            "a deletion that closes the gap",
            "DELETE FROM records WHERE seq = 4; UPDATE records SET seq = seq - 1 WHERE seq > 4",
            4,
        ),
        ("reordering", swap, 3),
        ("truncation", last.as_str(), records - 1),
        ("everything gone", "DELETE FROM records", 1),
    ];
    for (what, sql, first) in tamperings {
        let verified = verify_tampered(&scene.installation, sql).await;
        assert_eq!(verified.code, Some(1), "{what}: {verified:?}");
        assert!(verified.out.contains("NOT INTACT"), "{what}: {verified:?}");
        assert!(verified.out.contains(&format!("record {first} ")), "{what}: {verified:?}");
    }
    // The copies were tampered with; the record itself is as it was.
    assert_eq!(scene.installation.record().events().len(), records);
}

/// Verifies a copy of the installation's store after `sql` was run on it.
async fn verify_tampered(installation: &Installation, sql: &str) -> Ran {
    let copy = Installation::empty();
    for entry in std::fs::read_dir(installation.folder()).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), copy.folder().join(entry.file_name())).unwrap();
        }
    }
    let mut database = open(copy.store()).await;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    copy.run(&["audit", "verify"])
}

async fn open(path: PathBuf) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}
