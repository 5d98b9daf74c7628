//! Holds a tool against AWS's service models and IAM's facts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Facts, Report};
use crate::aws::iam::{AccessLevel, ActionFact};
use crate::aws::models::nearest;
use crate::aws::validate::validate;
use crate::aws::{OperationModel, ServiceModel, ShapeKind, ShapeModel};
use crate::manifest::expression::{BadExpression, Expression};
use crate::manifest::shapes::{Form, check as check_form};
use crate::manifest::spec::{DryRunKind, InputMember, Targets, Tool, UndoSpec};
use crate::manifest::template::{Template, join_pointer};
use crate::names::{Effect, OperationId};

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
    let mut checker = Checker { tool, facts, service: &service, operation: &operation, report };
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
    report: &'r mut Report<'d>,
}

impl<'a> Checker<'a, '_, '_> {
    /// IAM's access level is the floor.
    fn effect(&mut self) {
        let floor = self.facts.iam.least_effect(&self.tool.operation);
        if self.tool.effect < floor {
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

    /// Actions exist, are needed, and act on what they can act on; the operation's own are among them.
    fn scopes(&mut self) {
        let iam = self.facts.iam;
        let needed = iam.actions_for(&self.tool.operation).unwrap_or_default();
        for (scope_index, scope) in self.tool.scopes.iter().enumerate() {
            for (index, action) in scope.actions.iter().enumerate() {
                let pointer = format!("/scopes/{scope_index}/actions/{index}");
                match iam.action(action) {
                    Some(known) if known.name == *action => {
                        let own = needed.iter().any(|need| need.name == *action || need.dependent.contains(action));
                        if !own && scope.because.is_none() {
                            let names: Vec<&str> = needed.iter().map(|need| need.name.as_str()).collect();
                            let message = format!("`{}` does not need `{action}`", self.tool.operation);
                            let mend =
                                format!("take it out, or say why in `because`; needed: `{}`", names.join("`, `"));
                            self.report.at(&pointer, message, mend);
                        }
                        self.resources(scope_index, action, &known);
                    }
                    Some(known) => {
                        let message = format!("IAM writes `{action}` as `{}`", known.name);
                        self.report.at(&pointer, message, format!("write `{}`", known.name));
                    }
                    None => {
                        let mend = match iam.nearest_actions(action).first() {
                            Some(best) => format!("did you mean `{best}`?"),
                            None => "see the Service Authorization Reference".to_owned(),
                        };
                        self.report.at(&pointer, format!("IAM knows no action `{action}`"), mend);
                    }
                }
            }
        }
        let granted =
            |name: &str| self.tool.scopes.iter().any(|scope| scope.actions.iter().any(|action| action == name));
        let mut missing: Vec<&ActionFact> = needed.iter().filter(|need| need.always && !granted(&need.name)).collect();
        if !needed.iter().any(|need| need.always) && !needed.iter().any(|need| granted(&need.name)) {
            missing = needed.iter().collect();
        }
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|need| need.name.as_str()).collect();
            let message = format!("no scope allows what `{}` needs", self.tool.operation);
            self.report.at_key("/scopes", message, format!("add the action `{}`", names.join("`, `")));
        }
    }

    /// A resource that has none of the forms of an action's resources would never match, and AWS would refuse the call.
    fn resources(&mut self, scope_index: usize, action: &str, known: &ActionFact) {
        let scope = self.tool.scopes.get(scope_index);
        let formats = self.facts.iam.arn_formats(action);
        let sample = self.sample_context();
        for (index, resource) in scope.into_iter().flat_map(|scope| &scope.resources).enumerate() {
            let pointer = format!("/scopes/{scope_index}/resources/{index}");
            let Ok(text) = resource.render_text(&sample) else { continue };
            match (text.as_str(), formats.as_slice()) {
                ("*", []) => {}
                ("*", formats) if known.level > AccessLevel::Read => {
                    let mend = format!("name the resource, such as `{}`", formats.join("` or `"));
                    self.report.at(&pointer, format!("`{action}` must not be allowed on every resource"), mend);
                }
                ("*", _) => {}
                (_, []) => self.report.at(&pointer, format!("`{action}` acts on no resource of its own"), "write `*`"),
                (text, formats) => {
                    if !formats.iter().any(|format| has_form(text, format)) {
                        let mend = format!("write it in the form `{}`", formats.join("` or `"));
                        self.report.at(&pointer, format!("`{action}` acts on nothing with such an ARN"), mend);
                    }
                }
            }
        }
    }

    /// Stands for any target when ARNs are tried.
    fn sample_context(&self) -> Value {
        let arguments: Vec<&String> = self.tool.input.iter().map(|input| &input.member).collect();
        let arguments: serde_json::Map<String, Value> =
            arguments.into_iter().map(|name| (name.clone(), Value::from("sample"))).collect();
        let mut context = json!({
            "target": "sample/sample", "account": "111122223333", "account_name": "sample", "region": "eu-central-1",
            "partition": "aws", "arguments": arguments,
        });
        let arn = self.tool.targets.as_ref().and_then(|targets| targets.arn.render_text(&context).ok());
        if let Some(members) = context.as_object_mut() {
            members.insert("arn".to_owned(), Value::from(arn));
        }
        context
    }

    /// Every expression asks only for what can be there.
    fn paths(&mut self) {
        let arguments = self.arguments();
        let state = match &self.tool.targets {
            None => None,
            Some(targets) => self.targets(targets, &arguments),
        };
        let context = target_context(&arguments, state.as_ref().or(Some(&Form::Any)), true);
        for (scope_index, scope) in self.tool.scopes.iter().enumerate() {
            for (index, resource) in scope.resources.iter().enumerate() {
                self.template(&format!("/scopes/{scope_index}/resources/{index}"), resource, &context);
            }
        }
        for (index, dependent) in self.tool.dependents.iter().enumerate() {
            let pointer = format!("/preview/dependents/{index}");
            self.template(&format!("{pointer}/with"), &dependent.with, &context);
            self.reads(&pointer, &dependent.operation, &dependent.with, &dependent.list, "list");
        }
        let target = ["id", "arn", "tags"].map(|name| (name.to_owned(), Form::Any));
        let target: Vec<_> = target.into_iter().chain([("state".to_owned(), state.unwrap_or(Form::Any))]).collect();
        let targets = Form::List(Box::new(Form::Object(target)));
        let counted = ["label", "target", "count"].map(|name| (name.to_owned(), Form::Any)).to_vec();
        let seen = Form::Object(vec![
            ("arguments".to_owned(), arguments),
            ("targets".to_owned(), targets.clone()),
            ("dependents".to_owned(), Form::List(Box::new(Form::Object(counted)))),
        ]);
        for (index, raise) in self.tool.raise_effect.iter().enumerate() {
            self.expression(&format!("/raise_effect/{index}/when"), &raise.when, &seen);
        }
        if let Some(confirm) = &self.tool.confirm {
            self.template("/confirm/type", confirm, &context);
        }
        if let UndoSpec::Recipe { with, .. } = &self.tool.undo {
            let mut context = context;
            if let Form::Object(members) = &mut context {
                members.push(("targets".to_owned(), targets));
            }
            self.template("/undo/with", with, &context);
        }
        if let (Some(output), Some(shape)) = (&self.tool.output, &self.operation.output) {
            self.expression("/output", output, &Form::Shape(Arc::clone(self.service), shape.shape.clone()));
        }
    }

    fn arguments(&self) -> Form {
        let input = self.operation.input.as_ref().and_then(|input| self.service.shape(&input.shape).ok());
        let names =
            self.tool.input.iter().map(|input| &input.member).chain(self.tool.fixed.iter().map(|(name, _)| name));
        let form = |name: &String| match input.as_ref().and_then(|shape| shape.member(name)) {
            Some(member) => Form::Shape(Arc::clone(self.service), member.shape.clone()),
            None => Form::Any,
        };
        Form::Object(names.map(|name| (name.clone(), form(name))).collect())
    }

    /// Checks the targets and gives the form of their state.
    fn targets(&mut self, targets: &'a Targets, arguments: &Form) -> Option<Form> {
        self.expression("/targets/each", &targets.each, arguments);
        let without_state = target_context(arguments, None, false);
        self.template("/targets/arn", &targets.arn, &without_state);
        let read = targets.read.as_ref()?;
        let with_arn = target_context(arguments, None, true);
        self.template("/targets/read/with", &read.with, &with_arn);
        let state = self.reads("/targets/read", &read.operation, &read.with, &read.state, "state");
        for (key, expression) in
            [("tags", &targets.tags), ("fingerprint", &targets.fingerprint), ("protected", &targets.protected)]
        {
            if let (Some(expression), Some(state)) = (expression, &state) {
                self.expression(&format!("/targets/{key}"), expression, state);
            }
        }
        state
    }

    /// An operation that a preview reads with: it exists, reads, takes these arguments, and its answer has this path.
    fn reads(
        &mut self,
        pointer: &str,
        id: &OperationId,
        with: &Template,
        found: &Expression,
        key: &str,
    ) -> Option<Form> {
        let at = format!("{pointer}/operation");
        let (service, operation) = match self.facts.models.operation(id) {
            Ok(found) => found,
            Err(error) => {
                self.report.at(&at, error.to_string(), "correct the operation");
                return None;
            }
        };
        let effect = self.facts.iam.least_effect(id);
        if effect != Effect::Read {
            self.report.at(
                &at,
                format!("`{id}` is `{effect}`; a preview only reads"),
                "choose an operation that reads",
            );
        }
        let input = operation.input.as_ref().and_then(|input| service.shape(&input.shape).ok());
        let members = input.as_ref().map(|shape| shape.members()).unwrap_or_default();
        for name in with.members() {
            if !members.iter().any(|member| member.name == name) {
                let mend = match nearest(name, members.iter().map(|member| member.name.as_str())).first() {
                    Some(best) => format!("did you mean `{best}`?"),
                    None => format!("see the members of `{id}`"),
                };
                let at = join_pointer(&format!("{pointer}/with"), name);
                self.report.at_key(&at, format!("`{id}` has no member `{name}`"), mend);
            }
        }
        for member in members.iter().filter(|member| member.required) {
            if !with.members().any(|name| name == member.name) {
                let message = format!("`{id}` requires `{}`", member.name);
                self.report.at_key(&at, message, format!("add `{}` to `with`", member.name));
            }
        }
        let output = operation.output.as_ref()?;
        let form = check_form(found, &Form::Shape(service, output.shape.clone()));
        form.map_err(|errors| self.misasked(&format!("{pointer}/{key}"), errors)).ok()
    }

    fn expression(&mut self, pointer: &str, expression: &Expression, over: &Form) {
        if let Err(errors) = check_form(expression, over) {
            self.misasked(pointer, errors);
        }
    }

    fn misasked(&mut self, pointer: &str, errors: Vec<BadExpression>) {
        for error in errors {
            self.report.within(pointer, error.column, error.message, "correct the expression");
        }
    }

    fn template(&mut self, pointer: &str, template: &Template, over: &Form) {
        for (inner, expression) in template.expressions() {
            if let Err(errors) = check_form(expression, over) {
                for error in errors {
                    let message = format!("in `{{{}}}`: {}", expression.text(), error.message);
                    self.report.at(&format!("{pointer}{inner}"), message, "correct the template");
                }
            }
        }
    }
}

fn target_context(arguments: &Form, state: Option<&Form>, arn: bool) -> Form {
    let plain = ["target", "account", "account_name", "region", "partition"];
    let mut members: Vec<(String, Form)> = plain.map(|name| (name.to_owned(), Form::Any)).to_vec();
    members.push(("arguments".to_owned(), arguments.clone()));
    if arn {
        members.push(("arn".to_owned(), Form::Any));
    }
    if let Some(state) = state {
        members.push(("state".to_owned(), state.clone()));
        members.push(("tags".to_owned(), Form::Any));
    }
    Form::Object(members)
}

/// True where an ARN has a form such as `arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}`.
fn has_form(arn: &str, format: &str) -> bool {
    let mut pieces = format.split("${");
    let Some(mut rest) = pieces.next().and_then(|first| arn.strip_prefix(first)) else { return false };
    for piece in pieces {
        let literal = piece.split_once('}').map_or("", |(_, literal)| literal);
        if literal.is_empty() {
            continue;
        }
        match rest.find(literal) {
            Some(at) => rest = rest.get(at + literal.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}
