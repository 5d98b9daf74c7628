//! Sample calls, for tests that hold every shipped tool against something: from its own input and AWS's service models.

use serde_json::{Map, Value, json};

use super::spec::{Place, Targets, Tool};
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::aws::{ServiceModel, ShapeKind};
use crate::names::{OperationId, Region};

/// What every name in a sample is.
pub(crate) const NAME: &str = "sample";

/// How deep samples go: no manifest asks for more.
const DEPTH: usize = 7;

/// Where sample calls go, and what they are made from.
#[derive(Clone, Copy)]
pub(crate) struct Samples<'a> {
    pub(crate) models: &'a Models,
    pub(crate) iam: &'a IamFacts,
    pub(crate) account: &'a str,
    pub(crate) region: &'a Region,
}

impl Samples<'_> {
    /// The context of a call's one target (see `template`), or of the call where it has none.
    pub(crate) fn context(self, tool: &Tool) -> Value {
        let mut context = json!({
            "target": "", "resource": null, "arn": null, "state": null, "tags": {},
            "arguments": self.arguments(tool), "account": self.account, "account_name": "shop-dev",
            "region": self.region, "partition": self.region.partition(),
        });
        let Some(targets) = &tool.targets else {
            context.as_object_mut().unwrap().shift_remove("target");
            return context;
        };
        if let Some((target, resource)) = self.whole(tool, targets) {
            let member = targets.each.text().split(['[', '.', ' ']).next().unwrap().to_owned();
            let argument = &mut context["arguments"][&member];
            *argument = if argument.is_array() { json!([target]) } else { json!(target) };
            context["resource"] = json!(resource);
        }
        let found = targets.each.search(&context["arguments"]).unwrap();
        let first = found.get(0).unwrap_or(&found);
        context["target"] = if first.is_string() { first.clone() } else { json!(NAME) };
        context["arn"] = json!(targets.arn.render_text(&context).unwrap());
        context["state"] = self.state(targets);
        context
    }

    /// All members that can be passed, and those that are fixed.
    fn arguments(self, tool: &Tool) -> Map<String, Value> {
        let (service, operation) = self.models.operation(&tool.operation).unwrap();
        let shape = operation.input.as_ref().and_then(|input| service.shape(&input.shape).ok());
        let sample = |name: &str| {
            let member = shape.as_ref().and_then(|shape| shape.member(name)).unwrap();
            value(&service, &member.shape, DEPTH)
        };
        let passed = tool.input.iter().map(|input| {
            let sample = input.narrowing.one_of.first().cloned().unwrap_or_else(|| sample(&input.member));
            (input.member.clone(), sample)
        });
        passed.chain(tool.fixed.iter().cloned()).collect()
    }

    /// A target's whole ARN, or a queue's URL, and what names it within its account: where the tool takes such.
    fn whole(self, tool: &Tool, targets: &Targets) -> Option<(String, String)> {
        let mut names = targets.arn.expressions().into_iter().map(|(_, expression)| expression.text().trim());
        if !names.any(|name| name == "resource") {
            return None;
        }
        if tool.operation.service() == "sqs" {
            let url = format!("https://sqs.{}.amazonaws.com/{}/{NAME}", self.region.as_str(), self.account);
            return Some((url, NAME.to_owned()));
        }
        let of_tool = tool.scopes.iter().flat_map(|scope| &scope.actions);
        let of_call = self.iam.actions_for(&tool.operation).unwrap_or_default();
        let actions = of_tool.cloned().chain(of_call.into_iter().map(|action| action.name));
        let form = actions.flat_map(|action| self.iam.arn_formats(&action)).next().unwrap();
        let mut pieces = form.splitn(6, ':').nth(5).unwrap().split("${").map(str::to_owned);
        let first = pieces.next().unwrap();
        let resource = pieces.fold(first, |whole, piece| whole + NAME + piece.split_once('}').unwrap().1);
        let (partition, region) = (self.region.partition(), self.region.as_str());
        let place = Place { partition, account: self.account, region, name: NAME };
        Some((tool.form_of(&targets.arn, place, &resource).unwrap(), resource))
    }

    /// What reads would know of it.
    fn state(self, targets: &Targets) -> Value {
        let Some(read) = &targets.read else { return Value::Null };
        let mut state = read.state.search(&self.answer(&read.operation)).unwrap();
        for also in &targets.also {
            if let Some(state) = state.as_object_mut() {
                let more = also.state.search(&self.answer(&also.operation)).unwrap();
                state.insert(also.name.clone(), more);
            }
        }
        state
    }

    fn answer(self, operation: &OperationId) -> Value {
        let (service, operation) = self.models.operation(operation).unwrap();
        operation.output.as_ref().map_or(Value::Null, |output| value(&service, &output.shape, DEPTH))
    }
}

fn value(service: &ServiceModel, shape: &str, depth: usize) -> Value {
    let inner = |shape: &str| value(service, shape, depth.saturating_sub(1));
    match &service.shape(shape).unwrap().kind {
        _ if depth == 0 => Value::Null,
        ShapeKind::Structure { members, .. } => {
            members.iter().map(|member| (member.name.clone(), inner(&member.shape))).collect()
        }
        ShapeKind::List { member, .. } => json!([inner(&member.shape)]),
        ShapeKind::Map { value, .. } => json!({ NAME: inner(&value.shape) }),
        ShapeKind::String { enum_values, .. } => json!(enum_values.first().map_or(NAME, String::as_str)),
        ShapeKind::Integer(_) | ShapeKind::Long(_) | ShapeKind::Float(_) | ShapeKind::Double(_) => json!(1),
        ShapeKind::Boolean => json!(true),
        _ => json!(NAME),
    }
}
