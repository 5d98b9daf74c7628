//! 19: secrets in prompts, logs, audit or errors.

use countersign::aws::Models;
use countersign::aws::iam::IamFacts;
use countersign::config::ManifestsConfig;
use countersign::manifest::catalog::Catalog;

use super::*;
use crate::support::installation::OWN_SECRET;
use crate::support::stub::{KEPT_SECRET, SESSION_SECRET, SESSION_TOKEN};
use crate::support::{NEWEST, OLDER, with};

/// What agents pass as secrets.
const PASSED: &str = "planted-passed-secret";

/// Everything that was planted, and nothing of which may come out of the server.
const PLANTED: [&str; 5] = [OWN_SECRET, SESSION_SECRET, SESSION_TOKEN, KEPT_SECRET, PASSED];

#[tokio::test]
async fn t19_no_secret_comes_out_in_answers_prompts_logs_or_the_record() {
    for version in [OLDER[1].clone(), NEWEST] {
        let scene = Scene::new().await;
        let roles: toml_edit::Array = ["operator", "secrets"].into_iter().collect();
        let accounts: toml_edit::Array = ["shop-dev"].into_iter().collect();
        let installation = scene.installation.set("agents.test-agent.roles", roles);
        let installation = installation.set("agents.test-agent.accounts", accounts);
        let mut command = installation.command();
        command.env("COUNTERSIGN_LOG", "trace");
        let session = Session::start_with(command, version.clone(), Act::types("none")).await;
        let mut seen = Vec::new();
        for (tool, arguments) in every_tool().into_iter().chain(secrets()) {
            let arguments = with(&arguments, json!({ "account": "shop-dev" }));
            let preview = session.call(&tool, arguments.clone()).await;
            seen.push((tool.clone(), format!("{:?}", preview.result)));
            let Some(plan) = preview.structured().get("plan_id").and_then(Value::as_str) else { continue };
            let asked = preview.structured()["needs"].clone();
            session.now(Act::types(&typed(&tool, &arguments)));
            let applied = session.call(&tool, with(&arguments, json!({ "dry_run": false, "plan_id": plan }))).await;
            seen.push((tool.clone(), format!("{asked} {:?}", applied.result)));
            let status = session.call("plan_status", json!({ "plan_id": plan })).await;
            seen.push((tool, format!("{:?}", status.result)));
        }
        seen.push(("whoami".to_owned(), format!("{:?}", session.call("whoami", json!({})).await.result)));
        seen.push(("list_plans".to_owned(), format!("{:?}", session.call("list_plans", json!({})).await.result)));
        seen.push(("prompts".to_owned(), serde_json::to_string(&session.forms()).unwrap()));
        for arguments in [&["plans"][..], &["audit", "export"], &["audit", "tail"]] {
            let ran = installation.run(arguments);
            seen.push((arguments.join(" "), format!("{} {}", ran.out, ran.err)));
        }
        assert!(scene.stub.count("GetSecretValue") > 0, "the secret was read");
        assert!(scene.stub.count("CreateSecret") > 0, "and one was passed: {seen:#?}");
        let echo = |(_, text): &(String, String)| text.contains("not this: orders, ") && text.contains("[redacted]");
        assert!(seen.iter().any(echo), "AWS repeats arguments in errors: {seen:#?}");
        let (_, log) = session.end().await;
        assert!(log.contains("aws_config"), "libraries log too: {log}");
        seen.push(("the log".to_owned(), log));
        for entry in std::fs::read_dir(installation.folder()).unwrap().map(Result::unwrap) {
            if entry.file_name() != "credentials" && entry.path().is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                seen.push((format!("{:?}", entry.file_name()), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        for (place, text) in &seen {
            for secret in PLANTED {
                let at = text.find(secret).map(|at| {
                    let from = text.floor_char_boundary(at.saturating_sub(300));
                    &text[from..text.floor_char_boundary(at + 100)]
                });
                assert_eq!(at, None, "{version}: `{secret}` in {place}");
            }
        }
    }
}

/// A tool that is there to return a secret.
const REVEALING: &str = r#"tool: secretsmanager_get_secret_value
title: Read a secret
summary: Returns the value of a secret. It is shown to the agent.
toolset: secretsmanager
operation: secretsmanager:GetSecretValue
effect: secret
input:
  SecretId: { required: true, pattern: "[a-z-]+" }
scopes:
  - actions: [secretsmanager:GetSecretValue]
    resources: ["arn:{partition}:secretsmanager:{region}:{account}:secret:{arguments.SecretId}-??????"]
"#;

#[tokio::test]
async fn t19_a_secret_passes_only_by_a_tool_that_is_there_for_it_and_is_kept_nowhere() {
    let scene = Scene::new().await;
    let roles: toml_edit::Array = ["secrets"].into_iter().collect();
    let accounts: toml_edit::Array = ["shop-dev"].into_iter().collect();
    scene.installation.write("mine/reveal.yaml", REVEALING);
    let installation = scene.installation.set("agents.test-agent.roles", roles);
    let installation = installation.set("agents.test-agent.accounts", accounts);
    let installation = installation.set("manifests.folders", toml_edit::Array::from_iter(["mine"]));
    let mut command = installation.command();
    command.env("COUNTERSIGN_LOG", "trace");
    let session = Session::start_with(command, NEWEST, Act::types("secretsmanager:GetSecretValue in shop-dev")).await;
    let reveal = json!({ "account": "shop-dev", "SecretId": "orders", "reason": "to rotate it" });
    let tool = "secretsmanager_get_secret_value";
    session.call(tool, with(&reveal, json!({ "dry_run": false }))).await.refused("needs_preview");
    let apply = session.preview(tool, &reveal).await;
    let answer = session.call(tool, apply).await;
    answer.applied();
    assert!(answer.structured()["result"].to_string().contains(KEPT_SECRET), "{answer:?}");
    assert_eq!(session.forms().len(), 1);
    let prompts = serde_json::to_string(&session.forms()).unwrap();
    let record = installation.run(&["audit", "export"]).out;
    let (_, log) = session.end().await;
    for (place, text) in [("prompts", &prompts), ("record", &record), ("log", &log)] {
        assert!(!text.contains(KEPT_SECRET), "{place}: {text}");
    }
    let database = std::fs::read(installation.store()).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains(KEPT_SECRET));
}

/// Every tool, called as well as the stub allows: most fail, and that must not tell secrets either.
fn every_tool() -> Vec<(String, Value)> {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
    let reason = json!({ "reason": "to see what comes out" });
    let call = |name: &str| {
        let own = match name {
            "aws_read" => json!({ "operation": "ec2:DescribeVpcs" }),
            "aws_change" => json!({ "operation": "sqs:DeleteQueue", "arguments": { "QueueUrl": "q" } }),
            name if name.contains("instances") && name.starts_with("ec2") => json!({ "InstanceIds": [WEB] }),
            name if name.contains("autoscaling") => json!({ "AutoScalingGroupName": "web", "DesiredCapacity": 1 }),
            name if name.contains("stack") => json!({ "StackName": "orders" }),
            name if name.contains("table") => json!({ "TableName": "orders" }),
            name if name.contains("function") => json!({ "FunctionName": "orders" }),
            name if name.contains("db_instance") => json!({ "DBInstanceIdentifier": "orders" }),
            name if name.contains("object") && name != "s3_list_objects" => json!({ "Bucket": "orders", "Key": "a" }),
            _ => json!({ "Bucket": "orders" }),
        };
        let reads = name.contains("describe") || name.contains("list") || name == "aws_read";
        (name.to_owned(), if reads { own } else { with(&own, reason.clone()) })
    };
    catalog.names().map(call).collect()
}

/// Calls that pass a secret, or are answered with one.
fn secrets() -> Vec<(String, Value)> {
    let call = |tool: &str, operation: &str, arguments: Value| {
        let all = json!({ "operation": operation, "arguments": arguments, "reason": "to see what comes out" });
        (tool.to_owned(), all)
    };
    vec![
        call("aws_change", "secretsmanager:GetSecretValue", json!({ "SecretId": "orders" })),
        call("aws_change", "ssm:GetParameter", json!({ "Name": "orders", "WithDecryption": true })),
        call("aws_change", "secretsmanager:CreateSecret", json!({ "Name": "orders", "SecretString": PASSED })),
        call("aws_change", "ssm:PutParameter", json!({ "Name": "/o", "Type": "SecureString", "Value": PASSED })),
        call(
            "aws_change",
            "rds:ModifyDBInstance",
            json!({ "DBInstanceIdentifier": "orders", "MasterUserPassword": PASSED }),
        ),
        call("aws_change", "secretsmanager:CreateSecret", json!({ "Name": "orders", "SecretStrin": PASSED })),
        call("aws_change", "secretsmanager:CreateSecret", json!({ "Name": 5, "SecretString": PASSED })),
        call("aws_change", "secretsmanager:GetSecretValue", json!({ "SecretId": "orders", "SecretString": PASSED })),
    ]
}

/// What the person types.
fn typed(tool: &str, arguments: &Value) -> String {
    match arguments["operation"].as_str() {
        Some(operation) if tool == "aws_change" => format!("{operation} in shop-dev"),
        _ => WEB.to_owned(),
    }
}
