//! Several accounts: each has roles of its own, and credentials for one are worth nothing in another.

use countersign::ports::Purpose;
use countersign::sandbox::{DEV, PROD};
use countersign::testing::session_policy;
use serde_json::{Value, json};

use super::{Bench, HERE, let_through};
use crate::support::{Act, Installation, NEWEST, Session, sandbox};

#[tokio::test]
async fn each_account_is_reached_through_roles_of_its_own() {
    let bench = Bench::new().await;
    let identity = "sts:GetCallerIdentity".parse().unwrap();
    let tool = bench.tool("dynamodb_delete_table", "dynamodb:DeleteTable");
    let (policy, _) = bench.policy(&tool, Purpose::Change, "orders", &json!({ "TableName": "orders" }));
    for account in [DEV, PROD] {
        for (purpose, role) in [(Purpose::Read, "countersign-read"), (Purpose::Change, "countersign-change")] {
            let session = bench.open(account.name, purpose, policy.clone(), HERE).await;
            let who = session.send(&identity, &json!({})).await.unwrap().output;
            let expected = format!("arn:aws:sts::{}:assumed-role/{role}/", account.id);
            assert!(who["Arn"].as_str().unwrap().starts_with(&expected), "{who}");
        }
    }
    // The policy names the table of shop-dev; in shop-prod, whose table has the same name, it allows nothing.
    let elsewhere = bench.open(PROD.name, Purpose::Change, policy, HERE).await;
    let denied = let_through(&*elsewhere, &tool.operation, &json!({ "TableName": "orders" })).await;
    assert_eq!(denied.unwrap_err(), "AccessDeniedException");
}

#[tokio::test]
async fn accounts_are_named_by_name_or_id_and_only_as_configured() {
    let installation = Installation::before_sandbox(sandbox().await);
    let session = Session::start(&installation, NEWEST, Act::HasNoForms).await;
    let tables = async |account: &str| {
        let arguments = json!({ "account": account, "operation": "dynamodb:ListTables" });
        session.call("aws_read", arguments).await
    };
    let by_name = tables("shop-prod").await;
    let names = |answer: &crate::support::Answer| -> Value { answer.structured()["result"]["TableNames"].clone() };
    assert!(names(&by_name).as_array().is_some_and(|names| names.contains(&json!("orders"))), "{by_name:#?}");
    assert_eq!(names(&tables(PROD.id).await), names(&by_name));
    for unknown in ["111122223333", "shop-tools", "SHOP-PROD", "arn:aws:iam::123456789012:role/countersign-change"] {
        tables(unknown).await.refused("unknown_account_or_region");
    }
}

#[tokio::test]
async fn a_role_of_another_account_than_configured_is_not_assumed() {
    let bench = Bench::new().await;
    let mut account = bench.account("shop-dev").clone();
    account.change_role = bench.account("shop-prod").change_role.clone();
    let request = countersign::ports::SessionRequest {
        account,
        region: countersign::names::Region::new(HERE),
        purpose: Purpose::Change,
        policy: session_policy("{}"),
        call: countersign::names::CallId::fresh(),
        human: countersign::names::Human::new("ann"),
        agent: countersign::names::Agent::new("demo-agent"),
        plan: None,
        ticket: None,
    };
    let refused = countersign::ports::Cloud::open(&bench.cloud, request).await.unwrap_err().to_string();
    assert!(refused.contains("is not of account 210987654321"), "{refused}");
}
