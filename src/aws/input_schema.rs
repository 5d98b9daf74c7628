//! JSON Schema of what an operation takes, for the input schemas of tools.

use serde_json::{Map, Value, json};

use super::models::{ModelError, Models, nearest};
use super::redact::secret_name;
use super::service::ServiceModel;
use super::shape::{Bounds, ShapeKind, ShapeModel};
use crate::names::OperationId;

/// An enum is listed where it has at most so many values; longer ones cost more context than they help.
const ENUM_VALUES: usize = 24;
/// A pattern is given where it has at most so many characters.
const PATTERN_LENGTH: usize = 60;

/// Why a member has no schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The model can't be had.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The operation's input has no such member.
    #[error("`{operation}` takes no `{member}`{}", nearest.first().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    NoMember {
        /// The operation.
        operation: OperationId,
        /// The name asked for.
        member: String,
        /// The nearest names there are.
        nearest: Vec<String>,
    },
}

/// The JSON Schema (draft 2020-12, without `$schema`) of one member of an operation's input.
///
/// A help for the model that calls, looser than [`super::validate`] and never stricter: structures are told down to
/// `max_depth` levels, enums and patterns only where they are short. Sensitive members are `writeOnly`.
///
/// # Errors
/// Where the operation or the member doesn't exist.
pub fn member_schema(
    models: &Models,
    operation: &OperationId,
    member: &str,
    max_depth: usize,
) -> Result<Value, SchemaError> {
    let (service, model) = models.operation(operation)?;
    let input = model.input.as_ref().map(|input| service.shape(&input.shape)).transpose()?;
    let members = input.as_ref().map_or(&[][..], |input| input.members());
    match members.iter().find(|known| known.name == member) {
        Some(known) => {
            Ok(named(&service, &known.name, &known.shape, known.wire.jsonvalue, max_depth, &mut Vec::new())?)
        }
        None => Err(SchemaError::NoMember {
            operation: operation.clone(),
            member: member.chars().take(80).collect(),
            nearest: nearest(member, members.iter().map(|known| known.name.as_str())),
        }),
    }
}

/// The schema of a structure's member: as its shape's, and `writeOnly` where its name is that of a secret.
fn named(
    service: &ServiceModel,
    name: &str,
    shape: &str,
    jsonvalue: bool,
    depth: usize,
    within: &mut Vec<String>,
) -> Result<Value, ModelError> {
    if jsonvalue {
        return Ok(json!({}));
    }
    let mut schema = of_shape(service, shape, depth, within)?;
    let text = schema.get("type") == Some(&json!("string"));
    if let Value::Object(members) = &mut schema
        && text
        && secret_name(name)
    {
        members.insert("writeOnly".to_owned(), json!(true));
    }
    Ok(schema)
}

fn of_shape(service: &ServiceModel, name: &str, depth: usize, within: &mut Vec<String>) -> Result<Value, ModelError> {
    let shape = service.shape(name)?;
    // A shape inside of itself, and whatever lies too deep, is told by its type only.
    let cut = depth == 0 || within.iter().any(|outer| outer == name);
    within.push(name.to_owned());
    let mut schema = match &shape.kind {
        _ if shape.wire.jsonvalue => json!({}),
        ShapeKind::Document => json!({}),
        ShapeKind::Structure { .. } if cut => json!({ "type": "object" }),
        ShapeKind::Map { .. } if cut => json!({ "type": "object" }),
        ShapeKind::List { .. } if cut => json!({ "type": "array" }),
        ShapeKind::Structure { union, .. } => structure(service, &shape, *union, depth, within)?,
        ShapeKind::List { member, bounds } => {
            // A list of texts is as easily read as a text: lists don't count as a level.
            let items = of_shape(service, &member.shape, depth, within)?;
            bounded(json!({ "type": "array", "items": items }), *bounds, "minItems", "maxItems")
        }
        ShapeKind::Map { value, bounds, .. } => {
            let values = of_shape(service, &value.shape, depth - 1, within)?;
            let schema = json!({ "type": "object", "additionalProperties": values });
            bounded(schema, *bounds, "minProperties", "maxProperties")
        }
        ShapeKind::String { enum_values, pattern, bounds } => text(enum_values, pattern.as_deref(), *bounds),
        ShapeKind::Integer(bounds) | ShapeKind::Long(bounds) => {
            bounded(json!({ "type": "integer" }), *bounds, "minimum", "maximum")
        }
        ShapeKind::Float(bounds) | ShapeKind::Double(bounds) => {
            bounded(json!({ "type": "number" }), *bounds, "minimum", "maximum")
        }
        ShapeKind::Boolean => json!({ "type": "boolean" }),
        ShapeKind::Blob(_) => json!({ "type": "string", "contentEncoding": "base64" }),
        ShapeKind::Timestamp => json!({ "type": ["string", "number"], "format": "date-time" }),
    };
    within.pop();
    if shape.sensitive
        && let Value::Object(members) = &mut schema
    {
        members.insert("writeOnly".to_owned(), json!(true));
    }
    Ok(schema)
}

fn structure(
    service: &ServiceModel,
    shape: &ShapeModel,
    union: bool,
    depth: usize,
    within: &mut Vec<String>,
) -> Result<Value, ModelError> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for member in shape.members() {
        let schema = named(service, &member.name, &member.shape, member.wire.jsonvalue, depth - 1, within)?;
        properties.insert(member.name.clone(), schema);
        if member.required && !member.idempotency_token {
            required.push(member.name.as_str());
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let Value::Object(members) = &mut schema {
        if !required.is_empty() {
            members.insert("required".to_owned(), json!(required));
        }
        if union {
            members.insert("minProperties".to_owned(), json!(1));
            members.insert("maxProperties".to_owned(), json!(1));
        }
    }
    Ok(schema)
}

fn text(enum_values: &[String], pattern: Option<&str>, bounds: Bounds) -> Value {
    let schema = json!({ "type": "string" });
    if !enum_values.is_empty() {
        return match enum_values.len() {
            0..=ENUM_VALUES => json!({ "type": "string", "enum": enum_values }),
            _ => schema,
        };
    }
    let mut schema = bounded(schema, bounds, "minLength", "maxLength");
    if let (Some(pattern), Value::Object(members)) = (pattern.filter(|pattern| is_portable(pattern)), &mut schema) {
        let anchored = pattern.starts_with('^') || pattern.ends_with('$');
        let pattern = if anchored { pattern.to_owned() } else { format!("^(?:{pattern})$") };
        members.insert("pattern".to_owned(), json!(pattern));
    }
    schema
}

/// True for short patterns that mean the same in Java and in ECMAScript with Unicode mode, which clients compile.
fn is_portable(pattern: &str) -> bool {
    let backslashes_are_classes = pattern.match_indices('\\').all(|(at, _)| {
        let next = pattern.get(at + 1..).and_then(|rest| rest.chars().next());
        let after = pattern.get(at + 2..).and_then(|rest| rest.chars().next());
        matches!(next, Some('d' | 'w' | 's' | 'S')) && after != Some('-')
    });
    let anchors_are_whole = pattern.starts_with('^') == pattern.ends_with('$');
    pattern.len() <= PATTERN_LENGTH
        && pattern.is_ascii()
        && backslashes_are_classes
        && anchors_are_whole
        && !pattern.contains("(?")
        && !pattern.contains(['.', '}']) | pattern.contains('{')
        && !pattern.contains("}+")
        && !pattern.contains("&&")
        && !pattern.contains('|')
        && fancy_regex::Regex::new(pattern).is_ok()
}

/// Adds the bounds that are whole numbers and say something.
fn bounded(mut schema: Value, bounds: Bounds, least: &str, most: &str) -> Value {
    let whole = |bound: Option<f64>| bound.filter(|b| b.fract() == 0.0 && b.abs() < 9e15).map(|b| b as i64);
    let counts = least != "minimum";
    if let Value::Object(members) = &mut schema {
        if let Some(min) = whole(bounds.min).filter(|min| !(counts && *min <= 0)) {
            members.insert(least.to_owned(), json!(min));
        }
        if let Some(max) = whole(bounds.max) {
            members.insert(most.to_owned(), json!(max));
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(operation: &str, member: &str) -> Value {
        member_schema(&Models::embedded().unwrap(), &operation.parse().unwrap(), member, 3).unwrap()
    }

    #[test]
    fn members_are_told_with_their_constraints() {
        assert_eq!(
            schema("ec2:TerminateInstances", "InstanceIds"),
            json!({"type": "array", "items": {"type": "string"}})
        );
        assert_eq!(schema("ec2:RunInstances", "InstanceType"), json!({"type": "string"}));
        assert_eq!(
            schema("lambda:CreateFunction", "Timeout"),
            json!({"type": "integer", "minimum": 1, "maximum": 5400})
        );
        assert_eq!(
            schema("dynamodb:CreateTable", "BillingMode"),
            json!({"type": "string", "enum": ["PROVISIONED", "PAY_PER_REQUEST"]})
        );
        assert_eq!(schema("s3:PutObject", "Body"), json!({"type": "string", "contentEncoding": "base64"}));
        assert_eq!(schema("rds:CreateDBInstance", "MasterUserPassword")["writeOnly"], json!(true));
    }

    #[test]
    fn nested_and_recursive_structures_end() {
        insta::assert_json_snapshot!("filters", schema("ec2:DescribeInstances", "Filters"));
        insta::assert_json_snapshot!("item", schema("dynamodb:PutItem", "Item"));
        insta::assert_json_snapshot!("messages", schema("bedrock-runtime:Converse", "toolConfig"));
    }

    #[test]
    fn a_mistyped_member_is_answered_with_the_nearest() {
        let models = Models::embedded().unwrap();
        let error = member_schema(&models, &"ec2:TerminateInstances".parse().unwrap(), "InstanceId", 3).unwrap_err();
        assert_eq!(error.to_string(), "`ec2:TerminateInstances` takes no `InstanceId`; did you mean `InstanceIds`?");
        assert!(member_schema(&models, &"ec2:Nothing".parse().unwrap(), "x", 3).is_err());
    }

    #[test]
    fn schemas_of_all_members_of_usual_services_are_valid_and_bounded() {
        let models = Models::embedded().unwrap();
        for service in ["ec2", "s3", "rds", "lambda", "iam", "dynamodb", "ecs", "cloudformation", "wafv2", "sqs"] {
            let model = models.service(service).unwrap();
            for name in model.operation_names() {
                let operation = model.operation(name).unwrap();
                let Some(input) = &operation.input else { continue };
                for member in model.shape(&input.shape).unwrap().members() {
                    let id = OperationId::new(service, name);
                    let schema = member_schema(&models, &id, &member.name, 3).unwrap();
                    let size = schema.to_string().len();
                    assert!(size < 100_000, "{id} {}: {size}", member.name);
                    assert!(jsonschema::meta::is_valid(&schema), "{id} {}: {schema}", member.name);
                }
            }
        }
    }
}
