//! Turns the written configuration into [`Config`], or tells everything that is wrong with it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use super::raw::{RawAccount, RawAws, RawConfig, RawLimits, RawManifests, schema};
use super::{
    Account, AwsConfig, BreakersConfig, BudgetsConfig, CallerConfig, Config, Environment, LimitsConfig,
    ManifestsConfig, PolicyConfig,
};
use crate::aws::models::{Models, nearest};
use crate::digest::Digest;
use crate::document::{self, Document, Language, Problems, Source};
use crate::manifest::template::join_pointer;
use crate::names::{Agent, Human, Region};
use crate::policy::windows::Windows;

const MINUTE: u64 = 60;

/// Loads a configuration file.
pub fn load(path: &Path, models: &Models, environment: &Environment) -> Result<Config, Problems> {
    let document = document::read(Source::load(path)?, Language::Toml)?;
    document::schema::check(&document, &schema()).or(())?;
    let raw: RawConfig = document.parse()?;
    let mut compiler = Compiler { document: &document, models, environment, problems: Problems::new() };
    let config = compiler.config(raw);
    compiler.problems.or(config)
}

struct Compiler<'a> {
    document: &'a Document,
    models: &'a Models,
    environment: &'a Environment,
    problems: Problems,
}

impl Compiler<'_> {
    fn config(&mut self, raw: RawConfig) -> Config {
        let source = self.document.source();
        let store = match raw.store.path {
            Some(written) => self.path(&written),
            None => self.environment.default_store().unwrap_or_else(|| {
                self.wrong("", "there is no place for the store: HOME is not set", "add `[store]` with `path`");
                PathBuf::new()
            }),
        };
        Config {
            caller: CallerConfig {
                human: Human::new(self.name("/caller/human", raw.caller.human)),
                agent: Agent::new(self.name("/caller/agent", raw.caller.agent.unwrap_or_else(|| "agent".to_owned()))),
            },
            accounts: self.accounts(raw.accounts),
            store,
            aws: self.aws(raw.aws),
            limits: self.limits(&raw.limits),
            manifests: self.manifests(raw.manifests),
            policy: PolicyConfig::default(),
            agents: BTreeMap::new(),
            clients: BTreeMap::new(),
            tag_rules: Vec::new(),
            windows: Windows::default(),
            ticket: None,
            budgets: BudgetsConfig::default(),
            breakers: BreakersConfig::default(),
            digest: Digest::of_bytes("countersign.config.v1", source.text().as_bytes()),
            path: source.path().to_owned(),
        }
    }

    fn wrong(&mut self, pointer: &str, message: impl Into<String>, mend: impl Into<String>) {
        let problem = self.document.problem(pointer, message, mend);
        self.problems.push(problem);
    }

    /// A name that goes into prompts, records and AWS's session names.
    fn name(&mut self, pointer: &str, name: String) -> String {
        if name.trim() != name || name.chars().any(char::is_control) {
            self.wrong(
                pointer,
                "this name has white space around it or control characters in it",
                "write a plain name",
            );
        }
        name
    }

    /// Relative to the file's folder; `~/` is the home directory.
    fn path(&self, written: &str) -> PathBuf {
        match (written.strip_prefix("~/"), &self.environment.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.document.source().path().parent().unwrap_or(Path::new("")).join(written),
        }
    }

    fn accounts(&mut self, raw: BTreeMap<String, RawAccount>) -> Vec<Account> {
        if raw.is_empty() {
            self.wrong("/accounts", "there is no account", "add `[accounts.NAME]` with `id`, `stage` and `regions`");
        }
        let known = self.regions();
        let mut by_id: HashMap<String, String> = HashMap::new();
        let mut accounts = Vec::new();
        for (name, account) in raw {
            let pointer = join_pointer("/accounts", &name);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
                let message = format!("`{name}` is not an account's name here");
                let mend = "use at most 32 lower-case letters, digits, `-` and `_`";
                self.problems.push(self.document.problem_at_key(&pointer, message, mend));
            }
            if let Some(other) = by_id.insert(account.id.clone(), name.clone()) {
                let message = format!("the accounts `{other}` and `{name}` have the same id");
                self.wrong(&format!("{pointer}/id"), message, "an account is listed once");
            }
            let mut regions: Vec<Region> = Vec::new();
            for (index, region) in account.regions.iter().enumerate() {
                let pointer = format!("{pointer}/regions/{index}");
                if !known.iter().any(|known| known == region) {
                    self.wrong(&pointer, format!("there is no region `{region}`"), did_you_mean(region, &known));
                } else if regions.iter().any(|earlier| earlier.as_str() == region) {
                    self.wrong(&pointer, format!("`{region}` is here a second time"), "keep one of the two");
                }
                regions.push(Region::new(region));
            }
            for (key, role) in [("read_role", &account.read_role), ("change_role", &account.change_role)] {
                if let Some(role) = role {
                    self.role(&format!("{pointer}/{key}"), role, &account.id);
                }
            }
            let RawAccount { id, stage, read_role, change_role, external_id, .. } = account;
            accounts.push(Account { name, id, stage, regions, read_role, change_role, external_id });
        }
        accounts
    }

    fn role(&mut self, pointer: &str, role: &str, account: &str) {
        let parts: Vec<&str> = role.splitn(6, ':').collect();
        let mend = format!("write `arn:aws:iam::{account}:role/NAME`");
        match parts.as_slice() {
            ["arn", partition, "iam", "", owner, path]
                if partition.starts_with("aws") && path.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
            {
                if *owner != account {
                    let message = format!("this role belongs to account {owner}, not to {account}");
                    self.wrong(pointer, message, mend);
                }
            }
            _ => self.wrong(pointer, "this is not a role's ARN", mend),
        }
    }

    /// Every region of every partition AWS had when the models were made.
    fn regions(&mut self) -> Vec<String> {
        let partitions = match self.models.partitions() {
            Ok(partitions) => partitions.get("partitions").and_then(serde_json::Value::as_array),
            Err(error) => {
                self.wrong("/accounts", format!("the regions can't be checked: {error}"), "install countersign again");
                None
            }
        };
        let regions = partitions.into_iter().flatten().filter_map(|partition| partition.get("regions")?.as_object());
        regions.flat_map(|regions| regions.keys().filter(|name| !name.ends_with("-global")).cloned()).collect()
    }

    fn aws(&mut self, raw: RawAws) -> AwsConfig {
        if let Some(url) = &raw.endpoint_url {
            self.endpoint("/aws/endpoint_url", url);
        }
        for (service, url) in &raw.endpoint_urls {
            let pointer = join_pointer("/aws/endpoint_urls", service);
            if !self.models.services().any(|known| known == service) {
                let known: Vec<String> = self.models.services().map(str::to_owned).collect();
                let (message, mend) = (format!("there is no service `{service}`"), did_you_mean(service, &known));
                self.problems.push(self.document.problem_at_key(&pointer, message, mend));
            }
            self.endpoint(&pointer, url);
        }
        AwsConfig {
            profile: raw.profile,
            credentials_file: raw.credentials_file.map(|written| self.path(&written)),
            endpoint_url: raw.endpoint_url,
            endpoint_urls: raw.endpoint_urls,
            use_fips: raw.use_fips,
            use_dual_stack: raw.use_dual_stack,
        }
    }

    /// What travels to AWS holds secrets, so it goes unencrypted only within this machine.
    fn endpoint(&mut self, pointer: &str, url: &str) {
        let (encrypted, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return self.wrong(pointer, "this is not an address", "write `https://HOST[:PORT]`"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split(':').next().unwrap_or_default(),
        };
        if host.is_empty() || authority.contains('@') || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return self.wrong(pointer, "this address has no plain host", "write `https://HOST[:PORT]`");
        }
        let local = host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        if !encrypted && !local {
            self.wrong(pointer, "plain HTTP goes to this machine only", "write `https://`");
        }
    }

    fn limits(&mut self, raw: &RawLimits) -> LimitsConfig {
        LimitsConfig {
            plan_ttl: self.duration("plan_ttl", &raw.plan_ttl, 15 * MINUTE, MINUTE, 24 * 60 * MINUTE),
            confirmation_timeout: self.duration("confirmation_timeout", &raw.confirmation_timeout, 240, 10, 270),
            call_timeout: self.duration("call_timeout", &raw.call_timeout, 60, 1, 15 * MINUTE),
            result_bytes: raw.result_bytes.unwrap_or(64 << 10),
            concurrent_calls: raw.concurrent_calls.unwrap_or(64),
        }
    }

    fn duration(&mut self, key: &str, written: &Option<String>, default: u64, least: u64, most: u64) -> Duration {
        let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
        let Some(written) = written else { return Duration::from_secs(default) };
        let pointer = format!("/limits/{key}");
        let bounds = format!("write between {least:?} and {most:?}, such as `\"240s\"` or `\"15m\"`");
        match written.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok()) {
            None => self.wrong(&pointer, format!("`{written}` is not a duration"), bounds),
            Some(duration) if duration < least || duration > most => {
                self.wrong(&pointer, format!("`{written}` is out of bounds"), bounds);
            }
            Some(duration) => return duration,
        }
        Duration::ZERO
    }

    fn manifests(&mut self, raw: RawManifests) -> ManifestsConfig {
        let folders: Vec<PathBuf> = raw.folders.iter().map(|written| self.path(written)).collect();
        for (index, folder) in folders.iter().enumerate() {
            if !folder.is_dir() {
                let message = format!("there is no folder `{}`", folder.display());
                self.wrong(&format!("/manifests/folders/{index}"), message, "create it, or take it out");
            }
        }
        ManifestsConfig { folders, toolsets: raw.toolsets, disabled: raw.disabled }
    }
}

fn did_you_mean(wanted: &str, known: &[String]) -> String {
    match nearest(wanted, known.iter().map(String::as_str)).as_slice() {
        [] => "correct it".to_owned(),
        names => format!("did you mean `{}`?", names.join("` or `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Stage;

    fn environment() -> Environment {
        Environment { home: Some("/home/dana".into()), ..Environment::default() }
    }

    fn load_text(text: &str) -> Result<Config, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign.toml");
        std::fs::write(&path, text).unwrap();
        load(&path, &Models::embedded().unwrap(), &environment())
    }

    fn report(text: &str) -> String {
        let problems = load_text(text).unwrap_err();
        let folder = problems.iter().next().unwrap().file().parent().unwrap().display().to_string();
        problems.pretty(false).replace(&format!("{folder}/"), "")
    }

    #[test]
    fn the_example_loads_and_the_least_one_too() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/countersign.toml");
        let config = load(Path::new(example), &Models::embedded().unwrap(), &environment()).unwrap();
        assert_eq!(config.accounts.len(), 2);
        assert_eq!(config.limits.plan_ttl, Duration::from_secs(900));
        let config = load_text(
            "[caller]\nhuman = \"dana\"\n[accounts.dev]\nid = \"111122223333\"\nstage = \"dev\"\nregions = [\"eu-central-1\"]\n",
        )
        .unwrap();
        assert_eq!(config.store, Path::new("/home/dana/.local/state/countersign/countersign.db"));
        assert_eq!(config.accounts.first().unwrap().stage, Stage::Dev);
        assert_eq!(config.limits.confirmation_timeout, Duration::from_secs(240));
    }

    #[test]
    fn misspelt_keys_and_words_are_told_with_the_nearest() {
        insta::assert_snapshot!(report(
            r#"[caller]
human = "dana"
agnet = "kiro"

[accounts.dev]
id = 111122223333
stage = "production"
regions = ["eu-central-1"]

[limit]
"#
        ));
    }

    #[test]
    fn doubtful_values_are_told_all_at_once() {
        insta::assert_snapshot!(
            report(
                r#"[caller]
human = "dana "

[accounts.dev]
id = "111122223333"
stage = "dev"
regions = ["eu-centrl-1", "us-east-1", "us-east-1"]
read_role = "arn:aws:iam::444455556666:role/read"
change_role = "arn:aws:iam::111122223333:user/x"

[accounts."Prod 1"]
id = "111122223333"
stage = "prod"
regions = ["us-east-1"]

[aws]
endpoint_url = "http://10.0.0.1:4566"
endpoint_urls = { dynamo = "https://x.test" }

[limits]
plan_ttl = "2d"
confirmation_timeout = "five minutes"
result_bytes = 64000

[manifests]
folders = ["nowhere"]
"#
            )
            .replace(&std::env::temp_dir().display().to_string(), "")
        );
    }

    #[test]
    fn syntax_errors_and_missing_files_are_told() {
        insta::assert_snapshot!(report("[caller]\nhuman = dana\n"));
        insta::assert_snapshot!(report("[caller]\nhuman = \"a\"\nhuman = \"b\"\n"));
        let missing = load(Path::new("/nowhere/countersign.toml"), &Models::embedded().unwrap(), &environment());
        insta::assert_snapshot!(missing.unwrap_err().to_string());
    }
}
