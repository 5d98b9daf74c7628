//! `countersign approver`: who may sign, and how that changes. The first admin is made here; every later change is
//! proposed here or in the console, and signed by an admin in the console.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Failure;
use super::breaker::operator;
use crate::approval::approve::groups;
use crate::approval::not_done::NotDone;
use crate::approval::people::{Approver, PeopleChange, Proposal, Standing, same};
use crate::approval::staff::{LINK_LIFE, Office};
use crate::clock::SystemClock;
use crate::config::{Config, HttpConfig};
use crate::names::{Human, ProposalId};
use crate::ports::{Clock, Store};
use crate::store::{Reader, SqliteStore};
use crate::text::escape::quoted;

/// Most characters of a name that are shown.
const NAME: usize = 80;

/// `countersign approver ...`
#[derive(Debug, Args)]
pub struct ApproverArgs {
    #[command(subcommand)]
    command: ApproverCommand,
}

#[derive(Debug, Subcommand)]
enum ApproverCommand {
    /// Invite somebody to enrol a passkey. The first becomes the admin; after that an admin signs in the console.
    ///
    /// Somebody who has enrolled already gets another passkey, and stays what they are.
    Invite(InviteArgs),
    /// List who may sign, and what waits for an admin's signature.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Propose other groups, aliases or rights for somebody. What isn't named stays as it is.
    Regroup(RegroupArgs),
    /// Propose that nothing somebody signs counts any more.
    Revoke {
        /// Who.
        name: String,
    },
    /// Take a proposal back.
    Withdraw {
        /// The proposal's id.
        id: String,
    },
}

#[derive(Debug, Args)]
struct InviteArgs {
    /// Who, as agents' configuration and tokens name them.
    name: String,
    /// A group of approvers that policies ask for; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Another name under which agents act for them, such as an e-mail address: they never approve those plans. May be
    /// given several times.
    #[arg(long = "alias", value_name = "NAME")]
    aliases: Vec<String>,
    /// They may sign changes of who may sign.
    #[arg(long)]
    admin: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
struct RegroupArgs {
    /// Who.
    name: String,
    /// A group they belong to from then on, instead of those before; may be given several times.
    #[arg(long = "group", value_name = "GROUP", group = "change")]
    groups: Vec<String>,
    /// They belong to no group but that of all approvers.
    #[arg(long, conflicts_with = "groups", group = "change")]
    no_groups: bool,
    /// Another name under which agents act for them, instead of those before; may be given several times.
    #[arg(long = "alias", value_name = "NAME", group = "change")]
    aliases: Vec<String>,
    /// They have no other name.
    #[arg(long, conflicts_with = "aliases", group = "change")]
    no_aliases: bool,
    /// They may sign changes of who may sign.
    #[arg(long, group = "change")]
    admin: bool,
    /// They may not.
    #[arg(long, conflicts_with = "admin", group = "change")]
    no_admin: bool,
}

/// Runs the command. `configured` reads the configuration.
pub async fn run(
    args: ApproverArgs,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<ExitCode, Failure> {
    let config = configured()?;
    let out = &mut anstream::stdout().lock();
    if let ApproverCommand::List { json } = args.command {
        let reader = Reader::open(&config.store).await?;
        write_list(&reader, config.http.as_ref(), json, SystemClock.now(), out).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let http = config.http.as_ref().ok_or_else(|| no_console(&config))?;
    let store = SqliteStore::open(&config.store).await?;
    let desk = Desk { store: &store, clock: &SystemClock, http, groups: groups(&config), by: operator() };
    let done = match args.command {
        ApproverCommand::Invite(args) => desk.invite(args, out).await,
        ApproverCommand::Regroup(args) => desk.regroup(args, out).await,
        ApproverCommand::Revoke { name } => desk.propose(PeopleChange::Revoke { name: Human::new(name) }, out).await,
        ApproverCommand::Withdraw { id } => desk.withdraw(&ProposalId::from_outside(&id), out).await,
        ApproverCommand::List { .. } => Ok(()),
    };
    store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

/// Where a command does its work.
struct Desk<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    http: &'a HttpConfig,
    groups: BTreeSet<String>,
    by: String,
}

impl Desk<'_> {
    async fn invite(&self, args: InviteArgs, out: &mut dyn Write) -> Result<(), Failure> {
        let InviteArgs { name, groups, aliases, admin } = args;
        let people = self.store.people().await?;
        let name = Human::new(name);
        let standing =
            Standing { name: name.clone(), aliases: humans(aliases), groups: groups.into_iter().collect(), admin };
        if !people.iter().any(|person| person.admin && person.is_active()) {
            return self.invite_first(standing, out).await;
        }
        let there = people.iter().find(|person| same(&person.name, &name) && person.is_active());
        let says_nothing = standing.aliases.is_empty() && standing.groups.is_empty() && !admin;
        let standing = there.filter(|_| says_nothing).map_or(standing, Approver::standing);
        self.propose(PeopleChange::Invite(standing), out).await
    }

    async fn invite_first(&self, standing: Standing, out: &mut dyn Write) -> Result<(), Failure> {
        let name = quoted(standing.name.as_str(), NAME);
        let origin = self.http.origin();
        let link = self.office(&origin).invite_first(standing, &self.by).await.map_err(told)?;
        let hours = LINK_LIFE.as_hours();
        writeln!(out, "nobody may sign yet: {name} becomes the first admin, and that is on record")?;
        writeln!(out, "\n  {link}\n")?;
        writeln!(
            out,
            "they open this link within {hours} hours, while `countersign serve --http` runs, and enrol a passkey"
        )?;
        writeln!(out, "it works once, and whoever opens it becomes the admin: show it to nobody else")?;
        Ok(())
    }

    async fn regroup(&self, args: RegroupArgs, out: &mut dyn Write) -> Result<(), Failure> {
        let people = self.store.people().await?;
        let name = Human::new(args.name);
        let found = people.iter().find(|person| same(&person.name, &name) && person.is_active());
        let Some(person) = found else { return Err(told(NotDone::NotAnApprover(name))) };
        let mut standing = person.standing();
        if args.no_groups || !args.groups.is_empty() {
            standing.groups = args.groups.into_iter().collect();
        }
        if args.no_aliases || !args.aliases.is_empty() {
            standing.aliases = humans(args.aliases);
        }
        standing.admin = (standing.admin || args.admin) && !args.no_admin;
        self.propose(PeopleChange::Regroup(standing), out).await
    }

    async fn propose(&self, change: PeopleChange, out: &mut dyn Write) -> Result<(), Failure> {
        let origin = self.http.origin();
        let proposal = self.office(&origin).propose(change, &self.by).await.map_err(told)?;
        let admins = self.store.people().await?;
        let admins = admins.iter().filter(|person| person.admin && person.is_active());
        let admins: Vec<String> = admins.map(|person| quoted(person.name.as_str(), NAME)).collect();
        writeln!(out, "proposed: {}  {}", proposal.id, describe(&proposal.change))?;
        let expires = proposal.expires_at;
        writeln!(
            out,
            "{} signs it at {} by {expires:.0}; until then nothing changes",
            admins.join(" or "),
            page(self.http)
        )?;
        Ok(())
    }

    async fn withdraw(&self, id: &ProposalId, out: &mut dyn Write) -> Result<(), Failure> {
        let origin = self.http.origin();
        self.office(&origin).withdraw(id, &self.by).await.map_err(told)?;
        writeln!(out, "{} is withdrawn, and that is on record", quoted(id.as_str(), NAME))?;
        Ok(())
    }

    fn office<'a>(&'a self, origin: &'a str) -> Office<'a> {
        Office { store: self.store, clock: self.clock, groups: &self.groups, origin }
    }
}

async fn write_list(
    reader: &Reader,
    http: Option<&HttpConfig>,
    json: bool,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (people, proposals) = (reader.people().await?, reader.proposals(now).await?);
    if json {
        let approvers: Vec<Value> = people.iter().map(as_json).collect();
        let list = json!({ "approvers": approvers, "proposals": proposals });
        writeln!(out, "{}", serde_json::to_string_pretty(&list)?)?;
        return Ok(());
    }
    if people.is_empty() {
        writeln!(out, "nobody may sign yet: `countersign approver invite NAME` makes the first admin")?;
    }
    for person in &people {
        write_person(person, out)?;
    }
    if !proposals.is_empty() {
        let at = http.map(|http| format!(" at {}", page(http))).unwrap_or_default();
        writeln!(out, "\nwaiting for an admin's signature{at}:")?;
    }
    for Proposal { id, change, by, expires_at, .. } in &proposals {
        let (id, by) = (quoted(id.as_str(), NAME), quoted(by, NAME));
        writeln!(out, "{id}  {}, proposed by {by}, until {expires_at:.0}", describe(change))?;
    }
    Ok(())
}

fn write_person(person: &Approver, out: &mut dyn Write) -> Result<(), Failure> {
    let name = quoted(person.name.as_str(), NAME);
    if let Some(at) = person.revoked_at {
        writeln!(out, "{name:<20}  revoked at {at:.0}")?;
        return Ok(());
    }
    let keys: Vec<String> = person.passkeys.iter().map(|passkey| quoted(&passkey.label, NAME)).collect();
    let since = person.enrolled_at;
    writeln!(out, "{name:<20}  {}; since {since:.0} with {}", describe_standing(&person.standing()), keys.join(", "))?;
    Ok(())
}

fn as_json(person: &Approver) -> Value {
    let keys = person.passkeys.iter();
    let keys: Vec<Value> =
        keys.map(|key| json!({ "id": key.id, "label": key.label, "added_at": key.added_at })).collect();
    json!({
        "name": person.name,
        "aliases": person.aliases,
        "groups": person.groups,
        "admin": person.admin,
        "passkeys": keys,
        "enrolled_at": person.enrolled_at,
        "revoked_at": person.revoked_at,
    })
}

fn describe(change: &PeopleChange) -> String {
    let name = quoted(change.about().as_str(), NAME);
    match change {
        PeopleChange::Invite(standing) => format!("invite {name} as {}", describe_standing(standing)),
        PeopleChange::Regroup(standing) => format!("make {name} {}", describe_standing(standing)),
        PeopleChange::Revoke { .. } => format!("revoke {name}"),
    }
}

fn describe_standing(standing: &Standing) -> String {
    let list = |names: Vec<&str>| names.into_iter().map(|name| quoted(name, NAME)).collect::<Vec<_>>().join(", ");
    let groups = list(standing.groups.iter().map(String::as_str).collect());
    let aliases = list(standing.aliases.iter().map(Human::as_str).collect());
    let rights = if standing.admin { "admin, of " } else { "approver, of " };
    let also = if aliases.is_empty() { String::new() } else { format!("; also known as {aliases}") };
    format!("{rights}{groups}{also}")
}

fn humans(names: Vec<String>) -> BTreeSet<Human> {
    names.into_iter().map(Human::new).collect()
}

/// The console's page of people.
fn page(http: &HttpConfig) -> String {
    format!("{}/people", http.origin())
}

fn told(not: NotDone) -> Failure {
    match &not {
        NotDone::Failed(why) | NotDone::Refused(why) => why.clone().into(),
        _ => format!("{not}: {}", not.mend()).into(),
    }
}

fn no_console(config: &Config) -> Failure {
    let path = config.path.display();
    format!("there is no approvals console, so nobody could enrol or sign: add a line `[http]` to `{path}`, and serve with `countersign serve --http`").into()
}
