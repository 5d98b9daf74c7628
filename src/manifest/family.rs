//! Families: one tool for every operation that no manifest declares, so that nothing is out of reach or unguarded.

use serde_json::{Map, Value};

use super::catalog::{Catalog, Declared};
use super::compile::DRY_RUN;
use super::raw::{self, RawFamily};
use super::spec::{DryRunKind, InputMember, Limits, Narrowing, Scope, Tool, ToolSpec, UndoSpec};
use super::template::Template;
use crate::aws::iam::ActionFact;
use crate::aws::models::Models;
use crate::call::refused::{Code, Refused};
use crate::digest::Digest;
use crate::document::{self, Document, Problems};
use crate::names::{Effect, OperationId};

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
    undo_none: String,
    limits: Limits,
    digest: Digest,
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
        problems.or(Self {
            name: raw.family,
            title: raw.title,
            summary: raw.summary,
            toolset: raw.toolset,
            from: raw.from,
            to: raw.to,
            treat_as: raw.treat_as,
            exclude: raw.exclude,
            undo_none: raw.undo_none.unwrap_or_else(|| "it changes nothing".to_owned()),
            limits: Limits { per_call: raw.limits.per_call, per_hour: raw.limits.per_hour },
            digest: Digest::of_bytes("countersign.family.v1", document.source().text().as_bytes()),
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

    /// True where the family takes an operation: no manifest declares it, it isn't left out, and its least effect is among
    /// the family's. Says nothing on operations that stream events, which are never called.
    pub fn takes(&self, operation: &OperationId, catalog: &Catalog) -> bool {
        let floor = catalog.iam().least_effect(operation);
        catalog.declared(operation).is_none() && !self.leaves_out(operation) && floor >= self.from && floor <= self.to
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
        let floor = catalog.iam().least_effect(operation);
        if floor < self.from || floor > self.to {
            return Err(self.not_mine(operation, floor, catalog));
        }
        let input = match &model.input {
            None => None,
            Some(input) => Some(
                service
                    .shape(&input.shape)
                    .map_err(|error| Refused::new(Code::Internal, error.to_string(), "report it"))?,
            ),
        };
        let members = input.iter().flat_map(|shape| shape.members());
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
        let scopes = self.scopes(operation, arguments, catalog)?;
        Ok(ToolSpec::seal(Tool {
            name: self.name.clone(),
            title: format!("{}: {operation}", self.title),
            summary: self.summary.clone(),
            toolset: self.toolset.clone(),
            operation: operation.clone(),
            effect: floor.max(self.treat_as),
            input,
            fixed: Vec::new(),
            targets: None,
            escalates: escalates(&scopes, catalog),
            scopes,
            dry_run: DryRunKind::None,
            dependents: Vec::new(),
            raise_effect: Vec::new(),
            warn: Vec::new(),
            confirm: None,
            undo: UndoSpec::None { reason: self.undo_none.clone() },
            limits: self.limits.clone(),
            output: None,
            docs: None,
            digest: self.digest,
        }))
    }

    /// The operation's own actions, on every resource: nothing tells which one it acts on.
    fn scopes(
        &self,
        operation: &OperationId,
        arguments: &Map<String, Value>,
        catalog: &Catalog,
    ) -> Result<Vec<Scope>, Refused> {
        let actions = catalog.iam().actions_for(operation).unwrap_or_default();
        let everything = Template::compile(&Value::from("*"))
            .map_err(|error| Refused::new(Code::Internal, error.to_string(), "report it"))?;
        let asked = |action: &ActionFact| action.always || asks_for(arguments, &action.name);
        let actions: Vec<String> = actions.into_iter().filter(asked).map(|action| action.name).collect();
        Ok(if actions.is_empty() {
            Vec::new()
        } else {
            vec![Scope { actions, resources: vec![everything], because: None, conditions: Vec::new() }]
        })
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

/// Actions that AWS asks for only where an argument of this name is true.
const ASKED_BY: [(&str, &str); 1] = [("s3:BypassGovernanceRetention", "BypassGovernanceRetention")];

/// False where it is known which argument makes an action needed, and it doesn't.
fn asks_for(arguments: &Map<String, Value>, action: &str) -> bool {
    match ASKED_BY.iter().find(|(known, _)| *known == action) {
        Some((_, member)) => arguments.get(*member) == Some(&Value::Bool(true)),
        None => true,
    }
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
