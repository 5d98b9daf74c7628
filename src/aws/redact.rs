//! Keeping secrets out of what people, models and records see.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::models::{ModelError, Models};
use super::service::ServiceModel;
use super::shape::{ShapeKind, ShapeModel};
use crate::names::OperationId;

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// Which side of an operation a value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Its arguments.
    Input,
    /// Its result.
    Output,
}

/// Text members whose name, in lower case, holds one of these are secret though AWS's model often doesn't say so.
const SECRET_NAMES: &[&str] = &[
    "accesstoken",
    "authorizationtoken",
    "authtoken",
    "bearertoken",
    "clientsecret",
    "keymaterial",
    "passphrase",
    "password",
    "plaintext",
    "presignedurl",
    "privatekey",
    "refreshtoken",
    "secretaccesskey",
    "secretbinary",
    "secretkey",
    "secretstring",
    "securitytoken",
    "sessiontoken",
    "signedurl",
    "userdata",
];

/// Members that commonly hold secrets: service, structure, member. Whatever the member holds is left out as a whole.
const SECRET_MEMBERS: &[(&str, &str, &str)] = &[
    ("amplify", "App", "environmentVariables"),
    ("amplify", "Branch", "environmentVariables"),
    ("apprunner", "CodeConfigurationValues", "RuntimeEnvironmentVariables"),
    ("apprunner", "ImageConfiguration", "RuntimeEnvironmentVariables"),
    ("batch", "KeyValuePair", "value"),
    ("cloudformation", "Parameter", "ParameterValue"),
    ("cloudformation", "Output", "OutputValue"),
    ("codebuild", "EnvironmentVariable", "value"),
    ("codecommit", "GetBlobOutput", "content"),
    ("ec2", "InstanceAttribute", "UserData"),
    ("ec2", "ModifyInstanceAttributeRequest", "UserData"),
    ("ecr", "AuthorizationData", "authorizationToken"),
    ("ecs", "KeyValuePair", "value"),
    ("elasticbeanstalk", "ConfigurationOptionSetting", "Value"),
    ("lambda", "Environment", "Variables"),
    ("lambda", "EnvironmentResponse", "Variables"),
    ("lambda", "FunctionCodeLocation", "Location"),
    ("ssm", "Parameter", "Value"),
    ("ssm", "ParameterHistory", "Value"),
    ("ssm", "PutParameterRequest", "Value"),
    ("sts", "GetFederationTokenResponse", "Credentials"),
];

/// What a member is told to be by another one beside it.
enum Beside {
    /// Plain where the other has one of these values.
    Is(&'static [&'static str]),
    /// Plain where the other is a name that doesn't sound like a secret's.
    Names,
}

/// Members that are marked or listed as secret and may be plain: service, structure, member, and which other one tells.
/// Without it a stack could be changed by a parameter that nobody sees. AWS itself shows them to everybody who may read the
/// resource; what is declared as secret there (`NoEcho`, `SecureString`) isn't among them.
const PLAIN_WHERE: &[(&str, &str, &str, &str, Beside)] = &[
    ("cloudformation", "Parameter", "ParameterValue", "ParameterKey", Beside::Names),
    ("cloudformation", "Output", "OutputValue", "OutputKey", Beside::Names),
    ("ssm", "Parameter", "Value", "Type", Beside::Is(&["String", "StringList"])),
    ("ssm", "ParameterHistory", "Value", "Type", Beside::Is(&["String", "StringList"])),
    ("ssm", "PutParameterRequest", "Value", "Type", Beside::Is(&["String", "StringList"])),
];

/// Names that people give to secrets, besides [`SECRET_NAMES`].
const SOUNDING_SECRET: &[&str] = &[
    "auth",
    "cert",
    "cred",
    "key",
    "licence",
    "license",
    "pass",
    "pin",
    "private",
    "pwd",
    "salt",
    "secret",
    "token",
    "url",
    "uri",
    "webhook",
    "connection",
    "dsn",
];

/// True where some text in a value is, or holds, what stands for a secret.
pub fn holds_redacted(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REDACTED),
        Value::Array(items) => items.iter().any(holds_redacted),
        Value::Object(members) => members.values().any(holds_redacted),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A copy of an operation's arguments or result in which every secret is replaced by [`REDACTED`].
///
/// Secret is what the model marks as `sensitive`, and what the tables above name. A value that doesn't have the form the
/// model expects is left out as a whole where the model expects a secret in it, so nothing slips through by being odd.
pub fn redact(
    models: &Models,
    operation: &OperationId,
    direction: Direction,
    value: &Value,
) -> Result<Value, ModelError> {
    let (service, operation) = models.operation(operation)?;
    let reference = match direction {
        Direction::Input => &operation.input,
        Direction::Output => &operation.output,
    };
    match reference {
        Some(reference) => redact_shape(&service, &reference.shape, value),
        None => Ok(value.clone()),
    }
}

/// As [`redact`], but each stand-in has the type that the model asks for, so that a request can be built with it.
pub(crate) fn redact_typed(service: &ServiceModel, shape: &str, value: &Value) -> Result<Value, ModelError> {
    Redaction { service, typed: true }.of_shape(shape, value)
}

/// As [`redact`], for a value of a named shape.
pub fn redact_shape(service: &ServiceModel, shape: &str, value: &Value) -> Result<Value, ModelError> {
    Redaction { service, typed: false }.of_shape(shape, value)
}

/// The texts that [`redact_shape`] takes out of a value, for taking them out of messages too. AWS repeats arguments in some
/// of its errors. Texts too short to be told from ordinary words are left out.
pub(crate) fn secret_texts(service: &ServiceModel, shape: &str, value: &Value) -> Vec<String> {
    let Ok(shown) = redact_shape(service, shape, value) else { return texts(value) };
    let mut found = taken_out(value, &shown);
    found.retain(|text| text.chars().count() >= SHORTEST_TOLD);
    // the longest first: one may hold another
    found.sort_by_key(|text| std::cmp::Reverse(text.len()));
    found.dedup();
    found
}

/// Shorter texts would take half of a message with them.
const SHORTEST_TOLD: usize = 4;

fn taken_out(value: &Value, shown: &Value) -> Vec<String> {
    match (value, shown) {
        (Value::Object(members), Value::Object(shown)) => {
            let nothing = Value::Null;
            let each = members.iter().map(|(name, value)| taken_out(value, shown.get(name).unwrap_or(&nothing)));
            each.flatten().collect()
        }
        (Value::Array(items), Value::Array(shown)) if items.len() == shown.len() => {
            items.iter().zip(shown).flat_map(|(value, shown)| taken_out(value, shown)).collect()
        }
        (value, shown) if value == shown => Vec::new(),
        (value, _) => texts(value),
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

struct Redaction<'s> {
    service: &'s ServiceModel,
    typed: bool,
}

impl Redaction<'_> {
    fn of_shape(&self, name: &str, value: &Value) -> Result<Value, ModelError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let shape = self.service.shape(name)?;
        if shape.sensitive {
            return self.stand_in(&shape, 0);
        }
        match (&shape.kind, value) {
            (ShapeKind::Structure { .. }, Value::Object(entries)) => {
                let members = entries.keys().map(|name| Ok((name.clone(), self.member(&shape, name, entries)?)));
                members.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            (ShapeKind::List { member, .. }, Value::Array(items)) => {
                let items = items.iter().map(|item| self.of_shape(&member.shape, item));
                items.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            (ShapeKind::Map { key, value: element, .. }, Value::Object(entries)) => {
                if self.service.shape(&key.shape)?.sensitive {
                    return self.stand_in(&shape, 0);
                }
                let entries = entries.iter().map(|(name, item)| {
                    let redacted = match item {
                        Value::String(_) if secret_name(name) => {
                            self.stand_in(&*self.service.shape(&element.shape)?, 0)?
                        }
                        item => self.of_shape(&element.shape, item)?,
                    };
                    Ok((name.clone(), redacted))
                });
                entries.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            (ShapeKind::Structure { .. } | ShapeKind::List { .. } | ShapeKind::Map { .. }, _) => {
                Ok(Value::from(REDACTED))
            }
            _ => Ok(value.clone()),
        }
    }

    /// A member of a structure, by its name among all that are there.
    fn member(&self, structure: &ShapeModel, name: &str, all: &Map<String, Value>) -> Result<Value, ModelError> {
        let Some(value) = all.get(name) else { return Ok(Value::Null) };
        let Some(member) = structure.member(name) else {
            return Ok(if secret_name(name) { Value::from(REDACTED) } else { value.clone() });
        };
        let shape = self.service.shape(&member.shape)?;
        if value.is_string() && self.plain(structure, name, all) {
            return Ok(value.clone());
        }
        let listed = SECRET_MEMBERS.contains(&(self.service.name(), structure.name.as_str(), name));
        let textual = match &shape.kind {
            ShapeKind::String { enum_values, .. } => enum_values.is_empty(),
            ShapeKind::Blob(_) => true,
            _ => false,
        };
        if !value.is_null() && (listed || (textual && secret_name(name))) {
            return self.stand_in(&shape, 0);
        }
        self.of_shape(&member.shape, value)
    }

    fn plain(&self, structure: &ShapeModel, name: &str, all: &Map<String, Value>) -> bool {
        let of = (self.service.name(), structure.name.as_str(), name);
        PLAIN_WHERE.iter().filter(|(service, of_structure, member, ..)| (*service, *of_structure, *member) == of).any(
            |(_, _, _, other, beside)| match (all.get(*other).and_then(Value::as_str), beside) {
                (None, _) => false,
                (Some(told), Beside::Is(plain)) => plain.contains(&told),
                (Some(told), Beside::Names) => !sounds_secret(told),
            },
        )
    }

    fn stand_in(&self, shape: &ShapeModel, depth: u8) -> Result<Value, ModelError> {
        let inner = |name: &str| match depth {
            0..8 => self.stand_in(&*self.service.shape(name)?, depth + 1),
            _ => Ok(Value::Null),
        };
        Ok(match &shape.kind {
            _ if !self.typed => Value::from(REDACTED),
            ShapeKind::Structure { .. } => Value::Object(Map::new()),
            ShapeKind::List { member, .. } => Value::Array(vec![inner(&member.shape)?]),
            ShapeKind::Map { value, .. } => {
                Value::Object([(REDACTED.to_owned(), inner(&value.shape)?)].into_iter().collect())
            }
            ShapeKind::Blob(_) => Value::from(BASE64.encode(REDACTED)),
            ShapeKind::Boolean => Value::from(false),
            ShapeKind::Integer(_) | ShapeKind::Long(_) | ShapeKind::Float(_) | ShapeKind::Double(_) => Value::from(0),
            ShapeKind::Timestamp => Value::from("1970-01-01T00:00:00Z"),
            ShapeKind::String { .. } | ShapeKind::Document => Value::from(REDACTED),
        })
    }
}

/// True where somebody may have meant a secret by a name of their own. It is true of many that aren't.
fn sounds_secret(name: &str) -> bool {
    let lower = plain_letters(name);
    secret_name(name) || SOUNDING_SECRET.iter().any(|word| lower.contains(word))
}

fn plain_letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

pub(crate) fn secret_name(name: &str) -> bool {
    let name = plain_letters(name);
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redacted(operation: &str, direction: Direction, value: Value) -> Value {
        redact(&Models::embedded().unwrap(), &operation.parse().unwrap(), direction, &value).unwrap()
    }

    #[test]
    fn marked_listed_and_named_secrets_go_and_the_rest_stays() {
        use Direction::{Input, Output};
        let cases = [
            ("secretsmanager:GetSecretValue", Output, json!({"Name": "n", "SecretString": "hunter2"})),
            ("rds:CreateDBInstance", Input, json!({"DBInstanceIdentifier": "d", "MasterUserPassword": "hunter2"})),
            (
                "lambda:UpdateFunctionConfiguration",
                Input,
                json!({"FunctionName": "f", "Environment": {"Variables": {"K": "hunter2"}}}),
            ),
            (
                "ssm:GetParameter",
                Output,
                json!({"Parameter": {"Name": "p", "Type": "SecureString", "Value": "hunter2"}}),
            ),
            (
                "sts:AssumeRole",
                Output,
                json!({"Credentials": {"AccessKeyId": "AKIA", "SecretAccessKey": "hunter2", "SessionToken": "hunter2"}}),
            ),
            ("ec2:CreateKeyPair", Output, json!({"KeyName": "k", "KeyMaterial": "hunter2"})),
            ("ec2:RunInstances", Input, json!({"ImageId": "ami-1", "UserData": "hunter2"})),
            ("iam:CreateAccessKey", Output, json!({"AccessKey": {"UserName": "u", "SecretAccessKey": "hunter2"}})),
            ("kms:Decrypt", Output, json!({"KeyId": "k", "Plaintext": "hunter2"})),
        ];
        for (operation, direction, value) in cases {
            let text = redacted(operation, direction, value.clone()).to_string();
            assert!(!text.contains("hunter2"), "{operation}: {text}");
            assert!(text.contains(REDACTED), "{operation}: {text}");
        }
        let plain = json!({"InstanceIds": ["i-1"], "DryRun": true});
        assert_eq!(redacted("ec2:TerminateInstances", Input, plain.clone()), plain);
        let plain = json!({"SecretId": "prod/db", "ForceDeleteWithoutRecovery": true});
        assert_eq!(redacted("secretsmanager:DeleteSecret", Input, plain.clone()), plain);
    }

    #[test]
    fn what_is_told_to_be_plain_is_shown() {
        use Direction::{Input, Output};
        let shown = [
            (
                "cloudformation:DescribeStacks",
                Output,
                json!({"Stacks": [{"Parameters": [{"ParameterKey": "DeletionProtection", "ParameterValue": "true"}]}]}),
            ),
            ("ssm:PutParameter", Input, json!({"Name": "p", "Type": "String", "Value": "blue"})),
            ("ssm:GetParameter", Output, json!({"Parameter": {"Name": "p", "Type": "StringList", "Value": "a,b"}})),
        ];
        for (operation, direction, value) in shown {
            assert_eq!(redacted(operation, direction, value.clone()), value, "{operation}");
            assert!(!holds_redacted(&value));
        }
        let parameter =
            |key: &str| json!({"StackName": "s", "Parameters": [{"ParameterKey": key, "ParameterValue": "hunter2"}]});
        let hidden = [
            ("cloudformation:UpdateStack", parameter("DbPass")),
            ("cloudformation:UpdateStack", parameter("API-Key")),
            ("cloudformation:UpdateStack", json!({"StackName": "s", "Parameters": [{"ParameterValue": "hunter2"}]})),
            ("ssm:PutParameter", json!({"Name": "p", "Value": "hunter2"})),
            ("ssm:PutParameter", json!({"Name": "p", "Type": "SecureString", "Value": "hunter2"})),
            ("ssm:PutParameter", json!({"Name": "p", "Type": ["String"], "Value": "hunter2"})),
        ];
        for (operation, value) in hidden {
            let shown = redacted(operation, Input, value);
            assert!(holds_redacted(&shown) && !shown.to_string().contains("hunter2"), "{operation}: {shown}");
        }
    }

    #[test]
    fn odd_values_do_not_slip_through() {
        let odd = json!({"FunctionName": "f", "Environment": "hunter2", "password": "hunter2"});
        let text = redacted("lambda:UpdateFunctionConfiguration", Direction::Input, odd).to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }
}
