//! What a draft is made from: one operation with its service, and what IAM knows of it.

use std::sync::Arc;

use super::words::{core, plain, singular, verb_and_noun};
use crate::aws::iam::ActionFact;
use crate::aws::models::ModelError;
use crate::aws::{OperationModel, ServiceModel, ShapeKind, ShapeModel};
use crate::manifest::compile::{DRY_RUN, Facts};
use crate::names::{Effect, OperationId};

/// Verbs of operations that make what they name: it isn't there before.
const MAKING: [&str; 11] =
    ["allocate", "copy", "create", "import", "launch", "provision", "register", "request", "restore", "run", "upload"];

/// The operation and all that is known around it.
pub(super) struct Ground<'a> {
    pub(super) facts: Facts<'a>,
    pub(super) id: &'a OperationId,
    pub(super) service: Arc<ServiceModel>,
    pub(super) operation: Arc<OperationModel>,
    /// Members of the input that an agent could pass.
    pub(super) members: Vec<Given>,
    /// Such as `Delete`.
    pub(super) verb: String,
    /// Such as `DBInstance`.
    pub(super) noun: String,
    /// What the operation's floor is by IAM.
    pub(super) effect: Effect,
    /// The actions it needs.
    pub(super) needed: Vec<ActionFact>,
}

/// A member of an operation's input, with its shape.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) deprecated: bool,
    pub(super) shape: Arc<ShapeModel>,
    /// The shape of a list's items.
    pub(super) item: Option<Arc<ShapeModel>>,
}

impl<'a> Ground<'a> {
    pub(super) fn of(id: &'a OperationId, facts: Facts<'a>) -> Result<Self, ModelError> {
        let (service, operation) = facts.models.operation(id)?;
        let members = given(&service, &operation)?;
        let (verb, noun) = verb_and_noun(id.name());
        let effect = facts.iam.least_effect(id);
        let needed = facts.iam.actions_for(id).unwrap_or_default();
        Ok(Self { facts, id, service, operation, members, verb, noun, effect, needed })
    }

    /// True where the operation makes the thing that it is named after.
    pub(super) fn makes(&self) -> bool {
        MAKING.contains(&self.verb.to_lowercase().as_str()) && self.effect.changes()
    }

    /// What the operation may be about, the likeliest first: its own noun, then IAM's types of resources.
    pub(super) fn nouns(&self) -> Vec<String> {
        let mut nouns = vec![singular(&plain(&self.noun))];
        for need in &self.needed {
            for required in [true, false] {
                let of = need.resources.iter().filter(|of| of.required == required);
                nouns.extend(of.map(|of| core(of.name.trim_end_matches('*'))));
            }
        }
        nouns.retain(|noun| !noun.is_empty());
        let mut seen = Vec::new();
        nouns.retain(|noun| {
            !seen.contains(noun) && {
                seen.push(noun.clone());
                true
            }
        });
        nouns
    }

    /// A member by its name.
    pub(super) fn member(&self, name: &str) -> Option<&Given> {
        self.members.iter().find(|member| member.name == name)
    }

    /// A shape; `None` where the model has none of that name.
    pub(super) fn shape(&self, name: &str) -> Option<Arc<ShapeModel>> {
        self.service.shape(name).ok()
    }

    /// The members of a shape with their shapes.
    pub(super) fn inside(&self, shape: &ShapeModel) -> Vec<(String, Arc<ShapeModel>)> {
        let members = shape.members().iter().filter(|member| !member.deprecated);
        members.filter_map(|member| Some((member.name.clone(), self.shape(&member.shape)?))).collect()
    }

    /// The shape of a list's items.
    pub(super) fn item(&self, shape: &ShapeModel) -> Option<Arc<ShapeModel>> {
        match &shape.kind {
            ShapeKind::List { member, .. } => self.shape(&member.shape),
            _ => None,
        }
    }

    /// Operations of the same service that only read.
    pub(super) fn reads(&self) -> Vec<Arc<OperationModel>> {
        let reading = |name: &&str| {
            ["Describe", "Get", "List", "Head", "BatchGet", "BatchDescribe"].iter().any(|verb| name.starts_with(verb))
        };
        let names = self.service.operation_names().filter(reading);
        let reads =
            |name: &&str| self.facts.iam.least_effect(&OperationId::new(self.service.name(), *name)) == Effect::Read;
        let models = names.filter(reads).filter_map(|name| self.service.operation(name).ok());
        models.filter(|operation| !operation.deprecated && !operation.event_stream).collect()
    }
}

/// The members of an operation's input that an agent could pass.
pub(super) fn given(service: &ServiceModel, operation: &OperationModel) -> Result<Vec<Given>, ModelError> {
    let Some(input) = &operation.input else { return Ok(Vec::new()) };
    let mut given = Vec::new();
    for member in service.shape(&input.shape)?.members() {
        if member.idempotency_token || (member.name == DRY_RUN && service.name() == "ec2") {
            continue;
        }
        let shape = service.shape(&member.shape)?;
        let item = match &shape.kind {
            ShapeKind::List { member, .. } => Some(service.shape(&member.shape)?),
            _ => None,
        };
        given.push(Given {
            name: member.name.clone(),
            required: member.required,
            deprecated: member.deprecated || shape.deprecated,
            shape,
            item,
        });
    }
    Ok(given)
}

impl Given {
    /// True for a text, and for a list of texts.
    pub(super) fn is_text(&self) -> bool {
        is_text(&self.shape) || self.is_list_of_texts()
    }

    /// True for a list of texts.
    pub(super) fn is_list_of_texts(&self) -> bool {
        self.item.as_deref().is_some_and(is_text)
    }

    /// True where the model says that it is secret.
    pub(super) fn is_sensitive(&self) -> bool {
        self.shape.sensitive || self.item.as_ref().is_some_and(|item| item.sensitive)
    }

    pub(super) fn is_number(&self) -> bool {
        is_number(&self.shape)
    }

    pub(super) fn is_boolean(&self) -> bool {
        matches!(self.shape.kind, ShapeKind::Boolean)
    }
}

pub(super) fn is_text(shape: &ShapeModel) -> bool {
    matches!(shape.kind, ShapeKind::String { .. })
}

pub(super) fn is_number(shape: &ShapeModel) -> bool {
    matches!(shape.kind, ShapeKind::Integer(_) | ShapeKind::Long(_) | ShapeKind::Float(_) | ShapeKind::Double(_))
}

/// True where a value of the shape can stand in a line.
pub(super) fn is_plain(shape: &ShapeModel) -> bool {
    is_text(shape) || is_number(shape) || matches!(shape.kind, ShapeKind::Boolean | ShapeKind::Timestamp)
}
