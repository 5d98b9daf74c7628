//! `countersign iam`: the roles at AWS that calls' credentials are cut from.

pub(in crate::cli) mod check;
mod scope;
mod template;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Failure, wiring};
use crate::aws::cloud::AwsCloud;
use crate::aws::iam::IamFacts;
use crate::aws::models::{Models, nearest};
use crate::clock::SystemClock;
use crate::config::{Account, Config};
use crate::credentials::session_policy::SessionPolicy;
use crate::manifest::catalog::Catalog;
use crate::names::{CallId, OperationId, Region};
use crate::ports::{Cloud, Purpose, SessionRequest};
use crate::roles::needs::{Escalation, Families, Ground, Needs};

/// `countersign iam ...`
#[derive(Debug, Args)]
pub struct IamArgs {
    #[command(subcommand)]
    command: IamCommand,
}

#[derive(Debug, Subcommand)]
enum IamCommand {
    /// Prints a template of an account's two roles: trust, permissions and boundary for the loaded tools, nothing more.
    Template(template::TemplateArgs),
    /// Prints what the credentials of one call could do. Asks nobody: only the arguments are looked at.
    Scope(scope::ScopeArgs),
    /// Reads an account's deployed roles and tells what they lack, and what they have too much. Exits with 1 where they do.
    Check(check::CheckArgs),
}

/// Which account, and which families its roles cover.
#[derive(Debug, Args)]
struct For {
    /// The account's name; may be left out where there is only one.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Whether the roles cover the families' operations, too.
    #[arg(long, value_enum, default_value_t = FamiliesWord::Read)]
    families: FamiliesWord,
    /// Only for tools of this toolset, which may be given again for others; `aws` are the families. AWS then refuses the
    /// calls of all others. Without it, for all that aren't `disabled`.
    #[arg(long = "toolset", value_name = "NAME")]
    toolsets: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FamiliesWord {
    /// Only tools with manifests of their own.
    None,
    /// What only reads, by AWS's ReadOnlyAccess without what reveals secrets.
    Read,
    /// Everything, by AWS's AdministratorAccess for the change role.
    All,
}

impl From<FamiliesWord> for Families {
    fn from(word: FamiliesWord) -> Self {
        match word {
            FamiliesWord::None => Self::None,
            FamiliesWord::Read => Self::Read,
            FamiliesWord::All => Self::All,
        }
    }
}

/// What the commands work with. Nothing was asked of AWS yet.
#[derive(Debug)]
pub(in crate::cli) struct Bench {
    pub(in crate::cli) config: Config,
    pub(in crate::cli) models: Models,
    pub(in crate::cli) iam: IamFacts,
    pub(in crate::cli) catalog: Catalog,
    pub(in crate::cli) cloud: Arc<AwsCloud>,
}

impl Bench {
    fn open(config: Option<&Path>) -> Result<Self, Failure> {
        let (models, iam) = (Models::embedded()?, IamFacts::embedded()?);
        let config = wiring::configuration(config)?;
        let catalog = Catalog::load(&config.manifests, &models, &iam)?;
        let cloud = Arc::new(AwsCloud::new(&config, models.clone(), Arc::new(SystemClock)));
        Ok(Self { config, models, iam, catalog, cloud })
    }

    /// For a session that the operator opens, without a call of any agent.
    pub(in crate::cli) fn session(&self, account: Account, region: Region, purpose: Purpose) -> SessionRequest {
        SessionRequest {
            account,
            region,
            purpose,
            policy: SessionPolicy::nothing(),
            call: CallId::fresh(),
            human: self.config.caller.human.clone(),
            agent: self.config.caller.agent.clone(),
            plan: None,
            ticket: None,
        }
    }

    fn account(&self, name: Option<&str>) -> Result<&Account, Failure> {
        let accounts = &self.config.accounts;
        let names = || accounts.iter().map(|account| account.name.as_str());
        match (name, accounts.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(format!("which account? add `--account` with one of {}", listed(names())).into()),
            (Some(name), _) => {
                accounts.iter().find(|account| account.name == name || account.id == name).ok_or_else(|| {
                    let mend = match nearest(name, names()).first() {
                        Some(best) => format!("did you mean `{best}`?"),
                        None => format!("write one of {}", listed(names())),
                    };
                    format!("there is no account `{name}`: {mend}").into()
                })
            }
        }
    }

    /// `toolsets`: only those, where there are any.
    fn needs(&self, account: &Account, families: Families, toolsets: &[String]) -> Result<Needs, Failure> {
        let known: BTreeSet<&str> = self.catalog.toolsets().collect();
        if let Some(name) = toolsets.iter().find(|name| !known.contains(name.as_str())) {
            let mend = match nearest(name, known.iter().copied()).first() {
                Some(best) => format!("did you mean `{best}`?"),
                None => format!("write one of {}", listed(known.into_iter())),
            };
            return Err(format!("there is no toolset `{name}` ({mend})").into());
        }
        let signed_for = |operation: &OperationId, region: &Region| {
            let signed = self.cloud.signing_region(operation, &json!({}), region);
            signed.unwrap_or_else(|_| region.as_str().to_owned())
        };
        Ok(Needs::of(Ground { account, catalog: &self.catalog, families, toolsets, signed_for: &signed_for }))
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A known way to more permissions that a role contains, for people.
pub(super) fn told(role: &str, escalation: &Escalation<'_>) -> String {
    let tools: Vec<&str> = escalation.tools.iter().copied().collect();
    let tools = if tools.is_empty() { String::new() } else { format!(", for {}", tools.join(", ")) };
    format!(
        "the {role} role contains `{}`, a known way to more permissions: {}{tools} ({})",
        escalation.path.id,
        escalation.path.needs.join(", "),
        escalation.path.page()
    )
}

/// Runs the command. `config` is `--config`.
pub async fn run(args: IamArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let bench = Bench::open(config)?;
    match args.command {
        IamCommand::Template(args) => template::run(&args, &bench),
        IamCommand::Scope(args) => scope::run(&args, &bench),
        IamCommand::Check(args) => check::run(&args, &bench).await,
    }
}
