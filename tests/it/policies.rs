//! Policies before the real server: which tools are shown, and sets that change while it runs.

use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use std::process::Command;

use crate::support::installation::{Installation, Ran};
use crate::support::session::{Act, OLDER, Session, VERSIONS};
use crate::support::stub::{Instance, Stub};

const WEB: &str = "i-0123456789abcdef0";

/// Reads the policies' state from the server itself.
async fn policy(session: &Session) -> Value {
    session.call("whoami", json!({})).await.structured()["policy_digest"].clone()
}

fn start() -> Value {
    json!({ "account": "shop-dev", "InstanceIds": [WEB], "reason": "needed" })
}

const NOTHING_MORE: &str = r#"@id("own") permit (principal, action in Action::"read", resource);"#;

const WRITES_ARE_CONFIRMED: &str =
    r#"@id("own") forbid (principal, action in Action::"write", resource) unless { context.confirmed };"#;

const NO_EC2: &str = r#"@id("own") forbid (principal, action in Action::"toolset:ec2", resource);"#;

async fn scene(own: &str) -> (Stub, Installation) {
    let stub = Stub::start().await;
    stub.put(Instance::stopped(WEB).tagged("Name", "orders-web-1"));
    let installation = Installation::before_stub(&stub).with_policy(own);
    (stub, installation)
}

async fn session(installation: &Installation, version: &ProtocolVersion) -> Session {
    Session::start(installation, version.clone(), Act::types(WEB)).await
}

#[tokio::test]
async fn a_changed_file_is_in_force_without_a_restart_and_voids_older_plans() {
    let (stub, installation) = scene(NOTHING_MORE).await;
    let session = session(&installation, &OLDER[1]).await;
    let before = policy(&session).await;
    let old_plan = session.preview("ec2_start_instances", &start()).await;

    installation.write("own.cedar", WRITES_ARE_CONFIRMED);
    session.logged("other policies are in force", 1).await;
    let now = policy(&session).await;
    assert_ne!(before, now);
    session.call("ec2_start_instances", old_plan).await.refused("plan_mismatch");
    assert_eq!(stub.changes(), Vec::<String>::new());

    let plan = session.preview("ec2_start_instances", &start()).await;
    session.call("ec2_start_instances", plan).await.applied();
    assert_eq!(session.forms().len(), 1, "the new policy asks for the person");
    let record = installation.record();
    let changed = record.of_kind("policy_changed");
    assert_eq!((&changed[0]["before"], &changed[0]["now"]), (&before, &now));
    assert_eq!(changed.len(), 1);
}

#[tokio::test]
async fn t07_a_broken_file_is_refused_loudly_and_the_old_set_stays() {
    let (stub, installation) = scene(WRITES_ARE_CONFIRMED).await;
    let session = session(&installation, &OLDER[1]).await;
    session.now(Act::Declines);
    let before = policy(&session).await;
    let slips = [
        // a comma too many, a wrong case, an unknown word, nothing at all, a policy that could fail
        r#"@id("own") forbid (principal, action in Action::"write", resource) unless {, context.confirmed };"#,
        r#"@id("own") Forbid (principal, action in Action::"write", resource) unless { context.confirmed };"#,
        r#"@id("own") forbid (principal, action in Action::"writes", resource) unless { context.confirmed };"#,
        r#"@id("own") forbid (principal, action in Action::"write", resource) unless { context.Confirmed };"#,
        "",
        r#"@id("own") forbid (principal, action in Action::"write", resource) when { context.resources + 1 > 0 };"#,
    ];
    for (number, slip) in slips.iter().enumerate() {
        installation.write("own.cedar", slip);
        session.logged("REFUSED", number + 1).await;
        assert_eq!(policy(&session).await, before, "{slip}");
        let plan = session.preview("ec2_start_instances", &start()).await;
        session.call("ec2_start_instances", plan).await.refused("not_confirmed");
    }
    assert_eq!(stub.changes(), Vec::<String>::new());
    let record = installation.record();
    let rejected = record.of_kind("policy_rejected");
    assert_eq!(rejected.len(), slips.len());
    let place = |told: &&Value| told["problems"].as_str().unwrap().contains("own.cedar:1:");
    assert!(rejected.iter().all(place), "{rejected:#?}");
    assert_eq!(record.count("policy_changed"), 0);

    // and a server does not start with it
    let (code, _) = session.end().await;
    assert_eq!(code, Some(0));
    let ran = installation.run(&["serve"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("own.cedar"), "{ran:?}");
}

#[tokio::test]
async fn a_hang_up_signal_reads_the_policies_again() {
    let (_stub, installation) = scene(NOTHING_MORE).await;
    let session = session(&installation, &OLDER[1]).await;
    session.logged("tool", 0).await;
    policy(&session).await;
    session.signal("HUP");
    session.logged("nothing is different", 1).await;
}

#[tokio::test]
async fn tools_that_could_never_be_permitted_are_not_listed_and_refused_all_the_same() {
    for version in &VERSIONS {
        let stub = Stub::start().await;
        stub.put(Instance::stopped(WEB));
        let installation = Installation::before_stub(&stub).set("policy.profile", "observe");
        let session = session(&installation, version).await;
        let tools = session.tools().await;
        let there = |name: &str| tools.iter().any(|tool| tool == name);
        assert!(there("ec2_describe_instances") && there("aws_read") && there("whoami"), "{tools:?}");
        assert!(
            !there("ec2_start_instances") && !there("ec2_terminate_instances") && !there("aws_change"),
            "{tools:?}"
        );
        session.call("ec2_start_instances", start()).await.refused("forbidden");
        assert_eq!(stub.changes(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn clients_of_older_versions_are_told_that_there_are_other_tools() {
    for version in &OLDER {
        let (_stub, installation) = scene(NOTHING_MORE).await;
        let session = session(&installation, version).await;
        assert!(session.tools().await.iter().any(|tool| tool == "ec2_start_instances"));
        installation.write("own.cedar", NO_EC2);
        session.told_of_other_tools().await;
        let tools = session.tools().await;
        assert!(!tools.iter().any(|tool| tool.starts_with("ec2_")), "{tools:?}");
        assert!(tools.iter().any(|tool| tool == "s3_delete_bucket"), "{tools:?}");
    }
}

#[tokio::test]
async fn where_proof_is_required_nothing_comes_into_force_without_a_solver() {
    let (_stub, installation) = scene(NOTHING_MORE).await;
    let installation = installation.set("policy.require_proof", true);
    let ran = Ran::of(installation.command().env("CVC5", "/nowhere/cvc5").arg("serve").output().unwrap());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("require_proof") && ran.err.contains("apt-get install cvc5"), "{ran:?}");
}

#[tokio::test]
async fn where_proof_is_required_a_set_that_breaks_an_invariant_does_not_come_into_force() {
    if Command::new("cvc5").arg("--version").output().is_err() {
        assert!(std::env::var_os("COUNTERSIGN_REQUIRE_SOLVER").is_none(), "cvc5 is required here, and it is missing");
        return println!("SKIPPED, NOTHING IS PROVED HERE: cvc5 is not installed");
    }
    let (_stub, installation) = scene(r#"@id("all") permit (principal, action in Action::"secret", resource);"#).await;
    let installation = installation.set("policy.require_proof", true);
    let ran = installation.run(&["serve"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("not proved") && ran.err.contains("secret"), "{ran:?}");
}
