//! Roles: that what `iam template` makes can be deployed and is enough, and that `iam check` sees every difference.

use countersign::names::Stage;
use countersign::sandbox::{DEV, SandboxAccount};
use serde_json::{Value, json};

use crate::support::clouds::root_call;
use crate::support::{Act, Installation, NEWEST, Ran, Session, sandbox};

const SERVER: &str = "arn:aws:iam::111122223333:user/countersign-server";

/// An installation whose account shop-dev has roles of the test's own, and a profile that may read IAM there.
async fn installation(name: &str) -> Installation {
    let sandbox = sandbox().await;
    let arn = |purpose: &str| format!("arn:aws:iam::{}:role/{name}-{purpose}", DEV.id);
    let installation = Installation::before_sandbox(sandbox)
        .set("accounts.shop-dev.read_role", arn("read"))
        .set("accounts.shop-dev.change_role", arn("change"));
    let read = |file: &str| std::fs::read_to_string(sandbox.folder().join(file)).unwrap();
    installation.write("keys", &format!("{}\n{}", read("credentials"), read("root-credentials")));
    installation.set("aws.credentials_file", "keys")
}

fn template(installation: &Installation, families: &str) -> Value {
    let ran = installation.run(&[
        "iam",
        "template",
        "--account",
        "shop-dev",
        "--trust",
        SERVER,
        "--families",
        families,
        "--format",
        "json",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

fn check(installation: &Installation, families: &str) -> Ran {
    let profile = format!("root-{}", DEV.id);
    let arguments = ["iam", "check", "--account", "shop-dev", "--trust", SERVER, "--profile", &profile];
    installation.run(&[&arguments[..], &["--families", families]].concat())
}

async fn deploy(template: &Value) {
    for role in template["roles"].as_array().unwrap() {
        let policy = async |name: &Value, document: &Value| -> String {
            let arguments = json!({ "PolicyName": name, "PolicyDocument": document.to_string() });
            let made = root_call(&DEV, "iam:CreatePolicy", arguments).await.unwrap();
            made["Policy"]["Arn"].as_str().unwrap().to_owned()
        };
        let boundary = match role["boundary"].get("arn") {
            Some(arn) => arn.as_str().unwrap().to_owned(),
            None => policy(&role["boundary"]["name"], &role["boundary"]["document"]).await,
        };
        // The emulator knows of no source identity in trust policies.
        let mut trust = role["trust"].clone();
        for statement in trust["Statement"].as_array_mut().unwrap() {
            statement["Condition"].as_object_mut().unwrap().shift_remove("StringLike");
        }
        let arguments = json!({
            "RoleName": role["name"], "AssumeRolePolicyDocument": trust.to_string(),
            "PermissionsBoundary": boundary,
        });
        root_call(&DEV, "iam:CreateRole", arguments).await.unwrap();
        let mut attached: Vec<String> = role["managed"].as_str().map(str::to_owned).into_iter().collect();
        for one in role["policies"].as_array().unwrap() {
            attached.push(policy(&one["name"], &one["document"]).await);
        }
        for arn in attached {
            let arguments = json!({ "RoleName": role["name"], "PolicyArn": arn });
            root_call(&DEV, "iam:AttachRolePolicy", arguments).await.unwrap();
        }
    }
}

#[tokio::test]
async fn generated_roles_are_as_needed_enough_to_work_with_and_every_change_of_them_is_seen() {
    let installation = installation("made").await;
    let missing = check(&installation, "none");
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.out.contains("there is no such role"), "{missing:?}");

    deploy(&template(&installation, "none")).await;
    let good = check(&installation, "none");
    assert_eq!(good.code, Some(0), "{good:?}");
    assert_eq!(good.out.matches(": as needed").count(), 2, "{good:?}");

    let assume = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
        "Resource": format!("arn:aws:iam::{}:role/made-*", DEV.id),
    } });
    let tools = SandboxAccount { name: "shop-tools", id: "111122223333", stage: Stage::Dev };
    let arguments =
        json!({ "UserName": "countersign-server", "PolicyName": "made", "PolicyDocument": assume.to_string() });
    root_call(&tools, "iam:PutUserPolicy", arguments).await.unwrap();
    let session = Session::start(&installation, NEWEST, Act::HasNoForms).await;
    let delete = json!({ "account": "shop-dev", "TableName": "orders", "reason": "to look" });
    let preview = session.preview("dynamodb_delete_table", &delete).await;
    assert!(preview["plan_id"].is_string(), "{preview:#}");
    session.end().await;

    let wide =
        json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" } });
    let arguments = json!({ "RoleName": "made-change", "PolicyName": "grown", "PolicyDocument": wide.to_string() });
    root_call(&DEV, "iam:PutRolePolicy", arguments).await.unwrap();
    let detached =
        json!({ "RoleName": "made-read", "PolicyArn": format!("arn:aws:iam::{}:policy/made-read-1", DEV.id) });
    root_call(&DEV, "iam:DetachRolePolicy", detached).await.unwrap();
    let changed = check(&installation, "none");
    assert_eq!(changed.code, Some(1), "{changed:?}");
    let lines: Vec<&str> = changed.out.lines().map(str::trim).collect();
    let has = |parts: [&str; 3]| lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(["missing: dynamodb:", "not allowed (for ", "dynamodb_delete_table"]), "{}", changed.out);
    assert!(has(["too much: dynamodb:", " on *: on more than any tool needs", "(policy `grown`; "]), "{}", changed.out);
}

#[tokio::test]
async fn the_template_for_cloudformation_can_be_deployed() {
    let installation = installation("stacked").await;
    // For all tools it is longer than CloudFormation takes in a call, and that is told.
    let arguments = ["iam", "template", "--account", "shop-dev", "--trust", SERVER, "--families", "none"];
    let whole = installation.run(&arguments);
    assert!(whole.err.contains("CloudFormation takes 51200 directly") == (whole.out.len() > 51_200), "{}", whole.err);
    let some = ["--toolset", "dynamodb", "--toolset", "ec2"];
    let template = installation.run(&[&arguments[..], &some].concat());
    assert_eq!(template.code, Some(0), "{template:?}");
    assert!(template.out.len() <= 51_200, "{}", template.out.len());
    let arguments = json!({
        "StackName": "stacked-roles", "TemplateBody": template.out, "Capabilities": ["CAPABILITY_NAMED_IAM"],
    });
    root_call(&DEV, "cloudformation:CreateStack", arguments).await.unwrap();
    let mut stack = Value::Null;
    for _ in 0..50 {
        let stacks = json!({ "StackName": "stacked-roles" });
        stack = root_call(&DEV, "cloudformation:DescribeStacks", stacks).await.unwrap()["Stacks"][0].clone();
        if stack["StackStatus"] != "CREATE_IN_PROGRESS" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(stack["StackStatus"], "CREATE_COMPLETE", "{stack:#}");
    let outputs = stack["Outputs"].as_array().unwrap();
    let read = format!("arn:aws:iam::{}:role/stacked-read", DEV.id);
    assert!(outputs.iter().any(|output| output["OutputValue"] == *read), "{stack:#}");
    // The emulator's CloudFormation leaves boundaries out.
    let profile = format!("root-{}", DEV.id);
    let arguments = ["iam", "check", "--account", "shop-dev", "--trust", SERVER, "--profile", &profile];
    let checked = installation.run(&[&arguments[..], &["--families", "none"], &some].concat());
    let differences: Vec<&str> = checked.out.lines().filter(|line| line.starts_with("    ")).collect();
    assert_eq!(differences, ["    missing: it has no permission boundary"; 2], "{checked:?}");
}

#[tokio::test]
async fn roles_that_cover_families_are_checked_by_what_covers_them() {
    let installation = installation("family").await;
    deploy(&template(&installation, "read")).await;
    let good = check(&installation, "read");
    assert_eq!(good.code, Some(0), "{good:?}");
    let narrower = check(&installation, "none");
    assert_eq!(narrower.code, Some(1), "{narrower:?}");
    assert!(narrower.out.contains("too much: AWS's `ReadOnlyAccess` is attached"), "{narrower:?}");
}

/// What the demo and the tests run with is what the template makes, for all families.
#[tokio::test]
async fn the_sandbox_s_own_roles_are_those_of_the_template() {
    let sandbox = sandbox().await;
    let installation = Installation::before_sandbox(sandbox);
    let read = |file: &str| std::fs::read_to_string(sandbox.folder().join(file)).unwrap();
    installation.write("keys", &format!("{}\n{}", read("credentials"), read("root-credentials")));
    let installation = installation.set("aws.credentials_file", "keys");
    let good = check(&installation, "all");
    // Besides, the sandbox's role that changes is denied what could open the sandbox itself.
    let differences: Vec<&str> = good.out.lines().filter(|line| line.starts_with("    ")).map(str::trim).collect();
    let denied = |line: &str| {
        let known = line.starts_with("missing: iam:") || line.starts_with("missing: ssm:GetParameter ");
        line.starts_with("note: ") || (known && line.contains(": denied (for "))
    };
    assert!(differences.iter().all(|line| denied(line)), "{differences:#?}");
    assert_eq!(good.out.matches(": as needed").count(), 1, "{good:?}");
}

#[tokio::test]
async fn the_scope_of_a_call_is_told_without_asking_anybody() {
    let installation = Installation::before("http://127.0.0.1:9");
    let arguments = r#"{"InstanceIds": ["i-0abc1234", "i-0def5678"]}"#;
    let ran = installation.run(&["iam", "scope", "ec2_terminate_instances", arguments, "--account", "shop-prod"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    insta::assert_snapshot!(ran.out);
    let read = installation.run(&["iam", "scope", "s3_list_objects", r#"{"Bucket": "b"}"#, "--account", "shop-dev"]);
    let read: Value = serde_json::from_str(&read.out).unwrap();
    assert!(read["read"]["policy"].is_object() && read.get("change").is_none(), "{read:#}");
    let family = r#"{"operation": "ec2:DescribeVpcs"}"#;
    let family = installation.run(&["iam", "scope", "aws_read", family, "--account", "shop-dev"]);
    assert!(family.out.contains("\"ec2:DescribeVpcs\""), "{family:?}");
    let family = r#"{"operation": "ec2:CreateVpc", "arguments": {"CidrBlock": "10.0.0.0/16"}}"#;
    let family = installation.run(&["iam", "scope", "aws_change", family, "--account", "shop-dev"]);
    assert!(family.out.contains("\"ec2:CreateVpc\""), "{family:?}");
    for (arguments, wanted) in [
        (
            &["iam", "scope", "ec2_terminate_instances"][..],
            "which account? add `--account` with one of `shop-dev`, `shop-prod`",
        ),
        (&["iam", "scope", "ec2_terminate", "--account", "shop-dev"], "ec2_terminate"),
        (&["iam", "scope", "s3_list_objects", "{}", "--account", "shopdev"], "did you mean `shop-dev`?"),
        (&["iam", "scope", "s3_list_objects", "[]", "--account", "shop-dev"], "this is not a JSON object"),
        (&["iam", "template", "--account", "shop-dev", "--trust", "*"], "write `arn:aws:iam::ACCOUNT:role/NAME`"),
    ] {
        let ran = installation.run(arguments);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(wanted), "{ran:?}");
    }
}

/// Together with stopping and starting, which are shipped, it makes up a known way to more permissions.
const MODIFY: &str = r#"tool: ec2_modify_instance
title: Modify an EC2 instance
summary: Changes an attribute of an instance. It can be put back.
toolset: ec2
operation: ec2:ModifyInstanceAttribute
effect: write
input:
  InstanceId: { required: true }
targets:
  each: InstanceId
  arn: "arn:{partition}:ec2:{region}:{account}:instance/{target}"
  read:
    operation: ec2:DescribeInstances
    with: { InstanceIds: ["{target}"] }
    state: "Reservations[0].Instances[0]"
scopes:
  - actions: [ec2:ModifyInstanceAttribute]
    resources: ["{arn}"]
undo:
  none: what it was stands in the plan
limits: { per_call: 1, per_hour: 10 }
"#;

const WAY_UP: &str = "note: the change role contains `ec2-002`, a known way to more permissions: \
                      ec2:ModifyInstanceAttribute, ec2:StartInstances, ec2:StopInstances, for ec2_modify_instance, \
                      ec2_start_instances, ec2_stop_instances (https://pathfinding.cloud/paths/ec2-002)";

/// What a tool that is shipped says of itself.
const OF_STACKS: &str = "note: the change role contains `cloudformation-002`, a known way to more permissions: \
                         cloudformation:UpdateStack, for cloudformation_update_stack \
                         (https://pathfinding.cloud/paths/cloudformation-002)";

#[test]
fn a_role_whose_tools_make_up_a_way_to_more_permissions_is_told() {
    let installation = Installation::before("http://127.0.0.1:9");
    installation.write("mine/modify.yaml", MODIFY);
    let installation = installation.set("manifests.folders", toml_edit::Array::from_iter(["mine"]));
    for arguments in [&["manifest", "check"][..], &["manifest", "check", "mine"]] {
        let ran = installation.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.out.lines().last(), Some(WAY_UP), "{ran:?}");
    }
    let arguments = ["iam", "template", "--account", "shop-dev", "--trust", SERVER];
    let ran = installation.run(&arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let notes: Vec<&str> = ran.err.lines().collect();
    let uncovered = "note: `aws_change` is not covered: AWS will refuse its calls (`--families all` covers it)";
    let without_id = "note: the account has no `external_id` in countersign.toml, so the roles ask for none";
    assert_eq!(notes.get(..4), Some(&[OF_STACKS, WAY_UP, uncovered, without_id][..]), "{notes:#?}");
    assert!(notes.iter().skip(4).all(|note| note.contains("CloudFormation takes 51200 directly")), "{notes:#?}");
    let narrower = [&arguments[..], &["--toolset", "ec2", "--toolset", "aws"]].concat();
    let ran = installation.run(&narrower);
    assert_eq!(ran.err.lines().collect::<Vec<_>>(), [WAY_UP, uncovered, without_id], "{ran:?}");
    assert!(ran.out.contains("ec2:TerminateInstances") && !ran.out.contains("dynamodb:DeleteTable"), "{}", ran.out);
    let unknown = installation.run(&[&arguments[..], &["--toolset", "dynamo"]].concat());
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("there is no toolset `dynamo` (did you mean `dynamodb`?)"), "{unknown:?}");

    installation.write("mine/modify.yaml", &format!("{MODIFY}escalates: [ec2-002]\n"));
    let alone = installation.run(&["manifest", "check"]);
    assert_eq!(alone.code, Some(1), "{alone:?}");
    assert!(alone.err.contains("contain no known way to more permissions of the name `ec2-002`"), "{alone:?}");
}
