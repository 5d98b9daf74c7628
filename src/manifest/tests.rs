//! Whole manifests through the whole of the compiler, and what must hold for every shipped one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::catalog::{Catalog, Entry};
use super::raw;
use super::spec::DryRunKind;
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::call::refused::Code;
use crate::config::{self, ManifestsConfig};
use crate::document::{self, Language, Source};
use crate::names::{Effect, OperationId};

mod preview;

fn facts() -> (Models, IamFacts) {
    (Models::embedded().unwrap(), IamFacts::embedded().unwrap())
}

fn catalog(config: &ManifestsConfig) -> Catalog {
    let (models, iam) = facts();
    Catalog::load(config, &models, &iam).unwrap()
}

/// Everything that is wrong with a manifest, as people see it.
fn report(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool.yaml");
    std::fs::write(&path, text).unwrap();
    let (models, iam) = facts();
    let problems = Catalog::check(&[path], &models, &iam).unwrap_err();
    problems.pretty(false).replace(&format!("{}/", folder.path().display()), "")
}

/// True where nothing is wrong with a manifest.
fn is_good(text: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool.yaml");
    std::fs::write(&path, text).unwrap();
    let (models, iam) = facts();
    Catalog::check(&[path], &models, &iam).is_ok()
}

fn shipped(name: &str) -> String {
    let service = name.split('_').next().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tool-manifests/{service}/{name}.yaml"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_shipped_manifest_agrees_with_all_facts() {
    let (models, iam) = facts();
    match Catalog::check_shipped(&models, &iam) {
        Ok(count) => assert!(count >= 16),
        Err(problems) => panic!("{}", problems.pretty(false)),
    }
}

/// AWS has no tags for backups of tables and for subscriptions.
const UNTAGGABLE: [&str; 3] = ["dynamodb_delete_backup", "dynamodb_restore_table_from_backup", "sns_unsubscribe"];

#[test]
fn every_shipped_tool_is_complete() {
    let catalog = catalog(&ManifestsConfig::default());
    for tool in catalog.tools() {
        let name = &tool.name;
        let file = shipped(name);
        assert!(file.starts_with(&format!("tool: {name}\n")), "{name}");
        assert!(tool.docs.is_some(), "{name} names no page");
        assert_eq!(name.split('_').next(), Some(tool.toolset.as_str()), "{name}");
        // A write says that it can be put back, that it only adds, or when it is worse.
        let words: &[&str] = match tool.effect {
            Effect::Read => &["read only"],
            Effect::Write => &["put back", "adds only", "destructive", "irreversible"],
            Effect::Destructive => &["destructive"],
            Effect::Irreversible => &["irreversible"],
            Effect::Secret => &["secret"],
        };
        let summary = tool.summary.to_lowercase();
        assert!(words.iter().any(|word| summary.contains(word)), "the summary of {name} does not say its effect");
        if tool.effect.changes() {
            let targets = tool.targets.as_ref().unwrap();
            assert!(targets.read.as_ref().is_some(), "{name}");
            if !targets.absent {
                let fingerprint = targets.fingerprint.as_ref();
                let fingerprint =
                    fingerprint.unwrap_or_else(|| panic!("{name}: volatile fields would look like drift"));
                let own_tags = targets.tags.is_some() && fingerprint.text().to_lowercase().contains("tags: tag");
                assert!(
                    own_tags || UNTAGGABLE.contains(&name.as_str()) || !targets.tags_read.is_empty(),
                    "{name}: what its targets' tags say would not count"
                );
            }
            assert!(tool.limits.per_call.is_some() && tool.limits.per_hour.is_some(), "{name}");
        }
        if tool.effect >= Effect::Destructive {
            assert!(tool.confirm.is_some(), "{name}");
        }
    }
}

#[test]
fn slips_against_the_form_are_told_with_the_nearest() {
    let text = shipped("ec2_terminate_instances")
        .replace("effect: irreversible", "efect: irreversible")
        .replace("dry_run: native", "dry_run: Native")
        .replace("per_call: 10", "per_call: ten");
    insta::assert_snapshot!(report(&text));
}

#[test]
fn slips_against_the_model_are_told_with_the_nearest() {
    let text = shipped("ec2_terminate_instances")
        .replace("operation: ec2:DescribeInstances", "operation: ec2:DescribeInstance")
        .replace("  InstanceIds: { required", "  InstanceIDs: { required")
        .replace("operation: ec2:DescribeVolumes", "operation: ec2:DeleteVolume")
        .replace("actions: [ec2:TerminateInstances]", "actions: [ec2:TerminateInstance]");
    insta::assert_snapshot!(report(&text));
}

#[test]
fn a_misspelt_path_is_told_because_null_would_mean_unprotected() {
    let text = shipped("rds_delete_db_instance")
        .replace("protected: DeletionProtection", "protected: DeleteProtection")
        .replace("merge(DBInstances[0]", "merge(DBInstance[0]");
    insta::assert_snapshot!(report(&text));
    let text = shipped("rds_delete_db_instance")
        .replace("protected: DeletionProtection", "protected: DeleteProtection")
        .replace("type: \"{target}\"", "type: \"{tarket}\"")
        .replace("arguments.SkipFinalSnapshot ==", "arguments.SkipFinalSnapshots ==");
    insta::assert_snapshot!(report(&text));
}

#[test]
fn reads_of_tags_are_held_against_the_facts_too() {
    let with = |read: &str| {
        let text = shipped("dynamodb_delete_table");
        let (before, rest) = text.split_once("  tags_read:\n").unwrap();
        let (_, after) = rest.split_once("list: Tags }\n").unwrap();
        report(&format!("{before}  tags_read:\n    - {read}\n{after}"))
    };
    insta::assert_snapshot!(
        [
            with(r#"{ operation: dynamodb:UntagResource, with: { ResourceArn: "{arn}" }, list: Tags }"#),
            with(r#"{ operation: dynamodb:ListTagsOfResource, with: { Arn: "{state.Arn}" }, list: Tag }"#),
            with(r#"{ operation: dynamodb:ListTagsOfResource, with: { ResourceArn: "{arn}" }, list: "Tags[].Value" }"#),
            with(r#"{ operation: dynamodb:DescribeTable, with: { TableName: "{target}" }, list: Table.KeySchema }"#),
            with(r#"{ operation: dynamodb:ListTagsOfResource, with: { ResourceArn: "{tags.a}" }, list: Tags }"#),
        ]
        .join("\n")
    );
}

#[test]
fn no_manifest_goes_below_iams_floor_or_leaves_guards_out() {
    let text = shipped("ec2_terminate_instances")
        .replace("effect: irreversible", "effect: write")
        .replace("confirm: { type: \"{target}\" }\n", "")
        .replace("resources: [\"{arn}\"]", "resources: [\"*\"]");
    insta::assert_snapshot!(report(&text));
    let text = shipped("ec2_terminate_instances").replace("confirm: { type: \"{target}\" }\n", "");
    let without_undo = text.split("undo:").next().unwrap();
    insta::assert_snapshot!(report(without_undo));
}

#[test]
fn scopes_are_as_narrow_as_iam_can_make_them() {
    let scopes = |scopes: &str| {
        let text = shipped("ec2_terminate_instances");
        let (before, rest) = text.split_once("scopes:").unwrap();
        let (_, after) = rest.split_once("preview:").unwrap();
        report(&format!("{before}scopes:\n{scopes}preview:{after}"))
    };
    insta::assert_snapshot!(scopes(
        r#"  - actions: [ec2:StopInstances, ec2:terminateInstances, ec2:RebootInstance]
    resources: ["{arn}"]
"#
    ));
    insta::assert_snapshot!(scopes(
        r#"  - actions: [ec2:TerminateInstances]
    resources:
      - "*"
      - "arn:{partition}:ec2:{region}:{account}:volume/{target}"
      - "arn:{partition}:ec2:*:{account}:instance/{target}"
      - "arn:{partition}:ec2:{region}:{account}:instance/*"
      - "{arn}*"
    conditions:
      StringEquals: { "aws:ResourceTag/env": [dev], "ec2:InstanceTipe": [t3.micro], "aws:ResourceTag/": ["x"] }
      StringNotEquals: { "aws:ResourceTag/env": [prod] }
      Bool: { "aws:SecureTransport": [] }
"#
    ));
    insta::assert_snapshot!(scopes(
        r#"  - actions: [ec2:TerminateInstances]
    resources: ["{arn}"]
  - actions: [iam:PassRole, lambda:CreateFunction, lambda:InvokeFunction]
    resources: ["{arn}"]
    because: it is convenient
escalates: [iam-001]
"#
    ));
}

#[test]
fn a_tool_says_by_its_effect_what_its_scopes_allow() {
    let text = shipped("s3_list_objects").replace(
        "scopes:\n",
        r#"scopes:
  - actions: [s3:DeleteObject, secretsmanager:GetSecretValue, kms:Decrypt, ec2:CreateTags]
    resources: ["arn:{partition}:s3:::{arguments.Bucket}/x"]
    because: it is convenient
"#,
    );
    insta::assert_snapshot!(report(&text));
}

#[test]
fn every_required_type_of_resource_is_named_or_it_is_said_why_not() {
    let text = shipped("rds_delete_db_instance")
        .replace("tool: rds_delete_db_instance", "tool: rds_snapshot")
        .replace("operation: rds:DeleteDBInstance", "operation: rds:CreateDBSnapshot");
    let (before, rest) = text.split_once("scopes:").unwrap();
    let (_, after) = rest.split_once("preview:").unwrap();
    let scope = "  - actions: [rds:CreateDBSnapshot]\n    resources: [\"{arn}\"]\n";
    let wrong = report(&format!("{before}scopes:\n{scope}preview:{after}"));
    assert!(wrong.contains("`rds:CreateDBSnapshot` must be allowed on a `snapshot` too"), "{wrong}");
    let said = report(&format!("{before}scopes:\n{scope}    because: said\npreview:{after}"));
    assert!(!said.contains("must be allowed on"), "{said}");
}

#[test]
fn what_a_tool_hands_on_must_be_within_its_scopes_or_it_is_said_why_not() {
    let tool = |operation: &str, member: &str, own: &str, more: &str| {
        format!(
            "tool: t\ntitle: T\nsummary: S\ntoolset: t\noperation: {operation}\neffect: destructive\n\
             input:\n{member}\ntargets:\n  each: \"'x'\"\n  arn: \"{own}\"\n  \
             read: {{ operation: sts:GetCallerIdentity, state: Arn }}\nscopes:\n  - actions: [{operation}]\n    \
             resources: [\"{own}\"]\n{more}undo: {{ none: nothing }}\nconfirm: {{ type: x }}\n"
        )
    };
    let function = "arn:{partition}:lambda:{region}:{account}:function:{target}";
    let instance = "arn:{partition}:ec2:{region}:{account}:instance/{target}";
    let input = "  FunctionName: {}\n  Role: {}";
    let wrong = [
        tool("lambda:UpdateFunctionConfiguration", input, function, ""),
        tool("ec2:AssociateIamInstanceProfile", "  IamInstanceProfile: {}\n  InstanceId: {}", instance, ""),
        tool("ec2:CreateReplaceRootVolumeTask", "  InstanceId: {}\n  TagSpecifications: {}", instance, ""),
    ];
    insta::assert_snapshot!(wrong.map(|text| report(&text)).join("\n"));
    let passing = "  - actions: [iam:PassRole]\n    resources: [\"arn:{partition}:iam::{account}:role/worker\"]\n    \
                   conditions: { StringEquals: { \"iam:PassedToService\": [lambda.amazonaws.com] } }\n";
    for more in [passing, "    because: the role is handed on by somebody else\n"] {
        assert!(is_good(&tool("lambda:UpdateFunctionConfiguration", input, function, more)), "{more}");
    }
}

#[test]
fn no_effect_is_below_what_the_operation_can_do() {
    use Effect::{Destructive, Irreversible, Read, Secret, Write};
    for (operation, floor) in [
        ("ec2:DescribeVpcs", Read),
        ("s3:GetBucketPolicy", Read),
        ("secretsmanager:GetSecretValue", Secret),
        ("ec2:CreateTags", Write),
        ("ec2:StartInstances", Write),
        ("iam:AttachRolePolicy", Write),
        ("iam:CreateAccessKey", Write),
        ("ec2:TerminateInstances", Destructive),
        ("codecatalyst:GetProject", Destructive),
    ] {
        for effect in [Read, Secret, Write, Destructive, Irreversible] {
            let text = format!(
                "tool: t\ntitle: T\nsummary: S\ntoolset: t\noperation: {operation}\neffect: {effect}\n\
                 scopes:\n  - actions: [ec2:DescribeNothing]\n    resources: [\"*\"]\n"
            );
            let told = report(&text).contains("by IAM's access level");
            assert_eq!(told, effect < floor, "{operation} as {effect}");
        }
    }
    for operation in ["ec2:CreateTags", "secretsmanager:GetSecretValue", "iam:AttachRolePolicy"] {
        let read = shipped("rds_delete_db_instance").replace("rds:DescribeDBInstances", operation);
        assert!(report(&read).contains("a preview only reads"), "{operation}");
    }
}

#[test]
fn the_family_that_reads_reveals_no_secret() {
    let (models, iam) = facts();
    let catalog = catalog(&ManifestsConfig::default());
    let reading = catalog.families().find(|family| !family.changes()).unwrap();
    let operations = models.operation_index().unwrap();
    let revealing: Vec<OperationId> =
        operations.iter().map(|entry| entry.id()).filter(|id| iam.reveals(id).is_some()).collect();
    assert!(revealing.len() > 300, "{}", revealing.len());
    for id in revealing {
        assert!(!reading.takes(&id, &catalog), "{id}");
    }
}

#[test]
fn what_is_broken_does_not_hide_what_is_wrong_besides() {
    let text = shipped("ec2_terminate_instances")
        .replace("type: \"{target}\"", "type: \"{target\"")
        .replace("effect: irreversible", "effect: write")
        .replace("ec2:TerminateInstances]", "ec2:TerminateInstance]")
        .replace("title: Terminate EC2 instances", "title: \"\"");
    insta::assert_snapshot!(report(&text));
}

#[test]
fn no_shipped_tool_contains_a_known_way_to_more_permissions() {
    let (_, iam) = facts();
    for tool in catalog(&ManifestsConfig::default()).tools() {
        if tool.name == "cloudformation_update_stack" {
            // What it comes to is shown by a change set, and what touches permissions raises its effect.
            assert_eq!(
                (tool.escalates.join(" ").as_str(), tool.dry_run),
                ("cloudformation-002", DryRunKind::ChangeSet)
            );
            continue;
        }
        assert!(tool.escalates.is_empty(), "{}", tool.name);
        let allows = |action: &str| tool.scopes.iter().any(|scope| scope.actions.iter().any(|own| own == action));
        assert_eq!(iam.escalations(allows), Vec::<&crate::aws::iam::EscalationPath>::new(), "{}", tool.name);
    }
}

#[test]
fn yaml_that_could_hide_something_is_refused() {
    let minimal = shipped("s3_list_objects");
    insta::assert_snapshot!(report(&format!("{minimal}effect: read\n")));
    insta::assert_snapshot!(report(&format!("{minimal}---\ntool: other\n")));
    insta::assert_snapshot!(report("a: &a [x, x]\nb: [*a, *a]\n"));
    insta::assert_snapshot!(report("tool: !secret x\n"));
    insta::assert_snapshot!(report("tool: [a\nb: c\n"));
    insta::assert_snapshot!(report(""));
    assert!(report(&"[".repeat(5000)).contains("recursion limit exceeded"));
    assert!(report(&"- ".repeat(5000)).contains("nested too deep"));
    assert!(report(&" ".repeat(document::LONGEST + 1)).contains("bytes, at most"));
}

#[test]
fn a_folder_replaces_and_adds_and_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let narrower = shipped("ec2_stop_instances").replace("max_items: 10", "max_items: 1");
    std::fs::write(folder.path().join("stop.yaml"), narrower).unwrap();
    let config = ManifestsConfig { folders: vec![folder.path().to_owned()], ..ManifestsConfig::default() };
    let replaced = catalog(&config);
    assert_eq!(replaced.get("ec2_stop_instances").unwrap().input.first().unwrap().narrowing.max_items, Some(1));
    assert_ne!(replaced.digest(), catalog(&ManifestsConfig::default()).digest());
    std::fs::write(folder.path().join("stop.yaml.bak"), "").unwrap();
    let (models, iam) = facts();
    let error = Catalog::load(&config, &models, &iam).unwrap_err().to_string();
    assert!(error.contains("this is not a manifest's name"), "{error}");
    std::fs::write(folder.path().join("stop.yaml.bak"), "").unwrap();
    std::fs::remove_file(folder.path().join("stop.yaml.bak")).unwrap();
    std::fs::write(folder.path().join("latin.yaml"), b"tool: \xff").unwrap();
    let error = Catalog::load(&config, &models, &iam).unwrap_err().to_string();
    assert!(error.contains("not UTF-8"), "{error}");
    std::fs::write(folder.path().join("latin.yaml"), shipped("ec2_stop_instances")).unwrap();
    let error = Catalog::load(&config, &models, &iam).unwrap_err().to_string();
    assert!(error.contains("is declared in"), "{error}");
}

#[test]
fn misspelt_names_of_tools_and_toolsets_stop_the_start() {
    let config = ManifestsConfig {
        disabled: vec!["ec2_terminate_instance".to_owned()],
        toolsets: vec!["ecc2".to_owned()],
        ..ManifestsConfig::default()
    };
    let (models, iam) = facts();
    insta::assert_snapshot!(Catalog::load(&config, &models, &iam).unwrap_err().to_string(), @r#"
countersign.toml:1:1: `disabled` in `[manifests]`: there is no tool `ec2_terminate_instance` (did you mean `ec2_terminate_instances`?)
countersign.toml:1:1: `toolsets` in `[manifests]`: there is no toolset `ecc2` (did you mean `ec2`?)
"#);
}

#[test]
fn families_take_what_is_not_declared_and_nothing_else() {
    let (models, _) = facts();
    let disabled = ManifestsConfig { disabled: vec!["s3_delete_bucket".to_owned()], ..ManifestsConfig::default() };
    let catalog = catalog(&disabled);
    assert!(catalog.get("s3_delete_bucket").is_none());
    let expand = |family: &str, operation: &str| match catalog.entry(family) {
        Some(Entry::Family(family)) => family.expand(&operation.parse().unwrap(), &Map::new(), &catalog, &models),
        other => panic!("{other:?}"),
    };
    let read = expand("aws_read", "ec2:DescribeDhcpOptions").unwrap();
    assert_eq!(read.effect, Effect::Read);
    assert!(read.input.iter().any(|input| input.member == "DhcpOptionsIds"));
    assert!(!read.input.iter().any(|input| input.member == "DryRun"));
    let create = expand("aws_change", "ec2:CreateVpc").unwrap();
    assert_eq!(create.effect, Effect::Destructive);
    let secret = expand("aws_change", "secretsmanager:GetSecretValue").unwrap();
    assert_eq!(secret.effect, Effect::Destructive);
    let refused: Vec<String> = [
        ("aws_read", "ec2:DescribeInstances"),
        ("aws_read", "ec2:CreateVpc"),
        ("aws_read", "secretsmanager:GetSecretValue"),
        ("aws_read", "ec2:DescribeVpc"),
        ("aws_change", "ec2:DescribeDhcpOptions"),
        ("aws_change", "ec2:TerminateInstances"),
        ("aws_change", "s3:DeleteBucket"),
        ("aws_read", "s3:SelectObjectContent"),
    ]
    .into_iter()
    .map(|(family, operation)| {
        let refused = expand(family, operation).unwrap_err();
        assert_ne!(refused.code, Code::Internal);
        format!("{family} {operation}: {} | {}", refused.message, refused.hint)
    })
    .collect();
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn a_family_s_scopes_leave_out_what_the_arguments_do_not_ask_for() {
    let (models, _) = facts();
    let catalog = catalog(&ManifestsConfig::default());
    let family = catalog.families().find(|family| family.name() == "aws_change").unwrap();
    let operation: OperationId = "s3:DeleteObjects".parse().unwrap();
    let bypasses = |value: Value| {
        let arguments = Map::from_iter([("BypassGovernanceRetention".to_owned(), value)]);
        let tool = family.expand(&operation, &arguments, &catalog, &models).unwrap();
        tool.scopes[0].actions.contains(&"s3:BypassGovernanceRetention".to_owned())
    };
    assert!(bypasses(true.into()));
    assert!(!bypasses(false.into()) && !bypasses("true".into()));
}

#[test]
fn a_family_tells_of_known_ways_to_more_permissions() {
    let (models, _) = facts();
    let catalog = catalog(&ManifestsConfig::default());
    let family = catalog.families().find(|family| family.name() == "aws_change").unwrap();
    let escalates = |operation: &str| {
        family.expand(&operation.parse().unwrap(), &Map::new(), &catalog, &models).unwrap().escalates.join(" ")
    };
    assert_eq!(escalates("iam:CreateAccessKey"), "iam-002");
    assert_eq!(escalates("logs:DeleteQueryDefinition"), "");
}

#[test]
fn a_stack_without_a_service_role_is_refused_where_credentials_are_narrowed() {
    let catalog = catalog(&ManifestsConfig::default());
    let tool = catalog.tools().find(|tool| tool.name == "cloudformation_delete_stack").unwrap();
    let refused = |state: Value, narrowed: bool| {
        let targets = json!([{ "id": "s", "state": state }]);
        let seen = json!({ "arguments": {}, "targets": targets, "dependents": [], "narrowed": narrowed });
        tool.refuse[0].when.search(&seen).unwrap()
    };
    assert_eq!(refused(json!({ "RoleARN": "arn:aws:iam::111122223333:role/r" }), true), json!([]));
    assert_ne!(refused(json!({ "StackId": "s" }), true), json!([]));
    assert_eq!(refused(json!({ "StackId": "s" }), false), json!(false));
}

#[test]
fn every_operation_is_reachable_by_exactly_one_way() {
    let (models, iam) = facts();
    let catalog = catalog(&ManifestsConfig::default());
    let families: Vec<_> = catalog.families().collect();
    // every seventh operation of all services keeps the test short
    for entry in models.operation_index().unwrap().iter().step_by(7) {
        let id: OperationId = entry.id();
        let taken = families.iter().filter(|family| family.expand(&id, &Map::new(), &catalog, &models).is_ok()).count();
        let streams = models.operation(&id).unwrap().1.event_stream;
        let declared = catalog.declared(&id).is_some() || families.iter().any(|family| family.refuses(&id).is_some());
        assert_eq!(taken, usize::from(!declared && !streams), "{id} is {}", iam.least_effect(&id));
    }
}

#[test]
fn the_schemas_for_editors_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for (name, schema) in [
        ("tool-manifest.schema.json", raw::tool_schema()),
        ("family-manifest.schema.json", raw::family_schema()),
        ("countersign.toml.schema.json", config::schema()),
    ] {
        let (path, fresh) = (folder.join(name), format!("{schema:#}\n"));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == fresh, "{name} is not up to date: run the tests with UPDATE_SCHEMAS=1");
    }
}

#[test]
#[ignore = "prints a measurement"]
fn loading_takes() {
    let (models, iam) = facts();
    for _ in 0..5 {
        let start = Instant::now();
        Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
        eprintln!("{:?}", start.elapsed());
    }
}

/// The keys of a manifest that are words of the form, not names of AWS's or of the author's own.
fn keys(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut at, mut section) = (Vec::new(), 0, "");
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start().trim_start_matches("- ");
        if let Some((key, _)) = trimmed.split_once(':') {
            let top = !line.starts_with(' ');
            section = if top { key } else { section };
            let free = ["input", "fixed", "output", "targets"].contains(&section) && !top;
            if !free && !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                found.push((at + line.len() - trimmed.len(), key.to_owned()));
            }
        }
        at += line.len();
    }
    found
}

fn any_shipped() -> impl Strategy<Value = String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths: Vec<PathBuf> = super::shipped::TOOLS.iter().map(|(path, _)| root.join(path)).collect();
    prop::sample::select(paths).prop_map(|path| std::fs::read_to_string(path).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_misspelt_key_is_always_an_error(text in any_shipped(), which in any::<prop::sample::Index>(), slip in 0..3) {
        let keys = keys(&text);
        let (at, key) = which.get(&keys);
        let wrong = match slip {
            0 => key.to_uppercase(),
            1 => format!("{key}s_"),
            _ => key.chars().rev().collect::<String>() + "x",
        };
        let mut slipped = text.clone();
        slipped.replace_range(*at..at + key.len(), &wrong);
        let document = document::read(Source::new("slipped.yaml", slipped), Language::Yaml).unwrap();
        prop_assert!(!document::schema::check(&document, &raw::tool_schema()).is_empty(), "`{}` passes", wrong);
    }

    #[test]
    fn no_text_panics(text in "(tool|effect|targets|[-:{}\\[\\]\"'&*!|> \n#@a-z0-9]){0,120}") {
        for language in [Language::Yaml, Language::Toml] {
            if let Ok(document) = document::read(Source::new("any", text.clone()), language) {
                let problems = document::schema::check(&document, &raw::tool_schema());
                prop_assert!(!problems.pretty(false).is_empty());
            }
        }
    }
}

mod back;
