//! Holds a tool against AWS's service models and IAM's facts.

mod back;
mod paths;
mod scopes;

use std::sync::Arc;

use serde_json::Value;

use super::{Facts, Report};
use crate::aws::models::nearest;
use crate::aws::validate::validate;
use crate::aws::{OperationModel, ServiceModel, ShapeKind, ShapeModel};
use crate::manifest::spec::{DryRunKind, InputMember, Tool};
use crate::manifest::template::join_pointer;
use crate::names::OperationId;

/// EC2's member that asks for a dry run; the server alone sets it.
pub(in crate::manifest) const DRY_RUN: &str = "DryRun";

/// Reports everything that doesn't agree with the facts.
pub(super) fn check(tool: &Tool, facts: Facts<'_>, report: &mut Report<'_>) {
    let (service, operation) = match facts.models.operation(&tool.operation) {
        Ok(found) => found,
        Err(error) => return report.at("/operation", error.to_string(), "correct the operation"),
    };
    if operation.event_stream {
        report.at("/operation", format!("`{}` streams events, which can't be called here", tool.operation), "");
    }
    let whole = report.problems.is_empty() && report.left_out.is_empty();
    let mut checker = Checker { tool, facts, service: &service, operation: &operation, whole, report };
    checker.effect();
    checker.input();
    checker.scopes();
    checker.paths();
}

struct Checker<'a, 'r, 'd> {
    tool: &'a Tool,
    facts: Facts<'a>,
    service: &'a Arc<ServiceModel>,
    operation: &'a OperationModel,
    /// False where something was left out because it is broken.
    whole: bool,
    report: &'r mut Report<'d>,
}

impl<'a> Checker<'a, '_, '_> {
    /// IAM's access level is the floor.
    fn effect(&mut self) {
        let floor = self.facts.iam.least_effect(&self.tool.operation);
        if self.tool.effect < floor && self.report.has("effect") {
            let message = format!("`{}` is `{floor}` at least, by IAM's access level", self.tool.operation);
            self.report.at("/effect", message, format!("write `effect: {floor}` or worse"));
        }
        if self.tool.dry_run == DryRunKind::Native {
            let input = self.operation.input.as_ref().and_then(|input| self.service.shape(&input.shape).ok());
            if self.service.name() != "ec2" || input.is_none_or(|shape| shape.member(DRY_RUN).is_none()) {
                let message = format!("`{}` has no dry run of EC2's kind", self.tool.operation);
                self.report.at("/preview/dry_run", message, "write `none`");
            }
        }
        if self.tool.dry_run == DryRunKind::ChangeSet {
            let update = OperationId::new("cloudformation", "UpdateStack");
            if self.tool.operation != update {
                let message = format!("`{}` has no change sets, only `{update}` has", self.tool.operation);
                self.report.at("/preview/dry_run", message, "write `none`");
            } else if self.tool.targets.is_none() && self.report.has("targets") {
                let message = "a change set is of a stack, and there are no `targets`";
                self.report.at("/preview/dry_run", message, "add `targets`");
            }
        }
    }

    /// Members exist, narrow something sensible, and cover what the operation requires.
    fn input(&mut self) {
        let shape = match &self.operation.input {
            None => None,
            Some(input) => match self.service.shape(&input.shape) {
                Ok(shape) => Some(shape),
                Err(error) => return self.report.at("/operation", error.to_string(), ""),
            },
        };
        let members = shape.as_ref().map(|shape| shape.members()).unwrap_or_default();
        let names = self.tool.input.iter().map(|input| ("/input", input.member.as_str()));
        let names: Vec<_> = names.chain(self.tool.fixed.iter().map(|(name, _)| ("/fixed", name.as_str()))).collect();
        for (section, name) in &names {
            let pointer = join_pointer(section, name);
            let Some(member) = members.iter().find(|member| member.name == *name) else {
                let mend = match nearest(name, members.iter().map(|member| member.name.as_str())).first() {
                    Some(best) => format!("did you mean `{best}`?"),
                    None => format!("see the members of `{}`", self.tool.operation),
                };
                let message = format!("`{}` has no member `{name}`", self.tool.operation);
                self.report.at_key(&pointer, message, mend);
                continue;
            };
            if member.idempotency_token || (*name == DRY_RUN && self.service.name() == "ec2") {
                self.report.at_key(&pointer, format!("`{name}` is the server's own to set"), "leave it out");
            }
        }
        for member in members.iter().filter(|member| member.required && !member.idempotency_token) {
            if !names.iter().any(|(_, name)| *name == member.name) {
                let message = format!("`{}` requires `{}`, which nobody could pass", self.tool.operation, member.name);
                self.report.at_key("/operation", message, "add it to `input` or `fixed`");
            }
        }
        for input in &self.tool.input {
            let member = members.iter().find(|member| member.name == input.member);
            if let Some(shape) = member.and_then(|member| self.service.shape(&member.shape).ok()) {
                self.narrowing(input, &shape);
            }
        }
        self.fixed();
    }

    fn narrowing(&mut self, input: &InputMember, shape: &ShapeModel) {
        let narrow = &input.narrowing;
        let item = match &shape.kind {
            ShapeKind::List { member, .. } => self.service.shape(&member.shape).ok(),
            _ => None,
        };
        let number = matches!(
            shape.kind,
            ShapeKind::Integer(_) | ShapeKind::Long(_) | ShapeKind::Float(_) | ShapeKind::Double(_)
        );
        let is_text = |shape: &ShapeModel| matches!(shape.kind, ShapeKind::String { .. });
        let text = is_text(shape) || item.as_deref().is_some_and(is_text);
        let checks = [
            (narrow.min_items.is_some(), "min_items", item.is_some(), "a list"),
            (narrow.max_items.is_some(), "max_items", item.is_some(), "a list"),
            (narrow.min.is_some(), "min", number, "a number"),
            (narrow.max.is_some(), "max", number, "a number"),
            (narrow.pattern.is_some(), "pattern", text, "a text"),
        ];
        let pointer = join_pointer("/input", &input.member);
        for (used, key, fits, wanted) in checks {
            if used && !fits {
                let message = format!("`{}` is not {wanted}", input.member);
                self.report.at_key(&format!("{pointer}/{key}"), message, format!("take `{key}` out"));
            }
        }
        let words = match (&shape.kind, item.as_ref().map(|item| &item.kind)) {
            (ShapeKind::String { enum_values, .. }, _) | (_, Some(ShapeKind::String { enum_values, .. })) => {
                enum_values
            }
            _ => return,
        };
        for (index, value) in narrow.one_of.iter().enumerate() {
            let known = value.as_str().is_some_and(|text| words.is_empty() || words.iter().any(|word| word == text));
            if !known {
                let best = value.as_str().and_then(|text| nearest(text, words.iter().map(String::as_str)).pop());
                let mend = best.map_or_else(|| "correct it".to_owned(), |best| format!("did you mean `{best}`?"));
                let message = format!("{value} is not a value of `{}`", input.member);
                self.report.at(&format!("{pointer}/one_of/{index}"), message, mend);
            }
        }
    }

    /// What the manifest sets itself must be valid by itself.
    fn fixed(&mut self) {
        let arguments: Value = Value::Object(self.tool.fixed.iter().cloned().collect());
        if let Err(problems) = validate(self.facts.models, &self.tool.operation, &arguments) {
            for problem in problems.shown {
                let member = problem.path.split(['.', '[']).next().unwrap_or_default();
                if self.tool.fixed.iter().any(|(name, _)| name == member) {
                    let message = format!("{}: {}", problem.path, problem.message);
                    self.report.at(&join_pointer("/fixed", member), message, problem.hint);
                }
            }
        }
    }
}
