//! 14: DryRun sent to an endpoint that ignores it and executes.

use countersign::sandbox::DEV;

use super::*;
use crate::support::clouds::{instance_state, run_instance};
use crate::support::{Misbehaviour, NEWEST, moto, sandbox};

#[tokio::test]
async fn t14_no_dry_run_goes_to_an_endpoint_that_ignores_it() {
    let scene = Scene::new().await;
    for operation in ["DescribeInstances", "TerminateInstances", "StopInstances"] {
        scene.stub.misbehave(operation, Misbehaviour::IgnoresDryRun);
    }
    let session = scene.session(&NEWEST, Act::Declines).await;
    for tool in ["ec2_terminate_instances", "ec2_stop_instances"] {
        let preview = session.call(tool, terminate(WEB)).await;
        preview.plan_id();
        assert_eq!(preview.structured()["dry_run"]["result"], "not_trusted", "{:#}", preview.structured());
    }
    assert_eq!((scene.stub.count("TerminateInstances"), scene.stub.count("StopInstances")), (0, 0));
    scene.unchanged();
    assert_eq!(scene.installation.record().count("previewed"), 2);
}

#[tokio::test]
async fn t14_ministack_ignores_dry_runs_and_gets_none() {
    let id = run_instance(&DEV, "t14").await;
    let installation = Installation::before_sandbox(sandbox().await);
    let session = Session::start(&installation, NEWEST, Act::Declines).await;
    let preview = session.call("ec2_terminate_instances", terminate(&id)).await;
    preview.plan_id();
    assert_eq!(preview.structured()["dry_run"]["result"], "not_trusted", "{:#}", preview.structured());
    assert!(preview.text().contains("ignores `DryRun`"), "{}", preview.text());
    assert_eq!(instance_state(&DEV, &id).await, "running");
    assert_eq!(installation.record().count("previewed"), 1);
}

#[tokio::test]
async fn t14_moto_honours_dry_runs_and_the_preview_says_so() {
    let installation = Installation::before(&moto().await.endpoint());
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    let subnets = session.call("ec2_describe_subnets", json!({ "account": "shop-dev" })).await;
    let run = json!({
        "account": "shop-dev", "reason": "something to terminate", "ImageId": "ami-12c6146b", "InstanceType": "t3.micro",
        "SubnetId": subnets.structured()["result"]["Subnets"][0]["SubnetId"], "MinCount": 1, "MaxCount": 1,
    });
    let apply = session.preview("ec2_run_instances", &run).await;
    let made = session.call("ec2_run_instances", apply).await;
    made.applied();
    let id = made.structured()["result"]["Instances"][0]["InstanceId"].as_str().unwrap().to_owned();

    let preview = session.call("ec2_terminate_instances", terminate(&id)).await;
    preview.plan_id();
    assert_eq!(preview.structured()["dry_run"]["result"], "passed", "{:#}", preview.structured());
    let found = session.call("ec2_describe_instances", json!({ "account": "shop-dev", "InstanceIds": [id] })).await;
    let state = found.structured()["result"]["Instances"][0]["State"].as_str().unwrap();
    assert!(["pending", "running"].contains(&state), "{state}");
}
