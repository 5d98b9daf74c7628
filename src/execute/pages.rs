//! The answer of a read: its pages put together up to a stated size, projected, and what leads to the rest.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::aws::models::Models;
use crate::aws::redact::{Direction, redact};
use crate::call::cursor::{Bound, Position};
use crate::call::pages::Pages;
use crate::call::validate::ValidatedCall;
use crate::manifest::expression::Expression;
use crate::names::OperationId;
use crate::ports::{CloudReply, CloudSession};

/// Most pages that one call reads.
const MOST_PAGES: usize = 10;

/// No further page is begun after so long.
const LONGEST: Duration = Duration::from_secs(30);

/// The answer of a read as the agent gets it.
#[derive(Debug)]
pub struct Gathered {
    result: Value,
    notes: Vec<(&'static str, Value)>,
}

impl Gathered {
    /// `{result, ...}`.
    pub fn structured(&self) -> Value {
        let mut members = Map::from_iter([("result".to_owned(), self.result.clone())]);
        members.extend(self.notes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        Value::Object(members)
    }
}

/// How answers are made from what AWS gives.
struct Reading<'a> {
    models: &'a Models,
    operation: &'a OperationId,
    projection: Option<&'a Expression>,
}

/// Reads on from the first answer, as far as the size, the time and the pages go.
pub async fn gather(
    call: &ValidatedCall,
    first: &CloudReply,
    session: &dyn CloudSession,
    models: &Models,
    most_bytes: usize,
) -> Gathered {
    let spec = call.spec();
    let projection = call.query().or(spec.output.as_ref());
    let reading = Reading { models, operation: &spec.operation, projection };
    let pages = Pages::of(&spec.operation, models).ok();
    // Who asks for pages of a size gets one of them.
    let one =
        pages.as_ref().is_none_or(|pages| pages.limit().is_some_and(|limit| call.own_arguments().get(limit).is_some()));
    let began = Instant::now();
    let mut position = call.position().cloned().unwrap_or_default();
    let mut shown: Option<Value> = None;
    let mut notes = Vec::new();
    let mut output = first.output.clone();
    for page in 1.. {
        let next = pages.as_ref().and_then(|pages| pages.next(&output).ok().flatten());
        let (mut value, failed) = reading.projected(&output);
        notes.extend(failed.filter(|_| page == 1).map(|why| ("query_failed", json!(why))));
        let list = match position.list.as_str() {
            "" => longest_list(&value),
            known => Some(known.to_owned()).filter(|list| value.pointer(list).is_some_and(Value::is_array)),
        };
        skip(&mut value, list.as_deref(), position.given);
        let room = |value: &Value, more: bool| value.to_string().len() + if more { 1024 } else { 0 } <= most_bytes;
        let merged = match (&shown, &list) {
            (Some(before), Some(list)) => joined(before, &value, list),
            (Some(_), None) => None,
            (None, _) => Some(value.clone()),
        };
        match merged {
            Some(merged) if room(&merged, next.is_some()) => shown = Some(merged),
            _ => {
                let cut = list.as_deref().and_then(|list| cut(shown.as_ref(), &value, list, most_bytes));
                match (cut, shown.take()) {
                    (Some((fits, kept, left)), _) => {
                        let list = list.unwrap_or_default();
                        let on = Position { given: position.given + kept, list, tokens: position.tokens };
                        notes.extend(way_on(call, &on, Some(left), next.is_some()));
                        return finished(fits, &next, notes);
                    }
                    (None, Some(before)) => {
                        notes.extend(way_on(call, &position, None, true));
                        return finished(before, &next, notes);
                    }
                    (None, None) => {
                        let (value, note) = super::result::fit(value, most_bytes);
                        notes.extend(note.map(|note| ("cut", json!(note))));
                        return Gathered { result: value, notes };
                    }
                }
            }
        }
        let Some(tokens) = next.clone() else { break };
        let list = list.filter(|_| shown.as_ref().is_some_and(|shown| !shown.is_null()));
        position = Position { tokens, given: 0, list: list.clone().unwrap_or_default() };
        let reply = match list {
            Some(_) if !one && page < MOST_PAGES && began.elapsed() < LONGEST => {
                session.send(&spec.operation, &with_tokens(call.own_arguments(), &position.tokens)).await.ok()
            }
            _ => None,
        };
        match reply {
            Some(reply) => output = reply.output,
            None => {
                notes.extend(way_on(call, &position, None, true));
                return finished(shown.unwrap_or_default(), &next, notes);
            }
        }
    }
    Gathered { result: shown.unwrap_or_default(), notes }
}

impl Reading<'_> {
    /// What of an answer goes to the agent, and why what it asked for could not be made of it.
    fn projected(&self, output: &Value) -> (Value, Option<String>) {
        let shown = redact(self.models, self.operation, Direction::Output, output)
            .unwrap_or_else(|error| json!({ "withheld": error.to_string() }));
        match self.projection.map(|projection| projection.search(&shown)) {
            None => (shown, None),
            Some(Ok(projected)) => (projected, None),
            // A projection that fails hides nothing that was not the agent's to see: the whole answer is given.
            Some(Err(error)) => (shown, Some(error.to_string())),
        }
    }
}

/// The arguments that lead to a page.
pub fn with_tokens(arguments: &Value, tokens: &Map<String, Value>) -> Value {
    let mut arguments = arguments.clone();
    if let Value::Object(members) = &mut arguments {
        members.extend(tokens.clone());
    }
    arguments
}

/// What says that there is more, how much, and how to get it.
fn way_on(call: &ValidatedCall, on: &Position, left: Option<usize>, pages: bool) -> Option<(&'static str, Value)> {
    let cursor = on.seal(bound(call))?;
    let mut more = Map::from_iter([("cursor".to_owned(), json!(cursor))]);
    more.extend(left.map(|left| ("items_left_on_this_page".to_owned(), json!(left))));
    more.insert("further_pages".to_owned(), json!(pages));
    more.insert(
        "next".to_owned(),
        json!("call again with the same arguments and this `cursor`; or ask for less with `query`"),
    );
    Some(("more", Value::Object(more)))
}

/// What a call's cursors are bound to.
pub fn bound(call: &ValidatedCall) -> Bound<'_> {
    let caller = call.caller();
    Bound {
        tool: &call.spec().name,
        operation: call.spec().operation.name(),
        account: &call.account().id,
        region: call.region().as_str(),
        arguments: call.own_arguments(),
        query: call.query().map(Expression::text),
        agent: caller.agent.as_str(),
        human: caller.human.as_str(),
    }
}

/// AWS's own token would lead past what was cut off: the cursor stands for it.
fn finished(mut result: Value, next: &Option<Map<String, Value>>, notes: Vec<(&'static str, Value)>) -> Gathered {
    if let (Value::Object(members), Some(tokens)) = (&mut result, next) {
        members.retain(|_, value| !(value.is_string() && tokens.values().any(|token| token == value)));
    }
    Gathered { result, notes }
}

/// Takes the items out that were given before, and every other list, which went with them.
fn skip(value: &mut Value, list: Option<&str>, given: usize) {
    let (Some(pointer), true) = (list, given > 0) else { return };
    if let Value::Object(members) = value {
        for (key, other) in members {
            if let Value::Array(items) = other
                && format!("/{key}") != pointer
            {
                items.clear();
            }
        }
    }
    if let Some(Value::Array(items)) = value.pointer_mut(pointer) {
        items.drain(..given.min(items.len()));
    }
}

/// Two pages as one: lists one after the other, everything else of the later one.
fn joined(before: &Value, value: &Value, list: &str) -> Option<Value> {
    match (before, value) {
        (Value::Array(before), Value::Array(items)) => Some(json!(before.iter().chain(items).collect::<Vec<_>>())),
        (Value::Object(before), Value::Object(value)) if before.contains_key(list.trim_start_matches('/')) => {
            let mut both = value.clone();
            for (key, earlier) in before {
                match (earlier, both.get_mut(key)) {
                    (Value::Array(earlier), Some(Value::Array(items))) => {
                        let all: Vec<Value> = earlier.iter().chain(items.iter()).cloned().collect();
                        *items = all;
                    }
                    (_, Some(_)) => {}
                    (_, None) => {
                        both.insert(key.clone(), earlier.clone());
                    }
                }
            }
            Some(Value::Object(both))
        }
        _ => None,
    }
}

/// As many items of a page's list as fit besides what is there, at least one where nothing is; with how many that are,
/// and how many are left.
fn cut(shown: Option<&Value>, value: &Value, list: &str, most_bytes: usize) -> Option<(Value, usize, usize)> {
    let all = value.pointer(list)?.as_array()?;
    let with = |kept: usize| {
        let mut value = value.clone();
        if let Some(Value::Array(items)) = value.pointer_mut(list) {
            items.truncate(kept);
        }
        match shown {
            Some(shown) => joined(shown, &value, list),
            None => Some(value),
        }
    };
    // Room for what says how to go on.
    let most = most_bytes.saturating_sub(1024.min(most_bytes / 4));
    let (mut fits, mut over) = (0, all.len());
    while fits + 1 < over {
        let middle = usize::midpoint(fits, over);
        if with(middle)?.to_string().len() <= most { fits = middle } else { over = middle }
    }
    (fits > 0).then(|| with(fits)).flatten().map(|value| (value, fits, all.len() - fits))
}

/// JSON pointer to the list with most in it: the value itself, or one of its members.
fn longest_list(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) => Some(String::new()),
        Value::Object(members) => {
            let lists = members.iter().filter(|(_, value)| value.is_array());
            let heaviest = lists.max_by_key(|(_, value)| value.to_string().len())?;
            Some(format!("/{}", heaviest.0.replace('~', "~0").replace('/', "~1")))
        }
        _ => None,
    }
}
