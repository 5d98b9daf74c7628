//! Calls that AWS only begins, before the real server: the client is told that it waits, and may stop waiting.

use serde_json::json;

use crate::support::installation::Installation;
use crate::support::session::{Act, OLDER, Session, VERSIONS};
use crate::support::stub::{Misbehaviour, Stub, Table};

const WAITING: &str = "AWS has accepted the call; waiting for TableNotExists";

async fn scene() -> (Stub, Installation) {
    let stub = Stub::start().await;
    stub.put_table(Table::named("orders"));
    // AWS has accepted it, and the table is there for hours.
    stub.misbehave("DeleteTable", Misbehaviour::OnlyAccepts);
    let installation = Installation::before_stub(&stub);
    (stub, installation)
}

#[tokio::test]
async fn who_waits_is_told_and_who_cancels_stops_the_waiting_and_nothing_else() {
    for version in &VERSIONS {
        let (stub, installation) = scene().await;
        let session = Session::start(&installation, version.clone(), Act::types("orders")).await;
        let delete = json!({ "account": "shop-dev", "TableName": "orders", "reason": "it is not used any more" });
        let apply = session.preview("dynamodb_delete_table", &delete).await;
        if OLDER.contains(version) {
            session.cancelled_when_told("dynamodb_delete_table", apply.clone(), WAITING).await;
        } else {
            // The newest version asks in an answer, so the request that waits is the one that brings the text.
            let question = session.asked("dynamodb_delete_table", apply.clone()).await;
            let state = question.request_state.unwrap();
            session.cancelled_with_answer("dynamodb_delete_table", apply.clone(), &state, "orders", WAITING).await;
        }
        let told = session.progress();
        assert!(told.iter().any(|told| told.contains(WAITING)), "{told:?}");

        let record = installation.until("the end of the wait", |record| record.count("waited") == 1).await;
        let waited = &record.of_kind("waited")[0];
        assert_eq!(waited["result"], "going", "{version}");
        assert!(waited["detail"].as_str().unwrap().contains("stopped the waiting and nothing else"), "{waited}");
        assert_eq!(record.of_kind("outcome")[0]["result"], "applied", "{version}: that is not undone");
        assert_eq!(stub.changes(), ["CreateBackup", "DeleteTable"], "{version}");

        let status = session.call("plan_status", json!({ "plan_id": apply["plan_id"] })).await;
        assert_eq!(status.structured()["status"], "applied", "{version}: {:#}", status.structured());
    }
}
