//! A family's call of an operation that a manifest declares is that tool's call: its input, its scopes, its preview, its
//! effect, its undo, and for policies its name. The family never gives less guard than the tool.

use serde_json::{Map, Value};

use super::catalog::{Catalog, Entry};
use super::family::Family;
use super::spec::Tool;
use crate::call::refused::{Code, Refused};
use crate::names::OperationId;
use crate::text::escape::quoted;

/// What stands beside `operation` and `arguments`. Within `arguments` it would take on another meaning.
const BESIDE: [&str; 8] = ["account", "cursor", "dry_run", "plan_id", "query", "reason", "region", "ticket"];

/// A call as its tool's: the tool's name, and all arguments in one object.
pub type Routed = (String, Map<String, Value>);

/// The tool's call that a call of a family is. `None` where it is none, or where it can't be told.
///
/// # Errors
/// Where the tool is of the other family's kind, is switched off, or where several tools call the operation and not exactly
/// one of them takes these arguments.
pub fn route(tool: &str, arguments: &Map<String, Value>, catalog: &Catalog) -> Result<Option<Routed>, Refused> {
    let Some(Entry::Family(family)) = catalog.entry(tool) else { return Ok(None) };
    let Some(operation) = arguments.get("operation").and_then(Value::as_str).and_then(|text| text.parse().ok()) else {
        return Ok(None);
    };
    let declared = catalog.declaring(&operation);
    if declared.is_empty() {
        return Ok(None);
    }
    let own = match arguments.get("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(own)) => own.clone(),
        Some(_) => return Err(misplaced("`arguments` is not an object", "pass the tool's input as an object")),
    };
    let outer = |name: &str| BESIDE.contains(&name);
    let known = |name: &str| outer(name) || name == "operation" || name == "arguments";
    if let Some(name) = arguments.keys().find(|name| !known(name)) {
        let message = format!("{} is not an argument of `{tool}`", quoted(name, 80));
        return Err(misplaced(&message, "the operation's own members belong into `arguments`"));
    }
    if let Some(name) = own.keys().find(|name| outer(name)) {
        let message = format!("`arguments.{name}` is not an argument of the operation's tool");
        return Err(misplaced(&message, &format!("`{name}` belongs beside `operation`")));
    }
    let offered: Vec<&Tool> =
        declared.iter().filter_map(|declared| catalog.get(&declared.tool)).map(|tool| &***tool).collect();
    let Some(chosen) = choose(&offered, family, &operation, &own)? else {
        return Err(switched_off(&operation, declared.iter().map(|declared| declared.tool.as_str())));
    };
    let mut all: Map<String, Value> = arguments.clone();
    all.retain(|name, _| outer(name));
    for (name, value) in own {
        // What the manifest sets itself anyway may be said.
        if !chosen.fixed.iter().any(|(fixed, set)| *fixed == name && *set == value) {
            all.insert(name, value);
        }
    }
    Ok(Some((chosen.name.clone(), all)))
}

/// The one tool that is meant. `None` where there is none to choose from.
fn choose<'a>(
    offered: &[&'a Tool],
    family: &Family,
    operation: &OperationId,
    own: &Map<String, Value>,
) -> Result<Option<&'a Tool>, Refused> {
    let kind = |tool: &&&Tool| (tool.effect.changes() || tool.effect.needs_preview()) == family.changes();
    let mine: Vec<&Tool> = offered.iter().filter(kind).copied().collect();
    match (offered, mine.as_slice()) {
        ([], _) => Ok(None),
        ([other, ..], []) => Err(other_kind(operation, other, family)),
        (_, [only]) => Ok(Some(only)),
        (_, several) => {
            let fitting: Vec<&Tool> = several.iter().filter(|tool| fits(tool, own)).copied().collect();
            match fitting.as_slice() {
                [only] => Ok(Some(only)),
                _ => Err(ambiguous(operation, several)),
            }
        }
    }
}

/// True where a tool takes these arguments, as far as their names and what it sets itself tell.
fn fits(tool: &Tool, own: &Map<String, Value>) -> bool {
    let given = || own.iter().filter(|(_, value)| !value.is_null());
    let takes = |(name, value): (&String, &Value)| {
        tool.input.iter().any(|input| input.member == *name)
            || tool.fixed.iter().any(|(fixed, set)| fixed == name && set == value)
    };
    let required = tool.input.iter().filter(|input| input.required);
    given().all(takes) && required.into_iter().all(|input| given().any(|(name, _)| *name == input.member))
}

fn misplaced(message: &str, hint: &str) -> Refused {
    Refused::new(Code::InvalidArguments, message, hint)
}

fn other_kind(operation: &OperationId, tool: &Tool, family: &Family) -> Refused {
    let (message, hint) = match family.changes() {
        true => (
            format!("`{operation}` is for `{}`, which only reads", tool.name),
            "call it through the family that reads, or by its name",
        ),
        false => (
            format!("`{operation}` is for `{}`, which is `{}`, not for `{}`", tool.name, tool.effect, family.name()),
            "call it through the family that changes things, or by its name",
        ),
    };
    Refused::new(Code::InvalidArguments, message, hint)
}

fn ambiguous(operation: &OperationId, tools: &[&Tool]) -> Refused {
    let names: Vec<String> = tools.iter().map(|tool| format!("`{}`", tool.name)).collect();
    let message = format!("several tools call `{operation}`, and these arguments don't tell which is meant");
    Refused::new(Code::InvalidArguments, message, format!("call one of {} by its name", names.join(", ")))
}

fn switched_off<'a>(operation: &OperationId, tools: impl Iterator<Item = &'a str>) -> Refused {
    let names: Vec<String> = tools.map(|name| format!("`{name}`")).collect();
    let message = format!("`{operation}` has its own tool, {}, which is switched off here", names.join(", "));
    Refused::new(Code::Forbidden, message, "ask an operator to switch it on")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::iam::IamFacts;
    use crate::aws::models::Models;
    use crate::config::ManifestsConfig;

    fn catalog(config: &ManifestsConfig) -> Catalog {
        Catalog::load(config, &Models::embedded().unwrap(), &IamFacts::embedded().unwrap()).unwrap()
    }

    fn routed(catalog: &Catalog, family: &str, arguments: Value) -> Result<Option<Routed>, String> {
        route(family, arguments.as_object().unwrap(), catalog).map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_declared_operation_is_its_tool_s_call() {
        let catalog = catalog(&ManifestsConfig::default());
        let call = json!({
            "operation": "ec2:TerminateInstances", "arguments": { "InstanceIds": ["i-0123456789abcdef0"] },
            "account": "shop-dev", "reason": "r", "dry_run": false, "plan_id": "p",
        });
        let (tool, arguments) = routed(&catalog, "aws_change", call).unwrap().unwrap();
        let wanted = json!({
            "account": "shop-dev", "reason": "r", "dry_run": false, "plan_id": "p", "InstanceIds": ["i-0123456789abcdef0"],
        });
        assert_eq!((tool.as_str(), Value::Object(arguments)), ("ec2_terminate_instances", wanted));
        let twin = json!({ "operation": "docdb:DeleteDBInstance", "arguments": { "DBInstanceIdentifier": "d" } });
        assert_eq!(routed(&catalog, "aws_change", twin).unwrap().unwrap().0, "rds_delete_db_instance");
        for (tool, call) in [
            ("aws_change", json!({ "operation": "ec2:ModifyVpcAttribute", "arguments": {} })),
            ("aws_change", json!({ "operation": "nonsense" })),
            ("aws_change", json!({ "operation": 7 })),
            ("ec2_terminate_instances", json!({ "operation": "ec2:TerminateInstances" })),
        ] {
            assert_eq!(routed(&catalog, tool, call.clone()).unwrap(), None, "{call}");
        }
    }

    #[test]
    fn a_family_is_no_way_around_a_tool() {
        let all = catalog(&ManifestsConfig::default());
        let off = catalog(&ManifestsConfig {
            disabled: vec!["ec2_terminate_instances".to_owned()],
            ..ManifestsConfig::default()
        });
        let terminate = |arguments: Value| json!({ "operation": "ec2:TerminateInstances", "arguments": arguments });
        let told = [
            routed(&all, "aws_read", terminate(json!({ "InstanceIds": ["i-1"] }))),
            routed(&all, "aws_change", json!({ "operation": "ec2:DescribeInstances" })),
            routed(&off, "aws_change", terminate(json!({ "InstanceIds": ["i-1"] }))),
            routed(&all, "aws_change", terminate(json!({ "InstanceIds": ["i-1"], "plan_id": "p", "dry_run": false }))),
            routed(&all, "aws_change", terminate(json!(["i-1"]))),
            routed(&all, "aws_change", json!({ "operation": "ec2:TerminateInstances", "InstanceIds": ["i-1"] })),
        ];
        let told: Vec<String> = told.into_iter().map(|told| told.unwrap_err()).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn of_several_tools_the_one_that_takes_the_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/tool-manifests/ec2/ec2_stop_instances.yaml");
        let shipped = std::fs::read_to_string(shipped).unwrap();
        let other = shipped.replace("tool: ec2_stop_instances", "tool: ec2_hibernate_instances");
        let other = other.replacen("\ninput:", "\nfixed: { Hibernate: true }\ninput:", 1);
        std::fs::write(folder.path().join("other.yaml"), other).unwrap();
        let config = ManifestsConfig { folders: vec![folder.path().to_owned()], ..ManifestsConfig::default() };
        let all = catalog(&config);
        let stop = |arguments: Value| json!({ "operation": "ec2:StopInstances", "arguments": arguments });
        let ids = json!(["i-0123456789abcdef0"]);
        let (tool, arguments) =
            routed(&all, "aws_change", stop(json!({ "InstanceIds": ids, "Hibernate": true }))).unwrap().unwrap();
        assert_eq!(tool, "ec2_hibernate_instances");
        assert_eq!(Value::Object(arguments), json!({ "InstanceIds": ids }));
        let told = routed(&all, "aws_change", stop(json!({ "InstanceIds": ids }))).unwrap_err();
        insta::assert_snapshot!(told, @"several tools call `ec2:StopInstances`, and these arguments don't tell which is meant");
        let off = catalog(&ManifestsConfig { disabled: vec!["ec2_hibernate_instances".to_owned()], ..config });
        let hibernate = stop(json!({ "InstanceIds": ids, "Hibernate": true }));
        let (tool, arguments) = routed(&off, "aws_change", hibernate).unwrap().unwrap();
        assert_eq!(tool, "ec2_stop_instances");
        assert!(arguments.contains_key("Hibernate"), "left to the tool's own input to refuse");
    }
}
