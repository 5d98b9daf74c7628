//! What expressions and templates ask for, held against the shapes of what they are asked of.

use std::sync::Arc;

use super::Checker;
use crate::aws::models::nearest;
use crate::aws::{OperationModel, ServiceModel, ShapeKind, ShapeModel};
use crate::execute::waiter::Waiter;
use crate::manifest::expression::{BadExpression, Expression};
use crate::manifest::shapes::{Form, Unfit, check as check_form, with_member};
use crate::manifest::spec::{TAG_FORMS, Targets};
use crate::manifest::template::{Template, join_pointer};
use crate::names::{Effect, OperationId};

impl<'a> Checker<'a, '_, '_> {
    /// Every expression asks only for what can be there.
    pub(super) fn paths(&mut self) {
        let arguments = self.arguments();
        let state = match &self.tool.targets {
            None => None,
            Some(targets) => self.targets(targets, &arguments),
        };
        let absent = self.tool.targets.as_ref().is_some_and(|targets| targets.absent);
        let whole = target_context(&arguments, state.as_ref().or(Some(&Form::Any)), true);
        // What isn't there yet has no state that a scope or a read could be filled in with.
        let context = if absent { target_context(&arguments, None, true) } else { whole.clone() };
        for (scope_index, scope) in self.tool.scopes.iter().enumerate() {
            for (index, resource) in scope.resources.iter().enumerate() {
                self.template(&format!("/scopes/{scope_index}/resources/{index}"), resource, &context);
            }
            for condition in &scope.conditions {
                let pointer = join_pointer(&format!("/scopes/{scope_index}/conditions"), &condition.operator);
                let pointer = join_pointer(&pointer, &condition.key);
                for (index, value) in condition.values.iter().enumerate() {
                    self.template(&format!("{pointer}/{index}"), value, &context);
                }
            }
        }
        for (index, dependent) in self.tool.dependents.iter().enumerate() {
            let pointer = format!("/preview/dependents/{index}");
            self.template(&format!("{pointer}/with"), &dependent.with, &context);
            self.reads(&pointer, &dependent.operation, &dependent.with, Some(&dependent.list), "list");
            if let Some(step) = &dependent.step {
                self.in_output(&format!("{pointer}/step/of"), &dependent.operation, &step.of);
            }
        }
        for (index, row) in self.tool.changes.iter().enumerate() {
            let pointer = format!("/preview/changes/{index}");
            self.expression(&format!("{pointer}/before"), &row.before, &whole);
            self.expression(&format!("{pointer}/after"), &row.after, &whole);
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
        for (index, warning) in self.tool.warn.iter().enumerate() {
            self.expression(&format!("/warn/{index}/when"), &warning.when, &seen);
        }
        for (index, step) in self.tool.steps.iter().enumerate() {
            if let Some(when) = &step.when {
                self.expression(&format!("/steps/{index}/when"), when, &seen);
            }
            if let Some(of) = &step.of {
                self.template(&format!("/steps/{index}/of"), of, &context);
            }
        }
        let mut of_refusals = seen.clone();
        if let Form::Object(members) = &mut of_refusals {
            members.push(("narrowed".to_owned(), Form::Any));
        }
        for (index, refusal) in self.tool.refuse.iter().enumerate() {
            self.expression(&format!("/refuse/{index}/when"), &refusal.when, &of_refusals);
        }
        if let Some(confirm) = &self.tool.confirm {
            self.template("/confirm/type", confirm, &context);
        }
        if let Some(wait) = &self.tool.wait {
            self.template("/wait/with", &wait.with, &context);
            self.reads("/wait", &wait.operation, &wait.with, None, "until");
            match Waiter::of(self.facts.models, wait.operation.service(), &wait.until) {
                Err(error) => self.report.at("/wait/until", error.to_string(), "correct it"),
                Ok(waiter) if waiter.operation != wait.operation => {
                    let message = format!("`{}` reads with `{}`", wait.until, waiter.operation);
                    self.report.at("/wait/operation", message, format!("write `{}`", waiter.operation));
                }
                Ok(_) => {}
            }
        }
        self.back(&whole, &targets, &seen);
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
        let state = self.reads("/targets/read", &read.operation, &read.with, Some(&read.state), "state");
        let state = self.also(targets, state, &with_arn);
        for (key, expression) in [("fingerprint", &targets.fingerprint), ("protected", &targets.protected)] {
            if let (Some(expression), Some(state)) = (expression, &state) {
                self.expression(&format!("/targets/{key}"), expression, state);
            }
        }
        if let (Some(expression), Some(state)) = (&targets.tags, &state) {
            let found = check_form(expression, state).map_err(|errors| self.misasked("/targets/tags", errors)).ok();
            self.tags("/targets/tags", found);
        }
        let mut with_state = with_arn;
        if let Form::Object(members) = &mut with_state {
            members.push(("state".to_owned(), state.clone().unwrap_or(Form::Any)));
        }
        for (index, read) in targets.tags_read.iter().enumerate() {
            let pointer = format!("/targets/tags_read/{index}");
            self.template(&format!("{pointer}/with"), &read.with, &with_state);
            let found = self.reads(&pointer, &read.operation, &read.with, Some(&read.list), "list");
            self.tags(&format!("{pointer}/list"), found);
        }
        state
    }

    /// Checks the reads of more state, and gives the form of the whole.
    fn also(&mut self, targets: &'a Targets, state: Option<Form>, context: &Form) -> Option<Form> {
        let mut context = context.clone();
        if let Form::Object(members) = &mut context {
            members.push(("state".to_owned(), state.clone().unwrap_or(Form::Any)));
        }
        let mut whole = state;
        for read in &targets.also {
            let pointer = join_pointer("/targets/also", &read.name);
            self.template(&format!("{pointer}/with"), &read.with, &context);
            let found = self.reads(&pointer, &read.operation, &read.with, Some(&read.state), "state");
            whole = match whole.map(|whole| with_member(&whole, &read.name, found.unwrap_or(Form::Any))) {
                None => None,
                Some(Ok(whole)) => Some(whole),
                Some(Err(unfit @ Unfit::Taken)) => {
                    self.report.at_key(&pointer, unfit.to_string(), "give it another name");
                    None
                }
                Some(Err(unfit @ Unfit::NoObject)) => {
                    let mend = "make it one, such as `{it: ...}`";
                    self.report.at("/targets/read/state", unfit.to_string(), mend);
                    None
                }
            };
        }
        whole
    }

    /// What is taken for tags has one of the forms that tags have.
    fn tags(&mut self, pointer: &str, found: Option<Form>) {
        if found.is_some_and(|form| !can_be_tags(&form)) {
            let message = "these are no tags: neither a list of keys and values nor a map";
            self.report.at(pointer, message, "correct the expression");
        }
    }

    /// An operation that a preview reads with: it exists, reads, takes these arguments, and its answer has this path.
    pub(super) fn reads(
        &mut self,
        pointer: &str,
        id: &OperationId,
        with: &Template,
        found: Option<&Expression>,
        key: &str,
    ) -> Option<Form> {
        let (service, operation) = self.calls(pointer, id, with)?;
        let effect = self.facts.iam.least_effect(id);
        if effect != Effect::Read {
            self.report.at(
                &format!("{pointer}/operation"),
                format!("`{id}` is `{effect}`; a preview only reads"),
                "choose an operation that reads",
            );
        }
        let output = operation.output.as_ref()?;
        let form = check_form(found?, &Form::Shape(service, output.shape.clone()));
        form.map_err(|errors| self.misasked(&format!("{pointer}/{key}"), errors)).ok()
    }

    /// What is looked for in an operation's output once more is there.
    fn in_output(&mut self, pointer: &str, id: &OperationId, found: &Expression) {
        let Ok((service, operation)) = self.facts.models.operation(id) else { return };
        let Some(output) = operation.output.as_ref() else { return };
        if let Err(errors) = check_form(found, &Form::Shape(service, output.shape.clone())) {
            self.misasked(pointer, errors);
        }
    }

    /// An operation that is called besides the tool's own: it exists and takes these arguments.
    pub(super) fn calls(
        &mut self,
        pointer: &str,
        id: &OperationId,
        with: &Template,
    ) -> Option<(Arc<ServiceModel>, Arc<OperationModel>)> {
        let at = format!("{pointer}/operation");
        let (service, operation) = match self.facts.models.operation(id) {
            Ok(found) => found,
            Err(error) => {
                self.report.at(&at, error.to_string(), "correct the operation");
                return None;
            }
        };
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
        Some((service, operation))
    }

    /// An expression asks for what an operation's answer can have.
    pub(super) fn asked_of_answer(&mut self, pointer: &str, expression: &Expression, id: &OperationId) {
        let Ok((service, operation)) = self.facts.models.operation(id) else { return };
        if let Some(output) = &operation.output {
            self.expression(pointer, expression, &Form::Shape(service, output.shape.clone()));
        }
    }

    pub(super) fn expression(&mut self, pointer: &str, expression: &Expression, over: &Form) {
        if let Err(errors) = check_form(expression, over) {
            self.misasked(pointer, errors);
        }
    }

    fn misasked(&mut self, pointer: &str, errors: Vec<BadExpression>) {
        for error in errors {
            self.report.within(pointer, error.column, error.message, "correct the expression");
        }
    }

    pub(super) fn template(&mut self, pointer: &str, template: &Template, over: &Form) {
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

fn can_be_tags(form: &Form) -> bool {
    let pairs = |shape: &ShapeModel| {
        TAG_FORMS.iter().any(|(key, value)| shape.member(key).is_some() && shape.member(value).is_some())
    };
    match form {
        Form::Any => true,
        Form::Object(_) => false,
        Form::List(item) => match &**item {
            Form::Any => true,
            Form::Shape(service, shape) => service.shape(shape).is_ok_and(|shape| pairs(&shape)),
            Form::Object(members) => {
                let has = |name: &str| members.iter().any(|(known, _)| known == name);
                TAG_FORMS.iter().any(|(key, value)| has(key) && has(value))
            }
            Form::List(_) => false,
        },
        Form::Shape(service, shape) => match service.shape(shape).map(|found| found.kind.clone()) {
            Ok(ShapeKind::List { member, .. }) => service.shape(&member.shape).is_ok_and(|shape| pairs(&shape)),
            Ok(ShapeKind::Map { .. }) => true,
            _ => false,
        },
    }
}

fn target_context(arguments: &Form, state: Option<&Form>, arn: bool) -> Form {
    let plain = ["target", "resource", "account", "account_name", "region", "partition"];
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
