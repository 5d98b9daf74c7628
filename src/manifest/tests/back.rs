//! Recovery points and undo in manifests.

use serde_json::json;

use super::{is_good, report, shipped};
use crate::manifest::spec::LATER;
use crate::manifest::template::Template;

const UNDO: &str = "undo:\n  none: only a backup made before brings the items back\n";

const POINT: &str = r#"recovery_points:
  - label: backup of the table
    take: { operation: dynamodb:CreateBackup, with: { TableName: "{target}", BackupName: "{point}" } }
    id: BackupDetails.BackupArn
    usable: { operation: dynamodb:DescribeBackup, with: { BackupArn: "{id}" }, when: "BackupDescription.BackupDetails.BackupStatus == 'AVAILABLE'" }
    seconds: 300
    scopes:
      - { actions: [dynamodb:CreateBackup], resources: ["{arn}"] }
"#;

/// The manifest that deletes a table, with other ways back.
fn table(back: &str) -> String {
    let text = shipped("dynamodb_delete_table");
    let (before, rest) = text.split_once("undo:\n").unwrap();
    let before = before.split("recovery_points:\n").next().unwrap();
    let (_, limits) = rest.split_once("limits:").unwrap();
    format!("{before}{back}limits:{limits}")
}

#[test]
fn a_point_is_taken_and_the_first_way_whose_condition_holds_counts() {
    let undo = r#"undo:
  - { when: "targets[0].state.ItemCount == `0`", none: there was nothing in it, by_hand: make the table again }
  - tool: dynamodb_delete_table
    with: { TableName: "{points[0].id}{result.TableDescription.TableName}" }
    loses: [its tags]
    by_hand: restore the backup in the console
"#;
    let text = table(&format!("{POINT}{undo}"));
    assert!(is_good(&text), "{}", report(&text));
}

#[test]
fn slips_in_recovery_points_are_told_at_their_places() {
    let point = POINT
        .replace(
            "operation: dynamodb:CreateBackup, with: { TableName",
            "operation: dynamodb:CreateBackup, with: { Table",
        )
        .replace("id: BackupDetails.BackupArn", "id: BackupDetails.Arn")
        .replace("BackupStatus == ", "Status == ")
        .replace("seconds: 300", "seconds: 20000")
        .replace("actions: [dynamodb:CreateBackup]", "actions: [dynamodb:CreateTable]");
    insta::assert_snapshot!(report(&table(&format!("{point}{UNDO}"))));
    let point = POINT
        .replace(
            "take: { operation: dynamodb:CreateBackup, with: { TableName: \"{target}\", BackupName: \"{point}\" } }",
            "take: { operation: dynamodb:DeleteTable, with: { TableName: \"{id}\" } }",
        )
        .replace("id: BackupDetails.BackupArn", "id: TableDescription.TableArn")
        .replace("usable: { operation: dynamodb:DescribeBackup", "usable: { operation: dynamodb:DeleteBackup")
        .replace("actions: [dynamodb:CreateBackup]", "actions: [dynamodb:DeleteTable]");
    insta::assert_snapshot!(report(&table(&format!("{point}{UNDO}"))));
}

#[test]
fn slips_in_undo_are_told_at_their_places() {
    let undo = r#"undo:
  - { none: never }
  - { when: "points[0].id", none: x, loses: [y] }
  - { when: "arguments.TableName", tool: dynamodb_delete_tables, with: { TableName: x } }
  - { when: "result.TableDescription", tool: dynamodb_delete_table, with: { Table: "{points[0].arn}", Other: "{result.Table}" } }
"#;
    insta::assert_snapshot!(report(&table(&format!("{POINT}{undo}"))));
    let undo = "undo:\n  - { tool: dynamodb_delete_tables, with: { TableName: x } }\n";
    insta::assert_snapshot!(report(&table(undo)));
    let undo = "undo:\n  tool: dynamodb_delete_table\n  with: { Name: \"{points[0].id}\" }\n  losses: []\n";
    insta::assert_snapshot!(report(&table(undo)));
    insta::assert_snapshot!(report(&table("undo: []\n")));
}

#[test]
fn a_tool_that_reads_takes_no_recovery_points() {
    let text = shipped("ec2_describe_instances");
    insta::assert_snapshot!(report(&format!("{text}{POINT}")));
}

#[test]
fn what_is_known_later_is_left_open_and_told() {
    let template = json!({ "A": "{state.a}", "B": "x-{result.B}", "C": ["{state.c}", "{points[0].id}"], "D": "{state.none}", "E": { "F": "{result.none}" } });
    let template = Template::compile(&template).unwrap();
    let context = json!({ "state": { "a": 1, "c": "c" } });
    let (known, later) = template.render_known(&context, &|expression| expression.mentions(&LATER)).unwrap();
    assert_eq!(known, json!({ "A": 1, "B": null, "C": ["c", null], "E": { "F": null } }));
    let later: Vec<(&str, &str)> = later.iter().map(|(at, from)| (at.as_str(), from.as_str())).collect();
    assert_eq!(later, [("/B", "x-{result.B}"), ("/C/1", "{points[0].id}"), ("/E/F", "{result.none}")]);
}
