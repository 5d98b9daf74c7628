//! The answers: from flags, or asked for on a terminal. What is missing without one is told all at once.

use std::path::Path;

use dialoguer::{Confirm, Input, MultiSelect, Select};

use super::accounts::{NewAccount, check_id, stage_of};
use super::write::Answers;
use super::{Failure, InitArgs};
use crate::config::Profile;

const PROFILES: [(Profile, &str); 4] = [
    (Profile::Standard, "standard: change dev; confirm elsewhere; in production destroy only with a second person"),
    (Profile::Observe, "observe: read, and nothing else"),
    (Profile::Suggest, "suggest: plan every change; people apply it"),
    (Profile::Regulated, "regulated: as standard, with a ticket, in a change window, through managed clients"),
];

/// Asks, where there is a terminal.
pub(super) struct Asker {
    terminal: bool,
    /// The flags that would have answered.
    missing: Vec<&'static str>,
}

impl Asker {
    pub(super) fn new(terminal: bool) -> Self {
        Self { terminal, missing: Vec::new() }
    }

    /// Whether a file may be replaced. Without a terminal nobody says so.
    pub(super) fn replaces(&self, path: &Path) -> Result<bool, Failure> {
        let prompt = format!("{} is there already. Replace it?", path.display());
        Ok(self.terminal && Confirm::new().with_prompt(prompt).default(false).interact()?)
    }

    /// All answers.
    pub(super) fn answers(&mut self, args: InitArgs, guessed: Vec<NewAccount>) -> Result<Answers, Failure> {
        let whoever = std::env::var_os("USER").and_then(|user| user.into_string().ok());
        let human = self.text(args.human, "Your name, as plans and the record will show it", whoever, "--human")?;
        let agent = self.optional(args.agent, "The agent's name", "agent")?;
        let accounts = self.accounts(args.accounts, args.accounts_from_aws, guessed)?;
        let roles = !args.no_roles
            && self.yes("Do the accounts have roles for this server, or will you make them (`iam template`)?", true)?;
        let profile = self.profile(args.profile)?;
        let public_url = self.public_url(args.public_url, profile)?;
        if !self.missing.is_empty() {
            let missing = self.missing.join(", ");
            return Err(format!(
                "there is no terminal to ask on, so these flags are needed: {missing}\nfor example\n  countersign init --human ann \
                 --account shop-dev=111122223333,dev,eu-central-1"
            )
            .into());
        }
        let (external_id, aws_profile, store) = (args.external_id, args.aws_profile, args.store);
        Ok(Answers { human, agent, accounts, roles, external_id, profile, aws_profile, store, public_url })
    }

    fn text(
        &mut self,
        given: Option<String>,
        prompt: &str,
        suggested: Option<String>,
        flag: &'static str,
    ) -> Result<String, Failure> {
        match given {
            Some(given) => Ok(given),
            None if self.terminal => {
                let mut input = Input::<String>::new().with_prompt(prompt);
                if let Some(suggested) = suggested {
                    input = input.default(suggested);
                }
                Ok(input.interact_text()?)
            }
            None => {
                self.missing.push(flag);
                Ok(String::new())
            }
        }
    }

    fn optional(&self, given: Option<String>, prompt: &str, otherwise: &str) -> Result<String, Failure> {
        match given {
            Some(given) => Ok(given),
            None if self.terminal => {
                Ok(Input::<String>::new().with_prompt(prompt).default(otherwise.to_owned()).interact_text()?)
            }
            None => Ok(otherwise.to_owned()),
        }
    }

    fn yes(&self, prompt: &str, otherwise: bool) -> Result<bool, Failure> {
        match self.terminal {
            true => Ok(Confirm::new().with_prompt(prompt).default(otherwise).interact()?),
            false => Ok(otherwise),
        }
    }

    fn accounts(
        &mut self,
        given: Vec<NewAccount>,
        from_aws: bool,
        guessed: Vec<NewAccount>,
    ) -> Result<Vec<NewAccount>, Failure> {
        if from_aws && guessed.is_empty() {
            return Err("no profile in ~/.aws/config leads to an account (`sso_account_id`, `role_arn`): name them with `--account`".into());
        }
        if !given.is_empty() || from_aws {
            let mut all = given;
            let more = guessed.into_iter().filter(|_| from_aws);
            for account in more {
                if !all.iter().any(|known| known.id == account.id || known.name == account.name) {
                    all.push(account);
                }
            }
            return Ok(all);
        }
        if !self.terminal {
            self.missing.push("--account (or --accounts-from-aws)");
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        if !guessed.is_empty() {
            let shown = guessed
                .iter()
                .map(|one| format!("{} ({}), {}, {}", one.name, one.id, one.stage, one.regions.join(" ")));
            let prompt = "Accounts of your AWS profiles that agents may call (space picks, enter goes on)";
            let picked = MultiSelect::new().with_prompt(prompt).items(shown).interact()?;
            for at in picked {
                let Some(account) = guessed.get(at) else { continue };
                let stages = ["dev", "staging", "prod"];
                let now = stages.iter().position(|stage| *stage == account.stage.to_string()).unwrap_or(2);
                let prompt = format!("What is {} used for?", account.name);
                let stage = Select::new().with_prompt(prompt).items(stages).default(now).interact()?;
                let stage = stage_of(stages.get(stage).copied().unwrap_or("prod"))?;
                all.push(NewAccount { stage, ..account.clone() });
            }
        }
        while all.is_empty() || self.yes("Another account?", false)? {
            all.push(another()?);
        }
        Ok(all)
    }

    fn profile(&self, given: Option<Profile>) -> Result<Profile, Failure> {
        match given {
            Some(given) => Ok(given),
            None if self.terminal => {
                let prompt = "What may agents do?";
                let at =
                    Select::new().with_prompt(prompt).items(PROFILES.map(|(_, says)| says)).default(0).interact()?;
                Ok(PROFILES.get(at).map_or(Profile::Standard, |(profile, _)| *profile))
            }
            None => Ok(Profile::Standard),
        }
    }

    fn public_url(&self, given: Option<String>, profile: Profile) -> Result<Option<String>, Failure> {
        let asks = matches!(profile, Profile::Standard | Profile::Regulated);
        if given.is_some() || !self.terminal || !asks {
            return Ok(given);
        }
        let prompt = "Where will second persons reach this server? (https://..., empty: nowhere yet)";
        let url = Input::<String>::new().with_prompt(prompt).allow_empty(true).interact_text()?;
        Ok(Some(url).filter(|url| !url.trim().is_empty()))
    }
}

fn another() -> Result<NewAccount, Failure> {
    let name = Input::<String>::new().with_prompt("An account's name, such as shop-dev").interact_text()?;
    let id = Input::<String>::new()
        .with_prompt("Its twelve digits")
        .validate_with(|id: &String| check_id(id))
        .interact_text()?;
    let stages = ["dev", "staging", "prod"];
    let stage = Select::new().with_prompt("What is it used for?").items(stages).default(2).interact()?;
    let regions = Input::<String>::new()
        .with_prompt("Its regions, the default first")
        .default("us-east-1".to_owned())
        .interact_text()?;
    let regions = regions.split([' ', ',']).filter(|region| !region.is_empty()).map(str::to_owned).collect();
    let stage = stage_of(stages.get(stage).copied().unwrap_or("prod"))?;
    Ok(NewAccount { name, id, stage, regions })
}
