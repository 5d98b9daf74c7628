//! `countersign breaker`: which breakers are open, and how a person closes one.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;
use crate::audit::event::{Event, What};
use crate::clock::SystemClock;
use crate::config::{Account, Config};
use crate::names::Agent;
use crate::ports::{BreakerScope, Clock, Store};
use crate::store::{Reader, SqliteStore};
use crate::text::escape::quoted;

/// Most characters of a reason that are recorded.
const LONGEST_REASON: usize = 500;

/// `countersign breaker ...`
#[derive(Debug, Args)]
pub struct BreakerArgs {
    /// The database, where it isn't the configured one.
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
    #[command(subcommand)]
    command: BreakerCommand,
}

#[derive(Debug, Subcommand)]
enum BreakerCommand {
    /// List the open breakers, oldest first.
    List,
    /// Close a breaker, after looking at what opened it. Exits with 1 where it is not open.
    ///
    /// Changes go through again at once, in servers that are running, too. What was counted so far counts no more.
    Close {
        #[command(subcommand)]
        whose: Whose,
    },
}

#[derive(Debug, Subcommand)]
enum Whose {
    /// The breaker of one agent.
    Agent {
        /// The agent.
        name: String,
        #[command(flatten)]
        because: Because,
    },
    /// The breaker of an account, for all agents.
    Account {
        /// Its name in the configuration, or its twelve digits.
        #[arg(value_name = "NAME-or-ID")]
        account: String,
        #[command(flatten)]
        because: Because,
    },
}

#[derive(Debug, Args)]
struct Because {
    /// What you found, and why it may go on; goes on record.
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    reason: String,
}

/// Runs the command. `configured` reads the configuration.
pub async fn run(args: BreakerArgs, configured: impl Fn() -> Result<Config, Failure>) -> Result<ExitCode, Failure> {
    let BreakerArgs { store, command } = args;
    let path = || store.clone().map_or_else(|| configured().map(|config| config.store), Ok);
    let out = &mut anstream::stdout().lock();
    match command {
        BreakerCommand::List => {
            let reader = Reader::open(&path()?).await?;
            write_list(&reader, out).await?;
            Ok(ExitCode::SUCCESS)
        }
        BreakerCommand::Close { whose } => {
            let (scope, reason) = match whose {
                Whose::Agent { name, because } => (BreakerScope::Agent(Agent::new(name)), because.reason),
                Whose::Account { account, because } => {
                    (BreakerScope::Account(digits(&account, || Ok(configured()?.accounts))?), because.reason)
                }
            };
            close(&path()?, &scope, operator(), &reason, &SystemClock, out).await
        }
    }
}

async fn write_list(reader: &Reader, out: &mut dyn Write) -> Result<(), Failure> {
    let open = reader.breakers().await?;
    if open.is_empty() {
        writeln!(out, "no breaker is open")?;
    }
    for breaker in open {
        let (scope, why) = (quoted(&breaker.scope.to_string(), 80), quoted(&breaker.why, 400));
        writeln!(out, "{scope:<24}  open since {:.0}  {why}", breaker.opened_at)?;
    }
    Ok(())
}

async fn close(
    path: &Path,
    scope: &BreakerScope,
    by: String,
    reason: &str,
    clock: &dyn Clock,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let shown = quoted(&scope.to_string(), 80);
    // Opening makes a database where there is none; in that no breaker can be open.
    drop(Reader::open(path).await?);
    let store = SqliteStore::open(path).await?;
    let reason = reason.chars().take(LONGEST_REASON).collect();
    let what = What::BreakerClosed { scope: scope.clone(), by, reason };
    let event = Event { at: clock.now(), call: None, caller: None, what };
    let closed = store.close_breaker(scope, event).await?;
    store.close().await;
    if closed {
        writeln!(out, "the breaker of {shown} is closed, and that is on record")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "the breaker of {shown} is not open: `countersign breaker list` shows those that are")?;
    Ok(ExitCode::FAILURE)
}

/// The digits of an account; twelve digits need no configuration.
fn digits(account: &str, accounts: impl FnOnce() -> Result<Vec<Account>, Failure>) -> Result<String, Box<dyn Error>> {
    if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(account.to_owned());
    }
    let accounts = accounts()?;
    if let Some(found) = accounts.iter().find(|configured| configured.name == account) {
        return Ok(found.id.clone());
    }
    let names: Vec<_> = accounts.iter().map(|account| quoted(&account.name, 64)).collect();
    let account = quoted(account, 64);
    Err(format!("no account {account} is configured: name {}, or the account's twelve digits", names.join(" or "))
        .into())
}

/// Who runs this, as the operating system and its environment say. The number is the system's own word; the name is
/// the environment's.
#[expect(clippy::disallowed_methods, reason = "who runs this is no part of the configuration")]
pub(super) fn operator() -> String {
    let name = ["USER", "LOGNAME"].into_iter().find_map(|key| std::env::var(key).ok().filter(|name| !name.is_empty()));
    let id = rustix::process::getuid().as_raw();
    match name {
        Some(name) => format!("{} (uid {id})", name.chars().take(64).collect::<String>()),
        None => format!("uid {id}"),
    }
}

fn not_blank(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why it may go on".to_owned()),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Region;
    use crate::ports::Breaker;
    use crate::testing::FixedClock;

    async fn opened(store: &SqliteStore, scope: BreakerScope, why: &str, clock: &FixedClock) {
        let what = What::BreakerOpened { scope: scope.clone(), why: why.to_owned() };
        let event = Event { at: clock.now(), call: None, caller: None, what };
        let breaker = Breaker { scope, opened_at: clock.now(), why: why.to_owned() };
        assert!(store.open_breaker(breaker, event).await.unwrap());
    }

    #[tokio::test]
    async fn breakers_are_listed_and_closed_while_a_server_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign.db");
        let clock = FixedClock::default();
        // Stays open, as in a server.
        let store = SqliteStore::open(&path).await.unwrap();
        let mut out = Vec::new();
        write_list(store.reader(), &mut out).await.unwrap();
        let agent = BreakerScope::Agent(Agent::new("kiro\u{1b}[2J"));
        let account = BreakerScope::Account("210987654321".into());
        opened(&store, account.clone(), "10 calls failed", &clock).await;
        clock.advance(jiff::SignedDuration::from_secs(90));
        opened(&store, agent.clone(), "30 refusals", &clock).await;
        write_list(store.reader(), &mut out).await.unwrap();

        let reason = "the quota is raised";
        assert_eq!(close(&path, &account, "ann".into(), reason, &clock, &mut out).await.unwrap(), ExitCode::SUCCESS);
        assert_eq!(store.breakers().await.unwrap().len(), 1);
        assert_eq!(close(&path, &account, "ann".into(), reason, &clock, &mut out).await.unwrap(), ExitCode::FAILURE);
        assert_eq!(close(&path, &agent, "ann".into(), reason, &clock, &mut out).await.unwrap(), ExitCode::SUCCESS);
        assert!(store.breakers().await.unwrap().is_empty());
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        no breaker is open
        `account 210987654321`    open since 2026-01-01T00:00:00Z  `10 calls failed`
        `agent kiro\u{1B}[2J`     open since 2026-01-01T00:01:30Z  `30 refusals`
        the breaker of `account 210987654321` is closed, and that is on record
        the breaker of `account 210987654321` is not open: `countersign breaker list` shows those that are
        the breaker of `agent kiro\u{1B}[2J` is closed, and that is on record
        ");

        let records = store.records(1, 100).await.unwrap();
        let closed: Vec<_> = records.iter().filter(|record| record.event.contains("breaker_closed")).collect();
        assert_eq!(closed.len(), 2);
        assert!(closed.iter().all(|record| record.event.contains(r#""by":"ann""#)));
        assert!(closed.iter().all(|record| record.event.contains(r#""reason":"the quota is raised""#)));
    }

    #[tokio::test]
    async fn nothing_is_closed_where_there_is_no_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign.db");
        let scope = BreakerScope::Agent(Agent::new("kiro"));
        let clock = FixedClock::default();
        let error = close(&path, &scope, "ann".into(), "why not", &clock, &mut Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains("there is no record at"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn accounts_are_named_or_numbered() {
        let account = |name: &str, id: &str| Account {
            name: name.into(),
            id: id.into(),
            stage: crate::names::Stage::Dev,
            regions: vec![Region::new("eu-central-1")],
            read_role: None,
            change_role: None,
            external_id: None,
        };
        let accounts = || Ok(vec![account("shop-dev", "210987654321"), account("shop-prod", "123456789012")]);
        assert_eq!(digits("shop-prod", accounts).unwrap(), "123456789012");
        assert_eq!(digits("999999999999", || Err("not needed".into())).unwrap(), "999999999999");
        insta::assert_snapshot!(digits("shop", accounts).unwrap_err(), @"no account `shop` is configured: name `shop-dev` or `shop-prod`, or the account's twelve digits");
    }

    #[test]
    fn a_reason_is_given() {
        assert_eq!(not_blank(" ").unwrap_err(), "say why it may go on");
        assert_eq!(not_blank(" seen ").unwrap(), "seen");
    }
}
