//! What a manifest says of previews: more state, what isn't there yet, rows of changes, change sets.

use super::{facts, is_good, report};
use crate::config::ManifestsConfig;
use crate::manifest::catalog::{Catalog, Entry};

/// The termination of instances with one thing replaced by another.
fn with(part: &str, by: &str) -> String {
    assert!(TERMINATE.contains(part), "{part}");
    TERMINATE.replacen(part, by, 1)
}

const TERMINATE: &str = r#"tool: ec2_terminate_instances
title: Terminate EC2 instances
summary: Terminates EC2 instances for good. Volumes marked for deletion go with them. Irreversible.
toolset: ec2
operation: ec2:TerminateInstances
effect: irreversible
input:
  InstanceIds: { required: true, min_items: 1, max_items: 10, pattern: "i-[0-9a-f]{8,17}", description: "ids of the instances, such as i-0123456789abcdef0" }
targets:
  each: InstanceIds[]
  arn: "arn:{partition}:ec2:{region}:{account}:instance/{target}"
  read:
    operation: ec2:DescribeInstances
    with: { InstanceIds: ["{target}"] }
    state: "Reservations[0].Instances[0]"
    missing: [InvalidInstanceID.NotFound, InvalidInstanceID.Malformed]
  tags: Tags
  fingerprint: "{state: State.Name, type: InstanceType, image: ImageId, volumes: BlockDeviceMappings[].Ebs.VolumeId, tags: Tags}"
scopes:
  - actions: [ec2:TerminateInstances]
    resources: ["{arn}"]
preview:
  dry_run: native
  dependents:
    - label: volumes deleted with it
      operation: ec2:DescribeVolumes
      with: { Filters: [{ Name: attachment.instance-id, Values: ["{target}"] }, { Name: attachment.delete-on-termination, Values: ["true"] }] }
      list: "Volumes[].VolumeId"
    - label: Auto Scaling groups that will replace it
      operation: autoscaling:DescribeAutoScalingInstances
      with: { InstanceIds: ["{target}"] }
      list: "AutoScalingInstances[].AutoScalingGroupName"
confirm: { type: "{target}" }
undo:
  none: a terminated instance can't be started again; only snapshots taken before bring its data back
limits: { per_call: 10, per_hour: 20 }
docs: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
"#;

const DESCRIBE: &str = r#"tool: cloudformation_describe_stacks
title: Describe CloudFormation stacks
summary: Lists stacks with state, description and tags. Read only.
toolset: cloudformation
operation: cloudformation:DescribeStacks
effect: read
input:
  StackName: {}
  NextToken: {}
scopes:
  - actions: [cloudformation:DescribeStacks]
    resources: ["arn:{partition}:cloudformation:{region}:{account}:stack/*/*"]
output: >-
  {Stacks: Stacks[].{StackName: StackName, StackId: StackId, StackStatus: StackStatus, Description: Description,
  CreationTime: CreationTime, LastUpdatedTime: LastUpdatedTime,
  EnableTerminationProtection: EnableTerminationProtection, Tags: Tags}, NextToken: NextToken}
docs: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
"#;

const ALSO: &str = r#"  also:
    shutdown:
      operation: ec2:DescribeInstanceAttribute
      with: { InstanceId: "{target}", Attribute: instanceInitiatedShutdownBehavior }
      state: InstanceInitiatedShutdownBehavior.Value
      missing: [InvalidInstanceID.NotFound]
      optional: true
"#;

const CREATE: &str = r#"tool: sqs_make_queue
title: Create a queue
summary: Creates a queue. Can be put back by deleting it.
toolset: sqs
operation: sqs:CreateQueue
effect: write
input:
  QueueName: { required: true }
targets:
  each: QueueName
  arn: "arn:{partition}:sqs:{region}:{account}:{target}"
  absent: true
  read:
    operation: sqs:GetQueueUrl
    with: { QueueName: "{target}" }
    state: "{url: QueueUrl}"
    missing: [QueueDoesNotExist, AWS.SimpleQueueService.NonExistentQueue]
scopes:
  - { actions: [sqs:CreateQueue], resources: ["{arn}"] }
preview:
  changes:
    - { what: the queue, before: state.url, after: "'there'" }
undo: { none: it is deleted by hand }
limits: { per_call: 1, per_hour: 5 }
docs: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
"#;

#[test]
fn more_state_and_rows_of_changes_are_taken() {
    let text = with("  tags: Tags\n", &format!("{ALSO}  tags: Tags\n")).replace(
        "  dependents:\n",
        "  changes:\n    - { what: shutdown behaviour, before: state.shutdown, after: \"'none'\" }\n  dependents:\n",
    );
    assert!(is_good(&text), "{}", report(&text));
    assert!(is_good(CREATE), "{}", report(CREATE));
}

#[test]
fn slips_of_previews_are_told() {
    let also = |from: &str, to: &str| with("  tags: Tags\n", &format!("{}  tags: Tags\n", ALSO.replace(from, to)));
    let rows = |rows: &str| with("  dependents:\n", &format!("  changes:\n{rows}  dependents:\n"));
    let told = [
        also("    shutdown:", "    InstanceType:"),
        also("    shutdown:", "    \"shut down\":"),
        also("InstanceInitiatedShutdownBehavior.Value", "InstanceInitiatedShutdownBehaviour.Value"),
        also("Attribute: instance", "Atribute: instance"),
        also("ec2:DescribeInstanceAttribute", "ec2:ModifyInstanceAttribute"),
        also("ec2:DescribeInstanceAttribute", "ec2:GetPasswordData"),
        rows(
            "    - { what: type, before: state.InstanceTyp, after: \"'none'\" }\n    - { what: type, before: target, after: target }\n",
        ),
        with("dry_run: native", "dry_run: change_set"),
        with(
            "list: \"Volumes[].VolumeId\"\n",
            "list: \"Volumes[].VolumeId\"\n      step: { is: delete, of: \"Volumes[].VolumeIdd\" }\n",
        ),
        CREATE.replace(
            "  read:\n",
            "  tags: tags\n  also: { a: { operation: sqs:ListQueues, state: QueueUrls } }\n  read:\n",
        ),
        CREATE.replace(
            "resources: [\"{arn}\"]",
            "resources: [\"{arn}\", \"arn:{partition}:sqs:{region}:{account}:{state.url}\"]",
        ),
        DESCRIBE.replace(
            "scopes:\n",
            "preview: { dry_run: change_set, changes: [{ what: a, before: a, after: b }] }\nscopes:\n",
        ),
    ];
    insta::assert_snapshot!(told.map(|text| report(&text)).join("\n"));
}

const UPDATE: &str = r#"tool: cloudformation_update_stack
title: Update a stack
summary: Updates a stack. Can be put back with the template that was there before.
toolset: cloudformation
operation: cloudformation:UpdateStack
effect: write
input:
  StackName: { required: true, pattern: "[a-zA-Z][-a-zA-Z0-9]{0,127}" }
  TemplateBody: { required: true }
targets:
  each: StackName
  arn: "arn:{partition}:cloudformation:{region}:{account}:stack/{target}/*"
  read:
    operation: cloudformation:DescribeStacks
    with: { StackName: "{target}" }
    state: "Stacks[0]"
    missing: [ValidationError]
  tags: Tags
scopes:
  - { actions: [cloudformation:UpdateStack], resources: ["{arn}"] }
  - { actions: [iam:PassRole], resources: ["arn:{partition}:iam::{account}:role/stacks/{target}"], because: the role of the stack }
escalates: [cloudformation-002]
preview:
  dry_run: change_set
undo: { none: by hand }
limits: { per_call: 1, per_hour: 5 }
"#;

#[test]
fn a_change_set_s_session_may_not_execute_it() {
    let (models, iam) = facts();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tool.yaml"), UPDATE).unwrap();
    let config = ManifestsConfig { folders: vec![folder.path().to_owned()], ..ManifestsConfig::default() };
    let catalog = Catalog::load(&config, &models, &iam).unwrap_or_else(|problems| panic!("{}", problems.pretty(false)));
    let Some(Entry::Tool(tool)) = catalog.entry("cloudformation_update_stack") else { panic!() };
    let actions: Vec<&str> = tool.dry_run_scopes.iter().flat_map(|scope| &scope.actions).map(String::as_str).collect();
    let (own, besides) = actions.split_at(3);
    assert_eq!(besides, ["iam:PassRole"]);
    assert!(own.iter().all(|action| action.ends_with("ChangeSet") && !action.contains("Execute")), "{own:?}");
}
