use super::*;
use crate::aws::Models;
use crate::aws::redact::secret_name;
use crate::aws::service::ServiceModel;
use crate::aws::shape::ShapeKind;

fn facts() -> IamFacts {
    IamFacts::embedded().unwrap()
}

fn id(text: &str) -> OperationId {
    text.parse().unwrap()
}

fn names(operation: &str) -> Option<Vec<String>> {
    let actions = facts().actions_for(&id(operation))?;
    Some(actions.into_iter().map(|a| if a.always { a.name } else { format!("{}?", a.name) }).collect())
}

#[test]
fn operations_map_to_actions() {
    for (operation, actions) in [
        ("ec2:TerminateInstances", "ec2:TerminateInstances"),
        ("s3:ListObjectsV2", "s3:ListBucket"),
        (
            "s3:HeadObject",
            "s3:GetObject s3:GetObjectVersion? s3:GetObjectRetention? s3:GetObjectLegalHold? s3:ListBucket?",
        ),
        ("s3:GetBucketCors", "s3:GetBucketCORS"),
        ("lambda:Invoke", "lambda:InvokeFunction"),
        ("elbv2:DeleteLoadBalancer", "elasticloadbalancing:DeleteLoadBalancer"),
        ("elb:DeleteLoadBalancer", "elasticloadbalancing:DeleteLoadBalancer"),
        ("stepfunctions:DeleteStateMachine", "states:DeleteStateMachine"),
        ("events:PutRule", "events:PutRule"),
        ("sesv2:SendEmail", "ses:SendEmail"),
        ("docdb:DeleteDBInstance", "rds:DeleteDBInstance"),
        ("apigateway:DeleteRestApi", "apigateway:DELETE"),
        ("logs:DeleteLogGroup", "logs:DeleteLogGroup"),
        ("dynamodb:TransactGetItems", "dynamodb:GetItem"),
        ("iot-data:Publish", "iot:Publish"),
        ("resourcegroupstaggingapi:GetResources", "tag:GetResources"),
    ] {
        assert_eq!(names(operation).unwrap_or_default().join(" "), actions, "{operation}");
    }
    assert_eq!(names("codecatalyst:DeleteProject"), None);
    assert_eq!(names("nowhere:DoNothing"), None);
}

#[test]
fn an_action_is_told_with_its_resources() {
    let action = facts().action("ec2:terminateinstances").unwrap();
    assert_eq!((action.name.as_str(), action.level), ("ec2:TerminateInstances", AccessLevel::Write));
    assert_eq!(action.resources, [ActionResource { name: "instance".into(), required: true }]);
    assert!(action.condition_keys.iter().any(|key| key == "ec2:InstanceType"));
    assert_eq!(
        facts().arn_formats("ec2:TerminateInstances"),
        ["arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}"]
    );
    assert!(facts().condition_keys("ec2").iter().any(|key| key.name == "aws:TagKeys" && key.kind == "ArrayOfString"));
    assert_eq!(facts().nearest_actions("ec2:TerminateInstance").first().unwrap(), "ec2:TerminateInstances");
    assert_eq!(facts().action("=services:x"), None);
    assert_eq!(facts().action("ec2"), None);
}

#[test]
fn the_least_effect_is_never_too_mild() {
    use Effect::{Destructive, Read, Secret, Write};
    for (operation, effect) in [
        ("ec2:DescribeInstances", Read),
        ("s3:ListObjectsV2", Read),
        ("s3:GetObject", Read),
        ("s3:HeadBucket", Read),
        ("logs:StartQuery", Read),
        ("cloudformation:DescribeStacks", Read),
        ("dynamodb:Scan", Read),
        ("sts:GetCallerIdentity", Read),
        ("secretsmanager:GetSecretValue", Secret),
        ("ssm:GetParameter", Secret),
        ("ecr:GetAuthorizationToken", Secret),
        ("lambda:GetFunction", Secret),
        ("apigateway:GetApiKeys", Secret),
        ("sqs:ReceiveMessage", Write),
        ("sagemaker-runtime:InvokeEndpoint", Write),
        ("kms:Decrypt", Write),
        ("ec2:StopInstances", Write),
        ("ec2:CreateTags", Write),
        ("ec2:DeleteTags", Write),
        ("iam:CreateAccessKey", Write),
        ("iam:AttachRolePolicy", Write),
        ("ec2:TerminateInstances", Destructive),
        ("s3:DeleteObjects", Destructive),
        ("s3:DeleteBucketPolicy", Destructive),
        ("sqs:PurgeQueue", Destructive),
        ("kms:ScheduleKeyDeletion", Destructive),
        ("ec2:ReleaseAddress", Destructive),
        ("dynamodb:BatchWriteItem", Destructive),
        ("ecr:BatchDeleteImage", Destructive),
        ("cognito-idp:AdminDeleteUser", Destructive),
        ("budgets:DeleteBudget", Destructive),
        ("autoscaling:TerminateInstanceInAutoScalingGroup", Destructive),
        ("codecatalyst:GetProject", Destructive),
        ("nowhere:DescribeNothing", Destructive),
    ] {
        assert_eq!(facts().least_effect(&id(operation)), effect, "{operation}");
    }
    assert_eq!(facts().reveals(&id("iam:CreateAccessKey")), Some("credentials for AWS"));
    assert_eq!(facts().reveals(&id("ec2:DescribeInstances")), None);
}

#[test]
fn the_table_of_escalation_paths_is_well_formed() {
    let facts = facts();
    let all = facts.escalations(|_| true);
    assert!(all.len() >= 65, "{}", all.len());
    for path in all {
        for action in &path.needs {
            let known = facts.action(action).unwrap_or_else(|| panic!("{}: {action}", path.id));
            assert_eq!(known.name, *action, "{}", path.id);
        }
    }
    assert!(facts.escalations(|_| false).is_empty());
    let passes = |action: &str| ["iam:PassRole", "lambda:CreateFunction"].contains(&action);
    assert!(facts.escalations(passes).is_empty());
    let runs = |action: &str| passes(action) || action == "lambda:InvokeFunction";
    let found: Vec<&str> = facts.escalations(runs).iter().map(|path| path.id.as_str()).collect();
    assert_eq!(found, ["lambda-001"]);
}

#[test]
fn actions_that_reveal_secrets_are_known_by_their_names() {
    let facts = facts();
    assert_eq!(facts.reveals_by("secretsmanager:GetSecretValue"), Some("a secret"));
    assert_eq!(facts.reveals_by("elasticmapreduce:GetClusterSessionCredentials"), Some("credentials for AWS"));
    assert_eq!(facts.reveals_by("kms:Decrypt"), Some("a private or secret key"));
    assert_eq!(facts.reveals_by("s3:GetObject"), None);
    assert_eq!(facts.reveals_by("apigateway:GET"), None);
}

#[test]
fn most_operations_of_all_services_have_actions() {
    let models = Models::embedded().unwrap();
    let facts = facts();
    let (mut all, mut known) = (0, 0);
    for entry in models.operation_index().unwrap().iter() {
        all += 1;
        let actions = facts.actions_for(&entry.id());
        assert!(actions.as_ref().is_none_or(|actions| !actions.is_empty()), "{}", entry.id());
        known += usize::from(actions.is_some());
    }
    assert!(known * 100 >= all * 95, "{known} of {all}");
}

#[test]
fn the_table_of_secrets_names_real_operations() {
    let models = Models::embedded().unwrap();
    let mut unknown = Vec::new();
    for (service, operations, _) in secrets::SECRETS {
        for operation in *operations {
            if models.operation(&OperationId::new(*service, *operation)).is_err() {
                unknown.push(format!("{service}:{operation}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Members of a shape, at any depth, whose names are those of secrets.
fn secret_members(service: &ServiceModel, shape: &str, seen: &mut Vec<String>, found: &mut Vec<String>) {
    if seen.iter().any(|known| known == shape) {
        return;
    }
    seen.push(shape.to_owned());
    match &service.shape(shape).unwrap().kind {
        ShapeKind::Structure { members, .. } => {
            for member in members {
                let of = service.shape(&member.shape).unwrap();
                if matches!(of.kind, ShapeKind::String { .. } | ShapeKind::Blob(_)) {
                    if secret_name(&member.name) {
                        found.push(member.name.clone());
                    }
                } else {
                    secret_members(service, &member.shape, seen, found);
                }
            }
        }
        ShapeKind::List { member, .. } => secret_members(service, &member.shape, seen, found),
        ShapeKind::Map { value, .. } => secret_members(service, &value.shape, seen, found),
        _ => {}
    }
}

#[test]
fn every_read_with_a_member_named_like_a_secret_has_been_looked_at() {
    let models = Models::embedded().unwrap();
    let facts = facts();
    let mut found = Vec::new();
    for entry in models.operation_index().unwrap().iter() {
        if facts.least_effect(&entry.id()) != Effect::Read {
            continue;
        }
        let (service, operation) = models.operation(&entry.id()).unwrap();
        let Some(output) = &operation.output else { continue };
        let mut names = Vec::new();
        secret_members(&service, &output.shape, &mut Vec::new(), &mut names);
        if !names.is_empty() {
            names.sort();
            names.dedup();
            found.push(format!("{} {}", entry.id(), names.join(" ")));
        }
    }
    // Read, not secret, by the reasons that the table of secrets gives. An operation that is new here is to be judged:
    // it goes into the table, or into this list.
    insta::assert_snapshot!("looked_at", found.join("\n"));
}
