//! What an agent with a shell on this machine could use instead of the server. That can't be prevented on one account of
//! one machine; it can be said.

use super::{About, Finding};
use crate::cli::aws_files::{AwsHome, Profile, shown};
use crate::config::Config;
use crate::text::escape::quoted;

const ELSEWHERE: &str = "run the server on a host and a role of its own (`countersign serve --http`), and leave agents' machines \
                         without AWS credentials";

pub(super) fn keys(aws: &AwsHome, config: Option<&Config>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut around = |what: String| {
        let says = format!("{what}: an agent with a shell here can call AWS with it, and go around this server");
        findings.push(Finding::warning(About::Keys, says, ELSEWHERE));
    };
    let variable = |name: &str| aws.variables.get(name);
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SESSION_TOKEN")) {
        (Some(key), None) => around(format!("the environment holds a long-term key, {}", shown(key))),
        (Some(key), Some(_)) => around(format!("the environment holds a key, {}, that ends some time", shown(key))),
        (None, _) => {}
    }
    for name in
        ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
    {
        if variable(name).is_some() {
            around(format!("the environment leads to the machine's own role ({name})"));
        }
    }
    for profile in aws.profiles() {
        let Profile { name, .. } = &profile;
        let name = quoted(name, 60);
        if let Some(key) = profile.long_term_key() {
            around(format!("profile {name} holds a long-term key, {}", shown(key)));
        }
        if let Some(role) = profile.administers() {
            around(format!("profile {name} leads to {}, an administrator by its name", quoted(role, 80)));
        }
    }
    if findings.is_empty() {
        findings
            .push(Finding::ok(About::Keys, "no long-term key and no administrator in this environment and in ~/.aws"));
    }
    if config.is_some_and(|config| config.http.is_none()) {
        let says = "clients start this server as their own user: an agent with a shell can edit its configuration, policies and \
                    store; edits of manifests and policies show in the record, by digest";
        findings.push(Finding::warning(About::Keys, says, ELSEWHERE));
    }
    findings
}
