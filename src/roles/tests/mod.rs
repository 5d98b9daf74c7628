mod compare;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::actions::expanded;
use super::compare::{Difference, Wanted, compare};
use super::deployed::{Bounds, Deployed, Matcher, Policy};
use super::glob::{covers, covers_action};
use super::needs::{Families, Ground, Needs, RoleNeeds};
use super::role::{self, Boundary, MOST_CHARACTERS, MOST_POLICIES, NoRole, Role, characters, within};
use super::template::{Format, template};
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::config::{Account, ManifestsConfig};
use crate::credentials::session_policy::{self, SessionPolicy};
use crate::manifest::catalog::Catalog;
use crate::manifest::sample::Samples;
use crate::names::{OperationId, Region, Stage};
use crate::ports::Purpose;

const SERVER: &str = "arn:aws:iam::999999999999:role/countersign-server";

fn account() -> Account {
    Account {
        name: "shop-prod".to_owned(),
        id: "444455556666".to_owned(),
        stage: Stage::Prod,
        regions: vec![Region::new("eu-central-1")],
        read_role: Some("arn:aws:iam::444455556666:role/agents/shop-read".to_owned()),
        change_role: None,
        external_id: Some("shop".to_owned()),
    }
}

fn signed_for(operation: &OperationId, region: &Region) -> String {
    if operation.service() == "iam" { "us-east-1".to_owned() } else { region.as_str().to_owned() }
}

struct Bench {
    iam: IamFacts,
    account: Account,
    catalog: Catalog,
}

impl Bench {
    fn new(config: &ManifestsConfig) -> Self {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let catalog = Catalog::load(config, &models, &iam).unwrap();
        Self { iam, account: account(), catalog }
    }

    fn needs(&self, families: Families) -> Needs {
        let Self { account, catalog, .. } = self;
        Needs::of(Ground { account, catalog, families, toolsets: &[], signed_for: &signed_for })
    }

    fn role(&self, needs: &RoleNeeds, purpose: Purpose) -> Result<Role, NoRole> {
        Role::of(needs, purpose, role::Ground { account: &self.account, trusted: SERVER, iam: &self.iam })
    }

    fn roles(&self, families: Families) -> [Role; 2] {
        let needs = self.needs(families);
        [self.role(&needs.read, Purpose::Read).unwrap(), self.role(&needs.change, Purpose::Change).unwrap()]
    }

    fn compare(&self, deployed: &Deployed, needs: &RoleNeeds, purpose: Purpose) -> Difference {
        let Self { account, iam, .. } = self;
        compare(deployed, Wanted { needs, purpose, account, trusted: SERVER, iam })
    }
}

fn shipped() -> Bench {
    Bench::new(&ManifestsConfig::default())
}

/// A role as IAM would give it back.
fn deployed(role: &Role) -> Deployed {
    let policy = |name: &str, document: &Value| Policy::parse(name, &document.to_string()).unwrap();
    let own = |policy| Bounds { of_aws: None, policy };
    Deployed {
        arn: role.arn.clone(),
        trust: policy("trust", &role.trust),
        policies: role.policies.iter().map(|(name, document)| policy(name, document)).collect(),
        managed: role.managed.iter().map(|arn| arn.rsplit('/').next().unwrap().to_owned()).collect(),
        boundary: match &role.boundary {
            Boundary::Own { name, document } => Some(own(policy(name, document))),
            Boundary::Managed(arn) => {
                let everything = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
                let of_aws = arn.rsplit('/').next().map(str::to_owned);
                Some(Bounds { of_aws, policy: policy(arn, &everything) })
            }
        },
    }
}

/// Tools of every kind: reads, changes, one of a service without regions, conditions, a recovery point, a secret.
const FEW: [&str; 9] = [
    "apigateway_get_resources",
    "dynamodb_delete_table",
    "ec2_create_volume",
    "ec2_describe_instances",
    "ec2_terminate_instances",
    "iam_delete_role",
    "rds_delete_db_instance",
    "s3_delete_object",
    "ssm_get_parameter",
];

/// Roles of all shipped tools are too long to be looked at.
fn few() -> Bench {
    only(&FEW)
}

/// Of the shipped tools only some; all families.
fn only(wanted: &[&str]) -> Bench {
    let all = shipped();
    let names: Vec<String> = all.catalog.tools().map(|tool| tool.name.clone()).collect();
    assert!(wanted.iter().all(|name| names.iter().any(|known| known == name)));
    let disabled = names.into_iter().filter(|name| !wanted.contains(&name.as_str())).collect();
    Bench::new(&ManifestsConfig { disabled, ..ManifestsConfig::default() })
}

#[test]
fn the_roles_of_some_shipped_tools_are_as_they_were() {
    let bench = few();
    let roles = bench.roles(Families::None);
    insta::assert_snapshot!(format!("{:#}", template(&bench.account, &roles, Format::Json)));
}

#[test]
fn templates_for_deployment_are_whole() {
    let bench = shipped();
    let roles = bench.roles(Families::Read);
    let stack = template(&bench.account, &roles, Format::CloudFormation);
    let resources = stack["Resources"].as_object().unwrap();
    for (name, resource) in resources {
        let properties = resource["Properties"].as_object().unwrap();
        match resource["Type"].as_str().unwrap() {
            "AWS::IAM::ManagedPolicy" => assert_eq!(properties["PolicyDocument"]["Version"], "2012-10-17", "{name}"),
            "AWS::IAM::Role" => {
                let refs = properties["ManagedPolicyArns"].as_array().unwrap();
                assert!(!refs.is_empty() && refs.len() <= MOST_POLICIES, "{name}");
                for to in refs.iter().chain([&properties["PermissionsBoundary"]]).filter_map(|to| to.get("Ref")) {
                    assert!(resources.contains_key(to.as_str().unwrap()), "{name} refers to {to}");
                }
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(stack["Outputs"].as_object().unwrap().len(), 2);

    let terraform = template(&bench.account, &roles, Format::Terraform);
    let policies = terraform["resource"]["aws_iam_policy"].as_object().unwrap();
    for (name, policy) in policies {
        let text = policy["policy"].as_str().unwrap().replace("$${", "${").replace("%%{", "%{");
        assert!(Policy::parse(name, &text).is_ok(), "{name}");
    }
    let attached = terraform["resource"]["aws_iam_role_policy_attachment"].as_object().unwrap();
    for (name, attachment) in attached {
        let own = format!("${{aws_iam_policy.{name}.arn}}");
        assert!(
            name.ends_with("_managed") || (policies.contains_key(name) && attachment["policy_arn"] == own),
            "{name}"
        );
    }
    insta::assert_snapshot!(format!(
        "{:#}",
        template(&bench.account, &few().roles(Families::None), Format::Terraform)["resource"]["aws_iam_role"]
    ));
}

#[test]
fn a_role_made_from_needs_has_what_is_needed_and_nothing_else() {
    let bench = shipped();
    for families in [Families::None, Families::Read] {
        let needs = bench.needs(families);
        for (needs, role) in [&needs.read, &needs.change].into_iter().zip(bench.roles(families)) {
            let difference = bench.compare(&deployed(&role), needs, role.purpose);
            assert!(difference.is_none(), "{families:?} {}: {difference:#?}", role.name);
        }
    }
}

/// A condition on a key that IAM doesn't know for an action may never hold.
#[test]
fn a_trust_policy_asks_for_what_iam_knows_of_each_action() {
    let bench = shipped();
    for role in bench.roles(Families::None) {
        let trust = deployed(&role).trust;
        for statement in &trust.statements {
            let Matcher::Any(actions) = &statement.actions else { panic!("{statement:?}") };
            assert!(!statement.conditions.is_empty(), "{statement:?}");
            for fact in actions.iter().map(|action| bench.iam.action(action).unwrap()) {
                for (_, key, _) in &statement.conditions {
                    assert!(fact.condition_keys.contains(key), "{} knows no {key}", fact.name);
                }
            }
        }
        let ids = |statement: &super::deployed::Statement| {
            statement.actions == Matcher::Any(vec!["sts:AssumeRole".to_owned()])
                && statement.conditions.iter().any(|(_, key, values)| key == "sts:ExternalId" && values == &["shop"])
        };
        assert!(trust.statements.iter().any(ids), "{trust:?}");
    }
}

#[test]
fn the_reading_role_of_a_family_reads_and_reveals_nothing() {
    let bench = shipped();
    let [read, change] = bench.roles(Families::Read);
    for (name, document) in read.policies.iter().chain(&change.policies) {
        assert!(characters(document) <= MOST_CHARACTERS, "{name}: {}", characters(document));
    }
    let deployed = deployed(&read);
    let statements = || deployed.policies.iter().flat_map(|policy| &policy.statements);
    let actions = |allows: bool| -> BTreeSet<String> {
        let of = |statement: &super::deployed::Statement| match &statement.actions {
            Matcher::Any(patterns) => patterns.iter().flat_map(|pattern| expanded(pattern, &bench.iam)).collect(),
            Matcher::NoneOf(_) => Vec::new(),
        };
        statements().filter(|statement| statement.allows == allows).flat_map(of).collect()
    };
    for action in actions(true) {
        assert!(bench.iam.action(&action).unwrap().level.only_reads(), "{action}");
        assert_eq!(bench.iam.reveals_by(&action), None, "{action}");
    }
    let denied = actions(false);
    let keys = |statement: &super::deployed::Statement| statement.resources.clone();
    let keys = statements().filter(|one| !one.allows).map(keys).find(|of| *of != Matcher::Any(vec!["*".to_owned()]));
    let Some(Matcher::Any(keys)) = keys else { panic!("{keys:?}") };
    assert!(keys.iter().any(|key| covers(key, "arn:aws:apigateway:eu-central-1::/apikeys/abc")), "{keys:?}");
    for secret in ["secretsmanager:GetSecretValue", "ssm:GetParameters", "lambda:GetFunction", "ec2:GetPasswordData"] {
        assert!(denied.contains(secret), "{secret}");
    }
    let managed = "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned();
    assert_eq!((read.managed, read.boundary), (Some(managed.clone()), Boundary::Managed(managed)));
    assert_eq!(change.managed, None);
}

#[test]
fn a_role_for_all_families_may_nearly_everything_and_it_is_told() {
    let bench = shipped();
    let needs = bench.needs(Families::All);
    assert!(needs.change.escalations(&bench.iam).len() >= 60);
    let role = bench.role(&needs.change, Purpose::Change).unwrap();
    assert!(role.policies.len() <= MOST_POLICIES);
    let Boundary::Own { document, .. } = role.boundary else { panic!("{:?}", role.boundary) };
    assert_eq!(document["Statement"][1]["Effect"], "Deny");
}

/// Together the shipped tools make up no way to more permissions but those that a tool of theirs names as its own.
#[test]
fn the_roles_of_all_shipped_tools_contain_only_ways_that_a_tool_names() {
    let bench = shipped();
    let named: BTreeSet<&str> = bench.catalog.tools().flat_map(|tool| &tool.escalates).map(String::as_str).collect();
    for families in [Families::None, Families::Read] {
        let needs = bench.needs(families);
        let found: BTreeSet<String> =
            needs.change.escalations(&bench.iam).iter().map(|one| one.path.id.clone()).collect();
        assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), named);
        assert!(needs.read.escalations(&bench.iam).is_empty());
    }
    assert_eq!(named, BTreeSet::from(["cloudformation-002"]));
}

/// In one region, and in several.
#[test]
fn the_roles_of_all_shipped_tools_are_within_aws_s_limits() {
    let mut bench = shipped();
    for regions in [&["eu-central-1"][..], &["eu-central-1", "eu-west-1", "eu-north-1", "us-east-1"]] {
        bench.account.regions = regions.iter().map(|region| Region::new(*region)).collect();
        for families in [Families::None, Families::Read, Families::All] {
            for role in bench.roles(families) {
                assert!(role.policies.len() + usize::from(role.managed.is_some()) <= MOST_POLICIES, "{}", role.name);
                let boundary = match &role.boundary {
                    Boundary::Own { document, .. } => vec![document],
                    Boundary::Managed(_) => Vec::new(),
                };
                for document in role.policies.iter().map(|(_, document)| document).chain(boundary) {
                    assert!(characters(document) <= MOST_CHARACTERS, "{}: {}", role.name, characters(document));
                }
            }
        }
    }
}

#[test]
fn roles_beyond_aws_s_limits_say_what_takes_the_room() {
    let mut bench = shipped();
    let mut errors = (5..12).filter_map(|count| {
        bench.account.regions = (1..count).map(|n| Region::new(format!("eu-central-{n}"))).collect();
        bench.role(&bench.needs(Families::None).change, Purpose::Change).err()
    });
    let error = errors.next().unwrap().to_string();
    assert!(error.contains("the change role would need") && error.contains("most of it is for `"), "{error}");
    assert!(error.contains("--toolset"), "{error}");
}

/// A boundary that would be too long is widened where that matters least, and no further than it must be.
#[test]
fn a_long_boundary_is_widened_service_by_service() {
    let actions =
        |service: &str, count: usize| (0..count).map(move |n| format!("{service}:Action{n:03}")).collect::<Vec<_>>();
    let all = [actions("ec2", 60), actions("iam", 90), actions("sqs", 20)].concat();
    assert_eq!(within(all.clone(), MOST_CHARACTERS), all);
    let narrower = within(all.clone(), 2200);
    assert_eq!(narrower.iter().filter(|one| one.ends_with(":*")).collect::<Vec<_>>(), ["ec2:*"]);
    assert_eq!(narrower.iter().filter(|one| one.starts_with("iam:")).count(), 90);
    assert_eq!(within(all, 200), ["ec2:*", "iam:*", "sqs:*"]);
}

/// What reveals runs with the changing role, which nobody reads with.
#[test]
fn what_reveals_a_secret_is_the_change_role_s() {
    let needs = few().needs(Families::Read);
    assert!(needs.change.actions().contains("ssm:GetParameter"));
    assert!(!needs.read.actions().contains("ssm:GetParameter") && needs.read.denied().contains("ssm:GetParameter"));
}

#[test]
fn a_role_without_tools_is_none() {
    let every = Bench::new(&ManifestsConfig::default()).catalog;
    let disabled = every.heads().map(|tool| tool.name.clone()).collect();
    let bench = Bench::new(&ManifestsConfig { disabled, ..ManifestsConfig::default() });
    let needs = bench.needs(Families::None);
    assert_eq!(bench.role(&needs.change, Purpose::Change), Err(NoRole::NothingNeeded("change")));
}

#[test]
fn every_scope_of_every_tool_is_within_its_role() {
    let bench = shipped();
    let needs = bench.needs(Families::None);
    for tool in bench.catalog.tools() {
        let changes = tool.effect.changes() || tool.effect.needs_preview();
        let role = if changes { &needs.change } else { &needs.read };
        for action in tool.scopes.iter().flat_map(|scope| &scope.actions) {
            assert!(role.actions().iter().any(|own| covers_action(own, action)), "{}: {action}", tool.name);
        }
    }
}

/// What one call's credentials may do must be within the role they are cut from, or AWS refuses the call.
#[test]
fn every_session_policy_is_within_its_role() {
    let bench = shipped();
    let needs = bench.needs(Families::None);
    let region = Region::new("eu-central-1");
    let models = Models::embedded().unwrap();
    let samples = Samples { models: &models, iam: &bench.iam, account: &bench.account.id, region: &region };
    let mut outside = BTreeSet::new();
    for tool in bench.catalog.tools() {
        let context = samples.context(tool);
        let signed = |operation: &OperationId| Some(signed_for(operation, &region));
        let ground = session_policy::Ground {
            contexts: &[context],
            account: &bench.account.id,
            region: &region,
            iam: &bench.iam,
            signed_for: &signed,
        };
        let mut policies = vec![(SessionPolicy::reading(tool, ground).unwrap(), &needs.read)];
        if tool.effect.needs_preview() || tool.effect.changes() {
            policies.push((SessionPolicy::changing(tool, ground).unwrap(), &needs.change));
        }
        let mut with_point = samples.context(tool);
        with_point["point"] = json!("point-1");
        for point in &tool.recovery_points {
            let ground = session_policy::Ground { contexts: std::slice::from_ref(&with_point), ..ground };
            policies.push((SessionPolicy::taking(tool, point, ground).unwrap(), &needs.change));
        }
        for (policy, role) in policies {
            for statement in Policy::parse(&tool.name, policy.text()).unwrap().statements {
                let (Matcher::Any(actions), Matcher::Any(resources)) = (&statement.actions, &statement.resources)
                else {
                    panic!("{statement:?}")
                };
                for (action, resource) in
                    actions.iter().flat_map(|action| resources.iter().map(move |one| (action, one)))
                {
                    let within = |permission: &super::needs::Permission| {
                        permission.action == *action
                            && covers(&permission.resource, resource)
                            && statement.conditions.iter().all(|(_, key, values)| {
                                key != "aws:RequestedRegion"
                                    || values.iter().all(|value| permission.regions.contains(value))
                            })
                            && permission
                                .conditions
                                .iter()
                                .all(|(_, asked, _)| statement.conditions.iter().any(|(_, key, _)| key == asked))
                    };
                    let found = !statement.allows || role.iter().any(|(permission, _)| within(permission));
                    if !found {
                        outside.insert(format!("{}: {action} on {resource}", tool.name));
                    }
                }
            }
        }
    }
    assert!(outside.is_empty(), "{outside:#?}");
}
