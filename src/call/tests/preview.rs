//! Targets that aren't there yet, and more of a target's state than one read gives.

use serde_json::{Value, json};

use super::{INSTANCE, validated_with};
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::call::refused::{Code, Refused};
use crate::call::resolve::{ResolvedCall, Seen, resolve};
use crate::config::ManifestsConfig;
use crate::names::{PlanId, Stage};
use crate::testing::FakeCloud;

const CREATE: &str = r#"tool: t_create
title: Create a queue
summary: Creates a queue.
toolset: t
operation: sqs:CreateQueue
effect: write
input: { QueueName: { required: true } }
targets:
  each: QueueName
  arn: "arn:{partition}:sqs:{region}:{account}:{target}"
  absent: true
  read:
    operation: sqs:GetQueueUrl
    with: { QueueName: "{target}" }
    state: "{url: QueueUrl}"
    missing: [QueueDoesNotExist]
scopes: [{ actions: [sqs:CreateQueue], resources: ["{arn}"] }]
undo: { none: by hand }
limits: { per_call: 1, per_hour: 5 }
"#;

const TERMINATE: &str = r#"tool: t_terminate
title: Terminate instances
summary: Terminates instances.
toolset: t
operation: ec2:TerminateInstances
effect: irreversible
input: { InstanceIds: { required: true } }
targets:
  each: InstanceIds[]
  arn: "arn:{partition}:ec2:{region}:{account}:instance/{target}"
  read:
    operation: ec2:DescribeInstances
    with: { InstanceIds: ["{target}"] }
    state: "Reservations[0].Instances[0]"
  also:
    protection:
      operation: ec2:DescribeInstanceAttribute
      with: { InstanceId: "{state.InstanceId}", Attribute: disableApiTermination }
      state: DisableApiTermination.Value
      missing: [InvalidInstanceID.NotFound]
      optional: true
    volumes:
      operation: ec2:DescribeVolumes
      with: { VolumeIds: ["vol-0123456789abcdef0"] }
      state: Volumes[].VolumeId
      optional: true
  protected: protection
scopes: [{ actions: [ec2:TerminateInstances], resources: ["{arn}"] }]
confirm: { type: "{target}" }
undo: { none: gone }
limits: { per_call: 1, per_hour: 5 }
"#;

async fn resolved(manifest: &str, arguments: Value, cloud: &FakeCloud) -> Result<ResolvedCall, Refused> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tool.yaml"), manifest).unwrap();
    let manifests = ManifestsConfig { folders: vec![folder.path().to_owned()], ..ManifestsConfig::default() };
    let tool = manifest.lines().next().unwrap().trim_start_matches("tool: ");
    let call = validated_with(&manifests, tool, arguments, Stage::Dev, None)?;
    resolve(call, cloud, &Models::embedded().unwrap(), &IamFacts::embedded().unwrap(), &[]).await
}

async fn create(cloud: &FakeCloud) -> Result<ResolvedCall, Refused> {
    resolved(CREATE, json!({ "QueueName": "orders", "reason": "a new one" }), cloud).await
}

#[tokio::test]
async fn what_a_call_makes_is_not_there_yet() {
    let cloud = FakeCloud::new().refuses("sqs:GetQueueUrl", "QueueDoesNotExist", "none");
    let call = create(&cloud).await.unwrap();
    let [target] = call.targets() else { panic!("{:?}", call.targets()) };
    assert_eq!(target.arn, "arn:aws:sqs:eu-central-1:210987654321:orders");
    assert_eq!((&target.state, &target.fingerprint), (&Value::Null, &Value::Null));
    assert!(target.tags.is_empty() && !target.protected);
    // Its session can be opened although there is no state.
    call.changer(&cloud, &PlanId::fresh()).await.unwrap();
    assert!(matches!(call.read_again().await.unwrap().as_slice(), [Seen::Read(now)] if **now == *target));

    cloud.change("sqs:GetQueueUrl", json!({ "QueueUrl": "https://there" }));
    assert!(matches!(call.read_again().await.unwrap().as_slice(), [Seen::Appeared]));
    let refused = create(&cloud).await.unwrap_err();
    assert_eq!(refused.code, Code::TargetExists);
    insta::assert_snapshot!(format!("{}\n{}", refused.message, refused.hint));
}

#[tokio::test]
async fn not_knowing_whether_it_is_there_is_no_absence() {
    let cloud = FakeCloud::new().refuses("sqs:GetQueueUrl", "AccessDenied", "no");
    assert_eq!(create(&cloud).await.unwrap_err().code, Code::TargetUnreadable);
}

fn instance() -> FakeCloud {
    let instance = json!({ "InstanceId": INSTANCE, "State": { "Name": "running" } });
    FakeCloud::new()
        .answers("ec2:DescribeInstances", json!({ "Reservations": [{ "Instances": [instance] }] }))
        .answers("ec2:DescribeVolumes", json!({ "Volumes": [{ "VolumeId": "vol-1" }] }))
}

async fn terminate(cloud: &FakeCloud) -> Result<ResolvedCall, Refused> {
    resolved(TERMINATE, json!({ "InstanceIds": [INSTANCE], "reason": "not used" }), cloud).await
}

const ATTRIBUTE: &str = "ec2:DescribeInstanceAttribute";

#[tokio::test]
async fn more_state_is_part_of_what_is_judged_and_watched() {
    let cloud = instance().answers(ATTRIBUTE, json!({ "DisableApiTermination": { "Value": true } }));
    let call = terminate(&cloud).await.unwrap();
    let [target] = call.targets() else { panic!("{:?}", call.targets()) };
    assert_eq!(target.state["protection"], true);
    assert_eq!(target.fingerprint["volumes"], json!(["vol-1"]));
    assert!(target.protected && target.not_known.is_empty());
    let asked = cloud.sent().into_iter().find(|call| call.operation.to_string() == ATTRIBUTE).unwrap();
    assert_eq!(asked.arguments, json!({ "InstanceId": INSTANCE, "Attribute": "disableApiTermination" }));

    let call = terminate(&instance().refuses(ATTRIBUTE, "InvalidInstanceID.NotFound", "none")).await.unwrap();
    assert_eq!(call.targets()[0].state["protection"], Value::Null);
    assert!(call.targets()[0].not_known.is_empty());
}

#[tokio::test]
async fn what_can_not_be_known_is_said() {
    let call = terminate(&instance().refuses(ATTRIBUTE, "UnauthorizedOperation", "request 1234")).await.unwrap();
    let target = &call.targets()[0];
    assert_eq!((&target.state["protection"], target.protected), (&Value::Null, false));
    // Without AWS's own message, which can differ each time.
    insta::assert_json_snapshot!(target.not_known);
}

/// Whoever can bring about too many requests, or none answered, must not take a protection out of sight with that.
#[tokio::test]
async fn no_protection_goes_out_of_sight_by_too_many_requests() {
    for cloud in [
        instance().refuses(ATTRIBUTE, "RequestLimitExceeded", "slow down"),
        instance().refuses(ATTRIBUTE, "ThrottlingException", "slow down"),
        instance().loses(ATTRIBUTE),
    ] {
        let refused = terminate(&cloud).await.unwrap_err();
        assert_eq!(refused.code, Code::TargetUnreadable, "{}", refused.message);
    }
    let cloud = FakeCloud::new()
        .answers("ec2:DescribeInstances", json!({ "Reservations": [{ "Instances": [{ "InstanceId": INSTANCE }] }] }))
        .answers(ATTRIBUTE, json!({ "DisableApiTermination": { "Value": false } }))
        .loses("ec2:DescribeVolumes");
    let call = terminate(&cloud).await.unwrap();
    assert_eq!(call.targets()[0].not_known[0].why, "no conclusive answer to ec2:DescribeVolumes");
}

#[tokio::test]
async fn more_state_that_must_be_known_and_can_not_be_refuses() {
    let manifest = TERMINATE.replace("      optional: true\n", "");
    let cloud = instance().refuses(ATTRIBUTE, "UnauthorizedOperation", "no");
    let arguments = json!({ "InstanceIds": [INSTANCE], "reason": "not used" });
    let refused = resolved(&manifest, arguments, &cloud).await.unwrap_err();
    assert_eq!(refused.code, Code::TargetUnreadable);
    insta::assert_snapshot!(format!("{}\n{}", refused.message, refused.hint));
}
