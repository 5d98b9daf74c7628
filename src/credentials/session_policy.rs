//! [`SessionPolicy`]: the IAM policy that narrows the credentials of one call to the manifest's scopes and actual targets.
//!
//! AWS intersects it with the role's own policy, so it can only take away. What comes from arguments, targets or AWS is
//! escaped, so that a thing named `*` stays that thing; wildcards are those the manifest itself spells out.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session>

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde_json::{Map, Value, json};

use crate::aws::iam::arn::{any_of, has_form};
use crate::aws::iam::{ActionFact, IamFacts};
use crate::digest::Digest;
use crate::manifest::spec::{DryRunKind, RecoveryPoint, Scope, Tool};
use crate::manifest::template::{NotRendered, Template};
use crate::names::{OperationId, Region};

/// Most characters of a session policy that `sts:AssumeRole` takes.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
pub const MOST_CHARACTERS: usize = 2048;

/// The domain of session policies' digests.
const DOMAIN: &str = "countersign.session-policy.v1";

/// IAM's key for the region of the endpoint that a call goes to.
const REQUESTED_REGION: &str = "aws:RequestedRegion";

/// IAM's key for the account that a resource is of.
const RESOURCE_ACCOUNT: &str = "aws:ResourceAccount";

/// A session policy, as its exact text. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPolicy(String);

/// What a policy is compiled from, besides the tool.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// One context for each target (see `manifest/template`); a single one without `target` where the call has none.
    pub contexts: &'a [Value],
    /// The account's twelve digits.
    pub account: &'a str,
    /// The region of the call.
    pub region: &'a Region,
    /// IAM's facts.
    pub iam: &'a IamFacts,
    /// The region that a call of an operation is signed for, which is the one IAM sees; `None` where there is no endpoint.
    pub signed_for: &'a (dyn Fn(&OperationId) -> Option<String> + Sync),
}

/// Why there is no policy for a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotScoped {
    /// A scope's ARN can't be filled in.
    #[error("the ARN of a scope can't be filled in: {0}")]
    NotRendered(#[from] NotRendered),
    /// Nobody knows which actions an operation needs.
    #[error("IAM's facts don't say which actions `{0}` needs")]
    UnknownActions(OperationId),
    /// A call hands on what nobody can name.
    #[error("{0}")]
    HandsOn(String),
    /// The policy would be longer than AWS takes.
    #[error("the session policy of this call has {characters} characters, AWS takes {MOST_CHARACTERS}")]
    TooLong {
        /// How long it would be.
        characters: usize,
        /// How many of the targets, from the first on, would fit.
        fit: usize,
    },
}

impl SessionPolicy {
    /// The policy of a call's changing session: the tool's scopes, and nothing else.
    ///
    /// # Errors
    /// Where a scope can't be filled in, or the policy is too long.
    pub fn changing(tool: &Tool, ground: Ground<'_>) -> Result<Self, NotScoped> {
        within_limit(ground, |ground| {
            let mut allowed = Allowed::default();
            scopes(tool, &tool.operation, &tool.scopes, ground, &mut allowed)?;
            Ok(allowed)
        })
    }

    /// The policy of the session that takes a recovery point: the point's scopes, and nothing else. The contexts have its
    /// name as `point`.
    ///
    /// # Errors
    /// As [`Self::changing`].
    pub fn taking(tool: &Tool, point: &RecoveryPoint, ground: Ground<'_>) -> Result<Self, NotScoped> {
        within_limit(ground, |ground| {
            let mut allowed = Allowed::default();
            scopes(tool, &point.take, &point.scopes, ground, &mut allowed)?;
            Ok(allowed)
        })
    }

    /// The policy of the session of AWS's own dry run, where that makes something of its own (a change set), which the
    /// contexts name as `change_set`.
    ///
    /// # Errors
    /// As [`Self::changing`].
    pub fn probing(tool: &Tool, ground: Ground<'_>) -> Result<Self, NotScoped> {
        within_limit(ground, |ground| {
            let mut allowed = Allowed::default();
            scopes(tool, &tool.operation, &tool.dry_run_scopes, ground, &mut allowed)?;
            Ok(allowed)
        })
    }

    /// The policy of a call's reading session: what the targets, their tags and what depends on them are read with, and, for a tool
    /// that changes nothing, its scopes.
    ///
    /// # Errors
    /// As [`Self::changing`], and where IAM's facts don't say what a read needs.
    pub fn reading(tool: &Tool, ground: Ground<'_>) -> Result<Self, NotScoped> {
        within_limit(ground, |ground| {
            let mut allowed = Allowed::default();
            for operation in tool.reads() {
                read(operation, tool, ground, &mut allowed)?;
            }
            if tool.dry_run == DryRunKind::Native {
                // the harmless dry run that an endpoint is tried with (see `plan/canary`)
                read(&OperationId::new("ec2", "DescribeInstances"), tool, ground, &mut allowed)?;
            }
            if !tool.effect.needs_preview() && !tool.effect.changes() {
                scopes(tool, &tool.operation, &tool.scopes, ground, &mut allowed)?;
            }
            Ok(allowed)
        })
    }

    /// The policy of a session that may do nothing at all.
    pub fn nothing() -> Self {
        Self(Allowed::default().text())
    }

    /// Takes a policy as it is.
    pub(crate) fn of_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The policy, JSON in plain ASCII.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        Self::digest_of(&self.0)
    }

    /// The digest of a policy whose text was kept.
    pub fn digest_of(text: &str) -> Digest {
        Digest::of_bytes(DOMAIN, text.as_bytes())
    }
}

/// Writes a text so that IAM takes it literally: `*`, `?` and `$` stand for themselves.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars>
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '?' | '$' => {
                let _ = write!(out, "${{{c}}}");
            }
            c => out.push(c),
        }
    }
    out
}

/// What must hold: for an operator and a key, the values. All of them.
type Conditions = BTreeMap<(String, String), BTreeSet<String>>;

/// What is allowed: for each action and the conditions it is allowed under, the resources.
#[derive(Debug, Default)]
struct Allowed(BTreeMap<(Conditions, String), BTreeSet<String>>);

impl Allowed {
    /// Allows an action on resources in some regions. A condition of the manifest's own on the region counts besides.
    fn allow(
        &mut self,
        action: &str,
        resources: impl IntoIterator<Item = String>,
        regions: &BTreeSet<String>,
        mut conditions: Conditions,
    ) {
        let key = ("StringEquals".to_owned(), REQUESTED_REGION.to_owned());
        let regions = match conditions.get(&key) {
            Some(own) => regions.intersection(own).cloned().collect(),
            None => regions.clone(),
        };
        if !regions.is_empty() {
            conditions.insert(key, regions);
            self.0.entry((conditions, action.to_owned())).or_default().extend(resources);
        }
    }

    /// The statements, grouped: actions that share conditions and resources stand together.
    fn text(self) -> String {
        let mut grouped: BTreeMap<(Conditions, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
        for ((conditions, action), mut resources) in self.0 {
            if resources.contains("*") {
                resources.retain(|resource| resource == "*");
            }
            if !resources.is_empty() {
                grouped.entry((conditions, resources)).or_default().insert(action);
            }
        }
        let mut statements: Vec<Value> = grouped
            .into_iter()
            .map(|((conditions, resources), actions)| {
                json!({
                    "Effect": "Allow",
                    "Action": one_or_all(actions),
                    "Resource": one_or_all(resources),
                    "Condition": block(conditions),
                })
            })
            .collect();
        if statements.is_empty() {
            statements.push(json!({ "Effect": "Deny", "Action": "*", "Resource": "*" }));
        }
        ascii(&json!({ "Version": "2012-10-17", "Statement": statements }))
    }
}

/// Conditions as IAM writes them: operator, key, values.
fn block(conditions: Conditions) -> Value {
    let mut block = Map::new();
    for ((operator, key), values) in conditions {
        if let Value::Object(keys) = block.entry(operator).or_insert_with(|| json!({})) {
            keys.insert(key, one_or_all(values));
        }
    }
    Value::Object(block)
}

/// One value stands alone, as IAM allows it: that saves two characters.
fn one_or_all(mut values: BTreeSet<String>) -> Value {
    match values.len() {
        1 => values.pop_first().map(Value::from).unwrap_or_default(),
        _ => Value::from_iter(values),
    }
}

/// STS takes no character beyond Latin-1 in a policy; JSON can say them all in ASCII.
fn ascii(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn within_limit(
    ground: Ground<'_>,
    compile: impl Fn(Ground<'_>) -> Result<Allowed, NotScoped>,
) -> Result<SessionPolicy, NotScoped> {
    let text = compile(ground)?.text();
    let characters = text.len();
    if characters <= MOST_CHARACTERS {
        return Ok(SessionPolicy(text));
    }
    let fits = |count: &usize| {
        let contexts = ground.contexts.get(..*count).unwrap_or_default();
        compile(Ground { contexts, ..ground }).is_ok_and(|allowed| allowed.text().len() <= MOST_CHARACTERS)
    };
    let fit = (1..ground.contexts.len()).rev().find(fits).unwrap_or(0);
    Err(NotScoped::TooLong { characters, fit })
}

/// Allows what the scopes of an operation say, for each target.
fn scopes(
    tool: &Tool,
    operation: &OperationId,
    scopes: &[Scope],
    ground: Ground<'_>,
    allowed: &mut Allowed,
) -> Result<(), NotScoped> {
    if scopes.is_empty() {
        return Err(NotScoped::UnknownActions(operation.clone()));
    }
    if let Some(reason) = &tool.unscoped {
        return Err(NotScoped::HandsOn(reason.clone()));
    }
    let own = ground.iam.actions_for(operation).unwrap_or_default();
    let here = BTreeSet::from([ground.signed_for(operation)]);
    // Which region IAM sees when one service asks another on the caller's behalf is not documented.
    let beyond = || {
        let global = ground.signed_for(&OperationId::new("iam", "GetRole"));
        here.iter().cloned().chain([ground.region.as_str().to_owned(), global]).collect()
    };
    for Scope { actions, resources, conditions, .. } in scopes {
        for context in ground.contexts {
            let arns: Vec<String> =
                resources.iter().map(|resource| filled(resource, tool, context)).collect::<Result<_, _>>()?;
            let conditions: Conditions = conditions
                .iter()
                .map(|condition| {
                    let values = condition.values.iter().map(|value| filled(value, tool, context));
                    Ok(((condition.operator.clone(), condition.key.clone()), values.collect::<Result<_, _>>()?))
                })
                .collect::<Result<_, NotScoped>>()?;
            for action in actions {
                let known = |fact: &ActionFact| same_prefix(&fact.name, action);
                let regions = if own.iter().any(known) { here.clone() } else { beyond() };
                // A bucket's name tells nothing of whose it is.
                let anywhere = own.iter().any(|fact| known(fact) && !fact.resources.is_empty()) && is_s3(action);
                let (open, named): (Vec<_>, Vec<_>) = arns.iter().cloned().partition(|arn| anywhere && arn == "*");
                allowed.allow(action, named, &regions, conditions.clone());
                let owned = conditions.clone().into_iter().chain(owned_here(ground)).collect();
                allowed.allow(action, open, &regions, owned);
            }
        }
    }
    Ok(())
}

/// That a resource belongs to the call's own account, for those whose ARN doesn't say.
fn owned_here(ground: Ground<'_>) -> Conditions {
    Conditions::from([(("StringEquals".to_owned(), RESOURCE_ACCOUNT.to_owned()), [ground.account.to_owned()].into())])
}

fn is_s3(action: &str) -> bool {
    action.split_once(':').is_some_and(|(service, _)| service.eq_ignore_ascii_case("s3"))
}

/// Allows what a read operation needs: on the target where IAM can say so, else on what the action takes.
fn read(operation: &OperationId, tool: &Tool, ground: Ground<'_>, allowed: &mut Allowed) -> Result<(), NotScoped> {
    let actions = ground.iam.actions_for(operation).unwrap_or_default();
    let reads: Vec<&ActionFact> = actions.iter().filter(|action| action.level.only_reads()).collect();
    if reads.is_empty() {
        return Err(NotScoped::UnknownActions(operation.clone()));
    }
    let regions = BTreeSet::from([ground.signed_for(operation)]);
    for action in reads {
        for context in ground.contexts {
            let target = Target::of(tool, context)?;
            let resources = resources_of(action, target.as_ref(), ground);
            let (unowned, owned): (Vec<_>, Vec<_>) = resources.into_iter().partition(|arn| names_no_account(arn));
            allowed.allow(&action.name, owned, &regions, Conditions::new());
            allowed.allow(&action.name, unowned, &regions, owned_here(ground));
        }
    }
    Ok(())
}

/// Buckets and objects: their ARNs have no account, so a bucket of that name could be anybody's.
fn names_no_account(arn: &str) -> bool {
    let mut parts = arn.split(':');
    parts.nth(2) == Some("s3") && parts.nth(1) == Some("")
}

/// What a call acts on, as reads name it.
struct Target {
    /// The forms its ARN can have. They don't depend on its name: that must not decide what else can be read.
    forms: Vec<String>,
    /// Its ARN as policies write it.
    arn: String,
    /// That, and the scopes' that only add to it, such as a function's versions.
    written: BTreeSet<String>,
}

impl Target {
    fn of(tool: &Tool, context: &Value) -> Result<Option<Self>, NotScoped> {
        let Some(targets) = &tool.targets else { return Ok(None) };
        let arn = target_arn(tool, context)?;
        let mut written = BTreeSet::new();
        for resource in tool.scopes.iter().flat_map(|scope| &scope.resources) {
            let scope = filled(resource, tool, context)?;
            if scope.strip_prefix(&arn).is_some_and(|added| added.starts_with([':', '/'])) {
                written.insert(scope);
            }
        }
        written.extend(with_path(&arn));
        written.insert(arn.clone());
        // a name may have several parts, as a bucket with a key has
        let forms = ["x", "x/x"].map(|name| targets.arn.render_text(&with_names(context, name)));
        Ok(Some(Self { forms: forms.into_iter().collect::<Result<_, _>>()?, arn, written }))
    }

    /// What it is a part of, as an object is of its bucket.
    fn holder(&self, format: &str) -> Option<String> {
        if has_form(&self.arn, format) {
            return None;
        }
        let mut cuts = self.arn.match_indices('/').filter_map(|(at, _)| self.arn.get(..at));
        cuts.find(|holder| has_form(holder, format)).map(str::to_owned)
    }
}

/// A role's or user's ARN has its path, and calls name it without: within an account the name alone is unique.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-friendly-names>
fn with_path(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "iam", "", _, resource] = parts.as_slice() else { return None };
    let (kind, name) = resource.split_once('/')?;
    let whole = arn.strip_suffix(resource)?;
    (!name.contains('/')).then(|| format!("{whole}{kind}/*/{name}"))
}

/// A context in which the target and everything in the arguments has the same name.
fn with_names(context: &Value, name: &str) -> Value {
    fn named(value: &Value, name: &str) -> Value {
        match value {
            Value::String(_) => Value::from(name),
            Value::Array(items) => items.iter().map(|item| named(item, name)).collect(),
            Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), named(value, name))).collect(),
            other => other.clone(),
        }
    }
    let mut context = context.clone();
    if let Value::Object(members) = &mut context {
        for key in ["target", "arguments"] {
            if let Some(value) = members.get_mut(key) {
                *value = named(value, name);
            }
        }
    }
    context
}

/// The resources that a read action is allowed on.
fn resources_of(action: &ActionFact, target: Option<&Target>, ground: Ground<'_>) -> BTreeSet<String> {
    let prefix = action.name.split(':').next().unwrap_or_default();
    let format = |name: &str| ground.iam.arn_format(prefix, name);
    let formats: Vec<(String, bool)> =
        action.resources.iter().filter_map(|of| Some((format(&of.name)?, of.required))).collect();
    if formats.is_empty() {
        // IAM knows no resource for it
        return BTreeSet::from(["*".to_owned()]);
    }
    let fits = |target: &Target, format: &str| target.forms.iter().any(|form| has_form(form, format));
    let is_target = |format: &str| target.filter(|target| fits(target, format));
    let holder = |format: &str| target.and_then(|target| target.holder(format));
    let found = formats.iter().any(|(format, _)| is_target(format).is_some());
    let wanted = formats.iter().filter(|(format, required)| !found || *required || is_target(format).is_some());
    wanted
        .flat_map(|(format, _)| match is_target(format) {
            // by its form alone, an object's ARN could be a bucket's
            Some(target) => target.written.iter().cloned().chain(holder(format)).collect(),
            None => holder(format).map_or_else(
                || BTreeSet::from([any_of(format, ground.region, ground.account)]),
                |arn| BTreeSet::from([arn]),
            ),
        })
        .collect()
}

/// A scope's ARN, or a condition's value, for one target. Only what the manifest itself spells out can be a wildcard.
fn filled(resource: &Template, tool: &Tool, context: &Value) -> Result<String, NotScoped> {
    let arn = target_arn(tool, context)?;
    Ok(resource.render_text_through(context, &|expression, value| match expression.text().trim() {
        "arn" => arn.clone(),
        _ => escaped(&value),
    })?)
}

/// The target's ARN, of which only the manifest's own text can be a wildcard; empty where the call has no targets.
fn target_arn(tool: &Tool, context: &Value) -> Result<String, NotScoped> {
    match &tool.targets {
        Some(targets) => Ok(targets.arn.render_text_through(context, &|_, value| escaped(&value))?),
        None => Ok(String::new()),
    }
}

fn same_prefix(one: &str, other: &str) -> bool {
    one.split(':').next() == other.split(':').next()
}

impl Ground<'_> {
    /// Where nobody knows, the call's own: if that is wrong, AWS refuses.
    fn signed_for(&self, operation: &OperationId) -> String {
        (self.signed_for)(operation).unwrap_or_else(|| self.region.as_str().to_owned())
    }
}

impl fmt::Debug for Ground<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground").field("account", &self.account).field("region", &self.region).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
