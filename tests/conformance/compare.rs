//! When two messages mean the same.

use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use serde_json::{Value, json};

/// A JSON value with numbers as floats, keys sorted, and nulls in objects left out.
pub(crate) fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_null());
            let sorted: BTreeMap<_, _> = members.map(|(key, member)| (key.clone(), normal(member))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        other => other.clone(),
    }
}

/// The fields of a form or query, sorted.
pub(crate) fn form(text: &str) -> Vec<&str> {
    let mut fields: Vec<&str> = text.split('&').collect();
    fields.sort_unstable();
    fields
}

/// An XML document as a tree with sorted attributes and children.
pub(crate) fn xml(text: &str) -> String {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open = vec![(String::new(), Vec::new(), String::new())];
    loop {
        let Some(top) = open.last_mut() else { break };
        match reader.read_event() {
            Ok(Event::Start(element)) => open.push((head(&element), Vec::new(), String::new())),
            Ok(Event::Empty(element)) => top.1.push(format!("<{}>[]", head(&element))),
            Ok(Event::Text(text)) => top.2.push_str(String::from_utf8_lossy(&text).trim()),
            Ok(Event::GeneralRef(name)) => top.2.push_str(&format!("&{};", String::from_utf8_lossy(&name))),
            Ok(Event::End(_)) => {
                let (head, mut children, text) = open.pop().unwrap();
                children.sort();
                if let Some(parent) = open.last_mut() {
                    parent.1.push(format!("<{head}>{text}[{}]", children.join("")));
                }
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    open.into_iter().next().map(|root: (String, Vec<String>, String)| root.1.join("")).unwrap_or_default()
}

fn head(element: &BytesStart<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let attributes = element.attributes().flatten();
    let mut attributes: Vec<_> = attributes.map(|a| format!("{}={}", text(a.key.as_ref()), text(&a.value))).collect();
    attributes.sort();
    format!("{} {}", text(element.name().as_ref()), attributes.join(" "))
}

/// A CBOR message as JSON; `None` where it isn't CBOR.
pub(crate) fn cbor(bytes: &[u8]) -> Option<Value> {
    if bytes.is_empty() {
        return Some(Value::Null);
    }
    ciborium::de::from_reader::<ciborium::Value, _>(bytes).ok().map(|value| from_cbor(&value))
}

fn from_cbor(value: &ciborium::Value) -> Value {
    use ciborium::Value as Cbor;
    match value {
        Cbor::Integer(number) => json!(i128::from(*number) as f64),
        Cbor::Float(number) if number.is_nan() => json!("NaN"),
        Cbor::Float(number) if number.is_infinite() => json!(number.to_string()),
        Cbor::Float(number) => json!(number),
        Cbor::Text(text) => json!(text),
        Cbor::Bytes(bytes) => json!(bytes),
        Cbor::Bool(truth) => json!(truth),
        Cbor::Array(items) => items.iter().map(from_cbor).collect(),
        Cbor::Map(entries) => {
            let key = |key: &Cbor| key.as_text().unwrap_or_default().to_owned();
            let sorted: BTreeMap<_, _> = entries.iter().map(|(k, item)| (key(k), from_cbor(item))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Cbor::Tag(tag, tagged) => json!({"tag": tag, "value": from_cbor(tagged)}),
        _ => Value::Null,
    }
}
