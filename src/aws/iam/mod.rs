//! IAM facts: which actions an operation needs, what they act on, and how much harm they can do.
//!
//! The facts are those of AWS's Service Authorization Reference, made into `data/iam.pack` by `scripts/iam_facts.py`. What
//! they don't say is `None`, which callers take for the worst.

pub mod arn;
mod effect;
mod escalation;
mod facts;
mod secrets;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lru::LruCache;

pub use escalation::EscalationPath;
pub use facts::{AccessLevel, ActionResource, ConditionKey, ResourceType};

use super::models::nearest;
use super::pack::{Pack, PackError};
use crate::names::{Effect, OperationId};
use facts::PrefixFacts;

static IAM: &[u8] = include_bytes!("../../../data/iam.pack");
const PACK: &str = "pack of IAM facts";
const MAGIC: &[u8; 8] = b"CSIAMFA1";
/// Prefixes that are kept unpacked; one takes some ten kilobytes, ec2's a megabyte.
const KEPT: NonZeroUsize = NonZeroUsize::new(16).unwrap();

/// The IAM facts of all services. Cloning is cheap and shares everything.
#[derive(Clone)]
pub struct IamFacts(Arc<Shared>);

struct Shared {
    pack: Pack,
    /// botocore's services and the IAM prefixes of their actions.
    services: HashMap<String, Vec<String>>,
    /// Operations whose actions don't have their name.
    operations: HashMap<String, Vec<NeededAction>>,
    prefixes: Mutex<LruCache<String, Arc<PrefixFacts>>>,
    escalations: Vec<EscalationPath>,
}

/// An action by name, and whether each call of an operation needs it.
#[derive(Clone, Debug)]
struct NeededAction {
    action: String,
    always: bool,
}

/// An IAM action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionFact {
    /// Prefix and name, such as `ec2:TerminateInstances`.
    pub name: String,
    /// How much it allows.
    pub level: AccessLevel,
    /// The resource types it acts on; empty where it knows none and takes `*` only.
    pub resources: Vec<ActionResource>,
    /// The condition keys it knows, its resources' own included.
    pub condition_keys: Vec<String>,
    /// Other actions that AWS checks with it, such as `iam:PassRole`; only some calls need them.
    pub dependent: Vec<String>,
    /// Every call of the operation needs it; otherwise only calls with certain arguments do.
    pub always: bool,
}

impl IamFacts {
    /// The facts inside this binary, read once for the whole process; a prefix is unpacked on first use.
    ///
    /// # Errors
    /// Where the pack is damaged, which means that the binary is.
    pub fn embedded() -> Result<Self, PackError> {
        static FACTS: OnceLock<Result<IamFacts, PackError>> = OnceLock::new();
        FACTS.get_or_init(Self::open).clone()
    }

    fn open() -> Result<Self, PackError> {
        let pack = Pack::open(PACK, MAGIC, IAM)?;
        let text = |name: &str| {
            let missing = || PackError { pack: PACK, what: format!("`{name}` is missing") };
            pack.unpack(PACK, name).ok_or_else(missing)?
        };
        let services = text("=services")?;
        let services = services.lines().filter_map(|line| line.split_once('\t'));
        let services = services.map(|(service, prefixes)| (service.to_owned(), words(prefixes))).collect();
        let operations = text("=operations")?;
        let operations = operations.lines().filter_map(|line| line.split_once('\t'));
        let operations = operations
            .map(|(operation, actions)| {
                let needed = actions.split(' ').map(|action| match action.strip_suffix('?') {
                    Some(action) => NeededAction { action: action.to_owned(), always: false },
                    None => NeededAction { action: action.to_owned(), always: true },
                });
                (operation.to_owned(), needed.collect())
            })
            .collect();
        let escalations = escalation::table().map_err(|what| PackError { pack: "table of escalation paths", what })?;
        let prefixes = Mutex::new(LruCache::new(KEPT));
        Ok(Self(Arc::new(Shared { pack, services, operations, prefixes, escalations })))
    }

    /// The actions an operation needs, at least one; `None` where the facts don't tell.
    pub fn actions_for(&self, operation: &OperationId) -> Option<Vec<ActionFact>> {
        if let Some(needed) = self.0.operations.get(&operation.to_string()) {
            let known = needed.iter().map(|needed| {
                let fact = self.action(&needed.action)?;
                Some(ActionFact { always: needed.always, ..fact })
            });
            return known.collect();
        }
        let prefixes = self.0.services.get(operation.service())?;
        let same = prefixes.iter().find_map(|prefix| self.named(prefix, operation.name()))?;
        Some(vec![same])
    }

    /// The worst access level of the actions an operation needs; `None` where the facts don't tell.
    pub fn access_level(&self, operation: &OperationId) -> Option<AccessLevel> {
        self.actions_for(operation)?.iter().map(|action| action.level).max()
    }

    /// The least effect an operation can be declared with. Not knowing is `Destructive`.
    ///
    /// List and Read are `Read`, or `Secret` where [`Self::reveals`] says so, or `Write` where the name tells of a change
    /// all the same; Tagging, Write and Permissions management are `Write`, or `Destructive` where the name (or that of an
    /// action) tells of a loss.
    pub fn least_effect(&self, operation: &OperationId) -> Effect {
        effect::least(operation, self.actions_for(operation).as_deref())
    }

    /// Why an operation's result is a secret; `None` where it isn't known for one. Holds for changing operations too,
    /// such as `iam:CreateAccessKey`.
    pub fn reveals(&self, operation: &OperationId) -> Option<&'static str> {
        secrets::why(operation)
    }

    /// The actions by which operations that change nothing reveal secrets, sorted. Those that reveal other things too
    /// (`apigateway:GET`) are not among them.
    pub fn revealing(&self) -> Vec<String> {
        let mut found: Vec<String> = secrets::SECRETS
            .iter()
            .flat_map(|(service, names, _)| names.iter().map(|name| OperationId::new(*service, *name)))
            .filter_map(|operation| self.actions_for(&operation))
            .flatten()
            .filter(|action| action.level.only_reads() && self.reveals_by(&action.name).is_some())
            .map(|action| action.name)
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// Why what an action allows to read is a secret; `None` where it isn't known for one.
    pub fn reveals_by(&self, action: &str) -> Option<&'static str> {
        let (prefix, name) = action.split_once(':')?;
        secrets::by_name(name, |service| self.prefixes_of(service).iter().any(|known| known == prefix))
    }

    /// The known ways to more permissions whose every action is allowed.
    pub fn escalations(&self, allows: impl Fn(&str) -> bool) -> Vec<&EscalationPath> {
        self.0.escalations.iter().filter(|path| path.is_within(&allows)).collect()
    }

    /// Names of all actions under a prefix, without the prefix, sorted.
    pub fn actions_of(&self, prefix: &str) -> Vec<String> {
        self.prefix(prefix)
            .map(|facts| facts.actions.iter().map(|action| action.name.clone()).collect())
            .unwrap_or_default()
    }

    /// An action by its prefix and name, such as `ec2:TerminateInstances`, in any case.
    pub fn action(&self, name: &str) -> Option<ActionFact> {
        let (prefix, name) = name.split_once(':')?;
        self.named(prefix, name)
    }

    /// Up to three actions that look most like a name, best first.
    pub fn nearest_actions(&self, name: &str) -> Vec<String> {
        let (prefix, wanted) = name.split_once(':').unwrap_or((name, ""));
        match self.prefix(prefix) {
            Some(facts) => {
                let near = nearest(wanted, facts.actions.iter().map(|action| action.name.as_str()));
                near.into_iter().map(|name| format!("{prefix}:{name}")).collect()
            }
            None => nearest(prefix, self.prefixes()).into_iter().map(|prefix| format!("{prefix}:*")).collect(),
        }
    }

    /// All IAM prefixes, sorted.
    pub fn prefixes(&self) -> impl Iterator<Item = &'static str> {
        self.0.pack.names().filter(|name| !name.starts_with('='))
    }

    /// The IAM prefixes of a service's actions (botocore's name of the service); empty where there are none.
    pub fn prefixes_of(&self, service: &str) -> &[String] {
        self.0.services.get(service).map_or(&[], Vec::as_slice)
    }

    /// The resource types under a prefix, with their ARNs' formats.
    pub fn resource_types(&self, prefix: &str) -> Vec<ResourceType> {
        self.prefix(prefix).map(|facts| facts.resources.clone()).unwrap_or_default()
    }

    /// The ARN format of a resource type under a prefix; `None` where there is no such type.
    pub fn arn_format(&self, prefix: &str, kind: &str) -> Option<String> {
        self.prefix(prefix)?.resources.iter().find(|known| known.name == kind).map(|known| known.arn.clone())
    }

    /// The ARN formats of the resource types an action acts on, such as
    /// `arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}`; empty where it takes `*` only.
    pub fn arn_formats(&self, action: &str) -> Vec<String> {
        let Some((fact, (prefix, _))) = self.action(action).zip(action.split_once(':')) else { return Vec::new() };
        fact.resources.iter().filter_map(|of| self.arn_format(prefix, &of.name)).collect()
    }

    /// The condition keys under a prefix.
    pub fn condition_keys(&self, prefix: &str) -> Vec<ConditionKey> {
        self.prefix(prefix).map(|facts| facts.condition_keys.clone()).unwrap_or_default()
    }

    fn named(&self, prefix: &str, name: &str) -> Option<ActionFact> {
        let facts = self.prefix(prefix)?;
        let action = facts.actions.iter().find(|action| action.name.eq_ignore_ascii_case(name))?;
        Some(ActionFact {
            name: format!("{prefix}:{}", action.name),
            level: action.level,
            resources: action.resources.clone(),
            condition_keys: action.condition_keys.clone(),
            dependent: action.dependent.clone(),
            always: true,
        })
    }

    fn prefix(&self, prefix: &str) -> Option<Arc<PrefixFacts>> {
        if let Some(found) = self.kept().get(prefix) {
            return Some(found.clone());
        }
        if prefix.starts_with('=') {
            return None;
        }
        let text = match self.0.pack.unpack(PACK, prefix)? {
            Ok(text) => text,
            Err(damaged) => {
                tracing::error!(%damaged, prefix, "IAM facts can't be read: what needs them is taken for the worst");
                return None;
            }
        };
        let facts = Arc::new(PrefixFacts::parse(&text));
        self.kept().put(prefix.to_owned(), facts.clone());
        Some(facts)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, LruCache<String, Arc<PrefixFacts>>> {
        self.0.prefixes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for IamFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IamFacts").field("pack", &self.0.pack).finish_non_exhaustive()
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
