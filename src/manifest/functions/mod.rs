//! What manifests' expressions can ask besides JMESPath's own functions: what a policy grants, whom a rule lets in, what a
//! lifecycle expires.
//!
//! All of them judge text that an agent may have written, so that they lean one way: what can't be read grants, opens and
//! expires everything. None fails, none asks anybody, and each looks only at the value it is given.

mod anyone;
mod lifecycle;
mod network;
mod policy;

use std::sync::LazyLock;

use jmespath::functions::{ArgumentType, CustomFunction, Function as _, JoinFn, Signature};
use jmespath::{Context, ErrorReason, JmespathError, Rcvar, Runtime, SearchResult, Variable};
use serde_json::Value;

/// The functions that judge. Each takes one value and tells whether it is so; null is not.
type Judge = (&'static str, fn(&Value) -> bool);

const JUDGES: [Judge; 4] = [
    ("grants_all", policy::grants_all),
    ("grants_anyone", anyone::grants_anyone),
    ("open_to_world", network::open_to_world),
    ("expires_everything", lifecycle::expires_everything),
];

/// The function that reads a text as JSON.
const JSON: &str = "json";

/// The longest text that `join` makes, in bytes: with a long separator it could make any.
const LONGEST_JOINED: usize = 8 << 20;

/// JMESPath's own functions, and those of manifests.
pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Runtime::new();
    runtime.register_builtin_functions();
    runtime.register_function("join", Box::new(join));
    register(&mut runtime, JSON, |value| match value {
        Value::String(text) => parsed(&text).unwrap_or(Value::Null),
        other => other,
    });
    for (name, judge) in JUDGES {
        register(&mut runtime, name, move |value| Value::Bool(!value.is_null() && judge(&value)));
    }
    runtime
});

/// True where a function reads texts itself. [`JSON`] before it would make null, and so nothing, of what can't be read.
pub(super) fn judges(name: &str) -> bool {
    JUDGES.iter().any(|(judge, _)| *judge == name)
}

/// True of the function that reads a text as JSON.
pub(super) fn reads_json(name: &str) -> bool {
    name == JSON
}

fn register(runtime: &mut Runtime, name: &str, function: impl Fn(Value) -> Value + Send + Sync + 'static) {
    let signature = Signature::new(vec![ArgumentType::Any], None);
    let call = move |arguments: &[Rcvar], _: &mut Context<'_>| {
        // A value that is none, such as a reference to an expression, is unreadable: judged as a text that is no JSON.
        let value = arguments.first().and_then(|first| serde_json::to_value(&**first).ok());
        let answer = function(value.unwrap_or_else(|| Value::from("unreadable")));
        Ok(Rcvar::new(Variable::try_from(answer).unwrap_or(Variable::Null)))
    };
    runtime.register_function(name, Box::new(CustomFunction::new(signature, Box::new(call))));
}

fn join(arguments: &[Rcvar], context: &mut Context<'_>) -> SearchResult {
    if let [separator, list] = arguments
        && let (Some(separator), Some(list)) = (separator.as_string(), list.as_array())
    {
        let items: usize = list.iter().map(|item| item.as_string().map_or(0, String::len)).sum();
        if separator.len().saturating_mul(list.len()).saturating_add(items) > LONGEST_JOINED {
            let reason = ErrorReason::Parse("`join` makes too long a text".to_owned());
            return Err(JmespathError::from_ctx(context, reason));
        }
    }
    JoinFn::new().evaluate(arguments, context)
}

/// A text's JSON. IAM gives policies back percent-encoded (RFC 3986), so that is tried too.
///
/// An object that names a member twice is unreadable: which of the two AWS would go by is not said.
fn parsed(text: &str) -> Option<Value> {
    let strict = |text: &str| serde_json::from_str::<Unambiguous>(text).ok().map(|read| read.0);
    strict(text).or_else(|| strict(&percent_decoded(text)?))
}

/// What a policy or a set of rules says, in text or not. `None`: unreadable.
fn readable(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => parsed(text),
        other => Some(other.clone()),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let mut seen = false;
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        decoded.push(u8::try_from(high * 16 + low).ok()?);
        seen = true;
    }
    if seen { String::from_utf8(decoded).ok() } else { None }
}

/// JSON in which no object names a member twice.
struct Unambiguous(Value);

impl<'de> serde::Deserialize<'de> for Unambiguous {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> serde::de::Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON that names no member twice")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, set: bool) -> Result<Value, E> {
        Ok(Value::Bool(set))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some((name, Unambiguous(value))) = members.next_entry::<String, Unambiguous>()? {
            if object.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a member is named twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// A member of an object, whatever the case of its name. An error where two differ in nothing but their case.
fn member<'v>(object: &'v serde_json::Map<String, Value>, name: &str) -> Result<Option<&'v Value>, Ambiguous> {
    let mut found = object.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Ambiguous),
        (found, None) => Ok(found.filter(|value| !value.is_null())),
    }
}

/// Two members of one name.
#[derive(Debug)]
struct Ambiguous;

/// A text, or a list of texts; `None` where something else is among them, or nothing at all.
fn texts(value: &Value) -> Option<Vec<&str>> {
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    (!texts.is_empty()).then_some(texts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::expression::Expression;
    use super::*;

    fn search(text: &str, value: &Value) -> Value {
        Expression::compile(text).unwrap().search(value).unwrap()
    }

    #[test]
    fn text_is_read_as_json_also_percent_encoded() {
        assert_eq!(search("json(p).a", &json!({ "p": r#"{"a": [1]}"# })), json!([1]));
        assert_eq!(search("json(p).a", &json!({ "p": "%7B%22a%22%3A%20%22%C3%A9%2B%22%7D" })), json!("é+"));
        assert_eq!(search("json(p).a", &json!({ "p": { "a": 1 } })), json!(1));
        for unreadable in ["", "{", "%7", "%ZZ", "%ff%22", r#"{"a": 1, "a": 2}"#, "%7B%7D%"] {
            assert_eq!(search("json(@)", &json!(unreadable)), Value::Null, "{unreadable}");
        }
        assert_eq!(search("json(missing)", &json!({})), Value::Null);
    }

    #[test]
    fn nothing_is_nothing_and_what_is_unreadable_is_everything() {
        for (name, _) in JUDGES {
            let judged = |value: Value| search(&format!("{name}(@)"), &value);
            assert_eq!(judged(Value::Null), json!(false), "{name}");
            assert_eq!(judged(json!([])), json!(false), "{name}");
            for unreadable in [json!("{"), json!("[1"), json!(1), json!(true), json!([1]), json!([["x"]]), json!("%7B")]
            {
                assert_eq!(judged(unreadable.clone()), json!(true), "{name} {unreadable}");
            }
            assert_eq!(search(&format!("{name}(&a)"), &json!({})), json!(true), "{name}");
        }
    }

    #[test]
    fn what_judges_reads_text_itself() {
        let error = Expression::compile("targets[?grants_all(json(state.Policy))]").unwrap_err();
        insta::assert_snapshot!(error, @"`grants_all` reads texts itself; `json` before it makes nothing of what can't be read, at character 20");
        assert!(Expression::compile("grants_all()").is_err() && Expression::compile("json(a, b)").is_err());
    }

    #[test]
    fn join_is_bounded() {
        let long = json!({ "s": "x".repeat(1 << 16), "l": vec!["y"; 1 << 10] });
        assert!(Expression::compile("join(s, l)").unwrap().search(&long).is_err());
        assert_eq!(search("join('-', @)", &json!(["a", "b"])), json!("a-b"));
        assert!(Expression::compile("join('-', @)").unwrap().search(&json!([1])).is_err());
        assert!(Expression::compile("join('-')").is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            Just("Statement"),
            Just("Effect"),
            Just("Allow"),
            Just("Principal"),
            Just("AWS"),
            Just("*"),
            Just("Action"),
            Just("iam:*"),
            Just("Resource"),
            Just("Condition"),
            Just("StringLike"),
            Just("aws:SourceArn"),
            Just("Rules"),
            Just("Status"),
            Just("Filter"),
            Just("Prefix"),
            Just("Expiration"),
            Just("CidrIp"),
            Just("::/0"),
            Just("IpRanges"),
            Just("0.0.0.0/0"),
            Just("arn:aws:s3:::b"),
            Just("é"),
            Just(""),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            word.clone().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((word.clone(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_panics_and_text_is_judged_as_what_it_holds(value in any_json()) {
            for (name, _) in JUDGES {
                let expression = Expression::compile(&format!("{name}(@)")).unwrap();
                let plain = expression.search(&value).unwrap();
                prop_assert!(plain.is_boolean());
                if value.is_object() || value.is_array() {
                    prop_assert_eq!(expression.search(&Value::from(value.to_string())).unwrap(), plain);
                }
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            for name in JUDGES.iter().map(|(name, _)| *name).chain([JSON]) {
                Expression::compile(&format!("{name}(@)")).unwrap().search(&Value::from(text.as_str())).unwrap();
            }
        }
    }
}
