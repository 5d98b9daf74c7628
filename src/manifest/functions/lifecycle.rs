//! `expires_everything`: whether a bucket's lifecycle makes all of its objects go.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html>

use serde_json::{Map, Value};

use super::{member, readable};

/// A prefix shorter than this restricts nothing: as many rules as there are first letters expire everything.
const LEAST_PREFIX: usize = 2;

/// True where an enabled rule expires objects or their noncurrent versions, and neither prefix nor tag says which. Sizes
/// don't help: all objects have one. Takes rules, or an object with `Rules`, as text or not; unreadable ones expire
/// everything.
pub(super) fn expires_everything(value: &Value) -> bool {
    judged(value).unwrap_or(true)
}

fn judged(value: &Value) -> Option<bool> {
    match readable(value)? {
        Value::Null => Some(false),
        Value::Array(rules) => any(&rules),
        Value::Object(members) => match member(&members, "Rules").ok()? {
            Some(Value::Array(rules)) => any(rules),
            Some(_) => None,
            None => rule(&members),
        },
        _ => None,
    }
}

fn any(rules: &[Value]) -> Option<bool> {
    let mut found = false;
    for one in rules {
        found |= rule(one.as_object()?)?;
    }
    Some(found)
}

fn rule(rule: &Map<String, Value>) -> Option<bool> {
    if rule.is_empty() {
        return None;
    }
    let disabled = match member(rule, "Status").ok()? {
        Some(status) => status.as_str()?.eq_ignore_ascii_case("disabled"),
        None => false,
    };
    Some(!disabled && expires(rule)? && !restricted(rule)?)
}

fn expires(rule: &Map<String, Value>) -> Option<bool> {
    let current = match member(rule, "Expiration").ok()? {
        None => false,
        // A marker without versions behind it is nothing that somebody could miss.
        Some(expiration) => {
            let expiration = expiration.as_object()?;
            expiration.is_empty()
                || expiration.keys().any(|name| !name.eq_ignore_ascii_case("ExpiredObjectDeleteMarker"))
        }
    };
    Some(current || member(rule, "NoncurrentVersionExpiration").ok()?.is_some())
}

fn restricted(rule: &Map<String, Value>) -> Option<bool> {
    match (member(rule, "Prefix").ok()?, member(rule, "Filter").ok()?) {
        (None, None) => Some(false),
        (Some(prefix), None) => is_prefix(prefix),
        (None, Some(filter)) => filtered(filter.as_object()?),
        (Some(_), Some(_)) => None,
    }
}

fn filtered(filter: &Map<String, Value>) -> Option<bool> {
    let mut found = false;
    for (name, value) in filter.iter().filter(|(_, value)| !value.is_null()) {
        found |= match name.to_ascii_lowercase().as_str() {
            "prefix" => is_prefix(value)?,
            "tag" => is_tag(value)?,
            "tags" => value.as_array()?.iter().map(is_tag).collect::<Option<Vec<_>>>()?.contains(&true),
            "and" => filtered(value.as_object()?)?,
            "objectsizegreaterthan" | "objectsizelessthan" => false,
            _ => return None,
        };
    }
    Some(found)
}

fn is_prefix(value: &Value) -> Option<bool> {
    Some(value.as_str()?.chars().count() >= LEAST_PREFIX)
}

fn is_tag(value: &Value) -> Option<bool> {
    Some(!member(value.as_object()?, "Key").ok()??.as_str()?.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(more: Value) -> Value {
        let mut rule = json!({ "ID": "r", "Status": "Enabled", "Expiration": { "Days": 1 } });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([rule])
    }

    #[test]
    fn everything_however_it_is_written() {
        for more in [
            json!({}),
            json!({ "Prefix": "" }),
            json!({ "Prefix": "/" }),
            json!({ "Filter": {} }),
            json!({ "Filter": null }),
            json!({ "Filter": { "Prefix": "" } }),
            json!({ "filter": { "prefix": "" }, "status": null }),
            json!({ "Filter": { "And": { "Prefix": "", "Tags": [] } } }),
            json!({ "Filter": { "And": { "Prefix": "", "ObjectSizeGreaterThan": 0 } } }),
            json!({ "Filter": { "ObjectSizeGreaterThan": 0 } }),
            json!({ "Filter": { "ObjectSizeLessThan": 5_497_558_138_880_u64 } }),
            json!({ "Filter": { "Prefix": "a" } }),
            json!({ "Filter": { "Tag": { "Key": "" } } }),
            json!({ "Filter": { "New": "x" } }),
            json!({ "Filter": "x" }),
            json!({ "Filter": { "Prefix": "logs/" }, "Prefix": "logs/" }),
            json!({ "Status": "On" }),
            json!({ "Status": 1 }),
            json!({ "Expiration": {} }),
            json!({ "Expiration": { "Date": "2026-01-01" } }),
            json!({ "Expiration": null, "NoncurrentVersionExpiration": { "NoncurrentDays": 1 } }),
            json!({ "expiration": { "Days": 1 } }),
        ] {
            assert!(expires_everything(&rule(more.clone())), "{more}");
        }
        assert!(expires_everything(&json!({ "Rules": rule(json!({})) })));
        assert!(expires_everything(&json!([{}])) && expires_everything(&json!({ "Rules": 1 })));
    }

    #[test]
    fn what_leaves_something() {
        for more in [
            json!({ "Status": "Disabled" }),
            json!({ "Prefix": "logs/" }),
            json!({ "Filter": { "Prefix": "logs/" } }),
            json!({ "Filter": { "Tag": { "Key": "temporary", "Value": "yes" } } }),
            json!({ "Filter": { "And": { "Prefix": "", "Tags": [{ "Key": "temporary", "Value": "yes" }] } } }),
            json!({ "Expiration": { "ExpiredObjectDeleteMarker": true } }),
            json!({ "Expiration": null, "Transitions": [{ "Days": 30, "StorageClass": "GLACIER" }] }),
        ] {
            assert!(!expires_everything(&rule(more.clone())), "{more}");
        }
        assert!(!expires_everything(&json!({ "Rules": [] })) && !expires_everything(&json!(null)));
    }
}
