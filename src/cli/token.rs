//! `countersign token`: static bearer tokens for agents that call over HTTP.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp, Unit};

use super::Failure;
use crate::auth::token::{NewToken, is_name};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::names::Agent;
use crate::ports::Clock;
use crate::text::escape::quoted;

/// Longest life of a token, in days.
const LONGEST_DAYS: i64 = 366;

/// `countersign token ...`
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token, and what the configuration must say of it. It is shown this once; the server knows only its hash.
    New(NewArgs),
}

#[derive(Debug, Args)]
struct NewArgs {
    /// The agent that will hold it, as configured.
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// The human that agent acts for.
    #[arg(long, value_name = "NAME")]
    human: String,
    /// What the configuration calls it; without it as the agent.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How many days it is good for, such as `30d`.
    #[arg(long, value_name = "DAYS", default_value = "90d", value_parser = days)]
    expires: i64,
}

/// Runs the command. `configured` reads the configuration.
pub fn run(args: TokenArgs, configured: impl Fn() -> Result<Config, Failure>) -> Result<ExitCode, Failure> {
    let TokenCommand::New(args) = args.command;
    let config = configured()?;
    let token = NewToken::random()?;
    write!(anstream::stdout().lock(), "{}", shown(&args, &config, &token, SystemClock.now())?)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(args: &NewArgs, config: &Config, token: &NewToken, now: Timestamp) -> Result<String, String> {
    if !config.agents.contains_key(&Agent::new(&args.agent)) {
        let known: Vec<String> = config.agents.keys().map(|agent| quoted(agent.as_str(), 64)).collect();
        let wrong = quoted(&args.agent, 64);
        return Err(format!("there is no agent {wrong}: use {}, or add it to `[agents]`", known.join(" or ")));
    }
    let plain = args.human.trim() == args.human && !args.human.chars().any(char::is_control);
    if !plain || !(1..=64).contains(&args.human.chars().count()) {
        return Err(format!("{} is not a human's name: write a plain one", quoted(&args.human, 64)));
    }
    let name = name(args, config)?;
    let ends = now
        .checked_add(SignedDuration::from_hours(24 * args.expires))
        .and_then(|ends| ends.round(Unit::Second))
        .map_err(|error| format!("`--expires` is out of bounds: {error}"))?;
    let mut table = toml_edit::Table::new();
    for (key, value) in [("sha256", token.sha256()), ("agent", args.agent.clone()), ("human", args.human.clone())] {
        table.insert(key, toml_edit::value(value));
    }
    table.insert("expires", toml_edit::value(ends.to_string()));
    Ok(format!(
        "The token, shown this once. Give it to the agent, which sends it as `Authorization: Bearer TOKEN`:\n\n  {}\n\n\
         Add this to {}, and start the server again:\n\n[http.tokens.{name}]\n{table}",
        token.reveal(),
        config.path.display(),
    ))
}

/// A name no other token has.
fn name(args: &NewArgs, config: &Config) -> Result<String, String> {
    let taken =
        |name: &str| config.http.as_ref().is_some_and(|http| http.auth.tokens.iter().any(|token| token.name == name));
    match &args.name {
        Some(name) if !is_name(name) => {
            Err(format!("{} is not a token's name: use lower-case letters, digits and `-`", quoted(name, 64)))
        }
        Some(name) if taken(name) => Err(format!("there is a token `{name}` already: take another name")),
        Some(name) => Ok(name.clone()),
        None => {
            let base = if is_name(&args.agent) { &args.agent } else { "token" };
            let numbered = (2..100).map(|number| format!("{base}-{number}"));
            let free = std::iter::once(base.to_owned()).chain(numbered).find(|name| is_name(name) && !taken(name));
            free.ok_or_else(|| "no name is left for it: give one with `--name`".to_owned())
        }
    }
}

fn days(written: &str) -> Result<i64, String> {
    let days = written.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (1..=LONGEST_DAYS).contains(days))
        .ok_or_else(|| format!("write between `1d` and `{LONGEST_DAYS}d`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::models::Models;
    use crate::config::{self, Environment};

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign.toml");
        let base = "[caller]\nhuman = \"dana\"\nagent = \"kiro\"\n[accounts.dev]\nid = \"111122223333\"\n\
                    stage = \"dev\"\nregions = [\"eu-central-1\"]\n";
        std::fs::write(&path, format!("{base}{text}")).unwrap();
        let environment = Environment { home: Some("/home/dana".into()), ..Environment::default() };
        let mut config = config::load(&path, &Models::embedded().unwrap(), &environment).unwrap();
        config.path = "countersign.toml".into();
        config
    }

    fn new(agent: &str, human: &str, name: Option<&str>) -> NewArgs {
        NewArgs { agent: agent.to_owned(), human: human.to_owned(), name: name.map(str::to_owned), expires: 90 }
    }

    #[test]
    fn what_is_printed_can_be_pasted() {
        let token = NewToken::random().unwrap();
        let now = "2026-11-21T17:00:00.5Z".parse().unwrap();
        let printed = shown(&new("kiro", "dana \"d\"", None), &config(""), &token, now).unwrap();
        let hidden = printed.replace(token.reveal(), "TOKEN").replace(&token.sha256(), "HASH");
        insta::assert_snapshot!(hidden);
        let table = printed.split("again:\n").nth(1).unwrap();
        let auth = config(table).http.unwrap().auth;
        let [known] = auth.tokens.as_slice() else { panic!("{auth:?}") };
        assert_eq!(hex::encode(known.sha256), token.sha256());
        assert_eq!((known.agent.as_str(), known.human.as_str()), ("kiro", "dana \"d\""));
        // The next one has another name.
        let printed = shown(&new("kiro", "ann", None), &config(table), &token, now).unwrap();
        assert!(printed.contains("[http.tokens.kiro-2]"), "{printed}");
        let taken = shown(&new("kiro", "ann", Some("kiro")), &config(table), &token, now).unwrap_err();
        assert_eq!(taken, "there is a token `kiro` already: take another name");
    }

    #[test]
    fn nobody_gets_a_token_but_who_is_configured() {
        let token = NewToken::random().unwrap();
        let now = "2026-11-21T17:00:00Z".parse().unwrap();
        let refused = |args: NewArgs| shown(&args, &config(""), &token, now).unwrap_err();
        insta::assert_snapshot!(refused(new("kira", "dana", None)), @"there is no agent `kira`: use `kiro`, or add it to `[agents]`");
        for human in ["", " dana", "da\nna", &"d".repeat(65)] {
            assert!(refused(new("kiro", human, None)).ends_with("is not a human's name: write a plain one"));
        }
        assert!(refused(new("kiro", "dana", Some("My token"))).contains("is not a token's name"));
        assert_eq!(days("0d").unwrap_err(), "write between `1d` and `366d`");
        assert_eq!(days("30d"), Ok(30));
        assert!(days("90").is_err() && days("1y").is_err());
    }
}
