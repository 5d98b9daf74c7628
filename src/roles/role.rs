//! A role as IAM takes it: trust, permissions in policies under AWS's limits, and a permission boundary.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::actions::compressed;
use super::needs::{ADMINISTRATOR, Conditions, RoleNeeds, widest};
use crate::aws::iam::IamFacts;
use crate::config::Account;
use crate::credentials::SESSION_TAGS;
use crate::ports::Purpose;

/// Most characters of a managed policy, white space not counted.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const MOST_CHARACTERS: usize = 6144;

/// Most managed policies of a role, by AWS's default quota.
pub const MOST_POLICIES: usize = 10;

/// The action that gives a role's credentials.
pub const ASSUME: &str = "sts:AssumeRole";

/// What the server does with a role.
pub const ASSUMING: [&str; 3] = [ASSUME, "sts:SetSourceIdentity", "sts:TagSession"];

/// IAM's key for the region of the endpoint that a call goes to.
const REQUESTED_REGION: &str = "aws:RequestedRegion";

/// What of API Gateway, which has one action for all that is read, are API keys.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-iam-policy-examples.html>
const REVEALED_BY_GET: [&str; 3] = ["/apikeys", "/apikeys/*", "/usageplans/*/keys*"];

/// The services by whose other actions one becomes more than one is, or makes data unreadable.
const WIDENED_LAST: [&str; 5] = ["iam", "kms", "organizations", "secretsmanager", "sts"];

/// A role to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name.
    pub name: String,
    /// Its path, such as `/` or `/agents/`.
    pub path: String,
    /// Its ARN.
    pub arn: String,
    /// Who may assume it.
    pub trust: Value,
    /// What it can do at most, whatever is attached to it.
    pub boundary: Boundary,
    /// What it can do, and must not: names and documents of managed policies.
    pub policies: Vec<(String, Value)>,
    /// The ARN of AWS's managed policy that covers families.
    pub managed: Option<String>,
}

/// A permission boundary.
#[derive(Clone, Debug, PartialEq)]
pub enum Boundary {
    /// A policy of its own.
    Own {
        /// Its name.
        name: String,
        /// Its text.
        document: Value,
    },
    /// One of AWS's managed policies.
    Managed(String),
}

/// Why there is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRole {
    /// Nothing asks for it.
    #[error("no tool that is loaded needs the {0} role")]
    NothingNeeded(&'static str),
    /// AWS's limits are too tight.
    #[error(
        "the {role} role would need {policies} managed policies, AWS attaches {MOST_POLICIES} at most (most of it is for \
         {heaviest}): make it for some toolsets (`--toolset NAME`, and `toolsets` and `disabled` in `[manifests]`), \
         for fewer regions, or cover fewer families (`--families`)"
    )]
    TooMany {
        /// Which role.
        role: &'static str,
        /// How many there would be.
        policies: usize,
        /// The services whose permissions take the most room, for people.
        heaviest: String,
    },
    /// One statement is too long by itself.
    #[error(
        "one statement of the {role} role has {characters} characters, a policy {MOST_CHARACTERS} at most: configure \
         fewer regions, or load fewer tools"
    )]
    TooLong {
        /// Which role.
        role: &'static str,
        /// How long it is.
        characters: usize,
    },
}

/// What roles are made of.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The account.
    pub account: &'a Account,
    /// The ARN of the server's own identity, which assumes the role.
    pub trusted: &'a str,
    /// IAM's facts.
    pub iam: &'a IamFacts,
}

/// The word for a role.
pub fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Read => "read",
        Purpose::Change => "change",
    }
}

impl Role {
    /// Makes a role of what it needs.
    ///
    /// # Errors
    /// Where nothing is needed, or AWS's limits are too tight.
    pub fn of(needs: &RoleNeeds, purpose: Purpose, ground: Ground<'_>) -> Result<Self, NoRole> {
        if needs.is_empty() {
            return Err(NoRole::NothingNeeded(word(purpose)));
        }
        let (name, path) = name_and_path(ground.account, purpose);
        let partition = partition_of(ground.account);
        let documents = policies(needs, purpose, partition, ground.iam)?;
        let policies = documents.into_iter().enumerate();
        Ok(Self {
            arn: format!("arn:{partition}:iam::{}:role{path}{name}", ground.account.id),
            trust: trust(ground.account, ground.trusted),
            boundary: boundary(needs, partition, &name, ground.account, ground.iam),
            managed: needs.managed().map(|name| managed(partition, name)),
            policies: policies.map(|(index, document)| (format!("{name}-{}", index + 1), document)).collect(),
            purpose,
            name,
            path,
        })
    }
}

/// The configured role's, or the usual one's.
fn name_and_path(account: &Account, purpose: Purpose) -> (String, String) {
    let configured = match purpose {
        Purpose::Read => &account.read_role,
        Purpose::Change => &account.change_role,
    };
    let resource = configured.as_deref().and_then(|arn| arn.splitn(6, ':').nth(5)?.strip_prefix("role/"));
    match resource.map(|resource| resource.rsplit_once('/').unwrap_or(("", resource))) {
        Some(("", name)) => (name.to_owned(), "/".to_owned()),
        Some((path, name)) => (name.to_owned(), format!("/{path}/")),
        None => (format!("countersign-{}", word(purpose)), "/".to_owned()),
    }
}

/// The server's own identity alone, with the account's external id, and only where it says for whom. A statement for each
/// action, because a condition on a key that IAM doesn't know for an action may never hold.
///
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html>
fn trust(account: &Account, trusted: &str) -> Value {
    let statements = ASSUMING.map(|action| {
        let mut conditions = Map::new();
        match action {
            "sts:TagSession" => {
                conditions.insert("ForAllValues:StringEquals".to_owned(), json!({ "aws:TagKeys": SESSION_TAGS }));
            }
            _ => {
                conditions.insert("StringLike".to_owned(), json!({ "sts:SourceIdentity": "*" }));
            }
        }
        if let (ASSUME, Some(id)) = (action, &account.external_id) {
            conditions.insert("StringEquals".to_owned(), json!({ "sts:ExternalId": id }));
        }
        json!({ "Effect": "Allow", "Principal": { "AWS": trusted }, "Action": action, "Condition": conditions })
    });
    document(statements.into())
}

/// What stands in a statement besides its actions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    denies: bool,
    regions: BTreeSet<String>,
    conditions: Conditions,
    resources: BTreeSet<String>,
}

impl Frame {
    fn statement(&self, actions: &[String]) -> Value {
        if self.denies {
            return json!({ "Effect": "Deny", "Action": actions, "Resource": self.resources });
        }
        let mut conditions: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for (operator, key, values) in &self.conditions {
            conditions.entry(operator).or_default().entry(key).or_default().extend(values.iter().map(String::as_str));
        }
        let regions = self.regions.iter().map(String::as_str).collect();
        conditions.entry("StringEquals").or_default().insert(REQUESTED_REGION, regions);
        json!({ "Effect": "Allow", "Action": actions, "Resource": self.resources, "Condition": conditions })
    }
}

/// The statements, split over policies that are each short enough.
fn policies(needs: &RoleNeeds, purpose: Purpose, partition: &str, iam: &IamFacts) -> Result<Vec<Value>, NoRole> {
    let mut policies: Vec<Vec<Value>> = vec![Vec::new()];
    for (frame, actions) in frames(needs, partition) {
        let mut current: Vec<String> = Vec::new();
        for action in compressed(actions.iter().map(String::as_str), iam) {
            current.push(action.clone());
            let Some(last) = policies.last() else { continue };
            let longer: Vec<Value> = last.iter().cloned().chain([frame.statement(&current)]).collect();
            if characters(&document(longer)) <= MOST_CHARACTERS {
                continue;
            }
            current.pop();
            if !current.is_empty()
                && let Some(last) = policies.last_mut()
            {
                last.push(frame.statement(&current));
            }
            current = vec![action];
            let alone = characters(&document(vec![frame.statement(&current)]));
            if alone > MOST_CHARACTERS {
                return Err(NoRole::TooLong { role: word(purpose), characters: alone });
            }
            policies.push(Vec::new());
        }
        if let Some(last) = policies.last_mut() {
            last.push(frame.statement(&current));
        }
    }
    policies.retain(|statements| !statements.is_empty());
    match policies.len() + usize::from(needs.managed().is_some()) {
        0..=MOST_POLICIES => Ok(policies.into_iter().map(document).collect()),
        count => Err(NoRole::TooMany { role: word(purpose), policies: count, heaviest: heaviest(needs) }),
    }
}

/// The services whose permissions take the most room, the heaviest first.
fn heaviest(needs: &RoleNeeds) -> String {
    let mut weights: BTreeMap<&str, usize> = BTreeMap::new();
    for (permission, _) in needs.iter() {
        *weights.entry(service(&permission.action)).or_default() += permission.action.len() + permission.resource.len();
    }
    let mut weights: Vec<(&str, usize)> = weights.into_iter().collect();
    weights.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    weights.iter().take(4).map(|(service, _)| format!("`{service}`")).collect::<Vec<_>>().join(", ")
}

fn service(action: &str) -> &str {
    action.split(':').next().unwrap_or_default()
}

/// The permissions grouped: actions that share all else stand together.
fn frames(needs: &RoleNeeds, partition: &str) -> BTreeMap<Frame, BTreeSet<String>> {
    let mut by_action: BTreeMap<(&BTreeSet<String>, &Conditions, &str), BTreeSet<String>> = BTreeMap::new();
    for (permission, _) in needs.iter() {
        let key = (&permission.regions, &permission.conditions, permission.action.as_str());
        by_action.entry(key).or_default().insert(permission.resource.clone());
    }
    let mut frames: BTreeMap<Frame, BTreeSet<String>> = BTreeMap::new();
    for ((regions, conditions, action), resources) in by_action {
        let resources = widest(&resources);
        let frame = Frame { denies: false, regions: regions.clone(), conditions: conditions.clone(), resources };
        frames.entry(frame).or_default().insert(action.to_owned());
    }
    if !needs.denied().is_empty() {
        let everything = BTreeSet::from(["*".to_owned()]);
        let frame =
            Frame { denies: true, regions: BTreeSet::new(), conditions: Conditions::new(), resources: everything };
        frames.insert(frame, needs.denied().clone());
        let keys = REVEALED_BY_GET.map(|path| format!("arn:{partition}:apigateway:*::{path}"));
        let frame = Frame {
            denies: true,
            regions: BTreeSet::new(),
            conditions: Conditions::new(),
            resources: keys.into_iter().collect(),
        };
        frames.insert(frame, BTreeSet::from(["apigateway:GET".to_owned()]));
    }
    frames
}

/// The boundary of the role that would be made for a purpose.
pub(super) fn boundary_for(needs: &RoleNeeds, purpose: Purpose, account: &Account, iam: &IamFacts) -> Boundary {
    let (name, _) = name_and_path(account, purpose);
    boundary(needs, partition_of(account), &name, account, iam)
}

fn partition_of(account: &Account) -> &'static str {
    account.regions.first().map_or("aws", |region| region.partition())
}

/// The very actions the role needs, on any resource: whatever is attached to the role later, it can do nothing else. With a
/// family, a read role stays within AWS's `ReadOnlyAccess`, and a change role can at least not change itself.
fn boundary(needs: &RoleNeeds, partition: &str, name: &str, account: &Account, iam: &IamFacts) -> Boundary {
    let own = |document| Boundary::Own { name: format!("{name}-boundary"), document };
    match needs.managed() {
        Some(ADMINISTRATOR) => {
            let mine = ["role", "policy"].map(|kind| format!("arn:{partition}:iam::{}:{kind}/*{name}*", account.id));
            own(document(vec![
                json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }),
                json!({ "Effect": "Deny", "Action": "iam:*", "Resource": mine }),
            ]))
        }
        Some(family) => Boundary::Managed(managed(partition, family)),
        None => {
            let actions = within(compressed(needs.actions(), iam), MOST_CHARACTERS);
            own(boundary_of(&actions))
        }
    }
}

fn boundary_of(actions: &[String]) -> Value {
    document(vec![json!({ "Effect": "Allow", "Action": actions, "Resource": "*" })])
}

/// The actions of a boundary. Where they are too long, those of the service that takes the most room are widened to all of
/// it, one service after the other; those by which anybody could become more only at last.
pub(super) fn within(actions: impl IntoIterator<Item = String>, most: usize) -> Vec<String> {
    let mut by_service: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for action in actions {
        by_service.entry(service(&action).to_owned()).or_default().push(action);
    }
    loop {
        let actions: Vec<String> = by_service.values().flatten().cloned().collect();
        if characters(&boundary_of(&actions)) <= most {
            return actions;
        }
        let room = |actions: &Vec<String>| actions.iter().map(String::len).sum::<usize>();
        let wide = by_service.iter().filter(|(_, actions)| actions.len() > 1);
        let widest = wide.max_by_key(|(name, actions)| (!WIDENED_LAST.contains(&name.as_str()), room(actions)));
        let Some(name) = widest.map(|(name, _)| name.clone()) else { return actions };
        by_service.insert(name.clone(), vec![format!("{name}:*")]);
    }
}

fn managed(partition: &str, name: &str) -> String {
    format!("arn:{partition}:iam::aws:policy/{name}")
}

fn document(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// As AWS counts: without white space between the parts.
pub(super) fn characters(document: &Value) -> usize {
    document.to_string().chars().count()
}
