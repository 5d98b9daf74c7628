//! Accounts as they are given by flags, and as the AWS CLI's profiles suggest them.

use crate::cli::aws_files::Profile;
use crate::names::Stage;

/// Where nothing says otherwise.
const REGION: &str = "us-east-1";

/// An account for the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewAccount {
    /// Its name here.
    pub(super) name: String,
    /// Its twelve digits.
    pub(super) id: String,
    /// What it is used for.
    pub(super) stage: Stage,
    /// Its regions, the default first.
    pub(super) regions: Vec<String>,
}

/// `NAME=ID,STAGE,REGION[,REGION..]`.
pub(super) fn parse(text: &str) -> Result<NewAccount, String> {
    let form = "write NAME=ID,STAGE,REGION[,REGION..], such as shop-dev=111122223333,dev,eu-central-1";
    let (name, rest) = text.split_once('=').ok_or(form)?;
    let mut parts = rest.split(',').map(str::trim);
    let (Some(id), Some(stage)) = (parts.next(), parts.next()) else { return Err(form.to_owned()) };
    let regions: Vec<String> = parts.map(str::to_owned).collect();
    if regions.is_empty() || regions.iter().any(String::is_empty) || !plain(name) {
        return Err(form.to_owned());
    }
    check_id(id)?;
    Ok(NewAccount { name: name.to_owned(), id: id.to_owned(), stage: stage_of(stage)?, regions })
}

/// A stage as it is written.
pub(super) fn stage_of(text: &str) -> Result<Stage, String> {
    match text {
        "dev" => Ok(Stage::Dev),
        "staging" => Ok(Stage::Staging),
        "prod" => Ok(Stage::Prod),
        _ => Err(format!("`{text}` is no stage: write dev, staging or prod")),
    }
}

/// Whether these are an account's digits.
pub(super) fn check_id(text: &str) -> Result<(), String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(()),
        false => Err(format!("`{text}` is no account's id: write its twelve digits")),
    }
}

fn plain(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=64).contains(&name.len()) && name.chars().all(good)
}

/// The accounts that profiles lead to, one each, by the shortest name.
pub(super) fn guessed(profiles: &[Profile]) -> Vec<NewAccount> {
    let mut all: Vec<NewAccount> = Vec::new();
    let default = profiles.iter().find(|profile| profile.name == "default").and_then(Profile::region);
    for profile in profiles {
        let Some(id) = profile.account() else { continue };
        let name: String = profile.name.chars().map(|c| if plain(&c.to_string()) { c } else { '-' }).collect();
        let region = profile.region().or(default).unwrap_or(REGION).to_owned();
        match all.iter_mut().find(|account| account.id == id) {
            Some(known) => {
                if name.len() < known.name.len() {
                    known.name = name;
                }
                known.stage = known.stage.max(guess(&profile.name));
                if !known.regions.contains(&region) {
                    known.regions.push(region);
                }
            }
            None => {
                all.push(NewAccount { name, id: id.to_owned(), stage: guess(&profile.name), regions: vec![region] })
            }
        }
    }
    all.sort_by(|a, b| (a.stage, &a.name).cmp(&(b.stage, &b.name)));
    all.dedup_by(|a, b| a.name == b.name);
    all
}

/// A stage by a name; where that says nothing, the strictest.
fn guess(name: &str) -> Stage {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let any = |known: &[&str]| words.iter().any(|word| known.contains(word));
    if any(&["prod", "production", "prd", "live"]) {
        Stage::Prod
    } else if any(&["staging", "stag", "stage", "stg", "preprod", "uat", "test", "qa", "int"]) {
        Stage::Staging
    } else if any(&["dev", "develop", "development", "sandbox", "sbx", "lab", "playground"]) {
        Stage::Dev
    } else {
        Stage::Prod
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_flags() {
        let account = parse("shop-dev=111122223333,dev,eu-central-1,us-east-1").unwrap();
        assert_eq!((account.name.as_str(), account.stage, account.regions.len()), ("shop-dev", Stage::Dev, 2));
        for bad in [
            "shop",
            "shop=1,dev,x",
            "shop=111122223333,dev",
            "shop=111122223333,test,x",
            "a b=111122223333,dev,x",
            "s=111122223333,dev,",
        ] {
            parse(bad).unwrap_err();
        }
    }

    #[test]
    fn stages_follow_names_and_are_strict_where_these_say_nothing() {
        let stages = ["shop-prod", "shop_staging", "dev", "Sandbox-2", "devices", "shop", "prod-dev"].map(guess);
        use Stage::{Dev, Prod, Staging};
        assert_eq!(stages, [Prod, Staging, Dev, Dev, Prod, Prod, Prod]);
    }
}
