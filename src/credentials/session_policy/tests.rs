//! What session policies allow, by a small matcher of IAM's own rules.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::aws::Models;
use crate::config::ManifestsConfig;
use crate::manifest::catalog::Catalog;
use crate::manifest::expression::Expression;
use crate::manifest::sample::Samples;
use crate::manifest::spec::{Condition, Limits, Targets, UndoWay};
use crate::names::Effect;

const ACCOUNT: &str = "111122223333";
const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/";

static IAM: LazyLock<IamFacts> = LazyLock::new(|| IamFacts::embedded().unwrap());

/// A part of a pattern, as IAM reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Is(char),
    AnyOne,
    AnyMany,
}

/// Reads a pattern with its escapes. Another policy variable may stand for anything.
fn tokens(pattern: &str) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), pattern);
    while let Some(c) = rest.chars().next() {
        let escaped = ['*', '?', '$'].into_iter().find(|c| rest.starts_with(&format!("${{{c}}}")));
        let (token, length) = match (escaped, c) {
            (Some(literal), _) => (Token::Is(literal), 4),
            (None, '$') if rest.starts_with("${") => (Token::AnyMany, rest.find('}').map_or(rest.len(), |at| at + 1)),
            (None, '*') => (Token::AnyMany, 1),
            (None, '?') => (Token::AnyOne, 1),
            (None, c) => (Token::Is(c), c.len_utf8()),
        };
        tokens.push(token);
        rest = rest.split_at(length).1;
    }
    tokens
}

fn literal(text: &str) -> Vec<Token> {
    text.chars().map(Token::Is).collect()
}

fn matches(pattern: &[Token], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([Token::AnyMany, rest @ ..], text) => (0..=text.len()).any(|from| matches(rest, &text[from..])),
        ([Token::AnyOne, rest @ ..], [_, text @ ..]) => matches(rest, text),
        ([Token::Is(one), rest @ ..], [c, text @ ..]) => one == c && matches(rest, text),
        _ => false,
    }
}

fn all(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

/// Whether a policy allows an action on an ARN, asked for in a region.
fn allows(policy: &SessionPolicy, action: &str, arn: &str, region: &str) -> bool {
    let document: Value = serde_json::from_str(policy.text()).unwrap();
    assert_eq!(document["Version"], "2012-10-17", "older versions know no escapes");
    let arn: Vec<char> = arn.chars().collect();
    document["Statement"].as_array().unwrap().iter().any(|statement| {
        let region_fits = match statement["Condition"].as_object() {
            Some(condition) => all(&condition["StringEquals"][REQUESTED_REGION]).contains(&region),
            None => true,
        };
        statement["Effect"] == "Allow"
            && region_fits
            && all(&statement["Action"]).iter().any(|allowed| *allowed == "*" || *allowed == action)
            && all(&statement["Resource"]).iter().any(|resource| matches(&tokens(resource), &arn))
    })
}

fn template(text: &str) -> Template {
    Template::compile(&Value::from(text)).unwrap()
}

/// A tool that deletes tables, with these scopes: actions and resources.
fn tool(scopes: &[(&[&str], &[&str])]) -> Tool {
    let scope = |(actions, resources): &(&[&str], &[&str])| Scope {
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        resources: resources.iter().map(|resource| template(resource)).collect(),
        because: None,
        conditions: Vec::new(),
    };
    Tool {
        name: "delete_tables".to_owned(),
        title: String::new(),
        summary: String::new(),
        toolset: String::new(),
        core: None,
        operation: OperationId::new("dynamodb", "DeleteTable"),
        effect: Effect::Irreversible,
        input: Vec::new(),
        fixed: Vec::new(),
        targets: Some(Targets {
            each: Expression::compile("Names").unwrap(),
            arn: template("arn:{partition}:dynamodb:{region}:{account}:table/{target}"),
            read: Some(crate::manifest::spec::TargetRead {
                operation: OperationId::new("dynamodb", "DescribeTable"),
                with: Template::compile(&json!({ "TableName": "{target}" })).unwrap(),
                state: Expression::compile("Table").unwrap(),
                missing: Vec::new(),
            }),
            absent: false,
            also: Vec::new(),
            tags: None,
            tags_read: Vec::new(),
            fingerprint: None,
            protected: None,
        }),
        scopes: scopes.iter().map(scope).collect(),
        dry_run: DryRunKind::None,
        dry_run_scopes: Vec::new(),
        changes: Vec::new(),
        dependents: Vec::new(),
        raise_effect: Vec::new(),
        warn: Vec::new(),
        refuse: Vec::new(),
        steps: Vec::new(),
        confirm: None,
        unscoped: None,
        escalates: Vec::new(),
        wait: None,
        recovery_points: Vec::new(),
        undo: vec![UndoWay::none("")],
        limits: Limits::default(),
        output: None,
        docs: None,
        digest: Digest::of_bytes("test", b""),
    }
}

fn contexts(tool: &Tool, targets: &[&str], arguments: &Value) -> Vec<Value> {
    let context = |target: &&str| {
        let mut context = json!({
            "target": target, "arn": null, "state": { "name": target }, "tags": {}, "arguments": arguments,
            "account": ACCOUNT, "account_name": "shop-dev", "region": "eu-central-1", "partition": "aws",
        });
        let arn = tool.targets.as_ref().map(|targets| targets.arn.render_text(&context).unwrap());
        context["arn"] = json!(arn);
        context
    };
    targets.iter().map(context).collect()
}

fn signed_for(operation: &OperationId) -> Option<String> {
    Some(if operation.service() == "iam" { "us-east-1" } else { "eu-central-1" }.to_owned())
}

fn compiled<T>(contexts: &[Value], compile: impl Fn(Ground<'_>) -> T) -> T {
    let region = Region::new("eu-central-1");
    compile(Ground { contexts, account: ACCOUNT, region: &region, iam: &IAM, signed_for: &signed_for })
}

fn changing(tool: &Tool, targets: &[&str], arguments: &Value) -> Result<SessionPolicy, NotScoped> {
    compiled(&contexts(tool, targets, arguments), |ground| SessionPolicy::changing(tool, ground))
}

fn reading(tool: &Tool, targets: &[&str]) -> Result<SessionPolicy, NotScoped> {
    compiled(&contexts(tool, targets, &json!({})), |ground| SessionPolicy::reading(tool, ground))
}

const DELETE: &[&str] = &["dynamodb:DeleteTable"];
const OTHERS: [&str; 4] = ["dynamodb:DeleteItem", "dynamodb:*", "*", "iam:CreateUser"];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ab*?$\\{\\}:/]{1,5}", 1 => "\\PC{1,5}", 1 => r"\$\{(\*|\?|\$|aws:username)\}"]
}

proptest! {
    #[test]
    fn only_the_targets_are_allowed(targets in prop::collection::vec(name(), 1..5), probes in prop::collection::vec(name(), 20)) {
        let tool = tool(&[(DELETE, &["{arn}"])]);
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let change = changing(&tool, &targets, &json!({})).unwrap();
        let read = reading(&tool, &targets).unwrap();
        prop_assert!(change.text().is_ascii() && read.text().is_ascii());
        for name in probes.iter().map(String::as_str).chain(targets.iter().copied()) {
            let arn = format!("{TABLE}{name}");
            let is_target = targets.contains(&name);
            prop_assert_eq!(allows(&change, DELETE[0], &arn, "eu-central-1"), is_target, "{} {}", arn, change.text());
            prop_assert_eq!(allows(&read, "dynamodb:DescribeTable", &arn, "eu-central-1"), is_target, "{} {}", arn, read.text());
            prop_assert!(!allows(&change, DELETE[0], &arn, "us-east-1") && !allows(&read, "dynamodb:DescribeTable", &arn, "us-east-1"));
            prop_assert!(!allows(&change, "dynamodb:DescribeTable", &arn, "eu-central-1"));
            prop_assert!(!allows(&read, DELETE[0], &arn, "eu-central-1"));
            for action in OTHERS {
                prop_assert!(!allows(&change, action, &arn, "eu-central-1") && !allows(&read, action, &arn, "eu-central-1"));
            }
        }
    }

    /// Scopes of literal text with wildcards, targets and arguments in any order: allowed is exactly what they say when
    /// every value stands for itself.
    #[test]
    fn scopes_mean_what_they_say(
        parts in prop::collection::vec(0..4_usize, 1..5),
        target in name(),
        argument in name(),
        probes in prop::collection::vec(("[ab*:/]{0,4}", any::<prop::sample::Index>()), 20),
    ) {
        let (mut text, mut meant) = (TABLE.to_owned(), literal(TABLE));
        for part in &parts {
            let (written, means) = match part {
                0 => ("{target}", literal(&target)),
                1 => ("{arguments.Name}", literal(&argument)),
                2 => ("{state.name}", literal(&target)),
                _ => ("/*", vec![Token::Is('/'), Token::AnyMany]),
            };
            text.push_str(written);
            meant.extend(means);
        }
        let tool = tool(&[(DELETE, &[&text])]);
        let policy = changing(&tool, &[&target], &json!({ "Name": argument })).unwrap();
        // the ARN that is meant with each wildcard filled in, and the same with a character put elsewhere
        for (filling, place) in &probes {
            let arn: String = meant
                .iter()
                .flat_map(|token| match token {
                    Token::Is(c) => vec![*c],
                    _ => filling.chars().collect(),
                })
                .collect();
            prop_assert!(allows(&policy, DELETE[0], &arn, "eu-central-1"), "{} {}", arn, policy.text());
            let mut other: Vec<char> = arn.chars().collect();
            let at = place.index(other.len());
            other[at] = if other[at] == 'x' { 'y' } else { 'x' };
            let expected = matches(&meant, &other);
            let other: String = other.into_iter().collect();
            prop_assert_eq!(allows(&policy, DELETE[0], &other, "eu-central-1"), expected, "{} {}", other, policy.text());
        }
    }

    #[test]
    fn escapes_are_literal(text in "\\PC{0,20}") {
        prop_assert_eq!(tokens(&escaped(&text)), literal(&text));
    }
}

#[test]
fn a_name_does_not_decide_what_else_can_be_read() {
    let mut tool = tool(&[(&["s3:DeleteBucket"], &["{arn}"])]);
    let targets = tool.targets.as_mut().unwrap();
    targets.arn = template("arn:{partition}:s3:::{target}");
    targets.read.as_mut().unwrap().operation = OperationId::new("s3", "GetBucketVersioning");
    for name in ["receipts", "a/b", "*", ":", ""] {
        let policy = reading(&tool, &[name]).unwrap();
        assert!(!allows(&policy, "s3:GetBucketVersioning", "arn:aws:s3:::other", "eu-central-1"), "{}", policy.text());
        assert!(allows(&policy, "s3:GetBucketVersioning", &format!("arn:aws:s3:::{name}"), "eu-central-1"));
    }
}

#[test]
fn an_expression_makes_no_wildcard() {
    let text = format!("{TABLE}{{arguments.Name || '*'}}");
    let policy = changing(&tool(&[(DELETE, &[&text])]), &["orders"], &json!({})).unwrap();
    assert!(allows(&policy, DELETE[0], &format!("{TABLE}*"), "eu-central-1"));
    assert!(!allows(&policy, DELETE[0], &format!("{TABLE}orders"), "eu-central-1"));
    let everything = changing(&tool(&[(DELETE, &["{arguments.Name}"])]), &["orders"], &json!({ "Name": "*" })).unwrap();
    assert!(!allows(&everything, DELETE[0], &format!("{TABLE}orders"), "eu-central-1"));
}

#[test]
fn actions_of_other_services_may_be_seen_in_other_regions() {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/r");
    let tool = tool(&[(DELETE, &["{arn}"]), (&["iam:PassRole"], &[&role])]);
    let policy = changing(&tool, &["orders"], &json!({})).unwrap();
    assert!(
        allows(&policy, "iam:PassRole", &role, "us-east-1") && allows(&policy, "iam:PassRole", &role, "eu-central-1")
    );
    assert!(!allows(&policy, "iam:PassRole", &role, "eu-west-1"));
    assert!(!allows(&policy, "iam:PassRole", &format!("{role}2"), "us-east-1"));
}

#[test]
fn the_conditions_of_a_scope_hold_besides_the_region() {
    let mut tool = tool(&[(DELETE, &["{arn}"])]);
    let condition = |key: &str, value: &str| Condition {
        operator: "StringEquals".to_owned(),
        key: key.to_owned(),
        values: vec![template(value)],
    };
    tool.scopes[0].conditions = vec![condition("aws:ResourceTag/name", "{state.name}")];
    let policy = changing(&tool, &["a*", "b"], &json!({})).unwrap();
    let document: Value = serde_json::from_str(policy.text()).unwrap();
    let conditions: Vec<&Value> = document["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| &statement["Condition"]["StringEquals"])
        .collect();
    let region = "eu-central-1";
    assert_eq!(
        conditions,
        [
            &json!({ "aws:RequestedRegion": region, "aws:ResourceTag/name": "a${*}" }),
            &json!({ "aws:RequestedRegion": region, "aws:ResourceTag/name": "b" }),
        ]
    );
    tool.scopes[0].conditions = vec![condition(REQUESTED_REGION, "us-east-1")];
    let elsewhere = changing(&tool, &["a"], &json!({})).unwrap();
    assert_eq!(elsewhere, SessionPolicy::nothing());
}

#[test]
fn too_many_targets_are_refused_and_it_is_said_how_many_fit() {
    let tool = tool(&[(DELETE, &["{arn}"])]);
    let names: Vec<String> = (0..60).map(|n| format!("orders-{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let Err(NotScoped::TooLong { characters, fit }) = changing(&tool, &names, &json!({})) else { panic!("it fits") };
    assert!(characters > MOST_CHARACTERS && fit > 10, "{characters} {fit}");
    let fits = changing(&tool, &names[..fit], &json!({})).unwrap();
    assert!(fits.text().len() <= MOST_CHARACTERS);
    assert!(changing(&tool, &names[..=fit], &json!({})).is_err());
    let long = "*".repeat(600);
    let error = changing(&tool, &[&long], &json!({})).unwrap_err();
    assert!(matches!(error, NotScoped::TooLong { fit: 0, .. }), "{error}");
}

#[test]
fn what_nobody_knows_the_actions_of_is_not_allowed() {
    let unscoped = tool(&[]);
    assert!(matches!(changing(&unscoped, &["orders"], &json!({})), Err(NotScoped::UnknownActions(_))));
    let mut unreadable = tool(&[(DELETE, &["{arn}"])]);
    let read = unreadable.targets.as_mut().unwrap().read.as_mut().unwrap();
    read.operation = OperationId::new("codecatalyst", "GetProject");
    assert!(matches!(reading(&unreadable, &["orders"]), Err(NotScoped::UnknownActions(_))));
}

#[test]
fn a_session_without_rights_has_none() {
    assert!(!allows(&SessionPolicy::nothing(), DELETE[0], TABLE, "eu-central-1"));
    assert!(SessionPolicy::nothing().text().contains("Deny"));
}

#[test]
fn other_characters_than_ascii_are_written_in_json_s_own_way() {
    let policy = changing(&tool(&[(DELETE, &["{arn}"])]), &["Größe/日本/😀"], &json!({})).unwrap();
    assert!(policy.text().contains(r"Gr\u00f6\u00dfe/\u65e5\u672c/\ud83d\ude00"), "{}", policy.text());
    assert!(allows(&policy, DELETE[0], &format!("{TABLE}Größe/日本/😀"), "eu-central-1"));
}

/// An object's bucket is its holder; what has a form itself needs none.
#[test]
fn what_holds_a_thing_is_known_from_its_arn() {
    let target = |arn: &str| Target { forms: Vec::new(), arn: arn.to_owned(), written: BTreeSet::new() };
    let bucket = "arn:${Partition}:s3:::${BucketName}";
    assert_eq!(target("arn:aws:s3:::b/k/l").holder(bucket).as_deref(), Some("arn:aws:s3:::b"));
    assert_eq!(target("arn:aws:s3:::b/${*}").holder(bucket).as_deref(), Some("arn:aws:s3:::b"));
    assert_eq!(target("arn:aws:s3:::b").holder(bucket), None);
    let object = "arn:${Partition}:s3:::${BucketName}/${ObjectName}";
    assert_eq!(target("arn:aws:s3:::b/k/l").holder(object), None);
    let table = "arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}";
    assert_eq!(target("arn:aws:dynamodb:eu-central-1:1:global-table/t/x").holder(table), None);
}

/// The policies of a shipped tool's call: of its reads and of the change.
fn shipped(name: &str, target: &str, arguments: &Value) -> (SessionPolicy, SessionPolicy) {
    let catalog = Catalog::load(&ManifestsConfig::default(), &Models::embedded().unwrap(), &IAM).unwrap();
    let tool = catalog.tools().find(|tool| tool.name == name).unwrap();
    let contexts = contexts(tool, &[target], arguments);
    let policy = |of: fn(&Tool, Ground<'_>) -> Result<SessionPolicy, NotScoped>| {
        compiled(&contexts, |ground| of(tool, ground)).unwrap()
    };
    (policy(SessionPolicy::reading), policy(SessionPolicy::changing))
}

/// The conditions under which an action is allowed, besides the region.
fn conditions_of(policy: &SessionPolicy, action: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(policy.text()).unwrap();
    let statements = document["Statement"].as_array().unwrap().iter();
    let of = statements.filter(|statement| all(&statement["Action"]).contains(&action));
    of.map(|statement| {
        let mut equal = statement["Condition"]["StringEquals"].clone();
        equal.as_object_mut().unwrap().shift_remove(REQUESTED_REGION);
        equal
    })
    .collect()
}

#[test]
fn who_may_hide_an_object_may_not_destroy_its_versions() {
    let mut arguments = json!({ "Bucket": "receipts", "Key": "a.txt" });
    let (_, hides) = shipped("s3_delete_object", "receipts/a.txt", &arguments);
    let owned = json!({ "s3:ResourceAccount": ACCOUNT });
    assert_eq!(conditions_of(&hides, "s3:DeleteObject"), [owned]);
    let destroys = |version: &str| [json!({ "s3:ResourceAccount": ACCOUNT, "s3:versionid": version })];
    assert_eq!(conditions_of(&hides, "s3:DeleteObjectVersion"), destroys("-"));
    arguments["VersionId"] = json!("3HL4*");
    let (_, change) = shipped("s3_delete_object", "receipts/a.txt", &arguments);
    assert_eq!(conditions_of(&change, "s3:DeleteObjectVersion"), destroys("3HL4${*}"));
}

/// Without that, a missing object can't be told from one that must not be read.
#[test]
fn who_reads_an_object_may_list_its_bucket_and_no_other() {
    let arguments = json!({ "Bucket": "receipts", "Key": "a.txt" });
    let (read, _) = shipped("s3_delete_object", "receipts/a.txt", &arguments);
    let lists = |arn: &str| allows(&read, "s3:ListBucket", arn, "eu-central-1");
    assert!(lists("arn:aws:s3:::receipts"), "{}", read.text());
    assert!(!lists("arn:aws:s3:::receipts2") && !lists("arn:aws:s3:::receipt") && !lists("arn:aws:s3:::*"));
    for lock in ["s3:GetObjectRetention", "s3:GetObjectLegalHold"] {
        assert!(allows(&read, lock, "arn:aws:s3:::receipts/a.txt", "eu-central-1"), "{lock}");
        assert!(!allows(&read, lock, "arn:aws:s3:::receipts/b.txt", "eu-central-1"), "{lock}");
    }
    for action in ["s3:ListBucket", "s3:GetObject"] {
        assert_eq!(conditions_of(&read, action), [json!({ RESOURCE_ACCOUNT: ACCOUNT })], "{action}");
    }
}

#[test]
fn a_version_of_a_function_is_not_the_function() {
    let function = "arn:aws:lambda:eu-central-1:111122223333:function:invoice";
    let version = format!("{function}:7");
    let may = |policy: &SessionPolicy, action: &str, arn: &str| allows(policy, action, arn, "eu-central-1");
    let (read, change) = shipped("lambda_delete_function", "invoice", &json!({ "FunctionName": "invoice" }));
    assert!(may(&change, "lambda:DeleteFunction", function) && !may(&change, "lambda:DeleteFunction", &version));
    assert!(may(&read, "lambda:GetFunctionConfiguration", function));
    let arguments = json!({ "FunctionName": "invoice", "Qualifier": "7" });
    let (read, change) = shipped("lambda_delete_function", "invoice", &arguments);
    assert!(may(&change, "lambda:DeleteFunction", &version) && !may(&change, "lambda:DeleteFunction", function));
    assert!(may(&read, "lambda:GetFunctionConfiguration", &version) && may(&read, "lambda:ListAliases", function));
    assert!(!may(&read, "lambda:GetFunctionConfiguration", &format!("{function}:8")));
}

#[test]
fn who_takes_no_final_snapshot_may_not_make_one() {
    let database = "arn:aws:rds:eu-central-1:111122223333:db:orders";
    let makes = |arguments: &Value| {
        let (_, change) = shipped("rds_delete_db_instance", "orders", arguments);
        allows(&change, "rds:CreateDBSnapshot", database, "eu-central-1")
    };
    assert!(makes(&json!({ "DBInstanceIdentifier": "orders", "FinalDBSnapshotIdentifier": "orders-final" })));
    assert!(!makes(&json!({ "DBInstanceIdentifier": "orders", "SkipFinalSnapshot": true })));
}

/// A tool of each kind: reads, a change by name and by id, wildcards, conditions, a recovery point.
const SHOWN: [&str; 14] = [
    "autoscaling_set_desired_capacity",
    "cloudformation_delete_stack",
    "cloudformation_describe_stacks",
    "dynamodb_delete_table",
    "ec2_describe_instances",
    "ec2_start_instances",
    "ec2_stop_instances",
    "ec2_terminate_instances",
    "lambda_delete_function",
    "rds_delete_db_instance",
    "rds_describe_db_instances",
    "s3_delete_bucket",
    "s3_delete_object",
    "s3_list_objects",
];

/// What some shipped tools' credentials may do. Look at it when a manifest changes.
#[test]
fn the_policies_of_some_shipped_tools() {
    let (models, iam) = (Models::embedded().unwrap(), &*IAM);
    let catalog = Catalog::load(&ManifestsConfig::default(), &models, iam).unwrap();
    let tools: Vec<&Tool> =
        catalog.tools().filter(|tool| SHOWN.contains(&tool.name.as_str())).map(|tool| -> &Tool { tool }).collect();
    assert_eq!(tools.len(), SHOWN.len());
    let arguments = json!({
        "Bucket": "receipts", "Key": "2026/11/*.txt", "DBInstanceIdentifier": "orders",
        "FinalDBSnapshotIdentifier": "orders-final", "StackName": "orders", "FunctionName": "invoice",
    });
    let mut shown = Vec::new();
    for tool in tools {
        let target = match tool.operation.service() {
            "ec2" => "i-0123456789abcdef0",
            "s3" if tool.name.contains("object") => "receipts/2026/11/*.txt",
            "s3" => "receipts",
            _ => "orders",
        };
        let contexts = contexts(tool, &[target], &arguments);
        let change = compiled(&contexts, |ground| SessionPolicy::changing(tool, ground)).unwrap();
        let read = compiled(&contexts, |ground| SessionPolicy::reading(tool, ground)).unwrap();
        shown.push(match tool.effect {
            Effect::Read => format!("{}\n  reads   {}", tool.name, read.text()),
            _ => format!("{}\n  reads   {}\n  changes {}", tool.name, read.text(), change.text()),
        });
    }
    insta::assert_snapshot!(shown.join("\n"));
}

/// Whatever a tool is called with, its credentials have a policy that fits, that allows nothing but its scopes' actions, and
/// that in the call's account and region alone.
#[test]
fn every_shipped_tool_s_credentials_are_within_its_scopes() {
    let (models, iam) = (Models::embedded().unwrap(), &*IAM);
    let catalog = Catalog::load(&ManifestsConfig::default(), &models, iam).unwrap();
    let region = Region::new("eu-central-1");
    let samples = Samples { models: &models, iam, account: ACCOUNT, region: &region };
    let mut wrong = Vec::new();
    for tool in catalog.tools() {
        let mut context = samples.context(tool);
        let policy = |context: &Value, what: &str, of: &dyn Fn(Ground<'_>) -> Result<SessionPolicy, NotScoped>| {
            compiled(std::slice::from_ref(context), of).map_err(|error| format!("{} {what}: {error}", tool.name))
        };
        let changes = tool.effect.needs_preview() || tool.effect.changes();
        let mut made = vec![(policy(&context, "reads", &|ground| SessionPolicy::reading(tool, ground)), None)];
        if changes {
            let change = policy(&context, "changes", &|ground| SessionPolicy::changing(tool, ground));
            made.push((change, Some(&tool.scopes)));
        }
        context["point"] = json!("point-1");
        for point in &tool.recovery_points {
            let take = policy(&context, "takes a point", &|ground| SessionPolicy::taking(tool, point, ground));
            made.push((take, Some(&point.scopes)));
        }
        for (policy, scopes) in made {
            let policy = match policy {
                Ok(policy) => policy,
                Err(error) => {
                    wrong.push(error);
                    continue;
                }
            };
            let document: Value = serde_json::from_str(policy.text()).unwrap();
            for statement in document["Statement"].as_array().unwrap().iter().filter(|one| one["Effect"] == "Allow") {
                if !statement["Condition"]["StringEquals"][REQUESTED_REGION].is_string()
                    && !statement["Condition"]["StringEquals"][REQUESTED_REGION].is_array()
                {
                    wrong.push(format!("{}: in every region: {statement}", tool.name));
                }
                for action in all(&statement["Action"]) {
                    let within = scopes
                        .is_none_or(|scopes| scopes.iter().any(|scope| scope.actions.iter().any(|own| own == action)));
                    let reads = iam.action(action).is_some_and(|fact| fact.level.only_reads());
                    if !within || (scopes.is_none() && !reads) {
                        wrong.push(format!("{}: allows {action}", tool.name));
                    }
                }
                for arn in all(&statement["Resource"]) {
                    let parts: Vec<&str> = arn.splitn(6, ':').collect();
                    let elsewhere = |part: Option<&&str>, own: &str| {
                        part.is_some_and(|part| !part.is_empty() && **part != *own && **part != *"aws")
                    };
                    if elsewhere(parts.get(3), "eu-central-1") || elsewhere(parts.get(4), ACCOUNT) {
                        wrong.push(format!("{}: {} on {arn}", tool.name, statement["Action"]));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// AWS has a role's path in its ARN; a call has its name alone.
#[test]
fn a_role_with_a_path_can_be_read_by_its_name() {
    let (read, change) = shipped("iam_delete_role", "invoice", &json!({ "RoleName": "invoice" }));
    for role in ["arn:aws:iam::111122223333:role/invoice", "arn:aws:iam::111122223333:role/shop/eu/invoice"] {
        assert!(allows(&read, "iam:GetRole", role, "us-east-1"), "{role} {}", read.text());
    }
    for other in ["role/shop/other", "role/my-invoice", "role/invoice/other", "user/shop/invoice"] {
        assert!(!allows(&read, "iam:GetRole", &format!("arn:aws:iam::111122223333:{other}"), "us-east-1"), "{other}");
    }
    assert!(!allows(&change, "iam:DeleteRole", "arn:aws:iam::111122223333:role/shop/other", "us-east-1"));
    assert_eq!(with_path("arn:aws:iam::1:role/a/b"), None);
    assert_eq!(with_path("arn:aws:s3:::a/b"), None);
}
