//! What of a request's arguments may be recorded before anybody has checked them.
//!
//! A request is recorded as it arrives, and so before the service model could tell which of its members are sensitive.
//! Here names and forms are judged instead, and too much is redacted rather than too little.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What stands in place of a value that looks secret.
pub const REDACTED: &str = "[redacted]";

/// Most levels of objects and lists.
const MOST_LEVELS: usize = 8;
/// Most members of an object, and items of a list.
const MOST_ITEMS: usize = 64;
/// Most characters of a text or name; of longer texts [`KEPT`] stay.
const MOST_CHARACTERS: usize = 512;
/// Characters kept of a longer text.
const KEPT: usize = 128;
/// Most bytes of names and texts altogether.
const MOST_BYTES: usize = 16 * 1024;

/// Parts of member names that mark secrets; compared in lower case, without what separates words.
const SECRET_NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "privatekey",
    "apikey",
    "accesskey",
    "sessionkey",
    "authorization",
    "cookie",
    "signature",
];
/// Ends of member names that only name a secret.
const NAMING_ENDS: [&str; 3] = ["id", "arn", "name"];
/// Members that say what the value beside them is, as in `{"Key": "password", "Value": "..."}`.
const LABELS: [&str; 4] = ["key", "name", "parametername", "parameterkey"];
/// Texts that are secrets whatever they are called.
const SECRET_TEXTS: [&str; 4] = ["X-Amz-Signature=", "X-Amz-Security-Token=", "PRIVATE KEY-----", "Bearer "];

/// The arguments as they may be recorded: values that look secret are replaced by [`REDACTED`]; long texts are cut, with
/// their length and SHA-256; what is too deep, too many or too much altogether is replaced by a note in brackets.
pub fn redact_arguments(arguments: &Value) -> Value {
    Redaction { bytes_left: MOST_BYTES }.value(arguments, MOST_LEVELS)
}

struct Redaction {
    bytes_left: usize,
}

impl Redaction {
    fn value(&mut self, value: &Value, levels: usize) -> Value {
        match value {
            Value::Object(_) | Value::Array(_) if levels == 0 => note(format!("more than {MOST_LEVELS} levels deep")),
            Value::Object(members) => Value::Object(self.members(members, levels)),
            Value::Array(items) => Value::Array(self.items(items, levels)),
            Value::String(text) => self.text(text),
            plain => plain.clone(),
        }
    }

    fn members(&mut self, members: &Map<String, Value>, levels: usize) -> Map<String, Value> {
        let labelled = members.iter().any(|(name, label)| is_label(name) && label.as_str().is_some_and(names_secret));
        let mut kept = Map::new();
        for (name, value) in members.iter().take(MOST_ITEMS) {
            let secret = names_secret(name) || (labelled && plain_name(name).contains("value"));
            let value = if secret && !value.is_null() {
                Value::from(REDACTED)
            } else {
                self.value(value, levels.saturating_sub(1))
            };
            let Value::String(name) = self.text(name) else { continue };
            kept.insert(name, value);
        }
        if let Some(more) = members.len().checked_sub(MOST_ITEMS).filter(|more| *more > 0) {
            kept.insert("…".to_owned(), note(format!("{more} more members")));
        }
        kept
    }

    fn items(&mut self, items: &[Value], levels: usize) -> Vec<Value> {
        let mut kept: Vec<_> =
            items.iter().take(MOST_ITEMS).map(|item| self.value(item, levels.saturating_sub(1))).collect();
        if let Some(more) = items.len().checked_sub(MOST_ITEMS).filter(|more| *more > 0) {
            kept.push(note(format!("{more} more items")));
        }
        kept
    }

    fn text(&mut self, text: &str) -> Value {
        if SECRET_TEXTS.iter().any(|mark| text.contains(mark)) {
            return Value::from(REDACTED);
        }
        let kept = if text.chars().nth(MOST_CHARACTERS).is_some() {
            let start: String = text.chars().take(KEPT).collect();
            let digest = hex::encode(Sha256::digest(text.as_bytes()));
            format!("{start}… [{} characters, sha256 {digest}]", text.chars().count())
        } else {
            text.to_owned()
        };
        match self.bytes_left.checked_sub(kept.len()) {
            Some(left) => {
                self.bytes_left = left;
                Value::from(kept)
            }
            None => note("left out: too much for one record".to_owned()),
        }
    }
}

fn note(text: String) -> Value {
    Value::from(format!("[{text}]"))
}

fn names_secret(name: &str) -> bool {
    let name = plain_name(name);
    SECRET_NAMES.iter().any(|part| name.contains(part)) && !NAMING_ENDS.iter().any(|end| name.ends_with(end))
}

fn is_label(name: &str) -> bool {
    LABELS.contains(&plain_name(name).as_str())
}

fn plain_name(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let arguments = json!({
            "account": "shop-dev",
            "MasterUserPassword": "hunter2",
            "master_user-password": ["hunter2"],
            "SecretString": { "user": "a", "pass": "hunter2" },
            "SecretId": "prod/db",
            "Tags": [{ "Key": "team", "Value": "shop" }],
            "Parameters": [{ "ParameterKey": "DbPassword", "ParameterValue": "hunter2" }],
            "Environment": [{ "name": "API_KEY", "value": "hunter2" }, { "name": "MODE", "value": "fast" }],
            "Url": "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=abcdef",
            "Body": "-----BEGIN RSA PRIVATE KEY-----\nabc",
            "ClientToken": null,
            "Count": 3,
        });
        insta::assert_json_snapshot!(redact_arguments(&arguments), @r#"
        {
          "account": "shop-dev",
          "MasterUserPassword": "[redacted]",
          "master_user-password": "[redacted]",
          "SecretString": "[redacted]",
          "SecretId": "prod/db",
          "Tags": [
            {
              "Key": "team",
              "Value": "shop"
            }
          ],
          "Parameters": [
            {
              "ParameterKey": "DbPassword",
              "ParameterValue": "[redacted]"
            }
          ],
          "Environment": [
            {
              "name": "API_KEY",
              "value": "[redacted]"
            },
            {
              "name": "MODE",
              "value": "fast"
            }
          ],
          "Url": "[redacted]",
          "Body": "[redacted]",
          "ClientToken": null,
          "Count": 3
        }
        "#);
    }

    #[test]
    fn long_deep_and_many_are_cut_and_say_so() {
        let mut deep = json!("bottom");
        for _ in 0..20 {
            deep = json!([deep]);
        }
        let kept = redact_arguments(&json!({ "long": "é".repeat(600), "deep": deep, "many": vec![0; 70] }));
        let long = kept["long"].as_str().unwrap();
        let digest = hex::encode(Sha256::digest("é".repeat(600).as_bytes()));
        assert_eq!(long, format!("{}… [600 characters, sha256 {digest}]", "é".repeat(128)));
        assert_eq!(kept["many"].as_array().unwrap().last().unwrap(), "[6 more items]");
        assert!(kept["deep"].to_string().contains("[more than 8 levels deep]"));
        assert_eq!(redact_arguments(&json!("x".repeat(512))), json!("x".repeat(512)));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), ".{0,2000}".prop_map(Value::from)];
        leaf.prop_recursive(12, 400, 80, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..80).prop_map(Value::Array),
                prop::collection::vec((".{0,20}", inner), 0..80)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_member_named_secret_never_gets_through(mut arguments in any_json(), name in "[a-z]{0,3}(Pass_?word|TOKEN|api[-_]?key)[s]?") {
            const CANARY: &str = "canary-7f3a91";
            arguments = json!({ "a": [{ name: CANARY, "rest": arguments }] });
            prop_assert!(!redact_arguments(&arguments).to_string().contains(CANARY));
        }

        #[test]
        fn no_arguments_make_a_record_large(arguments in any_json()) {
            let recorded = redact_arguments(&arguments).to_string().len();
            prop_assert!(recorded < 1024 * 1024, "{} bytes", recorded);
        }
    }
}
