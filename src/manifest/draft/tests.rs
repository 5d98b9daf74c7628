use super::*;
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::manifest::catalog::Catalog;

/// Operations that platform teams ask for, over many services.
const ASKED_FOR: [&str; 44] = [
    "rds:DeleteDBInstance",
    "rds:DeleteDBSnapshot",
    "rds:StopDBInstance",
    "rds:ModifyDBInstance",
    "rds:DeleteDBCluster",
    "ec2:TerminateInstances",
    "ec2:StopInstances",
    "ec2:DeleteVolume",
    "ec2:DeleteSnapshot",
    "ec2:DeleteSecurityGroup",
    "ec2:DetachVolume",
    "ec2:DescribeVolumes",
    "autoscaling:SetDesiredCapacity",
    "autoscaling:DeleteAutoScalingGroup",
    "elbv2:DeleteLoadBalancer",
    "elbv2:DeregisterTargets",
    "s3:DeleteBucket",
    "s3:PutBucketVersioning",
    "dynamodb:DeleteTable",
    "dynamodb:UpdateTable",
    "lambda:DeleteFunction",
    "lambda:UpdateFunctionConfiguration",
    "ecs:DeleteService",
    "ecs:UpdateService",
    "ecr:DeleteRepository",
    "eks:DeleteNodegroup",
    "cloudformation:DeleteStack",
    "elasticbeanstalk:TerminateEnvironment",
    "iam:DeleteRole",
    "iam:DeleteUser",
    "kms:ScheduleKeyDeletion",
    "secretsmanager:DeleteSecret",
    "ssm:DeleteParameter",
    "cloudwatch:DeleteAlarms",
    "logs:DeleteLogGroup",
    "logs:PutRetentionPolicy",
    "route53:DeleteHostedZone",
    "sqs:PurgeQueue",
    "sns:DeleteTopic",
    "events:DisableRule",
    "stepfunctions:StopExecution",
    "elasticache:DeleteCacheCluster",
    "redshift:DeleteCluster",
    "kinesis:DeleteStream",
];

fn drafted(operation: &str) -> (String, Vec<String>) {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    let text = draft(&operation.parse().unwrap(), Facts { models: &models, iam: &iam }).unwrap();
    let left = Catalog::check_text("draft.yaml", &text, &models, &iam).err().unwrap_or_default();
    let told = left.iter().map(|problem| format!("{problem}")).collect();
    (text, told)
}

/// Everything a draft says wrong, but for what it asks itself.
fn wrong(told: &[String]) -> Vec<&String> {
    told.iter().filter(|problem| !problem.contains("left to decide")).collect()
}

#[test]
fn what_platform_teams_ask_for_is_drafted_with_little_left() {
    let mut table = String::new();
    for operation in ASKED_FOR {
        let (text, told) = drafted(operation);
        if let Some(folder) = std::env::var_os("DRAFTS") {
            let path = std::path::Path::new(&folder).join(format!("{}.yaml", operation.replace(':', "_")));
            std::fs::write(path, &text).unwrap();
        }
        let wrong = wrong(&told);
        table += &format!("{operation:45} {} left to decide, {} wrong\n", told.len() - wrong.len(), wrong.len());
        for problem in wrong {
            table += &format!("    {problem}\n");
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn drafts_as_people_get_them() {
    for operation in [
        "rds:DeleteDBInstance",
        "ec2:DeleteVolume",
        "lambda:UpdateFunctionConfiguration",
        "sqs:PurgeQueue",
        "ecs:UpdateService",
        "ec2:DescribeVolumes",
    ] {
        let (text, told) = drafted(operation);
        insta::assert_snapshot!(operation.replace(':', "_"), format!("{text}---\n{}\n", told.join("\n")));
    }
}

#[test]
fn what_is_left_to_decide_is_told_with_everything_else_in_one_go() {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    let (text, _) = drafted("rds:DeleteDBSnapshot");
    // A slip of form, one that only AWS's model knows of, one that only IAM's facts know of.
    let text = text
        .replace("confirm:", "confirmm:")
        .replace("state: \"DBSnapshots[0]\"", "state: \"DBSnapshot[0]\"")
        .replace("actions: [rds:DeleteDBSnapshot]", "actions: [rds:DeleteDBSnapshots]");
    let left = Catalog::check_text("draft.yaml", &text, &models, &iam).unwrap_err();
    let told: Vec<String> = left.or(()).unwrap_err().iter().map(ToString::to_string).collect();
    for wanted in ["no key `confirmm`", "no `DBSnapshot` here", "no action `rds:DeleteDBSnapshots`", "left to decide"] {
        assert!(told.iter().any(|told| told.contains(wanted)), "{wanted}: {told:?}");
    }
}

#[test]
fn a_server_takes_no_manifest_with_an_open_question() {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (text, _) = drafted("ec2:DescribeVolumes");
    std::fs::write(folder.path().join("draft.yaml"), &text).unwrap();
    let config = crate::config::ManifestsConfig {
        folders: vec![folder.path().to_owned()],
        ..crate::config::ManifestsConfig::default()
    };
    let refused = Catalog::load(&config, &models, &iam).unwrap_err();
    assert!(refused.iter().all(|problem| problem.message().starts_with("left to decide: ")), "{refused:?}");
    let finished: String =
        text.lines().map(|line| line.split("   # decide:").next().unwrap().to_owned() + "\n").collect();
    std::fs::write(folder.path().join("draft.yaml"), finished).unwrap();
    Catalog::load(&config, &models, &iam).unwrap();
}
