//! `ToolRequest` to [`ValidatedCall`]: the arguments fit the manifest *and* AWS's service model.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::arguments::{Common, QUERY, apply_manifest, problem, take_common};
use super::cursor::Position;
use super::refused::{Code, Refused};
use super::request::{Caller, ToolRequest};
use super::reserved;
use crate::aws::models::Models;
use crate::aws::validate::{self as model, Problem};
use crate::config::{Account, TicketConfig};
use crate::execute::pages::{bound, with_tokens};
use crate::manifest::catalog::{Catalog, Entry};
use crate::manifest::expression::Expression;
use crate::manifest::route::route;
use crate::manifest::shapes;
use crate::manifest::spec::ToolSpec;
use crate::names::{CallId, OperationId, PlanId, Region};
use crate::text::escape::quoted;

/// A call whose arguments are known to fit. Nothing has been sent for it.
#[derive(Debug)]
pub struct ValidatedCall {
    spec: Arc<ToolSpec>,
    call: CallId,
    caller: Caller,
    account: Account,
    region: Region,
    arguments: Value,
    own: Value,
    query: Option<Expression>,
    position: Option<Position>,
    reason: String,
    ticket: Option<String>,
    intention: Intention,
}

/// What the agent wants with the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intention {
    /// The answer of a read.
    Read,
    /// A preview; nothing may change.
    Preview,
    /// A change, with the plan it was previewed as, where there is one.
    Apply(Option<PlanId>),
}

/// Checks a request. All problems come in one refusal. Where there are `tickets`, a change can name one.
pub fn validate(
    request: ToolRequest,
    catalog: &Catalog,
    models: &Models,
    accounts: &[Account],
    tickets: Option<&TicketConfig>,
) -> Result<ValidatedCall, Refused> {
    let ToolRequest { call, mut tool, mut arguments, caller } = request;
    if let Some((routed, own)) = route(&tool, &arguments, catalog)? {
        (tool, arguments) = (routed, own);
    }
    let (spec, mut own, common, mut problems) = match catalog.entry(&tool) {
        None => return Err(unknown_tool(&tool, catalog)),
        Some(Entry::Tool(spec)) => {
            let mut problems = Vec::new();
            let changes = spec.effect.changes() || spec.effect.needs_preview();
            let common = take_common(&mut arguments, changes, tickets, &mut problems);
            (Arc::clone(spec), arguments, common, problems)
        }
        Some(Entry::Family(family)) => {
            let mut problems = Vec::new();
            let common = take_common(&mut arguments, family.changes(), tickets, &mut problems);
            let (operation, own) = family_arguments(arguments, &mut problems)?;
            let spec = family.expand(&operation, &own, catalog, models)?;
            (Arc::new(spec), own, common, problems)
        }
    };
    let place = place(&common, accounts);
    let Common { reason, dry_run, plan_id, ticket, query, cursor, .. } = common;
    if let Some(query) = &query {
        let wrong = shapes::of_output(query, models, &spec.operation);
        problems
            .extend(wrong.into_iter().map(|wrong| problem(QUERY, wrong, "see what the call gives without `query`")));
    }
    own.retain(|_, value| !value.is_null());
    let arguments = apply_manifest(&spec, own, &mut problems);
    let mut more = 0;
    if let Err(found) = model::validate(models, &spec.operation, &arguments) {
        let told = |new: &Problem| problems.iter().any(|old| old.path == new.path);
        let new: Vec<Problem> = found.shown.into_iter().filter(|new| !told(new)).collect();
        problems.extend(new);
        more = found.more;
    }
    if !problems.is_empty() {
        return Err(invalid(&spec.name, &problems, more));
    }
    reserved::refuse(&spec.operation, &arguments)?;
    let (account, region) = place?;
    let intention = match (spec.effect.changes() || spec.effect.needs_preview(), dry_run) {
        (false, _) => Intention::Read,
        (true, Some(false)) => Intention::Apply(plan_id),
        (true, _) => Intention::Preview,
    };
    let reason = reason.unwrap_or_default();
    let (own, position) = (arguments.clone(), None);
    let mut valid = ValidatedCall {
        spec,
        call,
        caller,
        account,
        region,
        arguments,
        own,
        query,
        position,
        reason,
        ticket,
        intention,
    };
    if let Some(cursor) = cursor {
        let position = Position::open(&cursor, bound(&valid))?;
        valid.arguments = with_tokens(&valid.own, &position.tokens);
        valid.position = Some(position);
    }
    Ok(valid)
}

impl ValidatedCall {
    /// The manifest.
    pub fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    /// Names the request.
    pub fn call(&self) -> &CallId {
        &self.call
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The account, from the configuration.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The region, one of the account's.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The operation's arguments, as they will be sent. May hold sensitive values.
    pub fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// The arguments without what leads to the page that a cursor names.
    pub fn own_arguments(&self) -> &Value {
        &self.own
    }

    /// What of a read's answer is wanted; `None` where the manifest says it.
    pub fn query(&self) -> Option<&Expression> {
        self.query.as_ref()
    }

    /// Where a read goes on; `None` where it begins.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Why, in the agent's words; empty for reads.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The ticket it is done under; `None` where the call names none.
    pub fn ticket(&self) -> Option<&str> {
        self.ticket.as_deref()
    }

    /// What the agent wants.
    pub fn intention(&self) -> &Intention {
        &self.intention
    }
}

fn unknown_tool(name: &str, catalog: &Catalog) -> Refused {
    let shown: String = name.chars().take(64).collect();
    let nearest = catalog
        .names()
        .map(|known| (strsim::jaro_winkler(known, &shown), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((_, known)) => format!("did you mean `{known}`? `tools/list` names all tools"),
        None => "`tools/list` names all tools; `find_operations` finds AWS operations for `aws_read`".to_owned(),
    };
    Refused::new(Code::UnknownTool, format!("there is no tool {}", quoted(name, 64)), hint)
}

fn family_arguments(
    mut arguments: Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> Result<(OperationId, Map<String, Value>), Refused> {
    let operation = match arguments.shift_remove("operation") {
        Some(Value::String(text)) => text.parse::<OperationId>().map_err(|wrong| wrong.to_string()),
        _ => Err("`operation` is missing: write it as `service:Operation`, for example `ec2:DescribeVpcs`".to_owned()),
    };
    let operation = operation.map_err(|wrong| {
        Refused::new(Code::InvalidArguments, wrong, "`find_operations` finds operations by name and parameter")
    })?;
    let own = match arguments.shift_remove("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(own)) => own,
        Some(_) => {
            problems.push(problem("arguments", "is not an object", "pass the operation's members as an object"));
            Map::new()
        }
    };
    for name in arguments.keys() {
        let mend = "the operation's own members belong into `arguments`";
        problems.push(problem(name.chars().take(80).collect::<String>(), "is not an argument of this tool", mend));
    }
    Ok((operation, own))
}

fn place(common: &Common, accounts: &[Account]) -> Result<(Account, Region), Refused> {
    let names = || accounts.iter().map(|a| format!("`{}`", a.name)).collect::<Vec<_>>().join(", ");
    let account = match (&common.account, accounts) {
        (Some(asked), _) => accounts.iter().find(|a| a.name == *asked || a.id == *asked).ok_or_else(|| {
            Refused::new(
                Code::UnknownAccountOrRegion,
                format!("account {} is not in the configuration", quoted(asked, 64)),
                format!("use one of {}", names()),
            )
        })?,
        (None, [only]) => only,
        (None, _) => {
            let hint = format!("pass `account`, one of {}", names());
            return Err(Refused::new(Code::UnknownAccountOrRegion, "`account` is missing", hint));
        }
    };
    let regions = || account.regions.iter().map(|r| format!("`{r}`")).collect::<Vec<_>>().join(", ");
    let region = match &common.region {
        Some(asked) => account.regions.iter().find(|region| region.as_str() == asked),
        None => account.regions.first(),
    };
    let asked = common.region.as_deref().unwrap_or_default();
    let region = region.ok_or_else(|| {
        Refused::new(
            Code::UnknownAccountOrRegion,
            format!("region {} is not configured for account `{}`", quoted(asked, 64), account.name),
            format!("use one of {}", regions()),
        )
    })?;
    Ok((account.clone(), region.clone()))
}

/// A path as it is written, unless it holds what no member's name does.
fn place_of(problem: &Problem) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-[]".contains(c);
    match problem.path.as_str() {
        "" => "the whole:".to_owned(),
        path if path.len() <= 120 && path.chars().all(plain) => format!("`{path}`"),
        odd => quoted(odd, 80),
    }
}

fn invalid(tool: &str, problems: &[Problem], more: usize) -> Refused {
    let mut lines: Vec<String> =
        problems.iter().map(|p| format!("{} {} ({})", place_of(p), p.message, p.hint)).collect();
    lines.sort();
    lines.dedup();
    if more > 0 {
        lines.push(format!("and {more} more problems"));
    }
    Refused::new(
        Code::InvalidArguments,
        format!("the arguments of `{tool}` don't fit: {}", lines.join("; ")),
        "correct the arguments named here and call again; nothing was sent",
    )
    .with_data(json!({ "problems": problems }))
}
