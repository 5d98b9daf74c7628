//! `grants_all`: whether a policy allows everything of a service, or of all of them.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use serde_json::{Map, Value};

use super::{member, readable, texts};

/// A pattern with wildcards and fewer letters and digits than these counts as one that matches everything: `iam:C*` and 25
/// more of its kind are `iam:*`.
const LEAST_SAID: usize = 3;

/// The parts of an ARN.
const PARTS: usize = 6;

/// Services whose ARNs begin with a name, where others have a kind whose every member is as good as all:
/// `arn:aws:iam::111122223333:role/*`.
const NAMED_FIRST: [&str; 6] = ["codecommit", "execute-api", "s3", "s3express", "sns", "sqs"];

/// True where an `Allow` statement has an action `*` or `service:*`, or a `NotAction`, on all resources. Conditions don't
/// help. Takes a policy or a list of them, as text or not; unreadable ones grant all.
pub(super) fn grants_all(value: &Value) -> bool {
    any_allow(value, |statement| Some(every_action(statement)? && every_resource(statement)?))
}

/// True where an `Allow` statement of a policy, or of one of several, is met. `None`: it is unreadable, which is true too.
pub(super) fn any_allow(value: &Value, met: impl Fn(&Map<String, Value>) -> Option<bool> + Copy) -> bool {
    let Some(value) = readable(value) else { return !blank(value) };
    match &value {
        Value::Null => false,
        Value::Array(policies) => policies.iter().any(|policy| any_allow(policy, met)),
        Value::Object(policy) => allows(policy, met).unwrap_or(true),
        _ => true,
    }
}

/// How the policy of a queue or a topic is taken away.
fn blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn allows(policy: &Map<String, Value>, met: impl Fn(&Map<String, Value>) -> Option<bool>) -> Option<bool> {
    let statements = match member(policy, "Statement").ok()?? {
        Value::Array(statements) => statements.iter().map(Value::as_object).collect::<Option<Vec<_>>>()?,
        Value::Object(statement) => vec![statement],
        _ => return None,
    };
    let mut found = false;
    for statement in statements {
        let effect = member(statement, "Effect").ok()??.as_str()?;
        found |= match effect {
            effect if effect.eq_ignore_ascii_case("allow") => met(statement)?,
            effect if effect.eq_ignore_ascii_case("deny") => false,
            _ => return None,
        };
    }
    Some(found)
}

fn every_action(statement: &Map<String, Value>) -> Option<bool> {
    if member(statement, "NotAction").ok()?.is_some() {
        return Some(true);
    }
    Some(texts(member(statement, "Action").ok()??)?.into_iter().any(is_every_action))
}

fn is_every_action(action: &str) -> bool {
    match action.trim().split_once(':') {
        None => wild(action),
        Some((service, name)) => wild(service) || (wild(name) && said(name) < LEAST_SAID),
    }
}

/// Without any resource a statement is about what its policy is attached to, all of it.
fn every_resource(statement: &Map<String, Value>) -> Option<bool> {
    if member(statement, "NotResource").ok()?.is_some() {
        return Some(true);
    }
    match member(statement, "Resource").ok()? {
        None => Some(true),
        Some(resources) => Some(texts(resources)?.into_iter().any(is_every_resource)),
    }
}

fn is_every_resource(resource: &str) -> bool {
    let resource = without_variables(resource.trim());
    let parts: Vec<&str> = resource.splitn(PARTS, ':').collect();
    match parts.as_slice() {
        [_, _, service, _, _, resource] => {
            let kind = resource.split(['/', ':']).next().unwrap_or_default();
            let rest = resource.get(kind.len()..).unwrap_or_default();
            let all_of_a_kind =
                wild(rest) && said(rest) == 0 && !NAMED_FIRST.contains(&service.to_ascii_lowercase().as_str());
            wild(service) || (wild(resource) && said(resource) < LEAST_SAID) || all_of_a_kind
        }
        // A wildcard reaches over colons.
        _ => wild(&resource),
    }
}

/// Policy variables stand for what only a request tells: for anything.
fn without_variables(pattern: &str) -> String {
    let mut plain = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        plain.push_str(before);
        plain.push('*');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    plain + rest
}

/// True where it has a wildcard.
pub(super) fn wild(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

fn said(pattern: &str) -> usize {
    pattern.chars().filter(|c| c.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(statement: Value) -> Value {
        json!({ "Version": "2012-10-17", "Statement": statement })
    }

    fn allow(action: Value, resource: Value) -> Value {
        of(json!([{ "Effect": "Allow", "Action": action, "Resource": resource }]))
    }

    #[test]
    fn everything_however_it_is_written() {
        for action in [
            json!("*"),
            json!(["*"]),
            json!("iam:*"),
            json!(["s3:GetObject", "IAM:*"]),
            json!("**"),
            json!("?*"),
            json!("*:*"),
            json!("iam:**"),
            json!("iam:?*"),
            json!("i?m:CreateUser"),
            json!("iam:C*"),
            json!("iam:*e*"),
            json!("*:Delete*"),
            json!(" * "),
            json!([]),
            json!(7),
            json!([["iam:*"]]),
            json!({ "a": "*" }),
        ] {
            assert!(grants_all(&allow(action.clone(), json!("*"))), "{action}");
        }
        for resource in [
            json!("*"),
            json!(["*"]),
            json!(["arn:aws:s3:::a", "*"]),
            json!("arn:aws:*:*:*:*"),
            json!("arn:*"),
            json!("arn:aws:iam::111122223333:*"),
            json!("arn:aws:s3:::*"),
            json!("arn:aws:s3:::?*"),
            json!("*:*"),
            json!("arn:aws:iam::111122223333:role/*"),
            json!("arn:aws:dynamodb:*:*:table/**"),
            json!("arn:aws:kinesis:eu-central-1:111122223333:stream/*"),
            json!("arn:aws:backup:eu-central-1:111122223333:backup-vault:*"),
            json!("arn:aws:route53:::hostedzone/*"),
            json!("*role*"),
            json!("arn:aws:iam::*:user/${aws:username}"),
            json!("${aws:PrincipalTag/x}"),
            json!("arn:aws:*:a:1:table/t"),
            json!("arn:aws:lambda:a:1:function:*"),
            json!("arn:aws:s3:::*e*"),
            json!([]),
            json!(null),
        ] {
            assert!(grants_all(&allow(json!("iam:*"), resource.clone())), "{resource}");
        }
        for policy in [
            of(json!({ "Effect": "Allow", "NotAction": "iam:CreateUser", "Resource": "*" })),
            of(json!({ "Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::a" })),
            of(json!({ "Effect": "Allow", "Action": "s3:*" })),
            of(json!({ "effect": "allow", "ACTION": "s3:*", "resource": "*" })),
            of(
                json!([{ "Effect": "Deny", "Action": "*", "Resource": "*" }, { "Effect": "Allow", "Action": "*", "Resource": "*" }]),
            ),
            of(
                json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": "true" } } }),
            ),
            of(json!({ "Effect": "Maybe", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a" })),
            of(json!({ "Effect": "Allow", "Resource": "*" })),
            of(json!({ "Effect": "Deny", "effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a" })),
            of(json!("x")),
            json!({}),
            json!([null, allow(json!("*"), json!("*"))]),
            json!([allow(json!("*"), json!("*")).to_string()]),
            Value::from(format!("\"{}\"", allow(json!("s3:GetObject"), json!("*")).to_string().replace('"', "\\\""))),
            json!(r#"{"Statement": {"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}}"#),
        ] {
            assert!(grants_all(&policy), "{policy}");
        }
    }

    #[test]
    fn what_is_named_is_not_everything() {
        for policy in [
            allow(json!(["s3:GetObject", "s3:Put*"]), json!("*")),
            allow(json!("dynamodb:*"), json!("arn:aws:dynamodb:*:111122223333:table/orders")),
            allow(json!("s3:*"), json!(["arn:aws:s3:::prod-orders", "arn:aws:s3:::prod-orders/*"])),
            allow(json!("sts:AssumeRole"), json!(null)),
            of(json!({ "Effect": "Deny", "NotAction": "*", "Resource": "*" })),
            of(json!([])),
            json!(""),
            json!(" "),
            json!(null),
        ] {
            assert!(!grants_all(&policy), "{policy}");
            assert!(
                policy.is_string() || policy.is_null() || !grants_all(&Value::from(policy.to_string())),
                "{policy}"
            );
        }
    }
}
