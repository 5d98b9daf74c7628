//! What a preview shows of each target: more of its state, and what changes.

use std::collections::BTreeMap;

use super::Report;
use super::structure::{expression, operation, with};
use crate::call::reserved::OWN_CHANGE_SETS;
use crate::manifest::handed_on::PASS_ROLE;
use crate::manifest::raw::{RawAlso, RawChange};
use crate::manifest::spec::{AlsoRead, ChangeRow, Condition, DryRunKind, Scope, Targets};
use crate::manifest::template::{Template, join_pointer};

/// What a change set is made, read and deleted with.
const CHANGE_SET: [&str; 3] =
    ["cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:DeleteChangeSet"];

/// What CloudFormation asks of the caller besides, already when a change set is made: the role that it is to use, a
/// template in S3, parameters in SSM.
const ASKED_BESIDES: [&str; 3] = [PASS_ROLE, "s3:GetObject", "ssm:GetParameters"];

/// IAM's key for a change set's name.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html>
const CHANGE_SET_NAME: &str = "cloudformation:ChangeSetName";

/// What the dry run's own session is allowed: one change set of this server's on the target, and of the tool's scopes what
/// CloudFormation asks for it. Never what executes one. AWS tells the name with each of these actions; `IfExists` is for
/// local clouds, which don't.
pub(super) fn dry_run_scopes(dry_run: DryRunKind, targets: Option<&Targets>, scopes: &[Scope]) -> Vec<Scope> {
    let (DryRunKind::ChangeSet, Some(targets)) = (dry_run, targets) else { return Vec::new() };
    let Ok(name) = Template::compile(&format!("{OWN_CHANGE_SETS}{{change_set}}").into()) else { return Vec::new() };
    let named =
        Condition { operator: "StringEqualsIfExists".to_owned(), key: CHANGE_SET_NAME.to_owned(), values: vec![name] };
    let own = Scope {
        actions: CHANGE_SET.map(str::to_owned).to_vec(),
        resources: vec![targets.arn.clone()],
        because: None,
        conditions: vec![named],
    };
    let besides = scopes.iter().filter_map(|scope| {
        let asked = |action: &String| ASKED_BESIDES.contains(&action.as_str()) || CHANGE_SET.contains(&action.as_str());
        let actions: Vec<String> = scope.actions.iter().filter(|action| asked(action)).cloned().collect();
        (!actions.is_empty()).then(|| Scope { actions, ..scope.clone() })
    });
    std::iter::once(own).chain(besides).collect()
}

/// The reads of more state.
pub(super) fn also(raw: &BTreeMap<String, RawAlso>, report: &mut Report<'_>) -> Vec<AlsoRead> {
    raw.iter().filter_map(|(name, read)| self::read(name, read, report)).collect()
}

/// The rows of what changes. `targets`: whether the call has any.
pub(super) fn changes(raw: &[RawChange], targets: bool, report: &mut Report<'_>) -> Vec<ChangeRow> {
    if !raw.is_empty() && !targets {
        let message = "there are no `targets` of which something could change";
        report.at_key("/preview/changes", message, "add `targets`, or take it out");
    }
    let row = |(index, row): (usize, &RawChange)| {
        let pointer = format!("/preview/changes/{index}");
        if raw.iter().take(index).any(|earlier| earlier.what == row.what) {
            let message = format!("`{}` is shown twice", row.what);
            report.at(&format!("{pointer}/what"), message, "name it otherwise, or take one out");
        }
        if row.before == row.after {
            let message = "before and after are the same, so this row is never shown";
            report.at(&format!("{pointer}/after"), message, "say what it will be, or take the row out");
        }
        let before = expression(&format!("{pointer}/before"), &row.before, report);
        let after = expression(&format!("{pointer}/after"), &row.after, report);
        Some(ChangeRow { what: row.what.clone(), before: before?, after: after? })
    };
    raw.iter().enumerate().filter_map(row).collect()
}

fn read(name: &str, raw: &RawAlso, report: &mut Report<'_>) -> Option<AlsoRead> {
    let pointer = join_pointer("/targets/also", name);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.len() > 40 || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
        let mend = "use 1 to 40 letters, digits and `_`, the first a letter";
        report.at_key(&pointer, format!("`{name}` is not a name here"), mend);
    }
    let operation = operation(&format!("{pointer}/operation"), &raw.operation, report);
    let with = with(&pointer, &raw.with, report);
    let state = expression(&format!("{pointer}/state"), &raw.state, report);
    Some(AlsoRead {
        name: name.to_owned(),
        operation: operation?,
        with: with?,
        state: state?,
        missing: raw.missing.clone(),
        optional: raw.optional,
    })
}
