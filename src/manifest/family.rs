//! Families: one tool for every operation that no manifest declares, so that nothing is out of reach or unguarded.

use serde_json::{Map, Value};

use super::asked;
use super::catalog::{Catalog, Declared};
use super::compile::DRY_RUN;
use super::expression::Expression;
use super::handed_on::{HandedOn, Operation, PASS_ROLE};
use super::raw::{self, RawFamily};
use super::siblings::{Refusal, Siblings, Worse};
use super::spec::{Condition, DryRunKind, InputMember, Limits, Narrowing, Scope, Tool, ToolSpec, UndoWay, Warning};
use super::template::Template;
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::call::refused::{Code, Refused};
use crate::digest::Digest;
use crate::document::{self, Document, Problems};
use crate::names::{Effect, OperationId};

/// Actions that are named in a warning; more are counted.
const MOST_TOLD: usize = 4;

/// A tool for all operations of certain effects.
#[derive(Debug)]
pub struct Family {
    name: String,
    title: String,
    summary: String,
    toolset: String,
    from: Effect,
    to: Effect,
    treat_as: Effect,
    exclude: Vec<String>,
    siblings: Siblings,
    undo_none: String,
    limits: Limits,
    digest: Digest,
    text: Box<str>,
}

impl Family {
    /// Compiles a family's manifest.
    pub(super) fn compile(document: &Document, checked: bool) -> Result<Self, Problems> {
        if checked {
            document::schema::check(document, &raw::family_schema()).or(())?;
        }
        let raw: RawFamily = document.parse()?;
        let mut problems = Problems::new();
        if raw.from > raw.to {
            let message = format!("it takes nothing: `{}` is worse than `{}`", raw.from, raw.to);
            problems.push(document.problem("/from", message, "swap the two"));
        }
        if raw.treat_as < raw.from {
            let message = format!("`{}` is milder than what it takes", raw.treat_as);
            problems.push(document.problem("/treat_as", message, format!("write `{}` or worse", raw.from)));
        }
        if raw.treat_as.changes() && raw.undo_none.is_none() {
            let message = "nothing is said about undoing it";
            problems.push(document.problem_at_key("/treat_as", message, "add `undo_none` with the reason"));
        }
        let siblings = Siblings::compile(document, raw.refuse, raw.worse, raw.treat_as, &mut problems);
        problems.or(Self {
            name: raw.family,
            title: raw.title,
            summary: raw.summary,
            toolset: raw.toolset,
            from: raw.from,
            to: raw.to,
            treat_as: raw.treat_as,
            exclude: raw.exclude,
            siblings,
            undo_none: raw.undo_none.unwrap_or_else(|| "it changes nothing".to_owned()),
            limits: Limits { per_call: raw.limits.per_call, per_hour: raw.limits.per_hour },
            digest: Digest::of_bytes("countersign.family.v1", document.source().text().as_bytes()),
            text: document.source().text().into(),
        })
    }

    /// Its name, as agents call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// For the model and the person.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Its toolset.
    pub fn toolset(&self) -> &str {
        &self.toolset
    }

    /// The least harm any of its calls is taken to do.
    pub fn effect(&self) -> Effect {
        self.treat_as
    }

    /// True where its calls change something at AWS.
    pub fn changes(&self) -> bool {
        self.treat_as.changes()
    }

    /// Digest of its manifest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its manifest.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True where the family takes an operation: no manifest declares it, it is neither left out nor refused, and its least
    /// effect is among the family's. Says nothing on operations that stream events, which are never called.
    pub fn takes(&self, operation: &OperationId, catalog: &Catalog) -> bool {
        let floor = catalog.iam().least_effect(operation);
        let refused = self.leaves_out(operation) || self.refuses(operation).is_some();
        catalog.declared(operation).is_none() && !refused && floor >= self.from && floor <= self.to
    }

    /// Why it never calls an operation that is one of its kind. What a manifest declares is that tool's all the same.
    pub fn refuses(&self, operation: &OperationId) -> Option<&Refusal> {
        self.siblings.refused(operation)
    }

    /// What is known of an operation that is worse than what the family takes all for.
    pub fn worse(&self, operation: &OperationId) -> Option<&Worse> {
        self.siblings.worse(operation)
    }

    /// The least harm that a call of an operation is taken to do, where IAM says `floor`.
    pub fn effect_of(&self, operation: &OperationId, floor: Effect) -> Effect {
        let worse = self.worse(operation).map_or(self.treat_as, |worse| worse.effect);
        floor.max(self.treat_as).max(worse)
    }

    /// All rows on operations that are refused or worse, for checks.
    #[cfg(test)]
    pub(super) fn siblings(&self) -> &Siblings {
        &self.siblings
    }

    fn leaves_out(&self, operation: &OperationId) -> bool {
        self.exclude.iter().any(|left_out| *left_out == operation.to_string() || left_out == operation.service())
    }

    /// The tool for one operation. Refused: an operation that doesn't exist, that streams events, that a manifest
    /// declares (the family would go around what the manifest narrows), or whose effect is another family's. Actions that
    /// the `arguments` don't ask for are left out of its scopes where it is known what asks for them.
    pub fn expand(
        &self,
        operation: &OperationId,
        arguments: &Map<String, Value>,
        catalog: &Catalog,
        models: &Models,
    ) -> Result<ToolSpec, Refused> {
        let (service, model) = models.operation(operation).map_err(|error| {
            Refused::new(
                Code::InvalidArguments,
                error.to_string(),
                "`find_operations` finds operations by name and parameter",
            )
        })?;
        if let Some(declared) = catalog.declaration(operation) {
            return Err(declared_elsewhere(operation, declared));
        }
        if model.event_stream {
            let message = format!("`{operation}` streams events, which can't be called here");
            return Err(Refused::new(Code::InvalidArguments, message, "use an operation that answers at once"));
        }
        if self.leaves_out(operation) {
            let message = format!("`{operation}` is left out of `{}`", self.name);
            return Err(Refused::new(Code::Forbidden, message, "ask an operator for a manifest that declares it"));
        }
        if let Some(refusal) = self.refuses(operation) {
            let message = format!("`{operation}` is not called through `{}`: {}", self.name, refusal.because);
            return Err(Refused::new(Code::Forbidden, message, refusal.hint(catalog)));
        }
        let floor = catalog.iam().least_effect(operation);
        if floor < self.from || floor > self.to {
            return Err(self.not_mine(operation, floor, catalog));
        }
        let shape = match &model.input {
            None => None,
            Some(input) => Some(
                service
                    .shape(&input.shape)
                    .map_err(|error| Refused::new(Code::Internal, error.to_string(), "report it"))?,
            ),
        };
        let members = shape.iter().flat_map(|shape| shape.members());
        let own = |name: &str| name == DRY_RUN && service.name() == "ec2";
        let input = members
            .filter(|member| !member.idempotency_token && !own(&member.name))
            .map(|member| InputMember {
                member: member.name.clone(),
                required: member.required,
                description: None,
                narrowing: Narrowing::default(),
            })
            .collect();
        let actions = catalog.iam().actions_for(operation).unwrap_or_default();
        let own = Operation { service: &service, name: operation.name(), actions: &actions };
        let handed_on = match self.changes() {
            true => own.hands_on(shape.as_deref(), arguments),
            false => HandedOn::default(),
        };
        let (asked, left_out) = asked::own(&actions, arguments);
        let mut scopes = own_scopes(&asked)?;
        let mut warn: Vec<Warning> = match self.worse(operation) {
            Some(worse) => vec![said(&format!("it counts as {}: {}", worse.effect, worse.because))?],
            None => Vec::new(),
        };
        if self.changes() {
            let unseen = handed_on.roles.is_empty() && own.may_pass_unseen(shape.as_deref(), arguments);
            let besides = besides(&own, &handed_on, unseen, catalog.iam())?;
            scopes.extend(besides.scopes);
            let left_out: Vec<&str> = left_out.into_iter().chain(besides.left_out).collect();
            let told = told_left_out(&left_out).into_iter().chain(own.by_these_credentials(arguments));
            warn.extend(told.map(|because| said(&because)).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(ToolSpec::seal(Tool {
            name: self.name.clone(),
            title: format!("{}: {operation}", self.title),
            summary: self.summary.clone(),
            toolset: self.toolset.clone(),
            core: None,
            operation: operation.clone(),
            effect: self.effect_of(operation, floor),
            input,
            fixed: Vec::new(),
            targets: None,
            escalates: escalates(&scopes, catalog),
            scopes,
            unscoped: unscoped(operation, &handed_on),
            dry_run: DryRunKind::None,
            dry_run_scopes: Vec::new(),
            changes: Vec::new(),
            dependents: Vec::new(),
            raise_effect: Vec::new(),
            warn,
            refuse: Vec::new(),
            steps: Vec::new(),
            confirm: None,
            wait: None,
            recovery_points: Vec::new(),
            undo: vec![UndoWay::none(self.undo_none.clone())],
            limits: self.limits.clone(),
            output: None,
            docs: None,
            digest: self.digest,
        }))
    }

    fn not_mine(&self, operation: &OperationId, floor: Effect, catalog: &Catalog) -> Refused {
        let other = catalog.families().find(|family| floor >= family.from && floor <= family.to);
        let hint = match other {
            Some(other) => format!("call `{}` instead", other.name),
            None => "ask an operator for a manifest that declares it".to_owned(),
        };
        let secret = catalog.iam().reveals(operation).map(|why| format!(" ({why})")).unwrap_or_default();
        let message = format!("`{operation}` is `{floor}`{secret}, which is not for `{}`", self.name);
        Refused::new(Code::InvalidArguments, message, hint)
    }
}

/// The operation's own actions, on every resource: nothing tells which one it acts on.
fn own_scopes(asked: &[&str]) -> Result<Vec<Scope>, Refused> {
    let actions: Vec<String> = asked.iter().map(|&action| action.to_owned()).collect();
    if actions.is_empty() { Ok(Vec::new()) } else { Ok(vec![scope(actions, ["*"], &[])?]) }
}

/// What AWS asks a call for besides the operation's own actions.
struct Besides<'a> {
    scopes: Vec<Scope>,
    /// What some calls need, and these credentials don't allow.
    left_out: Vec<&'a str>,
}

/// For each thing that is handed on, the actions that hand it on, on just that thing. What only tells which resources there
/// are is allowed as it is; everything else that some calls need is left out, and said.
fn besides<'a>(
    own: &Operation<'a>,
    handed_on: &HandedOn,
    unseen: bool,
    iam: &IamFacts,
) -> Result<Besides<'a>, Refused> {
    let mut scopes = Vec::new();
    if !handed_on.roles.is_empty() {
        let to = match own.passed_to() {
            [] => Vec::new(),
            services => vec![("StringEquals", "iam:PassedToService", services)],
        };
        scopes.push(scope(vec![PASS_ROLE.to_owned()], &handed_on.roles, &to)?);
    }
    let of_keys = own.of_keys();
    if !handed_on.keys.is_empty() && !of_keys.is_empty() {
        // The service uses the key on the caller's behalf; the caller itself has no use for it.
        let via = ("Bool", "aws:ViaAWSService", &["true"][..]);
        let (grants, others): (Vec<&str>, Vec<&str>) = of_keys.into_iter().partition(|one| *one == "kms:CreateGrant");
        for (actions, conditions) in
            [(grants, &[via, ("Bool", "kms:GrantIsForAWSResource", &["true"][..])][..]), (others, &[via][..])]
        {
            if !actions.is_empty() {
                let actions = actions.into_iter().map(str::to_owned).collect();
                scopes.push(scope(actions, &handed_on.keys, conditions)?);
            }
        }
    }
    let tagging = own.tagging(iam);
    for action in tagging.iter().filter(|_| handed_on.tags) {
        let by = match *action {
            "ec2:CreateTags" => vec![("StringEquals", "ec2:CreateAction", std::slice::from_ref(&own.name))],
            _ => Vec::new(),
        };
        scopes.push(scope(vec![(*action).to_owned()], ["*"], &by)?);
    }
    let others = own
        .dependent()
        .into_iter()
        .filter(|action| !tagging.contains(action) && !action.starts_with("kms:") && (*action != PASS_ROLE || unseen));
    let (looks, left_out): (Vec<&str>, Vec<&str>) = others.partition(|action| only_looks(action, iam));
    if !looks.is_empty() {
        scopes.push(scope(looks.into_iter().map(str::to_owned).collect(), ["*"], &[])?);
    }
    Ok(Besides { scopes, left_out })
}

/// Tells which resources there are and what they are like, and nothing that is kept in them.
fn only_looks(action: &str, iam: &IamFacts) -> bool {
    let name = action.split_once(':').map_or("", |(_, name)| name);
    let reads = iam.action(action).is_some_and(|fact| fact.level.only_reads()) && iam.reveals_by(action).is_none();
    reads && (["Describe", "List"].iter().any(|start| name.starts_with(start)) || action == "iam:GetRole")
}

fn told_left_out(actions: &[&str]) -> Option<String> {
    let shown: Vec<String> = actions.iter().take(MOST_TOLD).map(|action| format!("`{action}`")).collect();
    let more = match actions.len().saturating_sub(MOST_TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!actions.is_empty()).then(|| {
        format!(
            "some calls of this operation need {}{more} besides, which its credentials don't allow: AWS refuses those",
            shown.join(", ")
        )
    })
}

fn scope<'a>(
    actions: Vec<String>,
    resources: impl IntoIterator<Item = impl AsRef<str>>,
    conditions: &[(&str, &str, &[&'a str])],
) -> Result<Scope, Refused> {
    let template = |text: &str| {
        Template::compile(&Value::from(text))
            .map_err(|error| Refused::new(Code::Internal, error.to_string(), "report it"))
    };
    let condition = |(operator, key, values): &(&str, &str, &[&'a str])| {
        let values = values.iter().map(|value| template(value)).collect::<Result<_, _>>()?;
        Ok(Condition { operator: (*operator).to_owned(), key: (*key).to_owned(), values })
    };
    Ok(Scope {
        actions,
        resources: resources.into_iter().map(|text| template(text.as_ref())).collect::<Result<_, _>>()?,
        because: None,
        conditions: conditions.iter().map(condition).collect::<Result<_, Refused>>()?,
    })
}

/// A warning that always stands.
fn said(because: &str) -> Result<Warning, Refused> {
    let when =
        Expression::compile("`true`").map_err(|error| Refused::new(Code::Internal, error.to_string(), "report it"))?;
    Ok(Warning { when, because: because.to_owned() })
}

fn unscoped(operation: &OperationId, handed_on: &HandedOn) -> Option<String> {
    let reasons: Vec<&str> = handed_on.unscoped.iter().map(String::as_str).collect();
    (!reasons.is_empty()).then(|| format!("in `{operation}`, {}", reasons.join(", and ")))
}

/// The known ways to more permissions that scopes contain.
fn escalates(scopes: &[Scope], catalog: &Catalog) -> Vec<String> {
    let allows =
        |action: &str| scopes.iter().any(|scope| scope.actions.iter().any(|own| own.eq_ignore_ascii_case(action)));
    catalog.iam().escalations(allows).into_iter().map(|path| path.id.clone()).collect()
}

fn declared_elsewhere(operation: &OperationId, declared: &Declared) -> Refused {
    let (message, hint) = match declared.offered {
        true => (format!("`{operation}` has its own tool"), format!("call `{}` instead", declared.tool)),
        false => (
            format!("`{operation}` has its own tool, `{}`, which is switched off here", declared.tool),
            "ask an operator to switch it on".to_owned(),
        ),
    };
    Refused::new(if declared.offered { Code::InvalidArguments } else { Code::Forbidden }, message, hint)
}
