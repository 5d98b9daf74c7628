//! What the text of a template says: the names that it gives to resources, and whether it is worked out anew each time.
//!
//! Nothing here decides alone. A name that isn't found makes no step; a text that can't be read counts as one that is worked
//! out anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Anew, AnewMakes};

/// Values nested deeper than this are not followed.
const DEEPEST: usize = 64;

/// The longest name, in characters.
const LONGEST_NAME: usize = 300;

/// Stands for what is not known of a name.
pub(super) const UNKNOWN: &str = "*";

/// How AWS begins what it puts in for a value that is known only afterwards.
const KNOWN_AFTER: &str = "{{changeSet:";

/// How a reference begins that CloudFormation puts a value in for, each time it reads the template.
const RESOLVED: &str = "{{resolve:";

/// How the type of a parameter begins whose value is the name of another parameter, in SSM, that is read each time.
const FROM_SSM: &str = "AWS::SSM::Parameter::Value";

/// A template that could be read, with what its references stand for.
#[derive(Debug)]
pub(super) struct Template {
    tree: Value,
    known: BTreeMap<String, String>,
    /// Parameters whose values nobody may see.
    hidden: BTreeSet<String>,
}

impl Template {
    /// Reads a template, JSON or YAML; `None` where it is neither. `known`: what references to parameters, and to AWS's own
    /// pseudo parameters, stand for.
    pub(super) fn read(text: &str, known: BTreeMap<String, String>) -> Option<Self> {
        let tree = serde_json::from_str(text).ok().or_else(|| yaml::read(text)).filter(Value::is_object)?;
        let mut all = defaults(&tree);
        all.extend(known);
        let hidden = hidden(&tree);
        Some(Self { tree, known: all, hidden })
    }

    /// The names that the template gives to a resource, without what is hidden.
    pub(super) fn names_of(&self, logical_id: &str) -> Vec<String> {
        let resource = self.tree.get("Resources").and_then(|all| all.get(logical_id));
        let properties = resource.and_then(|resource| resource.get("Properties")).and_then(Value::as_object);
        properties
            .map(|properties| names(properties, &|value| self.filled_in(value, &self.hidden, 0)))
            .unwrap_or_default()
    }

    /// What of the template is worked out anew when it is carried out; `None` where nothing is.
    pub(super) fn worked_out_anew(&self) -> Option<Anew> {
        let anything = || match self.tree.get("Transform") {
            Some(_) => Some("`Transform`"),
            None => macros(&self.tree, 0),
        };
        let values = || match self.known.values().any(|value| value.contains(RESOLVED)) {
            true => Some("`{{resolve:...}}` in a parameter"),
            false => self.found_in(&self.tree, 0),
        };
        let anew = |what: &str, makes| Anew { what: what.to_owned(), makes };
        let found = anything().map(|what| anew(what, AnewMakes::Anything));
        found.or_else(|| values().map(|what| anew(what, AnewMakes::Values)))
    }

    fn found_in(&self, value: &Value, depth: usize) -> Option<&'static str> {
        match value {
            Value::String(text) if text.contains(RESOLVED) => Some("`{{resolve:...}}`"),
            Value::String(text) if text.trim_start().starts_with(FROM_SSM) => Some("a parameter that is read from SSM"),
            Value::Array(items) => items.iter().find_map(|item| self.found_in(item, depth + 1)),
            Value::Object(members) => {
                let made = is_function(members).then(|| self.filled_in(value, &BTreeSet::new(), depth));
                if made.is_some_and(|made| made.contains(RESOLVED)) {
                    return Some("`{{resolve:...}}`, put together of parts");
                }
                let in_keys = members.keys().any(|key| key.contains(RESOLVED));
                let in_values = || members.values().find_map(|inner| self.found_in(inner, depth + 1));
                if in_keys { Some("`{{resolve:...}}`") } else { in_values() }
            }
            _ => None,
        }
    }

    /// A value as a text, with [`UNKNOWN`] for what only CloudFormation knows.
    fn filled_in(&self, value: &Value, hidden: &BTreeSet<String>, depth: usize) -> String {
        let unknown = || UNKNOWN.to_owned();
        let of = |name: &str| self.known.get(name).filter(|_| !hidden.contains(name)).cloned().unwrap_or_else(unknown);
        if depth > DEEPEST {
            return unknown();
        }
        match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Object(members) => match members.iter().next().map(|(name, value)| (name.as_str(), value)) {
                Some(("Ref", Value::String(name))) => of(name),
                Some(("Fn::Sub", Value::String(text))) => substituted(text, &of),
                Some(("Fn::Sub", Value::Array(parts))) => {
                    let [Value::String(text), Value::Object(own)] = parts.as_slice() else { return unknown() };
                    substituted(text, &|name| {
                        own.get(name).map_or_else(|| of(name), |v| self.filled_in(v, hidden, depth + 1))
                    })
                }
                Some(("Fn::Join", Value::Array(parts))) => {
                    let [Value::String(between), Value::Array(items)] = parts.as_slice() else { return unknown() };
                    items.iter().map(|item| self.filled_in(item, hidden, depth + 1)).collect::<Vec<_>>().join(between)
                }
                _ => unknown(),
            },
            Value::Array(_) | Value::Null => unknown(),
        }
    }
}

/// Macros in a template, which can make anything of it.
fn macros(value: &Value, depth: usize) -> Option<&'static str> {
    if depth > DEEPEST {
        return Some("more levels than can be looked at");
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| macros(item, depth + 1)),
        Value::Object(members) if members.contains_key("Fn::Transform") => Some("`Fn::Transform`"),
        Value::Object(members) => members.values().find_map(|inner| macros(inner, depth + 1)),
        _ => None,
    }
}

/// The names among a resource's properties, sorted. A name that another resource has may be among them.
pub(super) fn names(properties: &Map<String, Value>, filled_in: &dyn Fn(&Value) -> String) -> Vec<String> {
    const ENDINGS: [&str; 4] = ["Name", "Identifier", "GroupId", "ClusterId"];
    let is_name = |name: &str| {
        let known = name.chars().any(char::is_alphanumeric) && !name.contains(KNOWN_AFTER) && !name.contains(RESOLVED);
        known && (2..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains(char::is_whitespace)
    };
    let named = properties.iter().filter(|(member, _)| ENDINGS.iter().any(|ending| member.ends_with(ending)));
    let mut found: Vec<String> = named.map(|(_, value)| filled_in(value)).filter(|name| is_name(name)).collect();
    found.sort();
    found.dedup();
    found
}

fn is_function(members: &Map<String, Value>) -> bool {
    members.len() == 1 && members.keys().any(|name| name == "Ref" || name.starts_with("Fn::"))
}

/// What the parameters of a template are where nobody says otherwise.
fn defaults(tree: &Value) -> BTreeMap<String, String> {
    let Some(parameters) = tree.get("Parameters").and_then(Value::as_object) else { return BTreeMap::new() };
    let default = |(name, declared): (&String, &Value)| {
        Some((name.clone(), declared.get("Default").and_then(Value::as_str)?.to_owned()))
    };
    parameters.iter().filter_map(default).collect()
}

/// The parameters that are declared as not to be shown.
fn hidden(tree: &Value) -> BTreeSet<String> {
    let parameters = tree.get("Parameters").and_then(Value::as_object);
    let not_shown = |declared: &Value| declared.get("NoEcho").is_some_and(|word| word != false && word != "false");
    let names = parameters.into_iter().flatten().filter(|(_, declared)| not_shown(declared));
    names.map(|(name, _)| name.clone()).collect()
}

/// Puts what is known in for each `${name}`; `${!name}` stays `${name}`.
fn substituted(text: &str, of: &dyn Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, after)) = from.split_once('}') else {
            out.push_str("${");
            rest = from;
            continue;
        };
        match name.strip_prefix('!') {
            Some(literal) => out.push_str(&format!("${{{literal}}}")),
            None => out.push_str(&of(name.trim())),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Templates in YAML, with the short forms of functions (`!Ref`). All plain values are texts.
mod yaml {
    use saphyr_parser::{Event, Parser, Tag};
    use serde_json::{Map, Value};

    use super::DEEPEST;

    struct Open {
        held: Held,
        tag: Option<String>,
    }

    enum Held {
        List(Vec<Value>),
        Mapping(Map<String, Value>, Option<String>),
    }

    /// The one document of a text; `None` where anything of it can't be read. CloudFormation takes no aliases.
    pub(super) fn read(text: &str) -> Option<Value> {
        let (mut parser, mut open, mut root) = (Parser::new_from_str(text), Vec::<Open>::new(), None);
        while let Some(event) = parser.next_event() {
            let value = match event.ok()?.0 {
                Event::Alias(_) => return None,
                Event::DocumentStart(_) if root.is_some() => return None,
                Event::Scalar(text, _, _, tag) => function(tag.as_deref().and_then(name), text.into_owned().into()),
                Event::SequenceStart(_, tag) => {
                    open.push(Open { held: Held::List(Vec::new()), tag: tag.as_deref().and_then(name) });
                    continue;
                }
                Event::MappingStart(_, tag) => {
                    let held = Held::Mapping(Map::new(), None);
                    open.push(Open { held, tag: tag.as_deref().and_then(name) });
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                    Open { held: Held::List(items), tag } => function(tag, Value::Array(items)),
                    Open { held: Held::Mapping(members, _), tag } => function(tag, Value::Object(members)),
                },
                _ => continue,
            };
            if open.len() > DEEPEST {
                return None;
            }
            match open.last_mut().map(|open| &mut open.held) {
                None => root = Some(value),
                Some(Held::List(items)) => items.push(value),
                Some(Held::Mapping(members, key)) => match key.take() {
                    None => *key = Some(value.as_str()?.to_owned()),
                    // Which of two counts is not known here.
                    Some(name) if members.contains_key(&name) => return None,
                    Some(name) => {
                        members.insert(name, value);
                    }
                },
            }
        }
        root
    }

    /// The function that a tag stands for; none for YAML's own types.
    fn name(tag: &Tag) -> Option<String> {
        if tag.is_yaml_core_schema() {
            return None;
        }
        Some(match tag.suffix.as_str() {
            plain @ ("Ref" | "Condition") => plain.to_owned(),
            other => format!("Fn::{other}"),
        })
    }

    fn function(name: Option<String>, value: Value) -> Value {
        match name {
            None => value,
            Some(name) => Value::Object(Map::from_iter([(name, value)])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Template> {
        let known = [("AWS::StackName", "shop"), ("Stage", "prod")];
        Template::read(text, known.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    #[test]
    fn what_is_worked_out_anew_is_found_however_it_is_written() {
        let cases = [
            (r#"{"Resources": {"T": {"Type": "AWS::DynamoDB::Table"}}}"#, None),
            (r#"{"Resources": {"R": {"Properties": {"InputTransformer": {"Transform": "x"}}}}}"#, None),
            ("Resources: {T: {Properties: {TableName: !Sub '${Stage}-orders'}}}", None),
            (r#"{"Transform": "AWS::Serverless-2016-10-31"}"#, Some("`Transform`")),
            (r#"{"Trans\u0066orm": ["Macro"]}"#, Some("`Transform`")),
            ("Transform: [Macro]\nResources: {}", Some("`Transform`")),
            (r#"{"Resources": {"Fn::Transform": {"Name": "AWS::Include"}}}"#, Some("`Fn::Transform`")),
            ("Resources:\n  T: !Transform {Name: 'AWS::Include'}", Some("`Fn::Transform`")),
            (r#"{"Resources": {"T": {"Properties": {"P": "{{resolve:ssm:x}}"}}}}"#, Some("`{{resolve:...}}`")),
            ("Resources: {T: {Properties: {P: \"{\\x7bresolve:ssm:x}}\"}}}", Some("`{{resolve:...}}`")),
            (
                r#"{"Resources": {"P": {"Fn::Join": ["", ["{{res", "olve:ssm:x}}"]]}}}"#,
                Some("`{{resolve:...}}`, put together of parts"),
            ),
            (
                "Parameters: {R: {Type: String, Default: '{{res'}}\nResources: {P: !Sub '${R}olve:ssm:x}}'}",
                Some("`{{resolve:...}}`, put together of parts"),
            ),
            (
                r#"{"Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>"}}}"#,
                Some("a parameter that is read from SSM"),
            ),
            ("Parameters: {P: {Default: '{{resolve:ssm:x}}'}}", Some("`{{resolve:...}}` in a parameter")),
        ];
        for (text, wanted) in cases {
            let found = read(text).unwrap().worked_out_anew();
            assert_eq!(found.as_ref().map(|anew| anew.what.as_str()), wanted, "{text}");
            let anything = wanted.is_some_and(|wanted| wanted.contains("Transform"));
            assert_eq!(found.is_some_and(|anew| anew.makes == AnewMakes::Anything), anything, "{text}");
        }
        let unreadable = ["", "a list", "[1]", "a: &x 1\nb: *x", "a: 1\na: 2", "{\"a\": ", "a: 1\n---\nb: 2"];
        for text in unreadable {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn names_are_found_where_the_template_gives_them() {
        let text = "\
Parameters: {Suffix: {Type: String, Default: v1}, Secret: {Type: String, Default: hush, NoEcho: true}}
Resources:
  Plain: {Properties: {TableName: orders, KeySchema: [{AttributeName: id}], Description: x}}
  Sub: {Properties: {BucketName: !Sub '${AWS::StackName}-${Stage}-${Other.Arn}'}}
  Own: {Properties: {Name: !Sub ['${A}-${Suffix}', {A: !Ref Stage}]}}
  Joined: {Properties: {DBInstanceIdentifier: {'Fn::Join': ['-', [!Ref Stage, orders]]}}}
  Unknown: {Properties: {RoleName: !Ref Other, FunctionName: !GetAtt A.B}}
  Hidden: {Properties: {TableName: !Sub 'orders-${Secret}'}}
  None: {Type: 'AWS::SNS::Topic'}
";
        let template = read(text).unwrap();
        let of = |id: &str| template.names_of(id).join(" ");
        assert_eq!(
            ["Plain", "Sub", "Own", "Joined", "Unknown", "Hidden", "None", "Missing"].map(of),
            ["orders", "shop-prod-*", "prod-v1", "prod-orders", "", "orders-*", "", ""]
        );
    }
}
