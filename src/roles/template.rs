//! Roles as templates that an admin deploys: CloudFormation and Terraform, both as JSON, and plain JSON for anything else.

use serde_json::{Map, Value, json};

use super::role::{Boundary, Role, word};
use crate::config::Account;

/// How a template is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A CloudFormation template.
    CloudFormation,
    /// Terraform's JSON form, for a file that ends with `.tf.json`.
    Terraform,
    /// The documents as they are.
    Json,
}

/// The template of an account's roles.
pub fn template(account: &Account, roles: &[Role], format: Format) -> Value {
    match format {
        Format::CloudFormation => cloudformation(account, roles),
        Format::Terraform => terraform(roles),
        Format::Json => plain(account, roles),
    }
}

fn describe(role: &Role) -> String {
    match word(role.purpose) {
        "read" => "countersign reads with it".to_owned(),
        _ => "countersign changes with it, one call at a time".to_owned(),
    }
}

fn plain(account: &Account, roles: &[Role]) -> Value {
    let roles = roles.iter().map(|role| {
        let boundary = match &role.boundary {
            Boundary::Own { name, document } => json!({ "name": name, "document": document }),
            Boundary::Managed(arn) => json!({ "arn": arn }),
        };
        let policies: Vec<Value> =
            role.policies.iter().map(|(name, document)| json!({ "name": name, "document": document })).collect();
        json!({
            "purpose": word(role.purpose), "arn": role.arn, "name": role.name, "path": role.path,
            "trust": role.trust, "boundary": boundary, "policies": policies, "managed": role.managed,
        })
    });
    json!({ "account": account.id, "roles": roles.collect::<Vec<_>>() })
}

fn cloudformation(account: &Account, roles: &[Role]) -> Value {
    let (mut resources, mut outputs) = (Map::new(), Map::new());
    let managed = |name: &str, path: &str, document: &Value, description: String| {
        json!({
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "ManagedPolicyName": name, "Path": path, "Description": description, "PolicyDocument": document,
            },
        })
    };
    for role in roles {
        let title = title(role);
        let mut attached = Vec::new();
        for (index, (name, document)) in role.policies.iter().enumerate() {
            let id = format!("{title}Policy{}", index + 1);
            attached.push(json!({ "Ref": id }));
            resources.insert(id, managed(name, &role.path, document, describe(role)));
        }
        attached.extend(role.managed.iter().map(|arn| json!(arn)));
        let boundary = match &role.boundary {
            Boundary::Managed(arn) => json!(arn),
            Boundary::Own { name, document } => {
                let id = format!("{title}Boundary");
                let description = format!("The most that {} can do", role.name);
                resources.insert(id.clone(), managed(name, &role.path, document, description));
                json!({ "Ref": id })
            }
        };
        resources.insert(
            format!("{title}Role"),
            json!({
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": role.name, "Path": role.path, "Description": describe(role), "MaxSessionDuration": 3600,
                    "AssumeRolePolicyDocument": role.trust, "PermissionsBoundary": boundary,
                    "ManagedPolicyArns": attached,
                },
            }),
        );
        outputs.insert(
            format!("{title}RoleArn"),
            json!({
                "Description": format!("For `{}_role` in countersign.toml", word(role.purpose)),
                "Value": { "Fn::GetAtt": [format!("{title}Role"), "Arn"] },
            }),
        );
    }
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("The roles of countersign in account {}", account.id),
        "Resources": resources,
        "Outputs": outputs,
    })
}

fn terraform(roles: &[Role]) -> Value {
    let (mut policies, mut made, mut attachments, mut outputs) = (Map::new(), Map::new(), Map::new(), Map::new());
    let policy = |name: &str, path: &str, document: &Value, description: String| json!({ "name": name, "path": path, "description": description, "policy": literal(&document.to_string()) });
    for role in roles {
        let id = format!("countersign_{}", word(role.purpose));
        for (index, (name, document)) in role.policies.iter().enumerate() {
            let own = format!("{id}_{}", index + 1);
            attachments.insert(
                own.clone(),
                json!({
                    "role": format!("${{aws_iam_role.{id}.name}}"),
                    "policy_arn": format!("${{aws_iam_policy.{own}.arn}}"),
                }),
            );
            policies.insert(own, policy(name, &role.path, document, describe(role)));
        }
        if let Some(arn) = &role.managed {
            let attachment = json!({ "role": format!("${{aws_iam_role.{id}.name}}"), "policy_arn": arn });
            attachments.insert(format!("{id}_managed"), attachment);
        }
        let boundary = match &role.boundary {
            Boundary::Managed(arn) => arn.clone(),
            Boundary::Own { name, document } => {
                let own = format!("{id}_boundary");
                let description = format!("The most that {} can do", role.name);
                policies.insert(own.clone(), policy(name, &role.path, document, description));
                format!("${{aws_iam_policy.{own}.arn}}")
            }
        };
        made.insert(
            id.clone(),
            json!({
                "name": role.name, "path": role.path, "description": describe(role), "max_session_duration": 3600,
                "assume_role_policy": literal(&role.trust.to_string()), "permissions_boundary": boundary,
            }),
        );
        let output = format!("{}_role", word(role.purpose));
        outputs.insert(output, json!({ "value": format!("${{aws_iam_role.{id}.arn}}") }));
    }
    json!({
        "resource": {
            "aws_iam_policy": policies, "aws_iam_role": made, "aws_iam_role_policy_attachment": attachments,
        },
        "output": outputs,
    })
}

/// A text in which Terraform sees no templates of its own.
fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

fn title(role: &Role) -> &'static str {
    match word(role.purpose) {
        "read" => "Read",
        _ => "Change",
    }
}
