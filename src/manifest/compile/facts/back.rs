//! The ways back from a call, held against the models and IAM's facts: recovery points and undo.

use std::sync::Arc;

use super::Checker;
use super::scopes::Call;
use crate::manifest::shapes::Form;
use crate::manifest::spec::{RecoveryPoint, UndoHow};
use crate::manifest::template::join_pointer;
use crate::names::Effect;

/// What is known of a recovery point after the call.
const OF_POINT: [&str; 4] = ["label", "target", "name", "id"];

impl Checker<'_, '_, '_> {
    /// Recovery points add something and can be verified; ways to undo the call ask for what can be there. `context` is
    /// that of one target, `seen` what conditions are asked of.
    pub(super) fn back(&mut self, context: &Form, targets: &Form, seen: &Form) {
        for (index, point) in self.tool.recovery_points.iter().enumerate() {
            self.point(&format!("/recovery_points/{index}"), point, context, seen);
        }
        let mut after = with(context, [("targets", targets.clone())]);
        if let Some(output) = &self.operation.output {
            after = with(&after, [("result", Form::Shape(Arc::clone(self.service), output.shape.clone()))]);
        }
        if !self.tool.recovery_points.is_empty() {
            let point = Form::Object(OF_POINT.map(|name| (name.to_owned(), Form::Any)).to_vec());
            after = with(&after, [("points", Form::List(Box::new(point)))]);
        }
        let several = self.report.document.value().get("undo").is_some_and(serde_json::Value::is_array);
        for (index, way) in self.tool.undo.iter().enumerate() {
            let pointer = if several { format!("/undo/{index}") } else { "/undo".to_owned() };
            if let Some(when) = &way.when {
                self.expression(&format!("{pointer}/when"), when, seen);
            }
            if let UndoHow::Recipe { with, .. } = &way.how {
                self.template(&format!("{pointer}/with"), with, &after);
            }
        }
    }

    fn point(&mut self, pointer: &str, point: &RecoveryPoint, context: &Form, seen: &Form) {
        if let Some(when) = &point.when {
            self.expression(&format!("{pointer}/when"), when, seen);
        }
        let taking = with(context, [("point", Form::Any)]);
        let usable = &point.usable;
        self.template(&format!("{pointer}/take/with"), &point.with, &taking);
        self.template(&format!("{pointer}/usable/with"), &usable.with, &with(&taking, [("id", Form::Any)]));
        for (scope_index, scope) in point.scopes.iter().enumerate() {
            for (index, resource) in scope.resources.iter().enumerate() {
                self.template(&format!("{pointer}/scopes/{scope_index}/resources/{index}"), resource, &taking);
            }
            for condition in &scope.conditions {
                let at = join_pointer(&format!("{pointer}/scopes/{scope_index}/conditions"), &condition.operator);
                let at = join_pointer(&at, &condition.key);
                for (index, value) in condition.values.iter().enumerate() {
                    self.template(&format!("{at}/{index}"), value, &taking);
                }
            }
        }
        if let Some(never) = &usable.never {
            self.asked_of_answer(&format!("{pointer}/usable/never"), never, &usable.operation);
        }
        self.reads(&format!("{pointer}/usable"), &usable.operation, &usable.with, Some(&usable.when), "when");
        let take = format!("{pointer}/take");
        let Some((service, model)) = self.calls(&take, &point.take, &point.with) else { return };
        let effect = self.facts.iam.least_effect(&point.take);
        if effect != Effect::Write {
            let message = format!("`{}` is `{effect}`; taking a recovery point only adds something", point.take);
            self.report.at(&format!("{take}/operation"), message, "choose an operation that makes a copy");
        }
        self.asked_of_answer(&format!("{pointer}/id"), &point.id, &point.take);
        self.scopes_of(&Call {
            at: format!("{pointer}/scopes"),
            operation: &point.take,
            service: &service,
            model: &model,
            members: point.with.members().collect(),
            scopes: &point.scopes,
        });
    }
}

/// An object's form with more members.
fn with<const N: usize>(form: &Form, more: [(&str, Form); N]) -> Form {
    let mut form = form.clone();
    if let Form::Object(members) = &mut form {
        members.extend(more.map(|(name, form)| (name.to_owned(), form)));
    }
    form
}
