//! What a manifest's text alone tells.

mod back;

use std::time::Duration;

use serde_json::{Map, Value};

use super::Report;
use crate::call::arguments::{CURSOR, QUERY};
use crate::manifest::expression::{BadExpression, Expression};
use crate::manifest::raw::{
    RawDependent, RawDryRun, RawInput, RawLimits, RawRaise, RawRead, RawRefusal, RawScope, RawStep, RawTagsRead,
    RawTargets, RawTool, RawWait, RawWarning,
};
use crate::manifest::spec::{
    Condition, Dependent, DependentStep, DryRunKind, InputMember, Limits, Narrowing, RaiseEffect, Refusal, Scope, Step,
    TagsRead, TargetRead, Targets, Tool, UndoWay, Wait, Warning,
};
use crate::manifest::template::{BadTemplate, Template, join_pointer};
use crate::names::{Effect, OperationId};

/// Names that every tool gives a meaning of its own.
const COMMON: [&str; 8] = ["account", "region", "reason", "dry_run", "plan_id", "ticket", QUERY, CURSOR];

/// Names of the server's own tools.
const RESERVED: [&str; 5] = ["find_operations", "list_plans", "plan_status", "undo_plan", "whoami"];

/// What the configuration can name besides toolsets, to say which tools are listed.
pub(in crate::manifest) const LISTS: [&str; 2] = ["all", "core"];

/// Operators of conditions. None of those that hold where the key is absent, such as `StringNotEquals` and `...IfExists`.
const OPERATORS: [&str; 12] = [
    "ArnEquals",
    "ArnLike",
    "Bool",
    "DateGreaterThan",
    "DateLessThan",
    "ForAnyValue:StringEquals",
    "ForAnyValue:StringLike",
    "NumericEquals",
    "NumericGreaterThanEquals",
    "NumericLessThanEquals",
    "StringEquals",
    "StringLike",
];

/// How long is waited where a manifest doesn't say, in seconds.
const LONGEST_WAIT: u64 = 240;

/// Why a read has no undo.
const READS_CHANGE_NOTHING: &str = "it changes nothing";

/// Compiles what is written, as far as it can be: what is broken is in the report and left out, so that the rest can be
/// held against the facts all the same. `None` where not even the operation is known.
pub(super) fn compile(raw: RawTool, report: &mut Report<'_>) -> Option<Tool> {
    name("/tool", &raw.tool, report);
    name("/toolset", &raw.toolset, report);
    if LISTS.contains(&raw.toolset.as_str()) {
        report.at(
            "/toolset",
            format!("`{}` is no toolset, but which tools are listed", raw.toolset),
            "give it another name",
        );
    }
    if RESERVED.contains(&raw.tool.as_str()) {
        report.at("/tool", format!("`{}` is one of the server's own tools", raw.tool), "give it another name");
    }
    demands(&raw, report);
    let operation = operation("/operation", &raw.operation, report);
    let input = raw.input.iter().map(|(member, written)| input_member(member, written, report)).collect();
    let fixed = fixed(&raw, report);
    let targets = raw.targets.as_ref().map(|targets| self::targets(targets, report));
    let scopes: Vec<Scope> = scopes("/scopes", &raw.scopes, report);
    let preview = raw.preview.as_ref();
    let dependents = preview.map(|preview| preview.dependents.as_slice()).unwrap_or_default();
    let dependents = dependents
        .iter()
        .enumerate()
        .filter_map(|(index, dependent)| self::dependent(index, dependent, report))
        .collect();
    let dry_run = match preview.map(|preview| preview.dry_run) {
        Some(RawDryRun::Native) => DryRunKind::Native,
        Some(RawDryRun::ChangeSet) => DryRunKind::ChangeSet,
        Some(RawDryRun::None) | None => DryRunKind::None,
    };
    let dry_run_scopes = super::preview::dry_run_scopes(dry_run, targets.as_ref().and_then(Option::as_ref), &scopes);
    let changes = preview.map(|preview| preview.changes.as_slice()).unwrap_or_default();
    let changes = super::preview::changes(changes, raw.targets.is_some() || !report.has("targets"), report);
    let raises = raw.raise_effect.iter().enumerate();
    let raise_effect = raises.filter_map(|(index, raise)| self::raise(index, raise, raw.effect, report)).collect();
    let warnings = raw.warn.iter().enumerate();
    let warn = warnings.filter_map(|(index, warning)| self::warning(index, warning, report)).collect();
    let refusals = raw.refuse.iter().enumerate();
    let refuse = refusals.filter_map(|(index, refusal)| self::refusal(index, refusal, report)).collect();
    let steps = raw.steps.iter().enumerate();
    let steps = steps.filter_map(|(index, step)| self::step(index, step, raw.targets.is_some(), report)).collect();
    let confirm =
        raw.confirm.as_ref().map(|confirm| template("/confirm/type", &Value::from(confirm.text.as_str()), report));
    let wait = raw.wait.as_ref().map(|wait| self::wait(wait, report));
    let points = raw.recovery_points.iter().enumerate();
    let recovery_points = points.filter_map(|(index, point)| back::point(index, point, report)).collect();
    let undo = match &raw.undo {
        Some(undo) => back::undo(undo, report),
        None => vec![UndoWay::none(READS_CHANGE_NOTHING)],
    };
    let output = raw.output.as_ref().map(|text| expression("/output", text, report));
    let limits = limits(&raw.limits, report);
    Some(Tool {
        name: raw.tool,
        title: raw.title,
        summary: raw.summary.trim().to_owned(),
        toolset: raw.toolset,
        core: raw.core,
        operation: operation?,
        effect: raw.effect,
        input,
        fixed,
        targets: targets.flatten(),
        scopes,
        unscoped: None,
        escalates: raw.escalates,
        dry_run,
        dry_run_scopes,
        dependents,
        changes,
        raise_effect,
        warn,
        refuse,
        steps,
        confirm: confirm.flatten(),
        wait: wait.flatten(),
        recovery_points,
        undo,
        limits,
        output: output.flatten(),
        docs: raw.docs,
        digest: super::digest(report.document.source().text()),
    })
}

/// What must be there, and what must not, by the effect.
fn demands(raw: &RawTool, report: &mut Report<'_>) {
    if !report.has("effect") {
        return;
    }
    let worst = raw.raise_effect.iter().map(|raise| raise.to).fold(raw.effect, Effect::max);
    if raw.effect.changes() {
        match &raw.targets {
            None if report.has("targets") => report.at_key(
                "/effect",
                format!("a tool that is `{}` must say what it acts on", raw.effect),
                "add `targets` with `each`, `arn` and `read`",
            ),
            Some(RawTargets { read: None, .. }) if report.has("targets") => report.at_key(
                "/targets",
                "the state of the targets is not read, so nobody could see what will be lost",
                "add `read` with `operation`, `with` and `state`",
            ),
            _ => {}
        }
        if raw.undo.is_none() && report.has("undo") {
            let mend = "add `undo` with `tool` and `with`, or with `none` and the reason";
            report.at_key("/effect", "nothing is said about undoing it", mend);
        }
        if raw.output.is_some() {
            report.at_key("/output", "only the answer of a read is projected", "take it out");
        }
    } else {
        let dry_run = raw.preview.as_ref().is_some_and(|preview| preview.dry_run != RawDryRun::None);
        let changes = raw.preview.as_ref().is_some_and(|preview| !preview.changes.is_empty());
        for (present, key) in [
            (raw.targets.as_ref().is_some_and(|targets| targets.absent), "/targets/absent"),
            (dry_run, "/preview/dry_run"),
            (changes, "/preview/changes"),
            (raw.confirm.is_some(), "/confirm"),
            (raw.wait.is_some(), "/wait"),
            (!raw.recovery_points.is_empty(), "/recovery_points"),
            (raw.undo.is_some(), "/undo"),
            (!raw.raise_effect.is_empty(), "/raise_effect"),
            (!raw.warn.is_empty(), "/warn"),
            (!raw.refuse.is_empty(), "/refuse"),
            (!raw.steps.is_empty(), "/steps"),
        ] {
            if present {
                let message = format!("a tool that is `{}` changes nothing, so this has no meaning", raw.effect);
                report.at_key(key, message, "take it out, or correct `effect`");
            }
        }
    }
    let told = report.has("confirm") && report.has("limits");
    if worst >= Effect::Destructive && raw.confirm.is_none() && raw.limits.per_call != Some(1) && told {
        report.at_key(
            "/effect",
            format!("a tool that can be `{worst}` and takes several targets must say what the person types"),
            "add `confirm: { type: \"{target}\" }`, or `per_call: 1` to `limits`",
        );
    }
}

fn name(pointer: &str, text: &str, report: &mut Report<'_>) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.is_empty() || text.len() > 40 || !text.chars().all(plain) {
        report.at(pointer, format!("`{text}` is not a name here"), "use 1 to 40 lower-case letters, digits and `_`");
    }
}

pub(super) fn operation(pointer: &str, text: &str, report: &mut Report<'_>) -> Option<OperationId> {
    text.parse().map_err(|wrong: crate::names::NotAnOperation| report.at(pointer, wrong.to_string(), "")).ok()
}

pub(super) fn expression(pointer: &str, text: &str, report: &mut Report<'_>) -> Option<Expression> {
    let bad = |BadExpression { column, message }| report.within(pointer, column, message, "correct the expression");
    Expression::compile(text).map_err(bad).ok()
}

fn template(pointer: &str, value: &Value, report: &mut Report<'_>) -> Option<Template> {
    let bad = |BadTemplate { pointer: inner, column, message }| {
        report.within(&format!("{pointer}{inner}"), column, message, "correct the template");
    };
    Template::compile(value).map_err(bad).ok()
}

pub(super) fn with(pointer: &str, members: &Map<String, Value>, report: &mut Report<'_>) -> Option<Template> {
    template(&format!("{pointer}/with"), &Value::Object(members.clone()), report)
}

fn input_member(member: &str, written: &Value, report: &mut Report<'_>) -> InputMember {
    let pointer = join_pointer("/input", member);
    let raw: RawInput = match serde::Deserialize::deserialize(written) {
        Ok(raw) => raw,
        Err(error) => {
            let error: serde_json::Error = error;
            report.at(&pointer, error.to_string(), "correct it");
            RawInput::default()
        }
    };
    if COMMON.contains(&member) {
        report.at_key(&pointer, format!("every tool has its own `{member}`"), "leave it out, or set it in `fixed`");
    }
    let crossed = |least: Option<i128>, most: Option<i128>| matches!((least, most), (Some(a), Some(b)) if a > b);
    if crossed(raw.min.map(i128::from), raw.max.map(i128::from))
        || crossed(raw.min_items.map(i128::from), raw.max_items.map(i128::from))
    {
        report.at_key(&pointer, format!("no value of `{member}` fits: the least is more than the most"), "swap them");
    }
    if let Some(pattern) = raw.pattern.as_ref().filter(|_| report.checks)
        && let Err(error) = fancy_regex::Regex::new(&format!("^(?:{pattern})$"))
    {
        let message = format!("this is not a regular expression: {error}");
        report.at(&format!("{pointer}/pattern"), message, "correct it");
    }
    let RawInput { required, description, min_items, max_items, min, max, one_of, pattern } = raw;
    let narrowing = Narrowing { min_items, max_items, min, max, one_of, pattern };
    InputMember { member: member.to_owned(), required, description, narrowing }
}

fn fixed(raw: &RawTool, report: &mut Report<'_>) -> Vec<(String, Value)> {
    for (member, value) in &raw.fixed {
        let pointer = join_pointer("/fixed", member);
        if raw.input.contains_key(member) {
            let message = format!("`{member}` is set here, and the agent may pass it too");
            report.at_key(&pointer, message, "keep it in `input` or in `fixed`");
        }
        if value.is_null() {
            report.at_key(&pointer, format!("`{member}` has no value"), "write one, or take the member out");
        }
    }
    raw.fixed.iter().map(|(member, value)| (member.clone(), value.clone())).collect()
}

fn targets(raw: &RawTargets, report: &mut Report<'_>) -> Option<Targets> {
    let each = expression("/targets/each", &raw.each, report);
    let arn = template("/targets/arn", &Value::from(raw.arn.as_str()), report);
    let read = raw.read.as_ref().map(|read| self::read(read, report));
    let mut optional = |key: &str, text: &Option<String>| {
        text.as_ref().map(|text| expression(&format!("/targets/{key}"), text, report))
    };
    let tags = optional("tags", &raw.tags);
    let fingerprint = optional("fingerprint", &raw.fingerprint);
    let protected = optional("protected", &raw.protected);
    let tags_read = raw.tags_read.iter().enumerate().filter_map(|(index, read)| tags_read(index, read, report));
    let tags_read = tags_read.collect();
    let also = super::preview::also(&raw.also, report);
    if raw.read.is_none() || raw.absent {
        let (message, mend) = match raw.absent {
            true => ("what the call makes isn't there yet, so there is nothing to look at", "take it out"),
            false => ("no state is read, so there is nothing to look at", "add `read`"),
        };
        for (present, key) in [
            (!raw.also.is_empty(), "/targets/also"),
            (tags.is_some(), "/targets/tags"),
            (!raw.tags_read.is_empty(), "/targets/tags_read"),
            (fingerprint.is_some(), "/targets/fingerprint"),
            (protected.is_some(), "/targets/protected"),
        ] {
            if present {
                report.at_key(key, message, mend);
            }
        }
    }
    Some(Targets {
        each: each?,
        arn: arn?,
        absent: raw.absent,
        read: read.flatten(),
        also,
        tags: tags.flatten(),
        tags_read,
        fingerprint: fingerprint.flatten(),
        protected: protected.flatten(),
    })
}

fn read(raw: &RawRead, report: &mut Report<'_>) -> Option<TargetRead> {
    let operation = operation("/targets/read/operation", &raw.operation, report);
    let with = with("/targets/read", &raw.with, report);
    let state = expression("/targets/read/state", &raw.state, report);
    Some(TargetRead { operation: operation?, with: with?, state: state?, missing: raw.missing.clone() })
}

fn tags_read(index: usize, raw: &RawTagsRead, report: &mut Report<'_>) -> Option<TagsRead> {
    let pointer = format!("/targets/tags_read/{index}");
    let operation = operation(&format!("{pointer}/operation"), &raw.operation, report);
    let with = with(&pointer, &raw.with, report);
    let list = expression(&format!("{pointer}/list"), &raw.list, report);
    Some(TagsRead { operation: operation?, with: with?, list: list?, untagged: raw.untagged.clone() })
}

fn scopes(pointer: &str, raw: &[RawScope], report: &mut Report<'_>) -> Vec<Scope> {
    raw.iter().enumerate().map(|(index, raw)| scope(&format!("{pointer}/{index}"), raw, report)).collect()
}

fn scope(pointer: &str, raw: &RawScope, report: &mut Report<'_>) -> Scope {
    for (index, action) in raw.actions.iter().enumerate() {
        if action.contains(['*', '?']) {
            let message = format!("`{action}` has a wildcard: nobody could say what it allows");
            report.at(&format!("{pointer}/actions/{index}"), message, "name each action");
        }
    }
    let mut resources = Vec::new();
    for (index, resource) in raw.resources.iter().enumerate() {
        let pointer = format!("{pointer}/resources/{index}");
        if resource != "*" && !resource.starts_with("arn:") && !resource.starts_with("{arn}") {
            report.at(&pointer, format!("`{resource}` is not an ARN"), "write `arn:...`, `{arn}` or, for a read, `*`");
        }
        resources.extend(template(&pointer, &Value::from(resource.as_str()), report));
    }
    let mut conditions = Vec::new();
    for (operator, keys) in &raw.conditions {
        let pointer = join_pointer(&format!("{pointer}/conditions"), operator);
        if !OPERATORS.contains(&operator.as_str()) {
            let message = format!("`{operator}` is no operator here");
            report.at_key(&pointer, message, format!("write one of `{}`", OPERATORS.join("`, `")));
        }
        for (key, written) in keys {
            let pointer = join_pointer(&pointer, key);
            if written.is_empty() {
                report.at_key(&pointer, "without a value it can't hold", "write one, or take the condition out");
            }
            let value = |(index, text): (usize, &String)| {
                template(&format!("{pointer}/{index}"), &Value::from(text.as_str()), report)
            };
            let values = written.iter().enumerate().filter_map(value).collect();
            conditions.push(Condition { operator: operator.clone(), key: key.clone(), values });
        }
    }
    Scope { actions: raw.actions.clone(), resources, because: raw.because.clone(), conditions }
}

fn dependent(index: usize, raw: &RawDependent, report: &mut Report<'_>) -> Option<Dependent> {
    let pointer = format!("/preview/dependents/{index}");
    let operation = operation(&format!("{pointer}/operation"), &raw.operation, report);
    let with = with(&pointer, &raw.with, report);
    let list = expression(&format!("{pointer}/list"), &raw.list, report);
    let step = raw.step.as_ref().map(|step| {
        let of = expression(&format!("{pointer}/step/of"), &step.of, report)?;
        Some(DependentStep { is: step.is, of })
    });
    // A step that can't be read must not be left out.
    let step = step.map_or(Some(None), |step| step.map(Some))?;
    Some(Dependent { label: raw.label.clone(), operation: operation?, with: with?, list: list?, step })
}

fn raise(index: usize, raw: &RawRaise, from: Effect, report: &mut Report<'_>) -> Option<RaiseEffect> {
    let pointer = format!("/raise_effect/{index}");
    if raw.to <= from {
        let message = format!("the tool is `{from}` already, so `{}` raises nothing", raw.to);
        report.at(&format!("{pointer}/to"), message, "raise it further, or take it out");
    }
    let when = expression(&format!("{pointer}/when"), &raw.when, report);
    Some(RaiseEffect { when: when?, to: raw.to, because: raw.because.clone() })
}

fn warning(index: usize, raw: &RawWarning, report: &mut Report<'_>) -> Option<Warning> {
    let when = expression(&format!("/warn/{index}/when"), &raw.when, report)?;
    Some(Warning { when, because: raw.because.clone() })
}

fn refusal(index: usize, raw: &RawRefusal, report: &mut Report<'_>) -> Option<Refusal> {
    let when = expression(&format!("/refuse/{index}/when"), &raw.when, report)?;
    Some(Refusal { when, because: raw.because.clone(), instead: raw.instead.clone() })
}

fn step(index: usize, raw: &RawStep, targets: bool, report: &mut Report<'_>) -> Option<Step> {
    let pointer = format!("/steps/{index}");
    let when = raw.when.as_ref().map(|when| expression(&format!("{pointer}/when"), when, report));
    let at = format!("{pointer}/of");
    if let Some(of) = raw.of.as_ref().filter(|of| !of.starts_with("arn:") && !of.starts_with('{')) {
        report.at(&at, format!("`{of}` is not an ARN"), "write `arn:...`, or an expression that gives one");
    }
    if raw.of.is_none() && !targets && report.has("targets") {
        report.at_key(&pointer, "there is no target that this could be a step of", "say in `of` what it is about");
    }
    let of = raw.of.as_ref().map(|of| template(&at, &Value::from(of.as_str()), report));
    // A part that can't be read must not make it a step of something else.
    if matches!(when, Some(None)) || matches!(of, Some(None)) {
        return None;
    }
    Some(Step { is: raw.is, when: when.flatten(), of: of.flatten() })
}

fn wait(raw: &RawWait, report: &mut Report<'_>) -> Option<Wait> {
    let operation = operation("/wait/operation", &raw.operation, report);
    let with = with("/wait", &raw.with, report);
    let most = Duration::from_secs(raw.seconds.unwrap_or(LONGEST_WAIT));
    Some(Wait { until: raw.until.clone(), operation: operation?, with: with?, most })
}

fn limits(raw: &RawLimits, report: &mut Report<'_>) -> Limits {
    if let (Some(call), Some(hour)) = (raw.per_call, raw.per_hour)
        && call > hour
    {
        let message = format!("one call may take {call} targets, an hour only {hour}");
        report.at("/limits/per_call", message, "lower `per_call`, or raise `per_hour`");
    }
    Limits { per_call: raw.per_call, per_hour: raw.per_hour }
}
