//! `countersign config`: the configuration found and checked.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::problems;
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::config::{self, Config, Environment};
use crate::document::Problems;
use crate::manifest::catalog::Catalog;

/// `countersign config ...`
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Finds the configuration and says whether it and its manifests are good. Exits with 1 where they aren't.
    Check,
    /// Prints the JSON Schema of countersign.toml, for editors.
    Schema,
}

/// Runs the command. `config` is `--config`.
pub fn run(args: &ConfigArgs, config: Option<&Path>) -> Result<ExitCode, Box<dyn Error>> {
    let out = &mut anstream::stdout().lock();
    match args.command {
        ConfigCommand::Check => {
            let environment = Environment::of_process();
            let path = config::find(config, &environment)?;
            match check(&path, &environment)? {
                Ok((config, tools)) => {
                    write!(out, "{}", good(&config, tools))?;
                    Ok(ExitCode::SUCCESS)
                }
                Err(wrong) => {
                    write!(anstream::stderr().lock(), "{}", problems::shown(&wrong, std::io::stderr().is_terminal()))?;
                    Ok(ExitCode::FAILURE)
                }
            }
        }
        ConfigCommand::Schema => {
            writeln!(out, "{}", serde_json::to_string_pretty(&config::schema())?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

type Checked = Result<(Config, usize), Problems>;

fn check(path: &Path, environment: &Environment) -> Result<Checked, Box<dyn Error>> {
    let (models, iam) = (Models::embedded()?, IamFacts::embedded()?);
    let config = match config::load(path, &models, environment) {
        Ok(config) => config,
        Err(problems) => return Ok(Err(problems)),
    };
    Ok(Catalog::load(&config.manifests, &models, &iam).map(|catalog| (config, catalog.names().count())))
}

fn good(config: &Config, tools: usize) -> String {
    let mut text = format!("{} is good\n", config.path.display());
    for account in &config.accounts {
        let regions: Vec<&str> = account.regions.iter().map(|region| region.as_str()).collect();
        let role = |role: &Option<String>| role.as_deref().unwrap_or("the server's own identity").to_owned();
        text.push_str(&format!(
            "  account {} ({}), {}, {}\n",
            account.name,
            account.id,
            account.stage,
            regions.join(" ")
        ));
        text.push_str(&format!("    reads as   {}\n", role(&account.read_role)));
        text.push_str(&format!("    changes as {}\n", role(&account.change_role)));
    }
    text.push_str(&format!("  serves {} for {}\n", config.caller.agent, config.caller.human));
    text.push_str(&format!("  store {}\n", config.store.display()));
    text.push_str(&format!("  {tools} tools\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_good() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("countersign.toml");
        let environment = Environment { home: Some("/home/dana".into()), ..Environment::default() };
        let (config, tools) = check(&path, &environment).unwrap().unwrap();
        let shown = good(&config, tools)
            .replace(env!("CARGO_MANIFEST_DIR"), "")
            .replace(&format!("  {tools} tools"), "  all tools");
        insta::assert_snapshot!(shown, @r#"
/countersign.toml is good
  account shop-dev (111122223333), dev, eu-central-1
    reads as   arn:aws:iam::111122223333:role/countersign-read
    changes as arn:aws:iam::111122223333:role/countersign-change
  account shop-prod (444455556666), prod, eu-central-1 us-east-1
    reads as   arn:aws:iam::444455556666:role/countersign-read
    changes as arn:aws:iam::444455556666:role/countersign-change
  serves kiro for dana
  store /home/dana/.local/state/countersign/countersign.db
  all tools
"#);
    }
}
