//! Splits a tool's arguments into the common ones and the operation's, and applies what the manifest narrows.

use serde_json::{Map, Value};

use crate::aws::validate::Problem;
use crate::config::TicketConfig;
use crate::manifest::expression::{BadExpression, Expression};
use crate::manifest::spec::{InputMember, Narrowing, Tool};
use crate::names::PlanId;
use crate::text::escape::quoted;

/// Names of the arguments every tool of a manifest understands besides its own input.
pub const COMMON: [&str; 5] = ["account", "region", "reason", "dry_run", "plan_id"];

/// The argument for the ticket; there where the configuration says what tickets look like.
pub const TICKET: &str = "ticket";

/// The argument for a projection of a read's answer.
pub const QUERY: &str = "query";

/// The argument for where a read goes on.
pub const CURSOR: &str = "cursor";

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 500;

/// The arguments every tool of a manifest understands.
#[derive(Debug, Default)]
pub struct Common {
    /// The account's name or id, as asked for.
    pub account: Option<String>,
    /// The region, as asked for.
    pub region: Option<String>,
    /// Why, in the agent's words.
    pub reason: Option<String>,
    /// `Some(false)` applies; everything else previews.
    pub dry_run: Option<bool>,
    /// The plan to apply.
    pub plan_id: Option<PlanId>,
    /// The ticket it is done under; of the configured form.
    pub ticket: Option<String>,
    /// What of a read's answer is wanted.
    pub query: Option<Expression>,
    /// Where a read goes on.
    pub cursor: Option<String>,
}

/// Takes the common arguments out of `arguments`; what remains is the tool's own. Where no ticket is configured, `ticket`
/// is none of them.
pub fn take_common(
    arguments: &mut Map<String, Value>,
    changes: bool,
    tickets: Option<&TicketConfig>,
    problems: &mut Vec<Problem>,
) -> Common {
    let mut common = Common {
        account: text(arguments.shift_remove("account"), "account", problems),
        region: text(arguments.shift_remove("region"), "region", problems),
        ..Common::default()
    };
    if !changes {
        common.query = query(arguments.shift_remove(QUERY), problems);
        common.cursor = text(arguments.shift_remove(CURSOR), CURSOR, problems);
    }
    if changes {
        common.reason = reason(arguments.shift_remove("reason"), problems);
        common.dry_run = boolean(arguments.shift_remove("dry_run"), "dry_run", problems);
        common.plan_id =
            text(arguments.shift_remove("plan_id"), "plan_id", problems).map(|id| PlanId::from_outside(&id));
        if common.plan_id.is_some() && common.dry_run != Some(false) {
            problems.push(problem(
                "plan_id",
                "a plan is given, but `dry_run` is not false",
                "to apply the plan pass `dry_run: false`; for a new preview leave `plan_id` out",
            ));
        }
        if let Some(tickets) = tickets {
            common.ticket = ticket(arguments.shift_remove(TICKET), tickets, problems);
        }
    }
    common
}

/// A problem at a place.
pub fn problem(path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { path: path.into(), message: message.into(), hint: hint.into() }
}

fn text(value: Option<Value>, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => {
            problems.push(problem(name, "is not a text", "pass a string"));
            None
        }
    }
}

fn boolean(value: Option<Value>, name: &str, problems: &mut Vec<Problem>) -> Option<bool> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::Bool(set)) => Some(set),
        Some(_) => {
            problems.push(problem(name, "is not a boolean", "pass true or false, without quotes"));
            None
        }
    }
}

fn query(value: Option<Value>, problems: &mut Vec<Problem>) -> Option<Expression> {
    let query = text(value, QUERY, problems)?;
    let bad = |BadExpression { column, message }| {
        problem(QUERY, format!("{message}, at character {column}"), "write it in JMESPath, or leave it out")
    };
    Expression::compile(&query).map_err(|error| problems.push(bad(error))).ok()
}

fn reason(value: Option<Value>, problems: &mut Vec<Problem>) -> Option<String> {
    let reason = text(value, "reason", problems).map(|reason| reason.trim().to_owned());
    match reason.as_deref() {
        None | Some("") => {
            let mend = "say in a sentence why this change is wanted; it is shown to the person and recorded";
            problems.push(problem("reason", "is missing", mend));
            None
        }
        Some(text) if text.chars().count() > LONGEST_REASON => {
            let found = format!("has {} characters, at most {LONGEST_REASON} are allowed", text.chars().count());
            problems.push(problem("reason", found, "shorten it"));
            None
        }
        Some(_) => reason,
    }
}

fn ticket(value: Option<Value>, tickets: &TicketConfig, problems: &mut Vec<Problem>) -> Option<String> {
    let ticket = text(value, TICKET, problems)?;
    if tickets.matches(&ticket) {
        return Some(ticket);
    }
    let mend = format!("pass a ticket that matches `{}` as a whole, or leave it out", tickets.pattern());
    problems.push(problem(TICKET, format!("{} is not a ticket", quoted(&ticket, 40)), mend));
    None
}

/// Checks the tool's own arguments against what its manifest allows and adds what the manifest sets itself.
pub fn apply_manifest(tool: &Tool, mut own: Map<String, Value>, problems: &mut Vec<Problem>) -> Value {
    for name in own.keys() {
        if !tool.input.iter().any(|input| input.member == *name) {
            problems.push(unknown_argument(tool, name));
        }
    }
    for input in &tool.input {
        match own.get(&input.member) {
            None | Some(Value::Null) if input.required => {
                let mend = format!("pass `{}`", input.member);
                problems.push(problem(input.member.clone(), "is missing", mend));
            }
            None | Some(Value::Null) => {}
            Some(value) => narrow(input, value, problems),
        }
    }
    for (member, value) in &tool.fixed {
        own.insert(member.clone(), value.clone());
    }
    Value::Object(own)
}

fn unknown_argument(tool: &Tool, name: &str) -> Problem {
    let known: Vec<&str> = tool.input.iter().map(|input| input.member.as_str()).chain(COMMON).collect();
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&candidate.to_lowercase(), &name.to_lowercase()), *candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let mend = match nearest {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None => format!("this tool takes {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    };
    problem(name.chars().take(80).collect::<String>(), "is not an argument of this tool", mend)
}

fn narrow(input: &InputMember, value: &Value, problems: &mut Vec<Problem>) {
    let Narrowing { min_items, max_items, min, max, one_of, pattern } = &input.narrowing;
    let mut wrong = |message: String, mend: &str| problems.push(problem(input.member.clone(), message, mend));
    if let Value::Array(items) = value {
        let count = items.len() as u64;
        if let Some(least) = min_items.filter(|least| count < *least) {
            wrong(format!("has {count} items, at least {least} are needed"), "add items");
        }
        if let Some(most) = max_items.filter(|most| count > *most) {
            wrong(format!("has {count} items, this tool allows {most} a call"), "split the call");
        }
    }
    if let Some(number) = value.as_f64() {
        if let Some(least) = min.filter(|least| number < *least as f64) {
            wrong(format!("is {number}, at least {least} is allowed"), "pass a greater number");
        }
        if let Some(most) = max.filter(|most| number > *most as f64) {
            wrong(format!("is {number}, at most {most} is allowed"), "pass a smaller number");
        }
    }
    let items: &[Value] = match value {
        Value::Array(items) => items,
        single => std::slice::from_ref(single),
    };
    for item in items {
        if !one_of.is_empty() && !one_of.contains(item) {
            let allowed = one_of.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
            wrong("is not one of the values this tool allows".to_owned(), &format!("pass one of {allowed}"));
        }
        if let (Some(pattern), Value::String(text)) = (pattern, item) {
            let anchored = fancy_regex::Regex::new(&format!("^(?:{pattern})$"));
            if !anchored.is_ok_and(|regex| regex.is_match(text).unwrap_or(false)) {
                wrong(format!("does not match `{pattern}`"), "pass a value of that form");
            }
        }
    }
}
