//! What an account's roles need so that every loaded tool can do what its manifest says, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::iam::arn::{any_of, has_form};
use crate::aws::iam::{ActionFact, EscalationPath, IamFacts};
use crate::config::Account;
use crate::manifest::catalog::Catalog;
use crate::manifest::spec::{DryRunKind, Place, Scope, Tool};
use crate::names::{Effect, OperationId, Region};

use super::glob::{covers, covers_action};

/// Any name, in the form of an ARN.
const ANY: &str = "*";

/// A permission: an action on a resource, in some regions, under conditions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// What must hold besides the region: operator, key and values.
    pub conditions: Conditions,
    /// The regions that IAM sees; see `aws:RequestedRegion`.
    pub regions: BTreeSet<String>,
    /// A pattern of ARNs.
    pub resource: String,
    /// An action, without wildcards.
    pub action: String,
}

/// Conditions: operator, key and values.
pub type Conditions = BTreeSet<(String, String, Vec<String>)>;

/// AWS's managed policy for reading nearly everything.
pub const READ_ONLY: &str = "ReadOnlyAccess";

/// AWS's managed policy for everything.
pub const ADMINISTRATOR: &str = "AdministratorAccess";

/// What one role needs, and for which tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleNeeds {
    permissions: BTreeMap<Permission, BTreeSet<String>>,
    managed: Option<&'static str>,
    denied: BTreeSet<String>,
}

/// What both roles of an account need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// For reading targets and for tools that only read.
    pub read: RoleNeeds,
    /// For tools that change something or reveal secrets.
    pub change: RoleNeeds,
}

/// Whether the roles cover the families' operations, which no manifest narrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// None: only tools with manifests of their own work.
    None,
    /// Those that only read.
    #[default]
    Read,
    /// All: the change role then may do nearly everything.
    All,
}

/// A role that contains a known way to more permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation<'a> {
    /// The way.
    pub path: &'a EscalationPath,
    /// The tools that ask for its actions.
    pub tools: BTreeSet<&'a str>,
}

/// What roles are made for.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The account.
    pub account: &'a Account,
    /// The tools.
    pub catalog: &'a Catalog,
    /// Which families to cover.
    pub families: Families,
    /// Only tools and families of these toolsets; where there are none, all.
    pub toolsets: &'a [String],
    /// The region that a call of an operation is signed for, made in a region.
    pub signed_for: &'a dyn Fn(&OperationId, &Region) -> String,
}

impl Needs {
    /// Collects what the tools of a catalog need in an account.
    pub fn of(ground: Ground<'_>) -> Self {
        let mut needs = Self::default();
        let wanted = |toolset: &str| ground.toolsets.is_empty() || ground.toolsets.iter().any(|one| one == toolset);
        for tool in ground.catalog.tools().filter(|tool| wanted(&tool.toolset)) {
            let maker = Maker { ground, tool };
            maker.reads(&mut needs.read);
            let role = if tool.effect == Effect::Read { &mut needs.read } else { &mut needs.change };
            maker.scopes(&tool.operation, &tool.scopes, role);
            maker.scopes(&tool.operation, &tool.dry_run_scopes, &mut needs.change);
            for point in &tool.recovery_points {
                maker.scopes(&point.take, &point.scopes, &mut needs.change);
            }
        }
        for family in ground.catalog.families().filter(|family| wanted(family.toolset())) {
            match (ground.families, family.effect()) {
                (Families::Read | Families::All, Effect::Read) => needs.read.read_everything(ground.catalog.iam()),
                (Families::All, _) => needs.change.managed = Some(ADMINISTRATOR),
                (Families::None | Families::Read, _) => {}
            }
        }
        needs
    }
}

impl RoleNeeds {
    /// Each permission with the tools that need it.
    pub fn iter(&self) -> impl Iterator<Item = (&Permission, &BTreeSet<String>)> {
        self.permissions.iter()
    }

    /// AWS's managed policy that covers a family: nobody can name each of its operations within IAM's limits.
    pub fn managed(&self) -> Option<&'static str> {
        self.managed
    }

    /// Actions that the role must not have whatever that policy allows.
    pub fn denied(&self) -> &BTreeSet<String> {
        &self.denied
    }

    /// True where no tool needs the role.
    pub fn is_empty(&self) -> bool {
        self.permissions.is_empty() && self.managed.is_none()
    }

    /// The actions.
    pub fn actions(&self) -> BTreeSet<&str> {
        self.permissions.keys().map(|permission| permission.action.as_str()).collect()
    }

    /// The known ways to more permissions that the role contains, if a path's actions are looked at without their
    /// resources.
    pub fn escalations<'a>(&'a self, iam: &'a IamFacts) -> Vec<Escalation<'a>> {
        let all = self.managed == Some(ADMINISTRATOR);
        let named = |action: &str| self.permissions.keys().any(|permission| covers_action(&permission.action, action));
        let allows = |action: &str| all || named(action);
        let tools = |path: &EscalationPath| {
            let of = |action: &String| {
                let asking =
                    self.permissions.iter().filter(|(permission, _)| covers_action(&permission.action, action));
                asking.flat_map(|(_, tools)| tools).map(String::as_str).collect::<Vec<_>>()
            };
            path.needs.iter().flat_map(of).collect()
        };
        iam.escalations(allows).into_iter().map(|path| Escalation { path, tools: tools(path) }).collect()
    }

    pub(super) fn add(&mut self, tool: &str, permission: Permission) {
        self.permissions.entry(permission).or_default().insert(tool.to_owned());
    }

    /// What reads only, of all services, without what reveals secrets.
    fn read_everything(&mut self, iam: &IamFacts) {
        self.managed = Some(READ_ONLY);
        let needed: BTreeSet<&str> = self.actions();
        let denied = iam.revealing().into_iter().filter(|action| !needed.contains(action.as_str())).collect();
        self.denied = denied;
    }
}

impl Ground<'_> {
    /// The regions that IAM sees where an operation is called in any of the account's; those themselves, too, where one
    /// service may ask another on the caller's behalf.
    fn regions(&self, operation: &OperationId, beyond: bool) -> BTreeSet<String> {
        let signed = self.account.regions.iter().map(|region| (self.signed_for)(operation, region));
        let own = self.account.regions.iter().filter(|_| beyond).map(|region| region.as_str().to_owned());
        signed.chain(own).collect()
    }
}

/// Collects what one tool needs.
struct Maker<'a> {
    ground: Ground<'a>,
    tool: &'a Tool,
}

impl Maker<'_> {
    /// What targets, their tags and dependents are read with, and the harmless dry run that an endpoint is tried with.
    fn reads(&self, role: &mut RoleNeeds) {
        let canary = OperationId::new("ec2", "DescribeInstances");
        let canary = (self.tool.dry_run == DryRunKind::Native).then_some(&canary);
        for operation in self.tool.reads().chain(canary) {
            let regions = self.ground.regions(operation, false);
            let actions = self.ground.catalog.iam().actions_for(operation).unwrap_or_default();
            for action in actions.iter().filter(|action| action.level.only_reads()) {
                for resource in self.readable(action) {
                    let permission = Permission {
                        conditions: Conditions::new(),
                        regions: regions.clone(),
                        resource,
                        action: action.name.clone(),
                    };
                    role.add(&self.tool.name, permission);
                }
            }
        }
    }

    /// What the scopes of an operation allow, for any target.
    fn scopes(&self, operation: &OperationId, scopes: &[Scope], role: &mut RoleNeeds) {
        let own = self.ground.catalog.iam().actions_for(operation).unwrap_or_default();
        let prefix = |action: &str| action.split(':').next().unwrap_or_default().to_owned();
        for scope in scopes {
            for action in &scope.actions {
                let beyond = !own.iter().any(|known| prefix(&known.name) == prefix(action));
                let mut regions = self.ground.regions(operation, beyond);
                if beyond {
                    regions.extend(self.ground.regions(&OperationId::new("iam", "GetRole"), true));
                }
                for (resource, conditions) in self.allowed(scope) {
                    let permission =
                        Permission { conditions, regions: regions.clone(), resource, action: action.clone() };
                    role.add(&self.tool.name, permission);
                }
            }
        }
    }

    fn allowed(&self, scope: &Scope) -> Vec<(String, Conditions)> {
        let places = self.places();
        let filled = |place: &Place<'_>| {
            let conditions: Conditions = scope
                .conditions
                .iter()
                .map(|condition| {
                    let values = condition.values.iter().filter_map(|value| self.tool.form(value, *place)).collect();
                    (wide(&condition.operator).to_owned(), condition.key.clone(), values)
                })
                .collect();
            let resources = scope.resources.iter().filter_map(|resource| self.tool.form(resource, *place));
            resources.map(|resource| (resource, conditions.clone())).collect::<Vec<_>>()
        };
        places.iter().flat_map(filled).collect()
    }

    /// The resources that a read action is allowed on: the targets' form where the action takes it, and all of each type
    /// that must be named besides.
    fn readable(&self, action: &ActionFact) -> BTreeSet<String> {
        let iam = self.ground.catalog.iam();
        let prefix = action.name.split(':').next().unwrap_or_default();
        let types = iam.resource_types(prefix);
        let forms: Vec<(String, bool)> = action
            .resources
            .iter()
            .filter_map(|of| Some((types.iter().find(|known| known.name == of.name)?.arn.clone(), of.required)))
            .collect();
        if forms.is_empty() {
            return BTreeSet::from([ANY.to_owned()]);
        }
        let mut found = BTreeSet::new();
        let account = self.ground.account;
        for (place, region) in self.places().into_iter().zip(&account.regions) {
            let target = self.tool.targets.as_ref().and_then(|targets| self.tool.form(&targets.arn, place));
            // A name may have several parts, as a bucket with a key has.
            let sample = Place { name: "a/b", ..place };
            let sample = self.tool.targets.as_ref().and_then(|targets| self.tool.form(&targets.arn, sample));
            let fits = |form: &str| [&target, &sample].into_iter().flatten().any(|arn| has_form(arn, form));
            let any_fits = forms.iter().any(|(form, _)| fits(form));
            for (form, required) in &forms {
                match &target {
                    Some(target) if fits(form) => {
                        found.insert(target.clone());
                        let scopes = self.tool.scopes.iter().flat_map(|scope| &scope.resources);
                        let scopes = scopes.filter_map(|resource| self.tool.form(resource, place));
                        found.extend(scopes.filter(|arn| {
                            arn.strip_prefix(target.as_str()).is_some_and(|more| more.starts_with([':', '/']))
                        }));
                    }
                    _ if !any_fits || *required => {
                        found.insert(any_of(form, region, &account.id));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    fn places(&self) -> Vec<Place<'_>> {
        let account = self.ground.account;
        let place = |region| Place {
            partition: Region::partition(region),
            account: &account.id,
            region: region.as_str(),
            name: ANY,
        };
        account.regions.iter().map(place).collect()
    }
}

/// In a role, names are not known yet: what must be equal in a call must be alike here.
fn wide(operator: &str) -> &str {
    match operator {
        "StringEquals" => "StringLike",
        "StringEqualsIfExists" => "StringLikeIfExists",
        "ArnEquals" => "ArnLike",
        "ForAnyValue:StringEquals" => "ForAnyValue:StringLike",
        other => other,
    }
}

/// Leaves out patterns that another one covers.
pub fn widest(resources: &BTreeSet<String>) -> BTreeSet<String> {
    let covered = |one: &String| resources.iter().any(|other| other != one && covers(other, one));
    resources.iter().filter(|one| !covered(one)).cloned().collect()
}
