//! Checks a document against a JSON Schema generated from Rust types, and says what is wrong in people's words.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{DEEPEST, Document, Problem, Problems};
use crate::aws::models::nearest;
use crate::manifest::template::join_pointer;

/// The JSON Schema (2020-12) of a type's written form. An optional member may be left out, but not be empty.
pub fn of<T: JsonSchema>(id: &str) -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    without_null(&mut schema);
    if let Value::Object(members) = &mut schema {
        members.insert("$id".to_owned(), json!(id));
    }
    schema
}

/// Rust's `Option` would let `key:` without a value pass.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(options)) = members.get_mut("anyOf") {
                options.retain(|option| option.get("type") != Some(&json!("null")));
                if let [Value::Object(only)] = options.as_slice() {
                    let only: Map<String, Value> = only.clone();
                    members.shift_remove("anyOf");
                    members.extend(only);
                }
            }
            if members.get("default") == Some(&Value::Null) {
                members.shift_remove("default");
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// All that is wrong with a document.
pub fn check(document: &Document, schema: &Value) -> Problems {
    let validator = match Validator::new(schema) {
        Ok(validator) => validator,
        Err(error) => {
            return Problems::from(document.problem("", format!("its schema is broken: {error}"), "report it"));
        }
    };
    let mut problems = Problems::new();
    for error in validator.iter_errors(document.value()) {
        for problem in explain(document, schema, &error) {
            problems.push(problem);
        }
    }
    problems
}

/// A document's value without what doesn't fit a schema, and the keys at its top that lack something because of that.
/// `stand_ins` stand for what must be there at the top.
pub fn without_misfits(document: &Document, schema: &Value, stand_ins: &Value) -> (Value, Vec<String>) {
    let mut value = document.value().clone();
    let mut left_out: Vec<String> = Vec::new();
    let Ok(validator) = Validator::new(schema) else { return (value, left_out) };
    // What is taken out may have been required where it stood, so that more has to go.
    for _ in 0..DEEPEST {
        let mut misfits: Vec<String> = Vec::new();
        for error in validator.iter_errors(&value) {
            let pointer = error.instance_path().to_string();
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    misfits.extend(unexpected.iter().map(|name| join_pointer(&pointer, name)));
                }
                ValidationErrorKind::Required { property } if pointer.is_empty() => {
                    left_out.extend(property.as_str().map(str::to_owned));
                }
                _ => misfits.push(pointer),
            }
        }
        misfits.retain(|pointer| !pointer.is_empty());
        if misfits.is_empty() {
            break;
        }
        for pointer in misfits {
            left_out.extend(pointer.split('/').nth(1).map(str::to_owned));
            take_out(&mut value, &pointer);
        }
    }
    if let (Value::Object(members), Value::Object(stand_ins)) = (&mut value, stand_ins) {
        for (key, stand_in) in stand_ins {
            members.entry(key.clone()).or_insert_with(|| stand_in.clone());
        }
    }
    (value, left_out)
}

/// Takes out a member; for an item of a list the member that holds the list, because the other items must keep their
/// places.
fn take_out(value: &mut Value, pointer: &str) {
    let mut pointer = pointer;
    while let Some((around, key)) = pointer.rsplit_once('/') {
        if let Some(Value::Object(members)) = value.pointer_mut(around) {
            members.shift_remove(&key.replace("~1", "/").replace("~0", "~"));
            return;
        }
        pointer = around;
    }
}

fn explain(document: &Document, schema: &Value, error: &ValidationError<'_>) -> Vec<Problem> {
    let pointer = error.instance_path().to_string();
    let one = |message: String, mend: String| vec![document.problem(&pointer, message, mend)];
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = properties(schema, &error.schema_path().to_string());
            unexpected.iter().map(|name| unknown_key(document, &pointer, name, &known)).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![document.problem_at_key(&pointer, format!("`{name}` is missing"), format!("add `{name}`"))]
        }
        ValidationErrorKind::Enum { options } => {
            let words = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let (message, mend) = not_a_word(error.instance(), words);
            one(message, mend)
        }
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            let words: Vec<Value> = context.iter().flatten().flat_map(words_of).collect();
            let (message, mend) = not_a_word(error.instance(), &words);
            one(message, mend)
        }
        ValidationErrorKind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(single) => type_word(&single.to_string()).to_owned(),
                TypeKind::Multiple(several) => {
                    several.iter().map(|t| type_word(&t.to_string()).to_owned()).collect::<Vec<_>>().join(" or ")
                }
            };
            one(format!("{} stands here", found_word(error.instance())), format!("write {wanted}"))
        }
        ValidationErrorKind::Pattern { pattern } => {
            one(format!("{} does not match `{pattern}`", shown(error.instance())), "write it in that form".to_owned())
        }
        ValidationErrorKind::MinLength { .. } => one("this is too short".to_owned(), "write more".to_owned()),
        ValidationErrorKind::MaxLength { limit } => {
            one(format!("this is longer than {limit} characters"), "shorten it".to_owned())
        }
        ValidationErrorKind::MinItems { limit } => {
            one("there are too few items".to_owned(), format!("write at least {limit}"))
        }
        ValidationErrorKind::Minimum { limit } => {
            one(format!("{} is too small", shown(error.instance())), format!("at least {limit} is allowed"))
        }
        ValidationErrorKind::Maximum { limit } => {
            one(format!("{} is too great", shown(error.instance())), format!("at most {limit} is allowed"))
        }
        _ => one(error.to_string(), "correct it".to_owned()),
    }
}

fn unknown_key(document: &Document, pointer: &str, name: &str, known: &[String]) -> Problem {
    let mend = match nearest(name, known.iter().map(String::as_str)).first() {
        Some(best) => format!("did you mean `{best}`?"),
        None => format!("known here: {}", list(known)),
    };
    document.problem_at_key(&join_pointer(pointer, name), format!("there is no key `{name}` here"), mend)
}

/// The properties beside the `additionalProperties` keyword at `schema_path`.
fn properties(schema: &Value, schema_path: &str) -> Vec<String> {
    let around = schema_path.rfind('/').and_then(|at| schema_path.get(..at)).unwrap_or_default();
    let properties = schema.pointer(&format!("{around}/properties")).and_then(Value::as_object);
    properties.map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

fn words_of(error: &ValidationError<'_>) -> Vec<Value> {
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } => vec![(**expected_value).clone()],
        ValidationErrorKind::Enum { options } => options.as_array().cloned().unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn not_a_word(found: &Value, words: &[Value]) -> (String, String) {
    let words: Vec<String> = words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
    let best = found.as_str().and_then(|text| nearest(text, words.iter().map(String::as_str)).into_iter().next());
    let mend = match best {
        Some(best) => format!("did you mean `{best}`? allowed: {}", list(&words)),
        None => format!("allowed: {}", list(&words)),
    };
    (format!("{} is not allowed here", shown(found)), mend)
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() { format!("`{cut}…`") } else { format!("`{cut}`") }
}

fn type_word(name: &str) -> &str {
    match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        "object" => "a table of keys and values",
        _ => "nothing",
    }
}

fn found_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table of keys and values",
    }
}
