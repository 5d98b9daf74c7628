//! What a call hands on to AWS's services: roles, keys, tags. For each AWS asks the caller for another action besides the
//! operation's own, above all `iam:PassRole`.
//!
//! AWS's reference knows which actions depend on others, but not of all operations that take a role, nor which member asks
//! for which. So the members' names tell, as they stand in the service models.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html>

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::aws::iam::{AccessLevel, ActionFact, IamFacts};
use crate::aws::service::ServiceModel;
use crate::aws::shape::{ShapeKind, ShapeModel};

/// The action that hands a role on.
pub const PASS_ROLE: &str = "iam:PassRole";

/// Longest name of a role.
const LONGEST_ROLE: usize = 64;

/// What a member hands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A role, by ARN or name.
    Role,
    /// An instance profile, and with it a role that isn't named.
    Profile,
    /// A key of KMS.
    Key,
    /// Tags for what is made.
    Tags,
}

/// An operation's own actions, as far as they say what its calls hand on.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// The service's model.
    pub service: &'a ServiceModel,
    /// The operation's name.
    pub name: &'a str,
    /// The actions it needs.
    pub actions: &'a [ActionFact],
}

/// What some arguments hand on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandedOn {
    /// Roles, as ARNs with `{partition}` and `{account}` where only a name is known.
    pub roles: BTreeSet<String>,
    /// Keys, as ARNs with `{partition}`, `{region}` and `{account}` where only an id is known.
    pub keys: BTreeSet<String>,
    /// There are tags.
    pub tags: bool,
    /// What can't be scoped, and why.
    pub unscoped: Vec<String>,
}

impl<'a> Operation<'a> {
    /// The actions that AWS checks besides the operation's own, in some of its calls.
    pub fn dependent(&self) -> BTreeSet<&'a str> {
        self.actions.iter().flat_map(|action| &action.dependent).map(String::as_str).collect()
    }

    /// Its dependent actions of KMS.
    pub fn of_keys(&self) -> Vec<&'a str> {
        self.dependent().into_iter().filter(|action| action.starts_with("kms:")).collect()
    }

    /// Its dependent actions that tag what is made.
    pub fn tagging(&self, iam: &IamFacts) -> Vec<&'a str> {
        let tags = |action: &&str| iam.action(action).is_some_and(|fact| fact.level == AccessLevel::Tagging);
        self.dependent().into_iter().filter(tags).collect()
    }

    fn passes(&self) -> bool {
        self.dependent().contains(PASS_ROLE)
    }

    /// What a member of this name hands on, by its shape.
    fn kind(&self, member: &str, shape: &ShapeModel) -> Option<Kind> {
        let lower = member.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let text = match &shape.kind {
            ShapeKind::String { enum_values, .. } => enum_values.is_empty(),
            ShapeKind::List { .. } | ShapeKind::Map { .. } | ShapeKind::Structure { .. } => true,
            _ => false,
        };
        let own = |service: &str| self.service.name() == service;
        if !text {
            return None;
        }
        if ["tags", "taglist", "tagset", "tagspecification", "tagspecifications"].contains(&lower.as_str()) {
            return Some(Kind::Tags);
        }
        if has(&["instanceprofile"]) {
            // a template is judged by who launches from it
            return (!own("iam") && !self.name.contains("LaunchTemplate")).then_some(Kind::Profile);
        }
        if has(&["kms"]) && has(&["key", "arn"]) {
            return (!own("kms")).then_some(Kind::Key);
        }
        if nobody(&lower) || ((own("iam") || own("sts")) && !self.passes()) {
            return None;
        }
        let ends = ["role", "roles", "rolearn", "rolearns", "rolename", "credentials", "permissionarn"];
        ends.iter().any(|end| lower.ends_with(end)).then_some(Kind::Role)
    }

    /// What arguments hand on.
    pub fn hands_on(&self, input: Option<&ShapeModel>, arguments: &Map<String, Value>) -> HandedOn {
        let mut found = HandedOn::default();
        let Some(input) = input else { return found };
        for member in input.members() {
            if let (Some(value), Ok(shape)) = (arguments.get(&member.name), self.service.shape(&member.shape)) {
                self.look(&member.name, &shape, value, None, &mut found);
            }
        }
        found
    }

    fn look(&self, member: &str, shape: &ShapeModel, value: &Value, of: Option<Kind>, found: &mut HandedOn) {
        let kind = self.kind(member, shape).or(of);
        match (&shape.kind, value) {
            (_, Value::Array(items)) if kind == Some(Kind::Tags) => found.tags |= !items.is_empty(),
            (_, Value::Object(items)) if kind == Some(Kind::Tags) => found.tags |= !items.is_empty(),
            (ShapeKind::Structure { members, .. }, Value::Object(values)) => {
                for inner in members {
                    if let (Some(value), Ok(shape)) = (values.get(&inner.name), self.service.shape(&inner.shape)) {
                        self.look(&inner.name, &shape, value, kind.filter(|kind| *kind == Kind::Profile), found);
                    }
                }
            }
            (ShapeKind::List { member: inner, .. }, Value::Array(values)) => {
                if let Ok(shape) = self.service.shape(&inner.shape) {
                    values.iter().for_each(|value| self.look(member, &shape, value, kind, found));
                }
            }
            (ShapeKind::Map { value: inner, .. }, Value::Object(values)) => {
                if let Ok(shape) = self.service.shape(&inner.shape) {
                    values.values().for_each(|value| self.look(member, &shape, value, kind, found));
                }
            }
            (_, Value::String(text)) => self.text(member, kind, text, found),
            _ => {}
        }
    }

    fn text(&self, member: &str, kind: Option<Kind>, text: &str, found: &mut HandedOn) {
        match kind {
            Some(Kind::Role) => match role(text) {
                Some(Role::Arn) => {
                    found.roles.insert(text.to_owned());
                }
                // A role's name is its own in an account, whatever its path.
                Some(Role::Name) if self.passes() || ["glue", "emr"].contains(&self.service.name()) => {
                    found.roles.insert(format!("arn:{{partition}}:iam::{{account}}:role/{text}"));
                    found.roles.insert(format!("arn:{{partition}}:iam::{{account}}:role/*/{text}"));
                }
                None if self.passes() => found.unscoped.push(format!(
                    "`{member}` names a role by something else than its ARN, by which alone IAM knows roles"
                )),
                Some(Role::Name) | None => {}
            },
            Some(Kind::Profile) => found.unscoped.push(format!(
                "`{member}` hands on an instance profile, and with it a role that the arguments don't name"
            )),
            Some(Kind::Key) if self.of_keys().is_empty() => {}
            Some(Kind::Key) => match key(text) {
                Some(arn) => {
                    found.keys.insert(arn);
                }
                None => found.unscoped.push(format!(
                    "`{member}` names a key by something else than its ARN or id, by which alone IAM knows keys"
                )),
            },
            // Such as the value of an attribute.
            None if self.passes() && !nobody(&member.to_ascii_lowercase()) => {
                if let Some(Role::Arn) = role(text) {
                    found.roles.insert(text.to_owned());
                }
            }
            Some(Kind::Tags) | None => {}
        }
    }

    /// True where AWS says that calls pass a role, and nothing in the arguments tells which: no member is known for it, or
    /// a launch template may hold it.
    pub fn may_pass_unseen(&self, input: Option<&ShapeModel>, arguments: &Map<String, Value>) -> bool {
        let names: Vec<&str> =
            input.iter().flat_map(|input| input.members()).map(|member| member.name.as_str()).collect();
        let known = [Kind::Role, Kind::Profile].iter().any(|kind| !self.members_for(input, *kind, &names).is_empty());
        self.passes() && (!known || arguments.keys().any(|member| member.contains("LaunchTemplate")))
    }

    /// Said of calls that CloudFormation carries out with the caller's credentials where no role stands in its place: those
    /// of this call allow nothing of what is in the stack.
    pub fn by_these_credentials(&self, arguments: &Map<String, Value>) -> Option<String> {
        const OF_STACKS: [&str; 5] =
            ["ContinueUpdateRollback", "CreateStack", "ExecuteChangeSet", "RollbackStack", "UpdateStack"];
        let of_stack = self.service.name() == "cloudformation" && OF_STACKS.contains(&self.name);
        (of_stack && !arguments.contains_key("RoleARN")).then(|| {
            "without a service role of the stack CloudFormation uses this call's credentials for all that is in it, which \
             allow nothing of that, and fails"
                .to_owned()
        })
    }

    /// The members, by their way from those that `names` names, through which something of a kind could be handed on.
    pub fn members_for(&self, input: Option<&ShapeModel>, kind: Kind, names: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for member in input.iter().flat_map(|input| input.members()).filter(|one| names.contains(&one.name.as_str())) {
            if let Ok(shape) = self.service.shape(&member.shape) {
                self.ways(&member.name, &member.name, &shape, kind, &mut Vec::new(), &mut found);
            }
        }
        found
    }

    fn ways(
        &self,
        member: &str,
        way: &str,
        shape: &ShapeModel,
        kind: Kind,
        seen: &mut Vec<String>,
        found: &mut Vec<String>,
    ) {
        if self.kind(member, shape) == Some(kind) {
            found.push(way.to_owned());
            return;
        }
        if seen.contains(&shape.name) {
            return;
        }
        seen.push(shape.name.clone());
        match &shape.kind {
            ShapeKind::Structure { members, .. } => {
                for inner in members {
                    if let Ok(shape) = self.service.shape(&inner.shape) {
                        self.ways(&inner.name, &format!("{way}.{}", inner.name), &shape, kind, seen, found);
                    }
                }
            }
            ShapeKind::List { member: inner, .. } | ShapeKind::Map { value: inner, .. } => {
                if let Ok(shape) = self.service.shape(&inner.shape) {
                    self.ways(member, way, &shape, kind, seen, found);
                }
            }
            _ => {}
        }
    }

    /// Whom its calls pass roles to, as `iam:PassedToService` says; empty where that isn't known.
    pub fn passed_to(&self) -> &'static [&'static str] {
        match self.service.name() {
            "cloudformation" => &["cloudformation.amazonaws.com"],
            "codebuild" => &["codebuild.amazonaws.com"],
            "codepipeline" => &["codepipeline.amazonaws.com"],
            "ecs" => &["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"],
            "firehose" => &["firehose.amazonaws.com"],
            "glue" => &["glue.amazonaws.com"],
            "lambda" => &["lambda.amazonaws.com"],
            "sagemaker" => &["sagemaker.amazonaws.com"],
            "scheduler" => &["scheduler.amazonaws.com"],
            "stepfunctions" => &["states.amazonaws.com"],
            _ => &[],
        }
    }
}

/// Members that name who may do something, or what is looked at: they hand nothing on.
fn nobody(member: &str) -> bool {
    ["principal", "grantee", "resource", "source", "session", "user"].iter().any(|word| member.contains(word))
}

enum Role {
    Arn,
    Name,
}

/// What a text says of a role, if it does. Nothing in it can be taken for a wildcard or an expression.
fn role(text: &str) -> Option<Role> {
    let plain =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c));
    match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "iam", "", account, resource] => {
            let account = account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
            let named = resource.strip_prefix("role/").is_some_and(plain);
            (partition.starts_with("aws") && plain(partition) && account && named).then_some(Role::Arn)
        }
        [name] => (name.len() <= LONGEST_ROLE && plain(name) && !name.contains('/')).then_some(Role::Name),
        _ => None,
    }
}

/// A key's ARN, from an ARN or an id; an alias says nothing of which key it is.
fn key(text: &str) -> Option<String> {
    let id = |id: &str| id.len() >= 32 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "kms", region, account, resource] => {
            let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            let good = [partition, region, account].into_iter().all(|part| plain(part));
            (good && resource.strip_prefix("key/").is_some_and(id)).then(|| text.to_owned())
        }
        [only] => id(only).then(|| format!("arn:{{partition}}:kms:{{region}}:{{account}}:key/{only}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::json;

    use super::*;
    use crate::aws::models::Models;
    use crate::config::ManifestsConfig;
    use crate::manifest::catalog::{Catalog, Entry};
    use crate::manifest::spec::Place;
    use crate::names::OperationId;

    const ROLE: &str = "arn:aws:iam::111122223333:role/agents/worker";
    const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    /// What a call's credentials are scoped to, and what is said about it.
    fn shown(catalog: &Catalog, models: &Models, operation: &str, arguments: &Value) -> String {
        let Some(Entry::Family(family)) = catalog.entry("aws_change") else { panic!("no family") };
        let arguments = arguments.as_object().unwrap();
        let tool = family.expand(&operation.parse().unwrap(), arguments, catalog, models).unwrap();
        let place = Place { partition: "aws", account: "111122223333", region: "eu-central-1", name: "?" };
        let mut text = format!("{operation}\n");
        for scope in &tool.scopes {
            let form = |template| tool.form(template, place).unwrap();
            let resources: Vec<String> = scope.resources.iter().map(form).collect();
            let _ = writeln!(text, "  {} on {}", scope.actions.join(", "), resources.join(", "));
            for condition in &scope.conditions {
                let values: Vec<String> = condition.values.iter().map(form).collect();
                let _ = writeln!(text, "    {} {} {}", condition.operator, condition.key, values.join(", "));
            }
        }
        let said = tool.unscoped.iter().chain(tool.warn.iter().map(|warning| &warning.because));
        said.for_each(|line| text += &format!("  {line}\n"));
        if !tool.escalates.is_empty() {
            let _ = writeln!(text, "  escalates: {}", tool.escalates.join(", "));
        }
        text
    }

    #[test]
    fn what_a_call_hands_on_is_scoped_to_what_stands_in_its_arguments() {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
        let other = "arn:aws:iam::111122223333:role/logs";
        let calls = [
            ("lambda:CreateFunction", json!({ "FunctionName": "f", "Role": ROLE, "Code": {} })),
            ("lambda:CreateFunction", json!({ "FunctionName": "f", "Role": "arn:aws:iam::111122223333:role/*" })),
            ("codebuild:UpdateProject", json!({ "name": "p", "serviceRole": ROLE })),
            ("codebuild:UpdateProject", json!({ "name": "p", "timeoutInMinutes": 5 })),
            ("lambda:AddPermission", json!({ "FunctionName": "f", "Principal": ROLE })),
            ("ecs:RegisterTaskDefinition", json!({ "taskRoleArn": ROLE, "executionRoleArn": other })),
            (
                "ecs:RunTask",
                json!({ "overrides": { "taskRoleArn": ROLE }, "tags": [{ "key": "env", "value": "dev" }] }),
            ),
            ("glue:CreateJob", json!({ "Name": "j", "Role": "worker" })),
            ("iam:AddRoleToInstanceProfile", json!({ "InstanceProfileName": "p", "RoleName": "worker" })),
            ("iam:AttachRolePolicy", json!({ "RoleName": "worker", "PolicyArn": "arn:aws:iam::aws:policy/X" })),
            ("ec2:CreateFleet", json!({ "Type": "instant", "TagSpecifications": [{ "ResourceType": "fleet" }] })),
            ("ec2:AssociateIamInstanceProfile", json!({ "IamInstanceProfile": { "Name": "worker" } })),
            (
                "ec2:AssociateIamInstanceProfile",
                json!({ "IamInstanceProfile": { "Arn": "arn:aws:iam::111122223333:instance-profile/worker" } }),
            ),
            ("ec2:CreateFlowLogs", json!({ "DeliverLogsPermissionArn": ROLE })),
            ("rds:CreateDBInstance", json!({ "DBInstanceIdentifier": "d", "KmsKeyId": KEY, "Tags": [{ "Key": "a" }] })),
            ("rds:CreateDBInstance", json!({ "KmsKeyId": "1234abcd-12ab-34cd-56ef-1234567890ab" })),
            ("rds:CreateDBInstance", json!({ "KmsKeyId": "alias/db", "MonitoringRoleArn": ROLE })),
            ("kms:CreateGrant", json!({ "KeyId": KEY, "GranteePrincipal": ROLE })),
            ("cloudformation:CreateStack", json!({ "StackName": "s", "RoleARN": ROLE })),
            ("stepfunctions:CreateStateMachine", json!({ "roleArn": ROLE })),
            ("apigateway:PutIntegration", json!({ "credentials": ROLE })),
            ("lambda:CreateFunction", json!({ "FunctionName": "f", "Role": "arn:aws:iam::111122223333:user/ann" })),
            ("ec2:RequestSpotFleet", json!({ "LaunchTemplate": { "LaunchTemplateId": "lt-1" } })),
            (
                "sns:SetPlatformApplicationAttributes",
                json!({ "PlatformApplicationArn": "t", "Attributes": { "SuccessFeedbackRoleArn": ROLE } }),
            ),
            (
                "sns:SetPlatformApplicationAttributes",
                json!({ "PlatformApplicationArn": "t", "Attributes": { "Enabled": "1" } }),
            ),
            ("sts:AssumeRole", json!({ "RoleArn": ROLE, "RoleSessionName": "s" })),
        ];
        let all = calls
            .map(|(operation, arguments)| format!("{arguments}\n{}", shown(&catalog, &models, operation, &arguments)));
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn nothing_in_a_role_or_a_key_can_be_more_than_its_name() {
        for text in [
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::111122223333:role/a?",
            "arn:aws:iam::111122223333:role/{target}",
            "arn:aws:iam::111122223333:role/${aws:username}",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::*:role/a",
            "arn:*:iam::111122223333:role/a",
            "arn:aws:iam::111122223333:user/a",
            "a/b",
            "",
        ] {
            assert!(role(text).is_none(), "{text}");
        }
        assert!(matches!(role(ROLE), Some(Role::Arn)) && matches!(role("worker"), Some(Role::Name)));
        for text in
            ["alias/db", "arn:aws:kms:eu-central-1:111122223333:alias/db", "arn:aws:kms:*:111122223333:key/*", "{x}"]
        {
            assert_eq!(key(text), None, "{text}");
        }
        assert_eq!(key(KEY).as_deref(), Some(KEY));
    }

    /// AWS says of these that they pass a role: their models have a member for it that is known here, or they are named
    /// as not known.
    #[test]
    fn the_members_that_hand_roles_on_are_known() {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let (mut all, mut unknown) = (0, Vec::new());
        for entry in models.operation_index().unwrap().iter() {
            let id: OperationId = entry.id();
            let actions = iam.actions_for(&id).unwrap_or_default();
            let (service, model) = models.operation(&id).unwrap();
            let own = Operation { service: &service, name: id.name(), actions: &actions };
            if !own.passes() {
                continue;
            }
            all += 1;
            let input = model.input.as_ref().and_then(|input| service.shape(&input.shape).ok());
            let names: Vec<String> =
                input.iter().flat_map(|input| input.members()).map(|member| member.name.clone()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let ways = [Kind::Role, Kind::Profile].map(|kind| own.members_for(input.as_deref(), kind, &names));
            if ways.iter().all(Vec::is_empty) {
                unknown.push(id.to_string());
            }
        }
        insta::assert_snapshot!(format!("{all} operations; without a known member:\n{}", unknown.join("\n")));
    }
}
