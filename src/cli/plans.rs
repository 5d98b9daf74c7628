//! `countersign plans` and `countersign plan show`: what was planned, and what has become of it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value;

use super::Failure;
use crate::approval::signatures::Signatures;
use crate::approval::waiting::needs;
use crate::audit::event::{Event, ResultWord, What};
use crate::clock::SystemClock;
use crate::config::{Config, HttpConfig};
use crate::names::{Agent, PlanId};
use crate::plan::filed::{FiledPlan, PlanState};
use crate::plan::text;
use crate::ports::{Clock, GrantRecord, PlanFilter, Store};
use crate::store::{Reader, SqliteStore};
use crate::text::escape::{ascii_json, quoted};

/// `countersign plans`
#[derive(Debug, Args)]
pub struct PlansArgs {
    /// Only plans in this state; may be given several times.
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Vec<PlanState>,
    /// Only plans that wait, or waited, for people.
    #[arg(long)]
    parked: bool,
    /// Only plans of this agent.
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// At most so many, newest first.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// The database, where it isn't the configured one.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// `countersign plan ...`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The database, where it isn't the configured one.
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
    #[command(subcommand)]
    command: PlanCommand,
}

#[derive(Debug, Subcommand)]
enum PlanCommand {
    /// Show one plan as a whole.
    Show {
        /// The plan's id.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say how a plan ended whose outcome is unknown, after looking for yourself.
    ///
    /// Until then its targets stay held, so that nothing changes what nobody knows the state of.
    Settle {
        /// The plan's id.
        id: String,
        /// What you found: the call was carried out (`applied`), or it was not (`failed`).
        #[arg(long = "as", value_name = "applied|failed", value_parser = parse_final)]
        state: PlanState,
        /// How you know; goes on record.
        #[arg(long, value_name = "TEXT")]
        because: String,
    },
}

/// Runs `countersign plans`. `configured` gives the configuration, and is asked only where no database is named.
pub async fn list(args: PlansArgs, configured: impl FnOnce() -> Result<Config, Failure>) -> Result<ExitCode, Failure> {
    let PlansArgs { state, parked, agent, limit, store } = args;
    let (path, http) = place(store, configured)?;
    let reader = Reader::open(&path).await?;
    let filter = PlanFilter { agent: agent.map(Agent::new), states: state, parked, limit, ..PlanFilter::default() };
    write_list(&reader, &filter, http.as_ref(), SystemClock.now(), &mut anstream::stdout().lock()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `countersign plan ...`. `configured` gives the configuration, and is asked only where no database is named.
pub async fn run(args: PlanArgs, configured: impl FnOnce() -> Result<Config, Failure>) -> Result<ExitCode, Failure> {
    let PlanArgs { store, command } = args;
    let (path, http) = place(store, configured)?;
    match command {
        PlanCommand::Show { id, json } => {
            let reader = Reader::open(&path).await?;
            let (now, out) = (SystemClock.now(), &mut anstream::stdout().lock());
            if json {
                write_json(&reader, &id, now, out).await?;
            } else {
                write_one(&reader, &id, http.as_ref(), now, out).await?;
            }
        }
        PlanCommand::Settle { id, state, because } => {
            let store = SqliteStore::open(&path).await?;
            settle(&store, &id, state, &because, &SystemClock).await?;
            store.close().await;
            writeln!(anstream::stdout().lock(), "plan {id} is {state}, and that is on record")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the database is, and, where it is the configured one, the console in which people look at its plans.
fn place(
    store: Option<PathBuf>,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(PathBuf, Option<HttpConfig>), Failure> {
    match store {
        Some(path) => Ok((path, None)),
        None => configured().map(|config| (config.store, config.http)),
    }
}

async fn settle(
    store: &SqliteStore,
    id: &str,
    state: PlanState,
    because: &str,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let plan = find(store.reader(), id, clock.now()).await?;
    if plan.state != PlanState::Unknown {
        return Err(format!("plan {id} is {}: only a plan whose outcome is unknown can be settled", plan.state).into());
    }
    let result = if state == PlanState::Applied { ResultWord::Applied } else { ResultWord::Failed };
    let detail = format!("settled by hand: {}", because.chars().take(500).collect::<String>());
    let what = What::Reconciled { plan: plan.content.id.clone(), result, detail };
    store.settle(&plan.content.id, state, Event { at: clock.now(), call: None, caller: None, what }).await?;
    Ok(())
}

async fn write_list(
    reader: &Reader,
    filter: &PlanFilter,
    http: Option<&HttpConfig>,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let plans = reader.plans(filter, now).await?;
    if plans.is_empty() {
        writeln!(out, "no plans")?;
    }
    for plan in plans {
        writeln!(out, "{}", text::line(&plan))?;
        for line in waiting(reader, &plan, http, now).await? {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

async fn write_one(
    reader: &Reader,
    id: &str,
    http: Option<&HttpConfig>,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let plan = find(reader, id, now).await?;
    writeln!(out, "{}\n{}", text::line(&plan), text::full(&plan.content, plan.digest))?;
    for line in waiting(reader, &plan, http, now).await? {
        writeln!(out, "{line}")?;
    }
    if let Some(outcome) = &plan.outcome {
        writeln!(out, "  outcome     {}", quoted(outcome, 400))?;
    }
    for line in text::undone(&plan) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

async fn write_json(reader: &Reader, id: &str, now: Timestamp, out: &mut dyn Write) -> Result<(), Failure> {
    let plan = find(reader, id, now).await?;
    writeln!(out, "{}", ascii_json(&serde_json::to_string_pretty(&plan)?))?;
    Ok(())
}

/// What an open plan that was put before people has and lacks, and where they find it; nothing of other plans.
async fn waiting(
    reader: &Reader,
    plan: &FiledPlan,
    http: Option<&HttpConfig>,
    now: Timestamp,
) -> Result<Vec<String>, Failure> {
    if plan.state != PlanState::Open || plan.parked_at.is_none() {
        return Ok(Vec::new());
    }
    let id = &plan.content.id;
    let signatures = Signatures::count(plan, reader.grants(id).await?, &reader.people().await?, now);
    let missing = signatures.missing(&plan.content, None);
    let mut lines = Vec::new();
    lines.extend(signatures.confirmation.iter().map(|grant| signed("confirmed", grant, &BTreeSet::new())));
    lines.extend(signatures.approvals.values().map(|(grant, groups)| signed("approved", grant, groups)));
    lines.push(match missing.as_slice() {
        [] => "  waits for   the agent, which can apply it now".to_owned(),
        missing => format!("  waits for   {}", needs(plan, missing).join("; and for ")),
    });
    lines.extend(http.map(|http| format!("  page        {}", http.plan_page(id))));
    Ok(lines)
}

fn signed(what: &str, grant: &GrantRecord, groups: &BTreeSet<String>) -> String {
    let groups: Vec<String> = groups.iter().map(|group| quoted(group, 64)).collect();
    let of = if groups.is_empty() { String::new() } else { format!(" of {}", groups.join(", ")) };
    let how = if grant.signed.is_some() { "with a passkey" } else { "in the agent's client" };
    format!("  {what:<10}  by {}{of}, {:.0}, {how}", quoted(grant.by.as_str(), 64), grant.at)
}

async fn find(reader: &Reader, id: &str, now: Timestamp) -> Result<FiledPlan, Failure> {
    let plan = reader.plan(&PlanId::from_outside(id), now).await?;
    Ok(plan.ok_or_else(|| format!("there is no plan {}: `countersign plans` lists them", quoted(id, 64)))?)
}

fn parse_final(text: &str) -> Result<PlanState, String> {
    match parse_state(text) {
        Ok(state @ (PlanState::Applied | PlanState::Failed)) => Ok(state),
        _ => Err("say `applied` or `failed`".to_owned()),
    }
}

fn parse_state(text: &str) -> Result<PlanState, String> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| "a plan is open, applying, applied, failed, unknown, expired or rejected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::GrantId;
    use crate::plan::filed::Obligation;
    use crate::ports::GrantKind;
    use crate::testing::open_plan;

    #[tokio::test]
    async fn plans_are_listed_and_shown() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap();
        let now = Timestamp::from_second(1_767_225_600).unwrap();
        let mut plan = open_plan(&["i-1\u{1b}[2J", "i-2"], now).unwrap();
        plan.content.reason = "\u{202e}\u{9b}\u{7f}\u{1f512}".into();
        plan.content.id = PlanId::from_outside("plan-1");
        plan.digest = plan.content.digest().unwrap();
        let event = Event { at: now, call: None, caller: None, what: What::Served { tool: "t".into() } };
        store.file_plan(plan.clone(), event).await.unwrap();

        let mut out = Vec::new();
        let open = PlanFilter { states: vec![PlanState::Open], limit: 5, ..PlanFilter::default() };
        write_list(store.reader(), &open, None, now, &mut out).await.unwrap();
        write_list(store.reader(), &open, None, plan.content.expires_at, &mut out).await.unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        plan-1  2026-01-01T00:00:00Z  open      write         ec2_stop_instances in shop-dev (dev): `i-1\u{1B}[2J` and 1 more
        no plans
        ");

        let mut out = Vec::new();
        write_json(store.reader(), "plan-1", now, &mut out).await.unwrap();
        assert!(out.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)));
        assert_eq!(serde_json::from_slice::<FiledPlan>(&out).unwrap(), plan);
        let none = write_one(store.reader(), "plan-2", None, now, &mut out).await.unwrap_err();
        assert_eq!(none.to_string(), "there is no plan `plan-2`: `countersign plans` lists them");
    }

    #[tokio::test]
    async fn a_plan_before_people_is_shown_with_its_page_and_who_signed() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap();
        let now = Timestamp::from_second(1_767_225_600).unwrap();
        let mut plan = open_plan(&["i-1"], now).unwrap();
        plan.content.id = PlanId::from_outside("plan-1");
        plan.content.obligations.push(Obligation::Approvals { count: 2, groups: ["senior".to_owned()].into() });
        plan.digest = plan.content.digest().unwrap();
        let event = || Event { at: now, call: None, caller: None, what: What::Served { tool: "t".into() } };
        store.file_plan(plan.clone(), event()).await.unwrap();
        assert!(store.park(&plan.content.id, event()).await.unwrap());
        let http =
            HttpConfig { public_url: Some("https://guard.example.com".parse().unwrap()), ..HttpConfig::default() };
        let mut out = Vec::new();
        let parked = PlanFilter { parked: true, limit: 5, ..PlanFilter::default() };
        write_list(store.reader(), &parked, Some(&http), now, &mut out).await.unwrap();
        let typed = GrantRecord {
            id: GrantId::fresh(),
            plan: plan.content.id.clone(),
            digest: plan.digest,
            by: plan.content.human.clone(),
            at: now,
            expires_at: plan.content.expires_at,
            answered_after_ms: 9_000,
            kind: GrantKind::Confirmation,
            signed: None,
        };
        store.grant(typed, event()).await.unwrap();
        write_one(store.reader(), "plan-1", Some(&http), now, &mut out).await.unwrap();
        write_list(store.reader(), &parked, Some(&http), plan.content.expires_at, &mut out).await.unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[tokio::test]
    async fn only_an_unknown_outcome_is_settled_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign.db");
        let store = SqliteStore::open(&path).await.unwrap();
        let clock = crate::testing::FixedClock::default();
        let mut plan = open_plan(&["i-1"], clock.now()).unwrap();
        plan.content.obligations.clear();
        plan.digest = plan.content.digest().unwrap();
        let id = plan.content.id.clone();
        let event = || Event { at: clock.now(), call: None, caller: None, what: What::Served { tool: "t".into() } };
        store.file_plan(plan.clone(), event()).await.unwrap();
        let early = settle(&store, id.as_str(), PlanState::Applied, "I looked", &clock).await.unwrap_err();
        assert!(early.to_string().contains("is open"), "{early}");
        let claim = crate::ports::Claim {
            plan: id.clone(),
            digest: plan.digest,
            grants: Vec::new(),
            targets: vec!["arn".into()],
            now: clock.now(),
            per_hour: None,
            who: crate::testing::counted(&plan),
            resources: 1,
            budgets: crate::config::BudgetsConfig::default(),
            steps_since: Timestamp::MIN,
        };
        store.claim(claim, event()).await.unwrap();
        store.settle(&id, PlanState::Unknown, event()).await.unwrap();
        settle(&store, id.as_str(), PlanState::Failed, "the instance still runs", &clock).await.unwrap();
        assert_eq!(find(store.reader(), id.as_str(), clock.now()).await.unwrap().state, PlanState::Failed);
        let records = store.records(1, 100).await.unwrap();
        assert!(records.last().unwrap().event.contains("settled by hand: the instance still runs"));
    }

    #[test]
    fn states_are_read_as_they_are_written() {
        assert_eq!(parse_state("applying"), Ok(PlanState::Applying));
        assert!(parse_state("done").unwrap_err().contains("open, applying"));
    }
}
