//! What is left of policies once a question's action, agent and resource are known and its context is not: type-aware
//! partial evaluation, and what would have to be otherwise in it.

use cedar_policy::{
    Authorizer, Entities, EntityUid, PartialEntities, PartialEntityUid, PartialRequest, Policy, PolicyId, PolicySet,
    Request, Schema,
};
use serde_json::{Value, json};

/// Alternatives beyond these are not followed up: nobody reads them.
const MOST_WAYS: usize = 24;

/// A policy, as far as it could be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Residual {
    /// Its name.
    pub(super) id: String,
    /// True where it forbids.
    pub(super) forbids: bool,
    /// The condition that is left, in Cedar's JSON form.
    pub(super) body: Value,
}

/// How much of a question is taken for known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// Agent and resource.
    Both(&'a EntityUid, &'a EntityUid),
    /// The agent.
    Agent(&'a EntityUid),
    /// Neither: what is left speaks of both.
    Neither,
}

/// Evaluates policies without a context.
pub(super) fn residuals(
    schema: &Schema,
    slice: &PolicySet,
    action: &EntityUid,
    known: Known<'_>,
    entities: &Entities,
) -> Result<Vec<Residual>, String> {
    let entities = PartialEntities::from_concrete(entities.clone(), schema).map_err(|error| error.to_string())?;
    let request = partial(schema, action, known)?;
    let response = slice.tpe(&request, &entities, schema).map_err(|error| error.to_string())?;
    response.policies().map(|policy| residual(&policy)).collect()
}

/// A request whose context is unknown.
pub(super) fn partial(schema: &Schema, action: &EntityUid, known: Known<'_>) -> Result<PartialRequest, String> {
    let (agent, resource) = match known {
        Known::Both(agent, resource) => (Some(agent), Some(resource)),
        Known::Agent(agent) => (Some(agent), None),
        Known::Neither => (None, None),
    };
    let unknown =
        |kind: &'static str| PartialEntityUid::new(super::vocabulary::entity(kind, "").type_name().clone(), None);
    let of = |uid: Option<&EntityUid>, kind: &'static str| {
        uid.cloned().map_or_else(|| unknown(kind), PartialEntityUid::from_concrete)
    };
    PartialRequest::new(of(agent, "Agent"), action.clone(), of(resource, "AwsResource"), None, schema)
        .map_err(|error| error.to_string())
}

fn residual(policy: &Policy) -> Result<Residual, String> {
    let json = policy.to_json().map_err(|error| error.to_string())?;
    let conditions = json.get("conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let body = conditions.iter().fold(None, |all: Option<Value>, condition| {
        let body = condition.get("body").cloned().unwrap_or_default();
        let one = match condition.get("kind").and_then(Value::as_str) {
            Some("unless") => json!({ "!": { "arg": body } }),
            _ => body,
        };
        Some(match all {
            None => one,
            Some(all) => json!({ "&&": { "left": all, "right": one } }),
        })
    });
    Ok(Residual {
        id: policy.id().to_string(),
        forbids: policy.effect() == cedar_policy::Effect::Forbid,
        body: body.unwrap_or_else(|| json!({ "Value": true })),
    })
}

/// The world as it is, to hold conditions against.
#[derive(Debug)]
pub(super) struct AsIs<'a> {
    /// The whole request.
    pub(super) request: &'a Request,
    /// The whole entities.
    pub(super) entities: &'a Entities,
}

impl AsIs<'_> {
    /// Whether a condition holds; `None` where it fails.
    pub(super) fn holds(&self, condition: &Value) -> Option<bool> {
        if let Some(plain) = condition.get("Value").and_then(Value::as_bool) {
            return Some(plain);
        }
        let policy = alone(condition)?;
        let mut set = PolicySet::new();
        set.add(policy).ok()?;
        let response = Authorizer::new().is_authorized(self.request, &set, self.entities);
        let failed = response.diagnostics().errors().next().is_some();
        (!failed).then(|| response.decision() == cedar_policy::Decision::Allow)
    }

    /// All the ways in which a condition could come out as it should: in each, what would all have to be otherwise. One
    /// empty way where it does so already; none where it can't.
    pub(super) fn ways<T: Clone>(
        &self,
        condition: &Value,
        wanted: bool,
        differently: &impl Fn(&Value, bool) -> T,
    ) -> Vec<Vec<T>> {
        if self.holds(condition) == Some(wanted) {
            return vec![Vec::new()];
        }
        let both = |left: (&Value, bool), right: (&Value, bool)| {
            let right = self.ways(right.0, right.1, differently);
            let mut ways = Vec::new();
            for first in self.ways(left.0, left.1, differently) {
                ways.extend(right.iter().map(|second| first.iter().chain(second).cloned().collect::<Vec<T>>()));
            }
            fewest(ways)
        };
        let either = |left: (&Value, bool), right: (&Value, bool)| {
            let mut ways = self.ways(left.0, left.1, differently);
            ways.extend(self.ways(right.0, right.1, differently));
            fewest(ways)
        };
        let Some((word, inner)) = node(condition) else { return vec![vec![differently(condition, wanted)]] };
        match (word, sides(inner), inner.get("arg")) {
            ("&&", Some((left, right)), _) if wanted => both((left, true), (right, true)),
            ("&&", Some((left, right)), _) => either((left, false), (right, false)),
            ("||", Some((left, right)), _) if wanted => either((left, true), (right, true)),
            ("||", Some((left, right)), _) => both((left, false), (right, false)),
            ("!", _, Some(arg)) => self.ways(arg, !wanted, differently),
            ("if-then-else", ..) => match (inner.get("if"), inner.get("then"), inner.get("else")) {
                (Some(test), Some(then), Some(otherwise)) => {
                    let mut ways = both((test, true), (then, wanted));
                    ways.extend(both((test, false), (otherwise, wanted)));
                    fewest(ways)
                }
                _ => vec![vec![differently(condition, wanted)]],
            },
            // What is plainly true or false can't come out otherwise.
            ("Value", ..) if inner.is_boolean() => Vec::new(),
            _ => vec![vec![differently(condition, wanted)]],
        }
    }
}

fn fewest<T>(mut ways: Vec<Vec<T>>) -> Vec<Vec<T>> {
    ways.sort_by_key(Vec::len);
    ways.truncate(MOST_WAYS);
    ways
}

/// The operator of a condition and its operands, in Cedar's JSON form.
///
/// See <https://docs.cedarpolicy.com/policies/json-format.html>.
pub(super) fn node(condition: &Value) -> Option<(&str, &Value)> {
    let members = condition.as_object().filter(|members| members.len() == 1)?;
    members.iter().next().map(|(word, inner)| (word.as_str(), inner))
}

/// The operands of an operator with two.
pub(super) fn sides(inner: &Value) -> Option<(&Value, &Value)> {
    Some((inner.get("left")?, inner.get("right")?))
}

/// A condition as Cedar writes it.
pub(super) fn text(condition: &Value) -> String {
    let whole = alone(condition).map(|policy| policy.to_string()).unwrap_or_else(|| condition.to_string());
    let inner = whole.split_once("when {").and_then(|(_, rest)| rest.rsplit_once('}')).map(|(inner, _)| inner);
    inner.unwrap_or(&whole).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn alone(condition: &Value) -> Option<Policy> {
    let all = json!({ "op": "All" });
    let policy = json!({
        "effect": "permit", "principal": all, "action": all, "resource": all,
        "conditions": [{ "kind": "when", "body": condition }],
    });
    Policy::from_json(Some(PolicyId::new("condition")), policy).ok()
}
