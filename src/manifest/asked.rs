//! Actions that only some calls of an operation need: whether its arguments ask for them.

use serde_json::{Map, Value};

use super::handed_on::PASS_ROLE;
use crate::aws::iam::ActionFact;

/// What in a call's arguments makes an action needed.
enum Asks {
    /// A member of this name that is true.
    True(&'static str),
    /// A member of one of these names, anywhere.
    Member(&'static [&'static str]),
    /// A version of an object, also within the source of a copy.
    Version,
    /// A statement that begins with this word.
    Word(&'static str),
    /// A text.
    Text(&'static str),
    /// What is handed on is scoped for itself.
    Never,
}

/// Whether the arguments ask for an action; `None` where nobody knows what would.
pub fn asks_for(arguments: &Map<String, Value>, action: &str) -> Option<bool> {
    let any = |test: &dyn Fn(&str, &Value) -> bool| members(arguments).any(|(name, value)| test(name, value));
    Some(match asks(action)? {
        Asks::Member(names) => any(&|name, value| names.contains(&name) && !value.is_null()),
        Asks::True(wanted) => any(&|name, value| name == wanted && *value == Value::Bool(true)),
        Asks::Version => any(&|name, value| {
            let copied = value.as_str().is_some_and(|text| text.to_ascii_lowercase().contains("versionid="));
            name == "VersionId" || (name == "CopySource" && copied)
        }),
        Asks::Word(word) => any(&|_, value| {
            let first = value.as_str().and_then(|text| text.split_whitespace().next());
            first.is_some_and(|first| first.eq_ignore_ascii_case(word))
        }),
        Asks::Text(part) => {
            any(&|_, value| value.as_str().is_some_and(|text| text.to_ascii_lowercase().contains(part)))
        }
        Asks::Never => false,
    })
}

/// The operation's own actions, as far as these arguments ask for them, and those that are left out because nobody knows
/// what asks for them. What only reads is never left out, and of an operation that has no other action nothing is.
pub fn own<'a>(actions: &'a [ActionFact], arguments: &Map<String, Value>) -> (Vec<&'a str>, Vec<&'a str>) {
    let always = actions.iter().any(|action| action.always);
    let (mut asked, mut left_out) = (Vec::new(), Vec::new());
    for action in actions {
        let known = match asks_for(arguments, &action.name) {
            _ if action.always => Some(true),
            None if action.level.only_reads() || !always => Some(true),
            known => known,
        };
        match known {
            Some(true) => asked.push(action.name.as_str()),
            Some(false) => {}
            None => left_out.push(action.name.as_str()),
        }
    }
    (asked, left_out)
}

/// After the pages of each operation in AWS's API references.
fn asks(action: &str) -> Option<Asks> {
    Some(match action {
        PASS_ROLE => Asks::Never,
        "dynamodb:ConditionCheckItem" => Asks::Member(&["ConditionCheck"]),
        "dynamodb:DeleteItem" => Asks::Member(&["Delete"]),
        "dynamodb:PartiQLDelete" => Asks::Word("delete"),
        "dynamodb:PartiQLInsert" => Asks::Word("insert"),
        "dynamodb:PartiQLSelect" => Asks::Word("select"),
        "dynamodb:PartiQLUpdate" => Asks::Word("update"),
        "dynamodb:PutItem" => Asks::Member(&["Put"]),
        "dynamodb:UpdateItem" => Asks::Member(&["Update"]),
        "s3:BypassGovernanceRetention" => Asks::True("BypassGovernanceRetention"),
        "s3:PutObjectAcl" => Asks::Member(&["ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP"]),
        "s3:PutObjectLegalHold" => Asks::Member(&["ObjectLockLegalHoldStatus"]),
        "s3:PutObjectRetention" => Asks::Member(&["ObjectLockMode", "ObjectLockRetainUntilDate"]),
        "s3:PutObjectTagging" => Asks::Member(&["Tagging"]),
        "timestream:Unload" => Asks::Text("unload"),
        action if action.starts_with("s3:") && action.contains("ObjectVersion") => Asks::Version,
        _ => return None,
    })
}

/// All members, at any depth, with their names; items of lists have their list's.
fn members(arguments: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let mut found: Vec<(&str, &Value)> = Vec::new();
    let mut open: Vec<(&str, &Value)> = arguments.iter().map(|(name, value)| (name.as_str(), value)).collect();
    while let Some((name, value)) = open.pop() {
        match value {
            Value::Object(inner) => open.extend(inner.iter().map(|(name, value)| (name.as_str(), value))),
            Value::Array(items) => open.extend(items.iter().map(|item| (name, item))),
            Value::Null => continue,
            _ => {}
        }
        found.push((name, value));
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::iam::IamFacts;

    #[test]
    fn an_action_is_allowed_where_the_arguments_ask_for_it() {
        let iam = IamFacts::embedded().unwrap();
        let calls = [
            ("s3:DeleteObject", json!({ "Bucket": "b", "Key": "k" }), "s3:DeleteObject"),
            (
                "s3:DeleteObject",
                json!({ "Key": "k", "VersionId": "1", "BypassGovernanceRetention": true }),
                "s3:DeleteObject s3:DeleteObjectVersion s3:BypassGovernanceRetention",
            ),
            ("s3:DeleteObject", json!({ "Key": "k", "BypassGovernanceRetention": false }), "s3:DeleteObject"),
            (
                "s3:DeleteObjects",
                json!({ "Delete": { "Objects": [{ "Key": "k", "VersionId": "1" }] } }),
                "s3:DeleteObject s3:DeleteObjectVersion",
            ),
            ("s3:PutObject", json!({ "Key": "k", "ACL": "public-read" }), "s3:PutObject s3:PutObjectAcl"),
            ("s3:PutObject", json!({ "Key": "k", "ObjectLockMode": "X" }), "s3:PutObject s3:PutObjectRetention"),
            (
                "s3:PutBucketReplication",
                json!({ "ReplicationConfiguration": { "Role": "arn:aws:iam::1:role/r" } }),
                "s3:PutReplicationConfiguration",
            ),
            (
                "dynamodb:ExecuteStatement",
                json!({ "Statement": " delete from t where id = '1'" }),
                "dynamodb:PartiQLDelete",
            ),
            (
                "dynamodb:TransactWriteItems",
                json!({ "TransactItems": [{ "Put": {} }, { "Delete": {} }] }),
                "dynamodb:PutItem dynamodb:DeleteItem",
            ),
        ];
        for (operation, arguments, wanted) in calls {
            let actions = iam.actions_for(&operation.parse().unwrap()).unwrap();
            let (asked, left_out) = own(&actions, arguments.as_object().unwrap());
            assert_eq!((asked.join(" ").as_str(), left_out.len()), (wanted, 0), "{operation} {arguments}");
        }
        let keyspace = iam.actions_for(&"keyspaces:DeleteTable".parse().unwrap()).unwrap();
        let (asked, left_out) = own(&keyspace, &Map::new());
        assert_eq!((asked, left_out), (vec!["cassandra:Drop"], vec!["cassandra:DropMultiRegionResource"]));
        let query = iam.actions_for(&"neptunedata:ExecuteGremlinQuery".parse().unwrap()).unwrap();
        assert_eq!(own(&query, &Map::new()).0.len(), 3);
    }
}
