//! Names in cases: `{unique}`, `{account}` and what was kept of answers.

use countersign::manifest::expression::Expression;
use serde_json::{Map, Value, json};

/// A ZIP archive without files, for functions that nobody calls.
const EMPTY_ZIP: &str = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";

/// What the names of one case stand for.
#[derive(Clone, Debug)]
pub(super) struct Names(Map<String, Value>);

impl Names {
    /// `unique` is what this case calls its things: lower-case letters and digits, a letter first.
    pub(super) fn of(unique: &str, account: &str, region: &str) -> Self {
        let names = json!({
            "unique": unique, "account": account, "region": region, "partition": "aws", "zip": EMPTY_ZIP,
        });
        Self(names.as_object().unwrap().clone())
    }

    /// Keeps a part of an answer.
    pub(super) fn keep(&mut self, name: &str, path: &str, answer: &Value) -> Result<(), String> {
        let value = look(path, answer)?;
        if value.is_null() {
            return Err(format!("there is no `{path}` (for `{name}`) in the answer {answer:#}"));
        }
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// Fills a value in. A text that is one name becomes what the name stands for, whatever its type; braces that hold no
    /// name, such as those of JSON in a text, stay.
    pub(super) fn fill(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => self.text(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?),
            Value::Object(members) => Value::Object(self.members(members)?),
            other => other.clone(),
        })
    }

    /// The same for an object's members; their keys may hold names too.
    pub(super) fn members(&self, members: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        members
            .iter()
            .map(|(key, value)| {
                let key = self.text(key)?.as_str().map(str::to_owned).unwrap_or_else(|| key.clone());
                Ok((key, self.fill(value)?))
            })
            .collect()
    }

    fn text(&self, text: &str) -> Result<Value, String> {
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
            && is_name(name)
        {
            return self.named(name).cloned();
        }
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            match after.split_once('}') {
                // `${AWS::Region}` and the like have other letters; `${name}` is CloudFormation's.
                Some((name, further)) if is_name(name) && !before.ends_with('$') => {
                    match self.named(name)? {
                        Value::String(value) => filled.push_str(value),
                        other => filled.push_str(&other.to_string()),
                    }
                    rest = further;
                }
                _ => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        Ok(Value::String(filled + rest))
    }

    fn named(&self, name: &str) -> Result<&Value, String> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            format!("nothing is called `{{{name}}}` here; known: {}", known.join(", "))
        })
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// What a JMESPath finds in an answer.
pub(super) fn look(path: &str, answer: &Value) -> Result<Value, String> {
    let expression = Expression::compile(path).map_err(|error| format!("`{path}`: {error}"))?;
    expression.search(answer).map_err(|error| error.to_string())
}

#[test]
fn names_are_filled_in_and_other_braces_stay() {
    let mut names = Names::of("t1", "210987654321", "eu-central-1");
    names.keep("list", "a", &json!({ "a": [1, 2] })).unwrap();
    let given = json!({ "{unique}": ["{list}", "arn:{account}/{unique}", "{\"a\": {}}", "${AWS::Region} ${unique}"] });
    let filled = json!({ "t1": [[1, 2], "arn:210987654321/t1", "{\"a\": {}}", "${AWS::Region} ${unique}"] });
    assert_eq!(names.fill(&given), Ok(filled));
    assert!(names.fill(&json!("{url}")).unwrap_err().contains("nothing is called `{url}`"));
}
