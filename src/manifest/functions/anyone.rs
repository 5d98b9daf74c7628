//! `grants_anyone`: whether a resource's policy lets in whoever comes.
//!
//! What restricts is what AWS itself takes for it, in deciding what is public:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>

use serde_json::{Map, Value};

use super::network::narrow_ranges;
use super::policy::{any_allow, wild};
use super::{member, texts};

/// Operators that hold only where the key is there and has one of the values. Not among them: `...IfExists`, `ForAllValues`,
/// `...Not...`, `Null`.
const RESTRICTING: [&str; 9] = [
    "arnequals",
    "arnlike",
    "foranyvalue:arnlike",
    "foranyvalue:stringequals",
    "foranyvalue:stringlike",
    "ipaddress",
    "stringequals",
    "stringequalsignorecase",
    "stringlike",
];

/// True where an `Allow` statement's principal is everybody, or everybody of a public identity provider, and no condition
/// says who. Takes a policy or a list of them, as text or not; unreadable ones let anyone in.
pub(super) fn grants_anyone(value: &Value) -> bool {
    any_allow(value, |statement| {
        if member(statement, "NotPrincipal").ok()?.is_some() {
            return Some(true);
        }
        Some(match anyone(member(statement, "Principal").ok()??)? {
            Who::Named => false,
            Who::Anyone => !restricted(statement, restricts)?,
            Who::OfProvider => !restricted(statement, |key, values| restricts(key, values) || subject(key, values))?,
        })
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// Somebody that the policy names.
    Named,
    /// Everybody with an account at an identity provider.
    OfProvider,
    /// Everybody.
    Anyone,
}

fn anyone(principal: &Value) -> Option<Who> {
    let kinds = match principal {
        Value::String(text) => return Some(if wild(text) { Who::Anyone } else { Who::Named }),
        Value::Object(kinds) if !kinds.is_empty() => kinds,
        _ => return None,
    };
    let mut worst = Who::Named;
    for (kind, named) in kinds {
        for text in texts(named)? {
            let of_provider = kind.eq_ignore_ascii_case("federated") && !text.contains(":saml-provider/");
            worst = worst.max(match of_provider {
                _ if wild(text) || wild(kind) => Who::Anyone,
                true => Who::OfProvider,
                false => Who::Named,
            });
        }
    }
    Some(worst)
}

/// True where one of a statement's conditions restricts who: all of them must hold, so one is enough.
fn restricted(statement: &Map<String, Value>, by: impl Fn(&str, &[&str]) -> bool) -> Option<bool> {
    let Some(condition) = member(statement, "Condition").ok()? else { return Some(false) };
    let mut found = false;
    for (operator, keys) in condition.as_object()? {
        let restricting = RESTRICTING.contains(&operator.to_ascii_lowercase().as_str());
        for (key, values) in keys.as_object()? {
            // Such as the booleans and numbers of other operators.
            let Some(values) = texts(values) else { continue };
            found |= restricting && by(&key.to_ascii_lowercase(), &values);
        }
    }
    Some(found)
}

/// True where a key with these values, of which one is enough, leaves only some that the policy names.
fn restricts(key: &str, values: &[&str]) -> bool {
    let every = |fits: &dyn Fn(&str) -> bool| values.iter().all(|value| !value.contains("${") && fits(value));
    match key {
        "aws:sourcearn" | "aws:principalarn" | "s3:dataaccesspointarn" => every(&of_one_account),
        "aws:principalaccount"
        | "aws:sourceaccount"
        | "aws:sourceowner"
        | "aws:vpceaccount"
        | "kms:calleraccount"
        | "s3:dataaccesspointaccount" => every(&is_account),
        "aws:principalorgid" | "aws:sourceorgid" | "aws:vpceorgid" => {
            every(&|value| begins(value, "o-") && !wild(value))
        }
        "aws:principalorgpaths" | "aws:sourceorgpaths" | "aws:vpceorgpaths" => every(&|value| {
            value.split_once('/').is_some_and(|(organization, _)| begins(organization, "o-") && !wild(organization))
        }),
        "aws:sourcevpc" => every(&|value| begins(value, "vpc-") && !wild(value)),
        "aws:sourcevpce" => every(&|value| begins(value, "vpce-") && !wild(value)),
        "aws:sourceip" => every(&|_| true) && narrow_ranges(values),
        "aws:userid" => every(&|value| {
            let of = value.split_once(':').map_or(value, |(role, _)| role);
            (begins(of, "AROA") || begins(of, "AIDA")) && !wild(of)
        }),
        _ => false,
    }
}

/// Identity providers that say themselves for whom a token is: it names one application of theirs. At others, such as those
/// of build services, whoever asks for a token chooses its audience.
const OWN_AUDIENCES: [&str; 4] =
    ["accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com"];

/// True where a key says which of an identity provider's users: `accounts.google.com:sub`.
fn subject(key: &str, values: &[&str]) -> bool {
    let Some((provider, claim)) = key.rsplit_once(':') else { return false };
    let fixed = |value: &&str| {
        let begins_with = value.split(['*', '?']).next().unwrap_or_default();
        let owned = begins_with.split(['/', ':']).filter(|part| !part.is_empty()).count() > 1;
        !value.contains("${") && (!wild(value) && !value.is_empty() || owned && begins_with.ends_with(['/', ':']))
    };
    match claim {
        "sub" | "email" | "oaud" => provider.contains('.') && values.iter().all(fixed),
        "aud" => OWN_AUDIENCES.contains(&provider) && values.iter().all(|value| fixed(value) && !wild(value)),
        _ => false,
    }
}

/// An ARN that names its account, or one of those without an account, such as a bucket's, whose name is nobody else's.
fn of_one_account(arn: &str) -> bool {
    match arn.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", _, service, _, "", resource] => {
            let name = resource.split('/').next().unwrap_or_default();
            !wild(service) && !name.is_empty() && !wild(name)
        }
        ["arn", _, _, _, account, _] => is_account(account),
        _ => false,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

fn begins(text: &str, with: &str) -> bool {
    text.len() > with.len() && text.starts_with(with)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(principal: Value, condition: Value) -> Value {
        let statement = json!({ "Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": "*", "Condition": condition });
        json!({ "Statement": [statement] })
    }

    fn all(condition: Value) -> Value {
        policy(json!("*"), condition)
    }

    #[test]
    fn everybody_however_it_is_written() {
        for principal in [
            json!("*"),
            json!({ "AWS": "*" }),
            json!({ "AWS": ["*"] }),
            json!({ "aws": ["111122223333", "*"] }),
            json!({ "Service": "*" }),
            json!({ "Federated": "*" }),
            json!({ "AWS": "arn:aws:iam::*:root" }),
            json!({}),
            json!(["*"]),
            json!({ "AWS": [] }),
            json!({ "AWS": 1 }),
            json!({ "*": "x" }),
            json!("**"),
            json!(null),
            json!({ "Federated": "accounts.google.com" }),
            json!({ "Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }),
        ] {
            assert!(grants_anyone(&policy(principal.clone(), json!(null))), "{principal}");
        }
        let inverted =
            json!({ "Effect": "Allow", "NotPrincipal": { "AWS": "111122223333" }, "Action": "*", "Resource": "*" });
        assert!(grants_anyone(&json!({ "Statement": inverted })));
    }

    #[test]
    fn conditions_that_restrict_nobody() {
        for condition in [
            json!({}),
            json!("x"),
            json!({ "StringLike": "x" }),
            json!({ "StringEquals": {} }),
            json!({ "StringLike": { "aws:SourceArn": "*" } }),
            json!({ "ArnLike": { "aws:SourceArn": "arn:aws:*:*:*:*" } }),
            json!({ "ArnLike": { "aws:SourceArn": ["arn:aws:sns:eu-central-1:111122223333:t", "arn:*:*:*:*:*"] } }),
            json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/admin" } }),
            json!({ "ArnLike": { "aws:SourceArn": "arn:aws:s3:::prod-*" } }),
            json!({ "StringEqualsIfExists": { "aws:SourceAccount": "111122223333" } }),
            json!({ "ForAllValues:StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3" } }),
            json!({ "StringNotEquals": { "aws:PrincipalAccount": "111122223333" } }),
            json!({ "StringLike": { "aws:PrincipalOrgID": "o-*" } }),
            json!({ "StringLike": { "aws:PrincipalAccount": "????????????" } }),
            json!({ "StringLike": { "aws:SourceVpce": "vpce-*" } }),
            json!({ "StringEquals": { "aws:PrincipalTag/team": "orders" } }),
            json!({ "StringLike": { "aws:UserAgent": "secret" } }),
            json!({ "StringEquals": { "aws:PrincipalAccount": "${aws:ResourceAccount}" } }),
            json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } }),
            json!({ "IpAddress": { "aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"] } }),
            json!({ "IpAddress": { "aws:SourceIp": ["10.0.0.0/8", "::/0"] } }),
            json!({ "NotIpAddress": { "aws:SourceIp": "10.0.0.0/8" } }),
            json!({ "Bool": { "aws:SecureTransport": "true" } }),
            json!({ "Null": { "aws:SourceArn": "false" } }),
            json!({ "StringEquals": { "aws:SourceAccount": [] } }),
            json!({ "StringLike": { "aws:userid": "*:x" } }),
            json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": "*/r-a/*" } }),
        ] {
            assert!(grants_anyone(&all(condition.clone())), "{condition}");
        }
    }

    #[test]
    fn conditions_that_restrict_who() {
        for condition in [
            json!({ "ArnEquals": { "AWS:SourceArn": "arn:aws:sns:eu-central-1:111122223333:orders" } }),
            json!({ "ArnLike": { "aws:SourceArn": "arn:aws:events:*:111122223333:rule/*" } }),
            json!({ "ArnLike": { "aws:SourceArn": "arn:aws:s3:::prod-orders" }, "Bool": { "aws:SecureTransport": true } }),
            json!({ "stringequals": { "aws:sourceaccount": ["111122223333", "222233334444"] } }),
            json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3" } }),
            json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": "o-a1b2c3/r-a/*" } }),
            json!({ "StringEquals": { "aws:SourceVpce": "vpce-1a2b3c4d" } }),
            json!({ "IpAddress": { "aws:SourceIp": ["203.0.113.0/24", "10.0.0.0/8"] } }),
            json!({ "StringLike": { "aws:userid": "AROAEXAMPLE:*" } }),
        ] {
            assert!(!grants_anyone(&all(condition.clone())), "{condition}");
        }
        for named in [
            json!({ "AWS": "arn:aws:iam::111122223333:root" }),
            json!({ "Service": "sns.amazonaws.com" }),
            json!("111122223333"),
            json!({ "Federated": "arn:aws:iam::111122223333:saml-provider/corp" }),
        ] {
            assert!(!grants_anyone(&policy(named.clone(), json!(null))), "{named}");
        }
    }

    #[test]
    fn users_of_a_public_provider_must_be_named() {
        let github =
            json!({ "Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" });
        let with = |key: &str, value: &str| {
            let key = format!("token.actions.githubusercontent.com:{key}");
            grants_anyone(&policy(github.clone(), json!({ "StringLike": { key: value } })))
        };
        assert!(with("aud", "shop"), "whoever builds there chooses it");
        assert!(
            with("aud", "sts.amazonaws.com") && with("sub", "*") && with("sub", "repo:*") && with("sub", "repo:sho*")
        );
        assert!(!with("sub", "repo:shop/orders:ref:refs/heads/main") && !with("sub", "repo:shop/*"));
        let cognito = json!({ "StringEquals": { "cognito-identity.amazonaws.com:aud": "eu-central-1:1-2" } });
        assert!(!grants_anyone(&policy(json!({ "Federated": "cognito-identity.amazonaws.com" }), cognito)));
    }
}
