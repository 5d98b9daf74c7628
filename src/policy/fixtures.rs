//! Policies and questions for the tests of this folder.

use std::collections::BTreeMap;

use super::question::{Circumstances, Confirmation, Evidence, Question, Resource};
use super::set::{People, Policies};
use super::shipped;
use super::vocabulary::{ToolWord, Vocabulary};
use crate::config::{Account, AgentConfig, Profile, Trust};
use crate::document::Source;
use crate::names::{Agent, Effect, Human, OperationId, Region, Stage};

/// The agent.
pub(crate) fn kiro() -> Agent {
    Agent::new("kiro")
}

/// The human it acts for.
pub(crate) fn ann() -> Human {
    Human::new("ann")
}

/// A few tools.
pub(crate) fn tools() -> Vec<ToolWord> {
    let tool =
        |name: &str, toolset: &str, effect| ToolWord { name: name.to_owned(), toolset: toolset.to_owned(), effect };
    vec![
        tool("aws_change", "aws", Effect::Destructive),
        tool("aws_read", "aws", Effect::Read),
        tool("ec2_create_tags", "ec2", Effect::Write),
        tool("ec2_describe_instances", "ec2", Effect::Read),
        tool("ec2_reboot_instances", "ec2", Effect::Destructive),
        tool("ec2_terminate_instances", "ec2", Effect::Irreversible),
        tool("rds_delete_db_instance", "rds", Effect::Destructive),
        tool("secretsmanager_get_secret_value", "secretsmanager", Effect::Secret),
    ]
}

/// An account called like its stage.
pub(crate) fn account(stage: Stage) -> Account {
    let id = match stage {
        Stage::Dev => "111111111111",
        Stage::Staging => "222222222222",
        Stage::Prod => "333333333333",
    };
    Account {
        name: stage.to_string(),
        id: id.to_owned(),
        stage,
        regions: vec![Region::new("eu-central-1")],
        read_role: None,
        change_role: None,
        external_id: None,
    }
}

/// An agent with some roles, in every account.
pub(crate) fn people(roles: &[&str]) -> People {
    let agent = AgentConfig {
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        accounts: ["dev", "staging", "prod"].map(str::to_owned).to_vec(),
        max_resources: 10,
        expires: None,
    };
    People {
        agents: BTreeMap::from([(kiro(), agent)]),
        accounts: vec![account(Stage::Dev), account(Stage::Staging), account(Stage::Prod)],
        ..People::default()
    }
}

/// A profile with an own text besides.
pub(crate) fn policies(profile: Profile, roles: &[&str], own: &str) -> Policies {
    policies_over(tools(), profile, roles, own)
}

/// As [`policies`], with these tools.
pub(crate) fn policies_over(tools: Vec<ToolWord>, profile: Profile, roles: &[&str], own: &str) -> Policies {
    let mut sources = shipped::sources(profile);
    if !own.is_empty() {
        sources.push(Source::new("own.cedar", own));
    }
    Policies::compile(sources, words(tools), people(roles), profile).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Words for some tools, with a role and groups besides the built-in ones.
pub(crate) fn words(tools: Vec<ToolWord>) -> Vocabulary {
    Vocabulary::new(tools, &["deployer".to_owned()], &["senior".to_owned(), "dba".to_owned()]).unwrap()
}

/// A quiet day.
pub(crate) fn circumstances() -> Circumstances {
    Circumstances {
        now: "2026-11-21T12:00:00Z".parse().unwrap(),
        ticket: None,
        window_open: true,
        resources: 1,
        dependents: Some(0),
        changed_in_session: 0,
        changed_in_hour: 0,
        errors_in_hour: 0,
        denials_in_hour: 0,
        breaker_open: false,
        reveals_secret: false,
        scoped_credentials: true,
        client: "kiro-cli".to_owned(),
        client_trust: Trust::Known,
        source_ip: None,
    }
}

/// May kiro do this to one instance in an account of this stage?
pub(crate) fn question(tool: &str, effect: Effect, stage: Stage) -> Question {
    let account = account(stage);
    Question {
        agent: kiro(),
        human: ann(),
        tool: tool.to_owned(),
        effect,
        operation: OperationId::new("ec2", "TerminateInstances"),
        region: Region::new("eu-central-1"),
        resource: Resource {
            arn: format!("arn:aws:ec2:eu-central-1:{}:instance/i-1", account.id),
            kind: "ec2:instance".to_owned(),
            stage,
            protected: false,
            owner: None,
            tags: BTreeMap::new(),
        },
        account,
        circumstances: circumstances(),
    }
}

/// Confirmed by ann, who read it, and signed by others.
pub(crate) fn consent(approvals: &[&str]) -> Evidence {
    Evidence {
        previewed: true,
        confirmation: Some(Confirmation { after: std::time::Duration::from_secs(20), readable: true }),
        approvals: approvals.iter().map(|who| (Human::new(*who), ["approvers".to_owned()].into())).collect(),
        applied_by_person: false,
    }
}
