//! `countersign iam scope`: the session policies of one call.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::Bench;
use crate::call::request::{Caller, ClientInfo, ToolRequest};
use crate::call::resolve::policies_unread;
use crate::call::validate::validate;
use crate::cli::Failure;
use crate::config::Account;
use crate::credentials::session_policy::SessionPolicy;
use crate::manifest::catalog::Entry;
use crate::names::{CallId, SessionId};
use crate::ports::Purpose;
use crate::roles::role;

#[derive(Debug, Args)]
pub(super) struct ScopeArgs {
    /// The tool's name.
    tool: String,
    /// Its arguments, a JSON object.
    #[arg(default_value = "{}", value_parser = object)]
    arguments: Map<String, Value>,
    /// The account's name; may be left out where there is only one.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The region; without it the account's first.
    #[arg(long)]
    region: Option<String>,
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("this is not a JSON object: {error}"))
}

pub(super) fn run(args: &ScopeArgs, bench: &Bench) -> Result<ExitCode, Failure> {
    let account = bench.account(args.account.as_deref())?;
    let mut arguments = args.arguments.clone();
    arguments.insert("account".to_owned(), json!(account.name));
    if let Some(region) = &args.region {
        arguments.insert("region".to_owned(), json!(region));
    }
    let changes = match bench.catalog.entry(&args.tool) {
        Some(Entry::Tool(tool)) => tool.effect.changes() || tool.effect.needs_preview(),
        Some(Entry::Family(family)) => family.changes(),
        None => false,
    };
    if changes {
        arguments.entry("reason").or_insert_with(|| json!("to see its scope"));
    }
    // Without a role nothing is narrowed; here it is about what would be.
    let accounts: Vec<Account> = bench.config.accounts.iter().map(with_roles).collect();
    let request = ToolRequest {
        call: CallId::fresh(),
        tool: args.tool.clone(),
        arguments,
        caller: Caller {
            agent: bench.config.caller.agent.clone(),
            human: bench.config.caller.human.clone(),
            session: SessionId::new("iam-scope"),
            client: ClientInfo::default(),
            source: None,
        },
    };
    let told = |refused: crate::call::refused::Refused| format!("{}: {}", refused.message, refused.hint);
    let call =
        validate(request, &bench.catalog, &bench.models, &accounts, bench.config.ticket.as_ref()).map_err(told)?;
    let (reading, changing) = policies_unread(&call, &*bench.cloud, &bench.models, &bench.iam).map_err(told)?;
    let mut shown = Map::new();
    let policies = [(Purpose::Read, Some(reading)), (Purpose::Change, changing)];
    for (purpose, policy) in policies {
        if let Some(policy) = policy {
            shown.insert(role::word(purpose).to_owned(), sheet(&policy)?);
        }
    }
    writeln!(anstream::stdout().lock(), "{:#}", Value::Object(shown))?;
    Ok(ExitCode::SUCCESS)
}

fn with_roles(account: &Account) -> Account {
    let usual = |purpose| format!("arn:aws:iam::{}:role/countersign-{}", account.id, role::word(purpose));
    Account {
        read_role: Some(account.read_role.clone().unwrap_or_else(|| usual(Purpose::Read))),
        change_role: Some(account.change_role.clone().unwrap_or_else(|| usual(Purpose::Change))),
        ..account.clone()
    }
}

fn sheet(policy: &SessionPolicy) -> Result<Value, Failure> {
    let document: Value = serde_json::from_str(policy.text())?;
    Ok(json!({ "characters": policy.text().chars().count(), "policy": document }))
}
